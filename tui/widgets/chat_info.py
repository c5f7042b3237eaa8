"""The line under the box: how it reflects, how much context is used, and what waits to be trained on.

countdown · reflect auto, 2 tries · temperature 0.7          ctx 412/2048 [##------]   37 failures: train (2)
"""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content
from textual.widgets import Static

from rrr_local.chat.session import ChatSession
from rrr_local.engine.protocol import Judged, Started
from tui.typed import app_of
from tui.widgets.act import Act
from tui.widgets.prose import first_line
from tui.widgets.status import Number

CELLS = 8
"""Width of the bar."""


class ChatInfo(Horizontal):
    """Facts on the left, what fills up on the right."""

    DEFAULT_CSS = """
    ChatInfo { height: 1; padding: 0 2; color: $text-muted; }
    ChatInfo .facts { width: 1fr; height: 1; text-wrap: nowrap; text-overflow: ellipsis; }
    ChatInfo Number { width: auto; padding: 0 0 0 2; }
    ChatInfo Number.-full { color: $text-error; text-style: bold; }
    ChatInfo Act { padding: 0 0 0 2; }
    """

    def __init__(self, session: ChatSession) -> None:
        super().__init__()
        self.session = session
        self.used: int | None = None
        """Tokens of context; None until something was answered."""
        self.limit: int | None = None

    def compose(self) -> ComposeResult:
        yield Static(classes="facts", markup=False)
        yield Number("context used")
        yield Act("", "go-train")

    def count(self, event: Started | Judged) -> None:
        """The context has grown."""
        self.used = event.used
        if isinstance(event, Started):
            self.limit = event.limit
        self.refresh_facts()

    def forget(self) -> None:
        """Another chat: how full it is shows with the next answer."""
        self.used = None
        self.refresh_facts()

    def refresh_facts(self, _: object = None) -> None:
        """Show what is true now."""
        app = app_of(self)
        settings, ready = app.services.settings, app.services.engine.ready
        facts = [] if self.session.task is None else [first_line(self.session.task, 40)]
        tries = settings.get("chat.tries")
        facts.append(f"reflect auto, {tries} tries" if settings.get("chat.reflect") == "auto" else "reflect off")
        facts.append(f"temperature {settings.get('chat.temperature'):g}")
        self.query_one(".facts", Static).update(Content(f" {app.symbols.dot} ".join(facts)))
        limit = self.limit or (None if ready is None else ready.context)
        self._show_context(limit)
        failures = self.session.failures_ready()
        train = self.query_one(Act)
        train.update(Content(f"{failures} failure{'s' * (failures != 1)}: train (2)"))
        train.display = failures > 0

    def _show_context(self, limit: int | None) -> None:
        number = self.query_one(Number)
        if limit is None:
            number.update("")
            return
        share = min((self.used or 0) / limit, 1.0)
        full = round(share * CELLS)
        bar = "█" * full + "░" * (CELLS - full)
        number.update(Content(f"ctx {'-' if self.used is None else self.used}/{limit} {bar}"))
        number.set_class(share > 0.8, "-full")
