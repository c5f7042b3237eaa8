"""The turns of a chat, newest at the bottom. Only some are widgets in full: each of those costs a dozen more.

[ 40 earlier turns ]        mounted on demand, 20 at a time, each as one `Brief`
Brief, Brief, ...           one line of text each; a click makes it a `TurnView`
TurnView ... TurnView       the newest `FULL`
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass

from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.events import Click
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Static

from tui.typed import app_of
from tui.widgets.act import Act
from tui.widgets.prose import first_line
from tui.widgets.steady import Steady
from tui.widgets.step import NAMES, WORDS, Shown
from tui.widgets.turn import Head, Manner, TurnView

FULL = 10
"""Turns that are there in full."""
PAGE = 20
"""Turns that are mounted at first, and that "earlier turns" adds."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A turn, whether it is on the screen or not."""

    head: Head
    shown: tuple[Shown, ...]


class Brief(Static):
    """A finished turn in a few lines; a click shows it in full."""

    DEFAULT_CSS = "Brief { height: auto; padding: 0 1; margin: 0 1 1 1; color: $text-muted; }"

    class Clicked(Message):
        """It is to be shown in full."""

        def __init__(self, brief: Brief) -> None:
            super().__init__()
            self.brief = brief

    def __init__(self, entry: Entry) -> None:
        super().__init__(markup=False)
        self.entry = entry

    def on_mount(self) -> None:
        symbols = app_of(self).symbols
        lines = [f"{symbols.folded} {first_line(self.entry.head.question)}"]
        for shown in self.entry.shown:
            mark = symbols.reflection if not shown.is_try else symbols.verdict(shown.verdict)
            word = f" {WORDS[shown.verdict]}" if shown.verdict else ""
            lines.append(f"    {mark} {NAMES[shown.span]}{word} {symbols.dot} {first_line(shown.text)}")
        self.update(Content("\n".join(lines)))

    def on_click(self, event: Click) -> None:
        event.stop()
        self.post_message(self.Clicked(self))


class Column(Vertical, Steady):
    """What scrolls. It is never shorter than the window: an anchored page that is would hang at the bottom."""

    DEFAULT_CSS = "Column { height: auto; min-height: 100%; }"


class Conversation(VerticalScroll, Steady, can_focus=False):
    """The scrolled column of turns. It stays at the end until a person scrolls away from it."""

    def __init__(self, manner: Manner) -> None:
        super().__init__()
        self.manner = manner
        self._earlier: list[Entry] = []
        """Not on the screen yet, oldest first."""

    def compose(self) -> ComposeResult:
        yield Column()

    def on_mount(self) -> None:
        self.anchor()

    @property
    def column(self) -> Column:
        """Where the turns are."""
        return self.query_one(Column)

    async def add(self, widget: Widget) -> None:
        """Put something at the end, and go there."""
        await self.column.mount(widget)
        self.anchor()

    @property
    def views(self) -> list[TurnView]:
        """The turns that are there in full."""
        return list(self.column.query_children(TurnView))

    @property
    def last(self) -> TurnView | None:
        """The newest turn."""
        views = self.views
        return views[-1] if views else None

    def view(self, turn: int) -> TurnView | None:
        """The widget of a turn that is there in full."""
        return next((view for view in self.views if view.head.turn == turn), None)

    async def show(self, entries: Sequence[Entry]) -> None:
        """Show another path of turns, or another chat."""
        self._earlier = list(entries[:-PAGE])
        brief: list[Widget] = [Brief(entry) for entry in entries[-PAGE:-FULL]]
        full: list[Widget] = [self._made(entry) for entry in entries[-FULL:]]
        with self.app.batch_update():
            await self.column.remove_children()
            await self.column.mount_all([*self._older(), *brief, *full])
        self.anchor()

    async def begin(self, head: Head) -> TurnView:
        """A turn that is about to be written. What is above the newest `FULL` becomes brief."""
        view = TurnView(head, (), self.manner)
        await self.add(view)
        for old in self.views[:-FULL]:
            await self.shorten(old)
        return view

    async def cut(self, turns: Container[int]) -> None:
        """Take turns away that are about to be replaced by another branch."""
        for brief in self.column.query_children(Brief):
            if brief.entry.head.turn in turns:
                await brief.remove()
        for view in self.views:
            if view.head.turn in turns:
                await view.remove()

    async def shorten(self, view: TurnView) -> None:
        """Show a turn as one block of text."""
        await self.column.mount(Brief(Entry(view.head, tuple(view.shown))), after=view)
        await view.remove()

    async def restore(self, brief: Brief) -> TurnView:
        """Show a brief turn in full."""
        view = self._made(brief.entry)
        await self.column.mount(view, after=brief)
        await brief.remove()
        return view

    async def older(self) -> None:
        """Show `PAGE` earlier turns at the top."""
        page, self._earlier = self._earlier[-PAGE:], self._earlier[:-PAGE]
        await self.column.query_children(".older").remove()
        await self.column.mount_all([*self._older(), *(Brief(entry) for entry in page)], before=0)

    async def reveal(self, turn: int) -> TurnView | None:
        """The widget of a turn, after mounting whatever is between it and the screen; None for an unknown turn."""
        while any(entry.head.turn == turn for entry in self._earlier):
            await self.older()
        for brief in self.column.query_children(Brief):
            if brief.entry.head.turn == turn:
                return await self.restore(brief)
        return self.view(turn)

    async def refold(self, manner: Manner) -> None:
        """Fold all turns by another rule."""
        self.manner = manner
        for view in self.views:
            await view.refold(manner)

    def _made(self, entry: Entry) -> TurnView:
        return TurnView(entry.head, entry.shown, self.manner)

    def _older(self) -> list[Widget]:
        """The way to what is not on the screen; nothing where all is."""
        count = len(self._earlier)
        return [Act(f"[ {count} earlier turns ]", "older", classes="older")] if count else []
