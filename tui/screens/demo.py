"""See it work: `rrr demo` as it runs, then what came of it, with the figures it measured and nothing else."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Footer, Static
from textual.worker import Worker

from rrr_local.actions import Place
from rrr_local.engine.jobs import Result, Step
from rrr_local.errors import RrrError
from rrr_local.models.find import EMBEDDED
from rrr_local.text import sanitize
from tui.typed import app_of
from tui.widgets.chart import Chart, Line

if TYPE_CHECKING:
    from tui.app import RrrApp

STAGES = {
    "before": "measure it on problems it never saw",
    "collect": "let it fail, and keep the failures",
    "train": "reflect, retry, reward what helped",
    "after": "measure it again on the same problems",
}
BAR = 20


class DemoScreen(ModalScreen[None]):
    """Four stages with their progress, the reward as it rises, and the page of results."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter,c", "chat", "Chat with it"),
        Binding("r", "run", "See the run"),
        Binding("escape", "leave", "Leave"),
    ]
    DEFAULT_CSS = """
    DemoScreen {
        #story { height: 1fr; padding: 1 2; }
        Chart { height: 10; }
        .title { text-style: bold; margin-bottom: 1; }
    }
    """

    def __init__(self, arguments: Sequence[str] = ("demo",)) -> None:
        """`arguments`: the command; a test gives fewer problems and steps."""
        super().__init__()
        self._arguments = tuple(arguments)
        self._steps: dict[str, Step] = {}
        self._rewards: list[tuple[float, float]] = []
        self._job: Worker[None] | None = None
        self._started = time.monotonic()
        self._problem: RrrError | None = None
        self._stages, self._result = Static(markup=False), Static(markup=False)
        self._chart = Chart("Reward of reflections", "share of retries that passed: it should rise", rates=True)
        self.document: Mapping[str, Any] | None = None
        """What the demo found; None until it is over."""

    def compose(self) -> ComposeResult:
        with VerticalScroll(id="story"):
            yield Static("See it work: the embedded model, its own failures, this machine", classes="title")
            yield self._stages
            yield self._result
            yield self._chart
        yield Footer(show_command_palette=False, compact=True)

    def on_mount(self) -> None:
        self._job = self.run_worker(self._run(), group="demo", exclusive=True)
        self._show()
        self.set_interval(1.0, self._show)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return self.document is not None if action in ("chat", "run") else True

    @property
    def rrr(self) -> RrrApp:
        """The app, with its own type."""
        return app_of(self)

    # --- actions

    async def action_chat(self) -> None:
        """Load what was learned into the chat."""
        if self.document is None:
            return
        run = str(self.document["run"])
        self.rrr.set_setting("chat.adapter", run)
        self.rrr.run_worker(self._load(run), group="load", exclusive=True)
        self.rrr.go(Place.CHAT)

    async def _load(self, run: str) -> None:
        if await self.rrr.load(EMBEDDED, run):
            self.rrr.say(f"the chat now answers with {run}; try /task countdown, or /ab to compare with before")

    async def action_run(self) -> None:
        """Show the run."""
        if self.document is not None:
            self.rrr.call_later(self.rrr.open_run, str(self.document["run"]))

    def action_leave(self) -> None:
        """Stop the demo if it runs; what was logged stays."""
        if self._job is not None:
            self._job.cancel()
        self.dismiss()

    # --- the job

    async def _run(self) -> None:
        try:
            async for event in self.rrr.services.jobs.run(self._arguments):
                self._take(event)
        except RrrError as error:
            self._problem = error
        self.refresh_bindings()
        self._show()

    def _take(self, event: Step | Result) -> None:
        if isinstance(event, Result):
            self.document = event.document
            return
        self._steps[event.stage] = event
        reward = event.data.get("reward")
        if isinstance(reward, int | float) and event.stage == "train":
            self._rewards.append((float(event.done), float(reward)))

    # --- what is shown

    def _show(self) -> None:
        over = self.document is not None
        self._stages.display = not over
        self._stages.update(Content("\n".join(self._stage_lines())))
        self._chart.display = bool(self._rewards) and self._problem is None
        self._chart.show([Line("reward", tuple(self._rewards))])
        self._result.display = over or self._problem is not None
        self._result.update(Content(self._result_text()))

    def _stage_lines(self) -> list[str]:
        symbols = self.rrr.symbols
        over = self.document is not None
        names = list(STAGES)
        latest = max((names.index(stage) for stage in self._steps if stage in STAGES), default=-1)
        lines = []
        for number, (name, what) in enumerate(STAGES.items()):
            step = self._steps.get(name)
            done = over or number < latest
            mark = symbols.passed if done else symbols.running if step is not None else " "
            lines.append(f"{mark.ljust(len(symbols.passed))} {what.ljust(38)} {_bar(step, done)}")
        if not over and self._problem is None:
            elapsed = time.monotonic() - self._started
            clock = f"{elapsed // 60:.0f}:{elapsed % 60:02.0f}"
            lines += ["", f"{clock} so far; about 4 minutes in all on 2 cores. esc stops it."]
        return lines

    def _result_text(self) -> str:
        if self._problem is not None:
            cause, way_out = sanitize(self._problem.cause, 500), sanitize(self._problem.way_out, 500)
            return f"\n{self.rrr.symbols.failed} It stopped: {cause}\n  {way_out}"
        return "" if self.document is None else "\n".join(result_lines(self.document))


def result_lines(document: Mapping[str, Any]) -> list[str]:
    """The before and after of a `rrr.demo/1` document, in 76 columns."""
    gain, best = document["gain"], document["best"]
    return [
        f"{'at temperature 1'.ljust(16)}  before    after   change in points (95 % interval)",
        *_pair(document["before"], document["after"], gain),
        "",
        "each at its own best temperature",
        *_pair(best["before"], best["after"], best["gain"]),
        "",
        f"on {document['n']} problems it never saw; {sanitize(str(document['run']), 40)}, {document['steps']} steps",
        "",
    ]


def _pair(before: Mapping[str, float], after: Mapping[str, float], gain: Mapping[str, Any]) -> list[str]:
    """First try and after a retry, and how many problems changed."""
    change = gain["second_try"]
    return [
        _line("first try", before["first_try"], after["first_try"], gain["first_try"]),
        _line("after a retry", before["second_try"], after["second_try"], change),
        f"{''.ljust(16)}  {change['fixed']:.0f} fixed, {change['broken']:.0f} newly broken",
    ]


def _line(name: str, before: float, after: float, change: Mapping[str, float]) -> str:
    interval = f"{100 * change['diff']:+5.1f} ({100 * change['low']:+.0f} to {100 * change['high']:+.0f})"
    return f"{name.ljust(16)} {before:7.1%}  {after:7.1%}   {interval.ljust(19)} {_word(change)}"


def _word(change: Mapping[str, float]) -> str:
    """What may be claimed of a difference with this interval."""
    if change["low"] > 0:
        return "clear gain"
    return "worse" if change["high"] < 0 else "not clear"


def _bar(step: Step | None, done: bool) -> str:
    """Twenty cells and what they stand for."""
    if step is None:
        return "done" if done else ""
    share = 1.0 if done else step.done / step.total if step.total else 0.0
    filled = int(BAR * min(max(share, 0.0), 1.0))
    return f"{'━' * filled}{'·' * (BAR - filled)} {100 * share:.0f} %"
