"""One run as it grows: what the log has about it, read again only where something was added."""

from __future__ import annotations

from rrr_local.engine.detached import Trainers
from rrr_local.store import queries
from rrr_local.store.evaluations import EvalPoint, run_evals
from rrr_local.store.queries import Run, Step
from rrr_local.store.records import RunStatus
from rrr_local.store.runs_read import Sample, samples
from rrr_local.store.store import Store

SAMPLES = 12
"""Newest samples that are kept."""
LIVE = (RunStatus.QUEUED, RunStatus.RUNNING)


class Following:
    """A run, its steps, its evaluations and its newest samples, as of the last `look`."""

    def __init__(self, store: Store, trainers: Trainers, name: str) -> None:
        """Raises `NotFoundError` when the log has no such run."""
        self._store = store
        self._trainers = trainers
        self.run: Run = queries.run(store.reader(), name)
        self.alive = False
        self.steps: list[Step] = []
        self.evals: list[EvalPoint] = []
        self.samples: list[Sample] = []
        self._seen: object = None
        self.look()

    @property
    def name(self) -> str:
        return self.run.summary.name

    @property
    def status(self) -> RunStatus:
        """As it is: a run that the log says is running, but that no process holds, is lost."""
        status = self.run.summary.status
        return RunStatus.LOST if status in LIVE and not self.alive else status

    @property
    def is_live(self) -> bool:
        """Whether a trainer works on it."""
        return self.status in LIVE

    def look(self) -> bool:
        """Read what is new; whether anything is."""
        connection = self._store.reader()
        # The lock first: a trainer writes its last word before it lets go, so what is read now is that last word.
        self.alive = self._trainers.is_alive(self.run.summary.name)
        run = queries.run(connection, self.run.summary.id)
        seen = (run, self.alive)
        if seen == self._seen:
            return False
        if run.segment != self.run.segment:
            self.steps = []  # it was resumed at a checkpoint: the steps after it are written again
        self.run, self._seen = run, seen
        new = queries.steps(connection, run.summary.id, after=self.steps[-1].record.step if self.steps else 0)
        self.steps += new
        self.evals = run_evals(connection, run.summary.id)
        if new or not self.samples:
            self.samples = samples(connection, run.summary.id, SAMPLES)
        return True
