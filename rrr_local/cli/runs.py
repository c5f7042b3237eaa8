"""`rrr runs`: what was trained, what came of it, where the time went; and stopping a run from another terminal."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from statistics import fmean

import click

from rrr_local import paths
from rrr_local.cli.options import common
from rrr_local.cli.output import Output
from rrr_local.errors import UsageError
from rrr_local.meter import Phase
from rrr_local.store import history, queries
from rrr_local.store.queries import Run, RunSummary, Step
from rrr_local.store.records import Json, RunStatus
from rrr_local.store.store import Store
from rrr_local.training import lock

WINNERS = 5
"""Winning reflections that are shown."""


@click.group("runs", invoke_without_command=True)
@common
@click.pass_context
def command(context: click.Context) -> None:
    """Training runs. Without a subcommand: list them."""
    if context.invoked_subcommand is None:
        context.invoke(list_runs)


@command.command("list")
@common
@click.pass_obj
def list_runs(output: Output) -> None:
    """List the runs, newest first."""
    path = paths.database_path()
    found: list[RunSummary] = []
    if path.exists():
        with Store.open(path, readonly=True) as store:
            found = [as_it_is(run) for run in queries.runs(store.reader())]
    if output.json:
        output.document("rrr.runs/1", runs=[asdict(run) for run in found])
    elif not found:
        output.text("no runs yet; start one with: rrr train")
    else:
        output.table(("run", "status", "task", "steps", "reward", "started"), *map(_row, found))


def as_it_is(run: RunSummary) -> RunSummary:
    """A run that the log says is running, but that no process holds, is lost."""
    if run.status is RunStatus.RUNNING and not lock.is_held(paths.runs_folder() / run.name):
        return replace(run, status=RunStatus.LOST)
    return run


def _row(run: RunSummary) -> tuple[str, ...]:
    steps = f"{run.last_step}/{run.total_steps}"
    return (run.name, run.status, run.task, steps, _reward(run), (run.started_at or "")[:16].replace("T", " "))


def _reward(run: RunSummary) -> str:
    if run.first_reward is None or run.last_reward is None:
        return ""
    return f"{run.first_reward:.2f} -> {run.last_reward:.2f}"


@command.command("show")
@click.argument("run")
@common
@click.pass_obj
def show(output: Output, run: str) -> None:
    """Show one RUN: status, recipe, its last step, seconds by phase, and reflections whose retry passed."""
    with Store.open(paths.database_path(), readonly=True) as store:
        found = queries.run(store.reader(), run)
        steps = queries.steps(store.reader(), found.summary.id)
        winners = history.winning_reflections(store.reader(), found.summary.id, WINNERS)
    found = replace(found, summary=as_it_is(found.summary))
    phases = seconds_by_phase(steps)
    if output.json:
        output.document(
            "rrr.run/1",
            run=asdict(found.summary) | {"seed": found.seed, "segment": found.segment},
            recipe=dict(found.config),
            adapter=_adapter(found),
            last_step=asdict(steps[-1].record) if steps else None,
            seconds_by_phase=phases,
            winning_reflections=[asdict(each) for each in winners],
        )
        return
    _print(output, found, steps, phases)
    for winner in winners:
        output.text(f"\nreflection at step {winner.step}, its retry passed:\n{winner.reflection}")


def seconds_by_phase(steps: Sequence[Step]) -> dict[str, float]:
    """Mean seconds a step spends in each phase, and in nothing that has a name."""
    if not steps:
        return {}
    means = {phase.value: _mean(steps, f"seconds_{phase}") for phase in Phase}
    whole = fmean(step.record.seconds or 0.0 for step in steps)
    known = {phase: seconds for phase, seconds in means.items() if seconds}
    return {**known, "other": max(0.0, whole - sum(known.values()))}


def _mean(steps: Sequence[Step], metric: str) -> float:
    values = (step.record.extra.get(metric) for step in steps)
    return fmean(float(value) if isinstance(value, int | float) else 0.0 for value in values)


def _adapter(run: Run) -> str | None:
    return None if run.last_checkpoint is None else str(paths.data_folder() / run.last_checkpoint)


def _flat(config: Json, prefix: str = "") -> Iterator[tuple[str, object]]:
    """A recipe's fields, those of a part with its name before them, as `-o` takes them."""
    for key, value in config.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{key}.")
        else:
            yield f"{prefix}{key}", value


def _print(output: Output, run: Run, steps: Sequence[Step], phases: dict[str, float]) -> None:
    summary = run.summary
    output.text(f"{summary.name} is {summary.status}: step {summary.last_step} of {summary.total_steps}")
    if summary.error:
        output.text(f"error: {summary.error}")
    output.text(f"task {summary.task}, model {summary.model}, {summary.backend}, seed {run.seed}")
    output.text("recipe: " + ", ".join(f"{key} {value}" for key, value in _flat(run.config)))
    output.text(f"adapter: {_adapter(run) or 'none yet'}")
    if steps:
        shown = {k: v for k, v in asdict(steps[-1].record).items() if k != "extra" and v is not None}
        output.text("last step: " + ", ".join(f"{k} {v:.4g}" for k, v in shown.items()))
        output.text("seconds a step: " + ", ".join(f"{phase} {seconds:.2f}" for phase, seconds in phases.items()))
    if summary.groups:
        output.text(f"reward {_reward(summary)}; {summary.groups_used} of {summary.groups} groups taught something")


@command.command("stop")
@click.argument("run")
@common
@click.pass_obj
def stop(output: Output, run: str) -> None:
    """Ask the process that trains RUN to stop after its current step, with a checkpoint."""
    with Store.open(paths.database_path(), readonly=True) as store:
        found = queries.run(store.reader(), run)
    name = found.summary.name
    if not lock.is_held(paths.runs_folder() / name) or found.pid is None:
        raise UsageError(f"{name} is not being trained", "`rrr runs list` shows what is running")
    os.kill(found.pid, signal.SIGTERM)
    if output.json:
        output.document("rrr.stop/1", run=name, pid=found.pid)
    else:
        output.text(f"asked process {found.pid} to stop {name} after its current step")
