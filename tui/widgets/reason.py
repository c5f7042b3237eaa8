"""What was wrong? One line under an answer: enter reflects and retries, a digit fills in a quick reason, escape goes back."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.events import Key, Paste
from textual.message import Message
from textual.widgets import Input, Static

from tui.widgets.prompt import editable

QUICK = ("the result is wrong", "the format is wrong", "that is not what I asked", "something else is wrong")
"""By digit. A digit counts only in an empty line: a reason may hold numbers."""
DIGITS = ("1", "2", "3", "4")
LONGEST = 4_000
"""Characters; the engine shortens what does not fit behind the attempt."""


class ReasonInput(Input):
    """A line in which a digit, while it is empty, stands for a quick reason."""

    async def _on_key(self, event: Key) -> None:
        if not self.value and event.key in DIGITS:
            event.stop()
            event.prevent_default()
            self.value = QUICK[DIGITS.index(event.key)]
            self.cursor_position = len(self.value)

    def _on_paste(self, event: Paste) -> None:
        event.prevent_default()
        event.stop()
        self.insert_text_at_cursor(" ".join(editable(event.text, LONGEST).split()))


class ReasonField(Vertical):
    """The line and its hint. It goes away by itself, whatever is chosen."""

    DEFAULT_CSS = """
    ReasonField { height: auto; margin: 0 1; padding: 0 1; border-left: outer $warning; }
    ReasonField Input, ReasonField Input:focus { border: none; height: 1; padding: 0; background: $panel; }
    ReasonField .hint { color: $text-muted; }
    """

    class Given(Message):
        """A person said what was wrong, perhaps nothing."""

        def __init__(self, turn: int, reason: str) -> None:
            super().__init__()
            self.turn = turn
            self.reason = reason

    class Dropped(Message):
        """A person thought better of it."""

    def __init__(self, turn: int, again: str) -> None:
        """`again`: the key that, pressed once more, retries without a reason."""
        super().__init__()
        self.turn = turn
        self.again = again

    def compose(self) -> ComposeResult:
        yield Static(Content("What was wrong? (optional)"))
        yield ReasonInput(max_length=LONGEST, select_on_focus=False)
        quick = "  ".join(f"{number} {reason}" for number, reason in enumerate(QUICK, 1))
        yield Static(Content(quick), classes="hint")
        yield Static(
            Content(f"enter reflects and retries   esc cancels   {self.again} again: no reason"), classes="hint"
        )

    def on_mount(self) -> None:
        self.query_one(Input).focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.give()

    def on_key(self, event: Key) -> None:
        if event.key == "escape":
            event.stop()
            self.post_message(self.Dropped())
            self.remove()

    def give(self) -> None:
        """Send off what is in the line."""
        self.post_message(self.Given(self.turn, self.query_one(Input).value.strip()))
        self.remove()
