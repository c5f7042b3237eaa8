"""What flows out about evaluations: which there are, those of a run, and two of them problem by problem.

An evaluation belongs to a run when its config names the run, or when it measured one of the run's adapters in one of the run's sets.
The one before training measured no adapter of the run: it is step 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any

from rrr_local.errors import NotFoundError, UsageError
from rrr_local.store.queries import fetch
from rrr_local.store.records import EvalStatus
from rrr_local.store.sqlite import Connection


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
class EvalPoint:
    """A finished evaluation as a point of a run's curve."""

    eval_id: str
    step: int
    """Of the adapter it measured; 0 before training."""
    set: str
    """`held-out`, `replay` for the failures the run trains on, or `everyday`."""
    n: int
    first_try: float | None
    """Share of passes, 0 to 1; None when no problem has a verdict."""
    final_rate: float | None
    """Passed at the first try or the retry."""
    started_at: str


class Change(StrEnum):
    """What became of a problem between two evaluations, by whether the first try or the retry passed."""

    FIXED = "fixed"
    """Failed before, passes after."""
    BROKEN = "broken"
    """Passed before, fails after."""
    ALL = "all"
    """Whatever became of it."""


@dataclass(frozen=True, slots=True)
class Changed:
    """One problem in two evaluations, with where to look at what was written; None where the verifier broke."""

    problem_id: int
    epoch: int
    prompt: str
    before_attempt_id: int | None
    """The first attempt; `history.episode` has the rest."""
    after_attempt_id: int | None
    first_before: bool | None
    first_after: bool | None
    final_before: bool | None
    final_after: bool | None


_WHICH = {
    Change.FIXED: "AND NOT b.final_pass AND a.final_pass",
    Change.BROKEN: "AND b.final_pass AND NOT a.final_pass",
    Change.ALL: "",
}
_PAIRS = "FROM eval_items b JOIN eval_items a ON a.problem_id = b.problem_id AND a.epoch = b.epoch"


def evals(connection: Connection, limit: int = 100) -> list[EvalSummary]:
    """The newest evaluations."""
    names = [f.name for f in fields(EvalSummary)]
    sql = f"SELECT {', '.join(names)} FROM eval_summary ORDER BY position DESC LIMIT ?"
    found = [dict(zip(names, row, strict=True)) for row in fetch(connection, sql, limit)]
    return [EvalSummary(**{**values, "status": EvalStatus(values["status"])}) for values in found]


def run_evals(connection: Connection, run_id: str) -> list[EvalPoint]:
    """The finished evaluations of a run, by step and then in order of writing."""
    sql = """
        SELECT e.id, iif(a.train_run_id IS ?1, coalesce(a.step, 0), 0), json_extract(e.config, '$.set'), e.n, e.first_try,
          e.final_rate, e.started_at
        FROM evals e LEFT JOIN adapters a ON a.id = e.adapter_id
        WHERE e.status = 'done' AND json_extract(e.config, '$.set') IS NOT NULL
          AND coalesce(json_extract(e.config, '$.run'), a.train_run_id) = ?1
        ORDER BY 2, e.rowid"""
    return [EvalPoint(*row) for row in fetch(connection, sql, run_id)]


def eval_pairs(connection: Connection, before: str, after: str) -> list[EvalPair]:
    """The problems that two evaluations have in common, in order.

    Raises `NotFoundError` when one does not exist, `UsageError` when they are not of the same problems.
    """
    _require_same_problems(connection, before, after)
    sql = f"""
        SELECT b.problem_id, b.epoch, b.first_pass, a.first_pass, b.final_pass, a.final_pass
        {_PAIRS} WHERE b.eval_id = ? AND a.eval_id = ? ORDER BY b.problem_id, b.epoch"""
    return [EvalPair(row[0], row[1], *_flags(row[2:])) for row in fetch(connection, sql, before, after)]


def changes(
    connection: Connection,
    before: str,
    after: str,
    which: Change = Change.ALL,
    limit: int = 50,
    last: Changed | None = None,
) -> list[Changed]:
    """Problems of two evaluations in order, or the next page: those behind `last`.

    Raises `NotFoundError` when an evaluation does not exist, `UsageError` when they are not of the same problems.
    """
    _require_same_problems(connection, before, after)
    sql = f"""
        SELECT b.problem_id, b.epoch, p.prompt, b.first_attempt_id, a.first_attempt_id,
          b.first_pass, a.first_pass, b.final_pass, a.final_pass
        {_PAIRS} JOIN problems p ON p.id = b.problem_id
        WHERE b.eval_id = ? AND a.eval_id = ? AND (b.problem_id, b.epoch) > (?, ?) {_WHICH[which]}
        ORDER BY b.problem_id, b.epoch LIMIT ?"""
    place = (-1, -1) if last is None else (last.problem_id, last.epoch)
    return [Changed(*row[:5], *_flags(row[5:])) for row in fetch(connection, sql, before, after, *place, limit)]


def _require_same_problems(connection: Connection, before: str, after: str) -> None:
    if _problems_sha256(connection, before) != _problems_sha256(connection, after):
        raise UsageError(
            "the two evaluations are not of the same problems", "evaluate both with the same task, n and seed"
        )


def _problems_sha256(connection: Connection, eval_id: str) -> str:
    found = fetch(connection, "SELECT problems_sha256 FROM evals WHERE id = ?", eval_id)
    if not found:
        raise NotFoundError(f"there is no evaluation {eval_id}", "evaluate first, with `rrr eval`")
    return str(found[0][0])


def _flags(values: Sequence[Any]) -> list[bool | None]:
    return [None if value is None else bool(value) for value in values]
