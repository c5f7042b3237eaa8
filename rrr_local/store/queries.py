"""What flows out for training and evaluation: runs, steps, failures, eval pairs, counts.

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
from rrr_local.store.records import EvalStatus, Json, RunStatus, StepRecord, unpack_ids
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
class EvalSummary:
    """An evaluation in a list."""

    id: str
    task: str
    model: str | None
    adapter: str | None
    """None for the bare model."""
    status: EvalStatus
    n: int
    items: int
    """Results so far."""
    first_try: float | None
    final_rate: float | None
    errors: int | None
    problems_sha256: str
    started_at: str
    ended_at: str | None


@dataclass(frozen=True, slots=True)
class EvalPair:
    """One problem in two evaluations; None where the verifier broke."""

    problem_id: int
    epoch: int
    first_before: bool | None
    first_after: bool | None
    final_before: bool | None
    final_after: bool | None


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
    return Run(_run_summary(summary), **values)


def steps(connection: Connection, run_id: str, after: int = 0) -> list[Step]:
    """The steps of a run that come after step `after`, in order: 0 gives all, the last one seen gives what is new."""
    columns = _columns(StepRecord)
    sql = f"SELECT segment, created_at, {columns} FROM train_steps WHERE run_id = ? AND step > ? ORDER BY step"
    return [_step(row) for row in fetch(connection, sql, run_id, after)]


def failures(connection: Connection, session_id: str) -> list[Failure]:
    """The failed first attempts of a session, in order. Those whose verifier broke are not failures of the model."""
    sql = """
        SELECT a.id, p.id, p.prompt, p.meta, p.sha256, p.split, a.text, a.token_ids, v.verdict, v.reason,
          a.finish_reason, a.prompt_sha256, a.seed
        FROM attempts a JOIN problems p ON p.id = a.problem_id JOIN attempt_verdicts v ON v.attempt_id = a.id
        WHERE a.session_id = ? AND a.attempt_no = 1 AND v.verdict IN ('fail', 'unparsed', 'timeout') ORDER BY a.id"""
    return [_failure(row) for row in fetch(connection, sql, session_id)]


def evals(connection: Connection, limit: int = 100) -> list[EvalSummary]:
    """The newest evaluations."""
    sql = f"SELECT {_columns(EvalSummary)} FROM eval_summary ORDER BY position DESC LIMIT ?"
    names = [f.name for f in fields(EvalSummary)]
    found = [dict(zip(names, row, strict=True)) for row in fetch(connection, sql, limit)]
    return [EvalSummary(**{**values, "status": EvalStatus(values["status"])}) for values in found]


def eval_pairs(connection: Connection, before: str, after: str) -> list[EvalPair]:
    """The problems that two evaluations have in common, in order.

    Raises `NotFoundError` when one does not exist, `UsageError` when they are not of the same problems.
    """
    hashes = {_problems_sha256(connection, before), _problems_sha256(connection, after)}
    if len(hashes) > 1:
        raise UsageError(
            "the two evaluations are not of the same problems", "evaluate both with the same task, n and seed"
        )
    sql = """
        SELECT b.problem_id, b.epoch, b.first_pass, a.first_pass, b.final_pass, a.final_pass
        FROM eval_items b JOIN eval_items a ON a.problem_id = b.problem_id AND a.epoch = b.epoch
        WHERE b.eval_id = ? AND a.eval_id = ? ORDER BY b.problem_id, b.epoch"""
    return [EvalPair(row[0], row[1], *map(_flag, row[2:])) for row in fetch(connection, sql, before, after)]


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


def _columns(record: type[RunSummary] | type[EvalSummary] | type[StepRecord]) -> str:
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
    attempt_id, problem_id, prompt, info, sha256, split, reply, packed, verdict, reason, finish, prompt_sha256, seed = (
        row
    )
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


def _problems_sha256(connection: Connection, eval_id: str) -> str:
    found = fetch(connection, "SELECT problems_sha256 FROM evals WHERE id = ?", eval_id)
    if not found:
        raise NotFoundError(f"there is no evaluation {eval_id}", "evaluate first, with `rrr eval`")
    return str(found[0][0])


def _flag(value: int | None) -> bool | None:
    return None if value is None else bool(value)
