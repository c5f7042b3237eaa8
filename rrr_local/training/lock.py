"""One trainer per run, one engine per data folder: an flock on a file.

The kernel frees the lock when its holder dies, however it dies; so there is no stale lock, no heartbeat and no clock, and a laptop
that slept for a night has not lost its run. The file itself stays: deleting it would let two processes lock two files of one name.
"""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path
from types import TracebackType

from rrr_local.errors import BusyError

FILE = "lock"
PATIENCE_S = 0.5
"""How long a second holder tries: longer than the moment for which `is_held` looks."""


class FileLock:
    """Holds a file as long as the `with` block, or the process, lives. Raises `BusyError` when another process holds it."""

    def __init__(self, path: Path, what: str, way_out: str) -> None:
        """`what` is held and the `way_out` of whoever comes second, as a person reads them."""
        self._path = path
        self._what = what
        self._way_out = way_out
        self._descriptor: int | None = None

    def __enter__(self) -> FileLock:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        if not _try_for(descriptor, PATIENCE_S):
            pid = os.read(descriptor, 20).decode(errors="replace").strip()
            os.close(descriptor)
            raise BusyError(f"{self._what} is held by process {pid or '?'}", self._way_out)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        self._descriptor = descriptor
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


class RunLock(FileLock):
    """Holds a run's folder."""

    def __init__(self, run_folder: Path) -> None:
        name = run_folder.name
        way_out = f"wait for it, or stop it with `rrr runs stop {name}`"
        super().__init__(run_folder / FILE, f"run {name}", way_out)


def is_held(run_folder: Path) -> bool:
    """Whether a live process holds the run."""
    return file_is_held(run_folder / FILE)


def file_is_held(path: Path) -> bool:
    """Whether a live process holds a file. Takes a shared lock for a moment, so many may ask at once."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _try_for(descriptor: int, patience_s: float) -> bool:
    """Try to take the lock until it works or time is up."""
    deadline = time.monotonic() + patience_s
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.01)
