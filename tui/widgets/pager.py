"""A table over a list that may be endless: one page of it is mounted, the next is fetched when the cursor leaves the page.

Pages are found by key (the id of the last row), not by number, so that rows added meanwhile shift nothing and the page after
row 100,000 costs what the first one does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from rich.style import Style
from rich.text import Text
from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import DataTable

from rrr_local.text import sanitize

PAGE = 200
"""Rows of a page."""
Key = int | str
"""What finds a row again."""


class Tone(StrEnum):
    """The colour of a cell; the cell says the same in words. The value is its component class."""

    PLAIN = "pager--plain"
    GOOD = "pager--good"
    BAD = "pager--bad"
    CAREFUL = "pager--careful"
    QUIET = "pager--quiet"


@dataclass(frozen=True, slots=True)
class Column:
    """One column."""

    title: str
    width: int | None = None
    """Cells across; None takes what the others leave."""
    wide_from: int = 0
    """Left out where the table is narrower than this."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A text with a colour."""

    text: str
    tone: Tone = Tone.PLAIN


@dataclass(frozen=True, slots=True)
class Row:
    """One row: its key, and a cell for each column. Texts may come from anywhere; they are made safe here."""

    key: Key
    cells: tuple[str | Cell, ...]


Fetch = Callable[[Key | None, int], Sequence[Row]]
"""The page of rows that come after a key (None: the first page), at most so many."""


class Pager(DataTable[Text]):
    """Keys: up and down go on to the next page and back; `Chosen` follows the cursor, `Opened` is enter or a click on it."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {*Tone}
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j", "cursor_down", "Down", show=False),
        Binding("k", "cursor_up", "Up", show=False),
        Binding("home", "scroll_top", "First of the page", show=False),
        Binding("end", "scroll_bottom", "Last of the page", show=False),
    ]
    DEFAULT_CSS = """
    Pager {
        height: 1fr; background: $background; scrollbar-size-horizontal: 0; scrollbar-size-vertical: 1;
        & > .datatable--header { background: $panel; color: $foreground-muted; text-style: none; }
        & > .datatable--cursor { background: $primary 20%; color: $text; }
        &:focus > .datatable--cursor { background: $primary 35%; color: $text; text-style: bold; }
        .pager--good { color: $text-success; }
        .pager--bad { color: $text-error; }
        .pager--careful { color: $text-warning; }
        .pager--quiet { color: $foreground-muted; }
    }
    """

    class Chosen(Message):
        """The cursor is on another row, or there are other rows; the key is None when there is none."""

        def __init__(self, pager: Pager, key: Key | None) -> None:
            super().__init__()
            self.pager = pager
            self.key = key

        @property
        def control(self) -> Pager:
            return self.pager

    class Opened(Message):
        """Enter was pressed, or the row with the cursor clicked."""

        def __init__(self, pager: Pager, key: Key) -> None:
            super().__init__()
            self.pager = pager
            self.key = key

        @property
        def control(self) -> Pager:
            return self.pager

    def __init__(self, columns: Sequence[Column], fetch: Fetch, *, id: str | None = None) -> None:
        super().__init__(id=id, cursor_type="row", cell_padding=0)
        self._shape = tuple(columns)
        self._fetch = fetch
        self._starts: list[Key | None] = [None]
        """The key before each page up to the one shown."""
        self._page: list[Row] = []
        self._more = False
        self._drawn_width = 0

    @property
    def key(self) -> Key | None:
        """The row with the cursor."""
        return self._page[self.cursor_row].key if 0 <= self.cursor_row < len(self._page) else None

    @property
    def page(self) -> int:
        """Which page is shown, from 1."""
        return len(self._starts)

    @property
    def has_more(self) -> bool:
        """Whether there is a page after this one."""
        return self._more

    @property
    def shown(self) -> Sequence[Row]:
        """The rows of this page."""
        return self._page

    def on_mount(self) -> None:
        self.watch(self.app, "theme", lambda: self._draw(max(self.cursor_row, 0)), init=False)

    def reload(self, *, first: bool = False) -> None:
        """Fetch again: the first page, or this one with the cursor where it was."""
        key, place = (None, 0) if first else (self.key, max(self.cursor_row, 0))
        self._starts = [None] if first else self._starts
        self._load()
        while not self._page and len(self._starts) > 1:
            self._starts.pop()
            self._load()
        self._draw(next((i for i, row in enumerate(self._page) if row.key == key), min(place, len(self._page) - 1)))

    def turn(self, by: int) -> bool:
        """Show the next page (1) or the one before (-1); whether there is one."""
        if by > 0 and self._more:
            self._starts.append(self._page[-1].key)
        elif by < 0 and len(self._starts) > 1:
            self._starts.pop()
        else:
            return False
        self._load()
        self._draw(0 if by > 0 else len(self._page) - 1)
        return True

    def begin_after(self, key: Key) -> None:
        """Show the page that comes after a key; the page before it is the first one."""
        self._starts = [None, key]
        self._load()
        self._draw(0)

    def go_to(self, key: Key) -> bool:
        """Put the cursor on a row of this page; False when it is not on it."""
        found = next((i for i, row in enumerate(self._page) if row.key == key), None)
        if found is not None:
            self.move_cursor(row=found)
        return found is not None

    def _load(self) -> None:
        rows = list(self._fetch(self._starts[-1], PAGE + 1))
        self._page, self._more = rows[:PAGE], len(rows) > PAGE

    # Drawing

    def _draw(self, cursor: int) -> None:
        if not self.size.width:  # not laid out yet, or hidden; the next resize draws
            self.post_message(self.Chosen(self, self.key))
            return
        self.clear(columns=True)
        self._drawn_width = self.size.width
        shape = [(i, column) for i, column in enumerate(self._shape) if self.size.width >= column.wide_from]
        fixed = sum(column.width + 1 for _, column in shape if column.width is not None)
        flexible = max(8, self.size.width - fixed - 1 - self.scrollbar_size_vertical)
        widths = [flexible if column.width is None else column.width for _, column in shape]
        styles = {tone: self.get_component_rich_style(tone, partial=True) for tone in Tone}
        for (_, column), width in zip(shape, widths, strict=True):
            self.add_column(Text(column.title), width=width + 1)
        for row in self._page:
            self.add_row(*(_cell(row.cells[i], width, styles) for (i, _), width in zip(shape, widths, strict=True)))
        if self._page:
            self.move_cursor(row=max(cursor, 0), animate=False)
        self.post_message(self.Chosen(self, self.key))

    def on_resize(self, event: events.Resize) -> None:
        if self.size.width != self._drawn_width:
            self._draw(max(self.cursor_row, 0))

    def on_data_table_row_highlighted(self, event: DataTable.RowHighlighted) -> None:
        event.stop()
        self.post_message(self.Chosen(self, self.key))

    def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        event.stop()
        if self.key is not None:
            self.post_message(self.Opened(self, self.key))

    # The cursor leaves the page

    def action_cursor_down(self) -> None:
        if not self._leaves(1):
            super().action_cursor_down()

    def action_cursor_up(self) -> None:
        if not self._leaves(-1):
            super().action_cursor_up()

    def action_page_down(self) -> None:
        if not self._leaves(1):
            super().action_page_down()

    def action_page_up(self) -> None:
        if not self._leaves(-1):
            super().action_page_up()

    def _leaves(self, by: int) -> bool:
        """Turn the page where the cursor is on its last row (1) or its first (-1); whether there was one to turn to."""
        at_edge = self.cursor_row >= len(self._page) - 1 if by > 0 else self.cursor_row <= 0
        return at_edge and self.turn(by)


def _cell(value: str | Cell, width: int, styles: dict[Tone, Style]) -> Text:
    """One line, cut to the width, nothing in it that a terminal would obey."""
    cell = Cell(value) if isinstance(value, str) else value
    line = " ".join(sanitize(cell.text, 4 * width).split())
    text = Text(line, styles[cell.tone], no_wrap=True)
    text.truncate(width, overflow="ellipsis")
    return text
