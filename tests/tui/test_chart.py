"""Charts: every value has its dot, lines touch nothing but what lies between their points, and values can be read off."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.app import App, ComposeResult
from textual.geometry import Offset

from tests.tui.support import text_of
from tui.widgets import raster
from tui.widgets.chart import Chart, Line, Smooth
from tui.widgets.raster import Frame, Marks, Point

SIZE = (24, 8)
VALUES = st.floats(-1e9, 1e9) | st.sampled_from([math.nan, math.inf, -math.inf, 0.0, 1e-310, 5e-324, 1e308, -1e308])
LINES = st.lists(VALUES, min_size=1, max_size=60).map(lambda ys: [(float(x), y) for x, y in enumerate(ys)])


def nearest(point: Point, frame: Frame, size: raster.Dot) -> tuple[float, float]:
    """Where a point lies on the grid, not rounded: the naive formula."""
    across = 0.5 if frame.right == frame.left else (point[0] - frame.left) / (frame.right - frame.left)
    up = (point[1] - frame.low) / (frame.high - frame.low)
    return across * (size[0] - 1), (1 - up) * (size[1] - 1)


def distance(dot: raster.Dot, start: tuple[float, float], end: tuple[float, float]) -> float:
    """From a dot to the nearest place of a straight line between two places."""
    (x0, y0), (x1, y1) = start, end
    length = (x1 - x0) ** 2 + (y1 - y0) ** 2
    along = 0.0 if length == 0 else min(1.0, max(0.0, ((dot[0] - x0) * (x1 - x0) + (dot[1] - y0) * (y1 - y0)) / length))
    return math.dist(dot, (x0 + along * (x1 - x0), y0 + along * (y1 - y0)))


@given(st.lists(st.floats(-1e6, 1e6) | st.just(math.nan), min_size=1, max_size=60))
def test_every_value_has_its_dot_and_every_dot_is_on_a_line(ys: list[float]) -> None:
    line = [(float(x), y) for x, y in enumerate(ys)]
    frame = raster.frame([line])
    dots = raster.joined(line, frame, SIZE)
    places = [nearest(point, frame, SIZE) if math.isfinite(point[1]) else None for point in line]
    for place in places:
        assert place is None or any(math.dist(place, dot) <= 0.75 for dot in dots)
    pieces = [pair for pair in zip(places, [*places[1:], None], strict=True) if pair[0] is not None]
    for dot in dots:  # half a dot from rounding the ends, half a dot from rounding between them
        assert any(a is not None and distance(dot, a, a if b is None else b) <= 1.25 for a, b in pieces)


@given(LINES, st.booleans())
def test_whatever_the_values_nothing_is_drawn_outside(line: list[Point], log: bool) -> None:
    frame = raster.frame([line], log=log)
    for dots in (raster.joined(line, frame, SIZE), raster.scattered(line, frame, SIZE)):
        assert all(0 <= x < SIZE[0] and 0 <= y < SIZE[1] for x, y in dots)


def test_a_gap_is_not_bridged() -> None:
    line = [(0.0, 0.5), (1.0, math.nan), (2.0, 0.5)]
    dots = raster.joined(line, raster.frame([line], (0, 1)), (21, 4))
    assert {x for x, _ in dots} == {0, 20}


def test_values_that_are_not_finite_do_not_stretch_the_frame() -> None:
    line = [(0.0, 1.0), (1.0, math.inf), (2.0, 3.0), (3.0, math.nan)]
    assert raster.frame([line]) == Frame(0, 2, 1, 3)


def test_a_rate_keeps_its_axis_and_a_value_outside_falls_on_the_edge() -> None:
    line = [(0.0, 0.5), (1.0, 1.5), (2.0, -1.0)]
    frame = raster.frame([line], (0.0, 1.0))
    assert (frame.low, frame.high) == (0.0, 1.0)
    assert list(frame.dots(line, (3, 5))) == [(0, 2), (1, 0), (2, 4)]


def test_on_a_logarithmic_axis_tenfold_steps_are_equal_and_zero_is_a_gap() -> None:
    line = [(0.0, 1.0), (1.0, 10.0), (2.0, 100.0), (3.0, 0.0)]
    frame = raster.frame([line], log=True)
    assert list(frame.dots(line, (4, 5)))[:3] == [(0, 4), (2, 2), (3, 0)]
    assert list(frame.dots(line, (4, 5)))[3] is None


@given(st.lists(st.integers(0, 10), min_size=200, max_size=400))
def test_many_points_in_one_column_keep_its_extremes(ys: list[int]) -> None:
    line = [(float(x), float(y)) for x, y in enumerate(ys)]
    frame, size = raster.frame([line], (0, 10)), (10, 11)
    dots = raster.joined(line, frame, size)
    for column in range(size[0]):
        inside = [dot for dot in frame.dots(line, size) if dot is not None and dot[0] == column]
        assert {min(inside), max(inside)} <= dots


def test_smoothing_has_no_pull_to_zero_and_keeps_gaps() -> None:
    smoothed = raster.smooth([(0.0, 2.0), (1.0, math.nan), (2.0, 2.0), (3.0, 4.0)], 0.5)
    assert [y for _, y in smoothed[:1]] == [2.0]
    assert math.isnan(smoothed[1][1])
    assert smoothed[2][1] == pytest.approx(2.0)
    assert smoothed[3][1] == pytest.approx((0.125 * 2 + 0.25 * 2 + 0.5 * 4) / 0.875)


@pytest.mark.parametrize(
    ("marks", "dots", "character"),
    [
        (Marks.BRAILLE, {(0, 0), (1, 3)}, "⢁"),
        (Marks.BLOCK, {(0, 0), (1, 1)}, "▚"),
        (Marks.BLOCK, {(0, 0), (0, 1), (1, 0), (1, 1)}, "█"),
        (Marks.ASCII, {(0, 0)}, "*"),
    ],
)
def test_dots_make_the_character_that_shows_them(marks: Marks, dots: set[raster.Dot], character: str) -> None:
    assert raster.cells([dots], marks) == {(0, 0): (character, 0)}


def test_a_cell_of_two_lines_belongs_to_the_first() -> None:
    assert raster.cells([{(0, 0)}, {(0, 0), (2, 0)}], Marks.BRAILLE) == {(0, 0): ("⠁", 0), (1, 0): ("⠁", 1)}


def test_a_sparkline_is_in_proportion_and_marks_days_without_anything() -> None:
    assert raster.sparkline([0, 1, 4, 8]) == ".▁▄█"
    assert raster.sparkline([0, 1, 4, 8], ascii_=True) == "..=@"
    assert raster.sparkline([]) == ""


class Page(App[None]):
    def compose(self) -> ComposeResult:
        yield Chart("Held-out", "higher is better", rates=True)


def shown(lines: Sequence[Line], *keys: str, **settings: object) -> str:
    """The screen with a chart, after some keys."""

    async def run() -> str:
        async with Page().run_test(size=(44, 9)) as pilot:
            chart = pilot.app.query_one(Chart)
            for name, value in settings.items():
                setattr(chart, name, value)
            chart.show(lines)
            chart.focus()
            await pilot.press(*keys)
            await pilot.pause()
            return text_of(pilot.app)

    return asyncio.run(run())


TWO = [
    Line("first try", ((0.0, 0.25), (10.0, 0.5))),
    Line("after retry", ((0.0, 0.5), (10.0, 0.75))),
]


def test_title_and_right_end_say_which_line_is_which() -> None:
    lines = shown(TWO).splitlines()
    assert "Held-out  1:50 % +25  2:75 % +25" in lines[0]
    ends = [line.rstrip("│ ")[-1] for line in lines[1:-1]]
    assert [end for end in ends if end in "12"] == ["2", "1"]
    assert "higher is better" in lines[-1]


def test_the_arrows_read_values_off() -> None:
    assert "step 10: 1 50 %, 2 75 %" in shown(TWO, "right")
    assert "step 0: 1 25 %, 2 50 %" in shown(TWO, "right", "left", "left")


def test_a_gap_under_the_cursor_is_unknown() -> None:
    assert "step 1: rate unknown" in shown([Line("rate", ((0.0, 0.5), (1.0, math.nan)))], "right")


def test_hovering_reads_the_nearest_value_off_and_leaving_ends_that() -> None:
    async def run() -> tuple[str, str]:
        async with Page().run_test(size=(60, 9)) as pilot:
            chart = pilot.app.query_one(Chart)
            chart.show(TWO)
            await pilot.pause()
            await pilot.hover(Chart, offset=Offset(55, 4))
            await pilot.pause()
            over = text_of(pilot.app)
            chart.on_leave()
            await pilot.pause()
            return over, text_of(pilot.app)

    over, left = asyncio.run(run())
    assert "step 10: 1 50 %" in over
    assert "higher is better" in left


def test_in_ascii_nothing_else_is_drawn_inside() -> None:
    inside = [line[1:-1] for line in shown(TWO, marks=Marks.ASCII, smoothing=Smooth.MORE).splitlines()[1:-1]]
    assert all(line.isascii() for line in inside)
    assert any("*" in line for line in inside) and any("+" in line for line in inside)


def test_smoothed_lines_leave_their_values_as_dots() -> None:
    ups = [Line("reward", tuple((float(x), float(x % 2)) for x in range(30)))]
    text = shown(ups, marks=Marks.ASCII, smoothing=Smooth.MORE)
    assert "." in text.splitlines()[1] and "*" not in text.splitlines()[1]


def test_without_a_value_the_chart_says_so() -> None:
    assert "after the first step" in shown([Line("reward", ((1.0, math.nan),))])


def test_a_hostile_name_reaches_no_title_as_markup() -> None:
    text = shown([Line("[/b]\x1b[31m[@click=app.quit]", ((0.0, 0.5),))], "right")
    assert "\x1b" not in text and "[/b]␛[31m" in text
