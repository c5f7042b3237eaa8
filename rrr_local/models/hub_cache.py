"""The Hugging Face cache on this machine, read without its library: other programs fill it too, and nothing here writes.

    <cache>/models--<organisation>--<name>/
        refs/<branch>                 the commit the branch was at when it was last asked for
        snapshots/<commit>/<file>     a link into blobs/
        blobs/<hash>                  named by SHA-256 (large files) or git's SHA-1

A commit is fixed for ever, a branch is not: so models are named by commit wherever something is kept.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

COMMIT = re.compile(r"[0-9a-f]{40}")
PART = r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}"
REPO = re.compile(rf"{PART}/{PART}")
"""`organisation/name`."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One commit of one repository."""

    repo_id: str
    revision: str
    """The commit."""
    folder: Path


def cache() -> Path:
    """Where the cache is, by the same variables that huggingface_hub reads; it need not exist."""
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        if value := os.environ.get(name):
            return Path(os.path.expandvars(value)).expanduser()
    if home := os.environ.get("HF_HOME"):
        return Path(os.path.expandvars(home)).expanduser() / "hub"
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "huggingface" / "hub"


def folder_of(repo_id: str, revision: str) -> Path:
    """Where a commit's files are, or would be."""
    return _repo_folder(repo_id) / "snapshots" / revision


def snapshot(repo_id: str, revision: str | None = None) -> Snapshot | None:
    """A commit that is in the cache; without one, the commit that `main` was at when it was last asked for."""
    if revision is None:
        try:
            revision = (_repo_folder(repo_id) / "refs" / "main").read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError):
            return None
    folder = folder_of(repo_id, revision)
    return Snapshot(repo_id, revision, folder) if COMMIT.fullmatch(revision) and folder.is_dir() else None


def snapshots() -> Iterator[Snapshot]:
    """Every commit of every model in the cache, by repository and commit."""
    for repo in sorted(_folders(cache())):
        kind, _, rest = repo.name.partition("--")
        repo_id = rest.replace("--", "/", 1)
        if kind == "models" and REPO.fullmatch(repo_id):
            for folder in sorted(_folders(repo / "snapshots")):
                if COMMIT.fullmatch(folder.name):
                    yield Snapshot(repo_id, folder.name, folder)


def identify(folder: Path) -> Snapshot | None:
    """What a folder (absolute) is in the cache; None for any other folder."""
    repo = folder.parent.parent
    kind, _, rest = repo.name.partition("--")
    repo_id = rest.replace("--", "/", 1)
    where = folder.parent.name == "snapshots" and kind == "models" and repo.parent == cache().resolve()
    if where and COMMIT.fullmatch(folder.name) and REPO.fullmatch(repo_id):
        return Snapshot(repo_id, folder.name, folder)
    return None


def _repo_folder(repo_id: str) -> Path:
    return cache() / f"models--{repo_id.replace('/', '--')}"


def _folders(folder: Path) -> list[Path]:
    try:
        return [path for path in folder.iterdir() if path.is_dir()]
    except OSError:
        return []
