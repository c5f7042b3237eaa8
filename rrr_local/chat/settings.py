"""The settings of a log: `rrr_local.config` over the rows of one store."""

from __future__ import annotations

import os

from rrr_local.config import Settings
from rrr_local.store import queries
from rrr_local.store.store import Store


def load(store: Store, *, read_only: bool = False) -> Settings:
    """What this log and the environment set; changes go to the log, or nowhere if `read_only`."""
    return Settings(queries.settings(store.reader()), os.environ, None if read_only else store.set_setting)


def without_log() -> Settings:
    """What the environment sets, where there is no log yet."""
    return Settings({}, os.environ)
