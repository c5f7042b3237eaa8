"""A log and an engine to chat in: the real engine, or the scripted one for what the real one cannot be made to do."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest

from rrr_local import paths
from rrr_local.chat.session import ChatSession, Events
from rrr_local.config import Settings
from rrr_local.engine.client import Engine
from rrr_local.engine.protocol import Event
from rrr_local.paths import cache_folder
from rrr_local.store.store import Store
from tests.engine import scripted

T = TypeVar("T")


def script(scenario: str) -> tuple[str, ...]:
    """The command of an engine that plays a scenario of `tests.engine.scripted`."""
    return (sys.executable, scripted.__file__, scenario)


class Room:
    """A log and an engine that several tests share; each has a chat and settings of its own."""

    def __init__(self, folder: Path, command: tuple[str, ...] | None = None) -> None:
        self.store = Store.open(folder / "rrr.db")
        self.engine = Engine(command)
        self._runner = asyncio.Runner()
        self.run(self.engine.start("tiny", None))

    def chat(self, **chosen: object) -> ChatSession:
        """A new chat, with settings such as `temperature=0.7`; they are not kept."""
        stored = {f"chat.{key}": str(value) for key, value in ({"temperature": 0} | chosen).items()}
        return ChatSession(self.store, self.engine, Settings(stored, {}, lambda key, value: None))

    def run(self, story: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(asyncio.wait_for(story, 120))

    def close(self) -> None:
        self.run(self.engine.close())
        self._runner.close()
        self.store.close()


@contextmanager
def room_in(folder: Path, command: tuple[str, ...] | None = None) -> Iterator[Room]:
    """A room in a data folder of its own."""
    shutil.copytree(cache_folder(), folder / "cache", copy_function=os.link)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(paths.OVERRIDE, str(folder))
        room = Room(folder, command)
        try:
            yield room
        finally:
            room.close()


async def every(events: Events) -> list[Event]:
    return [event async for event in events]
