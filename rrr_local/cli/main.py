"""The entry point `rrr`: a click group that imports a command's module when that command is called, and not before.

`run` is the whole program as a function from arguments to an exit code; `main` ends the process with it.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from typing import NoReturn

import click

from rrr_local import __version__
from rrr_local.actions import Place
from rrr_local.cli import failure, signals
from rrr_local.cli.options import common
from rrr_local.cli.output import Output
from rrr_local.errors import ExitCode, UsageError

COMMANDS = {
    "chat": "Chat with the model; --plain for lines of text.",
    "demo": "The whole story: measure, collect failures, train, measure again.",
    "ask": "One question: attempt, and on a failure reflect and retry.",
    "collect": "Attempt a task's problems and keep the failures to train on.",
    "train": "Train an adapter on failures, or resume a run.",
    "eval": "Measure a model on held-out problems; compare two evaluations.",
    "runs": "Training runs: list, show, stop.",
    "history": "What happened: list, show, search, export.",
    "rate": "Say of a reply that it is good or wrong.",
    "data": "The log as training data: count, export, import, exclude, disputes.",
    "models": "Models: list, find, get, check, measure, remove.",
    "tasks": "Tasks: list, make one of your own file, test its checker.",
    "doctor": "Check this installation.",
    "config": "Settings: list, get, set.",
    "serve": "The app in a browser on this machine.",
    "db": "The log, one SQLite file.",
}
"""Every command, in the order of its module `rrr_local.cli.<command>`, with its line in `rrr --help`."""


class LazyGroup(click.Group):
    """A group whose commands are the `command` of the modules in this package."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"rrr_local.cli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.command(
    cls=LazyGroup, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]}, name="rrr"
)
@click.version_option(__version__, prog_name="rrr")
@click.option("--mode", type=click.Choice([place.value for place in Place]), help="Open the app at this place.")
@common
@click.pass_context
def rrr(context: click.Context, mode: str | None) -> int:
    """A small language model on this machine reflects on its failures, retries, and learns from the retries that passed.

    Without a command the app opens; where there is no terminal to draw in, a chat in plain lines.

    Exit codes: 0 ok, 1 the answer was wrong, 2 usage, 3 model, 4 disk or memory, 5 busy, 6 not found, 70 a bug,
    130 Ctrl-C, 143 terminated.
    """
    if context.invoked_subcommand is not None:
        return ExitCode.OK
    return _open(context.ensure_object(Output), None if mode is None else Place(mode))


def _open(output: Output, place: Place | None) -> int:
    """The app, or the plain chat with a line on why."""
    from rrr_local.cli import chat  # here, since `rrr --help` has no use for it

    why = chat.why_plain()
    if not why and not output.json:
        return chat.open_app(place)
    if place not in (None, Place.CHAT):
        raise UsageError(
            f"the app cannot be drawn here: {why}", f"`rrr {place} --help` says what does the same in a shell"
        )
    if not output.json:
        output.note(f"{why}: this is the plain chat, as with `rrr chat --plain`")
    return chat.plain_chat(output)


def run(arguments: Sequence[str]) -> int:
    """Run one command; returns its exit code. Errors are reported, never raised."""
    output = Output(json="--json" in arguments)  # known before click has parsed anything, for its own errors
    try:
        with signals.terminable():
            code = rrr.main(list(arguments), prog_name="rrr", standalone_mode=False, obj=output)
            sys.stdout.flush()  # a closed pipe or a full disk shows here and not when Python ends
            return code if isinstance(code, int) else ExitCode.OK
    except (click.exceptions.Abort, KeyboardInterrupt):
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        return failure.hang_up()
    except Exception as error:  # every error ends here, as a line and an exit code
        return failure.report(error, output)


def main() -> NoReturn:
    """The console script."""
    sys.exit(run(sys.argv[1:]))
