"""`rrr demo`: the whole story on the embedded model, and what may be claimed from it."""

from __future__ import annotations

import json
from collections.abc import Generator
from contextlib import closing
from dataclasses import replace

import click

from rrr_local import paths
from rrr_local.cli.ask import episode_lines
from rrr_local.cli.options import SEED, common
from rrr_local.cli.output import Output
from rrr_local.cli.progress import Report, progress
from rrr_local.cli.report import change_json, moved, percent, points, with_interval
from rrr_local.cli.signals import Stop, at_boundaries
from rrr_local.demo import PROBLEMS, Progress, Result, demo
from rrr_local.errors import ExitCode
from rrr_local.evaluation.comparison import AtBest, Gain
from rrr_local.evaluation.gains import word
from rrr_local.evaluation.protocol import Item, Rates
from rrr_local.training.recipes import tiny
from rrr_local.workbench import workbench

STOPPING = "stopping at the next step; once more stops at once"


@click.command("demo")
@click.option("--steps", type=click.IntRange(1), default=tiny().steps, show_default=True, help="Steps of training.")
@click.option(
    "--problems", type=click.IntRange(2), default=PROBLEMS, show_default=True, help="Held-out problems to measure on."
)
@SEED
@common
@click.pass_obj
def command(output: Output, steps: int, problems: int, seed: int) -> int:
    """Measure the embedded model, collect its failures, train on them, and measure again on the same problems."""
    with workbench() as bench, at_boundaries(STOPPING) as stop, progress(output) as report:
        recipe = replace(tiny(), steps=steps)
        with closing(demo(bench, recipe, seed, problems)) as events:
            result = _followed(events, report, stop)
    if result is None:
        output.note("stopped; `rrr runs list` shows what was trained, `rrr train --resume RUN` goes on with it")
    elif output.json:
        output.document("rrr.demo/1", **_json(result))
    else:
        _print(output, result)
    return stop.exit_code if result is None else ExitCode.OK


def _followed(events: Generator[Progress | Result], report: Report, stop: Stop) -> Result | None:
    """The result; None when somebody asked to stop before there was one."""
    for event in events:
        if isinstance(event, Result):
            return event
        if stop.requested:
            return None
        reward = None if event.step is None else event.step.reward_mean
        data = {} if event.step is None else {"reward": reward, "seconds": event.step.seconds}
        report(event.stage, event.done, event.total, "" if reward is None else f"reward {reward:.2f}", **data)
    return None


def _json(result: Result) -> dict[str, object]:
    best = result.best
    return {
        "n": result.before.n,
        "before": _rates_json(result.before),
        "after": _rates_json(result.after),
        "gain": _gain_json(result.gain),
        "best": {"before": _best_json(best.before), "after": _best_json(best.after), "gain": _gain_json(best.gain)},
        "steps": result.steps,
        "seconds": result.seconds,
        "run": result.run,
    }


def _rates_json(rates: Rates) -> dict[str, float | None]:
    return {"first_try": rates.first_try, "second_try": rates.second_try, "rescue": rates.rescue}


def _best_json(best: AtBest) -> dict[str, float]:
    rates = best.rates
    return {"temperature": best.temperature, "first_try": rates.first_try, "second_try": rates.second_try}


def _gain_json(gain: Gain) -> dict[str, dict[str, float | int]]:
    return {"second_try": change_json(gain.second_try), "first_try": change_json(gain.first_try)}


def _print(output: Output, result: Result) -> None:
    best = result.best
    output.text(f"temperature 1, {result.before.n} held-out problems, 95 % intervals")
    _print_rates(output, result.before, result.after, result.gain)
    output.text(
        f"\neach at its own best temperature (before {best.before.temperature:g}, after {best.after.temperature:g};"
    )
    output.text(f"chosen on one half of the problems, reported on the {best.before.rates.n} of the other)")
    _print_rates(output, best.before.rates, best.after.rates, best.gain)
    output.text(f"\n{verdict(result)}")
    _print_episodes(output, result.episode_before, result.episode_after)
    _print_way_on(output, result)


def _print_rates(output: Output, before: Rates, after: Rates, gain: Gain) -> None:
    rows = [
        ("first try", before.first_try, after.first_try, gain.first_try),
        ("second try", before.second_try, after.second_try, gain.second_try),
    ]
    cells = [
        (name, with_interval(b, before.n), with_interval(a, after.n), points(d), word(d), moved(d))
        for name, b, a, d in rows
    ]
    rescue = ("rescue", *("-" if r.rescue is None else percent(r.rescue) for r in (before, after)), "", "", "")
    output.table(("", "before", "after", "change", "", ""), *cells, rescue)


def verdict(result: Result) -> str:
    """What was learned, in a sentence. A gain at temperature 1 alone is sharpening."""
    sampled, best = word(result.gain.second_try), word(result.best.gain.second_try)
    if sampled == "clear gain" and best != "clear gain":
        return "sharpened: surer of what it would have said anyway; no clear gain at its best temperature"
    return f"second try at temperature 1: {sampled}; each at its best temperature: {best}"


def _print_episodes(output: Output, before: Item, after: Item) -> None:
    output.text(f"\none problem, before and after\n{before.first.problem.prompt}")
    for when, item in (("before", before), ("after", after)):
        output.text(f"\n--- {when}")
        for line in episode_lines(item.first, item.reflection, item.retry):
            output.text(line)


def _print_way_on(output: Output, result: Result) -> None:
    took = ", ".join(f"{stage} {seconds:.0f} s" for stage, seconds in result.seconds.items())
    problem = json.dumps(result.episode_after.first.problem.info)
    output.text(f"\n{result.run}: {result.steps} steps; {took}")
    output.text(f"kept in {paths.runs_folder() / result.run}, everything that happened in {paths.database_path()}")
    output.text("try next:")
    output.text(f"  rrr ask --adapter {result.run} --problem '{problem}'")
    output.text(f"  rrr runs show {result.run}")
    output.text(f"  rrr eval --adapter {result.run} --arm plain")
