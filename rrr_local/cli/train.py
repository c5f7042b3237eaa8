"""`rrr train`: start a run, or resume one, in this terminal or detached from it; `rrr train watch` follows one."""

from __future__ import annotations

import time
from collections.abc import Generator, Mapping
from contextlib import closing
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import click

from rrr_local import paths
from rrr_local.cli.options import BACKEND, common
from rrr_local.cli.output import Output
from rrr_local.cli.progress import STAGES, Report, progress
from rrr_local.cli.signals import at_boundaries
from rrr_local.engine.detached import Launch, Trainers
from rrr_local.engine.plan import POOL, Plan
from rrr_local.errors import UsageError
from rrr_local.models.find import EMBEDDED, find_model
from rrr_local.store import queries
from rrr_local.store.store import Store
from rrr_local.store.tasks_read import source_of
from rrr_local.tasks.find import find_task
from rrr_local.training import names

if TYPE_CHECKING:
    from rrr_local.engine.work import Event

STOPPING = "stopping after this step (a checkpoint is written); once more stops at once"


@click.group("train", invoke_without_command=True)
@click.option("--resume", metavar="RUN", help="Go on with a run that was stopped, paused or lost.")
@click.option("--recipe", help="tiny, rrr, paper or trl.  [default: tiny for the embedded model, else rrr]")
@click.option("--steps", type=click.IntRange(1), help="Steps of training.  [default: the recipe's]")
@click.option("-o", "--set", "settings", multiple=True, metavar="KEY=VALUE", help="Change a field of the recipe.")
@click.option("--seed", type=click.IntRange(0), help="Equal seeds, equal runs.  [default: 0]")
@click.option("--name", help="What to call the run.  [default: run-N]")
@click.option(
    "--failures", metavar="SESSION", help=f"Train on failures from `rrr collect`, or on all in the log: {POOL}."
)
@click.option("--evaluate", type=click.IntRange(0), metavar="N", help="Measure on N held-out problems as it goes.")
@click.option("--replay", type=click.IntRange(0), metavar="N", help="Try N of the failures again, before and after.")
@click.option("--everyday", type=click.IntRange(0), metavar="N", help="Ask N everyday questions before and after.")
@click.option("--model", help="A folder, or tiny.  [default: tiny, or the resumed run's]")
@click.option("--task", help="A task.  [default: countdown, or the resumed run's]")
@click.option("--detach", is_flag=True, help="Train in the background; it outlives this terminal.")
@click.option("--dry-run", is_flag=True, help="Only look whether it would work, and what it would take.")
@BACKEND
@common
@click.pass_context
def command(context: click.Context, /, detach: bool, dry_run: bool, **started: Any) -> int:
    """Train a LoRA adapter: reflections on failures are rewarded when the retry after them passes.

    The first Ctrl-C stops after the current step with a checkpoint, the second at once; --resume goes on in both cases.
    """
    output = context.find_object(Output) or Output()
    if context.invoked_subcommand is not None:
        _refuse_before_watch(started)
        return 0
    if detach and dry_run:
        raise UsageError("--detach starts a run, and --dry-run only looks", "leave one of them out")
    plan = checked(_plan(started))
    if dry_run:
        return _dry_run(output, plan)
    return _detached(output, plan) if detach else _here(output, plan)


def _plan(started: Mapping[str, Any]) -> Plan:
    """What was typed, as a plan. Raises `UsageError`: a resumed run is what it was started as."""
    given = {name: value for name, value in started.items() if value not in (None, ())}
    changed = next((name for name in given if name not in ("resume", "model", "task", "backend")), None)
    if "resume" in given and changed is not None:
        flag = "-o" if changed == "settings" else f"--{changed}"
        raise UsageError(f"{flag} cannot be changed in a run that is resumed", "leave it out, or start a new run")
    return Plan(**given)


def _refuse_before_watch(started: Mapping[str, Any]) -> None:
    """`rrr train --steps 5 watch` would train nothing. Raises `UsageError`."""
    given = [name for name, value in started.items() if value not in (None, (), "auto")]
    if given:
        raise UsageError(f"--{given[0]} starts a run, and `watch` only looks at one", "leave one of them out")


def checked(plan: Plan) -> Plan:
    """The plan with model and task filled in, all that can be known at once checked. Raises `UsageError`, `NotFoundError`."""
    if plan.resume is not None:
        with Store.open(paths.database_path(), readonly=True) as store:
            found = queries.run(store.reader(), plan.resume).summary
            task = plan.task or source_of(store.reader(), found.task)
        plan = replace(plan, resume=found.name, model=plan.model or found.model or EMBEDDED, task=task)
    plan = replace(plan, model=plan.model or EMBEDDED, task=plan.task or "countdown")
    assert plan.model is not None and plan.task is not None
    if plan.name is not None:
        names.check_name(plan.name)
    find_model(plan.model)
    find_task(plan.task)
    return plan


# --- in this terminal ---------------------------------------------------------------------------------------------


def _here(output: Output, plan: Plan) -> int:
    from rrr_local.engine.work import recipe_of, work
    from rrr_local.workbench import workbench

    assert plan.model is not None and plan.task is not None
    recipe_of(plan, find_model(plan.model))  # before the model is loaded: a typing error should cost no wait
    with workbench(model=plan.model, task=plan.task, backend=plan.backend) as bench, at_boundaries(STOPPING) as stop:
        with progress(output) as report, closing(work(bench, plan, stop)) as events:
            run_id = _followed(events, f"on {bench.task.name}, {bench.backend.name}", output, report)
        _print(output, bench.store, run_id)
    return stop.exit_code


def _followed(events: Generator[Event], where: str, output: Output, report: Report) -> str:
    """Report what happens to the end; returns the run's id. `where`: the task, and what computes."""
    from rrr_local.engine.work import Begun, Moved, Noticed

    run_id = ""
    for event in events:
        match event:
            case Begun(job):
                run_id = job.run_id
                output.note(f"{job.name}: {job.recipe.steps} steps of {job.recipe.name} {where}")
            case Noticed(text):
                output.note(text)
            case Moved(phase, done, total, note, step):
                data = {} if step is None else {"reward": step.reward_mean, "seconds": step.seconds}
                report(STAGES[phase], done, total, note, **data)
    return run_id


def _print(output: Output, store: Store, run_id: str) -> None:
    found = queries.run(store.reader(), run_id)
    summary = found.summary
    adapter = None if found.last_checkpoint is None else str(paths.data_folder() / found.last_checkpoint)
    if output.json:
        output.document(
            "rrr.train/1",
            run=summary.name,
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
    output.text(f"{summary.name} is {summary.status}: step {summary.last_step} of {summary.total_steps}")
    if summary.first_reward is not None and summary.last_reward is not None:
        output.text(f"reward {summary.first_reward:.2f} -> {summary.last_reward:.2f}")
    output.text(f"adapter: {adapter}")
    if summary.last_step < summary.total_steps:
        output.text(f"go on with: rrr train --resume {summary.name}")
    else:
        output.text(f"measure it with: rrr eval --adapter {summary.name}")


# --- detached, or not at all --------------------------------------------------------------------------------------


def _detached(output: Output, plan: Plan) -> int:
    """Start a trainer and wait until it has begun, so that what is wrong is said here. Raises what it ended with."""
    with Store.open(paths.database_path()) as store:
        trainers = Trainers(store)
        named = plan if plan.name or plan.resume else replace(plan, name=trainers.next_name())
        launch = trainers.start(named)
        _wait(trainers, launch)
    if output.json:
        output.document("rrr.launch/1", run=launch.name, pid=launch.pid, log=str(launch.log))
        return 0
    output.text(f"{launch.name} is trained by process {launch.pid}; what it says is in {launch.log}")
    output.text(f"look at it with: rrr train watch {launch.name}\nend it with: rrr runs stop {launch.name}")
    return 0


def _wait(trainers: Trainers, launch: Launch) -> None:
    while not trainers.has_begun(launch):
        failure = trainers.failure(launch)
        if failure is not None:
            raise failure
        time.sleep(0.05)  # a row that appears is no event one can wait for


def _dry_run(output: Output, plan: Plan) -> int:
    from rrr_local.cli.preflight import print_preflight
    from rrr_local.engine.preflight import preflight
    from rrr_local.workbench import workbench

    assert plan.model is not None and plan.task is not None
    if plan.resume is not None:
        raise UsageError("--dry-run looks at a run to be", "leave out --resume")
    with workbench(model=plan.model, task=plan.task, backend=plan.backend) as bench, progress(output) as report:
        found = preflight(bench, plan, report)
    if output.json:
        output.document("rrr.preflight/1", **asdict(found))
    else:
        print_preflight(output, found)
    return 0 if found.ready else 1


@command.command("watch")
@click.argument("run", required=False)
@click.option("--plain", is_flag=True, help="A line per step, no bar; so it is without a terminal.")
@common
@click.pass_obj
def watch(output: Output, run: str | None, plain: bool) -> int:
    """Follow RUN (the newest that is being trained) through the log. Ctrl-C leaves it running."""
    from rrr_local.cli.watch import follow

    with Store.open(paths.database_path(), readonly=True) as store:
        return follow(store, output, run, plain=plain)
