"""The real engine as a process, with the embedded model: the whole story, its pipes, its end."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest

from rrr_local import paths
from rrr_local.backends.base import LoraConfig
from rrr_local.backends.mlx.backend import MlxBackend
from rrr_local.engine import serve
from rrr_local.engine.client import REAL, Engine, EngineState
from rrr_local.engine.conversation import Conversation
from rrr_local.engine.protocol import (
    LONGEST,
    Ask,
    Cancel,
    Done,
    Event,
    Failed,
    Grew,
    Judged,
    Load,
    Ready,
    Reflect,
    Started,
    decode_event,
    encode,
)
from rrr_local.episode import FinishReason, Span, VerdictKind
from rrr_local.errors import ExitCode
from rrr_local.paths import bundled
from rrr_local.store import queries
from rrr_local.store.spans import logged_turn
from rrr_local.store.sqlite import connect_readonly
from rrr_local.workbench import workbench

PROBLEM = {"numbers": [4, 6, 10], "target": 34}
"""The embedded model's first try at it is wrong; with `LUCKY`, its reflection helps."""
LUCKY = range(40)
"""Seeds of which some lead to a wrong attempt and a right retry."""


def run(act: Callable[[Engine], Awaitable[None]]) -> None:
    async def main() -> None:
        async with asyncio.timeout(100), started() as engine:
            await act(engine)

    asyncio.run(main())


@asynccontextmanager
async def started(model: str = "tiny") -> AsyncIterator[Engine]:
    engine = Engine()
    await engine.start(model, None)
    try:
        yield engine
    finally:
        await engine.close()


async def events_of(engine: Engine, make: Callable[[int], Ask | Reflect | Load]) -> list[Event]:
    return [event async for event in engine.request(make)]


def judged(events: list[Event], span: Span = Span.ATTEMPT) -> Judged:
    return next(e for e in events if isinstance(e, Judged) and e.span is span)


def asking(seed: int = 0, temperature: float = 0.0) -> Callable[[int], Ask]:
    return lambda i: Ask(i, "x", task="countdown", info=PROBLEM, temperature=temperature, seed=seed)


def endless(engine_id: int) -> Ask:
    """A question whose answer goes on up to the limit, however it is sampled: temperature 5 hardly ever stops."""
    return Ask(engine_id, "Tell me a story.", temperature=5.0)


def slow_model(folder: Path) -> Path:
    """A model that takes long over an answer: random, so that it does not stop, and not the embedded one, so that it may say much."""
    from ..backends.tiny_models import write_model

    return write_model(folder, "llama", num_hidden_layers=8, hidden_size=512, intermediate_size=1024)


# --- the story -------------------------------------------------------------------------------------------------------


def test_wrong_reflection_right_and_everything_is_in_the_log(data_folder: Path) -> None:
    async def act(engine: Engine) -> None:
        ready = await engine.until_ready()
        assert (ready.model, ready.context, ready.embedded) == ("tiny", 1024, True)
        assert ready.backend.startswith("mlx-") and ready.memory_mb > 50
        for seed in LUCKY:
            events = await events_of(engine, asking(seed, 1.0))
            if [e.verdict for e in events if isinstance(e, Judged)] == [VerdictKind.FAIL, VerdictKind.PASS]:
                break
        else:
            pytest.fail("no reflection helped")
        done = events[-1]
        assert isinstance(done, Done) and done.memory_mb > 50
        with closing(connect_readonly(paths.database_path())) as reader:
            turn = logged_turn(reader, done.turn)
        (made,) = turn.reflections
        assert made.retry is not None
        assert (turn.attempt.id, made.retry.id) == (judged(events).attempt, judged(events, Span.RETRY).attempt)
        assert made.retry.text == judged(events, Span.RETRY).text

    run(act)


def test_a_stopped_answer_is_kept(data_folder: Path, tmp_path: Path) -> None:
    async def act() -> None:
        async with started(str(slow_model(tmp_path / "slow"))) as engine:
            events: list[Event] = []
            async for event in engine.request(endless):
                events.append(event)
                if isinstance(event, Grew):
                    await engine.cancel()
            stopped, done = judged(events), events[-1]
            assert isinstance(done, Done) and done.stopped
            assert stopped.finish is FinishReason.CANCELLED and 0 < stopped.tokens < 512
            again = await events_of(engine, lambda i: Ask(i, "Hm?", str(started_in(events)), done.turn, fit=True))
            assert not isinstance(again[0], Failed)
            await engine.cancel()

    asyncio.run(act())


def started_in(events: list[Event]) -> str:
    return next(e.conversation for e in events if isinstance(e, Started))


# --- other models ----------------------------------------------------------------------------------------------------


def adapter(folder: Path) -> str:
    backend = MlxBackend(bundled("tiny").resolve())
    backend.new_adapter(LoraConfig(), seed=3)
    folder.mkdir()
    backend.save_adapter(folder)
    return str(folder)


def test_other_models_and_adapters_are_loaded_in_place_of_each_other(data_folder: Path, tmp_path: Path) -> None:
    other, tuned = str(slow_model(tmp_path / "other")), adapter(tmp_path / "adapter")

    async def act(engine: Engine) -> None:
        first = await events_of(engine, asking())
        same = await events_of(engine, lambda i: Load(i, "tiny", tuned))
        assert [type(e) for e in same] == [Ready, Done]
        assert engine.ready is not None and engine.ready.adapter == tuned
        assert judged(await events_of(engine, asking())).text == judged(first).text  # a fresh adapter adds nothing
        for _ in range(3):
            (ready, _) = await events_of(engine, lambda i: Load(i, other))
            assert isinstance(ready, Ready) and (ready.model, ready.embedded) == ("other", False)
            (ready, done) = await events_of(engine, lambda i: Load(i, "tiny"))
            assert isinstance(ready, Ready) and isinstance(done, Done)
        assert judged(await events_of(engine, asking())).text == judged(first).text

    run(act)


def test_what_cannot_be_loaded_leaves_what_there_was(data_folder: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    for file in bundled("tiny").iterdir():
        (broken / file.name).write_bytes(file.read_bytes())
    (broken / "model.safetensors").write_bytes(b"no weights")

    async def act(engine: Engine) -> None:
        first = await events_of(engine, asking())
        for model, adapter_name in (("nowhere", None), ("tiny", "no such run"), (str(broken), None)):
            *_, failed = await events_of(engine, lambda i, m=model, a=adapter_name: Load(i, m, a))  # type: ignore[misc]
            assert isinstance(failed, Failed) and not failed.dead and failed.way_out
        again = await events_of(engine, asking())
        assert judged(again).text == judged(first).text
        assert engine.ready is not None and engine.ready.model == "tiny"

    run(act)


def test_a_model_that_is_not_there_is_said_to_be(data_folder: Path) -> None:
    async def act() -> None:
        async with started("/nowhere") as engine:
            with pytest.raises(Exception, match="no model folder"):
                await engine.until_ready()
            assert engine.state is EngineState.DEAD

    asyncio.run(act())


# --- its end ---------------------------------------------------------------------------------------------------------


def test_killed_in_the_middle_of_an_answer_it_is_started_again_and_goes_on(data_folder: Path) -> None:
    async def act(engine: Engine) -> None:
        before = await events_of(engine, asking())
        done = before[-1]
        assert isinstance(done, Done)

        def follow_up(i: int) -> Ask:
            return Ask(i, "Use 4, 6 and 10 again.", started_in(before), done.turn)

        events: list[Event] = []
        async for event in engine.request(follow_up):
            events.append(event)
            if isinstance(event, Started) and engine.pid is not None:
                os.kill(engine.pid, signal.SIGKILL)
        failed = events[-1]
        assert isinstance(failed, Failed) and failed.dead and "SIGKILL" in failed.cause
        assert engine.state is EngineState.DEAD
        await engine.restart()
        assert isinstance((await events_of(engine, follow_up))[-1], Done)

    run(act)


def test_a_second_engine_on_a_data_folder_is_told_that_it_is_taken(data_folder: Path) -> None:
    async def act(engine: Engine) -> None:
        await engine.until_ready()
        async with started() as second:
            with pytest.raises(Exception, match=f"held by process {engine.pid}"):
                await second.until_ready()
            assert second.state is EngineState.TAKEN
            assert isinstance((await events_of(engine, asking()))[-1], Done)
            await engine.close()
            await second.restart()
            await second.until_ready()

    run(act)


def spoken(process: subprocess.Popen[bytes]) -> Iterator[Event]:
    assert process.stdout is not None
    for line in process.stdout:
        yield decode_event(line)


@pytest.fixture
def process(data_folder: Path, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The engine without the client."""
    model = slow_model(tmp_path / "slow")
    pipe = subprocess.PIPE
    engine = subprocess.Popen([*REAL, "--model", str(model)], stdin=pipe, stdout=pipe, stderr=pipe)
    with engine:
        yield engine
        engine.kill()


def test_it_ends_with_its_input_even_while_it_writes(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None
    process.stdin.write(encode(endless(1)))
    process.stdin.flush()
    events = spoken(process)
    next(e for e in events if isinstance(e, Grew))
    process.stdin.close()
    rest = list(events)  # up to the end of its output
    assert process.wait(timeout=10) == ExitCode.OK
    assert isinstance(rest[-1], Done) and rest[-1].stopped
    with closing(connect_readonly(paths.database_path())) as reader:
        logged = queries.fetch(reader, "SELECT finish_reason, ended_at IS NOT NULL FROM attempts, sessions")
    assert logged == [("cancelled", 1)]


def test_nonsense_on_its_input_does_not_end_it(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None
    events = spoken(process)
    assert isinstance(next(events), Ready)
    for line in (b"\xff\x00", b"{", b"[1]", b"", b'"', b'{"is": "Cancel", "id": 1, "request": []}', b"[" * 90_000):
        process.stdin.write(line + b"\n")
    process.stdin.write(b"x" * (LONGEST + 2**20) + b"\n")
    process.stdin.write(json.dumps({"is": "Dance", "id": 77}).encode() + b"\n")
    process.stdin.write(json.dumps({"is": "Ask", "id": 78}).encode() + b"\n")
    process.stdin.write(encode(Ask(79, "x", task="no such task", info={})))
    process.stdin.write(encode(Ask(80, "x", task="countdown", info={"numbers": "many"})))
    process.stdin.write(encode(Cancel(90, 81)) + encode(Ask(81, "never begun")))
    process.stdin.flush()
    *answers, last = [next(events) for _ in range(6)]
    assert [e.id for e in answers if isinstance(e, Failed) and e.way_out] == [1, 77, 78, 79, 80]
    assert last == Done(81, stopped=True)


def test_what_libraries_print_does_not_get_between_its_events(data_folder: Path) -> None:
    code = """
import os, sys
from rrr_local.engine.protocol import Done
from rrr_local.engine.serve import Outbox
outbox = Outbox()
os.write(1, b"from a native library\\n")
print("from Python", flush=True)
outbox.send(Done(1))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True)
    assert [decode_event(line) for line in done.stdout.splitlines()] == [Done(1)]
    assert done.stderr.split(b"\n")[:2] == [b"from a native library", b"from Python"]


def test_an_app_that_died_without_closing_anything_takes_the_engine_with_it(data_folder: Path) -> None:
    code = f"""
import subprocess, time
child = subprocess.Popen({list(REAL)!r} + ["--model", "tiny"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
child.stdout.readline()
print(child.pid, flush=True)
time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as app:
        assert app.stdout is not None
        pid = int(app.stdout.readline())
        app.kill()
    deadline = time.monotonic() + 10
    while _lives(pid):
        assert time.monotonic() < deadline, "the engine outlives its app"
        time.sleep(0.02)


def _lives(pid: int) -> bool:
    """Whether a process that is not our child runs; one that nobody has reaped yet does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/stat")
    return not status.exists() or status.read_text().rpartition(")")[2].split()[0] != "Z"


# --- what goes wrong inside ------------------------------------------------------------------------------------------


class Quiet:
    """An inbox in which nothing is cancelled."""

    def is_cancelled(self, request_id: int) -> bool:
        return False


@pytest.mark.parametrize(
    ("error", "cause"), [(MemoryError(), "not enough memory"), (RuntimeError("a bug"), "RuntimeError: a bug")]
)
def test_whatever_goes_wrong_in_a_request_is_its_answer(
    data_folder: Path, error: Exception, cause: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: Conversation, ask: Ask) -> Iterator[Event]:
        raise error

    monkeypatch.setattr(Conversation, "ask", broken)
    with workbench(model="tiny", task="question") as bench:
        server = serve.Server(Quiet(), None)  # type: ignore[arg-type]
        (failed,) = server._answers(bench, Conversation(bench, lambda i: False), Ask(5, "x"))
    assert isinstance(failed, Failed) and failed.id == 5 and not failed.dead
    assert cause in failed.cause and failed.way_out
