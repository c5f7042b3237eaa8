"""A run against the model it began with: the difference, the curves (of all marked runs over each other), and the same problems."""

from __future__ import annotations

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical

from rrr_local.evaluation.gains import RunGain
from rrr_local.store import queries
from rrr_local.store.evaluations import run_evals
from rrr_local.store.queries import Run
from rrr_local.store.sqlite import Connection
from rrr_local.text import sanitize
from tui.symbols import Symbols
from tui.widgets import curves, gain_words
from tui.widgets.chart import Chart, Line
from tui.widgets.problems import Problems
from tui.widgets.raster import Marks
from tui.widgets.status import Number


class Comparison(Vertical):
    """Shows what `show` was given."""

    DEFAULT_CSS = """
    Comparison {
        #gains { height: auto; max-height: 3; padding: 0 1; }
        #curves { height: 7; }
        Chart { width: 1fr; height: 100%; }
    }
    """

    def compose(self) -> ComposeResult:
        yield Number("clear gain", id="gains")
        with Horizontal(id="curves"):
            yield Chart("Held-out after retry", "", term="after retry", rates=True, id="success", empty="not measured")
            yield Chart("Reflection reward", "", term="reward", rates=True, id="reward", empty="no step was made")
        yield Problems()

    def show(
        self,
        connection: Connection,
        run: Run,
        marked: Sequence[Run],
        gains: Sequence[RunGain],
        symbols: Symbols,
        marks: Marks,
    ) -> None:
        """Compare `run` before and after, and draw the curves of the marked runs, or its own where none is marked."""
        held_out = next(iter(gains), None)
        title = f"base and {sanitize(run.summary.name, 40)}"
        self.query_one("#gains", Number).update(gain_words.gain_lines(title, held_out, symbols))
        runs = list(marked) or [run]
        names = "  ".join(f"{i} {sanitize(each.summary.name, 20)}" for i, each in enumerate(runs, 1))
        success = [_named(curves.success(run_evals(connection, each.summary.id)).lines[1], each) for each in runs]
        reward = [_named(curves.reward(queries.steps(connection, each.summary.id)).lines[0], each) for each in runs]
        for chart in self.query(Chart):
            chart.marks = marks
        self.query_one("#success", Chart).show(success, meaning=names if len(runs) > 1 else "higher is better")
        self.query_one("#reward", Chart).show(reward, meaning=names if len(runs) > 1 else "target: rising")
        self.query_one(Problems).show(connection, gains, symbols)


def _named(line: Line, run: Run) -> Line:
    return Line(run.summary.name, line.points)
