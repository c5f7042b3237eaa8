"""Leaving while a trainer works."""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Footer, Static

from rrr_local.text import sanitize


class Leaving(StrEnum):
    """What is to become of the run."""

    LEAVE = "leave"
    """It goes on without the app."""
    STOP = "stop"
    """It stops at its next checkpoint, which is kept."""
    STAY = "stay"
    """The app stays too."""


class LeaveScreen(ModalScreen[Leaving]):
    """Asks what is to become of the run."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "choose('leave')", "Leave it running"),
        Binding("x", "choose('stop')", "Stop & save"),
        Binding("escape", "choose('stay')", "Stay"),
    ]

    def __init__(self, run_name: str) -> None:
        super().__init__()
        self._run = sanitize(run_name, 60)

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Static(Content("Training goes on in the background."), classes="title")
            yield Static(Content(f"{self._run} is followed again when you come back."))
            yield Static(Content("enter leave it    x stop & save    esc stay"), classes="hint")
        yield Footer(show_command_palette=False, compact=True)

    def action_choose(self, what: str) -> None:
        """A key was pressed."""
        self.dismiss(Leaving(what))
