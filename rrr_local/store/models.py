"""Which models and adapters the log knows: typed reads for whoever lists them."""

from __future__ import annotations

from dataclasses import dataclass, fields

from rrr_local.store.queries import fetch
from rrr_local.store.records import AdapterKind
from rrr_local.store.sqlite import Connection


@dataclass(frozen=True, slots=True)
class StoredModel:
    """A model that something was done with."""

    id: int
    local_path: str | None
    """The folder it was last added from."""
    files_sha256: str | None
    size_bytes: int | None
    repo_id: str | None
    """The repository it is from, where that is known."""
    revision: str | None
    """The commit, where `repo_id` is known."""


@dataclass(frozen=True, slots=True)
class StoredAdapter:
    """An adapter whose files have not been removed."""

    id: int
    name: str
    model_id: int
    run: str | None
    """The run that trained it."""
    step: int | None
    kind: AdapterKind
    path: str
    """Relative to the data folder."""
    size_bytes: int | None
    created_at: str


def models(connection: Connection) -> list[StoredModel]:
    """All models, newest first."""
    sql = f"SELECT {', '.join(f.name for f in fields(StoredModel))} FROM models ORDER BY id DESC"
    return [StoredModel(*row) for row in fetch(connection, sql)]


def newest_adapters(connection: Connection) -> list[StoredAdapter]:
    """The newest adapter of each run, and those that no run has trained; newest first."""
    sql = """
        SELECT a.id, a.name, a.model_id, r.name, a.step, a.kind, a.path, a.size_bytes, a.created_at
        FROM adapters a LEFT JOIN train_runs r ON r.id = a.train_run_id
        WHERE a.deleted_at IS NULL AND NOT EXISTS (
          SELECT 1 FROM adapters b
          WHERE b.train_run_id = a.train_run_id AND b.deleted_at IS NULL AND (b.step, b.id) > (a.step, a.id))
        ORDER BY a.id DESC"""
    return [
        StoredAdapter(id_, name, model_id, run, step, AdapterKind(kind), *rest)
        for id_, name, model_id, run, step, kind, *rest in fetch(connection, sql)
    ]
