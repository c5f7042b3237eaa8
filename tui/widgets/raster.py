"""Lines as characters: data are scaled to a grid of dots, joined by straight lines, and packed into cells.

A cell of the terminal holds 2 x 4 dots in braille, 2 x 2 in quarter blocks, and 1 in ASCII. A value that is not finite is
a gap: nothing is drawn to or from it. Of many points that share a column of dots only the first, the lowest, the highest
and the last matter to a joined line, so a frame costs what its columns cost, not what its points do.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from rrr_local.config import Settings

Point = tuple[float, float]
"""x and y; y is NaN where there is no value."""
Dot = tuple[int, int]
"""Column from the left and row from the top, in dots."""


class Marks(StrEnum):
    """What a chart is drawn with; the values are those of the setting `ui.chart`."""

    BRAILLE = "braille"
    BLOCK = "block"
    """Quarter blocks: in fonts that lack braille, and calmer for a braille display."""
    ASCII = "ascii"

    @property
    def dots(self) -> Dot:
        """Dots of a cell: across, down."""
        return _DOTS[self]


_DOTS = {Marks.BRAILLE: (2, 4), Marks.BLOCK: (2, 2), Marks.ASCII: (1, 1)}
_BRAILLE = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))
"""The bit of each dot of U+2800 and up, by column and row."""
_QUARTERS = " ▘▖▌▝▀▞▛▗▚▄▙▐▜▟█"
"""By bits: 1 upper left, 2 lower left, 4 upper right, 8 lower right."""
_BITS: dict[Marks, dict[Dot, int]] = {
    Marks.BRAILLE: {(x, y): _BRAILLE[x][y] for x in range(2) for y in range(4)},
    Marks.BLOCK: {(x, y): 1 << (2 * x + y) for x in range(2) for y in range(2)},
    Marks.ASCII: {(0, 0): 1},
}
"""The bit of each dot of a cell."""


def chosen_marks(settings: Settings) -> Marks:
    """What the settings say to draw with."""
    return Marks.ASCII if settings.get("ui.ascii") else Marks(settings.get("ui.chart"))


TINY = 1e-300
"""Differences below this cannot be divided by."""


@dataclass(frozen=True, slots=True)
class Frame:
    """Which part of the plane is drawn."""

    left: float
    right: float
    low: float
    high: float
    log: bool = False
    """The y axis is logarithmic: values that are not positive are gaps."""

    def dots(self, line: Iterable[Point], size: Dot) -> Iterator[Dot | None]:
        """Where points fall on a grid of `size` dots; None for a gap. Values outside fall on the edge."""
        low, high = self.bounds
        right, bottom, isfinite = size[0] - 1, size[1] - 1, math.isfinite
        (across, left), (up, ground) = _scale(self.left, self.right, size[0]), _scale(low, high, size[1])
        for x, y in line:
            if self.log:
                y = math.log10(y) if y > 0 else math.nan
            if isfinite(y):
                column, row = int(across * x + left), bottom - int(max(0.0, up * y + ground))
                yield (0 if column < 0 else right if column > right else column, 0 if row < 0 else row)
            else:
                yield None

    @property
    def bounds(self) -> Point:
        """Low and high as they are drawn: their logarithms on a logarithmic axis."""
        return (math.log10(self.low), math.log10(self.high)) if self.log else (self.low, self.high)


def frame(lines: Iterable[Sequence[Point]], span: Point | None = None, log: bool = False) -> Frame:
    """The smallest frame that holds all finite values, or the fixed `span` of y. Not finite ones do not count."""
    points = [point for line in lines for point in line if math.isfinite(point[1]) and (point[1] > 0 or not log)]
    if not points:
        return Frame(0.0, 1.0, *(span or (0.0, 1.0)))
    left, right = min(x for x, _ in points), max(x for x, _ in points)
    low, high = (min(y for _, y in points), max(y for _, y in points)) if span is None or log else span
    size = max(abs(low), abs(high))
    if high - low <= max(1e-12 * size, TINY):  # a constant line goes through the middle
        room = size / 2 if size > TINY else 0.5
        low, high = (low / 2 or low, high * 2) if log else (low - room, high + room)
    return Frame(left, right, low, high, log)


def smooth(line: Sequence[Point], weight: float = 0.8) -> list[Point]:
    """Exponential moving average over the finite values, without the pull to 0 of its start (Adam's correction)."""
    average, known, smoothed = 0.0, 1.0, []
    for x, y in line:
        if math.isfinite(y):
            average, known = weight * average + (1 - weight) * y, known * weight
            smoothed.append((x, average / (1 - known)))
        else:
            smoothed.append((x, math.nan))
    return smoothed


def joined(line: Sequence[Point], frame: Frame, size: Dot) -> set[Dot]:
    """The dots of a line through the points in order, interrupted at gaps."""
    dots: set[Dot] = set()
    before: Dot | None = None
    for here in _thinned(frame.dots(line, size)):
        if here is not None:
            dots.update([here] if before is None else _segment(before, here))
        before = here
    return dots


def scattered(line: Sequence[Point], frame: Frame, size: Dot) -> set[Dot]:
    """The dots of the points alone."""
    return {dot for dot in frame.dots(line, size) if dot is not None}


def cells(layers: Sequence[set[Dot]], marks: Marks, letters: str = "*+o") -> dict[Dot, tuple[str, int]]:
    """The character of each cell that is not empty, and the first layer that has a dot in it.

    `letters` are what layers look like in ASCII, where dots cannot tell them apart.
    """
    found: dict[Dot, tuple[int, int]] = {}
    across, down = marks.dots
    bits = _BITS[marks]
    for number, dots in enumerate(layers):
        for x, y in dots:
            cell = x // across, y // down
            sum_, owner = found.get(cell, (0, number))
            found[cell] = sum_ | bits[x % across, y % down], owner
    return {
        cell: (_character(sum_, letters[owner % len(letters)], marks), owner) for cell, (sum_, owner) in found.items()
    }


def sparkline(values: Sequence[float], ascii_: bool = False) -> str:
    """One character for each value, its height in proportion to the largest; 0 is a dot on the floor."""
    levels = " .:-=+*#@" if ascii_ else " ▁▂▃▄▅▆▇█"
    top = max(values, default=0)
    return "".join("." if not value else levels[max(1, round(8 * value / top))] for value in values)


def _scale(low: float, high: float, dots: int) -> Point:
    """Factor and offset that take a value to its place among `dots`, to be cut to an integer: the nearest of them."""
    factor = 0.0 if low == high else (dots - 1) / (high - low)
    return factor, (dots - 1) / 2 + 0.5 if low == high else 0.5 - low * factor


def _thinned(dots: Iterable[Dot | None]) -> Iterator[Dot | None]:
    """The dots of a line with at most four for a run of dots in one column: first, lowest, highest, last."""
    run: list[Dot] = []
    for dot in dots:
        if run and (dot is None or dot[0] != run[0][0]):
            yield from _extremes(run)
            run = []
        if dot is None:
            yield None
        else:
            run.append(dot)
    yield from _extremes(run)


def _extremes(run: Sequence[Dot]) -> Sequence[Dot]:
    return run if len(run) < 5 else (run[0], min(run), max(run), run[-1])


def _segment(start: Dot, end: Dot) -> list[Dot]:
    """The dots of a straight line: one for each step of its longer side."""
    (x, y), (x1, y1) = start, end
    steps = max(abs(x1 - x), abs(y1 - y))
    if steps == 0:
        return [start]
    # Halves are rounded up from both ends alike, so that a line is the same drawn backwards.
    across, down = x1 - x, y1 - y
    return [(x + _rounded(i * across, steps), y + _rounded(i * down, steps)) for i in range(steps + 1)]


def _rounded(numerator: int, denominator: int) -> int:
    """The nearest integer to a fraction; `round` costs more, and rounds halves to even."""
    return (2 * numerator + denominator) // (2 * denominator)


def _character(bits: int, letter: str, marks: Marks) -> str:
    match marks:
        case Marks.BRAILLE:
            return chr(0x2800 + bits)
        case Marks.BLOCK:
            return _QUARTERS[bits]
        case Marks.ASCII:
            return letter
