"""A whole run as one generator, which `rrr train` in a terminal and the detached trainer share.

    PREPARING    load the newest checkpoint, or COLLECTING: attempt problems until enough have failed
    MEASURING    the bare model on held-out problems, on problems of the failures it will train on ("replay"), and on everyday questions
    TRAINING     step by step; at every checkpoint SAVING, then EVALUATING on the held-out problems
    EVALUATING   after the last step: all of them once more
    DONE         or PAUSED by a verifier that breaks, or FAILED with `NothingToLearn`: see `rrr_local.training.patience`

Each phase and how far it is goes to the log, where others follow it. At every boundary (a batch of problems, a step) the run looks
whether a person asked it to end: by a signal, or by the column `request` of its row. Evaluating draws nothing that training draws, so
a run comes to the same adapter with and without it; an evaluation that is in the log is not made again by a resumed run.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Protocol

from rrr_local.engine.plan import POOL, Plan, default_recipe
from rrr_local.episode import Problem, Split
from rrr_local.errors import BrokenVerifier, NotFoundError
from rrr_local.loop import Loop
from rrr_local.measure import EvalSet, Measured, Measurement, measure
from rrr_local.models.find import EMBEDDED, Model
from rrr_local.store import evaluations, queries
from rrr_local.store.records import RunPhase, RunRequest, RunStatus, StepRecord
from rrr_local.tasks.base import Task
from rrr_local.tasks.find import find_task
from rrr_local.training import discard, failures, names, run
from rrr_local.training.overrides import overridden
from rrr_local.training.recipes import Recipe, preset
from rrr_local.training.trainer import Job, Trainer
from rrr_local.workbench import Workbench, on_task

EVERYDAY = "everyday"
"""The task whose questions show what a model forgot."""


class Stopping(Protocol):
    """Whether somebody in this process has asked to stop; `rrr_local.cli.signals.Stop` is one."""

    @property
    def requested(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class Begun:
    """The run is in the log and ours: the first event."""

    job: Job


@dataclass(frozen=True, slots=True)
class Noticed:
    """Something a person should know, such as a damaged checkpoint that was passed over."""

    text: str


@dataclass(frozen=True, slots=True)
class Moved:
    """The run got on."""

    phase: RunPhase
    done: int
    total: int
    """0 where it is not known."""
    note: str = ""
    step: StepRecord | None = None
    """The numbers of the step that ended, while training."""


Event = Begun | Noticed | Moved


def recipe_of(plan: Plan, model: Model) -> Recipe:
    """The recipe of a run to be, settings applied; a pool is still called `POOL`. Raises `UsageError`."""
    if plan.name is not None:
        names.check_name(plan.name)
    chosen = overridden(
        preset(plan.recipe or default_recipe(EMBEDDED if model.embedded else model.name)), plan.settings
    )
    given = {"steps": plan.steps, "evaluate": plan.evaluate or None, "replay": plan.replay or None}
    given |= {"everyday": plan.everyday or None}
    # mypy takes the dict's values for one type; each is an int and goes to an int field.
    chosen = replace(chosen, **{field: value for field, value in given.items() if value is not None})  # type: ignore[arg-type]
    return replace(chosen, failures_from=plan.failures or "")


def work(bench: Workbench, plan: Plan, stop: Stopping) -> Generator[Event]:
    """Carry out a plan. The run's status in the log is right however this ends, closing the generator included.

    Raises `UsageError`, `NotFoundError`, `BusyError`, `ResourceError`, and what training raises: after `BrokenVerifier` the run is PAUSED,
    its last finished step in a checkpoint; after `NothingToLearn` it is FAILED.
    """
    job = _job(bench, plan)
    with run.training(job, bench.backend, bench.task, bench.store) as trainer:
        yield Begun(job)
        working = _Work(bench, job, trainer, stop)
        try:
            yield from working.phases()
        except _Asked as asked:
            yield from working.end(asked.what)
        except BrokenVerifier:
            yield from working.end(RunRequest.PAUSE)
            raise


def _job(bench: Workbench, plan: Plan) -> Job:
    """The run to go on with, or a new one."""
    if plan.resume is not None:
        return run.reopen(bench.store, bench.registered, plan.resume)
    recipe = recipe_of(plan, bench.model)
    if recipe.failures_from == POOL:
        recipe = replace(recipe, failures_from=failures.pool_until_now(bench.store))
    elif recipe.failures_from and not queries.failures(bench.store.reader(), recipe.failures_from):
        raise NotFoundError(
            f"there are no failures in session {recipe.failures_from}", "collect some with `rrr collect`"
        )
    return run.create(bench.store, bench.registered, bench.backend, recipe, plan.seed or 0, plan.name)


class _Asked(Exception):
    """A person asked the run to end; raised at a boundary."""

    def __init__(self, what: RunRequest) -> None:
        super().__init__(what)
        self.what = what


class _Work:
    """The phases of one sitting."""

    def __init__(self, bench: Workbench, job: Job, trainer: Trainer, stop: Stopping) -> None:
        self._bench, self._job, self._trainer, self._stop = bench, job, trainer, stop
        self._store, self._recipe = bench.store, job.recipe
        self._begun = False
        """Whether there is anything that a checkpoint could hold."""
        trainer.refreshing = self._refreshing

    def phases(self) -> Iterator[Event]:
        """Everything from the newest checkpoint to the end. Raises `_Asked` at a boundary."""
        yield from self._prepare()
        held_out = self._held_out()
        if held_out is None:
            yield Noticed(f"{self._bench.task.name} has no held-out problems: nothing is measured on them")
        yield from self._evaluate(held_out or [])
        for record in self._trainer.run():
            reward = "" if record.reward_mean is None else f"reward {record.reward_mean:.2f}"
            yield Moved(RunPhase.TRAINING, record.step, self._recipe.steps, reward, record)
            self._look()
            yield from self._evaluate(held_out or [])
        if not queries.run(self._store.reader(), self._job.run_id).summary.groups_used:
            yield Noticed(
                "nothing was learnt: in no group did some retries pass and some fail, so no step changed the adapter"
            )
        yield self._moved(RunPhase.DONE, self._recipe.steps, self._recipe.steps)

    def end(self, what: RunRequest) -> Iterator[Event]:
        """Bring the run to rest as it was asked to."""
        self._trainer.ending = RunStatus.PAUSED if what is RunRequest.PAUSE else RunStatus.STOPPED
        if what is RunRequest.DISCARD:
            discard.remove_trained(self._store, self._job.run_id, self._job.folder)
        elif self._begun:
            yield self._moved(RunPhase.SAVING, self._trainer.step, self._recipe.steps)
            self._trainer.save()

    # --- boundaries ---------------------------------------------------------------------------------------------

    def _moved(self, phase: RunPhase, done: int, total: int, note: str = "") -> Moved:
        """Note in the log how far a phase is, and say so."""
        self._store.progress(self._job.run_id, phase, done, total)
        return Moved(phase, done, total, note)

    def _look(self) -> None:
        """A boundary: raises `_Asked` when somebody wants the run to end."""
        if self._stop.requested:
            raise _Asked(RunRequest.STOP)
        request = queries.run(self._store.reader(), self._job.run_id).request
        if request is not None:
            raise _Asked(request)

    def _refreshing(self, progress: failures.Progress) -> None:
        """The trainer collects failures anew between two steps."""
        self._collected(progress)
        self._look()

    # --- phases -------------------------------------------------------------------------------------------------

    def _prepare(self) -> Iterator[Event]:
        loop = Loop(self._bench.backend, self._bench.task, self._recipe.temperature, self._recipe.limits)
        yield self._moved(RunPhase.PREPARING, 0, 0)
        preparing = run.prepare(self._job, self._trainer, loop, self._store)
        notice = yield from self._watched(preparing)
        self._begun = True
        if notice is not None:
            yield Noticed(notice)
        self._look()

    def _watched(self, preparing: Generator[failures.Progress, None, str | None]) -> Generator[Event, None, str | None]:
        """What `preparing` yields as our events; returns what it returns."""
        with closing(preparing):
            while True:
                try:
                    progress = next(preparing)
                except StopIteration as done:
                    notice: str | None = done.value
                    return notice
                yield self._collected(progress)
                self._look()

    def _collected(self, progress: failures.Progress) -> Moved:
        wanted = self._recipe.failures
        note = f"{progress.attempts} attempts"
        return self._moved(RunPhase.COLLECTING, min(progress.failures, wanted), wanted, note)

    def _held_out(self) -> list[Problem] | None:
        """The held-out problems to measure on; None where the task has none."""
        if not self._recipe.evaluate:
            return []
        return held_out(self._bench.task)[: self._recipe.evaluate] or None

    def _evaluate(self, unseen: list[Problem]) -> Iterator[Event]:
        """What is to be measured at this step and is not in the log yet."""
        step, last = self._trainer.step, self._recipe.steps
        if step % self._recipe.checkpoint_every and step != last:
            return
        wanted = {EvalSet.HELD_OUT: unseen}
        if step in (0, last):
            wanted[EvalSet.REPLAY] = self._replayed()
            wanted[EvalSet.EVERYDAY] = held_out(find_task(EVERYDAY))[: self._recipe.everyday]
        known = {(point.step, point.set) for point in evaluations.run_evals(self._store.reader(), self._job.run_id)}
        for which, problems in wanted.items():
            if problems and (step, which) not in known:
                yield from self._measure(which, problems)

    def _replayed(self) -> list[Problem]:
        """The first problems of the failures that the run began with, each once."""
        if not self._recipe.replay:
            return []
        distinct = {f.attempt.problem.sha256: f.attempt.problem for f in self._trainer.first_failures()}
        return list(distinct.values())[: self._recipe.replay]

    def _measure(self, which: EvalSet, problems: list[Problem]) -> Iterator[Event]:
        bare = self._trainer.step == 0  # a fresh adapter adds exactly nothing
        phase = RunPhase.MEASURING if bare else RunPhase.EVALUATING
        yield self._moved(phase, 0, len(problems), which)
        what = Measurement(
            problems,
            temperature=self._recipe.temperature,
            seed=self._job.seed,
            set=which,
            limits=self._recipe.limits,
            run_id=self._job.run_id,
        )
        bench = on_task(self._bench, EVERYDAY) if which is EvalSet.EVERYDAY else self._bench
        with closing(measure(bench, what, None if bare else self._trainer.adapter_id)) as measuring:
            for event in measuring:
                if not isinstance(event, Measured):
                    yield self._moved(phase, event, len(problems), which)
                    self._look()


def held_out(task: Task) -> list[Problem]:
    """A task's problems for evaluating; none where it has no problems of its own."""
    try:
        return list(task.problems(Split.EVAL))
    except NotFoundError:
        return []
