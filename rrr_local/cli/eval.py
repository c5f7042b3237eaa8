"""`rrr eval`: rates on held-out problems with intervals, kept in the log, and two evaluations compared problem by problem."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict

import click

from rrr_local import paths
from rrr_local.cli.options import ADAPTER, BACKEND, MODEL, SEED, TASK, common, temperature
from rrr_local.cli.output import Output
from rrr_local.cli.progress import Report, progress
from rrr_local.cli.report import change_json, moved, percent, points, rates_with_intervals, with_interval
from rrr_local.episode import Split
from rrr_local.errors import UsageError
from rrr_local.evaluation.gains import word
from rrr_local.evaluation.protocol import Arm, Rates, rates
from rrr_local.evaluation.statistics import PairedDifference, min_detectable, paired_difference
from rrr_local.measure import Measured, Measurement, measure
from rrr_local.store import evaluations
from rrr_local.store.store import Store
from rrr_local.tasks.find import find_task
from rrr_local.workbench import workbench


@click.group("eval", invoke_without_command=True)
@ADAPTER
@click.option(
    "--arm",
    type=click.Choice([arm.value for arm in Arm]),
    default=Arm.REFLECT.value,
    show_default=True,
    help=(
        "What stands between a failure and its retry: its reflection, none (plain), or that of another failure (shuffled)."
    ),
)
@click.option("-n", "count", type=click.IntRange(1), default=256, show_default=True, help="Held-out problems.")
@temperature(1.0)
@TASK
@MODEL
@BACKEND
@SEED
@common
@click.pass_context
def command(
    context: click.Context,
    adapter: str | None,
    arm: str,
    count: int,
    temperature: float,
    task: str,
    model: str,
    backend: str,
    seed: int,
) -> None:
    """Measure first try, second try and rescue rate on a task's held-out problems, with 95 % intervals.

    `rrr eval list` shows what was measured, `rrr eval compare` sets two of them side by side.
    """
    if context.invoked_subcommand is not None:
        return
    output = context.find_object(Output) or Output()
    problems = list(find_task(task).problems(Split.EVAL)[:count])
    if len(problems) < count:
        output.note(f"{task} has only {len(problems)} held-out problems")
    measurement = Measurement(problems, Arm(arm), temperature, seed)
    with workbench(model=model, task=task, backend=backend, adapter=adapter) as bench, progress(output) as report:
        started = time.perf_counter()
        done = _followed(measure(bench, measurement, bench.adapter_id), len(problems), report)
        seconds = time.perf_counter() - started
    if len(done.items) < len(problems):
        output.note(
            f"{len(problems) - len(done.items)} problems are too long for the model's context and were left out"
        )
    measured = rates(done.items)
    if output.json:
        _print_json(output, done.eval_id, measurement, measured, seconds, task, model, adapter)
    else:
        _print(output, done.eval_id, measurement, measured)


def _followed(measuring: Iterator[int | Measured], total: int, report: Report) -> Measured:
    """Run a measurement to its end, reporting progress."""
    for event in measuring:
        if isinstance(event, Measured):
            return event
        report("eval", event, total, "")
    raise AssertionError("a measurement ends with its result")


def _print(output: Output, eval_id: str, what: Measurement, measured: Rates) -> None:
    n = measured.n
    output.text(f"{n} held-out problems, {what.arm} retry, temperature {what.temperature:g}; 95 % intervals")
    output.table(
        ("first try", with_interval(measured.first_try, n)),
        ("second try", with_interval(measured.second_try, n)),
        ("rescue", "nothing failed" if measured.rescue is None else _rescue(measured.rescue, measured)),
    )
    output.text(f"the smallest difference that {n} problems show: {100 * _detectable(measured):.0f} points")
    output.text(f"kept as {eval_id}; compare with another: rrr eval compare EVAL {eval_id}")


def _rescue(rescue: float, measured: Rates) -> str:
    failed = measured.n - round(measured.first_try * measured.n)
    return f"{with_interval(rescue, failed)} of {failed} failures"


def _detectable(measured: Rates) -> float:
    """For the second try; a rate of 0 or 1 would claim too much, so it is kept off the ends."""
    return min_detectable(measured.n, min(max(measured.second_try, 0.1), 0.9))


def _print_json(
    output: Output,
    eval_id: str,
    what: Measurement,
    measured: Rates,
    seconds: float,
    task: str,
    model: str,
    adapter: str | None,
) -> None:
    output.document(
        "rrr.eval/1",
        eval=eval_id,
        task=task,
        model=model,
        adapter=adapter,
        arm=what.arm,
        temperature=what.temperature,
        seed=what.seed,
        n=measured.n,
        **rates_with_intervals(measured),
        min_detectable=_detectable(measured),
        seconds=round(seconds, 1),
    )


@command.command("list")
@common
@click.pass_obj
def list_evals(output: Output) -> None:
    """List the evaluations, newest first."""
    with Store.open(paths.database_path(), readonly=True) as store:
        found = evaluations.evals(store.reader())
    if output.json:
        output.document("rrr.evals/1", evals=[asdict(each) for each in found])
        return
    rows = [
        (e.id, e.task, e.adapter or "-", e.status, f"{e.items}/{e.n}", _rate(e.first_try), _rate(e.final_rate))
        for e in found
    ]
    output.table(("eval", "task", "adapter", "status", "n", "first try", "second try"), *rows)


def _rate(rate: float | None) -> str:
    return "" if rate is None else percent(rate)


@command.command("compare")
@click.argument("before")
@click.argument("after")
@common
@click.pass_obj
def compare(output: Output, before: str, after: str) -> None:
    """Compare two evaluations of the same problems, AFTER minus BEFORE, with paired 95 % intervals."""
    with Store.open(paths.database_path(), readonly=True) as store:
        pairs = evaluations.eval_pairs(store.reader(), before, after)
    first = _difference([(p.first_before, p.first_after) for p in pairs])
    second = _difference([(p.final_before, p.final_after) for p in pairs])
    if output.json:
        changes = {"first_try": change_json(first), "second_try": change_json(second)}
        output.document("rrr.comparison/1", before=before, after=after, n=second.n, gain=changes)
        return
    rows = [(name, points(d), word(d), moved(d)) for name, d in (("first try", first), ("second try", second))]
    output.table(("", "change", "", f"of {second.n}"), *rows)


def _difference(pairs: list[tuple[bool | None, bool | None]]) -> PairedDifference:
    """Over the problems that both evaluations have a verdict for. Raises `UsageError` when there are none."""
    known = [(float(b), float(a)) for b, a in pairs if b is not None and a is not None]
    if not known:
        raise UsageError("the two evaluations have no results in common", "let both finish")
    return paired_difference([b for b, _ in known], [a for _, a in known])
