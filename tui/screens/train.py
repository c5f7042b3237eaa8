"""Train: the page before a run (what it would learn from, whether it fits), and the run while it goes on."""

from __future__ import annotations

from dataclasses import replace

from textual import work
from textual.app import ComposeResult
from textual.widgets import ContentSwitcher

from rrr_local.actions import Place
from rrr_local.engine.plan import Plan
from rrr_local.errors import ModelError
from rrr_local.models.find import EMBEDDED, find_model
from rrr_local.store.ready import failures_ready
from tui.screens.train_base import TICK_S
from tui.screens.train_live import LivePart
from tui.widgets.act import Act
from tui.widgets.before import Before, May
from tui.widgets.plan_form import PlanForm
from tui.widgets.raster import chosen_marks
from tui.widgets.run_view import RunView
from tui.widgets.status import KeyBar, TopBar

CHECK_AFTER_S = 1.0
"""The checks begin when the page has been shown this long: somebody who passes by starts nothing."""
QUICK_STEPS, LONG_STEPS = 10, 200


class TrainScreen(LivePart):
    """The whole page."""

    PLACE = Place.TRAIN
    CSS_PATH = "train.tcss"

    def compose(self) -> ComposeResult:
        yield TopBar()
        with ContentSwitcher(initial="before"):
            yield Before(self._plan(), self.rrr.symbols, id="before")
            yield RunView(id="run")
        yield KeyBar()

    def on_mount(self) -> None:
        self.rrr.runs_changed.subscribe(self, lambda _: self.tick())
        self.rrr.settings_changed.subscribe(self, lambda _: self._configure())
        self._configure()
        self.set_interval(TICK_S, self.tick)

    def on_screen_resume(self) -> None:
        with self._guard():
            self.go_on_after_trying()
            if self.followed is None and self.launch is None:
                self.follow_newest()
            self.before.show_plan(self.before.plan, self._failures_ready(self.before.plan))
        self.set_timer(CHECK_AFTER_S, self._check_by_itself)

    def on_screen_suspend(self) -> None:
        if self.before.is_busy:
            self.workers.cancel_group(self, "checks")

    def on_resize(self) -> None:
        self.call_after_refresh(self.draw)

    def _configure(self) -> None:
        self.before.symbols = self.rrr.symbols
        self.view.configure(chosen_marks(self.services.settings))
        if self.followed is None and self.launch is None:
            self.before.show_plan(self._plan())
        self.draw()

    def _plan(self) -> Plan:
        settings = self.services.settings
        model = settings.get("chat.model")
        return Plan(
            model=model,
            task="countdown",
            steps=settings.get("train.steps") or None,
            evaluate=settings.get("train.evaluate"),
            replay=settings.get("train.replay"),
            everyday=0 if model == EMBEDDED else settings.get("train.everyday"),
        )

    def _failures_ready(self, plan: Plan) -> int | None:
        try:
            folder = find_model(plan.model or "").folder
        except ModelError:
            return None  # the checks say so
        return failures_ready(self.services.store.reader(), plan.task or "", str(folder))

    # The checks

    def _check_by_itself(self) -> None:
        waits = self.is_current and self.followed is None and self.launch is None and self.rrr.training is None
        if waits and not (
            self.rrr.read_only or self.before.is_checked or self.before.is_busy or self.before.has_failed
        ):
            self.check()

    @work(exclusive=True, group="checks")
    async def check(self) -> None:
        """Run the checks of the plan in a process of their own; the page shows how far they are."""
        await self.before.check(self.services.jobs)
        with self._guard():
            if self.before.starts_after_checks and self.before.is_good:
                self.start(self.before.plan)
        self.draw()

    # Actions before a run

    def do_start(self, argument: str = "") -> None:
        """Before a run: start it. After one: see what it learned."""
        if self.followed is not None:
            self.call_later(self.rrr.open_run, self.followed.name)
        elif (may := self.before.may_start()) is May.YES:
            self.start(self.before.plan)
        elif may is May.AFTER_CHECKS and not self.before.is_busy:
            self.check()

    def do_quick(self, argument: str = "") -> None:
        """A short run."""
        self.before.show_plan(replace(self.before.plan, steps=QUICK_STEPS))
        self.do_start()

    def do_long(self, argument: str = "") -> None:
        """A long run."""
        self.before.show_plan(replace(self.before.plan, steps=LONG_STEPS))
        self.do_start()

    def do_advanced(self, argument: str = "") -> None:
        """Everything that may be chosen."""
        self.app.push_screen(PlanForm(self.before.plan), self._planned)

    def _planned(self, plan: Plan | None) -> None:
        if plan is None or plan == self.before.plan:
            return
        self.before.show_plan(plan, self._failures_ready(plan))
        if not self.before.is_checked:
            self.check()

    def do_probe(self, argument: str = "") -> None:
        """Check again."""
        self.check()

    def do_new(self, argument: str = "") -> None:
        """Leave the run that is shown, for the page before a run."""
        self.show_before()
        self.set_timer(CHECK_AFTER_S, self._check_by_itself)

    async def on_act_clicked(self, event: Act.Clicked) -> None:
        """A key in brackets was clicked."""
        if self.can(event.act.action):
            await self.perform(event.act.action, event.act.argument)

    def can(self, name: str) -> bool | None:
        shown = self.followed
        match name:
            case "start" if shown is not None:
                return not shown.is_live
            case "start" | "quick" | "long" | "advanced" | "probe":
                return shown is None and self.launch is None and not self.rrr.read_only
            case "pause" | "stop" | "try" | "fix":
                return shown is not None and not self.rrr.read_only and self.can_change(name, shown)
            case "zoom" | "log" | "log-y" | "smooth":
                return shown is not None
            case "new":
                return shown is not None and not shown.is_live
            case _:
                return True
