"""A chat in the engine, in this process: the embedded model and a real log, opened anew as after a restart."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from rrr_local.backends.mlx.backend import MlxBackend
from rrr_local.engine.conversation import Conversation
from rrr_local.engine.protocol import (
    Ask,
    Done,
    Event,
    Grew,
    Judged,
    Reflect,
    Started,
)
from rrr_local.episode import Span
from rrr_local.store.spans import LoggedTurn, logged_turn
from rrr_local.workbench import Workbench, workbench

PROBLEM: dict[str, object] = {"numbers": [4, 6, 10], "target": 34}
"""The embedded model answers it wrong, greedily."""
LONG = "one two three four five six seven eight nine ten " * 12


@dataclass
class Chat:
    """A conversation with a bench that stays open."""

    bench: Workbench
    conversation: Conversation
    session: str | None = None
    requests: int = 0

    def ask(self, prompt: str, after: int | None = None, **options: object) -> list[Event]:
        self.requests += 1
        ask = Ask(self.requests, prompt, self.session, after, **options)  # type: ignore[arg-type]
        events = list(self.conversation.ask(ask))
        self.session = next((e.conversation for e in events if isinstance(e, Started)), self.session)
        return events

    def reflect(self, turn: int, reason: str = "") -> list[Event]:
        self.requests += 1
        assert self.session is not None
        return list(self.conversation.reflect(Reflect(self.requests, self.session, turn, reason)))

    def logged(self, turn: int) -> LoggedTurn:
        return logged_turn(self.bench.store.reader(), turn)

    @property
    def backend(self) -> MlxBackend:
        assert isinstance(self.bench.backend, MlxBackend)
        return self.bench.backend


def nobody(request_id: int) -> bool:
    return False


@contextmanager
def opened(
    session: str | None = None, adapter: str | None = None, cancelled: Callable[[int], bool] = nobody
) -> Iterator[Chat]:
    """A chat in a freshly loaded model, as after a restart of the engine."""
    with workbench(model="tiny", task="question", adapter=adapter) as bench:
        conversation = Conversation(bench, cancelled)
        yield Chat(bench, conversation, session)
        conversation.close()


def first(events: list[Event], kind: type[Judged], span: Span = Span.ATTEMPT) -> Judged:
    return next(e for e in events if isinstance(e, kind) and e.span is span)


def turn_of(events: list[Event]) -> int:
    assert isinstance(events[-1], Done)
    return events[-1].turn


def shape(events: list[Event]) -> list[str]:
    return [type(e).__name__ for e in events if not isinstance(e, Grew)]


@pytest.fixture
def chat(data_folder: Path) -> Iterator[Chat]:
    with opened() as chat:
        yield chat
