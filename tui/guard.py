"""Errors of a look at the log that nobody asked for: shown once, never a crash."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rrr_local.errors import RrrError

if TYPE_CHECKING:
    from tui.app import RrrApp


class Guard:
    """What went wrong the last time; the same again is not said twice."""

    def __init__(self, app: RrrApp) -> None:
        self._app = app
        self._said = ""

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """Show an `RrrError` of the block, and go on."""
        try:
            yield
        except RrrError as error:
            if str(error) != self._said:
                self._said = str(error)
                self._app.show_error(error)
        else:
            self._said = ""
