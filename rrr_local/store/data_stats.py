"""How much of the log is data: what a run could train on, and what is missing of the rest."""

from __future__ import annotations

from dataclasses import dataclass

from rrr_local.store.queries import TRAINABLE, fetch
from rrr_local.store.sqlite import Connection
from rrr_local.store.tasks_read import tasks_stats


@dataclass(frozen=True, slots=True)
class DataStats:
    """One task over everything in the log, all models."""

    task: str
    attempts: int
    """First attempts."""
    failures: int
    """Those that failed."""
    trainable: int
    """Failures that `rrr train --failures pool` could take now, with the model that made them: of the task's newest version."""
    excluded: int
    """First attempts that a person does not want trained on."""
    unchecked: int
    """First attempts that nobody judged, or whose verifier broke."""
    disputed: int
    """Attempts and retries on which a person and the verifier disagree."""
    used: int
    """First attempts that a run has reflected on."""
    runs: int
    """Runs on the task."""


def data_stats(connection: Connection, task: str | None = None) -> list[DataStats]:
    """The tasks in the log by name, or the one. Reads every episode: 1 s for a million."""
    counted = {name: rest for name, *rest in fetch(connection, _COUNTS)}
    trainable = dict(fetch(connection, _TRAINABLE))
    return [
        DataStats(
            task=each.task,
            attempts=each.attempts,
            failures=each.failures,
            trainable=trainable.get(each.task, 0),
            disputed=each.disputed,
            **dict(zip(("excluded", "unchecked", "used", "runs"), counted[each.task], strict=True)),
        )
        for each in tasks_stats(connection)
        if task in (None, each.task)
    ]


_TRAINABLE = f"""
    SELECT t.name, count(*) FROM tasks t JOIN ({TRAINABLE}) f ON f.task_id = t.id
    WHERE t.version = (SELECT max(version) FROM tasks n WHERE n.name = t.name) GROUP BY t.name"""
_COUNTS = """
    SELECT t.name, coalesce(e.excluded, 0), coalesce(e.unchecked, 0), coalesce(e.used, 0),
      (SELECT count(*) FROM train_runs r JOIN tasks k ON k.id = r.task_id WHERE k.name = t.name)
    FROM (SELECT DISTINCT name FROM tasks) t LEFT JOIN (
      SELECT task, sum(excluded) AS excluded, count(*) FILTER (WHERE coalesce(verdict, 'error') = 'error') AS unchecked,
        count(run) AS used
      FROM episodes GROUP BY task) e ON e.task = t.name"""
