"""Episodes go into the log and come out as they were."""

from __future__ import annotations

import struct
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rrr_local.episode import FinishReason, Split, VerdictKind
from rrr_local.errors import NotFoundError, UsageError
from rrr_local.store import history, queries, runs_read, search
from rrr_local.store.ids import ulid
from rrr_local.store.records import EpisodeRecord, ModelRecord, SessionKind, pack_ids, unpack_ids
from rrr_local.store.store import Store

from .samples import ERROR, FAIL, PASS, Lab, attempt, episode, problem


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    lab = Lab.at(tmp_path / "rrr.db")
    with lab.store:
        yield lab


def test_an_episode_comes_back_whole(lab: Lab) -> None:
    [first] = lab.store.log_episodes(lab.session_id, [episode(lab.problem_ids[0])])
    found = history.episode(lab.store.reader(), first)
    assert found.kind is SessionKind.COLLECT and found.problem == problem(5)
    assert (found.attempt.id, found.attempt.text, found.attempt.verdict) == (first, "I got 29.", FAIL)
    assert (found.attempt.reason, found.attempt.by_user, found.attempt.seed) == ("equals 29, not 24", False, 2**63 - 1)
    assert found.attempt.finish_reason is FinishReason.STOP
    assert [(r.sample_no, r.text) for r in found.reflections] == [(0, "Start with 3 * 7."), (1, "Add the largest.")]
    assert [r.retry.verdict for r in found.reflections if r.retry] == [PASS, FAIL]
    assert [t.text for t in found.plain_retries] == ["plainly 29 again"]


def test_a_retry_leads_to_its_episode(lab: Lab) -> None:
    first, _ = lab.store.log_episodes(lab.session_id, [episode(lab.problem_ids[0]), episode(lab.problem_ids[0])])
    found = history.episode(lab.store.reader(), first)
    for retry in [*found.plain_retries, *(r.retry for r in found.reflections if r.retry)]:
        assert history.episode(lab.store.reader(), retry.id) == found


def test_a_chat_without_a_task_has_episodes_too(lab: Lab) -> None:
    session = lab.store.start_session(SessionKind.CHAT, model_id=lab.model_id, task_id=None, title="hello")
    [first] = lab.store.log_episodes(session, [EpisodeRecord(None, attempt("hi"))])
    assert history.episode(lab.store.reader(), first).problem is None
    assert history.episodes(lab.store.reader())[0].task is None


def test_token_ids_are_kept_for_failed_first_attempts_only(lab: Lab) -> None:
    passed = EpisodeRecord(lab.problem_ids[1], attempt("right", PASS))
    lab.store.log_episodes(lab.session_id, [episode(lab.problem_ids[0]), passed])
    rows = lab.store.reader().execute("SELECT text, token_ids FROM attempts WHERE token_ids IS NOT NULL").fetchall()
    assert rows == [("I got 29.", struct.pack("<3I", 1, 2, 4_000_000_000))]


@given(st.lists(st.integers(0, 2**32 - 1)))
def test_packed_ids_are_little_endian_and_come_back(ids: list[int]) -> None:
    assert pack_ids(ids) == b"".join(n.to_bytes(4, "little") for n in ids)
    assert unpack_ids(pack_ids(ids)) == tuple(ids)


def test_failures_are_the_failed_first_attempts_of_one_session(lab: Lab) -> None:
    five, six, seven = lab.problem_ids
    other = lab.store.start_session(SessionKind.CHAT, model_id=lab.model_id, task_id=lab.task_id)
    lab.store.log_episodes(other, [episode(seven)])
    made = [
        EpisodeRecord(seven, attempt("no answer", VerdictKind.UNPARSED)),
        EpisodeRecord(five, attempt("right", PASS)),
        EpisodeRecord(five, attempt("broke", ERROR)),
        EpisodeRecord(six, attempt("slow", VerdictKind.TIMEOUT)),
        episode(five),
    ]
    ids = lab.store.log_episodes(lab.session_id, made)
    found = queries.failures(lab.store.reader(), lab.session_id)
    assert [f.attempt_id for f in found] == [ids[0], ids[3], ids[4]]
    assert [f.problem for f in found] == [problem(7), problem(6), problem(5)]
    assert [f.verdict for f in found] == [VerdictKind.UNPARSED, VerdictKind.TIMEOUT, FAIL]
    assert found[0].token_ids == (1, 2, 4_000_000_000)


def test_a_persons_verdict_counts_instead_of_the_verifiers_and_both_stay(lab: Lab) -> None:
    [first] = lab.store.log_episodes(lab.session_id, [EpisodeRecord(lab.problem_ids[0], attempt("29"))])
    lab.store.log_user_verdict(first, PASS, "close enough")
    seen = history.episode(lab.store.reader(), first).attempt
    assert (seen.verdict, seen.reason, seen.by_user) == (PASS, "close enough", True)
    lab.store.log_user_verdict(first, FAIL, "no, it is not")
    assert history.episode(lab.store.reader(), first).attempt.verdict is FAIL
    assert lab.scalar("SELECT count(*) FROM outcomes") == 3


def test_episodes_are_paged_newest_first_without_gap_or_overlap(lab: Lab) -> None:
    ids = lab.store.log_episodes(lab.session_id, [episode(p) for p in lab.problem_ids * 3])
    seen: list[int] = []
    page = history.episodes(lab.store.reader(), limit=4)
    while page:
        seen += [each.id for each in page]
        page = history.episodes(lab.store.reader(), limit=4, before=page[-1].id)
    assert seen == ids[::-1]
    [newest] = history.episodes(lab.store.reader(), limit=1)
    assert (newest.task, newest.split, newest.verdict) == ("countdown", Split.TRAIN, FAIL)
    assert (newest.reflections, newest.retries_passed) == (2, 1)


def test_winning_reflections_are_those_whose_retry_passed(lab: Lab) -> None:
    [first] = lab.store.log_episodes(lab.session_id, [episode(lab.problem_ids[0])])
    [won] = runs_read.winning_reflections(lab.store.reader())
    assert (won.reflection, won.retry, won.attempt_id) == ("Start with 3 * 7.", "3 * 7 = 21", first)
    assert (won.prompt, won.reason, won.run_id) == (problem(5).prompt, "equals 29, not 24", None)
    lab.store.log_user_verdict(won.retry_id, FAIL, "it guessed")
    assert runs_read.winning_reflections(lab.store.reader()) == []


def test_search_finds_whole_words_in_attempts_and_reflections_newest_first(lab: Lab) -> None:
    older, newer = lab.store.log_episodes(
        lab.session_id, [episode(lab.problem_ids[0], "zebra one"), episode(lab.problem_ids[1], "a Zebra, two")]
    )
    assert [hit.id for hit in search.search(lab.store.reader(), "zebra")] == [newer, older]
    assert [hit.id for hit in search.search(lab.store.reader(), "two zebra")] == [newer]
    assert [hit.kind for hit in search.search(lab.store.reader(), "largest", limit=1)] == [search.Found.REFLECTION]
    assert search.search(lab.store.reader(), "zeb") == []


@given(words=st.text(st.characters(codec=None), max_size=20))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200, deadline=None)
def test_search_takes_any_text_for_words(lab: Lab, words: str) -> None:
    search.search(lab.store.reader(), words)


def test_a_model_is_added_once(lab: Lab) -> None:
    hub = ModelRecord("safetensors", repo_id="org/name", revision="a" * 40)
    assert lab.store.model(hub) == lab.store.model(replace(hub, params=3))
    assert lab.store.model(hub) != lab.store.model(replace(hub, revision="b" * 40))
    moved = ModelRecord("safetensors", files_sha256="cd" * 32, local_path="elsewhere")
    assert lab.store.model(moved) == lab.model_id
    unhashed = ModelRecord("gguf", local_path="here")
    assert lab.store.model(unhashed) == lab.store.model(unhashed) != lab.store.model(replace(unhashed, local_path="b"))


def test_one_version_of_a_task_cannot_have_two_verifiers(lab: Lab) -> None:
    assert lab.store.task("countdown", 1, "builtin", "arithmetic", "ef" * 32, {}) == lab.task_id
    with pytest.raises(UsageError, match="raise its version"):
        lab.store.task("countdown", 1, "builtin", "arithmetic", "00" * 32, {})
    assert lab.store.task("countdown", 2, "builtin", "arithmetic", "00" * 32, {}) != lab.task_id


def test_a_problem_cannot_be_in_train_and_eval(lab: Lab) -> None:
    with pytest.raises(UsageError, match="both train and eval"):
        lab.store.problems(lab.task_id, [problem(9, Split.EVAL), problem(5, Split.EVAL)])
    assert lab.scalar("SELECT count(*) FROM problems") == 3, "the other problem was not added either"


def test_a_practised_problem_may_become_any_other_and_the_other_way_round(lab: Lab) -> None:
    practised = lab.store.problems(lab.task_id, [problem(9, Split.PRACTICE)])
    assert lab.store.problems(lab.task_id, [problem(9, Split.EVAL)]) == practised
    assert lab.store.problems(lab.task_id, [problem(9, Split.PRACTICE)]) == practised
    assert lab.scalar(f"SELECT split FROM problems WHERE id = {practised[problem(9).sha256]}") == "eval"


def test_two_equal_problems_are_one(lab: Lab) -> None:
    assert len(lab.store.problems(lab.task_id, [problem(8), problem(8)])) == 1


ODD = "a\0b \ud800 \udfff é 漢 🦓 \x1b[31m \u202e [/bold] \r\n"


def test_text_that_sqlite_cannot_hold_is_replaced_and_the_rest_kept(lab: Lab) -> None:
    odd = replace(problem(9), prompt=ODD, info={"text": ODD})
    ids = lab.store.problems(lab.task_id, [odd])
    record = replace(attempt(ODD), reason=ODD, answer=ODD)
    [first] = lab.store.log_episodes(lab.session_id, [EpisodeRecord(ids[odd.sha256], record)])
    expected = "a\ufffdb \ufffd \ufffd é 漢 🦓 \x1b[31m \u202e [/bold] \r\n"
    found = history.episode(lab.store.reader(), first)
    assert found.problem is not None
    assert (found.attempt.text, found.attempt.reason, found.attempt.answer) == (expected, expected, expected)
    assert found.problem.prompt == expected
    assert lab.scalar(f"SELECT length(text) FROM attempts WHERE id = {first}") == len(expected)


@given(text=st.text(st.characters(codec=None)))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
def test_any_text_a_model_may_write_can_be_logged(lab: Lab, text: str) -> None:
    [first] = lab.store.log_episodes(lab.session_id, [EpisodeRecord(lab.problem_ids[0], attempt(text))])
    kept = history.episode(lab.store.reader(), first).attempt.text
    assert len(kept) == len(text)
    assert all(a == b or b == "\ufffd" for a, b in zip(text, kept, strict=True))


def test_a_huge_reply_is_kept_whole(lab: Lab) -> None:
    text = "ab " * 3_000_000
    [first] = lab.store.log_episodes(lab.session_id, [EpisodeRecord(lab.problem_ids[0], attempt(text))])
    assert history.episode(lab.store.reader(), first).attempt.text == text


def test_threads_share_one_store(lab: Lab) -> None:
    made: list[int] = []

    def log() -> None:
        for _ in range(5):
            made.extend(lab.store.log_episodes(lab.session_id, [episode(lab.problem_ids[0])]))
            history.episode(lab.store.reader(), made[-1])

    threads = [threading.Thread(target=log) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(made)) == 20
    assert sorted(made) == [row.id for row in history.episodes(lab.store.reader())][::-1]


def test_what_does_not_exist_is_said_to_not_exist(lab: Lab) -> None:
    with pytest.raises(NotFoundError):
        history.episode(lab.store.reader(), 99)
    with pytest.raises(NotFoundError):
        lab.store.log_episodes("nowhere", [])
    with pytest.raises(NotFoundError):
        Store.open(lab.store.path.with_name("other.db"), readonly=True)


def test_a_reading_store_follows_a_writing_one_and_cannot_write(lab: Lab) -> None:
    with Store.open(lab.store.path, readonly=True) as reading:
        assert history.episodes(reading.reader()) == []
        lab.store.log_episodes(lab.session_id, [episode(lab.problem_ids[0])])
        assert len(history.episodes(reading.reader())) == 1
        with pytest.raises(ValueError, match="read only"):
            reading.flush()


def test_counts_are_of_rows(lab: Lab) -> None:
    lab.store.log_episodes(lab.session_id, [episode(lab.problem_ids[0])])
    counts = queries.counts(lab.store.reader())
    assert (counts.sessions, counts.problems, counts.attempts, counts.reflections, counts.runs) == (1, 3, 4, 2, 0)
    assert counts.size_bytes % 4096 == 0 and counts.size_bytes > 0


def test_ulids_are_distinct_and_sort_by_time(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter(range(0, 10**18, 10**15))
    monkeypatch.setattr("rrr_local.store.ids.time.time_ns", lambda: next(times))
    made = [ulid() for _ in range(1000)]
    assert made == sorted(made) and len(set(made)) == 1000
    assert {len(each) for each in made} == {26}
