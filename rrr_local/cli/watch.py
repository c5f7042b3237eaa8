"""`rrr train watch`: a run as it goes on, read from the log. Nobody is disturbed, and Ctrl-C ends only the looking.

    run-7 collecting                                            a phase began
    run-7 step 12/40 reward 0.31 signal 9/16 12.1s left 5m 40s  a step ended
    run-7 is done: step 40 of 40

With `--json` each is a line of NDJSON with `ev`: phase, step, advice, ended.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import click

from rrr_local import paths
from rrr_local.cli.output import Output
from rrr_local.cli.progress import STAGES, Report, bars
from rrr_local.engine.detached import as_it_is
from rrr_local.errors import ExitCode, NotFoundError
from rrr_local.store import queries
from rrr_local.store.queries import Run, Step
from rrr_local.store.records import RunPhase, RunStatus
from rrr_local.store.store import Store
from rrr_local.training import lock
from rrr_local.training.advice import Advice, advice
from rrr_local.training.eta import Eta, eta

POLL_S = 0.25
PATIENCE = 20
"""How often a run that is queued and that nobody trains is looked at: its trainer may just be taking it up."""


@dataclass(frozen=True, slots=True)
class Phased:
    """A phase began, or got on."""

    phase: RunPhase
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class Stepped:
    """A step ended."""

    step: Step
    eta: Eta | None


Seen = Phased | Stepped | Advice
Show = Callable[[Run, Seen], None]


class Watcher:
    """Sees what is new in a run, from its last step on."""

    def __init__(self, store: Store, run_id: str) -> None:
        self._store, self._run_id = store, run_id
        self._steps = queries.steps(store.reader(), run_id)[:-1]
        self._phase: Phased | None = None
        self._advice: Advice | None = None
        self._unattended = 0
        self.over = False
        """Whether nobody trains the run any more; nothing new will come."""

    def look(self) -> tuple[Run, list[Seen]]:
        """The run as it is now, and what has happened since the last look."""
        name = queries.run(self._store.reader(), self._run_id).summary.name
        alive = is_alive(name)  # first: what a trainer wrote before it ended is then in the log
        run = queries.run(self._store.reader(), self._run_id)
        self._unattended = 0 if alive else self._unattended + 1
        self.over = not alive and (run.summary.status is not RunStatus.QUEUED or self._unattended > PATIENCE)
        return run, [*self._phases(run, alive), *self._new_steps(run), *self._new_advice(run)]

    def _phases(self, run: Run, alive: bool) -> Iterator[Phased]:
        phase = Phased(run.phase or RunPhase.PREPARING, run.phase_done or 0, run.phase_total or 0)
        if alive and phase != self._phase:
            self._phase = phase
            yield phase

    def _new_steps(self, run: Run) -> Iterator[Stepped]:
        every = run.config.get("checkpoint_every")
        last = self._steps[-1].record.step if self._steps else 0
        for step in queries.steps(self._store.reader(), self._run_id, after=last):
            self._steps.append(step)
            yield Stepped(step, eta(self._steps, run.summary.total_steps, every if isinstance(every, int) else 1))

    def _new_advice(self, run: Run) -> Iterator[Advice]:
        word = advice(self._steps, run)
        if word is not None and word != self._advice:
            yield word
        self._advice = word


def is_alive(name: str) -> bool:
    """Whether a process trains a run now."""
    return lock.is_held(paths.runs_folder() / name)


def newest_running(store: Store) -> str:
    """The newest run that a process trains. Raises `NotFoundError`."""
    for run in queries.runs(store.reader()):
        if run.status is RunStatus.RUNNING and is_alive(run.name):
            return run.name
    raise NotFoundError("nothing is being trained", "start a run with `rrr train --detach`, or name one")


def follow(store: Store, output: Output, name: str | None, *, plain: bool) -> int:
    """Print what happens to a run until it ends; the exit code says whether it ended well. Raises `NotFoundError`."""
    found = queries.run(store.reader(), name or newest_running(store))
    watcher = Watcher(store, found.summary.id)
    try:
        with _shower(output, plain) as show:
            while not watcher.over:
                run, seen = watcher.look()
                for each in seen:
                    show(run, each)
                time.sleep(0.0 if watcher.over else POLL_S)
    except KeyboardInterrupt:
        output.note(f"\nstill training; `rrr runs stop {found.summary.name}` ends it")
        return ExitCode.OK
    return _ended(output, queries.run(store.reader(), found.summary.id))


# --- how it is shown ----------------------------------------------------------------------------------------------


@contextmanager
def _shower(output: Output, plain: bool) -> Iterator[Show]:
    """JSON, bars on a terminal, or lines."""
    if output.json:
        yield lambda run, seen: click.echo(json.dumps(_as_json(run, seen)))
    elif plain or not sys.stderr.isatty():
        yield _lines(output)
    else:
        with bars() as report:
            yield lambda run, seen: _as_bar(run, seen, report)


def _lines(output: Output) -> Show:
    """A line per step; a phase has one when it begins. TRAINING shows in its steps, and SAVING takes a moment."""
    current: RunPhase | None = None

    def show(run: Run, seen: Seen) -> None:
        nonlocal current
        name = run.summary.name
        match seen:
            case Stepped(step, left):
                output.text(f"{name} {_step_line(step, run.summary.total_steps, left)}")
            case Advice(text, action):
                output.text(f"{name} note: {text}; {action}")
            case Phased(phase, _, _) if phase not in (current, RunPhase.SAVING, RunPhase.TRAINING):
                output.text(f"{name} {phase}")
                current = phase

    return show


def _step_line(step: Step, total: int, left: Eta | None) -> str:
    record = step.record
    reward = "-" if record.reward_mean is None else f"{record.reward_mean:.2f}"
    parts = [f"step {record.step}/{total}", f"reward {reward}", f"signal {record.groups_used}/{record.groups}"]
    return " ".join([*parts, f"{record.seconds or 0:.1f}s", *([] if left is None else [f"left {left}"])])


def _as_bar(run: Run, seen: Seen, report: Report) -> None:
    """Bars have no room for advice; lines, JSON and the app do."""
    match seen:
        case Phased(phase, done, total) if phase is not RunPhase.TRAINING:
            report(STAGES[phase], done, total)
        case Stepped(step, left):
            report(STAGES[RunPhase.TRAINING], step.record.step, run.summary.total_steps, f"left {left or '?'}")


def _as_json(run: Run, seen: Seen) -> dict[str, object]:
    match seen:
        case Phased(phase, done, total):
            return {"ev": "phase", "run": run.summary.name, "phase": phase, "done": done, "total": total}
        case Advice(text, action):
            return {"ev": "advice", "run": run.summary.name, "text": text, "action": action}
        case Stepped(step, left):
            record = step.record
            return {
                "ev": "step",
                "run": run.summary.name,
                "step": record.step,
                "steps": run.summary.total_steps,
                "reward": record.reward_mean,
                "groups": record.groups,
                "groups_used": record.groups_used,
                "seconds": record.seconds,
                "left_s": None if left is None else round(left.seconds, 1),
                "about": left is None or left.about,
            }


def _ended(output: Output, run: Run) -> int:
    """The last line, and what the command returns."""
    found = as_it_is(run.summary)
    unfinished = found.status is not RunStatus.DONE
    way_on = f"rrr train --resume {found.name}" if unfinished else None
    if output.json:
        end = {"status": found.status, "step": found.last_step, "steps": found.total_steps, "error": found.error}
        click.echo(json.dumps({"ev": "ended", "run": found.name, **end, "resume": way_on}))
    else:
        output.text(f"{found.name} is {found.status}: step {found.last_step} of {found.total_steps}")
        if found.status is RunStatus.LOST:
            output.text("its process died; every step above and the newest checkpoint are safe")
        if found.error is not None:
            output.text(found.error)
        if way_on is not None:
            output.text(f"go on with: {way_on}")
    return ExitCode.FAILED if found.status in (RunStatus.FAILED, RunStatus.LOST) else ExitCode.OK
