"""Letting go of a model: its record, and for a fetched one its files in the Hugging Face cache, unless another commit has them too.

An imported model's folder is its owner's and is never touched. The cache is shared: other programs that use the same model lose it as
well, so the command line asks first.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from rrr_local.errors import ModelError, NotFoundError, UsageError
from rrr_local.models import hub_cache, records
from rrr_local.models.find import EMBEDDED


@dataclass(frozen=True, slots=True)
class Removal:
    """What would go."""

    name: str
    files: tuple[Path, ...]
    """In the cache: the commit's links, and blobs that no other commit links to."""
    folder: Path | None
    """The commit's folder; None where nothing but our record goes."""
    size: int
    """Bytes that the disk gets back."""


def removal(name: str, *, files: bool = True) -> Removal:
    """What removing a model would do; without `files`, only the record goes. Raises `NotFoundError`, `UsageError`."""
    if name == EMBEDDED:
        raise UsageError("the embedded model is part of rrr", "it takes 7 MB and stays")
    if name not in records.names():
        raise NotFoundError(f"no model {name} was fetched or imported here", "`rrr models list` shows those there are")
    try:
        record = records.read(name)
    except ModelError:
        record = None  # a damaged record says nothing of files
    if record is None or record.path is not None or not files or not record.folder.is_dir():
        return Removal(name, (), None, 0)
    return of_commit(name, record.folder)


def of_commit(name: str, folder: Path) -> Removal:
    """What removing a commit from the Hugging Face cache would take with it."""
    links = tuple(path for path in folder.rglob("*") if path.is_symlink() or path.is_file())
    others = {path.resolve() for other in folder.parent.iterdir() if other != folder for path in other.rglob("*")}
    home = hub_cache.cache().resolve()
    blobs = {path.resolve() for path in links if path.is_symlink()} - others
    inside = tuple(path for path in sorted(blobs) if path.is_relative_to(home) and path.is_file())
    plain = [path for path in links if not path.is_symlink()]  # where the disk knows no links
    return Removal(name, (*links, *inside), folder, sum(path.stat().st_size for path in (*inside, *plain)))


def remove(what: Removal) -> None:
    """Do it. Raises `OSError` where a file cannot be removed; the record goes last."""
    remove_files(what)
    records.remove(what.name)


def remove_files(what: Removal) -> None:
    """Take the files away, and the branches that stood for the commit, and what is left of a repository without commits."""
    for path in what.files:
        path.unlink(missing_ok=True)
    if what.folder is None:
        return
    shutil.rmtree(what.folder)
    repo = what.folder.parent.parent
    for ref in (repo / "refs").rglob("*"):
        if ref.is_file() and ref.read_text(encoding="utf-8", errors="replace").strip() == what.folder.name:
            ref.unlink()
    (repo / "trees" / f"{what.folder.name}.json").unlink(missing_ok=True)
    if not any((repo / "snapshots").iterdir()):
        shutil.rmtree(repo)
