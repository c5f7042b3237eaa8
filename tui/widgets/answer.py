"""One text of a model: its thoughts in a folded block, what it said as Markdown, or plain where it is large.

While it is written it arrives joined to ten pieces a second (`rrr_local.engine.mail`), each drawn as it comes; at the end one full
update replaces it all, because an incremental parse may differ from a whole one.
"""

from __future__ import annotations

import asyncio

from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Static

from tui.typed import app_of
from tui.widgets.markdown import Growing
from tui.widgets.prose import LONGEST, is_simple, parts
from tui.widgets.steady import Steady

TAIL = 4_000
"""Characters of a large text that are shown while it is written."""


class Thoughts(Static):
    """What stood within `<think>`; a click opens it."""

    DEFAULT_CSS = "Thoughts { color: $text-muted; text-style: italic; }"

    def __init__(self) -> None:
        super().__init__(markup=False)
        self.text = ""
        self.is_open = False

    def show(self, text: str) -> None:
        """Show other thoughts."""
        self.text = text
        symbols = app_of(self).symbols
        mark = symbols.open if self.is_open else symbols.folded
        head = Content(f"{mark} thoughts ({len(text)} characters)")
        self.update(Content.assemble(head, "\n", Content(text)) if self.is_open else head)

    def on_click(self) -> None:
        self.is_open = not self.is_open
        self.show(self.text)


class Answer(Vertical, Steady):
    """A text that may still grow. Its widgets are made when they are needed: most answers are one Markdown and no more."""

    DEFAULT_CSS = """
    Answer { layout: stream; height: auto; }
    """

    def __init__(self, text: str = "", *, live: bool = False) -> None:
        super().__init__()
        self.text = text
        self.live = live
        self._thought = ""
        self._said = ""
        """What is on the screen."""
        self._drawn = False
        """Whether the first drawing is done."""
        self._drawing = asyncio.Lock()
        """The first drawing and the end of the text may come at the same time."""

    async def on_mount(self) -> None:
        # What arrives before the first drawing is done only changes `text`; the second look brings it in.
        drawn = ""
        while drawn != self.text:
            drawn = self.text
            async with self._drawing:
                await self._show(*parts(drawn, self.live))
        self._drawn = True

    async def grow(self, text: str) -> None:
        """More was written."""
        if len(self.text) < LONGEST:
            self.text += text
        if self._drawn:
            await self._follow()

    async def finish(self, text: str) -> None:
        """It is written: show the whole text."""
        self.live, self.text = False, text
        if self._drawn:
            async with self._drawing:
                await self._show(*parts(text))

    async def _follow(self) -> None:
        """Append what came since; thoughts that grow, or a text that became large, change more than the end."""
        async with self._drawing:
            thought, said = parts(self.text, live=True)
            if not self.live or (thought, said) == (self._thought, self._said):
                return
            markdown = self.query_children(Growing)
            if thought == self._thought and markdown and said.startswith(self._said) and is_simple(said):
                more, self._said = said[len(self._said) :], said
                await markdown.first(Growing).append(more)
            else:
                await self._show(thought, said)

    async def _show(self, thought: str, said: str) -> None:
        self._thought, self._said = thought, said
        if thought and not self.query_children(Thoughts):
            await self.mount(Thoughts(), before=0)
        for thoughts in self.query_children(Thoughts):
            thoughts.show(thought)
            thoughts.display = bool(thought)
        if is_simple(said):
            await self.query_children(".plain").remove()
            if not self.query_children(Growing):
                await self.mount(Growing())
            await self.query_children(Growing).first(Growing).replace(said, whole=not self.live)
        else:
            await self.query_children(Growing).remove()
            if not self.query_children(".plain"):
                await self.mount(Static(markup=False, classes="plain"))
            # Wrapping all of it ten times a second would take all the time there is; the end is where the eye is.
            self.query_one(".plain", Static).update(said[-TAIL:] if self.live else said)
