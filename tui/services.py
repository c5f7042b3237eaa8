"""What the screens work with, handed in from outside, so that a test can hand in others."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from rrr_local import paths
from rrr_local.chat import settings as stored_settings
from rrr_local.config import Settings
from rrr_local.engine.client import Engine
from rrr_local.engine.detached import Trainers
from rrr_local.engine.jobs import Jobs
from rrr_local.store.store import Store

ENGINE_LOCK = "engine.lock"
"""In the data folder; the engine process holds it as long as it lives."""


@dataclass(frozen=True, slots=True)
class Services:
    """One set for the whole app."""

    store: Store
    """Opened to write, or read-only in an app that follows another one."""
    settings: Settings
    engine: Engine
    """The chat engine; not started in an app that follows another one."""
    trainers: Trainers
    """Starts trainers, finds them again, asks them to pause or stop."""
    jobs: Jobs
    """One-shot children: `rrr` commands with their progress."""
    clock: Callable[[], datetime]
    """The time, in UTC."""
    read_only: bool
    """Another app on this data folder has the engine: show everything, change nothing."""


def engine_is_taken() -> bool:
    """Whether a live process holds the engine of this data folder. Takes a shared lock for a moment."""
    try:
        descriptor = os.open(paths.data_folder() / ENGINE_LOCK, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def utc() -> datetime:
    """The clock outside tests."""
    return datetime.now(UTC)


@contextmanager
def opened(engine: Engine | None = None, jobs: Jobs | None = None) -> Iterator[Services]:
    """The services of the data folder, closed at the end; read-only when another app has its engine.

    Raises `ResourceError` and `UsageError` when the folder or the log in it cannot be used.
    """
    read_only = engine_is_taken()
    with Store.open(paths.database_path(), readonly=read_only) as store:
        yield Services(
            store=store,
            settings=stored_settings.load(store, read_only=read_only),
            engine=engine or Engine(),
            trainers=Trainers(store),
            jobs=jobs or Jobs(),
            clock=utc,
            read_only=read_only,
        )
