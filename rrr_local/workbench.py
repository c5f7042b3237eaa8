"""Everything a command works with, opened together: the log, a model, a task, a backend. Both front ends start here."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from rrr_local import journal, paths
from rrr_local.backends.base import Backend
from rrr_local.backends.find import open_backend
from rrr_local.errors import NotFoundError
from rrr_local.loop import Limits
from rrr_local.models.find import Model, find_model
from rrr_local.store import queries
from rrr_local.store.ids import ulid
from rrr_local.store.records import AdapterKind, AdapterRecord
from rrr_local.store.store import Store
from rrr_local.tasks.base import Task
from rrr_local.tasks.find import find_task
from rrr_local.training import checkpoint
from rrr_local.training.recipes import tiny


@dataclass(frozen=True, slots=True)
class Workbench:
    """Open until the `with` block of `workbench` ends."""

    store: Store
    model: Model
    task: Task
    backend: Backend
    registered: journal.Registered
    adapter_id: int | None
    """The log's id of the adapter the model carries; None for the bare model."""

    @property
    def limits(self) -> Limits:
        """How long the model's spans may get."""
        return tiny().limits if self.model.embedded else Limits()


@contextmanager
def workbench(
    *, model: str = "tiny", task: str = "countdown", backend: str = "auto", adapter: str | None = None
) -> Iterator[Workbench]:
    """Open the log and load the model, with an adapter if one is named (a run, or a folder).

    Raises `ModelError`, `NotFoundError`, `ResourceError`.
    """
    found_task, found_model = find_task(task), find_model(model)
    with Store.open(paths.database_path()) as store:
        folder = None if adapter is None else adapter_folder(store, adapter)
        loaded = open_backend(backend, found_model)
        if folder is not None:
            loaded.load_adapter(folder)
        registered = journal.register(store, found_model, found_task)
        adapter_id = None if folder is None else _adapter_id(store, registered.model_id, folder)
        yield Workbench(store, found_model, found_task, loaded, registered, adapter_id)


def on_task(bench: Workbench, task: str) -> Workbench:
    """The same model at another task. Raises `NotFoundError`."""
    found = find_task(task)
    return replace(bench, task=found, registered=journal.register(bench.store, bench.model, found))


def _adapter_id(store: Store, model_id: int, folder: Path) -> int:
    """The log's id of the adapter in a folder; one that no run here made is noted as imported."""
    sealed = folder / checkpoint.MANIFEST
    content = sealed if sealed.is_file() else folder / checkpoint.FILLED_IN[0]
    sha256 = hashlib.sha256(content.read_bytes()).hexdigest()
    inside = folder.is_relative_to(paths.data_folder())
    path = journal.relative(folder, paths.data_folder()) if inside else str(folder)
    known = queries.adapter_id(store.reader(), path, sha256)
    if known is not None:
        return known
    name = f"{folder.name}-{sha256[:8]}-{ulid()}"
    return store.add_adapter(AdapterRecord(name, model_id, path, sha256, AdapterKind.IMPORTED))


def adapter_folder(store: Store, name: str) -> Path:
    """The folder of an adapter: a folder itself, or the newest checkpoint of a run. Raises `NotFoundError`."""
    if (Path(name) / "adapter_config.json").is_file():
        return Path(name).resolve()
    run = queries.run(store.reader(), name)
    found = checkpoint.newest(paths.runs_folder() / run.summary.name)
    if found.checkpoint is None:
        raise NotFoundError(f"run {run.summary.name} has no checkpoint", "train it first, with `rrr train`")
    return found.checkpoint.path
