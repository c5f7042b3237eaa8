"""`rrr train`: start a run, or resume one, in this terminal. Ctrl-C stops it where it can be resumed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import click

from rrr_local import paths
from rrr_local.cli.options import BACKEND, common
from rrr_local.cli.output import Output
from rrr_local.cli.overrides import overridden
from rrr_local.cli.progress import Report, progress
from rrr_local.cli.signals import Stop, at_boundaries
from rrr_local.errors import NotFoundError, UsageError
from rrr_local.loop import Loop
from rrr_local.models.find import EMBEDDED, find_model
from rrr_local.store import queries
from rrr_local.store.store import Store
from rrr_local.tasks.find import find_task
from rrr_local.training import failures, run
from rrr_local.training.recipes import Recipe, preset
from rrr_local.training.trainer import Job, Trainer
from rrr_local.workbench import Workbench, workbench

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
"""What a run may be called: its folder has the same name."""
STOPPING = "stopping after this step (a checkpoint is written); once more stops at once"


@dataclass(frozen=True, slots=True)
class Start:
    """What a new run is made of, as typed; None where the default is to be taken."""

    recipe: str | None
    steps: int | None
    settings: tuple[str, ...]
    seed: int | None
    name: str | None
    failures: str | None
    """A session of collected failures; without it the run collects its own."""

    def checked_recipe(self, embedded: bool) -> Recipe:
        """Raises `UsageError`."""
        if self.name is not None and not NAME.fullmatch(self.name):
            raise UsageError(f"a run cannot be called {self.name!r}", "use letters, digits, and . _ - inside")
        chosen = preset(self.recipe or ("tiny" if embedded else "rrr"))
        steps = () if self.steps is None else (f"steps={self.steps}",)
        return overridden(chosen, (*self.settings, *steps))


@click.command("train")
@click.option("--resume", metavar="RUN", help="Go on with a run that was stopped or lost.")
@click.option("--recipe", help="tiny, rrr, paper or trl.  [default: tiny for the embedded model, else rrr]")
@click.option("--steps", type=click.IntRange(1), help="Steps of training.  [default: the recipe's]")
@click.option("-o", "--set", "settings", multiple=True, metavar="KEY=VALUE", help="Change a field of the recipe.")
@click.option("--seed", type=click.IntRange(0), help="Equal seeds, equal runs.  [default: 0]")
@click.option("--name", help="What to call the run.  [default: run-N]")
@click.option("--failures", metavar="SESSION", help="Train on failures from `rrr collect`.")
@click.option("--model", help="A folder, or tiny.  [default: tiny, or the resumed run's]")
@click.option("--task", help="A task.  [default: countdown, or the resumed run's]")
@BACKEND
@common
@click.pass_obj
def command(
    output: Output, /, resume: str | None, model: str | None, task: str | None, backend: str, **started: Any
) -> int:
    """Train a LoRA adapter: reflections on failures are rewarded when the retry after them passes.

    The first Ctrl-C stops after the current step with a checkpoint, the second at once; --resume goes on in both cases.
    """
    start = Start(**started)
    if resume is not None:
        _refuse_with_resume(started)
        model, task = _of_run(resume, model, task)
    model, task = model or EMBEDDED, task or "countdown"
    recipe = start.checked_recipe(find_model(model).embedded)
    find_task(task)
    with workbench(model=model, task=task, backend=backend) as bench:
        job = _job(bench, resume, start, recipe)
        output.note(f"{job.name}: {job.recipe.steps} steps of {job.recipe.name} on {task}, {bench.backend.name}")
        with at_boundaries(STOPPING) as stop:
            with progress(output) as report:
                _train(bench, job, start.failures, output, report, stop)
            _print(output, bench, job)
    return stop.exit_code


def _refuse_with_resume(started: Mapping[str, Any]) -> None:
    """A resumed run is what it was started as. Raises `UsageError`."""
    given = next((name for name, value in started.items() if value not in (None, ())), None)
    if given is not None:
        flag = "-o" if given == "settings" else f"--{given}"
        raise UsageError(f"{flag} cannot be changed in a run that is resumed", "leave it out, or start a new run")


def _of_run(name: str, model: str | None, task: str | None) -> tuple[str, str]:
    """The model and the task that a run was started with, where none are given. Raises `NotFoundError`."""
    with Store.open(paths.database_path(), readonly=True) as store:
        found = queries.run(store.reader(), name).summary
    return model or found.model or EMBEDDED, task or found.task


def _job(bench: Workbench, resume: str | None, start: Start, recipe: Recipe) -> Job:
    if resume is not None:
        return run.reopen(bench.store, bench.registered, resume)
    if start.failures is not None and not queries.failures(bench.store.reader(), start.failures):
        raise NotFoundError(f"there are no failures in session {start.failures}", "collect some with `rrr collect`")
    return run.create(bench.store, bench.registered, bench.backend, recipe, start.seed or 0, start.name)


def _train(bench: Workbench, job: Job, session: str | None, output: Output, report: Report, stop: Stop) -> None:
    """Train to the last step, or to the next one after somebody asked to stop."""

    def collected(so_far: failures.Progress) -> None:
        if stop.requested:
            raise SystemExit(stop.exit_code)  # before the first step there is nothing to save
        wanted = job.recipe.failures
        report("collect", min(so_far.failures, wanted), wanted, f"{so_far.attempts} attempts")

    with run.training(job, bench.backend, bench.task, bench.store) as trainer:
        loop = Loop(bench.backend, bench.task, job.recipe.temperature, job.recipe.limits)
        notice = run.prepare(job, trainer, loop, bench.store, session, collected)
        if notice is not None:
            output.note(notice)
        if not stop.requested:
            _steps(trainer, job, report, stop)


def _steps(trainer: Trainer, job: Job, report: Report, stop: Stop) -> None:
    for record in trainer.run():
        reward = "" if record.reward_mean is None else f"reward {record.reward_mean:.2f}"
        report("train", record.step, job.recipe.steps, reward)
        if stop.requested:
            trainer.save()
            return


def _print(output: Output, bench: Workbench, job: Job) -> None:
    found = queries.run(bench.store.reader(), job.run_id)
    summary = found.summary
    adapter = None if found.last_checkpoint is None else str(job.data_folder / found.last_checkpoint)
    if output.json:
        output.document(
            "rrr.train/1",
            run=job.name,
            status=summary.status,
            step=summary.last_step,
            steps=summary.total_steps,
            first_reward=summary.first_reward,
            last_reward=summary.last_reward,
            groups=summary.groups,
            groups_used=summary.groups_used,
            seconds=summary.seconds,
            adapter=adapter,
        )
        return
    output.text(f"{job.name} is {summary.status}: step {summary.last_step} of {summary.total_steps}")
    if summary.first_reward is not None and summary.last_reward is not None:
        output.text(f"reward {summary.first_reward:.2f} -> {summary.last_reward:.2f}")
    output.text(f"adapter: {adapter}")
    if summary.last_step < summary.total_steps:
        output.text(f"go on with: rrr train --resume {job.name}")
    else:
        output.text(f"measure it with: rrr eval --adapter {job.name}")
