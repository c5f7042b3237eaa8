"""What goes on with runs, as the app sees it: asked 4 times a second, answered from the log without reading it unless it changed.

`PRAGMA data_version` changes when another connection has committed something; the locks of the run folders say who lives.
"""

from __future__ import annotations

from dataclasses import replace

from rrr_local.engine.detached import Trainers
from rrr_local.errors import RrrError
from rrr_local.store import queries
from rrr_local.store.queries import RunSummary
from rrr_local.store.records import RunStatus
from rrr_local.store.store import Store

RECENT = 20
"""Runs that are looked at; a running one is among the newest."""
ACTIVE = (RunStatus.QUEUED, RunStatus.RUNNING)


class Follower:
    """The newest runs, and the one that a live trainer works on."""

    def __init__(self, store: Store, trainers: Trainers) -> None:
        self._store = store
        self._trainers = trainers
        self._version: int | None = None
        self._runs: list[RunSummary] = []
        self.training: RunSummary | None = None
        self.ended: RunSummary | None = None
        """The run that was followed and has just ended, for one look."""
        self.problem: RrrError | None = None
        """Why the log could not be read at the last look."""

    def look(self) -> bool:
        """Whether anything is new."""
        try:
            changed = self._read()
        except RrrError as error:
            news = self.problem is None
            self.problem = error
            return news
        self.problem = None
        before = self.training
        self.training = next((run for run in self._runs if self._lives(run)), None)
        over = before is not None and (self.training is None or self.training.id != before.id)
        ended = next((run for run in self._runs if over and before is not None and run.id == before.id), None)
        died = ended is not None and ended.status in ACTIVE  # its process is gone, and wrote no last word
        self.ended = replace(ended, status=RunStatus.LOST) if ended is not None and died else ended
        return changed or before != self.training

    def _read(self) -> bool:
        """Whether the log has changed since the last look."""
        connection = self._store.reader()
        version = int(queries.fetch(connection, "PRAGMA data_version")[0][0])
        if version == self._version:
            return False
        self._runs = queries.runs(connection, RECENT)
        self._version = version
        return True

    def _lives(self, run: RunSummary) -> bool:
        return run.status in ACTIVE and self._trainers.is_alive(run.name)
