"""Ctrl-C and SIGTERM.

Everywhere, Ctrl-C raises KeyboardInterrupt (exit code 130) and SIGTERM raises SystemExit(143); `with` blocks put things in order.
Training can do better: inside `at_boundaries` the first of them only sets a flag, which the loop looks at between two steps,
where a checkpoint can be written; the second acts as everywhere.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from rrr_local.errors import ExitCode

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stop:
    """Whether somebody has asked to stop."""

    def __init__(self) -> None:
        self.by: int | None = None
        """The signal that asked."""

    @property
    def requested(self) -> bool:
        return self.by is not None

    @property
    def exit_code(self) -> ExitCode:
        """What the command returns: OK when nobody asked."""
        if self.by is None:
            return ExitCode.OK
        return ExitCode.TERMINATED if self.by == signal.SIGTERM else ExitCode.INTERRUPTED


@contextmanager
def terminable() -> Iterator[None]:
    """SIGTERM unwinds the stack inside, as Ctrl-C does."""

    def handle(number: int, frame: FrameType | None) -> None:
        raise SystemExit(ExitCode.TERMINATED)

    before = signal.signal(signal.SIGTERM, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def at_boundaries(message: str) -> Iterator[Stop]:
    """The first signal inside sets the flag and writes `message` to standard error; from then on all is as outside."""
    stop = Stop()

    def handle(number: int, frame: FrameType | None) -> None:
        stop.by = number
        restore()
        os.write(2, f"{message}\n".encode())  # not print: a handler may interrupt one

    before = {number: signal.signal(number, handle) for number in SIGNALS}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    try:
        yield stop
    finally:
        restore()
