"""Trainers that outlive whoever started them.

start      a session of its own, nothing on its standard input, everything it says in runs/<run>/trainer.log
follow     through the log database only: status, phase, steps, samples (`rrr_local.store.queries`)
alive?     the flock on the run's folder, which the kernel frees when the trainer dies, however it dies
ask        the column `request` of the run; the trainer looks at it at every boundary
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

from rrr_local import paths
from rrr_local.engine.jobs import ERROR_SCHEMA, RRR, error_from
from rrr_local.engine.plan import Plan
from rrr_local.errors import BusyError, RrrError, UsageError
from rrr_local.store import queries
from rrr_local.store.queries import RunSummary
from rrr_local.store.records import RunRequest, RunStatus
from rrr_local.store.store import Store
from rrr_local.training import lock, names
from rrr_local.training.discard import discard

LOG = "trainer.log"
NICENESS = 5
"""A trainer gives way to the chat, and to everything else a person does on the machine."""
TAIL = 64 * 2**10
"""Bytes at the end of a trainer's log in which its error is looked for."""

Ask = RunRequest
"""What a trainer can be asked: PAUSE and STOP (with a checkpoint), DISCARD (stop, and remove what was trained)."""


@dataclass(frozen=True, slots=True)
class Launch:
    """A trainer that was started."""

    name: str
    """Its run."""
    pid: int
    log: Path
    """What it says, behind what earlier trainers of the run said; only its owner may read it."""
    begins: int
    """Where in the log its own words begin, bytes."""


class Trainers:
    """Starts trainers, finds them again, and asks them to end."""

    def __init__(self, store: Store, command: Sequence[str] = RRR) -> None:
        self._store = store
        self._command = tuple(command)
        self._children: dict[int, subprocess.Popen[bytes]] = {}

    def next_name(self) -> str:
        """A name that no run has."""
        return names.next_name(self._store)

    def start(self, plan: Plan) -> Launch:
        """Start a trainer and come back at once. `plan.name` or `plan.resume` must be set.

        Whether it could begin is to be seen in the log (`has_begun`) or from `failure`. Raises `UsageError`, `BusyError`, `ResourceError`.
        """
        name = plan.resume or plan.name
        if name is None:
            raise UsageError("a detached run needs a name", "give one, or take what next_name proposes")
        names.check_name(name)
        folder = paths.runs_folder() / name
        if lock.is_held(folder):
            raise BusyError(f"{name} is being trained already", f"look at it with `rrr train watch {name}`")
        folder.mkdir(mode=0o700, exist_ok=True)
        with _private(folder / LOG) as log:
            begins = os.fstat(log.fileno()).st_size
            child = subprocess.Popen(
                [*self._command, "train", *plan.arguments(), "--json"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        os.setpriority(os.PRIO_PROCESS, child.pid, NICENESS)
        self._children[child.pid] = child
        return Launch(name, child.pid, folder / LOG, begins)

    def has_begun(self, launch: Launch) -> bool:
        """Whether the log shows this process at work on its run; from then on the run's row says everything."""
        found = names.named(self._store, launch.name)
        return found is not None and found.pid == launch.pid

    def failure(self, launch: Launch) -> RrrError | None:
        """Why a trainer ended before it had begun; None while it lives, and once it has begun."""
        child = self._children.get(launch.pid)
        code = None if child is None else child.poll()
        if code is None or self.has_begun(launch):
            return None
        return error_from(_last_words(launch), code)

    def is_alive(self, run_name: str) -> bool:
        """Whether a process trains this run now."""
        return lock.is_held(paths.runs_folder() / run_name)

    def request(self, run_name: str, what: Ask) -> None:
        """Ask the trainer of a run to end after what it is doing. DISCARD of a run that nobody trains is done at once.

        Raises `NotFoundError`; `UsageError` when nobody trains it.
        """
        found = queries.run(self._store.reader(), run_name)
        name = found.summary.name
        if self.is_alive(name):
            self._store.update_run(found.summary.id, request=what)
        elif what is Ask.DISCARD:
            discard(self._store, found.summary, paths.runs_folder() / name)
        else:
            raise UsageError(f"{name} is not being trained", "`rrr runs list` shows what is running")


def as_it_is(run: RunSummary) -> RunSummary:
    """A run that the log says is running, but that no process holds, is lost."""
    if run.status is RunStatus.RUNNING and not lock.is_held(paths.runs_folder() / run.name):
        return replace(run, status=RunStatus.LOST)
    return run


def _private(path: Path) -> IO[bytes]:
    """The file, to append to; nobody but its owner may read what is written."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "ab")


def _last_words(launch: Launch) -> str:
    """The error a trainer ended with, else the last line it wrote; another trainer of the run may write to the log as well."""
    with launch.log.open("rb") as file:
        file.seek(max(launch.begins, launch.log.stat().st_size - TAIL))
        lines = [line for line in file.read().decode(errors="replace").splitlines() if line.strip()]
    errors = [line for line in lines if ERROR_SCHEMA in line]
    return (errors or lines or [""])[-1]
