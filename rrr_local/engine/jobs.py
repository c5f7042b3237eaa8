"""One-shot children: an `rrr` command run to its end, with its progress.

    python -m rrr_local <command> --json --progress json
        standard error    {"ev": "progress", ...} a line, notes between them, and at last the error document if it failed
        standard output   one JSON document

What needs numbers (the demo, collecting, evaluating, pre-flight) runs like this, since the app imports no numerical library.
"""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from rrr_local.errors import BusyError, ModelError, NotFoundError, ResourceError, RrrError, UsageError

RRR = (sys.executable, "-m", "rrr_local")
ERROR_SCHEMA = "rrr.error/1"
PATIENCE_S = 5.0
"""How long a child that was asked to end has for its `with` blocks."""
HURRY_S = 0.5
"""The same where a person waits for the app to end."""
LONGEST_LINE = 2**20
"""Bytes of a line on standard error; what is longer is no progress of ours and is passed over."""
KINDS: Mapping[int, type[RrrError]] = {
    kind.exit_code: kind for kind in (UsageError, ModelError, ResourceError, BusyError, NotFoundError)
}
FAILED = 1
"""The exit code of a command that did its work and whose answer is no; it prints its document all the same."""


@dataclass(frozen=True, slots=True)
class Step:
    """How far a job is."""

    stage: str
    done: int
    total: int
    """0 where it is not known."""
    note: str = ""
    data: Mapping[str, object] = field(default_factory=dict)
    """Numbers to draw, such as `reward`."""


@dataclass(frozen=True, slots=True)
class Result:
    """What the command printed: its last event."""

    document: Mapping[str, object]


class Jobs:
    """Starts children. `command` is what the arguments are put behind; tests give another program."""

    def __init__(self, command: Sequence[str] = RRR) -> None:
        self._command = tuple(command)
        self._children: set[Process] = set()

    async def close(self) -> None:
        """End all children at once, for an app that ends: each is asked to, and killed when it does not within HURRY_S."""
        await asyncio.gather(*(_end(child, HURRY_S) for child in self._children))

    async def run(self, arguments: Sequence[str]) -> AsyncGenerator[Step | Result, None]:
        """Run `rrr <arguments>`, yielding its progress and its document last.

        Raises the command's own error, or `RrrError` when it ended without a word. Closing the generator ends the child: it is
        asked to, and killed when it does not.
        """
        child = await asyncio.create_subprocess_exec(
            *self._command, *arguments, "--json", "--progress", "json",
            stdin=DEVNULL, stdout=PIPE, stderr=PIPE, limit=LONGEST_LINE,
        )  # fmt: skip
        assert child.stdout is not None and child.stderr is not None
        self._children.add(child)
        printing = asyncio.create_task(child.stdout.read())
        said = ""
        try:
            async for line in _lines(child.stderr):
                step = _step(line)
                if step is not None:
                    yield step
                elif line.strip():
                    said = line
            document, code = await printing, await child.wait()
        finally:
            printing.cancel()
            await _end(child)
            self._children.discard(child)
        yield Result(_document(document, said, code))


def error_from(line: str, code: int) -> RrrError:
    """The error a command ended with, from the last line it wrote to standard error and its exit code (-9: SIGKILL)."""
    with suppress(ValueError, TypeError, KeyError):
        found = json.loads(line)
        if found["schema"] == ERROR_SCHEMA:
            return KINDS.get(found["exit_code"], RrrError)(str(found["error"]), str(found["way_out"]))
    how = f"was ended by signal {-code}" if code < 0 else f"ended with code {code}"
    said = f" ({line.strip()[:200]})" if line.strip() else ""
    return RrrError(f"the process {how}{said}", "try again; `rrr doctor` checks this installation")


async def _lines(stream: asyncio.StreamReader) -> AsyncGenerator[str, None]:
    """Lines of standard error to its end."""
    while True:
        try:
            line = await stream.readline()
        except ValueError:
            continue  # longer than LONGEST_LINE: the reader has dropped it
        if not line:
            return
        yield line.decode(errors="replace")


def _step(line: str) -> Step | None:
    """A line of progress; None for anything else."""
    if not line.startswith("{"):
        return None
    try:
        found: dict[str, Any] = json.loads(line)
        if found.get("ev") != "progress":
            return None
        return Step(
            str(found["stage"]), int(found["done"]), int(found["total"]), str(found["note"]), dict(found["data"])
        )
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def _document(printed: bytes, said: str, code: int) -> Mapping[str, object]:
    """What was printed. Raises the command's error."""
    if code not in (0, FAILED) or not printed.strip():
        raise error_from(said, code)
    try:
        document: dict[str, object] = json.loads(printed)
    except ValueError as error:
        raise RrrError("the command printed no document", "try again; `rrr doctor` checks this installation") from error
    return document


async def _end(child: Process, patience_s: float = PATIENCE_S) -> None:
    """End the child if it lives: SIGTERM, and SIGKILL when that does not help."""
    if child.returncode is not None:
        return
    with suppress(ProcessLookupError):
        child.terminate()
    try:
        await asyncio.wait_for(child.wait(), patience_s)
    except TimeoutError:
        with suppress(ProcessLookupError):
            child.kill()
        await child.wait()
