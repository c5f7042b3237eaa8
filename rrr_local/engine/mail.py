"""Events of one request between the pipe and whoever reads them.

An engine may write faster than a screen can show. Neighbouring `Grew` of one span wait as a single entry, and are handed over
at most 10 times a second, which a screen can follow at little cost: so a slow reader falls behind by one event, not by ten thousand.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field, replace

from rrr_local.engine.protocol import Event, Grew

BETWEEN_S = 0.1
"""Least time between two `Grew`."""


@dataclass(slots=True)
class _Growth:
    """`Grew` events that wait as one."""

    newest: Grew
    texts: list[str] = field(default_factory=list)

    def joined(self) -> Grew:
        return replace(self.newest, text="".join(self.texts))


class Mail:
    """A queue for one reader."""

    def __init__(self) -> None:
        self._waiting: deque[Event | _Growth] = deque()
        self._arrived = asyncio.Event()
        self._last_grew = 0.0

    def put(self, event: Event) -> None:
        """Add an event; never waits."""
        if isinstance(event, Grew):
            self._grow(event)
        else:
            self._waiting.append(event)
        self._arrived.set()

    async def get(self) -> Event:
        """The next event, in the order they came."""
        await self._arrived.wait()
        if isinstance(self._waiting[0], _Growth):
            await self._pace()
        first = self._waiting.popleft()
        if not self._waiting:
            self._arrived.clear()
        return first.joined() if isinstance(first, _Growth) else first

    def _grow(self, event: Grew) -> None:
        last = self._waiting[-1] if self._waiting else None
        if not isinstance(last, _Growth) or (last.newest.span, last.newest.arm) != (event.span, event.arm):
            last = _Growth(event)
            self._waiting.append(last)
        last.newest = event
        last.texts.append(event.text)

    async def _pace(self) -> None:
        clock = asyncio.get_running_loop().time
        early = self._last_grew + BETWEEN_S - clock()
        if early > 0:
            await asyncio.sleep(early)
        self._last_grew = clock()
