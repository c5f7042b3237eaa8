"""One span of a turn: a line that says what it is and what came of it, and its text, which can be folded away.

▾ ✗ Attempt · wrong (check): got 29, not 24                              31 tok · 61 tok/s · 1.9 s
  3 * 7 = 21. ...
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.events import Click
from textual.widgets import Static

from rrr_local.chat import turns
from rrr_local.engine.protocol import Grew, Judged, Reflected
from rrr_local.episode import FinishReason, Span, VerdictKind
from rrr_local.store.chats import Turn
from rrr_local.store.history import Try
from tui.symbols import Symbols
from tui.typed import app_of
from tui.widgets.answer import Answer
from tui.widgets.prose import LONGEST, first_line
from tui.widgets.steady import Steady

COUNT_S = 0.5
"""Between two counts of the tokens while a span is written."""
NAMES = {Span.ATTEMPT: "Attempt", Span.REFLECTION: "Reflection", Span.RETRY: "Retry"}
WORDS = {
    VerdictKind.PASS: "correct",
    VerdictKind.FAIL: "wrong",
    VerdictKind.UNPARSED: "no answer found",
    VerdictKind.TIMEOUT: "took too long",
    VerdictKind.ERROR: "the check broke",
}


@dataclass(frozen=True, slots=True)
class Shown:
    """What is shown of one span."""

    span: Span
    text: str
    attempt: int | None = None
    """The log's id of this try; None for a reflection, and while it is written."""
    verdict: VerdictKind | None = None
    """None where nothing was checked, and for a reflection."""
    reason: str = ""
    by_user: bool = False
    """Whether the verdict is a person's."""
    helped: bool | None = None
    """For a reflection: whether its retry passed; None while that is open."""
    tokens: int | None = None
    seconds: float | None = None
    finish: FinishReason | None = None
    live: bool = False
    """Whether it is being written."""

    @property
    def is_try(self) -> bool:
        return self.span is not Span.REFLECTION


def grown(event: Grew) -> Shown:
    """A span that has just begun."""
    return Shown(event.span, event.text, tokens=event.tokens, live=True)


def judged(event: Judged) -> Shown:
    """A try that was judged."""
    return Shown(
        event.span,
        event.text,
        attempt=event.attempt,
        verdict=event.verdict,
        reason=event.reason,
        tokens=event.tokens,
        seconds=event.seconds,
        finish=event.finish,
    )


def reflected(event: Reflected) -> Shown:
    """A reflection that was written."""
    return Shown(Span.REFLECTION, event.text, tokens=event.tokens, seconds=event.seconds, finish=event.finish)


def logged(turn: Turn) -> Iterator[Shown]:
    """A turn of the log, in the order in which it was written."""
    yield _tried(turn, Span.ATTEMPT, turn.episode.attempt)
    for reflection in turn.episode.reflections:
        retry = reflection.retry
        verdict = None if retry is None else turns.judged(turn, retry)
        helped = None if verdict is None else verdict is VerdictKind.PASS
        yield Shown(Span.REFLECTION, reflection.text, helped=helped, tokens=reflection.tokens)
        if retry is not None:
            yield _tried(turn, Span.RETRY, retry)


def _tried(turn: Turn, span: Span, made: Try) -> Shown:
    return Shown(
        span,
        made.text,
        attempt=made.id,
        verdict=turns.judged(turn, made),
        reason=made.reason or "",
        by_user=made.by_user,
        tokens=made.completion_tokens,
        seconds=None if made.duration_ms is None else made.duration_ms / 1000,
        finish=made.finish_reason,
    )


def with_seconds(shown: Sequence[Shown], before: Sequence[Shown]) -> list[Shown]:
    """What the log says, with the times of reflections, which only the events had."""
    known = {(s.span, s.text): s.seconds for s in before if s.seconds is not None}
    return [s if s.seconds is not None else replace(s, seconds=known.get((s.span, s.text))) for s in shown]


def title(shown: Shown, symbols: Symbols) -> Content:
    """Symbol, name, and what came of it."""
    symbol, style = _mark(shown, symbols)
    words = [NAMES[shown.span], *_outcome(shown)]
    return Content.assemble((f"{symbol} ", style), (f" {symbols.dot} ".join(words), "$text"))


def figures(shown: Shown, symbols: Symbols) -> str:
    """Tokens, tokens a second, seconds: what is known of them."""
    facts = [] if shown.tokens is None else [f"{shown.tokens} tok"]
    if shown.seconds:
        facts += [f"{(shown.tokens or 0) / shown.seconds:.0f} tok/s"] if shown.tokens else []
        facts.append(f"{shown.seconds:.1f} s")
    return f" {symbols.dot} ".join(facts)


def _mark(shown: Shown, symbols: Symbols) -> tuple[str, str]:
    if shown.live:
        return symbols.running, "$text-primary"
    if not shown.is_try:
        return symbols.reflection, "$text-warning"
    if shown.verdict is None:
        stopped = shown.finish is FinishReason.CANCELLED
        return (symbols.stopped if stopped else symbols.unchecked), "$foreground-muted"
    styles = {VerdictKind.PASS: "$text-success", VerdictKind.ERROR: "$text-warning"}
    return symbols.verdict(shown.verdict), styles.get(shown.verdict, "$text-error")


def _outcome(shown: Shown) -> Iterator[str]:
    if shown.live:
        yield "writing"
        return
    if shown.finish is FinishReason.CANCELLED:
        yield "stopped"
    if not shown.is_try:
        if shown.helped is not None:
            yield "helped: the retry passed" if shown.helped else "the retry failed"
    elif shown.verdict is not None:
        reason = first_line(shown.reason)
        by = "you" if shown.by_user else "check"
        yield f"{WORDS[shown.verdict]} ({by})" + (f": {reason}" if reason else "")
    elif shown.finish is not FinishReason.CANCELLED:
        yield "not checked"
    if shown.finish is FinishReason.LENGTH:
        yield "cut at the token limit"


class Step(Vertical, Steady):
    """One span on the screen. The text is mounted when it is first unfolded."""

    def __init__(self, shown: Shown, *, is_open: bool) -> None:
        super().__init__(classes=f"{shown.span.value} {' '.join(_states(shown, is_open))}")
        self.shown = shown
        self.is_open = is_open
        self.by_hand = False
        """Whether a person folded or unfolded it; no rule changes it then."""
        self._counted_at = 0.0

    def compose(self) -> ComposeResult:
        with Horizontal(classes="head"):
            yield Static(self._title(), classes="title", markup=False)
            yield Static(self._figures(), classes="figures", markup=False)
        if self.is_open:
            yield Answer(self.shown.text, live=self.shown.live)

    @property
    def answer(self) -> Answer | None:
        """The text as a widget, where it was unfolded once."""
        found = self.query_children(Answer)
        return found.first() if found else None

    async def grow(self, event: Grew) -> None:
        """More of it was written."""
        text = self.shown.text + event.text if len(self.shown.text) < LONGEST else self.shown.text
        self.shown = replace(self.shown, text=text, tokens=event.tokens)
        if self.answer is not None:
            await self.answer.grow(event.text)
        if not self.is_open:
            self._draw()
            return
        now = time.monotonic()
        if now - self._counted_at >= COUNT_S:
            self._counted_at = now
            self._count()

    def _count(self) -> None:
        """Show the figures as they are now, where they are in sight: what is drawn out of sight has all places worked out anew."""
        head = self.query_children(".head")
        if head and self.screen.can_view_partial(head.first()):
            figures, widget = self._figures(), self.query_one(".figures", Static)
            widget.update(figures, layout=widget.content_size.width != figures.cell_length)

    async def show(self, shown: Shown) -> None:
        """It is something else now: judged, rated, or the whole text of what was written."""
        same, self.shown = shown.text == self.shown.text and not self.shown.live, shown
        if self.answer is not None and not same:
            await self.answer.finish(shown.text)
        self._draw()

    async def fold(self, is_open: bool) -> None:
        """Show the text, or only its first line."""
        self.is_open = is_open
        if is_open and self.answer is None and self.is_mounted:
            await self.mount(Answer(self.shown.text, live=self.shown.live))
        if self.answer is not None:
            self.answer.display = is_open
        self._draw()

    async def on_click(self, event: Click) -> None:
        """A click on the line folds or unfolds."""
        if event.widget is not None and event.widget.parent is self.query_one(".head"):
            event.stop()
            self.by_hand = True
            await self.fold(not self.is_open)

    def _title(self) -> Content:
        symbols = app_of(self).symbols
        line = title(self.shown, symbols)
        if not self.is_open:
            line = Content.assemble(line, f" {symbols.dot} ", (first_line(self.shown.text), "$foreground-muted"))
        fold = symbols.open if self.is_open else symbols.folded
        return Content.assemble((f"{fold} ", "$foreground-muted"), line)

    def _figures(self) -> Content:
        return Content(figures(self.shown, app_of(self).symbols))

    def _draw(self) -> None:
        if not self.query_children(".head"):
            return
        self.query_one(".title", Static).update(self._title())
        self.query_one(".figures", Static).update(self._figures())
        states = _states(self.shown, self.is_open)
        for name in STATES:
            self.set_class(name in states, name)


STATES = ("-folded", "-passed", "-failed")


def _states(shown: Shown, is_open: bool) -> set[str]:
    """Classes for the sheet."""
    found = set() if is_open else {"-folded"}
    match shown.verdict:
        case None | VerdictKind.ERROR:
            return found
        case VerdictKind.PASS:
            return found | {"-passed"}
        case _:
            return found | {"-failed"}
