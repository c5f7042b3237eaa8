"""What all parts of the chat screen share: the session, the parts of the page, and playing what the engine says into a turn.

send ──> ChatSession.ask ──events──> TurnView.take, ten times a second on the screen
             │ Overflow: the turn goes away, a notice asks, the text is back in the box
             │ Failed:   what was written stays, the text is back in the box
             └ Done:     the turn is shown as it is in the log
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass
from functools import cached_property

from textual.containers import Vertical
from textual.widget import Widget

from rrr_local.actions import Place
from rrr_local.chat import turns
from rrr_local.chat.session import ChatSession, Events
from rrr_local.engine.client import EngineState
from rrr_local.engine.protocol import Done, Event, Failed, Judged, Overflow, Started
from rrr_local.errors import NotFoundError, RrrError, UsageError
from rrr_local.store.chats import Turn
from tui import keys
from tui.place import PlaceScreen
from tui.widgets.act import Act, Notice
from tui.widgets.chat_info import ChatInfo
from tui.widgets.conversation import Conversation, Entry
from tui.widgets.empty import Empty
from tui.widgets.prompt import Prompt
from tui.widgets.step import logged
from tui.widgets.turn import Head, Manner, TurnView


@dataclass(frozen=True, slots=True)
class Asking:
    """What is being answered, for when it cannot be."""

    text: str
    """It goes back into the box."""
    again: Callable[[], Events] | None = None
    """The same with `fit`; None where leaving out turns does not apply."""
    instead: int = 0
    """The turn in whose place it is asked; 0: at the end."""


class ChatBase(PlaceScreen):
    """A conversation, the box below it, and one stream of events at a time."""

    PLACE = Place.CHAT

    def __init__(self) -> None:
        super().__init__()
        self.writing: Widget | None = None
        """What the engine works on."""
        self.finished = asyncio.Event()
        """Set while nothing is written."""
        self.finished.set()
        self.overflowed: Asking | None = None
        """What did not fit, until the person decides."""
        self.editing = 0
        """The turn whose prompt is in the box to be asked in other words; 0: none."""
        self.found = ("", 0)
        """What was searched for last, and the turn that was shown."""

    # The parts

    @cached_property
    def session(self) -> ChatSession:
        """The conversation that is shown."""
        return ChatSession(self.services.store, self.services.engine, self.services.settings)

    @property
    def conversation(self) -> Conversation:
        return self.query_one(Conversation)

    @property
    def prompt(self) -> Prompt:
        return self.query_one(Prompt)

    @property
    def info(self) -> ChatInfo:
        return self.query_one(ChatInfo)

    @property
    def manner(self) -> Manner:
        """How turns are shown, by the settings."""
        settings, keymap = self.services.settings, self.services.settings.keymap()
        good, wrong = (keys.shown(keys.of(name, keymap)[0]) for name in ("good", "wrong"))
        return Manner(str(settings.get("chat.trace")), good, wrong)

    @property
    def target(self) -> TurnView | None:
        """The turn that keys act on: the one with the focus, else the last."""
        around = () if self.focused is None else self.focused.ancestors_with_self
        return next((node for node in around if isinstance(node, TurnView)), None) or self.conversation.last

    def target_turn(self) -> Turn:
        """Its entry in the log. Raises `UsageError` where there is none."""
        view = self.target
        if view is None:
            raise UsageError("nothing was asked yet", "type a question first")
        if view.head.turn == 0:
            raise UsageError("this answer is not in the log", "ask again")
        return self.session.turn(view.head.turn)

    # What turns look like

    def head_of(self, turn: Turn) -> Head:
        """What is said about a turn of the log."""
        worth = self.session.trainable(turn)
        attempt = turn.episode.attempt
        open_question = turns.judged(turn, attempt) is None and not turns.stopped(attempt)
        return Head(
            question=turn.prompt or "",
            turn=turn.id,
            task=turn.task if turns.of_task(turn) else None,
            branch=self.session.branches(turn.id),
            worth=self.manner.unchecked if open_question else worth.why,
            trainable=worth.yes,
            hidden=turn.hidden,
        )

    async def show_path(self) -> None:
        """Show the turns of the branch that is chosen, as the log has them."""
        entries = [Entry(self.head_of(turn), tuple(logged(turn))) for turn in self.session.turns]
        await self.conversation.show(entries)
        await self.mark_target()
        self.look()

    async def show_empty(self) -> None:
        """In an empty chat: what this is and three problems to begin with."""
        ready = self.services.engine.ready
        there = self.conversation.column.query_children("TurnView, VersusView")
        wanted = not self.session.turns and self.writing is None and not there
        await self.conversation.query(Empty).remove()
        if wanted:
            await self.conversation.add(Empty(toy=ready is not None and ready.embedded))

    async def settle(self, view: TurnView, turn_id: int) -> None:
        """Show a turn as the log has it; an engine without a log (in a test) leaves what was seen."""
        try:
            turn = self.session.turn(turn_id)
        except NotFoundError:
            await view.settle(())
            return
        await view.settle(tuple(logged(turn)))
        await view.tell(self.head_of(turn))

    async def mark_target(self) -> None:
        """Only the turn that keys act on shows what can be done with it."""
        target = self.target
        for view in self.conversation.views:
            await view.set_current(view is target and view is not self.writing)

    def look(self) -> None:
        """Bring what surrounds the conversation up to date."""
        self.info.refresh_facts()
        self.refresh_bindings()

    async def redraw(self, turn_id: int) -> None:
        """A turn has changed in the log."""
        view = self.conversation.view(turn_id)
        if view is not None:
            await self.settle(view, turn_id)
        await self.mark_target()
        self.look()

    # Writing

    def must_be_idle(self) -> None:
        """Raises `UsageError` while something is written."""
        if self.writing is not None:
            raise UsageError("an answer is still being written", "wait, or stop it with esc")

    def must_be_able(self) -> None:
        """Raises `UsageError` where nothing can be written now."""
        self.must_be_idle()
        if self.rrr.read_only:
            raise UsageError("nothing can be asked here", self.rrr.read_only)
        if self.services.engine.state in (EngineState.DEAD, EngineState.OFF):
            raise UsageError("the engine is not running", "/restart starts it again")

    async def ask(self, asking: Asking, events: Callable[[], Events]) -> None:
        """Begin a turn. Raises `UsageError`."""
        self.must_be_able()
        self.overflowed = None
        await self.drop_notice("overflow")
        await self.conversation.query(Empty).remove()
        if asking.instead:
            shown = [turn.id for turn in self.session.turns]
            await self.conversation.cut(set(shown[shown.index(asking.instead) :]))
        view = await self.conversation.begin(Head(asking.text))
        view.say("reading")
        self.play(events, view, asking)

    async def write_into(self, turn_id: int, events: Callable[[], Events]) -> None:
        """Go on with a turn. Raises `UsageError`."""
        self.must_be_able()
        view = await self.conversation.reveal(turn_id)
        if view is not None:
            view.say("reflecting")
            self.conversation.anchor()
            self.play(events, view)

    def play(self, events: Callable[[], Events], view: TurnView, asking: Asking | None = None) -> None:
        """Show what the engine says, in the background."""
        self.begin_writing(view)
        self.run_worker(self._play(events, view, asking), group="turn")

    def begin_writing(self, view: Widget) -> None:
        """The engine works on this now."""
        self.writing = view
        self.finished.clear()
        self.look()

    async def end_writing(self) -> None:
        """The engine is done."""
        self.writing = None
        self.finished.set()
        await self.show_empty()
        await self.mark_target()
        self.look()

    async def _play(self, events: Callable[[], Events], view: TurnView, asking: Asking | None) -> None:
        await self.mark_target()
        if self.services.engine.state is EngineState.STARTING:
            view.say("the model is being loaded; this is sent when it is ready")
        last: Event | None = None
        turn = view.head.turn
        try:
            async with aclosing(events()) as stream:
                async for event in stream:
                    last = event
                    if isinstance(event, Judged | Done) and event.turn:
                        turn = event.turn
                    if isinstance(event, Started | Judged):
                        self.info.count(event)
                    await view.take(event)
        except RrrError as error:
            last = Failed(0, error.cause, error.way_out)
        await self._end(view, turn, last, asking)
        await self.end_writing()

    async def _end(self, view: TurnView, turn: int, last: Event | None, asking: Asking | None) -> None:
        match last:
            case Overflow():
                await self._overflow(last, asking)
            case Failed():
                await self.settle(view, turn)
                view.say(f"{last.cause}: {last.way_out}")
                self.give_back(asking)
            case _:
                await self.settle(view, turn)
                if isinstance(last, Done) and last.stopped:
                    self.give_back(asking)

    async def _overflow(self, overflow: Overflow, asking: Asking | None) -> None:
        """Nothing was sampled: ask what to do, with the text back in the box."""
        await self.show_path()
        self.give_back(asking)
        cause = f"This does not fit: it needs {overflow.needed} tokens, the model takes {overflow.limit}."
        if overflow.drop < 0 or asking is None or asking.again is None:
            await self.notice("overflow", cause, "It is too long even alone: shorten it.", bad=True)
            return
        self.overflowed = asking
        oldest = "the oldest turn" if overflow.drop == 1 else f"the {overflow.drop} oldest turns"
        act = Act(f"[send without {oldest}]", "fit")
        await self.notice("overflow", cause, f"Without {oldest} it fits (/fit); or shorten it.", act, bad=True)

    def give_back(self, asking: Asking | None) -> None:
        """What could not be answered to its end goes back into the box, unless something else was typed meanwhile."""
        if asking is not None and not self.prompt.text.strip():
            self.prompt.put(asking.text)

    def put(self, text: str) -> None:
        """Put a text into the box, to be finished."""
        self.prompt.put(text)
        self.set_focus(self.prompt)

    # Notices

    async def notice(self, id: str, cause: str, way_out: str, *acts: Act, bad: bool = False) -> None:
        """A block above the box; another one with the same id goes away."""
        await self.drop_notice(id)
        await self.query_one("#notices", Vertical).mount(Notice(cause, way_out, acts, id=id, bad=bad))

    async def drop_notice(self, id: str) -> None:
        """Take a notice away."""
        await self.query(f"#notices > #{id}").remove()
