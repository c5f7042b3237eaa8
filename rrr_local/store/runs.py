"""What a run leaves behind: the run itself, its steps, and the groups each step was made from.

`train_runs.segment` counts the resumes. A step and its groups carry the segment they were written in.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import fields

from rrr_local import __version__
from rrr_local.errors import NotFoundError, UsageError
from rrr_local.store.records import ENDED, GroupRecord, RunRecord, RunStatus, StepRecord
from rrr_local.store.rows import Value, insert, insert_for_id, now, to_json, update
from rrr_local.store.sqlite import Connection
from rrr_local.store.tries import TryWriter

OTHERS_COLUMNS = frozenset({"request", "note"})
"""Columns that somebody else than the trainer sets: they are no sign of its life."""


def insert_run(connection: Connection, run_id: str, run: RunRecord) -> None:
    """A queued run. Raises `UsageError` when its name is taken."""
    if connection.execute("SELECT 1 FROM train_runs WHERE name = ?", (run.name,)).fetchone():
        raise UsageError(f"there is a run named {run.name} already", "choose another name")
    config = to_json(run.config)
    values: dict[str, Value] = {
        "id": run_id,
        "name": run.name,
        "status": RunStatus.QUEUED,
        "model_id": run.model_id,
        "task_id": run.task_id,
        "base_adapter_id": run.base_adapter_id,
        "failures_session_id": run.failures_session_id,
        "backend": run.backend,
        "seed": run.seed,
        "config": config,
        "config_sha256": hashlib.sha256(config.encode()).hexdigest(),
        "total_steps": run.total_steps,
        "app_version": __version__,
        "env": None if run.env is None else to_json(run.env),
        "created_at": now(),
    }
    insert(connection, "train_runs", values)


def update_run(connection: Connection, run_id: str, columns: Mapping[str, Value]) -> None:
    """Set columns, the heartbeat, and when the run started or ended if its status changes. Raises `NotFoundError`."""
    time = now()
    values: dict[str, Value] = dict(columns)
    if columns.keys() - OTHERS_COLUMNS:
        values["heartbeat_at"] = time
    status = columns.get("status")
    if status is not None:
        values["ended_at"] = time if status in ENDED else None
    update(connection, "train_runs", run_id, values)
    if status == RunStatus.RUNNING:
        sql = "UPDATE train_runs SET started_at = ? WHERE id = ? AND started_at IS NULL"
        connection.execute(sql, (time, run_id))


def insert_step(
    connection: Connection, run_id: str, session_id: str, step: StepRecord, groups: Sequence[GroupRecord]
) -> None:
    """A step with everything it was made from. Raises `NotFoundError` when there is no such run or session."""
    segment = _segment(connection, run_id)
    writer = TryWriter(connection, session_id, None)
    place: dict[str, Value] = {"train_run_id": run_id, "step": step.step, "segment": segment}
    for group in groups:
        _insert_group(writer, connection, place, group)
    time = now()
    place_of_step: dict[str, Value] = {"run_id": run_id, "segment": segment, "created_at": time}
    insert(connection, "train_steps", place_of_step | step_values(step))
    update(connection, "train_runs", run_id, {"last_step": step.step, "heartbeat_at": time})
    _add_up(connection, run_id, "step = ?", step.step)


def rewind(connection: Connection, run_id: str, step: int) -> None:
    """Delete the step rows after `step` and begin a new segment. Raises `NotFoundError`."""
    segment = _segment(connection, run_id)
    connection.execute("DELETE FROM train_steps WHERE run_id = ? AND step > ?", (run_id, step))
    update(connection, "train_runs", run_id, {"last_step": step, "segment": segment + 1} | dict.fromkeys(SUMS))
    _add_up(connection, run_id, "step <= ?", step)


SUMS = ("groups", "groups_used", "seconds")
"""Columns of a run that are sums over its steps; None where no step has a number."""


def _add_up(connection: Connection, run_id: str, which: str, step: int) -> None:
    """Add the numbers of some steps to the run's sums."""
    sums = ", ".join(f"coalesce(r.{name} + sum(s.{name}), r.{name}, sum(s.{name}))" for name in SUMS)
    sql = f"UPDATE train_runs AS r SET ({', '.join(SUMS)}) = (SELECT {sums} FROM train_steps s WHERE run_id = r.id AND {which}) "
    connection.execute(f"{sql} WHERE id = ?", (step, run_id))


def _segment(connection: Connection, run_id: str) -> int:
    row = connection.execute("SELECT segment FROM train_runs WHERE id = ?", (run_id,)).fetchone()
    if row is None:
        raise NotFoundError(f"the log has no run {run_id}", "`rrr runs list` shows the runs there are")
    return int(row[0])


def _insert_group(writer: TryWriter, connection: Connection, place: Mapping[str, Value], group: GroupRecord) -> None:
    """A group with its reflections and retries. `place`: train_run_id, step and segment."""
    values: dict[str, Value] = {
        "problem_id": group.problem_id,
        "first_attempt_id": group.first_attempt_id,
        "size": group.size,
        "reward_mean": group.reward_mean,
        "reward_std": group.reward_std,
        "used": group.used,
        "skip_reason": group.skip_reason,
    }
    group_id = insert_for_id(connection, "rollout_groups", values | dict(place))
    for reflection in group.reflections:
        writer.reflection(group.problem_id, group.first_attempt_id, reflection, group_id)


def step_values(step: StepRecord) -> dict[str, Value]:
    """The columns of a step. What is not finite becomes NULL, sets `not_finite` and is named in `extra`."""
    columns: dict[str, Value] = {f.name: getattr(step, f.name) for f in fields(step) if f.name != "extra"}
    lost = {
        name: str(value)
        for name, value in (columns | dict(step.extra)).items()
        if isinstance(value, float) and not math.isfinite(value)
    }
    extra: dict[str, object] = {name: None if name in lost else value for name, value in step.extra.items()}
    if lost:
        extra["not_finite"] = lost
    kept: dict[str, Value] = {name: None if name in lost else value for name, value in columns.items()}
    return kept | {"not_finite": bool(lost), "extra": to_json(extra) if extra else None}
