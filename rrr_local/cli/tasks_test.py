"""`rrr tasks test`: the checker's bench. Without a reply it checks the checker on every row; with one it judges that."""

from __future__ import annotations

from collections.abc import Sequence

import click

from rrr_local.cli.options import common, from_stdin, read_problem
from rrr_local.cli.output import Output
from rrr_local.episode import Problem, Split, Verdict
from rrr_local.errors import ExitCode, NotFoundError, UsageError
from rrr_local.tasks.base import Task
from rrr_local.tasks.bench import Trial, trials
from rrr_local.tasks.find import find_task

MOST_SHOWN = 10
"""Verdicts that are wrong and printed one by one."""


@click.command("test")
@click.argument("task")
@click.option(
    "--problem", metavar="N|JSON", help="Only this problem: its number, counted from 1, or the problem itself."
)
@click.option("--reply", metavar="TEXT", help="Judge this reply; - reads standard input.")
@common
@click.pass_obj
def test(output: Output, task: str, problem: str | None, reply: str | None) -> int:
    """Check TASK's checker: the right answer to every problem must pass, a changed one and an empty reply must not.

    Exit code 1 where that does not hold. With --problem and --reply: judge that reply, with exit code 0 whatever the verdict.
    """
    found = find_task(task)
    problems = _problems(found) if problem is None else [_chosen(found, problem)]
    if reply is not None:
        if problem is None:
            raise UsageError("it is not clear which problem the reply is to", "say it: --problem 1")
        print_verdict(output, found.verify(problems[0], from_stdin(reply)))
        return ExitCode.OK
    done = [(number, trial) for number, each in enumerate(problems, start=1) for trial in trials(found, each)]
    wrong = [(number, trial) for number, trial in done if not trial.holds]
    if output.json:
        _print_json(output, found.name, [trial for _, trial in done], wrong)
    else:
        _print(output, [trial for _, trial in done], wrong)
    return ExitCode.FAILED if wrong else ExitCode.OK


def print_verdict(output: Output, verdict: Verdict) -> None:
    """One verdict."""
    if output.json:
        output.document("rrr.verdict/1", verdict=verdict.kind, score=verdict.score, reason=verdict.reason)
    else:
        output.text(f"{verdict.kind}: {verdict.reason}")


def _problems(task: Task) -> list[Problem]:
    """All problems, those to train on first. Raises `NotFoundError` when there are none."""
    found = [problem for split in (Split.TRAIN, Split.EVAL) for problem in task.problems(split)]
    if not found:
        raise NotFoundError(f"the task {task.name} has no problems", "give one: --problem JSON")
    return found


def _chosen(task: Task, problem: str) -> Problem:
    """A problem by its number, or as JSON. Raises `UsageError`, `NotFoundError`."""
    if not problem.isascii() or not problem.isdecimal():
        return task.parse_problem(read_problem(problem))
    problems = _problems(task)
    if not 1 <= int(problem) <= len(problems):
        raise NotFoundError(f"there is no problem {problem}", f"take a number from 1 to {len(problems)}")
    return problems[int(problem) - 1]


def _sums(done: Sequence[Trial]) -> dict[str, dict[str, float]]:
    """For each reply: how many were judged, how many of them as they should, and the seconds of a verdict."""
    sums = {}
    for name in dict.fromkeys(trial.name for trial in done):
        of = [trial for trial in done if trial.name == name]
        seconds = [trial.seconds for trial in of]
        sums[name] = {
            "judged": len(of),
            "right": sum(trial.holds for trial in of),
            "seconds": sum(seconds) / len(of),
            "longest": max(seconds),
        }
    return sums


def _print(output: Output, done: Sequence[Trial], wrong: Sequence[tuple[int, Trial]]) -> None:
    sums = _sums(done)
    rows = [
        (name, str(row["judged"]), str(row["right"]), f"{row['seconds']:.4f}", f"{row['longest']:.4f}")
        for name, row in sums.items()
    ]
    output.table(("reply", "judged", "as it should be", "seconds each", "longest"), *rows)
    if "canonical" not in sums:
        output.note("the task does not say what is right, so only an empty reply was judged")
    for number, trial in wrong[:MOST_SHOWN]:
        verdict = trial.verdict
        output.text(f"problem {number}, {trial.name} reply {trial.reply!r}: {verdict.kind}: {verdict.reason}")
    if len(wrong) > MOST_SHOWN:
        output.text(f"and {len(wrong) - MOST_SHOWN} more")
    output.text("the checker does not hold" if wrong else "the checker holds")


def _print_json(output: Output, task: str, done: Sequence[Trial], wrong: Sequence[tuple[int, Trial]]) -> None:
    output.document(
        "rrr.task-test/1",
        task=task,
        holds=not wrong,
        replies=_sums(done),
        wrong=[
            {
                "problem": number,
                "name": trial.name,
                "reply": trial.reply,
                "verdict": trial.verdict.kind,
                "reason": trial.verdict.reason,
            }
            for number, trial in wrong
        ],
    )
