"""How far a command is, on standard error: bars on a terminal, elsewhere a line every 5 seconds and at the end of a stage."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

from rrr_local.cli.output import Output

EVERY_S = 5.0

Report = Callable[[str, int, int, str], None]
"""Called with the stage, what is done, out of how many (0: not known), and a short note."""


@contextmanager
def progress(output: Output) -> Iterator[Report]:
    """What to call whenever something was done."""
    if output.quiet:
        yield lambda stage, done, total, note: None
    elif sys.stderr.isatty():
        with _bars() as report:
            yield report
    else:
        yield lines()


def lines(clock: Callable[[], float] = time.monotonic) -> Report:
    """A line now and then."""
    last = clock()

    def report(stage: str, done: int, total: int, note: str) -> None:
        nonlocal last
        if clock() - last >= EVERY_S or (total and done == total):
            last = clock()
            click.echo(
                " ".join(part for part in (stage, f"{done}/{total}" if total else str(done), note) if part), err=True
            )

    return report


@contextmanager
def _bars() -> Iterator[Report]:
    """One bar per stage. Rich is imported here: it costs what all of `rrr --help` does. It heeds NO_COLOR."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (TextColumn("{task.description:8}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    note_column = TextColumn("{task.fields[note]}", markup=False)
    with Progress(*columns, TimeRemainingColumn(), note_column, console=Console(stderr=True)) as bars:
        tasks = {}

        def report(stage: str, done: int, total: int, note: str) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=total or None, note="")
            bars.update(tasks[stage], completed=done, total=total or None, note=note)

        yield report
