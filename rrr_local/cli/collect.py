"""`rrr collect`: attempt a task's problems and keep the failures, to train on them later."""

from __future__ import annotations

import shlex

import click

from rrr_local.cli.options import BACKEND, MODEL, SEED, TASK, common, temperature
from rrr_local.cli.output import Output
from rrr_local.cli.progress import progress
from rrr_local.episode import Split
from rrr_local.loop import Loop
from rrr_local.seeds import derive
from rrr_local.tasks.find import find_task
from rrr_local.training.failures import Progress, collect
from rrr_local.workbench import workbench


@click.command("collect")
@click.option("-n", "wanted", type=click.IntRange(1), default=256, show_default=True, help="Failures to collect.")
@click.option("--problems", type=click.IntRange(1), help="The most problems to attempt.  [default: all]")
@click.option(
    "--attempts", type=click.IntRange(1), default=8, show_default=True, help="The most attempts at one problem."
)
@TASK
@temperature(1.0)
@MODEL
@BACKEND
@SEED
@common
@click.pass_obj
def command(
    output: Output,
    wanted: int,
    problems: int | None,
    attempts: int,
    task: str,
    temperature: float,
    model: str,
    backend: str,
    seed: int,
) -> None:
    """Collect failures of the bare model on a task's training problems, for `rrr train --failures SESSION`."""
    last: Progress | None = None
    chosen = find_task(task).problems(Split.TRAIN)[:problems]
    with workbench(model=model, task=task, backend=backend) as bench, progress(output) as report:
        loop = Loop(bench.backend, bench.task, temperature, bench.limits)
        name = derive(seed, "collect")
        try:
            for last in collect(
                loop, bench.store, bench.registered, chosen, name, wanted=wanted, attempts_per_problem=attempts
            ):
                report("collect", min(last.failures, wanted), wanted, f"{last.attempts} attempts")
        except KeyboardInterrupt:
            if last is not None:
                output.note(f"\nstopped; {last.failures} failures are kept in session {last.session_id}")
            raise
    assert last is not None, "a task has problems"
    _print(output, last, task, temperature)


def _print(output: Output, last: Progress, task: str, temperature: float) -> None:
    if output.json:
        output.document(
            "rrr.collect/1",
            session=last.session_id,
            task=task,
            temperature=temperature,
            attempts=last.attempts,
            failures=last.failures,
        )
        return
    output.text(f"{last.failures} failures in {last.attempts} attempts at temperature {temperature:g}")
    output.text(f"train on them with: rrr train --task {shlex.quote(task)} --failures {last.session_id}")
