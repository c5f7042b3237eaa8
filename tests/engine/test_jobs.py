"""One-shot children: their progress, their document, their errors, and that none is left behind."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path

import pytest

from rrr_local.engine import jobs
from rrr_local.engine.jobs import Jobs, Result, Step, error_from
from rrr_local.errors import BusyError, ModelError, NotFoundError, ResourceError, RrrError, UsageError


def scripted(script: str) -> Jobs:
    """A child that is this Python script."""
    return Jobs([sys.executable, "-c", f"import os, signal, sys, time\n{script}"])


def run(made: Jobs, *arguments: str) -> list[Step | Result]:
    async def all_of_it() -> list[Step | Result]:
        return [event async for event in made.run(arguments)]

    return asyncio.run(asyncio.wait_for(all_of_it(), 60))


SAY = """
def say(line):
    sys.stderr.write(line + "\\n")
    sys.stderr.flush()
"""
PROGRESS = '{"ev": "progress", "stage": "train", "done": 1, "total": 4, "note": "n", "data": {"reward": 0.5}}'


def test_progress_comes_as_it_is_written_and_the_document_last() -> None:
    seen = run(scripted(f"{SAY}\nsay('a note')\nsay('{PROGRESS}')\nprint('{{\"schema\": \"x/1\"}}')"))
    assert seen == [Step("train", 1, 4, "n", {"reward": 0.5}), Result({"schema": "x/1"})]


def test_the_command_is_asked_for_json_and_progress() -> None:
    (seen,) = run(scripted("import json; print(json.dumps({'arguments': sys.argv[1:]}))"), "demo", "--steps", "1")
    assert seen == Result({"arguments": ["demo", "--steps", "1", "--json", "--progress", "json"]})


@pytest.mark.parametrize(
    "line",
    [
        "{", "[]", "{}", '{"ev": 1}', '{"ev": "progress"}', '{"ev": "progress", "stage": "a", "done": "x", "total": 1}',
        '{"ev": "progress", "stage": "a", "done": 1, "total": 1, "note": "", "data": 3}', "\\x1b]0;title\\x07", "\\udc80",
    ],
)  # fmt: skip
def test_garbage_on_standard_error_is_no_progress(line: str) -> None:
    script = (
        f"{SAY}\nsys.stderr.reconfigure(errors='surrogatepass')\nsay('''{line}''')\nsay('{PROGRESS}')\nprint('{{}}')"
    )
    assert run(scripted(script)) == [Step("train", 1, 4, "n", {"reward": 0.5}), Result({})]


def test_a_line_without_an_end_is_passed_over() -> None:
    script = f"{SAY}\nsay('x' * {3 * jobs.LONGEST_LINE})\nsay('{PROGRESS}')\nprint('{{}}')"
    assert run(scripted(script))[-2:] == [Step("train", 1, 4, "n", {"reward": 0.5}), Result({})]


def test_a_document_and_progress_larger_than_any_pipe_do_not_block() -> None:
    script = f"{SAY}\nfor i in range(20_000): say('{PROGRESS}')\nprint('{{\"text\": \"' + 'y' * 3_000_000 + '\"}}')"
    seen = run(scripted(script))
    assert len(seen) == 20_001 and isinstance(seen[-1], Result) and len(str(seen[-1].document["text"])) == 3_000_000


def test_an_answer_of_no_is_an_answer() -> None:
    assert run(scripted("print('{\"healthy\": false}'); sys.exit(1)")) == [Result({"healthy": False})]


def error(code: int) -> str:
    return json.dumps({"schema": "rrr.error/1", "error": "it broke", "way_out": "mend it", "exit_code": code})


@pytest.mark.parametrize(
    ("code", "kind"),
    [(2, UsageError), (3, ModelError), (4, ResourceError), (5, BusyError), (6, NotFoundError), (70, RrrError)],
)
def test_a_failed_command_raises_its_own_error(code: int, kind: type[RrrError]) -> None:
    with pytest.raises(RrrError) as caught:
        run(scripted(f"{SAY}\nsay('a note')\nsay('{error(code)}')\nsys.exit({code})"))
    assert (type(caught.value), caught.value.cause, caught.value.way_out) == (kind, "it broke", "mend it")


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("os.kill(os.getpid(), signal.SIGKILL)", "ended by signal 9"),
        ("sys.exit('Fatal Python error: out of memory')", "ended with code 1 .Fatal Python error: out of memory"),
        ("sys.exit(0)", "ended with code 0"),
        ("print('no JSON')", "printed no document"),
    ],
)
def test_a_command_that_ends_without_a_word_is_said_to(script: str, said: str) -> None:
    with pytest.raises(RrrError, match=said):
        run(scripted(script))


def test_the_real_command_line_reports_its_errors_and_its_documents(data_folder: Path) -> None:
    with pytest.raises(ModelError, match="no model folder nowhere-at-all"):
        run(Jobs(), "eval", "--model", "nowhere-at-all")
    with pytest.raises(UsageError, match="No such option"):
        run(Jobs(), "tasks", "--no-such-option")
    *steps, result = run(Jobs(), "eval", "-n", "4")
    assert steps == [Step("eval", 4, 4)]
    assert isinstance(result, Result) and result.document["schema"] == "rrr.eval/1"


async def stopped_after_first(made: Jobs) -> int:
    """The child's process id, which it says; its generator is closed right after."""
    async with aclosing(made.run([])) as events:
        async for event in events:
            assert isinstance(event, Step)
            return event.done
    raise AssertionError("it said nothing")


PID = f"""{SAY}
say('{{"ev": "progress", "stage": "", "done": %d, "total": 0, "note": "", "data": {{}}}}' % os.getpid())
while True: time.sleep(1)
"""


def test_closing_ends_the_child(monkeypatch: pytest.MonkeyPatch) -> None:
    pid = asyncio.run(asyncio.wait_for(stopped_after_first(scripted(PID)), 60))
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    monkeypatch.setattr(jobs, "PATIENCE_S", 0.1)
    deaf = scripted(f"signal.signal(signal.SIGTERM, signal.SIG_IGN)\n{PID}")
    pid = asyncio.run(asyncio.wait_for(stopped_after_first(deaf), 60))
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_cancelling_whoever_waits_ends_the_child() -> None:
    async def cancelled() -> int:
        events: AsyncGenerator[Step | Result, None] = scripted(PID).run([])
        first = await anext(events)
        assert isinstance(first, Step)
        waiting = asyncio.ensure_future(anext(events))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        return first.done

    with pytest.raises(ProcessLookupError):
        os.kill(asyncio.run(asyncio.wait_for(cancelled(), 60)), 0)


def test_an_error_document_is_not_believed_blindly() -> None:
    for line in (
        "[]",
        '{"schema": "rrr.error/1"}',
        '{"schema": "rrr.error/1", "error": 1, "way_out": 2, "exit_code": []}',
    ):
        assert "ended with code 3" in error_from(line, 3).cause
