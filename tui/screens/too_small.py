"""What a window shows in which nothing fits."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.content import Content
from textual.events import Resize
from textual.geometry import Size
from textual.screen import ModalScreen
from textual.widgets import Static

COLUMNS, ROWS = 60, 16


def is_too_small(size: Size) -> bool:
    """Whether nothing useful can be shown."""
    return size.width < COLUMNS or size.height < ROWS


class TooSmallScreen(ModalScreen[None]):
    """One line; the app takes it away when the window is large enough."""

    def compose(self) -> ComposeResult:
        yield Static(self._text(self.app.size), markup=False)

    def on_resize(self, event: Resize) -> None:
        self.query_one(Static).update(self._text(event.size))

    @staticmethod
    def _text(size: Size) -> Content:
        return Content(f"Make the window at least {COLUMNS}x{ROWS} (now {size.width}x{size.height})")
