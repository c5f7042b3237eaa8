"""Something to click, with its key beside it, and a block that says what happened and what can be done about it."""

from __future__ import annotations

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.events import Click
from textual.message import Message
from textual.widgets import Static

from rrr_local.text import sanitize


class Act(Static):
    """A few words in brackets; a click does an action of the registry."""

    DEFAULT_CSS = """
    Act { width: auto; height: 1; padding: 0 1 0 0; color: $text-primary; }
    Act:hover { text-style: underline; }
    """

    class Clicked(Message):
        """It was clicked."""

        def __init__(self, act: Act) -> None:
            super().__init__()
            self.act = act

    def __init__(self, words: str, action: str, argument: str = "", *, classes: str = "") -> None:
        """`words` are ours, or sanitized."""
        super().__init__(Content(words), markup=False, classes=classes)
        self.action = action
        self.argument = argument

    def on_click(self, event: Click) -> None:
        event.stop()
        self.post_message(self.Clicked(self))


class Notice(Vertical):
    """A block in the page, for what must not be missed: an engine that stopped, a context that is full."""

    DEFAULT_CSS = """
    Notice { height: auto; margin: 1 1 0 1; padding: 0 1; border-left: outer $warning; background: $surface; }
    Notice.-bad { border-left: outer $error; }
    Notice .cause { text-style: bold; }
    Notice .way-out { color: $text-muted; }
    Notice Horizontal { height: 1; }
    """

    def __init__(
        self, cause: str, way_out: str, acts: Sequence[Act] = (), *, id: str | None = None, bad: bool = False
    ) -> None:
        """`cause` and `way_out` may come from anywhere."""
        super().__init__(id=id, classes="-bad" if bad else "")
        self.cause = cause
        self.way_out = way_out
        self.acts = acts

    def compose(self) -> ComposeResult:
        yield Static(sanitize(self.cause, 1000), markup=False, classes="cause")
        if self.way_out:
            yield Static(sanitize(self.way_out, 1000), markup=False, classes="way-out")
        if self.acts:
            with Horizontal():
                yield from self.acts
