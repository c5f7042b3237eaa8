"""The first page a new person sees: four ways on. It blocks nothing: any other key goes to the prompt of the chat behind it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.events import Key
from textual.screen import ModalScreen
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from rrr_local import paths
from rrr_local.actions import Place
from rrr_local.errors import RrrError
from rrr_local.models.find import EMBEDDED
from rrr_local.text import sanitize
from tui.typed import app_of
from tui.widgets.status import Number, machine_gb

if TYPE_CHECKING:
    from tui.app import RrrApp

WAYS = (
    ("demo", "See it work (about 4 minutes): it fails, reflects, retries, and learns"),
    ("chat", "Just chat"),
    ("models", "Use a model of your own from a folder"),
    ("skip", "Skip this page"),
)


class FirstRunScreen(ModalScreen[None]):
    """Shown until a way was chosen once."""

    BINDINGS: ClassVar[list[BindingType]] = [
        *(Binding(str(number), f"choose('{way}')", show=False) for number, (way, _) in enumerate(WAYS, 1)),
        Binding("escape", "choose('skip')", "Skip", show=False),
    ]
    DEFAULT_CSS = """
    FirstRunScreen {
        #welcome { width: 100%; max-width: 84; height: auto; max-height: 100%; padding: 1 2; border: round $primary; }
        #ways { height: auto; border: none; background: $background; margin: 1 0; padding: 0; }
        .title { text-style: bold; margin-bottom: 1; }
        #data { color: $text-muted; text-wrap: nowrap; text-overflow: ellipsis; }
        Number { color: $text-muted; }
    }
    .-ascii FirstRunScreen #welcome { border: ascii $primary; }
    """

    def compose(self) -> ComposeResult:
        with Vertical(id="welcome"):
            yield Static("rrr  -  a small model on your machine that learns from its own mistakes", classes="title")
            yield Static(id="ready", markup=False)
            yield Static(Content(f"This machine:         {self._machine()}"))
            options = [Option(Content(f"{number}  {text}"), id=way) for number, (way, text) in enumerate(WAYS, 1)]
            yield OptionList(*options, id="ways", markup=False)
            yield Static(Content(f"Your data: {sanitize(str(paths.database_path()), 300)}"), id="data")
            yield Number("net off", "Nothing is sent anywhere.")

    def on_mount(self) -> None:
        self.rrr.engine_changed.subscribe(self, lambda _: self._show_ready())
        self._show_ready()
        self.query_one(OptionList).highlighted = 0

    @property
    def rrr(self) -> RrrApp:
        """The app, with its own type."""
        return app_of(self)

    def on_key(self, event: Key) -> None:
        """What is typed is meant for the prompt."""
        if event.is_printable and event.character is not None and event.character != " " and event.key not in "1234":
            event.stop()
            self.action_choose("chat")
            self.app.call_after_refresh(self.app.simulate_key, event.key)

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        self.action_choose(event.option.id or "skip")

    def action_choose(self, way: str) -> None:
        """Take one of the ways; the page does not come back."""
        self._remember()
        self.dismiss()
        match way:
            case "demo":
                from tui.screens.demo import DemoScreen

                self.app.push_screen(DemoScreen())
            case "models":
                self.rrr.go(Place.MODELS)

    def _remember(self) -> None:
        try:
            self.rrr.services.settings.set("ui.welcomed", True)
        except RrrError as error:
            self.rrr.show_error(error)

    def _show_ready(self) -> None:
        symbols, engine = self.rrr.symbols, self.rrr.services.engine
        if engine.ready is not None:
            words = (
                f"{symbols.passed} {EMBEDDED} (built in, a toy)"
                if engine.ready.embedded
                else sanitize(engine.ready.model, 60)
            )
            line = f"Ready now, offline:   {words}"
        elif engine.error is not None:
            line = f"{symbols.failed} The engine stopped: {sanitize(engine.error.cause, 200)}"
        else:
            line = f"Ready in a moment:    {EMBEDDED} (built in, a toy); you can type already"
        self.query_one("#ready", Static).update(Content(line))

    @staticmethod
    def _machine() -> str:
        return f"{os.cpu_count()} cores, {machine_gb():.0f} GB of memory"
