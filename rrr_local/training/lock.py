"""One trainer per run: an flock on `runs/<run>/lock`.

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


class RunLock:
    """Holds a run folder as long as the `with` block, or the process, lives. Raises `BusyError` when another process holds it."""

    def __init__(self, run_folder: Path) -> None:
        self._run_folder = run_folder
        self._descriptor: int | None = None

    def __enter__(self) -> RunLock:
        self._run_folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._run_folder / FILE, os.O_RDWR | os.O_CREAT, 0o600)
        if not _try_for(descriptor, PATIENCE_S):
            pid = os.read(descriptor, 20).decode(errors="replace").strip()
            os.close(descriptor)
            name = self._run_folder.name
            raise BusyError(
                f"run {name} is held by process {pid or '?'}", f"wait for it, or stop it with `rrr runs stop {name}`"
            )
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


def is_held(run_folder: Path) -> bool:
    """Whether a live process holds the run. Takes a shared lock for a moment, so many may ask at once."""
    try:
        descriptor = os.open(run_folder / FILE, os.O_RDONLY)
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
