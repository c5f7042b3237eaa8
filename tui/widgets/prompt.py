"""The box a person types into: several lines, a history, commands completed after a slash, and pastes that cannot freeze it.

What is typed stays as it is; what is pasted or comes from the log is made fit for a terminal first (`editable`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content
from textual.events import Key, Paste
from textual.message import Message
from textual.widgets import OptionList, TextArea
from textual.widgets.option_list import Option

from rrr_local.chat.commands import Completion
from rrr_local.text import sanitize

LONGEST = 50_000
"""Characters the box takes. More freezes the wrapping, and no model here reads as much."""
CUT = "\n[cut here: the text was too long]"
TAKEN = frozenset({"f6", "f7", "pageup", "pagedown", "shift+pageup", "shift+pagedown"})
"""Keys that a text area uses and that mean something else in this app."""

_CONTROLS = re.compile("\r\n?|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")


def editable(text: str, limit: int = LONGEST) -> str:
    """A text as it may stand in an input: no control character but tab and line end, at most `limit` characters."""
    clean = _CONTROLS.sub(lambda m: "\n" if m[0][0] == "\r" else sanitize(m[0]), text[:limit])
    return clean if len(text) <= limit else clean[: limit - len(CUT)] + CUT


class Completions(OptionList, can_focus=False):
    """The commands that fit what is typed after a slash. It never has the focus: the box moves its cursor."""

    DEFAULT_CSS = """
    Completions { height: auto; max-height: 8; margin: 0 1; border: none; display: none; background: $panel; text-wrap: nowrap;
        text-overflow: ellipsis; scrollbar-size-vertical: 1; }
    """

    def __init__(self) -> None:
        super().__init__(markup=False)
        self.offered: tuple[str, ...] = ()
        """What each line puts into the box."""
        self.line = ""
        """What they complete. A person may type faster than this list follows."""

    class Chosen(Message):
        """A line was clicked."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    def offer(self, ways: Sequence[Completion], line: str = "") -> None:
        """Show these ways to go on with a line; none hides the list."""
        self.line = line
        self.offered = tuple(way.text for way in ways)
        self.display = bool(ways)
        self.clear_options()
        self.add_options([Option(Content(sanitize(f"{way.label:<29} {way.hint}", 200))) for way in ways])
        if ways:
            self.highlighted = 0

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        self.post_message(self.Chosen(self.offered[event.option_index]))

    @property
    def chosen(self) -> str | None:
        """The command under the cursor; None while nothing is offered."""
        return self.offered[self.highlighted] if self.offered and self.highlighted is not None else None

    def move(self, step: int) -> None:
        """Go down or up."""
        if self.offered:
            self.highlighted = ((self.highlighted or 0) + step) % len(self.offered)


class Prompt(TextArea, inherit_bindings=False):
    """Enter sends (through the screen's binding), ctrl+j begins a new line, up and down recall earlier prompts."""

    BINDINGS: ClassVar[list[BindingType]] = [
        *(b for b in TextArea.BINDINGS if isinstance(b, Binding) and b.key not in TAKEN),
        Binding("shift+enter", "newline", show=False),
        Binding("pageup,shift+pageup", "page(-1)", show=False),
        Binding("pagedown,shift+pagedown", "page(1)", show=False),
    ]
    DEFAULT_CSS = """
    Prompt { height: auto; min-height: 3; max-height: 10; border: round $border-blurred; margin: 0 1; padding: 0 1; }
    Prompt:focus { border: round $border; }
    """

    class Cut(Message):
        """A paste was too long."""

        def __init__(self, characters: int) -> None:
            super().__init__()
            self.characters = characters

    class Paged(Message):
        """The conversation is to be scrolled by a page."""

        def __init__(self, step: int) -> None:
            super().__init__()
            self.step = step

    def __init__(self, completions: Completions, placeholder: str) -> None:
        super().__init__(placeholder=placeholder, highlight_cursor_line=False, show_line_numbers=False)
        self.completions = completions
        self.history_lines: tuple[str, ...] = ()
        """Earlier prompts, oldest first."""
        self._recalled = 0
        """How many prompts back the text is; 0: what was being typed."""
        self._typed = ""

    def put(self, text: str) -> None:
        """Replace the text; the cursor goes to its end."""
        self.load_text(editable(text))
        self.move_cursor(self.document.end)

    def take(self) -> str:
        """The text, which leaves the box."""
        text = self.text
        self._recalled, self._typed = 0, ""
        self.load_text("")
        return text

    def action_newline(self) -> None:
        """A new line at the cursor."""
        if not self.read_only:
            self.insert("\n")

    def action_page(self, step: int) -> None:
        self.post_message(self.Paged(step))

    def action_cursor_up(self, select: bool = False) -> None:
        """Up in the list, in the text, or to an earlier prompt."""
        if self.completions.offered:
            self.completions.move(-1)
        elif not select and self.navigator.is_first_wrapped_line(self.cursor_location):
            self._recall(self._recalled + 1)
        else:
            super().action_cursor_up(select)

    def action_cursor_down(self, select: bool = False) -> None:
        """Down in the list, in the text, or to a later prompt."""
        if self.completions.offered:
            self.completions.move(1)
        elif not select and self._recalled and self.navigator.is_last_wrapped_line(self.cursor_location):
            self._recall(self._recalled - 1)
        else:
            super().action_cursor_down(select)

    def _recall(self, back: int) -> None:
        if not 0 <= back <= len(self.history_lines) or self.read_only:
            return
        if self._recalled == 0:
            self._typed = self.text
        self._recalled = back
        self.put(self.history_lines[-back] if back else self._typed)

    async def _on_key(self, event: Key) -> None:
        if event.key == "enter":
            event.prevent_default()  # a text area would begin a new line; the screen's binding sends
            if self._complete():
                event.stop()
        elif event.key == "tab" and self._complete():
            event.stop()
            event.prevent_default()

    def _complete(self) -> bool:
        """Put the chosen command in; whether there was one to put in."""
        chosen = self.completions.chosen
        if chosen is None or self.completions.line != self.text or self.text.strip() == chosen.strip():
            return False
        self.put(chosen)
        return True

    async def _on_paste(self, event: Paste) -> None:
        event.prevent_default()
        event.stop()
        if self.read_only:
            return
        room = max(LONGEST - len(self.text), len(CUT))
        if len(event.text) > room:
            self.post_message(self.Cut(len(event.text)))
        if done := self._replace_via_keyboard(editable(event.text, room), *self.selection):
            self.move_cursor(done.end_location)
