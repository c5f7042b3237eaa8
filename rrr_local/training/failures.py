"""Failures: what a run learns from. Collected before training, as in the paper, and kept in the log as a session."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rrr_local import journal
from rrr_local.episode import Problem
from rrr_local.errors import NotFoundError
from rrr_local.loop import Loop, Try
from rrr_local.store import queries
from rrr_local.store.records import SessionKind
from rrr_local.store.store import Store


@dataclass(frozen=True, slots=True)
class LoggedFailure:
    """A failed attempt, and where it stands in the log."""

    attempt_id: int
    problem_id: int
    attempt: Try


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a collection is."""

    session_id: str
    attempts: int
    failures: int


def collect(
    loop: Loop,
    store: Store,
    registered: journal.Registered,
    problems: Sequence[Problem],
    seed: int,
    *,
    wanted: int,
    attempts_per_problem: int,
    run_id: str | None = None,
) -> Iterator[Progress]:
    """Attempt the problems in rounds until enough attempts have failed, logging each batch; yields after each.

    An attempt whose verifier broke is no failure. The session is in the log from the first `Progress` on.
    """
    session = store.start_session(
        SessionKind.COLLECT, model_id=registered.model_id, task_id=registered.task_id, train_run_id=run_id
    )
    ids = journal.log_problems(store, registered.task_id, problems)
    attempts = failures = 0
    for sample in range(attempts_per_problem):
        start = 0
        while start < len(problems):
            # Twice what is missing: at a pass rate of a half that is enough, and a small collection stays small.
            size = min(loop.backend.width, 2 * (wanted - failures))
            tries = loop.attempt(problems[start : start + size], seed, sample=sample, keep=False)
            start += size
            store.log_episodes(session, [journal.episode_record(ids[t.problem.sha256], t) for t in tries])
            attempts += len(tries)
            failures += sum(is_failure(t) for t in tries)
            yield Progress(session, attempts, failures)
            if failures >= wanted:
                store.end_session(session)
                return
    store.end_session(session)


def load(loop: Loop, store: Store, session_id: str, limit: int) -> list[LoggedFailure]:
    """The first failures of a session. Raises `NotFoundError` when it has none."""
    stored = queries.failures(store.reader(), session_id)[:limit]
    if not stored:
        raise NotFoundError(
            "there are no failures to learn from", "take harder problems or a higher temperature (`rrr collect --help`)"
        )
    return [LoggedFailure(f.attempt_id, f.problem_id, journal.failure_from(f, loop)) for f in stored]


def is_failure(attempt: Try) -> bool:
    """Wrong, and known to be wrong."""
    return attempt.verdict.score == 0.0
