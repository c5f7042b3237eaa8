"""What an error becomes: `rrr: <cause>`, a way out, an exit code.

Ours carry all three. Click's are about usage. A full disk and too little memory are the machine's. Anything else is a bug:
its traceback goes to a file and the line names it. With `--json` the same is one JSON line; standard output stays empty.
"""

from __future__ import annotations

import errno
import json
import os
import sys
import traceback
from datetime import UTC, datetime

import click

from rrr_local import paths
from rrr_local.cli.output import Output
from rrr_local.errors import ExitCode, ResourceError, RrrError, UsageError
from rrr_local.text import sanitize

NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
SCHEMA = "rrr.error/1"


def report(error: Exception, output: Output) -> int:
    """Say what went wrong on standard error; returns the exit code."""
    readable = _readable(error)
    if output.verbose and not isinstance(error, click.ClickException):
        traceback.print_exception(error)
    if output.json:
        document = {"schema": SCHEMA, "error": readable.cause, "way_out": readable.way_out}
        click.echo(json.dumps({**document, "exit_code": int(readable.exit_code)}), err=True)
    else:
        click.echo(f"rrr: {_one_line(readable.cause)}\n     {_one_line(readable.way_out)}", err=True)
    return readable.exit_code


def hang_up() -> int:
    """Whoever read standard output has gone: end without a word, and let Python's own last flush go nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
    return ExitCode.FAILED


def _readable(error: Exception) -> RrrError:
    """The error as a person should read it."""
    match error:
        case RrrError():
            return error
        case click.UsageError():
            command = error.ctx.command_path if error.ctx else "rrr"
            return UsageError(error.format_message(), f"see `{command} --help`")
        case click.ClickException():
            return UsageError(error.format_message(), "see `rrr --help`")
        case MemoryError():
            return ResourceError("there is not enough memory", "close other programs, or take a smaller model")
        case OSError() if error.errno in NO_SPACE:
            return ResourceError("the disk is full", "free some space, then try again")
        case _:
            return _bug(error)


def _bug(error: Exception) -> RrrError:
    """An internal error whose traceback is in a file, or on standard error where there can be no file."""
    text = f"{datetime.now(UTC).isoformat(timespec='seconds')}\n{''.join(traceback.format_exception(error))}\n"
    cause = f"internal error ({type(error).__name__}: {error})"
    try:
        path = paths.log_path("errors")
        with path.open("a", encoding="utf-8", errors="replace") as file:
            file.write(text)
    except (OSError, ResourceError):
        click.echo(text, err=True)
        return RrrError(cause, "please report it with the traceback above")
    return RrrError(cause, f"the traceback is in {path}; please report it")


def _one_line(text: str) -> str:
    return " ".join(sanitize(text, 500).split())
