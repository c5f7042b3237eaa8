"""Would a run work, what would it teach, and what would it take? Found out by doing one step of it and keeping nothing.

time      step * steps + attempt * attempts to collect + problem * problems to measure
memory    what the probe's step held at its peak, times 1.2: spans may get longer than there
disk      the checkpoints that are kept, and the reserve that training insists on
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from rrr_local import paths
from rrr_local.engine.checks import Check, Health
from rrr_local.engine.data import Data, read_data
from rrr_local.engine.machine import Battery, battery, memory_bytes
from rrr_local.engine.plan import POOL, Plan
from rrr_local.engine.probe import (
    FAILURES,
    Found,
    Signal,
    Step,
    find_failures,
    more_groups,
    probe_step,
    seconds_per_problem,
    signal_of,
)
from rrr_local.engine.work import held_out, recipe_of
from rrr_local.episode import Problem
from rrr_local.loop import Loop, Try
from rrr_local.training import checkpoint, failures
from rrr_local.training.advice import LEAST_SIGNAL
from rrr_local.training.eta import duration
from rrr_local.training.recipes import Recipe
from rrr_local.workbench import Workbench

ROOM = 1.2
"""What memory is needed, in peaks of the probe."""
KEPT = 4
"""Checkpoints that are there at once: three, and the one being written."""
GOOD_SIGNAL = 0.3
"""Share of mixed groups from which on training goes well."""
LOW_BATTERY = 20
"""Per cent."""

Report = Callable[[str, int, int], None]
"""Stage, done, total."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What the run would take."""

    steps: int
    step_s: float
    collect_s: float
    """Of all attempts before training; 0 where the failures are there."""
    measure_s: float
    """Of all evaluations."""
    total_s: float
    memory: int
    """Bytes it needs."""
    machine_memory: int
    """Bytes the machine has."""
    disk: int
    """Bytes it needs."""
    disk_free: int


@dataclass(frozen=True, slots=True)
class Preflight:
    """What `rrr train --dry-run` found."""

    ready: bool
    """Whether nothing stands in the way; a weak signal does not."""
    model: str
    task: str
    backend: str
    recipe: Mapping[str, object]
    data: Data
    signal: Signal | None
    """None where there was nothing to probe with; then there is no cost either."""
    cost: Cost | None
    battery: Battery | None
    """None where there is none."""
    checks: list[Check]


def preflight(bench: Workbench, plan: Plan, report: Report) -> Preflight:
    """Probe a plan for a new run. Raises `UsageError`, `NotFoundError` for what could not even be started."""
    recipe, seed = recipe_of(plan, bench.model), plan.seed or 0
    loop = Loop(bench.backend, bench.task, recipe.temperature, recipe.limits)
    problems = held_out(bench.task)
    data, pool = read_data(bench, loop, len(problems))
    if recipe.failures_from == POOL:
        found = Found([f.attempt for f in pool.failures[-FAILURES:]], 0, 0.0)
    elif recipe.failures_from:
        of = failures.load(loop, bench.store, bench.registered, recipe.failures_from, FAILURES)
        found = Found([f.attempt for f in of], 0, 0.0)
    else:
        found = _attempted(loop, seed, report)
    signal, cost = None, None
    if found.failures:
        step, signal = _probed(bench, recipe, found.failures, seed, report)
        cost = _cost(bench, recipe, step, found, problems[: recipe.evaluate], seed, report)
    power = battery()
    checks = list(_checks(data, signal, cost, power, recipe))
    return Preflight(
        ready=all(check.health is not Health.FAIL for check in checks),
        model=bench.model.name,
        task=bench.task.name,
        backend=bench.backend.name,
        recipe=recipe.to_json(),
        data=data,
        signal=signal,
        cost=cost,
        battery=power,
        checks=checks,
    )


def _attempted(loop: Loop, seed: int, report: Report) -> Found:
    """Failures that nobody logs, for a run that would collect its own."""
    found = Found([], 0, 0.0)
    report("collect", 0, FAILURES)
    for found in find_failures(loop, seed):
        report("collect", len(found.failures), FAILURES)
    return found


def _probed(bench: Workbench, recipe: Recipe, failed: Sequence[Try], seed: int, report: Report) -> tuple[Step, Signal]:
    """One step, and as many further groups as the signal needs."""
    report("probe", 0, len(failed))
    step = probe_step(bench, recipe, failed, seed)
    groups = step.groups
    while len(groups) < len(failed):
        report("probe", len(groups), len(failed))
        more = failed[len(groups) : len(groups) + recipe.failures_per_step]
        groups = groups + more_groups(bench, recipe, more, seed)
    report("probe", len(failed), len(failed))
    return step, signal_of(groups)


def _cost(
    bench: Workbench,
    recipe: Recipe,
    step: Step,
    found: Found,
    problems: Sequence[Problem],
    seed: int,
    report: Report,
) -> Cost:
    attempts = 0.0
    if found.attempts:
        attempts = recipe.failures * found.attempts / len(found.failures) * (1 + _refreshes(recipe))
    collect_s = 0.0 if not found.attempts else attempts * found.seconds / found.attempts
    evaluations = 1 + -(-recipe.steps // recipe.checkpoint_every)
    measured = len(problems) * evaluations + 2 * (recipe.replay + recipe.everyday)
    measure_s = 0.0
    if measured:
        report("measure", 0, 1)
        some = problems or [failure.problem for failure in found.failures]
        measure_s = measured * seconds_per_problem(bench, recipe, some, seed)
        report("measure", 1, 1)
    return Cost(
        steps=recipe.steps,
        step_s=step.seconds,
        collect_s=collect_s,
        measure_s=measure_s,
        total_s=collect_s + measure_s + step.seconds * recipe.steps,
        memory=round(ROOM * step.memory),
        machine_memory=memory_bytes(),
        disk=KEPT * step.checkpoint + checkpoint.RESERVE,
        disk_free=shutil.disk_usage(paths.data_folder()).free,
    )


def _refreshes(recipe: Recipe) -> int:
    """How often failures are collected anew."""
    return (recipe.steps - 1) // recipe.refresh_every if recipe.refresh_every else 0


# --- what it means ------------------------------------------------------------------------------------------------


def _checks(
    data: Data, signal: Signal | None, cost: Cost | None, power: Battery | None, recipe: Recipe
) -> Iterator[Check]:
    yield (there := _data(data, recipe))
    if there.health is not Health.FAIL:
        yield _signal(signal)
    if recipe.evaluate > data.held_out:
        detail = f"only {data.held_out} of {recipe.evaluate} problems to measure on"
        yield Check("held-out", Health.WARN, detail)
    if cost is not None:
        yield _fits("memory", cost.memory, cost.machine_memory)
        yield _fits("disk", cost.disk, cost.disk_free)
        yield Check("time", Health.OK, f"about {duration(cost.total_s)}, {cost.step_s:.1f} s a step")
    if power is not None:
        low = power.percent < LOW_BATTERY and not power.charging
        yield Check("battery", Health.WARN if low else Health.OK, f"{power.percent} %")


def _data(data: Data, recipe: Recipe) -> Check:
    """Whether there is something to train on."""
    if not recipe.failures_from:
        return Check("data", Health.OK, f"collects its own {recipe.failures} failures")
    if recipe.failures_from != POOL:
        return Check("data", Health.OK, f"failures of session {recipe.failures_from}")
    if not data.trainable:
        return Check("data", Health.FAIL, "no failure in the log can be trained on: chat on a task, or collect some")
    without = f", {data.missing_answer} need an answer" if data.missing_answer else ""
    merged = f", {data.duplicates} there twice and merged" if data.duplicates else ""
    return Check("data", Health.OK, f"{data.trainable} failures can be trained on{without}{merged}")


def _signal(signal: Signal | None) -> Check:
    """Whether it teaches something, and what to do where it does not."""
    if signal is None:
        return Check("signal", Health.FAIL, "nothing failed, so there is nothing to learn: take harder problems")
    share = f"{signal.mixed} of {signal.failures} groups teach something ({100 * signal.low:.0f} to {100 * signal.high:.0f} %)"
    if signal.passed == 0:
        way = "nothing to reward. Try easier problems, more reflections a failure, or a bigger model"
        return Check("signal", Health.FAIL, f"0 of {signal.retries} retries pass: {way}")
    if signal.passed == signal.retries:
        return Check(
            "signal", Health.WARN, f"all {signal.retries} retries pass: nothing to tell apart. Try harder problems"
        )
    if signal.share < LEAST_SIGNAL:
        return Check(
            "signal", Health.WARN, f"{share}: try more reflections a failure, or problems of another difficulty"
        )
    word = "good" if signal.share >= GOOD_SIGNAL else "weak"
    return Check("signal", Health.OK if word == "good" else Health.WARN, f"{word}: {share}")


def _fits(name: str, needed: int, there: int) -> Check:
    health = Health.FAIL if needed > there else Health.WARN if needed > 0.8 * there else Health.OK
    return Check(name, health, f"needs about {_size(needed)} of {_size(there)}")


def _size(size: float) -> str:
    return f"{size / 2**30:.1f} GB" if size >= 2**30 else f"{size / 2**20:.0f} MB"
