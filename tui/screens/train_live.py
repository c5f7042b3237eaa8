"""What can be done with a run that is watched: pause, stop, resume, try it, look closer."""

from __future__ import annotations

import asyncio

from textual import work

from rrr_local.actions import Place
from rrr_local.engine.detached import Ask
from rrr_local.engine.plan import Plan
from rrr_local.errors import RrrError
from rrr_local.store import queries
from rrr_local.store.records import RunStatus
from rrr_local.training.advice import advice
from tui.doors import loadable
from tui.following import Following
from tui.run_log import tail
from tui.screens.train_base import TICK_S, TrainBase
from tui.widgets.dialog import Choose, Read

RECENT = 30
"""Runs that can be chosen to be watched."""
KEYS = "1234567890abcdefghijmnopqrstuv"
RESUMABLE = (RunStatus.PAUSED, RunStatus.STOPPED, RunStatus.FAILED, RunStatus.LOST)
STOPS = (
    ("s", "stop & save a checkpoint"),
    ("d", "stop & discard what it learned"),
    ("k", "keep it running in the background"),
)
_ASKS = {"s": Ask.STOP, "d": Ask.DISCARD}


class LivePart(TrainBase):
    """The actions on the run that is followed."""

    PLACE = Place.TRAIN

    def do_pause(self, argument: str = "") -> None:
        """Pause at a checkpoint, or go on."""
        if self.followed is None:
            return
        if self.followed.is_live:
            self._ask(Ask.PAUSE)
        else:
            self.start(Plan(resume=self.followed.name))

    def do_stop(self, argument: str = "") -> None:
        """Ask how it is to stop."""
        if self.followed is not None:
            self.app.push_screen(Choose(f"Stop {self.followed.name}?", STOPS), self._stopped)

    def do_fix(self, argument: str = "") -> None:
        """What the advice line proposes: each of its remedies begins with stopping."""
        if self.followed is not None and (said := advice(self.followed.steps, self.followed.run)) is not None:
            self.app.push_screen(Choose(f"{said.text}. {said.action}.", STOPS), self._stopped)

    def _stopped(self, answer: str | None) -> None:
        try:
            if answer in _ASKS:
                self._ask(_ASKS[answer])
        except RrrError as error:  # it ended while the question was open
            self.rrr.show_error(error)

    def _ask(self, what: Ask) -> None:
        """Raises `UsageError` when nobody trains it."""
        if self.followed is not None:
            self.services.trainers.request(self.followed.name, what)
            self.tick()

    def do_try(self, argument: str = "") -> None:
        """Pause, and chat with the newest checkpoint."""
        if self.followed is None:
            return
        if self.followed.is_live:
            self._ask(Ask.PAUSE)
            self.rrr.say("pausing after this step; then the chat opens with the checkpoint")
            self.trying = self.followed.name
        self._try_when_paused(self.followed)

    @work(exclusive=True, group="try")
    async def _try_when_paused(self, followed: Following) -> None:
        try:
            while followed.is_live:
                await asyncio.sleep(TICK_S)
                followed.look()
            if followed.run.last_checkpoint is None:
                self.rrr.say(f"{followed.name} has no checkpoint yet", error=True)
                return
            model = loadable(followed.run)
            await self.rrr.go(Place.CHAT)
            await self.rrr.load(model, followed.name)
        except RrrError as error:
            self.rrr.show_error(error)

    def go_on_after_trying(self) -> None:
        """The person is back from the chat: what was paused for it goes on."""
        name, self.trying = self.trying, None
        if name is None or self.followed is None or self.followed.name != name:
            return
        self.followed.look()
        if self.followed.status is RunStatus.PAUSED:
            self.start(Plan(resume=name))

    def do_log(self, argument: str = "") -> None:
        """What the trainer wrote."""
        if self.followed is not None:
            self.app.push_screen(Read(f"Log of {self.followed.name}", tail(self.followed.name)))

    def do_watch(self, argument: str = "") -> None:
        """Choose a run to watch."""
        runs = dict(zip(KEYS, queries.runs(self.services.store.reader(), RECENT), strict=False))
        answers = [(key, f"{run.name}  {run.status}  {run.task}") for key, run in runs.items()]
        self.app.push_screen(
            Choose("Watch which run?", answers), lambda key: self.show_run(runs[key].name) if key else None
        )

    def do_zoom(self, argument: str = "") -> None:
        """One chart over the whole page, or all of them again."""
        if self.maximized is None:
            self.maximize(self.view.chosen_chart())
        else:
            self.minimize()

    def do_log_y(self, argument: str = "") -> None:
        """Logarithmic y axis, or linear."""
        chart = self.view.chosen_chart()
        chart.log_y = not chart.log_y

    def do_smooth(self, argument: str = "") -> None:
        """The next degree of smoothing."""
        self.rrr.say(f"smoothing: {self.view.smooth_next().name.lower()}")

    def can_change(self, name: str, shown: Following) -> bool | None:
        """Whether an action that changes the run is possible."""
        match name:
            case "pause":
                return shown.is_live or shown.status in RESUMABLE
            case "stop":
                return shown.is_live
            case "fix":
                return shown.is_live and advice(shown.steps, shown.run) is not None
            case _:
                return shown.is_live or shown.run.last_checkpoint is not None
