"""How many failures there are to learn from."""

from __future__ import annotations

from rrr_local.store import queries
from rrr_local.store.sqlite import Connection
from rrr_local.store.tasks_read import SOURCE


def failures_ready(connection: Connection, task: str, model_folder: str) -> int:
    """The size of the pool of a task, in its newest version, and of the model that was last used from a folder.

    `task` is its name, or what `find_task` finds it by.
    """
    sql = f"""
        SELECT (SELECT id FROM tasks t WHERE ? IN (name, {SOURCE.format("t")}) ORDER BY version DESC LIMIT 1),
          (SELECT max(id) FROM models WHERE local_path = ?)"""
    task_id, model_id = queries.fetch(connection, sql, task, model_folder)[0]
    return 0 if task_id is None or model_id is None else queries.pool_size(connection, task_id, model_id)
