"""`rrr tasks new`: a task out of a file of rows. What was guessed is shown with three checked examples before anything is written."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from rrr_local.cli.options import common
from rrr_local.cli.output import Output
from rrr_local.errors import UsageError
from rrr_local.tasks.bench import Trial, trials
from rrr_local.tasks.files.guess import Said
from rrr_local.tasks.files.manifest import EVAL_SHARE, check_name
from rrr_local.tasks.files.new import Proposal, Wanted, create, propose
from rrr_local.tasks.files.rows import BadRows
from rrr_local.verifiers.checks import KINDS

MOST_SHOWN = 100
"""Bad rows that are printed one by one."""


@click.command("new", epilog="Checks: " + "; ".join(f"{kind}: {about}" for kind, about in KINDS.items()) + ".")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--name", help="What to call the task.  [default: the file's name]")
@click.option("--description", default="", help="A line for lists.")
@click.option("--prompt", help="What the model is asked, with columns in braces: 'Reach {goal} with {cards}.'")
@click.option("--system", help="Instructions that stand before every problem.")
@click.option("--answer", metavar="COLUMN", help="The column with the right answer.")
@click.option("--check", "kind", type=click.Choice(list(KINDS)), help="How a reply is judged.")
@click.option("-o", "options", multiple=True, metavar="OPTION=VALUE", help="An option of the check: -o tolerance=0.1")
@click.option(
    "--eval-share",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=EVAL_SHARE,
    show_default=True,
    help="Share of the rows that is held out.",
)
@click.option("--skip-bad", is_flag=True, help="Leave rows out that cannot be used.")
@click.option("--replace", is_flag=True, help="Replace the task of that name.")
@click.option("--yes", is_flag=True, help="Write it without asking.")
@click.option("--dry-run", is_flag=True, help="Write nothing.")
@common
@click.pass_obj
def new(output: Output, /, file: Path, replace: bool, yes: bool, dry_run: bool, **given: Any) -> None:
    """Make a task out of FILE: CSV, JSONL, or a JSON list. What its columns are for is guessed where you do not say it."""
    try:
        proposal = propose(file, _wanted(**given))
    except BadRows as error:
        for line in error.lines[:MOST_SHOWN]:
            output.note(line)
        raise
    examples = [list(trials(proposal.task, problem)) for problem in proposal.examples]
    if not output.json:
        _show(output, proposal, examples)
    if not (dry_run or yes or _agreed(output, proposal.task.name)):
        dry_run = True
    folder = None if dry_run else create(proposal, over=replace)
    if output.json:
        _print_json(output, proposal, examples, folder)
    elif folder is None:
        output.text("nothing was written")
    else:
        name = proposal.task.name
        output.text(
            f"written to {folder}\ncheck the checker with: rrr tasks test {name}\ntrain on it with: rrr train --task {name}"
        )


def _wanted(
    name: str | None,
    description: str,
    prompt: str | None,
    system: str | None,
    answer: str | None,
    kind: str | None,
    options: Sequence[str],
    eval_share: float,
    skip_bad: bool,
) -> Wanted:
    said = Said(prompt, answer, kind, dict(map(_option, options)))
    return Wanted(None if name is None else check_name(name), description, said, system, eval_share, skip_bad)


def _option(text: str) -> tuple[str, Any]:
    """An option of the check: its value as JSON where it is some, else as text. Raises `UsageError`."""
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise UsageError(f"{text!r} is no option of a check", "write it as option=value, such as tolerance=0.1")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def _agreed(output: Output, name: str) -> bool:
    """Whether a person says yes. Raises `UsageError` where there is nobody to ask."""
    if output.json or not sys.stdin.isatty():
        raise UsageError("nobody can be asked here whether this is right", "look with --dry-run, then say --yes")
    return click.confirm(f"write the task {name}?", default=True, err=True)


def _show(output: Output, proposal: Proposal, examples: Sequence[Sequence[Trial]]) -> None:
    """What a person has to see before they say yes."""
    loaded = proposal.loaded
    rows = len(loaded.train) + len(loaded.eval)
    output.text(f"{proposal.file.name}: {rows} problems, {len(loaded.train)} to train on, {len(loaded.eval)} held out")
    output.text(f"columns: {', '.join(proposal.columns)}")
    for line in proposal.reasons:
        output.text(f"guessed: {line}")
    for line in proposal.doubts:
        output.text(f"doubtful: {line}")
    for line in (*loaded.bad[:MOST_SHOWN], *loaded.duplicates[:MOST_SHOWN]):
        output.text(f"left out: {line}")
    output.text(f"prompt: {proposal.prompt}")
    output.text(
        "check: "
        + ", ".join(f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in proposal.check.items())
    )
    for number, (problem, judged) in enumerate(zip(proposal.examples, examples, strict=True), start=1):
        output.text(f"\nproblem {number}: {problem.prompt}")
        output.table(
            *(("", trial.reply or "(empty)", f"{trial.verdict.kind}: {trial.verdict.reason}") for trial in judged)
        )
    output.text()


def _print_json(output: Output, proposal: Proposal, examples: Sequence[Sequence[Trial]], folder: Path | None) -> None:
    loaded = proposal.loaded
    output.document(
        "rrr.task-new/1",
        task=proposal.task.name,
        folder=None if folder is None else str(folder),
        columns=proposal.columns,
        prompt=proposal.prompt,
        check=proposal.check,
        train=len(loaded.train),
        eval=len(loaded.eval),
        guessed=proposal.reasons,
        doubtful=proposal.doubts,
        bad=loaded.bad,
        duplicates=loaded.duplicates,
        examples=[
            {
                "prompt": problem.prompt,
                "replies": [
                    {"name": t.name, "reply": t.reply, "verdict": t.verdict.kind, "reason": t.verdict.reason}
                    for t in judged
                ],
            }
            for problem, judged in zip(proposal.examples, examples, strict=True)
        ],
    )
