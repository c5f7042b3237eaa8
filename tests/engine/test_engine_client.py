"""The app's side of the engine, against a scripted child that does what the real one cannot be made to do."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from rrr_local.engine.client import Engine, EngineState
from rrr_local.engine.mail import Mail
from rrr_local.engine.protocol import (
    LONGEST,
    Arm,
    Ask,
    Done,
    Event,
    Failed,
    Grew,
    Judged,
    Load,
    Reflect,
    Started,
    Versus,
)
from rrr_local.episode import FinishReason, Span, VerdictKind
from rrr_local.errors import BusyError, ModelError, RrrError, UsageError
from rrr_local.paths import log_path

from . import scripted

ROOT = Path(__file__).parent.parent.parent
FORBIDDEN = {"numpy", "mlx", "mlx_lm", "torch", "transformers", "huggingface_hub"}
CHECKED = {"expect": "39"}


@pytest.fixture(autouse=True)
def own_folder(data_folder: Path) -> None:
    """Every engine here works in a folder of its own."""


@asynccontextmanager
async def playing(scenario: str) -> AsyncIterator[Engine]:
    """An engine that plays a scenario; afterwards nothing of it is left."""
    descriptors = set(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else set()
    engine = Engine([sys.executable, scripted.__file__, scenario])
    await engine.start("tiny", None)
    try:
        yield engine
    finally:
        pid = engine.pid
        await engine.close()
        assert engine.state is EngineState.OFF and engine.pid is None
        if pid is not None:
            with pytest.raises(ProcessLookupError):  # a zombie would still be there
                os.kill(pid, 0)
        await asyncio.sleep(0.05)  # transports close on the loop's next rounds
        assert asyncio.all_tasks() == {asyncio.current_task()}
        if descriptors:
            assert set(os.listdir("/proc/self/fd")) <= descriptors


def run(scenario: str, act: Callable[[Engine], Awaitable[None]]) -> None:
    async def main() -> None:
        async with asyncio.timeout(60), playing(scenario) as engine:
            await act(engine)

    asyncio.run(main())


def ask(id_: int) -> Ask:
    return Ask(id_, "Reach 39 with 3, 7 and 18.", info=CHECKED)


async def events_of(engine: Engine, make: Callable[[int], Ask | Reflect | Versus | Load] = ask) -> list[Event]:
    return [event async for event in engine.request(make)]


def shape(events: list[Event]) -> list[str]:
    return [type(event).__name__ for event in events if not isinstance(event, Grew)]


def grown(events: list[Event], span: Span, arm: Arm = Arm.CURRENT) -> str:
    return "".join(e.text for e in events if isinstance(e, Grew) and (e.span, e.arm) == (span, arm))


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.01)


# --- what goes well --------------------------------------------------------------------------------------------------


def test_a_story_from_start_to_end() -> None:
    async def act(engine: Engine) -> None:
        states: list[EngineState] = []
        engine.on_change = lambda: states.append(engine.state)
        assert engine.state is EngineState.STARTING and engine.ready is None
        ready = await engine.until_ready()
        assert (ready.model, ready.context) == ("tiny", scripted.CONTEXT)
        events = await events_of(engine)
        assert shape(events) == ["Started", "Judged", "Reflected", "Judged", "Done"]
        attempt, retry = (e for e in events if isinstance(e, Judged))
        assert (attempt.verdict, retry.verdict) == (VerdictKind.FAIL, VerdictKind.PASS)
        assert grown(events, Span.ATTEMPT) == attempt.text == scripted.ATTEMPT
        assert grown(events, Span.REFLECTION) == scripted.REFLECTION
        assert states == [EngineState.READY, EngineState.BUSY, EngineState.READY]

    run("happy", act)


def test_every_kind_of_request_is_answered() -> None:
    async def act(engine: Engine) -> None:
        free = await events_of(engine, lambda i: Ask(i, "Hello."))
        started, done = free[0], free[-1]
        assert isinstance(started, Started) and isinstance(done, Done)
        assert shape(free) == ["Started", "Judged", "Done"]
        again = await events_of(engine, lambda i: Reflect(i, started.conversation, done.turn))
        assert shape(again) == ["Reflected", "Judged", "Done"]
        both = await events_of(engine, lambda i: Versus(i, "Hello."))
        assert grown(both, Span.ATTEMPT, Arm.BASE) != grown(both, Span.ATTEMPT, Arm.ADAPTER)
        loaded = await events_of(engine, lambda i: Load(i, "elsewhere", "run-1"))
        assert shape(loaded) == ["Ready", "Done"]
        assert engine.ready is not None and (engine.ready.model, engine.ready.adapter) == ("elsewhere", "run-1")
        await engine.restart()
        assert (await engine.until_ready()).model == "elsewhere"

    run("happy", act)


def test_what_is_asked_while_the_model_loads_is_answered_when_it_is_there() -> None:
    async def act(engine: Engine) -> None:
        assert engine.state is EngineState.STARTING
        assert isinstance((await events_of(engine))[-1], Done)

    run("happy", act)


def test_requests_wait_for_their_turn() -> None:
    async def act(engine: Engine) -> None:
        order: list[str] = []

        async def one(name: str) -> None:
            order.extend([name async for event in engine.request(ask) if not isinstance(event, Grew)])

        await asyncio.gather(*(one(name) for name in "abc"))
        assert order == ["a"] * 5 + ["b"] * 5 + ["c"] * 5

    run("happy", act)


def test_an_overflow_ends_a_request_and_fit_goes_on() -> None:
    async def act(engine: Engine) -> None:
        assert shape(await events_of(engine)) == ["Overflow"]
        fitted = await events_of(engine, lambda i: replace(ask(i), fit=True))
        assert isinstance(fitted[0], Started) and fitted[0].dropped == 2

    run("overflow", act)


# --- cancelling ------------------------------------------------------------------------------------------------------


def test_what_is_under_way_can_be_cancelled_and_keeps_its_text() -> None:
    async def act(engine: Engine) -> None:
        events: list[Event] = []
        async for event in engine.request(ask):
            events.append(event)
            if isinstance(event, Grew):
                await engine.cancel()
        judged, done = events[-2:]
        assert isinstance(judged, Judged) and isinstance(done, Done)
        assert done.stopped and judged.finish is FinishReason.CANCELLED and judged.verdict is None
        assert scripted.ATTEMPT.startswith(judged.text) and judged.text != scripted.ATTEMPT
        assert engine.state is EngineState.READY

    run("slow", act)


def test_what_waits_for_the_model_can_be_cancelled() -> None:
    async def act(engine: Engine) -> None:
        asking = asyncio.create_task(events_of(engine))
        await asyncio.sleep(0)
        await engine.cancel()
        (done,) = await asking
        assert isinstance(done, Done) and done.stopped

    run("never", act)


def test_leaving_a_request_early_cancels_it_and_lets_the_next_one_in() -> None:
    async def act(engine: Engine) -> None:
        leaving = engine.request(ask)
        async for event in leaving:
            if isinstance(event, Grew):
                break
        await leaving.aclose()
        assert isinstance((await events_of(engine))[-1], Done)
        await until(lambda: engine.state is EngineState.READY)

    run("slow", act)


def test_cancelling_when_nothing_is_under_way_does_nothing() -> None:
    async def act(engine: Engine) -> None:
        await engine.until_ready()
        await engine.cancel()
        assert shape(await events_of(engine))[-1] == "Done"

    run("happy", act)


# --- a lot, and nonsense ---------------------------------------------------------------------------------------------


def test_a_flood_is_handed_over_in_few_pieces_and_the_loop_keeps_turning() -> None:
    async def act(engine: Engine) -> None:
        await engine.until_ready()
        turns = 0

        async def turning() -> None:
            nonlocal turns
            while True:
                await asyncio.sleep(0)
                turns += 1

        beside = asyncio.create_task(turning())
        events = await events_of(engine)
        beside.cancel()
        await asyncio.gather(beside, return_exceptions=True)
        grew = [e for e in events if isinstance(e, Grew) and e.span is Span.ATTEMPT]
        attempt = next(e for e in events if isinstance(e, Judged))
        assert grown(events, Span.ATTEMPT) == attempt.text
        assert grew[-1].tokens >= 30_000
        assert len(grew) < 1_000
        assert turns > len(grew)

    run("flood", act)


def test_neighbours_that_grow_one_span_become_one_event() -> None:
    async def act() -> None:
        mail = Mail()
        sent: list[Event] = [
            Started(1, "c", 0, 9),
            *(Grew(1, Span.ATTEMPT, f"{n} ", n) for n in range(1, 6)),
            Grew(1, Span.ATTEMPT, "other arm", 1, Arm.ADAPTER),
            *(Grew(1, Span.RETRY, f"{n} ", n) for n in range(1, 4)),
            Done(1),
        ]
        for event in sent:
            mail.put(event)
        assert [await mail.get() for _ in range(5)] == [
            sent[0],
            Grew(1, Span.ATTEMPT, "1 2 3 4 5 ", 5),
            sent[6],
            Grew(1, Span.RETRY, "1 2 3 ", 3),
            sent[-1],
        ]

    asyncio.run(act())


def test_a_line_of_megabytes_arrives_whole() -> None:
    async def act(engine: Engine) -> None:
        events = await events_of(engine)
        judged = next(e for e in events if isinstance(e, Judged))
        assert len(judged.text) > 5_000_000 and grown(events, Span.ATTEMPT) == judged.text

    run("huge", act)


def test_lone_surrogates_and_control_characters_arrive_as_they_are() -> None:
    async def act(engine: Engine) -> None:
        assert next(e for e in await events_of(engine) if isinstance(e, Judged)).text == scripted.HOSTILE

    run("hostile", act)


def test_garbage_on_the_pipe_is_noted_and_passed_over() -> None:
    async def act(engine: Engine) -> None:
        assert shape(await events_of(engine)) == ["Started", "Judged", "Reflected", "Judged", "Done"]
        assert engine.state is EngineState.READY
        log = log_path("engine").read_text()
        assert log.count("app: not a message") == 8
        assert "app: an event of no request: Grew 999999" in log
        assert f"app: a line of more than {LONGEST} bytes" in log
        assert len(log) < 10_000

    run("garbage", act)


def test_a_prompt_that_is_longer_than_any_line_may_be_is_refused_here() -> None:
    async def act(engine: Engine) -> None:
        await engine.until_ready()
        (failed,) = await events_of(engine, lambda i: Ask(i, "x" * LONGEST))
        assert isinstance(failed, Failed) and not failed.dead
        assert isinstance((await events_of(engine))[-1], Done)

    run("happy", act)


# --- the end of the child --------------------------------------------------------------------------------------------


def test_a_crash_in_the_middle_of_an_answer_ends_the_request_and_a_restart_helps() -> None:
    async def act(engine: Engine) -> None:
        waiting = asyncio.create_task(events_of(engine))
        await asyncio.sleep(0)
        queued = asyncio.create_task(events_of(engine))
        failed = (await waiting)[-1]
        assert isinstance(failed, Failed) and failed.dead
        assert "killed by SIGKILL" in failed.cause
        assert engine.state is EngineState.DEAD and engine.error is not None and engine.ready is None
        (later,) = await queued
        assert isinstance(later, Failed) and later.dead
        with pytest.raises(RrrError, match="SIGKILL"):
            await engine.until_ready()
        await engine.restart()
        assert engine.error is None
        await engine.until_ready()

    run("crash", act)


def test_the_last_line_of_its_log_says_why_it_ended() -> None:
    async def act(engine: Engine) -> None:
        failed = (await events_of(engine))[-1]
        assert isinstance(failed, Failed) and failed.dead
        assert failed.cause == "the engine ended with exit code 1 (RuntimeError: a bug in the engine)"

    run("bug", act)


def test_one_that_says_nothing_at_all_is_dead_too() -> None:
    async def act(engine: Engine) -> None:
        with pytest.raises(RrrError, match="the engine ended"):
            await engine.until_ready()
        assert engine.state is EngineState.DEAD

    run("silent", act)


def test_too_little_memory_ends_the_request_and_not_the_engine() -> None:
    async def act(engine: Engine) -> None:
        (failed,) = await events_of(engine)
        assert isinstance(failed, Failed) and not failed.dead and "memory" in failed.cause
        assert engine.state is EngineState.READY

    run("oom", act)


@pytest.mark.parametrize(
    ("scenario", "state", "error"),
    [("taken", EngineState.TAKEN, BusyError), ("no-model", EngineState.DEAD, ModelError)],
)
def test_why_there_is_no_engine(scenario: str, state: EngineState, error: type[RrrError]) -> None:
    async def act(engine: Engine) -> None:
        with pytest.raises(error):
            await engine.until_ready()
        assert engine.state is state
        (failed,) = await events_of(engine)
        assert isinstance(failed, Failed) and failed.dead

    run(scenario, act)


def test_an_engine_of_another_version_is_not_talked_to() -> None:
    async def act(engine: Engine) -> None:
        with pytest.raises(RrrError, match="upgraded"):
            await engine.until_ready()

    run("other", act)


def test_a_program_that_is_not_there_is_said_to_be() -> None:
    async def act() -> None:
        engine = Engine(["/nowhere/at/all"])
        await engine.start("tiny", None)
        assert engine.state is EngineState.DEAD
        with pytest.raises(ModelError, match="cannot be started"):
            await engine.until_ready()
        await engine.close()

    asyncio.run(act())


def test_closing_ends_even_a_child_that_ignores_everything() -> None:
    async def act(engine: Engine) -> None:
        await engine.until_ready()
        asking = asyncio.create_task(events_of(engine))
        await until(lambda: engine.state is EngineState.BUSY)
        await engine.close()
        failed = (await asking)[-1]
        assert isinstance(failed, Failed) and failed.dead and "stopped" in failed.cause

    run("hang", act)


def test_starting_again_while_it_starts_ends_the_first_child() -> None:
    async def act(engine: Engine) -> None:
        first = engine.pid
        assert first is not None
        await asyncio.gather(engine.start("tiny", None), engine.start("tiny", "run-1"))
        assert engine.pid != first
        with pytest.raises(ProcessLookupError):
            os.kill(first, 0)
        assert (await engine.until_ready()).adapter == "run-1"

    run("happy", act)


def test_an_engine_that_was_never_started_cannot_be_used() -> None:
    async def act() -> None:
        engine = Engine()
        (failed,) = [event async for event in engine.request(ask)]
        assert isinstance(failed, Failed) and failed.dead
        with pytest.raises(UsageError):
            await engine.restart()
        with pytest.raises(ModelError):
            await engine.until_ready()
        await engine.cancel()
        await engine.close()

    asyncio.run(act())


def test_a_stopped_child_is_killed_from_outside_and_noticed() -> None:
    async def act(engine: Engine) -> None:
        await engine.until_ready()
        assert engine.pid is not None
        os.kill(engine.pid, signal.SIGTERM)
        await until(lambda: engine.state is EngineState.DEAD)
        assert engine.error is not None and "SIGTERM" in engine.error.cause

    run("happy", act)


def test_a_large_log_is_put_aside() -> None:
    async def act(engine: Engine) -> None:
        await engine.until_ready()
        log_path("engine").write_bytes(b"x" * 2**21)
        await engine.restart()
        await engine.until_ready()
        assert log_path("engine").stat().st_size < 2**20
        assert log_path("engine.old").stat().st_size == 2**21

    run("happy", act)


def test_the_apps_side_imports_no_heavy_library() -> None:
    code = "import sys, rrr_local.engine.client; print(*{name.split('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert FORBIDDEN.isdisjoint(done.stdout.split())
