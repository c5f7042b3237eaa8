"""What can go wrong, as a person and a script see it: one line of cause, the way out, and an exit code."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """What every `rrr` command returns."""

    OK = 0
    FAILED = 1
    """The thing asked for failed: the answer was wrong after all tries, there was nothing to learn, a verifier broke."""
    USAGE = 2
    """Wrong arguments, configuration or task file."""
    MODEL = 3
    """The model or the backend cannot be used."""
    RESOURCES = 4
    """Not enough memory or disk."""
    BUSY = 5
    """Another process holds the run."""
    NOT_FOUND = 6
    INTERNAL = 70
    """A bug; the traceback is in the log."""
    INTERRUPTED = 130
    TERMINATED = 143


class RrrError(Exception):
    """An error with a cause a person understands and a way out.

    Attributes:
        cause: one line, what is wrong.
        way_out: one line, what to do about it.
        exit_code: what the command line returns.
    """

    exit_code = ExitCode.INTERNAL

    def __init__(self, cause: str, way_out: str) -> None:
        super().__init__(f"{cause}: {way_out}")
        self.cause = cause
        self.way_out = way_out


class UsageError(RrrError):
    """Wrong arguments, problem, task file or configuration."""

    exit_code = ExitCode.USAGE


class ModelError(RrrError):
    """The model, its tokenizer, an adapter or the backend cannot be used."""

    exit_code = ExitCode.MODEL


class ResourceError(RrrError):
    """Disk or memory is short, or a folder cannot be written."""

    exit_code = ExitCode.RESOURCES


class BusyError(RrrError):
    """Another process holds the run."""

    exit_code = ExitCode.BUSY


class NotFoundError(RrrError):
    """A run, task, adapter or file that does not exist."""

    exit_code = ExitCode.NOT_FOUND


class BrokenVerifier(RrrError):
    """A task's verifier broke again and again: what it would have judged is neither right nor wrong."""

    exit_code = ExitCode.FAILED


class NothingToLearn(RrrError):
    """Every group of a run was dead: no reward tells one reflection from another."""

    exit_code = ExitCode.FAILED
