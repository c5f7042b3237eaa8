"""What a person says about the log: ratings and taking them back, exclusions, disputes with the verifier, settings."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from rrr_local.episode import VerdictKind
from rrr_local.errors import NotFoundError
from rrr_local.store import history, queries, tasks_read
from rrr_local.store.records import EpisodeRecord
from rrr_local.store.tasks_read import Dispute, TaskStats

from .samples import ERROR, FAIL, PASS, Lab, attempt, episode, problem


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    lab = Lab.at(tmp_path / "rrr.db")
    with lab.store:
        yield lab


def counted(lab: Lab, attempt_id: int) -> tuple[object, bool]:
    found = history.episode(lab.store.reader(), attempt_id).attempt
    return found.verdict, found.by_user


def test_a_rating_taken_back_no_longer_counts_and_stays_in_the_log(lab: Lab) -> None:
    [first] = lab.store.log_episodes(lab.session_id, [episode(lab.problem_ids[0])])
    lab.store.log_user_verdict(first, PASS, "fine")
    lab.store.retract_user_verdict(first)
    assert counted(lab, first) == (FAIL, False)
    assert lab.scalar("SELECT detail FROM outcomes WHERE source = 'user'") == "fine"
    lab.store.log_user_verdict(first, PASS, "fine after all")
    assert counted(lab, first) == (PASS, True)


def test_ratings_are_taken_back_one_by_one_newest_first(lab: Lab) -> None:
    [first] = lab.store.log_episodes(lab.session_id, [episode(lab.problem_ids[0])])
    for verdict in (PASS, FAIL, PASS):
        lab.store.log_user_verdict(first, verdict, "")
    seen = []
    for _ in range(3):
        lab.store.retract_user_verdict(first)
        seen.append(counted(lab, first))
    assert seen == [(FAIL, True), (PASS, True), (FAIL, False)]
    with pytest.raises(NotFoundError, match="nobody has rated"):
        lab.store.retract_user_verdict(first)


def test_only_what_is_in_the_log_is_rated_or_excluded(lab: Lab) -> None:
    with pytest.raises(NotFoundError):
        lab.store.log_user_verdict(99, PASS, "")
    with pytest.raises(NotFoundError):
        lab.store.retract_user_verdict(99)
    with pytest.raises(NotFoundError):
        lab.store.exclude(99, True)


def test_an_excluded_episode_is_no_failure_until_it_is_taken_in_again(lab: Lab) -> None:
    first, second = lab.store.log_episodes(lab.session_id, [episode(p) for p in lab.problem_ids[:2]])
    retry = history.episode(lab.store.reader(), first).plain_retries[0].id

    def failures() -> list[int]:
        return [failure.attempt_id for failure in queries.failures(lab.store.reader(), lab.session_id)]

    for _ in range(2):  # twice is as good as once
        lab.store.exclude(retry, True)
    assert failures() == [second]
    assert [each.excluded for each in history.episodes(lab.store.reader())] == [False, True]
    lab.store.exclude(first, False)
    assert failures() == [first, second]


@pytest.mark.parametrize("judged", [ERROR, PASS])
def test_a_failure_that_only_a_person_saw_is_not_trained_on(lab: Lab, judged: VerdictKind) -> None:
    """The verifier judges the retries: it would reward none, or what the person finds wrong."""
    [first] = lab.store.log_episodes(lab.session_id, [EpisodeRecord(lab.problem_ids[0], attempt("29", judged))])
    lab.store.log_user_verdict(first, FAIL, "wrong")
    assert counted(lab, first) == (FAIL, True)
    assert queries.failures(lab.store.reader(), lab.session_id) == []
    assert queries.pool_size(lab.store.reader(), lab.task_id, lab.model_id) == 0


def test_disputes_are_where_a_person_and_the_verifier_disagree(lab: Lab) -> None:
    store = lab.store
    texts = ("agreed", "disputed", "taken back", "verifier broke", "changed their mind", "not rated")
    records = [EpisodeRecord(lab.problem_ids[0], attempt(t, ERROR if t == "verifier broke" else FAIL)) for t in texts]
    agreed, disputed, back, broke, changed, _ = store.log_episodes(lab.session_id, records)
    store.log_user_verdict(agreed, FAIL, "indeed")
    for attempt_id in (disputed, back, broke, changed):
        store.log_user_verdict(attempt_id, PASS, "it is right")
    store.retract_user_verdict(back)
    store.log_user_verdict(changed, FAIL, "no, it is not")
    other = store.task("other", 1, "x", "x", "00", {})
    mine = store.problems(other, [problem(8)])[problem(8).sha256]
    [elsewhere] = store.log_episodes(lab.session_id, [EpisodeRecord(mine, attempt("elsewhere", PASS))])
    store.log_user_verdict(elsewhere, FAIL, "")
    expected = Dispute(disputed, problem(5).prompt, "disputed", FAIL, PASS, "equals 29, not 24", "it is right")
    assert tasks_read.disputes(store.reader(), "countdown") == [expected]
    assert [d.attempt_id for d in tasks_read.disputes(store.reader(), "other")] == [elsewhere]
    assert [(s.task, s.disputed) for s in tasks_read.tasks_stats(store.reader())] == [("countdown", 1), ("other", 1)]


def test_a_task_has_the_rates_of_what_was_judged(lab: Lab) -> None:
    kinds = (PASS, FAIL, FAIL, FAIL, ERROR)
    records = [EpisodeRecord(lab.problem_ids[0], attempt("x", kind)) for kind in kinds]
    lab.store.log_episodes(lab.session_id, records)
    lab.store.task("countdown", 2, "x", "x", "00", {})
    lab.store.task("unused", 1, "x", "x", "00", {})
    assert tasks_read.tasks_stats(lab.store.reader()) == [
        TaskStats("countdown", 5, 0.25, 3, 0),
        TaskStats("unused", 0, None, 0, 0),
    ]


def test_a_setting_is_kept_until_it_is_forgotten(lab: Lab) -> None:
    for value in ("dark", "light"):
        lab.store.set_setting("ui.theme", value)
    lab.store.set_setting("draft", "a\0b\ud800")
    assert queries.settings(lab.store.reader()) == {"ui.theme": "light", "draft": "a\ufffdb\ufffd"}
    lab.store.set_setting("ui.theme", None)
    lab.store.set_setting("never.set", None)
    assert queries.settings(lab.store.reader()).keys() == {"draft"}
