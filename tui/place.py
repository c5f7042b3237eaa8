"""A page of the app: its keys come from the action registry, and every way to an action ends in `perform`."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.screen import Screen

from rrr_local.actions import Place, at
from rrr_local.errors import RrrError
from tui.services import Services
from tui.typed import app_of

if TYPE_CHECKING:
    from tui.app import RrrApp


def bindings(place: Place) -> list[BindingType]:
    """The keys of a place. Each has an id, so that a person can map it to another key."""
    return [
        Binding(
            ",".join(action.keys),
            f"perform('{action.name}')",
            action.title,
            show=action.footer,
            id=action.id,
            tooltip=action.help,
        )
        for action in at(place)
        if action.keys
    ]


class PlaceScreen(Screen[None]):
    """Base of the seven pages. A page implements `do_<action>(argument)` for each of its actions, plain or async."""

    PLACE: ClassVar[Place]

    def __init_subclass__(cls, **options: object) -> None:
        cls.BINDINGS = bindings(cls.PLACE)
        super().__init_subclass__(**options)  # type: ignore[arg-type]

    @property
    def rrr(self) -> RrrApp:
        """The app, with its own type."""
        return app_of(self)

    @property
    def services(self) -> Services:
        """What the page works with."""
        return self.rrr.services

    async def action_perform(self, name: str, argument: str = "") -> None:
        """A key was pressed."""
        await self.perform(name, argument)

    async def perform(self, name: str, argument: str = "") -> None:
        """Do an action of the registry: here if this page has it, else in the app. An `RrrError` is shown."""
        if name.startswith("go-"):
            await self.rrr.go(Place(name.removeprefix("go-")))
            return
        method = f"do_{name.replace('-', '_')}"
        home = self if method in dir(type(self)) else self.rrr
        try:
            done = getattr(home, method)(argument)
            if inspect.isawaitable(done):
                await done
        except RrrError as error:
            self.rrr.show_error(error)

    def can(self, name: str) -> bool | None:
        """Whether an action is possible now: None shows its key dimmed, False hides it. Pages override this."""
        return True

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return self.can(str(parameters[0])) if action == "perform" else True


def make(place: Place) -> PlaceScreen:
    """A new page; its module is imported now, since the app has to be there within a second."""
    match place:
        case Place.CHAT:
            from tui.screens.chat import ChatScreen

            return ChatScreen()
        case Place.TRAIN:
            from tui.screens.train import TrainScreen

            return TrainScreen()
        case Place.RUNS:
            from tui.screens.runs import RunsScreen

            return RunsScreen()
        case Place.HISTORY:
            from tui.screens.history import HistoryScreen

            return HistoryScreen()
        case Place.TASKS:
            from tui.screens.tasks import TasksScreen

            return TasksScreen()
        case Place.MODELS:
            from tui.screens.models import ModelsScreen

            return ModelsScreen()
        case Place.DOCTOR:
            from tui.screens.doctor import DoctorScreen

            return DoctorScreen()
