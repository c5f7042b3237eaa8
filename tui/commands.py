"""The palette (ctrl+p): the actions of this place, the places, the chats, the runs and the themes, by a few letters of their name."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from rich.text import Text
from textual.await_complete import AwaitComplete
from textual.command import CommandPalette, DiscoveryHit, Hit, Hits, Provider
from textual.markup import escape

from rrr_local.actions import at
from rrr_local.store import queries
from rrr_local.store.chats import chats
from rrr_local.text import sanitize
from tui.place import PlaceScreen
from tui.typed import app_of

if TYPE_CHECKING:
    from tui.app import RrrApp

MANY = 50
"""Chats and runs that are offered."""


@dataclass(frozen=True, slots=True)
class Command:
    """One line of the palette."""

    title: str
    """Plain text, safe to show."""
    help: str
    run: Callable[[], Awaitable[None] | None]


class Commands(Provider):
    """Everything that can be done from here."""

    async def discover(self) -> Hits:
        for command in self._actions():
            yield DiscoveryHit(Text(command.title), command.run, text=command.title, help=escape(command.help))

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        for command in [*self._actions(), *self._chats(), *self._runs(), *self._themes()]:
            score = matcher.match(command.title)
            if score > 0:
                # Text and not markup: titles come from chats and runs.
                yield Hit(score, Text(command.title), command.run, text=command.title, help=escape(command.help))

    @property
    def _app(self) -> RrrApp:
        return app_of(self.screen)

    def _actions(self) -> Iterator[Command]:
        screen = self.screen
        if not isinstance(screen, PlaceScreen):
            return
        for action in at(screen.PLACE):
            if screen.can(action.name):
                title = f"Go to {action.title}" if action.name.startswith("go-") else action.title
                yield Command(title, action.help, partial(screen.perform, action.name))

    def _chats(self) -> Iterator[Command]:
        for chat in chats(self._app.services.store.reader(), MANY):
            title = _line(chat.title or chat.first_prompt or chat.id)
            yield Command(f"Chat: {title}", f"{chat.turns} turns", partial(self._app.open_chat, chat.id))

    def _runs(self) -> Iterator[Command]:
        for run in queries.runs(self._app.services.store.reader(), MANY):
            yield Command(f"Run: {_line(run.name)}", run.status, partial(self._app.open_run, run.name))

    def _themes(self) -> Iterator[Command]:
        for name in sorted(self._app.available_themes):
            yield Command(f"Theme: {name}", "Change the colours.", partial(self._app.set_theme, name))


class Palette(CommandPalette):
    """Textual's palette, made to bear a key that comes while it goes away: escape and enter at once would end the app."""

    def dismiss(self, result: None = None) -> AwaitComplete:
        return super().dismiss(result) if self in self.app.screen_stack else AwaitComplete()


def _line(text: str) -> str:
    return " ".join(sanitize(text, 80).split())
