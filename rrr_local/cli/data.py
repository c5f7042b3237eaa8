"""`rrr data`: the log as training data: how much there is, out to other programs, in from a file, and what is left out of training."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import click

from rrr_local import paths
from rrr_local.chat import dataset, incoming
from rrr_local.cli.logged import one_line, reading
from rrr_local.cli.options import common
from rrr_local.cli.output import Output
from rrr_local.errors import NotFoundError, UsageError
from rrr_local.store import feedback, tasks_read
from rrr_local.store.data_stats import data_stats
from rrr_local.store.sqlite import Connection
from rrr_local.store.store import Store
from rrr_local.tasks.base import Task, fingerprint
from rrr_local.tasks.files.rows import MOST_SHOWN, read_rows
from rrr_local.tasks.find import find_task
from rrr_local.tasks.question import NAME as QUESTION

WIDTH = 40
"""Characters of a text in a table."""
OF_TASK = click.option("--task", help="Only this task, by its name in the log.  [default: all]")


@click.group("data", invoke_without_command=True)
@common
@click.pass_context
def command(context: click.Context) -> None:
    """The log as training data. Without a subcommand: how much of it there is."""
    if context.invoked_subcommand is None:
        context.invoke(stats)


@command.command("stats")
@OF_TASK
@common
@click.pass_obj
def stats(output: Output, task: str | None = None) -> None:
    """Count per task what failed, what a run could train on now, and what is missing of the rest."""
    with reading() as connection:
        found = data_stats(connection, _known(connection, task))
    if output.json:
        output.document("rrr.data/1", tasks=[asdict(each) for each in found])
        return
    names = ("attempts", "failures", "trainable", "excluded", "unchecked", "disputed", "used", "runs")
    rows = [(each.task, *(str(getattr(each, name)) for name in names)) for each in found]
    output.table(("task", *names), *rows)
    output.text("train on them with: rrr train --task TASK --failures pool")


@command.command("export")
@OF_TASK
@click.option("-f", "--format", "form", type=click.Choice(dataset.FORMS), default="jsonl", show_default=True)
@click.option(
    "-o", "--out", type=click.Path(dir_okay=False, path_type=Path), help="Write to this file, which must be new."
)
@common
@click.pass_obj
def export(output: Output, task: str | None, form: str, out: Path | None) -> None:
    """Write episodes as rows: jsonl with both verdicts, a csv table, trl prompts of failures, messages of winning retries."""
    with reading() as connection:
        pieces = dataset.export(connection, form, _known(connection, task))
        if out is not None:
            count = _write(out, pieces) - (form == "csv")
            if output.json:
                output.document("rrr.data-export/1", file=str(out), format=form, rows=count)
            else:
                output.text(f"{count} rows in {out}")
            return
        for piece in pieces:
            if output.json or not sys.stdout.isatty():
                click.echo(piece.encode("utf-8", errors="replace"), nl=False)
            else:
                output.text(piece.removesuffix("\n"))


@command.command("import")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--task", default=QUESTION, show_default=True, help="The task that the rows' problems are of.")
@click.option("--skip-bad", is_flag=True, help="Leave out the rows that cannot be used.")
@common
@click.pass_obj
def import_(output: Output, file: Path, task: str, skip_bad: bool) -> None:
    """Take replies from FILE (CSV or JSONL) into the log: prompt, expect and reply, or what `rrr data export` wrote.

    Each is judged by the task. They are read, rated and disputed like others; a run trains only on what its own model wrote.
    """
    found = _found(task)
    coming, bad = incoming.episodes(read_rows(file), found)
    if bad and not (skip_bad and coming):
        more = f"; and {len(bad) - MOST_SHOWN} more" if len(bad) > MOST_SHOWN else ""
        way_out = "mend the file, or leave these rows out with --skip-bad"
        raise UsageError(f"nothing was imported: {'; '.join(bad[:MOST_SHOWN])}{more}", way_out)
    if not coming:
        raise UsageError(f"{file.name} has no rows", "a row has a prompt, what is expected, and a reply")
    with Store.open(paths.database_path()) as store:
        kind = type(found).__name__
        task_id = store.task(found.name, found.version, kind, kind, fingerprint(found), {"source": found.source})
        done = store.import_episodes(task_id, f"imported from {file.name}", coming)
    if output.json:
        values = {"task": found.name, "session": done.session, "added": done.added, "known": done.known, "bad": bad}
        output.document("rrr.data-import/1", **values)
        return
    for line in bad:
        output.note(line)
    left_out = f", {len(bad)} left out" if bad else ""
    output.text(f"{done.added} replies are in the log, {done.known} were there already{left_out}")


@command.command("exclude")
@click.argument("attempts", metavar="ID...", nargs=-1, required=True, type=click.IntRange(1))
@click.option("--undo", is_flag=True, help="Take them in again.")
@common
@click.pass_obj
def exclude(output: Output, attempts: tuple[int, ...], undo: bool) -> None:
    """Leave episodes out of training, by any of their attempts' IDs; `rrr history list` shows them."""
    with reading():
        pass
    with Store.open(paths.database_path()) as store:
        first = [feedback.require_attempt(store.reader(), each) for each in attempts]  # all of them are checked first
        for each in first:
            store.exclude(each, not undo)
    if output.json:
        output.document("rrr.data-exclude/1", attempts=first, excluded=not undo)
    else:
        output.text(f"{', '.join(map(str, first))}: {'taken in again' if undo else 'excluded from training'}")


@command.command("disputes")
@OF_TASK
@click.option("-n", "--limit", type=click.IntRange(1), default=50, show_default=True, help="The most of each task.")
@common
@click.pass_obj
def disputes(output: Output, task: str | None, limit: int) -> None:
    """List replies on which you and the verifier disagree, newest first: where there are many, one of you is mistaken."""
    with reading() as connection:
        only = _known(connection, task)
        names = [
            each.task for each in tasks_read.tasks_stats(connection) if each.disputed and only in (None, each.task)
        ]
        found = [(name, each) for name in names for each in tasks_read.disputes(connection, name, limit)]
    if output.json:
        output.document("rrr.data-disputes/1", disputes=[{"task": name, **asdict(each)} for name, each in found])
    elif not found:
        output.text("you and the verifiers agree")
    else:
        rows = [
            (
                str(each.attempt_id),
                name,
                each.verifier,
                each.person,
                one_line(each.comment or each.reason, WIDTH),
                one_line(each.reply, WIDTH),
            )
            for name, each in found
        ]
        output.table(("attempt", "task", "check", "you", "why", "reply"), *rows)


def _found(name: str) -> Task:
    """A task by its name, or by where the log says that it is. Raises `NotFoundError`, `UsageError`."""
    if not paths.database_path().exists():
        return find_task(name)
    with reading() as connection:
        return find_task(tasks_read.source_of(connection, name))


def _known(connection: Connection, task: str | None) -> str | None:
    """A task of the log, also by where it is. Raises `NotFoundError`."""
    names = {each.task for each in tasks_read.tasks_stats(connection)}
    if task is None or task in names:
        return task
    there = next((name for name in names if tasks_read.source_of(connection, name) == task), None)
    if there is None:
        raise NotFoundError(f"the log has no task {task!r}", f"it has {', '.join(sorted(names)) or 'none yet'}")
    return there


def _write(out: Path, pieces: Iterator[str]) -> int:
    """Write a new file, which only its owner may read; how many lines. Raises `UsageError`."""
    count = 0
    try:
        with os.fdopen(os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            for count, piece in enumerate(pieces, start=1):  # noqa: B007 (the last one is returned)
                file.write(piece.encode("utf-8", errors="replace"))
    except FileExistsError as error:
        raise UsageError(f"{out} is there already", "choose another name, or remove it") from error
    except (FileNotFoundError, NotADirectoryError, PermissionError) as error:
        raise UsageError(f"{out} cannot be written ({error.strerror})", "choose another place") from error
    return count
