"""One request of a plain chat: its events as lines, Ctrl-C that stops it, and what it leaves for the exit code."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import aclosing, contextmanager

from rrr_local.chat import turns
from rrr_local.chat.export import verdict_line
from rrr_local.chat.feedback import FAILED
from rrr_local.chat.session import ChatSession, Events
from rrr_local.cli.lines import Growing, Lines, Mark
from rrr_local.engine.client import EngineState
from rrr_local.engine.protocol import Arm, Done, Event, Failed, Grew, Judged, Overflow, Ready, Reflected, Started
from rrr_local.episode import FinishReason, Span
from rrr_local.errors import ExitCode
from rrr_local.store.chats import Turn

MARKS = {Span.ATTEMPT: Mark.ATTEMPT, Span.REFLECTION: Mark.REFLECTION, Span.RETRY: Mark.RETRY}
ARMS = {Arm.BASE: Mark.BASE, Arm.ADAPTER: Mark.ADAPTER}
TOY = (
    "the embedded model is a toy made for the task countdown: what it answers to anything else means nothing; "
    "/task countdown, or /model FOLDER"
)


class Talk:
    """Shows what the model writes."""

    def __init__(self, session: ChatSession, lines: Lines) -> None:
        self.session = session
        self.lines = lines
        self.exit_code = ExitCode.OK
        """FAILED when the last checked answer failed, MODEL when the engine has died."""
        self.answers: dict[Arm, int] = {}
        """The newest answers that stand side by side, as attempts of the log."""
        self.fit: Callable[[], Events] | None = None
        """What to do again without the oldest turns, after an overflow."""
        self._growing: tuple[Mark, Growing] | None = None
        self._warned = False

    async def show(self, events: Events, *, fit: Callable[[], Events] | None = None) -> None:
        """Carry out a request and say what comes of it. Raises why the engine did not start."""
        if self.session.engine.state is EngineState.STARTING:
            await self.session.engine.until_ready()
        self.fit, self._growing = None, None
        async with aclosing(events):
            with _stopped_by_ctrl_c(self.session):
                async for event in events:
                    self._say(event, fit)

    def warn_of_toy(self) -> None:
        """Say once what the embedded model is not."""
        ready = self.session.engine.ready
        if not self._warned and ready is not None and ready.embedded:
            self._warned = True
            self.lines.note(TOY)

    def turn(self, turn: Turn) -> None:
        """Show a logged turn."""
        self.lines.say(Mark.YOU, turn.prompt or "")
        if turn.hidden:
            self.lines.note("hidden; /hide shows it again")
            return
        self._try(Mark.ATTEMPT, turn, 0)
        for number, each in enumerate(turn.episode.reflections, 1):
            self._reflection(each.text)
            if each.retry is not None:
                self._try(Mark.RETRY, turn, number)

    def _try(self, mark: Mark, turn: Turn, number: int) -> None:
        made = turns.tries(turn)[number]
        self.lines.say(mark, made.text)
        self.lines.say(Mark.VERDICT, verdict_line(turn, made))

    def _reflection(self, text: str) -> None:
        if self._hides_reflections:
            self.lines.note("it reflected; /trace fail shows how")
        else:
            self.lines.say(Mark.REFLECTION, text)

    @property
    def _hides_reflections(self) -> bool:
        return bool(self.session.settings.get("chat.trace") == "never")

    def _say(self, event: Event, fit: Callable[[], Events] | None) -> None:
        match event:
            case Started():
                self._started(event)
            case Grew(span=span, text=text, arm=arm):
                self._grow(_mark(span, arm), text)
            case Judged():
                self._judged(event)
            case Reflected(text=text):
                self._reflected(text)
            case Overflow():
                self._overflow(event, fit)
            case Ready():
                self.ready(event)
            case Done():
                self._done(event)
            case Failed():
                self._failed(event)

    def _started(self, event: Started) -> None:
        if event.dropped:
            self.lines.note(f"not in the model's context: the {event.dropped} oldest turns")
        if event.note:
            self.lines.note(event.note)

    def _grow(self, mark: Mark, text: str) -> None:
        if mark is Mark.REFLECTION and self._hides_reflections:
            return
        if self._growing is None or self._growing[0] is not mark:
            self._growing = mark, Growing(self.lines, mark)
        self._growing[1].grow(text)

    def _end(self, mark: Mark, text: str) -> None:
        """A span is complete; some come without ever having grown."""
        grown = self._growing[1] if self._growing and self._growing[0] is mark else Growing(self.lines, mark)
        grown.end(text)
        self._growing = None

    def _leave_off(self) -> None:
        """What was being written ends here."""
        if self._growing is not None:
            self._growing[1].end(self._growing[1].text)
            self._growing = None

    def _judged(self, event: Judged) -> None:
        if event.id:  # else it was there already, and only judged now
            self._end(_mark(event.span, event.arm), event.text)
        if not event.turn:
            self.answers[event.arm] = event.attempt
        if event.verdict is None or event.finish is FinishReason.CANCELLED:
            stopped = event.finish is FinishReason.CANCELLED
            self.lines.say(Mark.VERDICT, "stopped" if stopped else "not checked")
        else:
            self.lines.say(Mark.VERDICT, f"{event.verdict}: {event.reason} (check)")
            self.exit_code = ExitCode.FAILED if event.verdict in FAILED else ExitCode.OK

    def _reflected(self, text: str) -> None:
        if self._hides_reflections:
            self._reflection(text)
        else:
            self._end(Mark.REFLECTION, text)

    def _overflow(self, event: Overflow, fit: Callable[[], Events] | None) -> None:
        needed = f"that needs {event.needed} tokens of context, the model has {event.limit}"
        if event.drop > 0 and fit is not None:
            self.fit = fit
            self.lines.note(f"{needed}: nothing was sent; /fit sends it without the {event.drop} oldest turns")
        else:
            self.lines.note(f"{needed}: nothing was sent; say it shorter, or begin anew with /new")

    def ready(self, event: Ready) -> None:
        """Say what is loaded."""
        adapter = f" with {event.adapter}" if event.adapter else ""
        self.lines.note(f"{event.model}{adapter}, {event.backend}, {event.context} tokens of context")

    def _done(self, event: Done) -> None:
        self._leave_off()
        if event.stopped:
            self.lines.note(
                "stopped; what was written is kept" if event.turn else "stopped before anything was written"
            )
        elif event.turn:
            self.lines.note(self.session.trainable(self.session.turn(event.turn)).why)

    def _failed(self, event: Failed) -> None:
        self._leave_off()
        self.lines.note(f"{event.cause}; {'/restart starts the engine again' if event.dead else event.way_out}")
        if event.dead:
            self.exit_code = ExitCode.MODEL


def _mark(span: Span, arm: Arm) -> Mark:
    return ARMS.get(arm) or MARKS[span]


@contextmanager
def _stopped_by_ctrl_c(session: ChatSession) -> Iterator[None]:
    """Inside, Ctrl-C stops the answer instead of the program."""
    loop = asyncio.get_running_loop()
    stopping: set[asyncio.Task[None]] = set()
    loop.add_signal_handler(signal.SIGINT, lambda: stopping.add(asyncio.ensure_future(session.stop())))
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGINT)
