"""Flags that commands share, and how what a person types becomes values."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from typing import TypeVar

import click

from rrr_local.cli.output import Output
from rrr_local.errors import UsageError
from rrr_local.paths import OVERRIDE

F = TypeVar("F", bound=Callable[..., object])


def common(command: F) -> F:
    """`--json`, `-q`, `-v` and `--data-dir`; they end up in the `Output` that `click.pass_obj` hands over.

    `--progress json` is for programs, and hidden: what a person sees of it follows from where standard error goes.
    """
    json_lines = click.Choice(["json"])
    for option in (
        click.option("--progress", "progress_json", type=json_lines, hidden=True, expose_value=False, callback=_note),
        click.option("--data-dir", metavar="FOLDER", expose_value=False, is_eager=True, callback=_move, help=_MOVE),
        click.option("-v", "--verbose", is_flag=True, expose_value=False, callback=_note, help="Say what is used."),
        click.option("-q", "--quiet", is_flag=True, expose_value=False, callback=_note, help="No notes, no progress."),
        click.option("--json", is_flag=True, expose_value=False, callback=_note, help="Print one JSON document."),
    ):
        command = option(command)
    return command


_MOVE = "Keep everything in this folder."
MODEL = click.option("--model", default="tiny", show_default=True, help="A model (see `rrr models`), or its folder.")
TASK = click.option("--task", default="countdown", show_default=True, help="A task; see `rrr tasks`.")
BACKEND = click.option("--backend", default="auto", show_default=True, help="What computes: auto or mlx.")
ADAPTER = click.option("--adapter", help="A run, or the folder of a checkpoint; without it the bare model.")
SEED = click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Equal seeds, equal results.")


def temperature(default: float) -> Callable[[F], F]:
    """`--temperature`; 0 is greedy."""
    kind = click.FloatRange(0.0, 5.0)
    return click.option("--temperature", type=kind, default=default, show_default=True, help="0 is greedy.")


def read_problem(text: str) -> Mapping[str, object]:
    """A problem from its JSON text, or from standard input where that is `-`. Raises `UsageError`."""
    way_out = 'give a JSON object, for example {"numbers": [3, 7, 18], "target": 39}'
    try:
        problem = json.loads(from_stdin(text))
    except (ValueError, RecursionError) as error:
        raise UsageError(f"the problem is not JSON ({error})", way_out) from error
    if not isinstance(problem, dict):
        raise UsageError("the problem is not a JSON object", way_out)
    return problem


def from_stdin(text: str) -> str:
    """The text itself, or all of standard input where it is `-`. Raises `UsageError` when that cannot be read."""
    if text != "-":
        return text
    way_out = "pipe UTF-8 text into the command, or give the text itself instead of -"
    if sys.stdin is None:
        raise UsageError("there is no standard input", way_out)
    try:
        return sys.stdin.buffer.read().decode("utf-8")
    except UnicodeDecodeError as error:
        raise UsageError("standard input is not UTF-8 text", way_out) from error
    except OSError as error:
        raise UsageError(f"standard input cannot be read ({error.strerror})", way_out) from error


def _note(context: click.Context, parameter: click.Parameter, value: bool | str | None) -> None:
    """Set the flag of this name; a group's flag holds for its commands."""
    output = context.find_object(Output)
    if value and output is not None and parameter.name is not None:
        setattr(output, parameter.name, True)


def _move(context: click.Context, parameter: click.Parameter, value: str | None) -> None:
    if value is not None:
        os.environ[OVERRIDE] = value
