"""Text on a terminal while it is being written.

A span arrives as all of its text so far. The last characters may still change: a character may be half there (decoded as
U+FFFD), and a carriage return may turn out to be half of a line end. Those wait.
"""

from __future__ import annotations

from collections.abc import Callable

from rrr_local.text import sanitize

UNSETTLED = "\ufffd\r"


class Typewriter:
    """Writes what is new of a growing text, made safe for a terminal."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write
        self._shown = 0

    def grow(self, text: str) -> None:
        """`text` is all there is so far."""
        self._advance(text, len(text.rstrip(UNSETTLED)))

    def end(self, text: str) -> None:
        """`text` is all there will be; the next one starts afresh."""
        self._advance(text, len(text))
        self._shown = 0

    def _advance(self, text: str, to: int) -> None:
        if to > self._shown:
            self._write(sanitize(text[self._shown : to]))
            self._shown = to
