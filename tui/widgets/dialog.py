"""Small dialogs: choose one of a few, type a line, read a long text. Escape leaves each of them with nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.events import Key
from textual.screen import ModalScreen
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from rrr_local.text import sanitize

_LEAVE: list[BindingType] = [Binding("escape", "leave", "Leave", show=False)]


class Choose(ModalScreen[str | None]):
    """A question with a few answers, each with a key."""

    BINDINGS: ClassVar[list[BindingType]] = _LEAVE

    def __init__(self, question: str, answers: Sequence[tuple[str, str]]) -> None:
        """`answers`: a key and what it does; the key is the result."""
        super().__init__()
        self._question = question
        self._answers = tuple(answers)

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Static(Content(sanitize(self._question)), classes="title", markup=False)
            options = [Option(Content(sanitize(f" {key}  {text}")), id=key) for key, text in self._answers]
            yield OptionList(*options, markup=False)
            yield Static(Content("press the key, or enter; esc changes nothing"), classes="hint", markup=False)

    def on_key(self, event: Key) -> None:
        if event.key in (key for key, _ in self._answers):
            event.stop()
            self.dismiss(event.key)

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(event.option.id)

    def action_leave(self) -> None:
        self.dismiss(None)


class Type(ModalScreen[str | None]):
    """A line to type."""

    BINDINGS: ClassVar[list[BindingType]] = _LEAVE

    def __init__(self, question: str, value: str = "", hint: str = "enter keeps it; esc changes nothing") -> None:
        super().__init__()
        self._question = question
        self._value = value
        self._hint = hint

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Static(Content(sanitize(self._question)), classes="title", markup=False)
            yield Input(self._value)
            yield Static(Content(sanitize(self._hint)), classes="hint", markup=False)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        self.dismiss(event.value)

    def action_leave(self) -> None:
        self.dismiss(None)


class Read(ModalScreen[None]):
    """A long text: a log from its end, a report from its beginning."""

    BINDINGS: ClassVar[list[BindingType]] = [*_LEAVE, Binding("q,l,enter", "leave", "Leave", show=False)]

    def __init__(self, title: str, text: str, *, at_end: bool = True) -> None:
        super().__init__()
        self._title = title
        self._text = text
        self._at_end = at_end

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog -large"):
            yield Static(Content(sanitize(self._title)), classes="title", markup=False)
            with VerticalScroll():
                yield Static(Content(sanitize(self._text, 100_000)), markup=False)
            yield Static(Content("esc closes"), classes="hint", markup=False)

    def on_mount(self) -> None:
        if self._at_end:
            self.query_one(VerticalScroll).scroll_end(animate=False)
        self.query_one(VerticalScroll).focus()

    def action_leave(self) -> None:
        self.dismiss(None)
