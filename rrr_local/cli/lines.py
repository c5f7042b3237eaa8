"""Chat as plain lines: every line begins with a word that says what it is, and nothing ever moves the cursor.

    You: / Attempt: / Verdict: / Reflection: / Retry: / Note: / Base: / Adapter:

A text of several lines has its word before each of them, so that a model cannot write a line that passes for another's. Lines
are written when they are complete. What goes to a terminal is made safe for it; a pipe gets what was written.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

from rrr_local.text import sanitize, storable


class Mark(StrEnum):
    """The word before a line."""

    YOU = "You"
    ATTEMPT = "Attempt"
    VERDICT = "Verdict"
    REFLECTION = "Reflection"
    RETRY = "Retry"
    NOTE = "Note"
    """What the program says."""
    BASE = "Base"
    """The bare model's answer, where both are asked."""
    ADAPTER = "Adapter"


class Lines:
    """Where the lines go."""

    def __init__(self, write: Callable[[str], None], *, terminal: bool, quiet: bool = False) -> None:
        """`write` takes one line without its end; `quiet` leaves the notes out."""
        self._write = write
        self._terminal = terminal
        self._quiet = quiet

    def say(self, mark: Mark, text: str) -> None:
        """Write a text, each of its lines marked."""
        for line in text.split("\n"):
            self.line(mark, line)

    def note(self, text: str) -> None:
        """Say something in the program's own voice."""
        self.say(Mark.NOTE, text)

    def line(self, mark: Mark, line: str) -> None:
        """Write one line."""
        if not (self._quiet and mark is Mark.NOTE):
            shown = sanitize(line.removesuffix("\r")) if self._terminal else storable(line)
            self._write(f"{mark}: {shown}" if shown else f"{mark}:")


class Growing:
    """A text that is being written, given to `Lines` line by line."""

    def __init__(self, lines: Lines, mark: Mark) -> None:
        self._lines = lines
        self._mark = mark
        self.text = ""
        """What there is of it."""
        self._said = 0
        """Characters of it whose lines were written."""

    def grow(self, more: str) -> None:
        """Some more of it."""
        self.text += more
        while (end := self.text.find("\n", self._said)) >= 0:
            self._lines.line(self._mark, self.text[self._said : end])
            self._said = end + 1

    def end(self, whole: str) -> None:
        """All of it; where it is not what came before, it is written again from the start."""
        if not whole.startswith(self.text[: self._said]):
            self._lines.note("the text above was decoded anew:")
            self._said = 0
        self._lines.say(self._mark, whole[self._said :])
