"""Failures: what a run learns from. Collected before training, as in the paper, and kept in the log as a session.

A *source* names some: the id of a session, or `pool:<attempt>`, all that the log had when that was its last attempt. A pool is cut off
there so that a resumed run has the failures it began with. (Excluding one takes effect when the run is next resumed.)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rrr_local import journal
from rrr_local.episode import Problem
from rrr_local.errors import NotFoundError, UsageError
from rrr_local.loop import Loop, Try
from rrr_local.store import queries
from rrr_local.store.queries import Failure
from rrr_local.store.records import SessionKind
from rrr_local.store.store import Store
from rrr_local.training.patience import Patience

POOL = "pool:"
"""How the source of a pool begins."""


@dataclass(frozen=True, slots=True)
class LoggedFailure:
    """A failed attempt, and where it stands in the log."""

    attempt_id: int
    problem_id: int
    attempt: Try


@dataclass(frozen=True, slots=True)
class Pool:
    """Failures from anywhere in the log: chat, collected, of earlier runs."""

    failures: list[LoggedFailure]
    """One of each: the same wrong reply to the same problem teaches nothing twice."""
    duplicates: int
    """How many were left out for that."""
    passed_over: int
    """Failures that another chat template or prompt made: their ids would mean something else."""


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

    An attempt whose verifier broke is no failure. The session is in the log from the first `Progress` on. Problems
    that are too long for the model are left out. Raises `BrokenVerifier`; `UsageError` where all are.
    """
    problems = loop.fitting(problems)
    session = store.start_session(
        SessionKind.COLLECT, model_id=registered.model_id, task_id=registered.task_id, train_run_id=run_id
    )
    ids = journal.log_problems(store, registered.task_id, problems)
    attempts = failures = 0
    patience = Patience(loop.task.name)
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
            patience.look(tries)
            if failures >= wanted:
                store.end_session(session)
                return
    store.end_session(session)
    patience.end()


def load(loop: Loop, store: Store, registered: journal.Registered, source: str, limit: int) -> list[LoggedFailure]:
    """The failures of a source: the first of a session, or the newest of a pool. Raises `NotFoundError` when it has none."""
    if source.startswith(POOL):
        found = pool(loop, store, registered, int(source.removeprefix(POOL))).failures[-limit:]
    else:
        found = [_logged(f, loop) for f in queries.failures(store.reader(), source)[:limit]]
    if not found:
        raise NotFoundError(
            "there are no failures to learn from", "take harder problems or a higher temperature (`rrr collect --help`)"
        )
    return found


def pool_until_now(store: Store) -> str:
    """The source of all failures that are in the log at this moment; what comes later is not in it."""
    return f"{POOL}{queries.last_attempt(store.reader())}"


def pool(loop: Loop, store: Store, registered: journal.Registered, until: int) -> Pool:
    """The failures of this task and model in the log up to the attempt `until`, oldest first."""
    kept: dict[tuple[int, tuple[int, ...]], LoggedFailure] = {}
    passed_over = duplicates = 0
    for stored in queries.pool(store.reader(), registered.task_id, registered.model_id, until + 1):
        try:
            failure = _logged(stored, loop)
        except UsageError:
            passed_over += 1
            continue
        key = (failure.problem_id, failure.attempt.node.tokens)
        duplicates += key in kept
        kept[key] = failure
    return Pool(list(kept.values()), duplicates, passed_over)


def _logged(stored: Failure, loop: Loop) -> LoggedFailure:
    return LoggedFailure(stored.attempt_id, stored.problem_id, journal.failure_from(stored, loop))


def is_failure(attempt: Try) -> bool:
    """Wrong, and known to be wrong."""
    return attempt.verdict.score == 0.0
