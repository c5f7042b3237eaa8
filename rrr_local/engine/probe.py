"""One training step whose outcome is thrown away: what it shows of the signal, the time and the memory of a run.

    signal    k failures, a group of reflections each: in how many groups do some retries pass and some fail?
    seconds   of reflecting on and retrying one step's failures, and of the update
    memory    the most that this process, and the backend in it, has held so far

Nothing of it is logged. The adapter it moves is a fresh one that nobody saves.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rrr_local.backends.base import Backend, TrainGroup
from rrr_local.engine.machine import peak_resident_bytes
from rrr_local.episode import Problem, Split
from rrr_local.errors import NotFoundError
from rrr_local.evaluation.protocol import evaluate
from rrr_local.evaluation.statistics import wilson
from rrr_local.loop import Loop, Try
from rrr_local.seeds import derive
from rrr_local.training.credit import credit
from rrr_local.training.failures import is_failure
from rrr_local.training.objective import is_dead
from rrr_local.training.patience import Patience
from rrr_local.training.recipes import Recipe
from rrr_local.training.rollout import Group, rollout
from rrr_local.workbench import Workbench

FAILURES = 16
"""Failures that are probed."""
MOST_BATCHES = 8
"""Batches of attempts after which a probe gives up finding failures: a model that solves everything has none."""


@dataclass(frozen=True, slots=True)
class Signal:
    """Whether there is anything to learn: groups in which all retries pass, or none, teach nothing."""

    failures: int
    retries: int
    passed: int
    """Retries that passed."""
    mixed: int
    """Groups with both."""
    share: float
    """`mixed` of `failures`."""
    low: float
    """Of the 95 % interval of `share`."""
    high: float


@dataclass(frozen=True, slots=True)
class Found:
    """Failures to probe with, and what it took to find them."""

    failures: Sequence[Try]
    attempts: int
    seconds: float


def find_failures(loop: Loop, seed: int) -> Iterator[Found]:
    """Attempt problems until `FAILURES` have failed; yields after each batch. Raises `BrokenVerifier`, `UsageError`."""
    try:
        problems = loop.fitting(loop.task.problems(Split.TRAIN))
    except NotFoundError:
        return
    failed: list[Try] = []
    patience = Patience(loop.task.name)
    attempts, started = 0, time.perf_counter()
    size = min(loop.backend.width, 2 * FAILURES)
    for number in range(MOST_BATCHES):
        batch = problems[number * size : (number + 1) * size]
        if not batch or len(failed) >= FAILURES:
            return
        tries = loop.attempt(batch, seed, keep=False)
        patience.look(tries)
        failed += [each for each in tries if is_failure(each)]
        attempts += len(batch)
        yield Found(failed[:FAILURES], attempts, time.perf_counter() - started)


@dataclass(frozen=True, slots=True)
class Step:
    """What one step showed."""

    groups: list[Group]
    seconds: float
    """Of a whole step, scaled up where there were too few failures for one."""
    memory: int
    """Bytes at the peak, the model included."""
    checkpoint: int
    """Bytes of a checkpoint."""


def probe_step(bench: Workbench, recipe: Recipe, failed: Sequence[Try], seed: int) -> Step:
    """One step of a run on its first failures, with a fresh adapter that nobody keeps."""
    backend = bench.backend
    backend.new_adapter(recipe.lora, derive(seed, "adapter"))
    backend.peak_memory()  # it counts from here
    chosen = failed[: recipe.failures_per_step]
    started = time.perf_counter()
    groups = more_groups(bench, recipe, chosen, seed)
    batch = [c.train for c in credit(groups, recipe) if c.train is not None] or [_as_if_alive(groups[0])]
    if recipe.beta:
        references = backend.logprobs(batch, temperature=recipe.temperature)
        batch = [replace(group, reference=r) for group, r in zip(batch, references, strict=True)]
    backend.update(batch, recipe.objective, recipe.learning_rate_at(1), recipe.adam)
    seconds = (time.perf_counter() - started) * recipe.failures_per_step / len(chosen)
    return Step(groups, seconds, max(backend.peak_memory(), peak_resident_bytes()), _checkpoint_bytes(backend))


def more_groups(bench: Workbench, recipe: Recipe, failed: Sequence[Try], seed: int) -> list[Group]:
    """Reflections and retries on failures, without an update. Raises `BrokenVerifier`."""
    loop = Loop(bench.backend, bench.task, recipe.temperature, recipe.limits)
    groups = rollout(loop, failed, recipe.group_size, derive(seed, "step", 1))
    Patience(bench.task.name).look(retry for group in groups for retry in group.retries)
    return groups


def signal_of(groups: Sequence[Group]) -> Signal:
    """What the groups showed."""
    known = [[r for r in group.rewards if r is not None] for group in groups]
    mixed = sum(bool(rewards) and not is_dead(rewards) for rewards in known)
    interval = wilson(mixed, len(groups))
    return Signal(
        failures=len(groups),
        retries=sum(map(len, known)),
        passed=round(sum(map(sum, known))),
        mixed=mixed,
        share=mixed / len(groups),
        low=interval.low,
        high=interval.high,
    )


def _as_if_alive(group: Group) -> TrainGroup:
    """A dead group as an update takes it. It costs a run nothing, but then the probe would say too little of what a live one costs."""
    context = group.reflections[0].parent
    assert context is not None, "a reflection follows its reflect prompt"
    none = (0.0,) * len(group.reflections)
    return TrainGroup(context, group.reflections, none, none)


def _checkpoint_bytes(backend: Backend) -> int:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        backend.save_adapter(folder)
        backend.save_optimizer(folder)
        return sum(file.stat().st_size for file in folder.iterdir())


def seconds_per_problem(bench: Workbench, recipe: Recipe, problems: Sequence[Problem], seed: int) -> float:
    """Of evaluating, from a few problems."""
    few, started = problems[:FAILURES], time.perf_counter()
    loop = Loop(bench.backend, bench.task, recipe.temperature, recipe.limits)
    for _ in evaluate(loop, few, derive(seed, "eval")):
        pass
    return (time.perf_counter() - started) / len(few)
