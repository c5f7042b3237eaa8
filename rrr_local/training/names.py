"""What runs are called: their folder has the same name."""

from __future__ import annotations

import re
from contextlib import suppress

from rrr_local import paths
from rrr_local.errors import NotFoundError, UsageError
from rrr_local.store import queries
from rrr_local.store.queries import Run
from rrr_local.store.store import Store

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def check_name(name: str) -> None:
    """Raises `UsageError` for what cannot be a run's name."""
    if not NAME.fullmatch(name):
        raise UsageError(f"a run cannot be called {name!r}", "use letters, digits, and . _ - inside")


def next_name(store: Store) -> str:
    """The first of run-1, run-2, ... from the number of runs on that neither the log nor a folder has."""
    number = queries.counts(store.reader()).runs + 1
    while named(store, f"run-{number}") or (paths.runs_folder() / f"run-{number}").exists():
        number += 1
    return f"run-{number}"


def named(store: Store, name: str) -> Run | None:
    """The run with exactly this name."""
    with suppress(NotFoundError, UsageError):  # none, or several that begin with it
        found = queries.run(store.reader(), name)
        return found if found.summary.name == name else None
    return None
