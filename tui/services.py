"""What the screens work with, handed in from outside, so that a test can hand in others."""

from __future__ import annotations

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
from rrr_local.training import lock


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


def utc() -> datetime:
    """The clock outside tests."""
    return datetime.now(UTC)


@contextmanager
def opened(engine: Engine | None = None, jobs: Jobs | None = None) -> Iterator[Services]:
    """The services of the data folder, closed at the end; read-only when another app has its engine.

    Raises `ResourceError` and `UsageError` when the folder or the log in it cannot be used.
    """
    read_only = lock.file_is_held(paths.engine_lock())
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
