"""One turn of a conversation: the question, its trace, what it is worth for training, and what can be done with it.

❯ Using the numbers [3, 7, 18] ...                                         countdown, checked   < 1/2 >
  ▸ ✗ Attempt · wrong (check): ...
  ▾ ↺ Reflection · helped: the retry passed
  ▾ ✓ Retry · correct (check)
  [+] good ^g  [-] wrong ^r  [y] copy  [v] why
  +1 trainable
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.events import Click, Focus
from textual.message import Message
from textual.widgets import Static

from rrr_local.engine.protocol import Event, Grew, Judged, Reflected, Started
from rrr_local.episode import FinishReason, Span, VerdictKind
from rrr_local.text import sanitize
from tui.typed import app_of
from tui.widgets.act import Act
from tui.widgets.prose import first_line
from tui.widgets.steady import Steady
from tui.widgets.step import Shown, Step, grown, judged, reflected, with_seconds

QUESTION = 1_500
"""Characters of a question that are shown; `why` has it whole."""


@dataclass(frozen=True, slots=True)
class Head:
    """What is said about a turn besides its trace."""

    question: str
    turn: int = 0
    """The log's id; 0 while there is none."""
    task: str | None = None
    """The task whose problem it is; None for a person's own question."""
    branch: tuple[int, int] = (1, 1)
    """Which of how many branches."""
    worth: str = ""
    """What it is worth for training."""
    trainable: bool = False
    hidden: bool = False


@dataclass(frozen=True, slots=True)
class Manner:
    """How turns are shown."""

    trace: str
    """The setting `chat.trace`: fail, always or never."""
    good: str
    """The key that rates good, as a person reads it."""
    wrong: str
    """The key that rates wrong."""

    @property
    def unchecked(self) -> str:
        return f"not checked - you decide: {self.good} / {self.wrong}, or /check <answer>"

    def opens(self, span: Span, is_last: bool) -> bool:
        """Whether a span is unfolded: the last one always, a reflection where failures are to be seen."""
        if is_last or self.trace == "always":
            return True
        return self.trace == "fail" and span is Span.REFLECTION


class Deeds(Horizontal):
    """What can be done with a turn, to click."""

    def __init__(self, manner: Manner, of_task: bool) -> None:
        super().__init__()
        self.manner = manner
        self.of_task = of_task

    def compose(self) -> ComposeResult:
        yield Act(f"[+] good {self.manner.good}", "good")
        yield Act(f"[-] wrong {self.manner.wrong}", "wrong")
        yield Act("[y] copy", "copy")
        yield Act("[v] why", "why")
        yield Act("[t] try again", "retry", classes="after-failure")
        if self.of_task:
            yield Act("[n] next", "problem")
        else:
            yield Act("[c] answer", "check", classes="after-failure")


class Branches(Horizontal):
    """Which branch is shown, and the way to the others."""

    def __init__(self, index: int, count: int) -> None:
        super().__init__()
        self.index = index
        self.count = count

    def compose(self) -> ComposeResult:
        yield Act("<", "previous-branch")
        yield Static(Content(f"{self.index}/{self.count} "), markup=False)
        yield Act(">", "next-branch")


class TurnView(Vertical, Steady, can_focus=True):
    """A turn on the screen, while it is written and afterwards."""

    class Chosen(Message):
        """It has the focus now."""

        def __init__(self, view: TurnView) -> None:
            super().__init__()
            self.view = view

    def __init__(self, head: Head, shown: Sequence[Shown], manner: Manner) -> None:
        super().__init__(classes=" ".join(_states(head, shown)))
        self.head = head
        self.manner = manner
        self._first = tuple(shown)
        """What is there when it is mounted."""
        # Kept, not looked for: a search would go through all that the model wrote.
        self._status = Static(classes="status", markup=False)
        self._worth_line = Static(classes="worth", markup=False)

    def compose(self) -> ComposeResult:
        with Horizontal(classes="head"):
            yield Static(self._question(), classes="question", markup=False)
            if self.head.branch[1] > 1:
                yield Branches(*self.head.branch)
        for number, shown in enumerate(self._first, 1):
            yield self._step(shown, is_last=number == len(self._first))
        self._worth_line.update(self._worth())
        yield self._status
        yield self._worth_line

    @property
    def steps(self) -> list[Step]:
        """The spans, in the order in which they were written."""
        return list(self.query_children(Step))

    @property
    def shown(self) -> list[Shown]:
        """What is shown of each span."""
        return [step.shown for step in self.steps] if self.is_mounted else list(self._first)

    @property
    def last_try(self) -> Shown | None:
        """The newest attempt or retry; None before the first one."""
        return next((shown for shown in reversed(self.shown) if shown.is_try), None)

    @property
    def is_live(self) -> bool:
        """Whether it is being written."""
        return any(shown.live for shown in self.shown)

    async def set_current(self, yes: bool) -> None:
        """Whether this is the turn that keys act on; only that one has its deeds in the page."""
        found = self.query_children(Deeds)
        if yes and not found:
            await self.mount(Deeds(self.manner, self.head.task is not None), before=self._worth_line)
        elif not yes and found:
            await found.remove()

    async def tell(self, head: Head) -> None:
        """Show other facts about it."""
        forked, self.head = head.branch != self.head.branch, head
        self.query_one(".question", Static).update(self._question())
        self._worth_line.update(self._worth())
        if forked:
            await self.query(Branches).remove()
            if head.branch[1] > 1:
                await self.query_one(".head").mount(Branches(*head.branch))
        self._mark()

    def _question(self) -> Content:
        head, symbols = self.head, app_of(self).symbols
        task = "" if head.task is None else f"   {first_line(head.task, 40)}, checked"
        hidden = "   hidden" if head.hidden else ""
        question = first_line(head.question, 80) if head.hidden else sanitize(head.question, QUESTION)
        mark = (f"{symbols.prompt} ", "$text-primary")
        return Content.assemble(mark, (question, "bold"), (task + hidden, "$foreground-muted"))

    def _worth(self) -> Content:
        mark = f"{app_of(self).symbols.marked} " if self.head.trainable else ""
        return Content(mark + sanitize(self.head.worth, 300))

    def say(self, status: str) -> None:
        """One line under the trace, such as that the model is loading; empty takes it away."""
        self._status.update(Content(sanitize(status, 300)))
        self.set_class(bool(status), "-waiting")

    async def take(self, event: Event) -> None:
        """Show what an event says."""
        match event:
            case Started():
                self.say(_started(event))
            case Grew():
                await self._grow(event)
            case Judged():
                await self._write(judged(event))
            case Reflected():
                await self._write(reflected(event))
            case _:
                pass

    async def settle(self, shown: Sequence[Shown]) -> None:
        """It is written: show what the log says, or, without a log entry, what was seen."""
        self.say("")
        seen = self.shown
        # What was cut off is not in the log when the engine died; what there was of it stays in sight.
        cut_off = [replace(s, live=False, finish=FinishReason.CANCELLED) for s in seen[len(shown) :] if s.live]
        wanted = [*(with_seconds(shown, seen) if shown else [s for s in seen if not s.live]), *cut_off]
        for step in self.steps[len(wanted) :]:
            await step.remove()
        for step, each in zip(self.steps, wanted, strict=False):
            await step.show(each)
        for each in wanted[len(self.steps) :]:
            await self._add(each)
        await self.refold(self.manner)
        self._mark()

    async def refold(self, manner: Manner) -> None:
        """Fold and unfold by the rule, except what a person did by hand."""
        self.manner = manner
        steps = self.steps
        for number, step in enumerate(steps, 1):
            wanted = manner.opens(step.shown.span, number == len(steps))
            if not step.by_hand and step.is_open != wanted:
                await step.fold(wanted)

    async def fold_all(self) -> None:
        """Unfold everything, or fold everything but the last."""
        steps = self.steps
        unfold = any(not step.is_open for step in steps)
        for step in steps:
            step.by_hand = True
            await step.fold(unfold or step is steps[-1])

    def on_focus(self, event: Focus) -> None:
        self.post_message(self.Chosen(self))

    def on_click(self, event: Click) -> None:
        self.focus()

    async def _grow(self, event: Grew) -> None:
        steps = self.steps
        if steps and steps[-1].shown.live and steps[-1].shown.span is event.span:
            await steps[-1].grow(event)
            return
        self.say("")
        await self._add(grown(event))
        await self.refold(self.manner)

    async def _write(self, shown: Shown) -> None:
        """A span is complete. What came too fast to be seen growing is added; an attempt is judged again by `/check`."""
        known = [step for step in self.steps if step.shown.span is shown.span]
        if known and (known[-1].shown.live or shown.span is Span.ATTEMPT):
            await known[-1].show(shown)
        else:
            await self._add(shown)
            await self.refold(self.manner)
        self._mark()

    async def _add(self, shown: Shown) -> None:
        await self.mount(self._step(shown, is_last=True), before=self._status)

    def _step(self, shown: Shown, is_last: bool) -> Step:
        return Step(shown, is_open=self.manner.opens(shown.span, is_last))

    def _mark(self) -> None:
        states = _states(self.head, self.shown)
        for name in STATES:
            self.set_class(name in states, name)


STATES = ("-judged", "-failing", "-trainable", "-hidden")


def _states(head: Head, shown: Sequence[Shown]) -> set[str]:
    """Classes for the sheet: what there is to do depends on how the last try ended."""
    last = next((each for each in reversed(shown) if each.is_try), None)
    found = {name for name, is_so in (("-trainable", head.trainable), ("-hidden", head.hidden)) if is_so}
    if last is not None and last.attempt is not None:
        found.add("-judged")
        if last.verdict not in (None, VerdictKind.PASS, VerdictKind.ERROR):
            found.add("-failing")
    return found


def _started(event: Started) -> str:
    if event.dropped:
        return f"reading {event.used} tokens; {event.dropped} earlier turns left out"
    return f"reading {event.used} tokens"
