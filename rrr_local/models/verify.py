"""Whether a model's files are what they were: every byte read again, no network.

Compared is with our record. For a commit in the Hugging Face cache that some other program fetched, with the hub's own names: a blob is
called by the hash of what it should hold.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from rrr_local.errors import ModelError
from rrr_local.models import hub_cache, records
from rrr_local.models.digests import git_sha1, sha256
from rrr_local.models.records import Record

SHA256, SHA1 = re.compile(r"[0-9a-f]{64}"), re.compile(r"[0-9a-f]{40}")


class State(StrEnum):
    """What became of a file."""

    SAME = "same"
    CHANGED = "changed"
    """Its content is another one."""
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Verified:
    """One file."""

    name: str
    state: State


def verify(name: str, progress: Callable[[int, int], None]) -> list[Verified]:
    """Compare every file; `progress` gets the files done and all. Notes the time where all are the same.

    Raises `ModelError` when there is no such model, or nothing to compare its files with.
    """
    record = records.read(name)
    expected = _recorded(record) if record is not None else _named_by_hub(name)
    found = []
    for done, (path, same) in enumerate(expected):
        progress(done, len(expected))
        found.append(Verified(path.name, _state(path, same)))
    progress(len(expected), len(expected))
    if record is not None and all(file.state is State.SAME for file in found):
        records.write(replace(record, verified_at=records.now()))
    return found


Check = tuple[Path, Callable[[Path], bool]]
"""A file, and whether its content is the right one."""


def _recorded(record: Record) -> list[Check]:
    def same(hash_: str) -> Callable[[Path], bool]:
        return lambda path: sha256(path) == hash_

    return [(record.folder / name, same(known.sha256)) for name, known in sorted(record.files.items())]


def _named_by_hub(name: str) -> list[Check]:
    """Files of the cache that link to a blob."""
    repo_id, _, revision = name.partition("@")
    snapshot = hub_cache.snapshot(repo_id, revision or None) if hub_cache.REPO.fullmatch(repo_id) else None
    links = [] if snapshot is None else [path for path in sorted(snapshot.folder.iterdir()) if path.is_symlink()]
    if not links:
        raise ModelError(
            f"nothing is recorded of a model {name[:100]}", "`rrr models import FOLDER` records what its files are now"
        )
    return [(path, is_as_named) for path in links]


def is_as_named(path: Path) -> bool:
    """Whether a blob, reached by its link, holds what its name says. Raises `OSError`."""
    name = Path(path.readlink()).name
    if SHA256.fullmatch(name):
        return sha256(path) == name
    return bool(SHA1.fullmatch(name)) and git_sha1(path) == name


def _state(path: Path, same: Callable[[Path], bool]) -> State:
    try:
        return State.SAME if same(path) else State.CHANGED
    except OSError:
        return State.GONE
