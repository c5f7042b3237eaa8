"""What the chat looks like, as text: in a small and a large window, in each of its states."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from textual.pilot import Pilot

from rrr_local.engine.client import EngineState
from rrr_local.engine.protocol import Event, Grew, Judged, Reflected, Started
from rrr_local.episode import FinishReason, Span, VerdictKind
from tests.engine.scripted import ATTEMPT, REFLECTION, WRONG
from tests.tui.chatting import answered, ask, chat, enter, ready, script
from tests.tui.support import check_snapshot, drive, text_of, until
from tui.app import RrrApp
from tui.widgets.reason import ReasonField
from tui.widgets.turn import Head
from tui.widgets.versus import Side

SIZES = ((80, 24), (120, 36))
QUESTION = "What is a list?"
PROBLEM = '{"numbers": [3, 7, 18], "target": 39}'


def sized(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"


@pytest.mark.parametrize("size", SIZES, ids=sized)
def test_an_empty_chat(data_folder: Path, size: tuple[int, int]) -> None:
    async def story(app: RrrApp, pilot: Pilot[None]) -> None:
        await ready(app, pilot)
        check_snapshot(f"chat-empty-{sized(size)}", text_of(app))
        await pilot.press(*"/t")
        check_snapshot(f"chat-slash-{sized(size)}", text_of(app))

    drive(data_folder, story, engine=script("happy"), size=size)


@pytest.mark.parametrize("size", SIZES, ids=sized)
def test_an_answer_while_it_is_written(data_folder: Path, size: tuple[int, int]) -> None:
    end = asyncio.Event()

    async def events() -> AsyncGenerator[Event, None]:
        yield Started(1, "01CHAT", 102, 2048)
        for word in ATTEMPT.split():
            yield Grew(1, Span.ATTEMPT, f"{word} ", 5)
        yield Judged(1, Span.ATTEMPT, 0, 1, ATTEMPT, VerdictKind.FAIL, WRONG, 31, 0.5, FinishReason.STOP, 133)
        yield Reflected(1, 0, REFLECTION, 24, 0.4, FinishReason.STOP)
        yield Grew(1, Span.RETRY, "<think>18 is left.</think>So it is **3 * 7 + 18", 17)
        await end.wait()

    async def story(app: RrrApp, pilot: Pilot[None]) -> None:
        await ready(app, pilot)
        view = await chat(app).conversation.begin(Head("What makes 39 of 3, 7 and 18?"))
        chat(app).play(events, view)
        await until(pilot, lambda: "So it is" in text_of(app))
        check_snapshot(f"chat-streaming-{sized(size)}", text_of(app))
        end.set()
        await answered(app, pilot)

    drive(data_folder, story, engine=script("happy"), size=size)


@pytest.mark.parametrize("size", SIZES, ids=sized)
def test_a_failure_that_a_retry_fixed_and_the_reason_field(data_folder: Path, size: tuple[int, int]) -> None:
    async def story(app: RrrApp, pilot: Pilot[None]) -> None:
        await ready(app, pilot)
        chat(app).session.task = "countdown"
        await ask(app, pilot, PROBLEM)
        await until(pilot, lambda: "+1 trainable" in text_of(app))
        check_snapshot(f"chat-retried-{sized(size)}", text_of(app))
        await pilot.press("ctrl+r")
        await until(pilot, lambda: chat(app).query(ReasonField))
        await pilot.press("2")
        check_snapshot(f"chat-reason-{sized(size)}", text_of(app))

    drive(data_folder, story, engine=script("happy"), size=size)


@pytest.mark.parametrize("size", SIZES, ids=sized)
def test_two_answers_side_by_side(data_folder: Path, size: tuple[int, int]) -> None:
    async def story(app: RrrApp, pilot: Pilot[None]) -> None:
        await app.services.engine.start("tiny", "run-8")
        await ready(app, pilot)
        await enter(app, pilot, f"/ab {QUESTION}")
        await until(pilot, lambda: chat(app).query(Side) and chat(app).writing is None)
        check_snapshot(f"chat-versus-{sized(size)}", text_of(app))

    drive(data_folder, story, engine=script("happy"), size=size)


@pytest.mark.parametrize("size", SIZES, ids=sized)
def test_an_engine_that_died(data_folder: Path, size: tuple[int, int]) -> None:
    async def story(app: RrrApp, pilot: Pilot[None]) -> None:
        await ready(app, pilot)
        chat(app).session.task = "countdown"
        await enter(app, pilot, QUESTION)
        await until(pilot, lambda: app.services.engine.state is EngineState.DEAD and chat(app).writing is None)
        await until(pilot, lambda: "[restart]" in text_of(app))
        check_snapshot(f"chat-dead-{sized(size)}", text_of(app))

    drive(data_folder, story, engine=script("crash"), size=size)


@pytest.mark.parametrize("size", SIZES, ids=sized)
def test_a_context_that_is_full(data_folder: Path, size: tuple[int, int]) -> None:
    async def story(app: RrrApp, pilot: Pilot[None]) -> None:
        await ready(app, pilot)
        chat(app).session.task = "countdown"
        await enter(app, pilot, QUESTION)
        await until(pilot, lambda: "This does not fit" in text_of(app))
        check_snapshot(f"chat-overflow-{sized(size)}", text_of(app))

    drive(data_folder, story, engine=script("overflow"), size=size)


@pytest.mark.parametrize("size", SIZES, ids=sized)
def test_a_second_app(data_folder: Path, size: tuple[int, int]) -> None:
    async def story(app: RrrApp, pilot: Pilot[None]) -> None:
        await until(pilot, lambda: "Read-only" in text_of(app))
        check_snapshot(f"chat-read-only-{sized(size)}", text_of(app))

    drive(data_folder, story, engine=script("taken"), size=size)


def test_in_ascii_there_is_nothing_else(data_folder: Path) -> None:
    async def story(app: RrrApp, pilot: Pilot[None]) -> None:
        app.set_setting("ui.ascii", True)
        await ready(app, pilot)
        chat(app).session.task = "countdown"
        await ask(app, pilot, PROBLEM)
        await until(pilot, lambda: "+1 trainable" in text_of(app))
        assert text_of(app).isascii()
        check_snapshot("chat-ascii-80x24", text_of(app))

    drive(data_folder, story, engine=script("happy"))
