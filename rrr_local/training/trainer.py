"""The step loop: take failures, reflect and retry, credit, update, log, checkpoint.

Everything random in a step is derived from (seed, step), and the failures of a step from the seed and the step alone; so a run that
was killed and resumed from its last checkpoint computes what the uninterrupted run would have.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from rrr_local import journal
from rrr_local.backends.base import Backend, TrainGroup, Update
from rrr_local.episode import Split
from rrr_local.errors import RrrError
from rrr_local.loop import Loop
from rrr_local.meter import Meter, Phase
from rrr_local.seeds import derive
from rrr_local.store import queries
from rrr_local.store.records import AdapterKind, AdapterRecord, GroupRecord, RunPhase, RunStatus, StepRecord
from rrr_local.store.store import Store
from rrr_local.tasks.base import Task
from rrr_local.training import checkpoint, failures
from rrr_local.training.credit import Credit, credit
from rrr_local.training.failures import LoggedFailure
from rrr_local.training.metrics import step_record
from rrr_local.training.patience import Patience, Signal
from rrr_local.training.recipes import Recipe
from rrr_local.training.rollout import rollout

MOST_NOT_FINITE = 3
"""Updates in a row that are not finite before the run gives up."""


@dataclass(frozen=True, slots=True)
class Job:
    """One run: what it works on, and where it is kept."""

    run_id: str
    name: str
    folder: Path
    data_folder: Path
    recipe: Recipe
    seed: int
    registered: journal.Registered
    session_id: str
    """The log's session of this run's reflections and retries."""


class Trainer:
    """Trains one adapter; owns nothing but its place in the run."""

    def __init__(self, job: Job, backend: Backend, task: Task, store: Store) -> None:
        self._job, self._backend, self._task, self._store = job, backend, task, store
        self._failures: Sequence[LoggedFailure] = ()
        self._source = self._first_source = ""
        self.refreshing: Callable[[failures.Progress], None] = lambda progress: None
        """Told how far collecting failures anew is; what it raises ends the training."""
        self.ending: RunStatus | None = None
        """What becomes of the run when it ends early; None: it is stopped, or done if it came to its last step."""
        self.step = 0
        """The last finished step."""
        self.adapter_id: int | None = None
        """The log's id of the last checkpoint's adapter."""
        self._patience = Patience(task.name)
        self._signal = Signal(learnt=bool(queries.run(store.reader(), job.run_id).summary.groups_used))

    def begin(self, source: str) -> None:
        """Start at step 0 with a fresh adapter and the failures of a source."""
        self._backend.new_adapter(self._job.recipe.lora, derive(self._job.seed, "adapter"))
        self._use_failures(source)
        self._first_source = source
        self.save()  # a run killed in its first steps resumes with the same failures

    def resume(self, saved: checkpoint.Checkpoint) -> None:
        """Go on where a checkpoint left off."""
        self._backend.load_adapter(saved.path)
        self._backend.load_optimizer(saved.path)
        self.step = saved.step
        self.adapter_id = self._noted(saved.path)
        self._use_failures(str(saved.state["failures_session"]))
        self._first_source = str(saved.state.get("first_failures", self._source))

    def first_failures(self) -> Sequence[LoggedFailure]:
        """What the run began with, whatever was collected since: what is tried again before and after."""
        if self._source == self._first_source:
            return self._failures
        return self._load(self._first_source)

    def run(self) -> Iterator[StepRecord]:
        """Train to the last step, yielding each step's numbers once they are in the log.

        Stop iterating to stop the run; call `save` then. Raises `RrrError` when updates keep being not finite, `BrokenVerifier` before
        the step that it broke in has changed anything, and `NothingToLearn`.
        """
        recipe = self._job.recipe
        broken = 0
        self._at(RunPhase.TRAINING)
        while self.step < recipe.steps:
            self._refresh_if_due()
            record, update, credits = self._train_step(self.step + 1)
            self.step += 1
            broken = 0 if update is None or update.applied else broken + 1
            if broken == MOST_NOT_FINITE:
                raise RrrError(
                    f"{MOST_NOT_FINITE} updates in a row were not finite", "resume with a lower learning rate"
                )
            if self.step % recipe.checkpoint_every == 0 or self.step == recipe.steps:
                self.save()
            self._at(RunPhase.TRAINING)
            yield record
            self._signal.look(credits)

    def save(self) -> None:
        """Write a checkpoint of the last finished step, then note it in the log."""
        self._at(RunPhase.SAVING)
        state = {"failures_session": self._source, "first_failures": self._first_source}
        path = checkpoint.save(self._job.folder, self.step, self._write, state)
        self.adapter_id = self._noted(path)
        checkpoint.prune(self._job.folder)

    def _noted(self, path: Path) -> int:
        """The log's id of the adapter in the checkpoint of this step."""
        job = self._job
        kind = AdapterKind.FINAL if self.step == job.recipe.steps else AdapterKind.CHECKPOINT
        return self._store.add_adapter(
            AdapterRecord(
                name=job.name if kind is AdapterKind.FINAL else f"{job.name}-step-{self.step}",
                model_id=job.registered.model_id,
                path=journal.relative(path, job.data_folder),
                sha256=hashlib.sha256((path / checkpoint.MANIFEST).read_bytes()).hexdigest(),
                kind=kind,
                train_run_id=job.run_id,
                step=self.step,
                rank=job.recipe.lora.rank,
            )
        )

    def _at(self, phase: RunPhase) -> None:
        self._store.progress(self._job.run_id, phase, self.step, self._job.recipe.steps)

    def _write(self, folder: Path) -> None:
        self._backend.save_adapter(folder)
        self._backend.save_optimizer(folder)

    # --- failures -----------------------------------------------------------------------------------------------

    def _loop(self, meter: Meter) -> Loop:
        recipe = self._job.recipe
        return Loop(self._backend, self._task, recipe.temperature, recipe.limits, meter)

    def _use_failures(self, source: str) -> None:
        self._failures = self._load(source)
        self._source = source

    def _load(self, source: str) -> list[LoggedFailure]:
        job = self._job
        return failures.load(self._loop(Meter()), self._store, job.registered, source, job.recipe.failures)

    def _refresh_if_due(self) -> None:
        """Collect failures anew with the adapter as it is, every `refresh_every` steps."""
        every = self._job.recipe.refresh_every
        if not every or self.step == 0 or self.step % every:
            return
        source = ""
        for progress in collecting(self._job, self._loop(Meter()), self._store, self.step):
            source = progress.session_id
            self.refreshing(progress)
        self._use_failures(source)

    def _failures_of(self, step: int) -> list[LoggedFailure]:
        """The failures of a step: successive slices of a fresh shuffle for each pass over them."""
        count, size = self._job.recipe.failures_per_step, len(self._failures)
        chosen = []
        for position in range((step - 1) * count, step * count):
            order = np.random.default_rng(derive(self._job.seed, "order", position // size)).permutation(size)
            chosen.append(self._failures[order[position % size]])
        return chosen

    # --- one step -----------------------------------------------------------------------------------------------

    def _train_step(self, step: int) -> tuple[StepRecord, Update | None, list[Credit]]:
        recipe, meter, start = self._job.recipe, Meter(), time.perf_counter()
        self._backend.peak_memory()  # it counts from here: what was evaluated between two steps is not the step's
        chosen = self._failures_of(step)
        seed = derive(self._job.seed, "step", step)
        groups = rollout(self._loop(meter), [f.attempt for f in chosen], recipe.group_size, seed)
        self._patience.look(retry for group in groups for retry in group.retries)
        credits = credit(groups, recipe)
        batch = self._with_reference([c.train for c in credits if c.train is not None], meter)
        update = self._update(batch, step, meter) if batch else None
        seconds = time.perf_counter() - start
        record = step_record(step, recipe, credits, batch, update, meter, seconds, self._backend.peak_memory())
        logged = [_group_record(failure, c) for failure, c in zip(chosen, credits, strict=True)]
        self._store.log_step(self._job.run_id, self._job.session_id, record, logged)
        return record, update, credits

    def _with_reference(self, batch: list[TrainGroup], meter: Meter) -> list[TrainGroup]:
        """The batch with the base model's log-probs, where the recipe has a KL term."""
        if not self._job.recipe.beta or not batch:
            return batch
        with meter.phase(Phase.REFERENCE):
            reference = self._backend.logprobs(batch, temperature=self._job.recipe.temperature)
        return [replace(group, reference=r) for group, r in zip(batch, reference, strict=True)]

    def _update(self, batch: list[TrainGroup], step: int, meter: Meter) -> Update:
        recipe = self._job.recipe
        with meter.phase(Phase.TRAIN):
            update = self._backend.update(batch, recipe.objective, recipe.learning_rate_at(step), recipe.adam)
        trained = sum(len(g.context.context()) + sum(len(z.tokens) for z in g.reflections) for g in batch)
        meter.count(Phase.TRAIN, trained)
        return update


def _group_record(failure: LoggedFailure, credited: Credit) -> GroupRecord:
    group = credited.group
    known = [r for r in group.rewards if r is not None]
    return GroupRecord(
        problem_id=failure.problem_id,
        first_attempt_id=failure.attempt_id,
        size=len(group.reflections),
        reward_mean=float(np.mean(known)) if known else None,
        reward_std=float(np.std(known)) if known else None,
        used=credited.train is not None,
        skip_reason=credited.skip_reason,
        reflections=tuple(
            journal.reflection_record(i, z, y, y.verdict.score, a)
            for i, (z, y, a) in enumerate(zip(group.reflections, group.retries, credited.advantages, strict=True))
        ),
    )


def collecting(job: Job, loop: Loop, store: Store, step: int) -> Iterator[failures.Progress]:
    """Collect a run's failures with the adapter as it is after `step`."""
    recipe = job.recipe
    return failures.collect(
        loop,
        store,
        job.registered,
        loop.task.problems(Split.TRAIN),
        derive(job.seed, "collect", step),
        wanted=recipe.failures,
        attempts_per_problem=recipe.attempts_per_problem,
        run_id=job.run_id,
    )
