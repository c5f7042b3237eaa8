"""`rrr tasks`: which tasks there are and what they are, a verdict on one reply without any model, and tasks of one's own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict

import click

from rrr_local.cli.options import common, from_stdin, read_problem
from rrr_local.cli.output import Output
from rrr_local.cli.tasks_new import new
from rrr_local.cli.tasks_test import print_verdict, test
from rrr_local.episode import Problem, Split
from rrr_local.errors import NotFoundError, RrrError, UsageError
from rrr_local.tasks.base import Task
from rrr_local.tasks.files.new import remove
from rrr_local.tasks.files.task import FileTask
from rrr_local.tasks.find import find_task, known_tasks
from rrr_local.tasks.gym import Gym

EXAMPLES = 3


@click.group("tasks", invoke_without_command=True)
@common
@click.pass_context
def command(context: click.Context) -> None:
    """Tasks: problems, and a way to check a reply. Without a subcommand: list them.

    A TASK is a name from the list, gym:NAME (a data set of reasoning-gym), a folder, or a file of rows.
    """
    if context.invoked_subcommand is None:
        context.invoke(list_tasks)


command.add_command(new)
command.add_command(test)


@command.command("list")
@common
@click.pass_obj
def list_tasks(output: Output) -> None:
    """List the tasks that ship and your own; `rrr tasks new FILE` makes one."""
    tasks = [_listed(name, description) for name, description in known_tasks().items()]
    if output.json:
        output.document("rrr.tasks/1", tasks=tasks)
        return
    rows = [
        ["-" if task[key] is None else str(task[key]) for key in ("name", "train", "eval", "description")]
        for task in tasks
    ]
    output.table(("task", "train", "eval", ""), *rows)


def _listed(name: str, description: str) -> dict[str, str | int | None]:
    """A task's line; one that cannot be used says why, and spoils nothing."""
    sizes: dict[str, int | None] = {Split.TRAIN: None, Split.EVAL: None}
    try:
        task = find_task(name)
        sizes = {split: len(task.problems(split)) for split in (Split.TRAIN, Split.EVAL)}
    except RrrError as error:
        description = f"cannot be used: {error.cause}"
    return {"name": name, "description": description, **sizes}


@command.command("show")
@click.argument("task")
@common
@click.pass_obj
def show(output: Output, task: str) -> None:
    """Show what TASK is: its sizes, how it checks, what the model is told, and some problems."""
    found = find_task(task)
    parts = {split: _problems(found, split) for split in (Split.TRAIN, Split.EVAL)}
    examples = [*parts[Split.TRAIN], *parts[Split.EVAL]][:EXAMPLES]
    left_out = found.loaded().duplicates if isinstance(found, FileTask) else ()
    warning = found.note if isinstance(found, Gym) else ""
    if output.json:
        output.document(
            "rrr.task/1",
            name=found.name,
            version=found.version,
            source=found.source,
            kind=type(found).__name__,
            description=known_tasks().get(task, ""),
            train=len(parts[Split.TRAIN]),
            eval=len(parts[Split.EVAL]),
            configuration=found.configuration,
            prompts=asdict(found.prompts),
            duplicates=list(left_out),
            warning=warning,
            examples=[{"prompt": each.prompt, "info": each.info, "split": each.split} for each in examples],
        )
        return
    output.text(f"{found.name}, version {found.version}: {known_tasks().get(task, found.source)}")
    output.text(f"{len(parts[Split.TRAIN])} problems to train on, {len(parts[Split.EVAL])} held out")
    for line in left_out:
        output.note(f"left out: {line}")
    if warning:
        output.note(f"careful: {warning}")
    output.table(*_settings(found.configuration), *(asdict(found.prompts).items()))
    for number, problem in enumerate(examples, start=1):
        output.text(f"\nproblem {number}:\n{problem.prompt}")


def _problems(task: Task, split: Split) -> list[Problem]:
    """The problems of a part; none where a task has none of its own."""
    try:
        return list(task.problems(split))
    except NotFoundError:
        return []


def _settings(configuration: Mapping[str, object], under: str = "") -> list[tuple[str, str]]:
    """Name and value of what decides verdicts; an option of the check is "check.answer"."""
    rows: list[tuple[str, str]] = []
    for key, value in configuration.items():
        if isinstance(value, dict) and not under:
            rows += _settings(value, f"{key}.")
        else:
            rows.append((f"{under}{key}", value if isinstance(value, str) and value else json.dumps(value)))
    return rows


@command.command("check")
@click.argument("task")
@click.option("--problem", required=True, metavar="JSON", help="The problem; - reads standard input.")
@click.option("--reply", required=True, metavar="TEXT", help="What is to be judged; - reads standard input.")
@common
@click.pass_obj
def check(output: Output, task: str, problem: str, reply: str) -> None:
    """Judge one reply to a problem of TASK. Exit code 0 whatever the verdict: it is the answer, not an error."""
    if problem == reply == "-":
        raise UsageError("the problem and the reply cannot both be standard input", "give one of them as text")
    found = find_task(task)
    print_verdict(output, found.verify(found.parse_problem(read_problem(problem)), from_stdin(reply)))


@command.command("rm")
@click.argument("task")
@common
@click.pass_obj
def rm(output: Output, task: str) -> None:
    """Remove a task of your own. What was tried on it stays in the log."""
    remove(task)
    if output.json:
        output.document("rrr.removed/1", task=task)
    else:
        output.text(f"{task} is removed; what was tried on it is still in the log")
