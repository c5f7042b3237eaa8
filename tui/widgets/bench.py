"""The checker's bench: type a reply to a problem and see at once what the verifier says, without any model."""

from __future__ import annotations

import asyncio

from textual import work
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Input, Static, TextArea

from rrr_local.episode import Problem
from rrr_local.errors import RrrError
from rrr_local.tasks.base import Task
from rrr_local.tasks.question import Question
from rrr_local.text import sanitize
from tui.symbols import Symbols
from tui.widgets.episode import verdict_content

REST_S = 0.1
"""What is typed is judged when nothing more was typed for so long."""


class Bench(Vertical):
    """A problem, a reply, a verdict. A question of one's own has its expected answer instead of a problem."""

    DEFAULT_CSS = """
    Bench {
        height: auto; border: round $border-blurred; padding: 0 1;
        &:focus-within { border: round $border; }
        #bench-problem { height: auto; max-height: 3; color: $text-muted; }
        TextArea { height: 4; border: none; padding: 0; }
        #bench-verdict { height: auto; }
    }
    """

    def __init__(self, symbols: Symbols) -> None:
        super().__init__()
        self.symbols = symbols
        self._judging: Task | None = None
        self._asked: Problem | None = None

    def compose(self) -> ComposeResult:
        self.border_title = "Bench: what does the verifier say?"
        yield Static(id="bench-problem", markup=False)
        yield Input(placeholder="the right answer, such as 24 or Paris", compact=True)
        yield TextArea(compact=True, tab_behavior="focus")
        yield Static(id="bench-verdict", markup=False)

    def show(self, task: Task, problem: Problem | None) -> None:
        """Judge replies to this problem; None for a question of one's own."""
        self._judging, self._asked = task, problem
        shown = self.query_one("#bench-problem", Static)
        shown.update(Content(sanitize(problem.prompt, 600) if problem else ""))
        shown.display = problem is not None
        self.query_one(Input).display = problem is None
        self._judge()

    def on_text_area_changed(self) -> None:
        self._judge()

    def on_input_changed(self) -> None:
        self._judge()

    @work(exclusive=True, group="judge")
    async def _judge(self) -> None:
        text = self.query_one(TextArea).text
        said = Content.styled("type a reply above", "$foreground-muted")
        if text.strip():
            await asyncio.sleep(REST_S)
            said = await self._verdict(text)
        self.query_one("#bench-verdict", Static).update(said)

    async def _verdict(self, text: str) -> Content:
        assert self._judging is not None, "shown first"
        try:
            # In a thread: a check of the person's own, and one that runs the model's code, may take seconds.
            verdict = await asyncio.to_thread(self._judging.verify, self._asked or self._question(), text)
        except RrrError as error:
            words = sanitize(f"{self.symbols.failed} {error.cause}: {error.way_out}", 500)
            return Content.styled(words, "$text-error")
        return verdict_content(verdict.kind, self.symbols, verdict.reason)

    def _question(self) -> Problem:
        expected = self.query_one(Input).value.strip()
        return Question().parse_problem({"prompt": "?", **({"expect": expected} if expected else {})})
