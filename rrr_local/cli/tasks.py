"""`rrr tasks`: which tasks there are, and a verdict on one reply without any model."""

from __future__ import annotations

import click

from rrr_local.cli.options import common, from_stdin, read_problem
from rrr_local.cli.output import Output
from rrr_local.episode import Split
from rrr_local.errors import UsageError
from rrr_local.tasks.find import BUNDLED, find_task


@click.group("tasks", invoke_without_command=True)
@common
@click.pass_context
def command(context: click.Context) -> None:
    """Tasks: problems, and a way to check a reply. Without a subcommand: list them."""
    if context.invoked_subcommand is None:
        context.invoke(list_tasks)


@command.command("list")
@common
@click.pass_obj
def list_tasks(output: Output) -> None:
    """List the tasks that ship. Any folder with train.jsonl and eval.jsonl is one, too."""
    tasks = [{"name": name, "description": text, **_sizes(name)} for name, text in BUNDLED.items()]
    if output.json:
        output.document("rrr.tasks/1", tasks=tasks)
        return
    rows = [[str(task[key]) for key in ("name", "train", "eval", "description")] for task in tasks]
    output.table(("task", "train", "eval", ""), *rows)


def _sizes(name: str) -> dict[str, int]:
    task = find_task(name)
    return {split: len(task.problems(split)) for split in (Split.TRAIN, Split.EVAL)}


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
    verdict = found.verify(found.parse_problem(read_problem(problem)), from_stdin(reply))
    if output.json:
        output.document("rrr.verdict/1", verdict=verdict.kind, score=verdict.score, reason=verdict.reason)
    else:
        output.text(f"{verdict.kind}: {verdict.reason}")
