"""The same prompt answered twice, by the bare model and by the adapter, side by side; in a narrow window one below the other."""

from __future__ import annotations

from dataclasses import replace

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import Static

from rrr_local.engine.protocol import Arm, Event, Grew, Judged
from rrr_local.episode import VerdictKind
from rrr_local.text import sanitize
from tui.typed import app_of
from tui.widgets.act import Act
from tui.widgets.prose import first_line
from tui.widgets.step import Shown, Step, grown, judged
from tui.widgets.turn import QUESTION, Manner


class Side(Vertical, can_focus=True):
    """One of the two answers. With the focus on it, the keys rate it."""

    def __init__(self, title: str, manner: Manner) -> None:
        super().__init__()
        self.title = title
        self.manner = manner

    def compose(self) -> ComposeResult:
        yield Static(Content(self.title), classes="title")
        with Horizontal(classes="deeds"):
            yield Act(f"[+] good {self.manner.good}", "good")
            yield Act(f"[-] wrong {self.manner.wrong}", "wrong")

    @property
    def step(self) -> Step | None:
        """The answer; None before it begins."""
        found = self.query_children(Step)
        return found.first() if found else None

    @property
    def attempt(self) -> int | None:
        """The log's id of the answer; None while it is written."""
        return None if self.step is None else self.step.shown.attempt

    async def take(self, event: Grew | Judged) -> None:
        """Show what an event says."""
        step = self.step
        if isinstance(event, Grew):
            if step is None:
                await self._begin(grown(event))
            else:
                await step.grow(event)
        elif step is None:
            await self._begin(judged(event))
        else:
            await step.show(judged(event))
        self.set_class(self.attempt is not None, "-judged")

    async def rate(self, good: bool) -> None:
        """Show that the person rated it."""
        if self.step is not None:
            kind = VerdictKind.PASS if good else VerdictKind.FAIL
            await self.step.show(replace(self.step.shown, verdict=kind, reason="", by_user=True))

    async def _begin(self, shown: Shown) -> None:
        step = Step(shown, is_open=True)
        await self.mount(step, before=self.query_one(".deeds"))


class VersusView(Vertical):
    """Both answers to one prompt. They are in the log as attempts, but are no turns of the conversation."""

    def __init__(self, prompt: str, adapter: str, manner: Manner) -> None:
        super().__init__()
        self.prompt = prompt
        self.adapter = adapter
        self.manner = manner

    def compose(self) -> ComposeResult:
        yield Static(classes="question", markup=False)
        yield Static(classes="status", markup=False)
        with Horizontal(classes="sides"):
            yield Side("bare model", self.manner)
            yield Side(f"with {first_line(self.adapter, 40)}", self.manner)

    def on_mount(self) -> None:
        question = sanitize(self.prompt, QUESTION)
        symbol = app_of(self).symbols.prompt
        self.query_one(".question", Static).update(
            Content.assemble((f"{symbol} ", "$text-primary"), (question, "bold"), ("   /ab", "$foreground-muted"))
        )
        self.say("")

    def say(self, status: str) -> None:
        """One line under the prompt; empty takes it away."""
        line = self.query_one(".status", Static)
        line.update(Content(sanitize(status, 300)))
        line.display = bool(status)

    async def take(self, event: Event) -> None:
        """Show what an event says."""
        if isinstance(event, Grew | Judged):
            self.say("")
            base, adapter = self.query(Side)
            await (base if event.arm is Arm.BASE else adapter).take(event)
