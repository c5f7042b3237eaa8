"""`rrr runs`: what was trained, what came of it, where the time went; and stopping a run from another terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from statistics import fmean

import click

from rrr_local import paths
from rrr_local.cli.options import common
from rrr_local.cli.output import Output
from rrr_local.cli.report import change_json, percent, points
from rrr_local.engine.detached import Ask, Trainers, as_it_is
from rrr_local.evaluation.gains import RunGain, run_gains, word
from rrr_local.meter import Phase
from rrr_local.store import queries, runs_read
from rrr_local.store.queries import Run, RunSummary, Step
from rrr_local.store.records import Json, RunPhase, RunStatus
from rrr_local.store.sqlite import Connection
from rrr_local.store.store import Store

WINNERS = 5
"""Winning reflections that are shown."""


@click.group("runs", invoke_without_command=True)
@common
@click.pass_context
def command(context: click.Context) -> None:
    """Training runs. Without a subcommand: list them."""
    if context.invoked_subcommand is None:
        context.invoke(list_runs)


@dataclass(frozen=True, slots=True)
class Found:
    """A run and what it gained, for the list."""

    run: Run
    gains: list[RunGain]

    @classmethod
    def read(cls, connection: Connection, name: str) -> Found:
        """A run as it is: lost, if the log says it is running and no process holds it. Raises `NotFoundError`."""
        run = queries.run(connection, name)
        return cls(replace(run, summary=as_it_is(run.summary)), run_gains(connection, run.summary.id))

    def as_json(self) -> dict[str, object]:
        running = self.run.summary.status is RunStatus.RUNNING
        gain = {each.set: gain_json(each) for each in self.gains}
        return asdict(self.run.summary) | {"phase": self.run.phase if running else None, "gain": gain}


@command.command("list")
@common
@click.pass_obj
def list_runs(output: Output) -> None:
    """List the runs, newest first, with what they gained on held-out problems where that was measured."""
    path = paths.database_path()
    found: list[Found] = []
    if path.exists():
        with Store.open(path, readonly=True) as store:
            found = [Found.read(store.reader(), run.id) for run in queries.runs(store.reader())]
    if output.json:
        output.document("rrr.runs/1", runs=[each.as_json() for each in found])
    elif not found:
        output.text("no runs yet; start one with: rrr train")
    else:
        output.table(("run", "status", "task", "steps", "reward", "gain", "started"), *map(_row, found))


def gain_json(gain: RunGain) -> dict[str, object]:
    """Before, after and the differences, as JSON."""
    return {
        "n": gain.second_try.n,
        "step": gain.after.step,
        "before": {
            "eval": gain.before.eval_id,
            "first_try": gain.before.first_try,
            "second_try": gain.before.final_rate,
        },
        "after": {"eval": gain.after.eval_id, "first_try": gain.after.first_try, "second_try": gain.after.final_rate},
        "first_try": change_json(gain.first_try) | {"word": word(gain.first_try)},
        "second_try": change_json(gain.second_try) | {"word": word(gain.second_try)},
    }


def _row(found: Found) -> tuple[str, ...]:
    run = found.run.summary
    gain = next((f"{100 * g.second_try.diff:+.1f} {word(g.second_try)}" for g in found.gains), "")
    started = (run.started_at or "")[:16].replace("T", " ")
    return (run.name, _status(found.run), run.task, f"{run.last_step}/{run.total_steps}", _reward(run), gain, started)


def _status(run: Run) -> str:
    """The status; while a run is running, its phase."""
    busy = run.summary.status is RunStatus.RUNNING and run.phase not in (None, RunPhase.TRAINING)
    return f"{run.summary.status}, {run.phase}" if busy else run.summary.status


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
        listed = Found.read(store.reader(), run)
        found, run_id = listed.run, listed.run.summary.id
        steps = queries.steps(store.reader(), run_id)
        winners = runs_read.winning_reflections(store.reader(), run_id, WINNERS)
    phases = seconds_by_phase(steps)
    if output.json:
        output.document(
            "rrr.run/1",
            run=listed.as_json() | {"seed": found.seed, "segment": found.segment},
            recipe=dict(found.config),
            adapter=_adapter(found),
            last_step=asdict(steps[-1].record) if steps else None,
            seconds_by_phase=phases,
            winning_reflections=[asdict(each) for each in winners],
        )
        return
    _print(output, listed, steps, phases)
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


def _print(output: Output, found: Found, steps: Sequence[Step], phases: dict[str, float]) -> None:
    run, summary = found.run, found.run.summary
    output.text(f"{summary.name} is {_status(run)}: step {summary.last_step} of {summary.total_steps}")
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
    for gain in found.gains:
        _print_gain(output, gain)


def _print_gain(output: Output, gain: RunGain) -> None:
    output.text(f"{gain.set}, {gain.second_try.n} problems, before training and after step {gain.after.step}:")
    for name, before, after, change in (
        ("first try", gain.before.first_try, gain.after.first_try, gain.first_try),
        ("second try", gain.before.final_rate, gain.after.final_rate, gain.second_try),
    ):
        if before is not None and after is not None:
            output.text(f"  {name} {percent(before)} -> {percent(after)}: {points(change)}, {word(change)}")


@command.command("pause")
@click.argument("run")
@common
@click.pass_obj
def pause(output: Output, run: str) -> None:
    """Ask the trainer of RUN to write a checkpoint after its current step and to end, so that the machine is free."""
    _ask(output, run, Ask.PAUSE)


@command.command("stop")
@click.argument("run")
@click.option("--discard", is_flag=True, help="Remove its adapters and checkpoints; what happened stays in the log.")
@common
@click.pass_obj
def stop(output: Output, run: str, discard: bool) -> None:
    """Ask the trainer of RUN to write a checkpoint after its current step and to end."""
    _ask(output, run, Ask.DISCARD if discard else Ask.STOP)


def _ask(output: Output, run: str, what: Ask) -> None:
    Store.open(paths.database_path(), readonly=True).close()  # where there is no log, do not make one
    with Store.open(paths.database_path()) as store:
        name = queries.run(store.reader(), run).summary.name
        trainers = Trainers(store)
        alive = trainers.is_alive(name)
        trainers.request(name, what)
    if output.json:
        output.document("rrr.request/1", run=name, request=what, pending=alive)
    elif alive:
        output.text(f"asked the trainer of {name} to {what}; it does so after what it is doing now")
    else:
        output.text(f"{name} was not being trained; its adapters and checkpoints are removed")
