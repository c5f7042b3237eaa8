"""The terminal beyond what Textual offers: its title, whether the app can run in it, and logging that never writes to it."""

from __future__ import annotations

import logging
import os
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from logging.handlers import RotatingFileHandler
from typing import TYPE_CHECKING

from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter

from rrr_local import paths
from rrr_local.text import sanitize

if TYPE_CHECKING:
    from tui.app import RrrApp

LOG_BYTES = 2**20
LAST_S = 4.0
"""How long an app that was asked to end by a signal has for it."""


_HARMFUL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""What moves the cursor, reorders a line or cannot be encoded; none of them has a width. Joiners and marks of a script stay."""


class HarmlessFilter(LineFilter):
    """The last gate before the terminal. What comes from outside was made fit to show long before; what a person pastes into a box
    stays as it is there, and loses only here what would act on the terminal."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        return [
            segment
            if segment.text.isprintable()
            else Segment(_HARMFUL.sub("", segment.text), segment.style, segment.control)
            for segment in segments
        ]


def why_not() -> str:
    """Why the app cannot run here; empty where it can."""
    for stream, name in (
        (sys.stdin, "standard input"),
        (sys.stdout, "standard output"),
        (sys.stderr, "standard error"),
    ):
        if stream is None or not stream.isatty():
            return f"{name} is not a terminal"
    if os.environ.get("TERM", "dumb") in ("dumb", ""):
        return "the terminal (TERM=dumb) cannot place text"
    return ""


def end_for_sure(code: int) -> None:
    """End this process a while from now, if it has not ended by itself: a thread that draws may wait for a window that is gone."""
    timer = threading.Timer(LAST_S, os._exit, (code,))
    timer.daemon = True
    timer.start()


def set_title(app: RrrApp, title: str) -> None:
    """Set the title of the window (OSC 2). The only other place that writes to the terminal directly is the clipboard."""
    if app._driver is not None and not app.is_headless:
        app._driver.write(f"\x1b]2;{sanitize(title, 80)}\x07")


@contextmanager
def logging_to_file() -> Iterator[None]:
    """Log to logs/app.log, two files of 1 MB at most, for as long as the app runs."""
    handler = RotatingFileHandler(
        paths.log_path("app"),
        maxBytes=LOG_BYTES,
        backupCount=1,
        encoding="utf-8",
        errors="backslashreplace",
        delay=True,
    )
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)
        handler.close()
