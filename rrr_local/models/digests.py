"""SHA-256 of model files, remembered: a model is hashed at each start of the engine, and 5 GB take seconds.

    <cache folder>/hashes.json    {resolved path: [size, mtime in ns, ctime in ns, SHA-256]}

What is remembered counts only as long as size and both times are as they were; the change time moves with every write and cannot be set
back. A file that was written a moment ago is hashed and not remembered, since another write in the same tick would not show. Losing the
file costs time and nothing else.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from rrr_local.errors import ResourceError
from rrr_local.paths import cache_folder

SETTLED_NS = 2 * 10**9
"""A file has to be this old before its hash is remembered: two ticks of the coarsest file system."""

Stamp = tuple[int, int, int]
"""Size in bytes, modification time and change time in nanoseconds."""


def sha256(path: Path) -> str:
    """The SHA-256 of a file as it is now. Raises `OSError`."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def git_sha1(path: Path) -> str:
    """The name that git, and so the hub, gives to a small file's content. Raises `OSError`."""
    content = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def known_sha256(paths: Sequence[Path]) -> list[str]:
    """The SHA-256 of each file; only those that changed since last time are read. Raises `OSError`."""
    remembered, found, learnt = _read(), [], {}
    for path in paths:
        key, stamp = str(path.resolve()), _stamp(path)
        if key in remembered and remembered[key][0] == stamp:
            found.append(remembered[key][1])
            continue
        found.append(sha256(path))
        if _stamp(path) == stamp and time.time_ns() - max(stamp[1:]) > SETTLED_NS:
            learnt[key] = (stamp, found[-1])
    if learnt:
        _write({**remembered, **learnt})
    return found


def _stamp(path: Path) -> Stamp:
    status = path.stat()
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _read() -> dict[str, tuple[Stamp, str]]:
    """What is remembered; nothing where that cannot be read."""
    with suppress(OSError, ResourceError, ValueError, TypeError, AttributeError):
        stored = json.loads(_path().read_text(encoding="utf-8"))
        return {
            str(key): ((int(size), int(mtime), int(ctime)), str(hash_))
            for key, (size, mtime, ctime, hash_) in stored.items()
        }
    return {}


def _write(remembered: Mapping[str, tuple[Stamp, str]]) -> None:
    """Keep the hashes of the files that are still there; a reader sees all of it or what was there before."""
    kept = {key: [*stamp, hash_] for key, (stamp, hash_) in remembered.items() if Path(key).exists()}
    with suppress(OSError, ResourceError):
        path = _path()
        partial = path.with_name(f"{path.name}.{os.getpid()}")
        partial.write_text(json.dumps(kept, indent=0), encoding="utf-8")
        partial.replace(path)


def _path() -> Path:
    return cache_folder() / "hashes.json"
