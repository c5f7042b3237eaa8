"""Conversations: their turns, replies that get an expected answer later, reflections asked for afterwards."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from rrr_local.episode import Problem, Split, Verdict, VerdictKind
from rrr_local.errors import NotFoundError
from rrr_local.store import chats, history, queries, runs_read, search
from rrr_local.store.records import EpisodeRecord, SessionKind, StepRecord
from rrr_local.store.store import Store

from .samples import ERROR, FAIL, PASS, Lab, attempt, group, problem, reflection

QUESTION = Problem("What is 3 * 8?", {"prompt": "What is 3 * 8?"}, "q" * 64)
CHECKED = Problem("What is 3 * 8?", {"prompt": "What is 3 * 8?", "expect": "24"}, "c" * 64)


class Chat:
    """A conversation about questions in a person's own words, in a log that has a task too."""

    def __init__(self, lab: Lab) -> None:
        self.lab, self.store = lab, lab.store
        self.task_id = lab.store.task("question", 1, "Question", "Question", "99" * 32, {})
        ids = lab.store.problems(self.task_id, [QUESTION, CHECKED])
        self.question_id, self.checked_id = ids[QUESTION.sha256], ids[CHECKED.sha256]
        self.session_id = self.start()

    def start(self) -> str:
        return self.store.start_session(SessionKind.CHAT, model_id=self.lab.model_id, task_id=self.task_id)

    def ask(self, text: str = "29", verdict: VerdictKind = ERROR, problem_id: int | None = None) -> int:
        """The first attempt's id."""
        record = EpisodeRecord(problem_id or self.question_id, attempt(text, verdict))
        return self.store.log_episodes(self.session_id, [record])[0]

    def turn(self, parent_id: int | None = None, context_id: int | None = None, text: str = "29") -> int:
        return self.store.add_turn(self.session_id, self.ask(text), parent_id, context_id)

    def turns(self) -> list[chats.Turn]:
        return chats.turns(self.store.reader(), self.session_id)


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    lab = Lab.at(tmp_path / "rrr.db")
    with lab.store:
        yield lab


@pytest.fixture
def chat(lab: Lab) -> Chat:
    return Chat(lab)


def test_the_turns_of_a_conversation_come_back_in_order_with_their_branches(chat: Chat) -> None:
    one = chat.turn()
    two = chat.turn(one, one, "30")
    again = chat.turn(one, one, "31")
    assert [(t.id, t.parent_id, t.context_id) for t in chat.turns()] == [
        (one, None, None),
        (two, one, one),
        (again, one, one),
    ]
    first = chat.turns()[0]
    assert (first.prompt, first.task, first.info, first.split) == (
        QUESTION.prompt,
        "question",
        QUESTION.info,
        Split.PRACTICE,
    )
    assert (first.episode.attempt.text, first.episode.attempt.id, first.hidden) == ("29", first.attempt_id, False)
    assert chats.turn(chat.store.reader(), two) == chat.turns()[1]


def test_a_turn_belongs_to_one_conversation(chat: Chat) -> None:
    elsewhere, mine = chat.start(), chat.turn()
    first = chat.ask()
    for parent, context in ((mine, None), (None, mine), (99, None)):
        with pytest.raises(NotFoundError):
            chat.store.add_turn(elsewhere, first, parent, context)
    with pytest.raises(NotFoundError, match="no attempt 99"):
        chat.store.add_turn(chat.session_id, 99)
    with pytest.raises(NotFoundError):
        chats.turn(chat.store.reader(), 99)
    assert chats.turns(chat.store.reader(), elsewhere) == []


def test_a_retry_is_no_turn_and_is_not_reflected_on(chat: Chat) -> None:
    _, retry = chat.store.log_reflection(chat.session_id, chat.ask(), reflection(0, "Hm.", attempt("24", PASS)))
    assert retry is not None
    with pytest.raises(ValueError, match="is a retry"):
        chat.store.add_turn(chat.session_id, retry)
    with pytest.raises(ValueError, match="is a retry"):
        chat.store.log_reflection(chat.session_id, retry, reflection(1, "Hm.", None))


def test_a_reflection_joins_the_attempt_it_is_about(chat: Chat) -> None:
    first = chat.ask()
    _, retry = chat.store.log_reflection(chat.session_id, first, reflection(0, "Multiply.", attempt("24", PASS)))
    assert chat.store.log_reflection(chat.session_id, first, reflection(1, "Again.", None))[1] is None
    found = history.episode(chat.store.reader(), first)
    assert [(r.sample_no, r.text, r.retry.id if r.retry else None) for r in found.reflections] == [
        (0, "Multiply.", retry),
        (1, "Again.", None),
    ]
    with pytest.raises(NotFoundError):
        chat.store.log_reflection(chat.session_id, 99, reflection(0, "Hm.", None))


def test_a_chat_keeps_the_ids_of_every_reply(chat: Chat) -> None:
    passed = chat.ask("24", PASS)
    lesson = replace(reflection(0, "Hm.", attempt("24", PASS, (7,))), token_ids=struct.pack("<I", 8), prompt="Reflect.")
    chat.store.log_reflection(chat.session_id, passed, lesson)
    sql = "SELECT token_ids FROM attempts UNION ALL SELECT token_ids FROM reflections"
    kept = [row[0] for row in chat.store.reader().execute(sql)]
    assert kept == [struct.pack("<3I", 1, 2, 4_000_000_000), struct.pack("<I", 7), struct.pack("<I", 8)]


def test_every_verdict_names_the_verifier_of_its_own_task(chat: Chat) -> None:
    chat.ask()
    chat.ask(problem_id=chat.lab.problem_ids[0])
    free = chat.store.log_episodes(chat.session_id, [EpisodeRecord(None, attempt("hi"))])
    chat.store.log_reflection(chat.session_id, free[0], reflection(0, "Hm.", attempt("hello")))
    found = chat.store.reader().execute("SELECT verifier_sha256 FROM outcomes ORDER BY id").fetchall()
    assert found == [("99" * 32,), ("ef" * 32,), ("99" * 32,), ("99" * 32,)]


def test_a_reply_that_can_be_checked_later_is_written_again_and_stays(chat: Chat) -> None:
    turn_id = chat.turn(text="it is 24")
    before = chat.turns()[0].attempt_id
    copy = chat.store.check_turn(turn_id, chat.checked_id, Verdict(PASS, "equals 24", "24"))
    [turn] = chat.turns()
    assert (turn.id, turn.attempt_id, turn.info) == (turn_id, copy, CHECKED.info)
    reply = turn.episode.attempt
    assert (reply.text, reply.verdict, reply.reason, reply.answer, reply.by_user) == (
        "it is 24",
        PASS,
        "equals 24",
        "24",
        False,
    )
    old = history.episode(chat.store.reader(), before)
    assert (old.attempt.text, old.attempt.verdict, old.problem) == ("it is 24", ERROR, QUESTION)
    sql = "SELECT token_ids, prompt_sha256, seed, finish_reason, created_at FROM attempts"
    first, second = chat.store.reader().execute(sql).fetchall()
    assert first == second and first[0] == struct.pack("<3I", 1, 2, 4_000_000_000)
    assert chat.lab.scalar(f"SELECT verifier_sha256 FROM outcomes WHERE attempt_id = {copy}") == "99" * 32


def test_a_reply_that_was_written_again_is_listed_and_found_once(chat: Chat) -> None:
    turn_id = chat.turn(text="a zebra")
    chat.store.log_reflection(
        chat.session_id, chat.turns()[0].attempt_id, reflection(0, "an okapi", attempt("24", PASS))
    )
    for kind in (FAIL, PASS):
        copy = chat.store.check_turn(turn_id, chat.checked_id, Verdict(kind, ""))
        reader = chat.store.reader()
        assert [each.id for each in history.episodes(reader)] == [copy]
        assert [each.id for each in history.episodes(reader, which=history.EpisodeFilter("zebra"))] == [copy]
        assert [hit.id for hit in search.search(reader, "zebra")] == [copy]
        assert [hit.episode_id for hit in search.search(reader, "okapi")] == [copy]
        assert history.totals(reader).episodes == 1


def test_what_followed_a_reply_goes_along_with_its_verdicts(chat: Chat) -> None:
    turn_id = chat.turn()
    first = chat.turns()[0].attempt_id
    _, one = chat.store.log_reflection(chat.session_id, first, reflection(0, "One.", attempt("24", ERROR)))
    _, two = chat.store.log_reflection(chat.session_id, first, reflection(1, "Two.", attempt("25", ERROR)))
    chat.store.log_reflection(chat.session_id, first, reflection(2, "Three.", None))
    assert one is not None and two is not None
    chat.store.log_user_verdict(first, FAIL, "no")
    chat.store.log_user_verdict(two, PASS, "yes")
    chat.store.exclude(first, True)
    copy = chat.store.check_turn(turn_id, chat.checked_id, Verdict(FAIL, "29"), {one: Verdict(PASS, "24")})
    found = history.episode(chat.store.reader(), copy)
    assert (found.attempt.verdict, found.attempt.by_user, found.attempt.reason) == (FAIL, True, "no")
    assert [(r.text, r.retry and (r.retry.verdict, r.retry.by_user)) for r in found.reflections] == [
        ("One.", (PASS, False)),
        ("Two.", (PASS, True)),
        ("Three.", None),
    ]
    chat.store.retract_user_verdict(copy)
    assert history.episode(chat.store.reader(), copy).attempt.reason == "29", "the check's own verdict is there too"
    assert history.episodes(chat.store.reader())[0].excluded
    assert len(history.episode(chat.store.reader(), first).reflections) == 3, "what was written first stays"


def test_what_a_run_made_of_a_reply_stays_with_the_reply_it_saw(chat: Chat) -> None:
    lab, session = chat.lab, chat.session_id
    turn_id = chat.store.add_turn(session, chat.ask("29", FAIL, lab.problem_ids[0]))
    first, run_id = chat.turns()[0].attempt_id, lab.run()
    chat.store.log_step(run_id, lab.train_session(run_id), StepRecord(1), [group(lab.problem_ids[0], first)])
    copy = chat.store.check_turn(turn_id, lab.problem_ids[1], Verdict(FAIL, ""))
    assert history.episode(chat.store.reader(), copy).reflections == ()
    assert {sample.attempt_id for sample in runs_read.samples(chat.store.reader(), run_id)} == {first}


def test_a_check_needs_a_turn_and_a_problem(chat: Chat) -> None:
    turn_id = chat.turn()
    with pytest.raises(NotFoundError, match="no turn 99"):
        chat.store.check_turn(99, chat.checked_id, Verdict(PASS, ""))
    before = chat.turns()
    with pytest.raises(Exception, match="FOREIGN KEY"):
        chat.store.check_turn(turn_id, 99, Verdict(PASS, ""))
    assert chat.turns() == before


def test_a_turn_can_be_hidden_and_shown_again(chat: Chat) -> None:
    one, two = chat.turn(), chat.turn()
    chat.store.hide_turn(one, True)
    assert [(t.id, t.hidden) for t in chat.turns()] == [(one, True), (two, False)]
    assert chats.chats(chat.store.reader())[0].turns == 1
    chat.store.hide_turn(one, False)
    assert [t.hidden for t in chat.turns()] == [False, False]
    with pytest.raises(NotFoundError):
        chat.store.hide_turn(99, True)


def test_conversations_are_paged_newest_first_and_only_those_with_a_turn(chat: Chat) -> None:
    ids = []
    for number in range(5):
        chat.session_id = chat.start()
        chat.turn(text=str(number))
        ids.append(chat.session_id)
    chat.start()
    seen: list[str] = []
    while page := chats.chats(chat.store.reader(), 2, seen[-1] if seen else None):
        seen += [each.id for each in page]
    assert seen == ids[::-1]
    chat.store.rename_session(ids[-1], "Eights")
    newest = chats.chats(chat.store.reader())[0]
    assert (newest.title, newest.task, newest.turns, newest.first_prompt) == ("Eights", "question", 1, QUESTION.prompt)
    with pytest.raises(NotFoundError):
        chat.store.rename_session("nowhere", "x")


def test_a_turn_without_a_problem_has_no_prompt(chat: Chat) -> None:
    first = chat.store.log_episodes(chat.session_id, [EpisodeRecord(None, attempt("hi"))])[0]
    chat.store.add_turn(chat.session_id, first)
    [turn] = chat.turns()
    assert (turn.prompt, turn.task, turn.info, turn.split) == (None, None, None, None)


def test_the_pool_has_what_a_run_may_learn_from(chat: Chat) -> None:
    lab, store = chat.lab, chat.store

    def log(session: str, number: int, kind: VerdictKind = FAIL, ids: bytes | None = b"\1\0\0\0") -> int:
        record = EpisodeRecord(lab.problem_ids[number], replace(attempt("29", kind), token_ids=ids))
        return store.log_episodes(session, [record])[0]

    held_out = store.problems(lab.task_id, [problem(9, Split.EVAL)])[problem(9).sha256]
    other_model = store.start_session(SessionKind.COLLECT, model_id=None, task_id=lab.task_id)
    measured = store.start_session(SessionKind.EVAL, model_id=lab.model_id, task_id=lab.task_id)
    wanted = [
        log(lab.session_id, 0),
        log(chat.session_id, 1, VerdictKind.UNPARSED),
        log(lab.session_id, 2, VerdictKind.TIMEOUT),
    ]
    store.add_turn(chat.session_id, wanted[1])
    later = log(chat.session_id, 0)
    for session in (other_model, measured):
        log(session, 0)
    log(lab.session_id, 0, PASS)
    log(lab.session_id, 0, ids=None)
    judged_by_nobody = log(lab.session_id, 0, ERROR)
    store.log_user_verdict(judged_by_nobody, FAIL, "wrong")
    store.log_episodes(lab.session_id, [EpisodeRecord(held_out, attempt("29"))])
    store.add_turn(chat.session_id, log(chat.session_id, 0), None, store.add_turn(chat.session_id, later))
    excluded = log(chat.session_id, 1)
    store.exclude(excluded, True)
    checked = store.add_turn(chat.session_id, log(chat.session_id, 2))
    copy = store.check_turn(checked, lab.problem_ids[1], Verdict(FAIL, "still wrong"))

    def pool(before: int | None = None) -> list[int]:
        found = queries.pool(store.reader(), lab.task_id, lab.model_id, before)
        assert all(failure.token_ids for failure in found)
        return [failure.attempt_id for failure in found]

    assert pool() == [*wanted, later, copy]
    assert queries.pool_size(store.reader(), lab.task_id, lab.model_id) == 5
    assert pool(later) == wanted
    assert pool(queries.last_attempt(store.reader()) + 1) == pool()
    store.exclude(excluded, False)
    assert pool() == [*wanted, later, excluded, copy]
    assert queries.pool(store.reader(), chat.task_id, lab.model_id) == []


def test_an_empty_log_has_no_last_attempt(tmp_path: Path) -> None:
    with Store.open(tmp_path / "empty.db") as store:
        assert queries.last_attempt(store.reader()) == 0


def test_a_retry_is_written_after_its_reflection_and_belongs_to_the_same_episode(chat: Chat) -> None:
    first = chat.ask()
    reflection_id, none = chat.store.log_reflection(chat.session_id, first, reflection(0, "Multiply.", None))
    assert none is None
    retry = chat.store.log_retry(chat.session_id, reflection_id, attempt("24", PASS))
    (made,) = history.episode(chat.store.reader(), first).reflections
    assert (made.id, made.retry.id if made.retry else None) == (reflection_id, retry)
    with pytest.raises(NotFoundError, match="no reflection 99"):
        chat.store.log_retry(chat.session_id, 99, attempt("24", PASS))
