"""What is typed faster than the app acts on it.

Textual hands a key to whatever has the focus *when the key comes*, and that widget acts on it later, in its own queue. So what is typed
right behind an escape or a ctrl+p would still go to the dialog that is about to close, or to the page below the one that is about to
open, and be lost there; on a machine whose cores a training keeps busy that is half a second of typing. Here a key waits until the one
before it has done what it does: it went up from the widget with the focus to the app, and no other screen or widget took over meanwhile.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterator

from textual.app import App, ScreenStackError
from textual.events import Event, InputEvent, Key, MouseDown, MouseUp, Paste
from textual.message_pump import MessagePump

HELD_S = 2.0
"""Input waits no longer than this for the key before it: something that takes so long may be what a person wants to stop."""


class TypeAhead:
    """A queue in front of `App.on_event`; it keeps the order of keys, clicks and pastes."""

    def __init__(self, app: App[None], deliver: Callable[[Event], Awaitable[None]]) -> None:
        """`deliver` gives an event to what has the focus; it is awaited in the app's own queue."""
        self._app = app
        self._deliver = deliver
        self._waiting: deque[Event] = deque()
        self._settling: asyncio.Task[None] | None = None

    @staticmethod
    def takes(event: Event) -> bool:
        """Whether this comes from a person, and was not given to a widget yet."""
        return isinstance(event, InputEvent | Paste) and not event.is_forwarded

    async def put(self, event: Event) -> None:
        """Deliver an event now, or when what came before it is done."""
        self._waiting.append(event)
        await self._go_on()

    async def _go_on(self) -> None:
        while self._waiting and self._settling is None:
            event = self._waiting.popleft()
            await self._deliver(event)
            if isinstance(event, Key | MouseDown | MouseUp | Paste):  # moving and scrolling change no focus
                self._settling = asyncio.create_task(self._settle())

    async def _settle(self) -> None:
        try:
            async with asyncio.timeout(HELD_S):
                before = None
                while before != (place := self._place()):
                    before = place
                    for pump in self._way():
                        await _caught_up(pump)
        except (TimeoutError, ScreenStackError):  # the latter: the app is ending
            pass
        finally:
            self._settling = None
            self._app.call_later(self._go_on)

    def _place(self) -> tuple[object, ...]:
        return (self._app.screen, self._app.focused)

    def _way(self) -> Iterator[MessagePump]:
        """Where a key goes: the widget with the focus, what is around it, the screen, the app."""
        focused = self._app.focused
        around = [self._app.screen] if focused is None else focused.ancestors_with_self
        yield from (node for node in around if node is not self._app)
        yield self._app


async def _caught_up(pump: MessagePump) -> None:
    """Wait until a queue has dealt with what is in it now; one that is closing has nothing more to say."""
    done = asyncio.Event()
    if pump.call_later(done.set):
        await done.wait()
