"""A dialog with a list to choose from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from rrr_local.text import sanitize


class Pick(ModalScreen[str | None]):
    """Many answers: up and down, enter. Its result is the chosen value, or None."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss(None)", "Leave", show=False)]

    def __init__(self, question: str, rows: Sequence[tuple[str, str]]) -> None:
        """`rows`: a value, and the line that stands for it."""
        super().__init__()
        self.question = question
        self.rows = tuple(rows)

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Static(Content(sanitize(self.question, 200)), classes="title")
            yield OptionList(*(Option(Content(sanitize(line, 200))) for _, line in self.rows), markup=False)
            yield Static(Content("enter chooses; esc changes nothing"), classes="hint")

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(self.rows[event.option_index][0])
