"""The whole story in one command: measure, collect failures, train, measure again on the same problems."""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass

from rrr_local.episode import Split
from rrr_local.evaluation.comparison import TEMPERATURES, BestGain, ByTemperature, Gain, compare, compare_best
from rrr_local.evaluation.protocol import Item, Rates, rates
from rrr_local.loop import Loop
from rrr_local.measure import Measured, Measurement, measure
from rrr_local.store.records import StepRecord
from rrr_local.training import run
from rrr_local.training.recipes import Recipe
from rrr_local.workbench import Workbench

PROBLEMS = 512
"""Held-out problems that both models are measured on."""


@dataclass(frozen=True, slots=True)
class Progress:
    """One thing that happened, for a progress bar."""

    stage: str
    done: int
    total: int
    step: StepRecord | None = None
    """The numbers of the step that ended, while training."""


@dataclass(frozen=True, slots=True)
class Result:
    """What the demo found."""

    run: str
    steps: int
    before: Rates
    after: Rates
    gain: Gain
    best: BestGain
    episode_before: Item
    episode_after: Item
    """The same problem before and after: one that failed and now passes, where there is one."""
    seconds: dict[str, float]
    """By stage."""


def demo(bench: Workbench, recipe: Recipe, seed: int, problems: int = PROBLEMS) -> Generator[Progress | Result]:
    """Yield progress, and the result last. Closing it stops the run at a step boundary, with a checkpoint."""
    seconds: dict[str, float] = {}
    started = time.perf_counter()
    before = yield from _measure(bench, "before", seed, problems, None)
    seconds["before"], started = time.perf_counter() - started, time.perf_counter()
    job = run.create(bench.store, bench.registered, bench.backend, recipe, seed)
    with run.training(job, bench.backend, bench.task, bench.store) as trainer:
        yield Progress("collect", 0, recipe.failures)
        loop = Loop(bench.backend, bench.task, recipe.temperature, recipe.limits)
        for collected in run.prepare(job, trainer, loop, bench.store):
            yield Progress("collect", min(collected.failures, recipe.failures), recipe.failures)
        seconds["collect"], started = time.perf_counter() - started, time.perf_counter()
        try:
            for record in trainer.run():
                yield Progress("train", record.step, recipe.steps, record)
        except GeneratorExit:
            trainer.save()  # stopped between two steps: the run can go on from here
            raise
    seconds["train"], started = time.perf_counter() - started, time.perf_counter()
    after = yield from _measure(bench, "after", seed, problems, trainer.adapter_id)
    seconds["after"] = time.perf_counter() - started
    yield _result(job.name, recipe.steps, before, after, seconds)


def _measure(
    bench: Workbench, stage: str, seed: int, count: int, adapter_id: int | None
) -> Generator[Progress, None, ByTemperature]:
    """Evaluate at every temperature; returns the items by temperature."""
    problems = bench.task.problems(Split.EVAL)[:count]
    measured: dict[float, list[Item]] = {}
    for number, temperature in enumerate(TEMPERATURES):
        what = Measurement(problems, temperature=temperature, seed=seed)
        with closing(measure(bench, what, adapter_id)) as measuring:
            for event in measuring:
                if isinstance(event, Measured):
                    measured[temperature] = event.items
                else:
                    yield Progress(stage, number * len(problems) + event, len(TEMPERATURES) * len(problems))
    return measured


def _result(name: str, steps: int, before: ByTemperature, after: ByTemperature, seconds: dict[str, float]) -> Result:
    pairs = list(zip(before[1.0], after[1.0], strict=True))
    shown = next(
        (pair for pair in pairs if pair[1].retry and not pair[0].second_pass and pair[1].second_pass), pairs[0]
    )
    return Result(
        run=name,
        steps=steps,
        before=rates(before[1.0]),
        after=rates(after[1.0]),
        gain=compare(before[1.0], after[1.0]),
        best=compare_best(before, after),
        episode_before=shown[0],
        episode_after=shown[1],
        seconds={stage: round(value, 1) for stage, value in seconds.items()},
    )
