"""The app: seven places as modes, the engine in the background, the running run followed at 4 Hz, and a clean end whatever happens.

It imports no ML library and no numpy: the engine, the trainer and every measurement are processes of their own.
"""

from __future__ import annotations

import asyncio
import inspect
import signal
import time
from functools import partial
from typing import ClassVar

from textual.signal import Signal
from textual.widget import AwaitMount

from rrr_local.actions import Place
from rrr_local.engine.client import EngineState
from rrr_local.engine.detached import Ask
from rrr_local.engine.protocol import Failed, Load
from rrr_local.errors import ExitCode, ModelError, RrrError
from rrr_local.store.queries import RunSummary
from tui import terminal
from tui.commands import Commands, Palette
from tui.follow import Follower
from tui.place import PlaceScreen, make
from tui.screens.help import ExplainScreen, HelpScreen
from tui.screens.leaving import LeaveScreen, Leaving
from tui.services import Services, opened
from tui.shell import Shell
from tui.widgets.status import Number, training_words

FOLLOW_S = 0.25
"""Between two looks at the log; a look at one in which nothing happened costs 0.1 ms."""
TWICE_S = 2.0
"""Within this time a second ctrl+c quits."""


class RrrApp(Shell):
    """The terminal app."""

    COMMANDS: ClassVar = {Commands}
    MODES: ClassVar = {place.value: partial(make, place) for place in Place}
    DEFAULT_MODE = Place.CHAT.value

    def __init__(self, services: Services, start: Place = Place.CHAT, conversation: str | None = None) -> None:
        """Opens at `start`, or at a chat."""
        super().__init__(services)
        self._start = start
        self._conversation = conversation
        self.engine_changed: Signal[None] = Signal(self, "engine")
        """Published when the engine's state, model or error changed."""
        self.runs_changed: Signal[None] = Signal(self, "runs")
        """Published when the log has something new, or a trainer began or ended; at most at 4 Hz."""
        self.net_changed: Signal[bool] = Signal(self, "net")
        """Published when something begins to use the network, and when it ends."""
        self.net_in_use = False
        self._follower = Follower(services.store, services.trainers)
        self._ctrl_c_at = float("-inf")

    # --- what screens ask for

    @property
    def training(self) -> RunSummary | None:
        """The run that a live trainer works on."""
        return self._follower.training

    def set_net(self, in_use: bool) -> None:
        """Say on every page whether the network is used."""
        self.net_in_use = in_use
        self.net_changed.publish(in_use)

    def explain(self, term: str) -> None:
        """Show what a number means. Raises `KeyError` when tui/help/numbers.md has nothing about it."""
        self.push_screen(ExplainScreen(term))

    def go(self, place: Place) -> AwaitMount:
        """Show a place; open dialogs are closed."""
        while len(self.screen_stack) > 1:
            self.pop_screen()
        shown = self.switch_mode(place.value)
        self._check_size(self.size)
        return shown

    async def open_run(self, name: str) -> None:
        """Show a run."""
        await self._open(Place.RUNS, "show_run", name)

    async def open_episode(self, attempt_id: int) -> None:
        """Show an episode, by its first attempt."""
        await self._open(Place.HISTORY, "show_episode", attempt_id)

    async def open_chat(self, conversation: str) -> None:
        """Go on with a chat."""
        await self._open(Place.CHAT, "show_chat", conversation)

    async def _open(self, place: Place, method: str, argument: object) -> None:
        await self.go(place)
        done = getattr(self.screen, method)(argument)
        if inspect.isawaitable(done):
            await done

    async def load(self, model: str, adapter: str | None) -> bool:
        """Have the engine work with another model or adapter; whether it does. What went wrong is shown."""
        engine = self.services.engine
        try:
            if engine.state in (EngineState.OFF, EngineState.DEAD):
                await engine.start(model, adapter)
                await engine.until_ready()
            else:
                async for event in engine.request(lambda number: Load(number, model, adapter)):
                    if isinstance(event, Failed):
                        raise ModelError(event.cause, event.way_out)
        except RrrError as error:
            self.show_error(error)
            return False
        return True

    # --- actions of the registry that every place has

    def do_help(self, argument: str = "") -> None:
        """Explain the number under the pointer, else this place."""
        if isinstance(self.mouse_over, Number):
            self.explain(self.mouse_over.term)
        elif isinstance(self.screen, PlaceScreen):
            self.push_screen(HelpScreen(self.screen.PLACE))

    def do_quit(self, argument: str = "") -> None:
        """Leave; asks first while a trainer works."""
        if isinstance(self.screen, LeaveScreen):
            return
        from tui.screens.demo import DemoScreen

        demo = any(isinstance(screen, DemoScreen) for screen in self.screen_stack)
        if self.training is None or demo:  # a demo's training ends with it: nothing would go on
            self.exit()
        else:
            self.push_screen(LeaveScreen(self.training.name), self._left)

    def action_command_palette(self) -> None:
        """ctrl+p."""
        if not isinstance(self.screen, Palette):
            self.push_screen(Palette(id="--command-palette"))

    async def action_quit(self) -> None:
        """ctrl+q, everywhere."""
        self.do_quit()

    def action_help_quit(self) -> None:
        """ctrl+c, where nothing is selected: twice quits."""
        now = time.monotonic()
        if now - self._ctrl_c_at < TWICE_S:
            self.do_quit()
        else:
            self._ctrl_c_at = now
            self.say("ctrl+c once more quits")

    def _left(self, leaving: Leaving | None) -> None:
        if leaving is None or leaving is Leaving.STAY:
            return
        if leaving is Leaving.STOP and self.training is not None:
            try:
                self.services.trainers.request(self.training.name, Ask.STOP)
            except RrrError as error:
                self.show_error(error)
                return
        self.exit()

    # --- life

    async def on_mount(self) -> None:
        self._begun = True
        if not self.is_headless:
            loop = asyncio.get_running_loop()
            for number in (signal.SIGTERM, signal.SIGHUP):
                loop.add_signal_handler(number, self._end_by, number)
        self.services.engine.on_change = partial(self.engine_changed.publish, None)
        if not self.services.read_only:
            self.run_worker(self._start_engine(), group="engine")
        self._follow()
        self.set_interval(FOLLOW_S, self._follow)
        for problem in self.services.settings.problems:
            self.say(problem, error=True)
        await self.go(self._start)
        if self._conversation is not None:
            await self.open_chat(self._conversation)
        if not self.services.settings.get("ui.welcomed") and not self.read_only:
            from tui.screens.first_run import FirstRunScreen

            self.push_screen(FirstRunScreen())

    def _end_by(self, number: int) -> None:
        """A signal asks the app to end. A window that was closed may never take the last bytes, so there is a limit."""
        terminal.end_for_sure(128 + number)
        self.exit(return_code=128 + number)

    async def on_unmount(self) -> None:
        self.services.engine.on_change = lambda: None
        await asyncio.gather(self.services.engine.close(), self.services.jobs.close())

    async def _start_engine(self) -> None:
        settings = self.services.settings
        await self.services.engine.start(settings.get("chat.model"), settings.get("chat.adapter") or None)

    def _follow(self) -> None:
        """Look at the log, and tell the screens what is new."""
        if not self._follower.look():
            return
        ended = self._follower.ended
        if ended is not None:
            self.say(f"{ended.name} is {ended.status}")
            if self.services.settings.get("ui.bell"):
                self.bell()
        terminal.set_title(self, "rrr" if self.training is None else f"rrr {training_words(self.training)}")
        self.runs_changed.publish(None)


def main(place: Place | None = None, conversation: str | None = None) -> int:
    """Open the app on the data folder, at a place or a chat, until the person leaves; the exit code. Raises what `opened` raises."""
    with terminal.logging_to_file(), opened() as services:
        app = RrrApp(services, place or Place.CHAT, conversation)
        app.run()
        return app.return_code or ExitCode.OK
