"""The models page's list: the embedded model, folders that were added, folders that the log knows; each with its adapters."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rrr_local.config import STATE
from rrr_local.errors import ModelError
from rrr_local.models.find import EMBEDDED, Model, find_model
from rrr_local.models.memory import Memory, estimate
from rrr_local.store import models as stored
from rrr_local.store import queries
from rrr_local.store.models import StoredAdapter, StoredModel
from rrr_local.store.store import Store

FOLDERS = f"{STATE}models"
"""Where the log keeps the folders that were added, as JSON."""


@dataclass(frozen=True, slots=True)
class Shelved:
    """A model on this machine, or one that is gone."""

    name: str
    """What the engine loads it by: `tiny`, or its folder."""
    title: str
    model: Model | None
    """None when the folder is not there any more."""
    memory: Memory | None
    """None where it cannot be told."""
    adapters: tuple[StoredAdapter, ...]

    @property
    def embedded(self) -> bool:
        return self.name == EMBEDDED


def shelf(store: Store) -> list[Shelved]:
    """Everything there is, the embedded model first."""
    connection = store.reader()
    known = stored.models(connection)
    adapters = stored.newest_adapters(connection)
    paths = [model.local_path for model in known if model.local_path is not None]
    names = [EMBEDDED, *added(queries.settings(connection)), *(path for path in paths if not _is_embedded(path))]
    return [_shelved(name, known, adapters) for name in dict.fromkeys(names)]


def added(settings: Mapping[str, str]) -> list[str]:
    """The folders that were added; what cannot be read counts as none."""
    try:
        folders = json.loads(settings.get(FOLDERS, "[]"))
    except ValueError:
        return []
    return [folder for folder in folders if isinstance(folder, str)] if isinstance(folders, list) else []


def add(store: Store, folder: str) -> Model:
    """Keep a model's folder in the list. Raises `ModelError` when it is none."""
    model = find_model(folder.strip())
    if not model.embedded:
        folders = [*added(queries.settings(store.reader())), str(model.folder)]
        store.set_setting(FOLDERS, json.dumps(list(dict.fromkeys(folders))))
    return model


def _shelved(name: str, known: list[StoredModel], adapters: list[StoredAdapter]) -> Shelved:
    try:
        model = find_model(name)
    except ModelError:
        model = None
    hashes = {model.sha256} if model is not None and model.embedded else set()  # others: too large to hash for a list
    ids = {row.id for row in known if row.local_path == name or row.files_sha256 in hashes}
    return Shelved(
        name=name,
        title=EMBEDDED if name == EMBEDDED else Path(name).name,
        model=model,
        memory=_memory(model),
        adapters=tuple(adapter for adapter in adapters if adapter.model_id in ids),
    )


def _memory(model: Model | None) -> Memory | None:
    try:
        return None if model is None else estimate(model)
    except ModelError:
        return None


def _is_embedded(path: str) -> bool:
    try:
        return find_model(path).embedded
    except ModelError:
        return False
