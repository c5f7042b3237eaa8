"""A run as it is watched: headline, progress, four charts, samples, and one line of advice."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Grid, Vertical
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from rrr_local.training.advice import advice
from tui.following import Following
from tui.symbols import Symbols
from tui.widgets import curves, run_words
from tui.widgets.chart import Chart, Smooth
from tui.widgets.raster import Marks
from tui.widgets.samples import Samples
from tui.widgets.status import Number


class Bar(Widget):
    """How much is done, over the whole width."""

    def __init__(self, id: str) -> None:
        super().__init__(id=id)
        self._share: tuple[float, Symbols] | None = None

    def show(self, share: float, symbols: Symbols) -> None:
        """0 to 1."""
        self._share = (share, symbols)
        self.refresh()

    def render(self) -> Content:
        if self._share is None:
            return Content("")
        return run_words.bar(self._share[0], self.content_size.width, self._share[1])


class RunView(Vertical):
    """Shows what `show` was given."""

    DEFAULT_CSS = """
    RunView {
        height: 1fr;
        #headline, #progress, #bar { height: 1; padding: 0 1; text-wrap: nowrap; text-overflow: ellipsis; }
        Grid { grid-size: 2 2; height: 2fr; min-height: 8; }
        #advice { height: auto; max-height: 2; padding: 0 1; }
    }
    """

    def compose(self) -> ComposeResult:
        yield Static(id="headline", markup=False)
        yield Number("time left", id="progress")
        yield Bar(id="bar")
        with Grid():
            yield Chart("Held-out", "", term="held-out", rates=True, id="success", empty="not measured in this run yet")
            yield Chart("Reflection reward", "", term="reward", rates=True, id="reward")
            yield Chart("Groups with signal", "", term="groups with signal", rates=True, id="signal")
            yield Chart("KL to base", "", term="KL to base", id="drift")
        yield Samples(id="samples")
        yield Static(id="advice", markup=False)

    def show(self, followed: Following, symbols: Symbols) -> None:
        """Show a run as it is now."""
        self._say("#headline", run_words.headline(followed, symbols))
        self._say("#progress", run_words.progress_words(followed, symbols))
        self.query_one(Bar).show(run_words.share_done(followed.run), symbols)
        for name, curve in (
            ("success", curves.success(followed.evals)),
            ("reward", curves.reward(followed.steps)),
            ("signal", curves.signal(followed.steps)),
            ("drift", curves.drift(followed.steps)),
        ):
            self.query_one(f"#{name}", Chart).show(curve.lines, curve.title, curve.meaning)
        self.query_one(Samples).show(followed.samples, symbols)
        advice = self._advice(followed, symbols)
        self._say("#advice", advice)
        self.query_one("#advice").display = bool(advice.plain)

    def configure(self, marks: Marks) -> None:
        """Draw with other marks."""
        for chart in self.query(Chart):
            chart.marks = marks

    def smooth_next(self) -> Smooth:
        """The next degree of smoothing, for all charts."""
        chosen = self.query(Chart).first(Chart).smoothing.next
        for chart in self.query(Chart):
            chart.smoothing = chosen
        return chosen

    def chosen_chart(self) -> Chart:
        """The chart with the focus, else the one of the reward."""
        return next((chart for chart in self.query(Chart) if chart.has_focus), self.query_one("#reward", Chart))

    @staticmethod
    def _advice(followed: Following, symbols: Symbols) -> Content:
        if not followed.is_live:
            return run_words.what_next(followed, symbols)
        said = advice(followed.steps, followed.run)
        if said is None:
            return Content("")
        return Content.assemble(
            (f"{symbols.broken} {said.text}: {said.action}  ", "$text-warning"), ("[f] do it", "bold")
        )

    def _say(self, selector: str, content: Content) -> None:
        self.query_one(selector, Static).update(content)
