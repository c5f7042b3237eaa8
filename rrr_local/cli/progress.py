"""How far a command is, on standard error: bars on a terminal, elsewhere a line every 5 seconds and at the end of a stage.

`--progress json` is for programs (`rrr_local.engine.jobs`): {"ev": "progress", "stage", "done", "total", "note", "data"} a line, at most
10 a second, the last of each stage always.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

import click

from rrr_local.cli.output import Output
from rrr_local.store.records import RunPhase

STAGES = {
    RunPhase.PREPARING: "prepare",
    RunPhase.MEASURING: "before",
    RunPhase.COLLECTING: "collect",
    RunPhase.TRAINING: "train",
    RunPhase.EVALUATING: "eval",
    RunPhase.SAVING: "save",
    RunPhase.DONE: "done",
}
"""What a run's phase is called beside a bar."""
EVERY_S = 5.0
JSON_EVERY_S = 0.1


class Report(Protocol):
    """What to call whenever something was done."""

    def __call__(self, stage: str, done: int, total: int, note: str = "", **data: object) -> None:
        """`done` out of `total` (0: not known) of a stage; `data` are numbers for a program that draws."""


@contextmanager
def progress(output: Output) -> Iterator[Report]:
    """What to call whenever something was done."""
    if output.progress_json:
        with json_lines() as report:
            yield report
    elif output.quiet:
        yield _nothing
    elif sys.stderr.isatty():
        with bars() as report:
            yield report
    else:
        yield lines()


def _nothing(stage: str, done: int, total: int, note: str = "", **data: object) -> None:
    """No progress is wanted."""


def lines(clock: Callable[[], float] = time.monotonic) -> Report:
    """A line now and then."""
    last = clock()

    def report(stage: str, done: int, total: int, note: str = "", **data: object) -> None:
        nonlocal last
        if clock() - last >= EVERY_S or (total and done == total):
            last = clock()
            click.echo(
                " ".join(part for part in (stage, f"{done}/{total}" if total else str(done), note) if part), err=True
            )

    return report


@contextmanager
def json_lines(clock: Callable[[], float] = time.monotonic) -> Iterator[Report]:
    """A line of JSON for a report, those left out that come too fast."""
    last, waiting = -JSON_EVERY_S, ("", "")  # when a line was written; the stage and the line that was left out since

    def report(stage: str, done: int, total: int, note: str = "", **data: object) -> None:
        nonlocal last, waiting
        if waiting[1] and waiting[0] != stage:
            click.echo(waiting[1], err=True)
        event = {"ev": "progress", "stage": stage, "done": done, "total": total, "note": note, "data": data}
        waiting = (stage, json.dumps(event))
        if clock() - last >= JSON_EVERY_S or done == total:
            click.echo(waiting[1], err=True)
            last, waiting = clock(), ("", "")

    yield report
    if waiting[1]:
        click.echo(waiting[1], err=True)


@contextmanager
def bars() -> Iterator[Report]:
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

        def report(stage: str, done: int, total: int, note: str = "", **data: object) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=total or None, note="")
            bars.update(tasks[stage], completed=done, total=total or None, note=note)

        yield report
