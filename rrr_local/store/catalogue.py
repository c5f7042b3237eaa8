"""What is tried: models, tasks, problems and adapters. Each is in the log once and found again by what it is."""

from __future__ import annotations

from collections.abc import Sequence

from rrr_local.episode import Problem, Split
from rrr_local.errors import UsageError
from rrr_local.store.records import AdapterRecord, Json, ModelRecord
from rrr_local.store.rows import Value, insert_for_id, now, to_json, update
from rrr_local.store.sqlite import Connection
from rrr_local.text import storable


def model_id(connection: Connection, model: ModelRecord) -> int:
    """The id of a model, added if it is new. `ModelRecord` says when two are the same."""
    identity: dict[str, str | None] = {"repo_id": model.repo_id}
    if model.repo_id is not None:
        identity["revision"] = model.revision
    elif model.files_sha256 is not None:
        identity["files_sha256"] = model.files_sha256
    else:
        identity["local_path"] = model.local_path
    where = " AND ".join(f"{column} IS ?" for column in identity)
    row = connection.execute(f"SELECT id FROM models WHERE {where}", list(identity.values())).fetchone()
    if row is not None:
        return int(row[0])
    values: dict[str, Value] = {
        "repo_id": model.repo_id,
        "revision": model.revision,
        "local_path": model.local_path,
        "format": model.format,
        "quant": model.quant,
        "params": model.params,
        "size_bytes": model.size_bytes,
        "license": model.license,
        "gated": model.gated,
        "files_sha256": model.files_sha256,
        "has_chat_template": model.has_chat_template,
        "added_at": now(),
    }
    return insert_for_id(connection, "models", values)


def task_id(
    connection: Connection, name: str, version: int, kind: str, verifier: str, verifier_sha256: str, config: Json
) -> int:
    """The id of a version of a task, added if it is new. Raises `UsageError` when it is known with another verifier.

    The newest `config` holds for all versions of the name: it says where the task is found now, and its folder may have moved.
    """
    sql = "SELECT id, verifier_sha256 FROM tasks WHERE name = ? AND version = ?"
    row = connection.execute(sql, (name, version)).fetchone()
    if row is not None and row[1] != verifier_sha256:
        raise UsageError(
            f"version {version} of task {name} is in the log with another verifier",
            "raise its version: `version` in its task.toml",
        )
    found = to_json(config)
    connection.execute("UPDATE tasks SET config = ? WHERE name = ? AND config <> ?", (found, name, found))
    if row is None:
        values: dict[str, Value] = {
            "name": name,
            "version": version,
            "kind": kind,
            "verifier": verifier,
            "verifier_sha256": verifier_sha256,
            "config": found,
            "created_at": now(),
        }
        return insert_for_id(connection, "tasks", values)
    return int(row[0])


def insert_problems(connection: Connection, task_id: int, problems: Sequence[Problem]) -> dict[str, int]:
    """Add the problems that are new; the id of each by its content hash.

    Raises `UsageError` when one is in the other of train and eval already. What was only practised may move into
    either.
    """
    sql = (
        "INSERT INTO problems(task_id, split, sha256, prompt, meta) VALUES (?, ?, ?, ?, ?) "
        "ON CONFLICT(task_id, sha256) DO UPDATE SET split = excluded.split WHERE split = 'practice'"
    )
    rows = [(task_id, p.split, p.sha256, storable(p.prompt), to_json(p.info)) for p in problems]
    connection.executemany(sql, rows)
    known = connection.execute("SELECT sha256, id, split FROM problems WHERE task_id = ?", (task_id,)).fetchall()
    stored = {sha: (id_, split) for sha, id_, split in known}
    for problem in problems:
        split = stored[problem.sha256][1]
        if problem.split not in (split, Split.PRACTICE):
            cause = f"a problem is in both {split} and {problem.split}: {problem.prompt[:80]}"
            raise UsageError(cause, "take it out of one of them")
    return {problem.sha256: stored[problem.sha256][0] for problem in problems}


def adapter_id(connection: Connection, adapter: AdapterRecord) -> int:
    """The id of an adapter, added or written again by the run that wrote it.

    Raises `UsageError` when its name is taken.
    """
    values: dict[str, Value] = {
        "name": adapter.name,
        "model_id": adapter.model_id,
        "train_run_id": adapter.train_run_id,
        "step": adapter.step,
        "path": adapter.path,
        "sha256": adapter.sha256,
        "size_bytes": adapter.size_bytes,
        "rank": adapter.rank,
        "config": None if adapter.config is None else to_json(adapter.config),
        "kind": adapter.kind,
        "note": adapter.note,
        "created_at": now(),
    }
    row = connection.execute("SELECT id, train_run_id FROM adapters WHERE name = ?", (adapter.name,)).fetchone()
    if row is None:
        id_ = insert_for_id(connection, "adapters", values)
    elif adapter.train_run_id is not None and row[1] == adapter.train_run_id:
        id_ = int(row[0])
        update(connection, "adapters", id_, values | {"deleted_at": None})
    else:
        raise UsageError(f"there is an adapter named {adapter.name} already", "choose another name")
    if adapter.train_run_id is not None:
        update(connection, "train_runs", adapter.train_run_id, {"last_checkpoint": adapter.path})
    return id_


def drop_adapters(connection: Connection, run_id: str) -> None:
    """Mark a run's adapters as gone, and that it has no checkpoint. Raises `NotFoundError` when there is no such run."""
    sql = "UPDATE adapters SET deleted_at = ? WHERE train_run_id = ? AND deleted_at IS NULL"
    connection.execute(sql, (now(), run_id))
    update(connection, "train_runs", run_id, {"last_checkpoint": None})
