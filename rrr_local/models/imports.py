"""Taking in a model that is on this machine already: it is looked at, hashed, and recorded where it is. Nothing is copied.

From then on it goes by its name, and `verify` can tell whether its files are still what they were.
"""

from __future__ import annotations

from collections.abc import Callable

from rrr_local.errors import ModelError, UsageError
from rrr_local.models import records
from rrr_local.models.about import about
from rrr_local.models.digests import sha256
from rrr_local.models.find import Model, find_model
from rrr_local.models.records import FileRecord, Record
from rrr_local.models.verify import is_as_named
from rrr_local.models.vet import vet


def import_model(source: str, name: str | None, progress: Callable[[int, int], None]) -> Record:
    """Record a model: a folder, or a repository that some other program has put into the Hugging Face cache.

    Args:
        source: what `find_model` takes.
        name: what to call it, by default the folder's own name; a repository keeps its own.
        progress: gets the bytes hashed, and all.

    Raises:
        ModelError: there is no such model, or it must not be loaded.
        UsageError: the name cannot be given, or is taken by another folder.
    """
    model = find_model(source)
    if model.embedded:
        raise UsageError("the embedded model needs no import", "`--model tiny` is always there")
    called = _name(model, name)
    vet(model)
    time = records.now()
    record = Record(
        name=called,
        files=_hashed(model, progress),
        added_at=time,
        verified_at=time,
        repo_id=model.repo_id,
        revision=model.revision,
        path=None if model.repo_id else str(model.folder),
        license=about(model.folder).license,
    )
    records.write(record)
    return record


def _name(model: Model, name: str | None) -> str:
    """What the record is called. Raises `UsageError`."""
    if model.repo_id is not None:
        if name not in (None, model.repo_id):
            raise UsageError(f"{model.repo_id} keeps its name", "leave --name out")
        return model.repo_id
    called = name or model.folder.name
    records.check_name(called)
    known = records.read(called)
    if known is not None and known.folder != model.folder:
        raise UsageError(f"there is a model {called} already, in {known.folder}", "give another one with --name")
    return called


def _hashed(model: Model, progress: Callable[[int, int], None]) -> dict[str, FileRecord]:
    done, found = 0, {}
    for path in model.files:
        progress(done, model.size)
        size = path.stat().st_size
        if model.repo_id is not None and path.is_symlink() and not is_as_named(path):
            raise ModelError(
                f"{path.name} of {model.repo_id} is damaged", f"`rrr models fetch {model.repo_id}` gets it again"
            )
        found[path.name] = FileRecord(size, sha256(path))
        done += size
    progress(done, model.size)
    return found
