"""A line chart in a border: up to three lines, their last values in the title, what they mean in the subtitle.

A frame is computed once for each size, theme, cursor and version of the data; `render_line` hands out its rows. Lines are
told apart by their number, at their right end and in the title, so that no colour is needed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.reactive import reactive
from textual.strip import Strip
from textual.widget import Widget

from rrr_local.text import sanitize
from tui.helptext import meaning as help_meaning
from tui.widgets import raster
from tui.widgets.raster import Frame, Marks, Point


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a chart."""

    name: str
    """As the cursor names it where it is the only one."""
    points: tuple[Point, ...]
    """By rising x; NaN where there is no value."""


class Smooth(Enum):
    """How much a line is smoothed: the weight of what came before."""

    NOT = 0.0
    LESS = 0.6
    MORE = 0.9

    @property
    def next(self) -> Smooth:
        return {Smooth.LESS: Smooth.MORE, Smooth.MORE: Smooth.NOT, Smooth.NOT: Smooth.LESS}[self]


def percent(value: float) -> str:
    return f"{100 * value:.0f} %"


def percent_change(value: float) -> str:
    return f"{100 * value:+.0f}"


def plain(value: float) -> str:
    return f"{value:.3g}"


def plain_change(value: float) -> str:
    return f"{value:+.2g}"


_PARTS = ("chart--first", "chart--second", "chart--third")
_DIM, _AXIS, _CURSOR = "chart--raw", "chart--axis", "chart--cursor"


class Chart(Widget, can_focus=True):
    """Shows what `show` was given; left and right, or the mouse, read values off it."""

    DEFAULT_CSS = """
    Chart {
        height: 1fr; min-height: 3; border: round $border-blurred; border-title-color: $text; border-subtitle-color: $text-muted;
        &:focus { border: round $border; }
        .chart--first { color: $text-primary; }
        .chart--second { color: $text-warning; }
        .chart--third { color: $text-accent; }
        .chart--raw { color: $foreground-disabled; }
        .chart--axis { color: $foreground-muted; }
        .chart--cursor { color: $foreground-muted; }
    }
    """
    COMPONENT_CLASSES: ClassVar[set[str]] = {*_PARTS, _DIM, _AXIS, _CURSOR}
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "move(-1)", "Value before", show=False),
        Binding("right", "move(1)", "Next value", show=False),
        Binding("home", "move(-1000000)", "First value", show=False),
        Binding("end", "move(1000000)", "Last value", show=False),
    ]

    log_y: reactive[bool] = reactive(False, init=False)
    smoothing: reactive[Smooth] = reactive(Smooth.NOT, init=False)
    marks: reactive[Marks] = reactive(Marks.BRAILLE, init=False)
    cursor: reactive[int | None] = reactive(None, init=False)
    """Index among the values of x; None shows no cursor."""

    def __init__(
        self,
        title: str,
        meaning: str,
        *,
        term: str = "",
        rates: bool = False,
        x_name: str = "step",
        empty: str = "after the first step",
        id: str | None = None,
    ) -> None:
        """`term`: what the tooltip explains, from tui/help/numbers.md. `rates`: values are shares, 0 to 1, on a fixed axis."""
        super().__init__(id=id)
        self._title = title
        self._meaning = meaning
        if term:
            self.tooltip = Content(help_meaning(term))
        self._span: Point | None = (0.0, 1.0) if rates else None
        self._format: Callable[[float], str] = percent if rates else plain
        self._change: Callable[[float], str] = percent_change if rates else plain_change
        self._x_name = x_name
        self._empty = empty
        self._lines: tuple[Line, ...] = ()
        self._frame = raster.frame([], self._span)
        self._version = 0
        self._smoothed: tuple[Line, ...] = ()
        self._rows: list[Strip] = []
        self._drawn: object = None
        self._entitle()

    def show(self, lines: Sequence[Line], title: str | None = None, meaning: str | None = None) -> None:
        """Draw these instead."""
        shown = tuple(lines)
        if (shown, title or self._title, meaning or self._meaning) == (self._lines, self._title, self._meaning):
            return
        self._lines = shown
        self._title, self._meaning = title or self._title, meaning or self._meaning
        self._changed()

    @property
    def lines(self) -> tuple[Line, ...]:
        """What is drawn, as it was given."""
        return self._lines

    def _changed(self) -> None:
        self._version += 1
        self._frame = raster.frame([line.points for line in self._lines], self._span, self.log_y)
        weight = self.smoothing.value
        self._smoothed = tuple(
            Line(line.name, tuple(raster.smooth(line.points, weight)) if weight else line.points)
            for line in self._lines
        )
        self._entitle()
        self.refresh()

    watch_log_y = watch_smoothing = watch_marks = watch_cursor = _changed

    # Title and subtitle

    def _entitle(self) -> None:
        several = len(self._lines) > 1
        parts = [self._title + (" (log)" if self.log_y else "")]
        for number, line in enumerate(self._lines, 1):
            known = [y for _, y in line.points if math.isfinite(y)]
            if known:
                change = f" {self._change(known[-1] - known[0])}" if len(known) > 1 else ""
                parts.append(f"{f'{number}:' if several else ''}{self._format(known[-1])}{change}")
        self.border_title = Content(sanitize("  ".join(parts)))
        self.border_subtitle = Content(sanitize(self._under_cursor() or self._meaning))

    def _under_cursor(self) -> str:
        """The values at the cursor, in words; empty without one."""
        places = self._places()
        if self.cursor is None or not places:
            return ""
        x = places[min(self.cursor, len(places) - 1)]
        several = len(self._lines) > 1  # then their numbers, as in the title: names would not fit
        names = (str(i) if several else line.name for i, line in enumerate(self._lines, 1))
        values = ((name, dict(line.points).get(x, math.nan)) for name, line in zip(names, self._lines, strict=True))
        said = (f"{name} {self._format(y) if math.isfinite(y) else 'unknown'}" for name, y in values)
        return f"{self._x_name} {x:g}: " + ", ".join(said)

    def _places(self) -> list[float]:
        """Every x that has a value."""
        return sorted({x for line in self._lines for x, _ in line.points})

    # The cursor

    def action_move(self, by: int) -> None:
        """Go to another value; the first press shows the last one."""
        last = len(self._places()) - 1
        if last >= 0:
            self.cursor = last if self.cursor is None and by > 0 else min(max((self.cursor or 0) + by, 0), last)

    def on_mouse_move(self, event: events.MouseMove) -> None:
        places = self._places()
        inside = event.get_content_offset(self)
        gutter, width = self._columns(self.content_size.width, self._frame)
        if inside is None or not places or not gutter <= inside.x < gutter + width:
            return
        x = places[0] + (places[-1] - places[0]) * (inside.x - gutter) / max(1, width - 1)
        self.cursor = min(range(len(places)), key=lambda i: abs(places[i] - x))

    def on_leave(self) -> None:
        self.cursor = None

    def on_blur(self) -> None:
        self.cursor = None

    # Drawing

    def render_line(self, y: int) -> Strip:
        size = self.content_size
        key = (size, self.app.theme, self.app.ansi_color, self.has_focus, self._version)
        if key != self._drawn:
            self._rows = self._render_rows(size.width, size.height)
            self._drawn = key
        return self._rows[y] if y < len(self._rows) else Strip.blank(size.width, self.rich_style)

    def _columns(self, width: int, frame: Frame) -> tuple[int, int]:
        """Width of the gutter with the axis's labels, and of what is left for the lines."""
        gutter = max(len(label) for label in self._labels(frame)) + 1
        return gutter, max(1, width - gutter - (2 if len(self._lines) > 1 else 0))

    def _labels(self, frame: Frame) -> tuple[str, str]:
        return self._format(frame.high), self._format(frame.low)

    def _render_rows(self, width: int, height: int) -> list[Strip]:
        base = self.rich_style
        if not any(math.isfinite(y) for line in self._lines for _, y in line.points):
            blank = [Strip([Segment(" " * width, base)]) for _ in range(height)]
            text = self._empty[:width].center(width)
            blank[height // 2 : height // 2 + 1] = [Strip([Segment(text, base + self._style(_AXIS))])]
            return blank
        frame = self._frame
        gutter, across = self._columns(width, frame)
        grid = self._grid(frame, across, height)
        ends = self._ends(frame, height)
        high, low = self._labels(frame)
        rows = []
        for y in range(height):
            label = high if y == 0 else low if y == height - 1 else ""
            segments = [Segment(f"{label:>{gutter - 1}} ", base + self._style(_AXIS))]
            segments += [Segment(character, base + style) for character, style in grid[y]]
            if len(self._lines) > 1:
                number = ends.get(y)
                style = self._style(_PARTS[number]) if number is not None else Style.null()
                segments.append(Segment(f" {'' if number is None else number + 1:<1}", base + style))
            rows.append(Strip(segments, width).simplify())
        return rows

    def _grid(self, frame: Frame, across: int, down: int) -> list[list[tuple[str, Style]]]:
        """Characters and styles of the part that holds the lines."""
        dots = (across * self.marks.dots[0], down * self.marks.dots[1])
        layers = [raster.joined(line.points, frame, dots) for line in self._smoothed]
        styles = [self._style(part) for part in _PARTS[: len(layers)]]
        letters = "*+o"[: len(layers)]
        if self.smoothing is not Smooth.NOT:
            layers += [raster.scattered(line.points, frame, dots) for line in self._lines]
            styles += [self._style(_DIM)] * len(self._lines)
            letters += "." * len(self._lines)
        grid = [[(" ", Style.null())] * across for _ in range(down)]
        self._draw_cursor(grid, frame, dots)
        for (x, y), (character, layer) in raster.cells(layers, self.marks, letters).items():
            grid[y][x] = (character, styles[layer])
        return grid

    def _draw_cursor(self, grid: list[list[tuple[str, Style]]], frame: Frame, dots: raster.Dot) -> None:
        places = self._places()
        if self.cursor is None or not places:
            return
        here = next(frame.dots([(places[min(self.cursor, len(places) - 1)], frame.high)], dots), None)
        if here is not None:
            mark = "|" if self.marks is Marks.ASCII else "│"
            for row in grid:
                row[here[0] // self.marks.dots[0]] = (mark, self._style(_CURSOR))

    def _ends(self, frame: Frame, down: int) -> dict[int, int]:
        """The row in which each line ends, for its number; where two meet, the later one moves aside."""
        taken: dict[int, int] = {}
        for number, line in enumerate(self._smoothed):
            known = [point for point in line.points if math.isfinite(point[1])]
            last = next(frame.dots(known[-1:], (1, down)), None)
            if last is not None:
                free = sorted((row for row in range(down) if row not in taken), key=lambda row: abs(row - last[1]))
                taken |= {free[0]: number} if free else {}
        return taken

    def _style(self, part: str) -> Style:
        return self.get_component_rich_style(part, partial=True)
