"""What flows out for training: runs, steps, failures; and settings and counts.

Typed reads on a read-only connection (`Store.reader`). Lists are newest first in the order of writing, since clocks may
jump.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from rrr_local.episode import FinishReason, Problem, Split, VerdictKind
from rrr_local.errors import NotFoundError, UsageError
from rrr_local.store.records import Json, RunPhase, RunRequest, RunStatus, StepRecord, unpack_ids
from rrr_local.store.rows import Value
from rrr_local.store.sqlite import Connection, readable_errors


@dataclass(frozen=True, slots=True)
class RunSummary:
    """A run in a list."""

    id: str
    name: str
    status: RunStatus
    model: str | None
    """Repository or path."""
    task: str
    backend: str
    last_step: int
    total_steps: int
    first_reward: float | None
    """Mean reward of the first step that has one."""
    last_reward: float | None
    groups: int | None
    """Failures reflected on so far; None before the first step."""
    groups_used: int | None
    seconds: float | None
    """Time spent in steps."""
    error: str | None
    created_at: str
    started_at: str | None
    ended_at: str | None


@dataclass(frozen=True, slots=True)
class Run:
    """A run with what it takes to resume it."""

    summary: RunSummary
    model_id: int
    task_id: int
    base_adapter_id: int | None
    failures_session_id: str | None
    seed: int
    config: Json
    config_sha256: str
    segment: int
    """How many times it was resumed."""
    last_checkpoint: str | None
    """Relative to the data folder."""
    pid: int | None
    host: str | None
    heartbeat_at: str | None
    """For display only: the lock of the run's folder says whether it lives."""
    phase: RunPhase | None
    """What it is at; None in a run of an older version."""
    phase_done: int | None
    """Of `phase_total`: steps, problems or attempts, as the phase has it."""
    phase_total: int | None
    request: RunRequest | None
    """What a person asked of its trainer that was not yet done."""
    note: str | None
    """What a person wrote about it."""


@dataclass(frozen=True, slots=True)
class Step:
    """A step's numbers as they were logged."""

    record: StepRecord
    segment: int
    not_finite: Mapping[str, str]
    """The metrics that were not finite, and what they were (`nan`, `inf`, `-inf`); they are None in `record`."""
    created_at: str


@dataclass(frozen=True, slots=True)
class Failure:
    """A failed first attempt: what a run learns from."""

    attempt_id: int
    problem_id: int
    problem: Problem
    reply: str
    token_ids: tuple[int, ...] | None
    """The reply as it was sampled; None where it was not kept."""
    verdict: VerdictKind
    reason: str
    finish_reason: FinishReason | None
    prompt_sha256: str | None
    seed: int | None


@dataclass(frozen=True, slots=True)
class Counts:
    """How much is in the log."""

    sessions: int
    problems: int
    attempts: int
    reflections: int
    runs: int
    adapters: int
    evals: int
    size_bytes: int
    """Of the file, without its write-ahead log."""


LAST_ID = 2**63 - 1
"""No id is larger."""

_FAILURES = """
    SELECT a.id, p.id, p.prompt, p.meta, p.sha256, p.split, a.text, a.token_ids, v.verdict, v.reason,
      a.finish_reason, a.prompt_sha256, a.seed, p.task_id
    FROM attempts a JOIN sessions s ON s.id = a.session_id JOIN problems p ON p.id = a.problem_id
      JOIN attempt_verdicts v ON v.attempt_id = a.id
    WHERE a.attempt_no = 1 AND v.verdict IN ('fail', 'unparsed', 'timeout')
      AND (SELECT o.verdict FROM outcomes o WHERE o.attempt_id = a.id AND o.source = 'verifier' ORDER BY o.id DESC LIMIT 1)
        IN ('fail', 'unparsed', 'timeout')
      AND NOT EXISTS (SELECT 1 FROM excluded x WHERE x.attempt_id = a.id)
      AND NOT EXISTS (SELECT 1 FROM attempts c WHERE c.copy_of = a.id)"""
"""Failed first attempts that are not excluded, each once. What the verifier did not fail is no failure, whatever a person said of it:
it rewards the retries, and would reward what that person finds wrong."""


TRAINABLE = f"""{_FAILURES} AND s.kind IN ('chat', 'collect')
      AND p.split <> 'eval' AND a.token_ids IS NOT NULL
      AND NOT EXISTS (SELECT 1 FROM turns u WHERE u.attempt_id = a.id AND u.context_id IS NOT NULL)"""
"""Those that a run may learn from, of all tasks and models."""
_POOL = f"{TRAINABLE} AND p.task_id = ? AND s.model_id = ?"


def runs(connection: Connection, limit: int = 100) -> list[RunSummary]:
    """The newest runs."""
    sql = f"SELECT {_columns(RunSummary)} FROM run_summary ORDER BY position DESC LIMIT ?"
    return [_run_summary(row) for row in fetch(connection, sql, limit)]


def run(connection: Connection, name: str) -> Run:
    """The run with this id or name, or the only one whose id or name starts with it.

    Raises `NotFoundError` when there is none, `UsageError` when there are several.
    """
    run_id = _run_id(connection, name)
    summary = fetch(connection, f"SELECT {_columns(RunSummary)} FROM run_summary WHERE id = ?", run_id)[0]
    columns = [f.name for f in fields(Run) if f.name != "summary"]
    row = fetch(connection, f"SELECT {', '.join(columns)} FROM train_runs WHERE id = ?", run_id)[0]
    values = dict(zip(columns, row, strict=True))
    values["config"] = json.loads(values["config"])
    values["phase"] = None if values["phase"] is None else RunPhase(values["phase"])
    values["request"] = None if values["request"] is None else RunRequest(values["request"])
    return Run(_run_summary(summary), **values)


def steps(connection: Connection, run_id: str, after: int = 0) -> list[Step]:
    """The steps of a run that come after step `after`, in order: 0 gives all, the last one seen gives what is new."""
    columns = _columns(StepRecord)
    sql = f"SELECT segment, created_at, {columns} FROM train_steps WHERE run_id = ? AND step > ? ORDER BY step"
    return [_step(row) for row in fetch(connection, sql, run_id, after)]


def failures(connection: Connection, session_id: str) -> list[Failure]:
    """The failed first attempts of a session, in order, without the excluded ones."""
    return [_failure(row) for row in fetch(connection, f"{_FAILURES} AND a.session_id = ? ORDER BY a.id", session_id)]


def pool(connection: Connection, task_id: int, model_id: int, before_attempt: int | None = None) -> list[Failure]:
    """All failures of a task and a model that a run may learn from, newest last: of chats and of collections, not of evaluations.

    `before_attempt` leaves out that attempt and newer ones, so that a resumed run finds what it began with (`last_attempt` + 1 for all
    there are now). A turn that depends on the turns before it is no problem of its own; what has no ids cannot be trained on.
    """
    end = LAST_ID if before_attempt is None else before_attempt
    return [_failure(row) for row in fetch(connection, f"{_POOL} AND a.id < ? ORDER BY a.id", task_id, model_id, end)]


def pool_size(connection: Connection, task_id: int, model_id: int) -> int:
    """How many failures `pool` would give now."""
    return int(fetch(connection, f"SELECT count(*) FROM ({_POOL})", task_id, model_id)[0][0])


def last_attempt(connection: Connection) -> int:
    """The newest attempt's id; 0 in an empty log."""
    return int(fetch(connection, "SELECT coalesce(max(id), 0) FROM attempts")[0][0])


def settings(connection: Connection) -> dict[str, str]:
    """Every setting that was set."""
    return dict(fetch(connection, "SELECT key, value FROM settings"))


def adapter_id(connection: Connection, path: str, sha256: str) -> int | None:
    """The adapter that is in this folder with this content; None when the log has none."""
    found = fetch(connection, "SELECT id FROM adapters WHERE path = ? AND sha256 = ? ORDER BY id DESC", path, sha256)
    return int(found[0][0]) if found else None


def counts(connection: Connection) -> Counts:
    """How much is in the log."""
    tables = ("sessions", "problems", "attempts", "reflections", "train_runs", "adapters", "evals")
    columns = ", ".join(f"(SELECT count(*) FROM {table})" for table in tables)
    size = "(SELECT page_count * page_size FROM pragma_page_count, pragma_page_size)"
    return Counts(*fetch(connection, f"SELECT {columns}, {size}")[0])


def fetch(connection: Connection, sql: str, *parameters: Value) -> list[tuple[Any, ...]]:
    """All rows; SQLite's errors as a person should read them."""
    with readable_errors():
        return connection.execute(sql, parameters).fetchall()


def problem_from(prompt: str, info: str, sha256: str, split: str) -> Problem:
    """A problem from its columns."""
    return Problem(prompt, json.loads(info), sha256, Split(split))


def _columns(record: type[RunSummary] | type[StepRecord]) -> str:
    return ", ".join(f.name for f in fields(record))


def _run_summary(row: Sequence[Any]) -> RunSummary:
    values = dict(zip((f.name for f in fields(RunSummary)), row, strict=True))
    return RunSummary(**{**values, "status": RunStatus(values["status"])})


def _run_id(connection: Connection, name: str) -> str:
    exact = fetch(connection, "SELECT id FROM train_runs WHERE id = ?1 OR name = ?1", name)
    if exact:
        return str(exact[0][0])
    # substr and not LIKE: a name may hold % or _.
    sql = "SELECT id, name FROM train_runs WHERE substr(name, 1, ?2) = ?1 OR substr(id, 1, ?2) = ?1 ORDER BY rowid DESC"
    found = fetch(connection, sql, name, len(name))
    if not found:
        raise NotFoundError(f"there is no run {name}", "`rrr runs list` shows the runs there are")
    if len(found) > 1:
        raise UsageError(f"several runs start with {name}", f"write more of {', '.join(row[1] for row in found[:5])}")
    return str(found[0][0])


def _step(row: Sequence[Any]) -> Step:
    segment, created_at, *columns = row
    values = dict(zip((f.name for f in fields(StepRecord)), columns, strict=True))
    extra = json.loads(values["extra"] or "{}")
    not_finite = extra.pop("not_finite", {})
    return Step(StepRecord(**{**values, "extra": extra}), segment, not_finite, created_at)


def _failure(row: Sequence[Any]) -> Failure:
    attempt_id, problem_id, prompt, info, sha256, split, reply, packed, verdict, reason, *rest = row
    finish, prompt_sha256, seed, _ = rest
    return Failure(
        attempt_id=attempt_id,
        problem_id=problem_id,
        problem=problem_from(prompt, info, sha256, split),
        reply=reply,
        token_ids=None if packed is None else unpack_ids(packed),
        verdict=VerdictKind(verdict),
        reason=reason,
        finish_reason=None if finish is None else FinishReason(finish),
        prompt_sha256=prompt_sha256,
        seed=seed,
    )
