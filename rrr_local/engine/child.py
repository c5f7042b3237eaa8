"""One engine process: its pipes, its log, its end.

    app ── stdin: requests, a line each ──> child ── stdout: events, a line each ──> app
                                                └── stderr ──> logs/engine.log

Standard input is the leash: when the app dies, however it dies, the child reads the end of it and ends too.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from typing import IO

from rrr_local.engine.protocol import LONGEST, Event, ProtocolError, decode_event
from rrr_local.errors import ExitCode, ModelError
from rrr_local.text import sanitize

GRACE_S = 0.5
"""How long each of the three ways to end a child is given: end of input, SIGTERM, SIGKILL."""
CHUNK = 64 * 2**10
LARGEST_LOG = 2**20
MOST_NOTES = 100
"""Faults on the pipe that are noted for one child; a flood of garbage must not fill the disk."""
OFFLINE = {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}


class Child:
    """A running engine."""

    def __init__(self, process: asyncio.subprocess.Process, log: IO[bytes]) -> None:
        self._process = process
        self._log = log
        self._log_start = log.seek(0, os.SEEK_END)
        self._notes = 0
        self.stopped = False
        """Whether we ended it ourselves."""

    @classmethod
    async def spawn(cls, command: Sequence[str], log_path: Path) -> Child:
        """Start a process. Raises `ModelError` when there is no such program."""
        _rotate(log_path)
        log = log_path.open("a+b", buffering=0)
        try:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                limit=CHUNK,
                env={**os.environ, **OFFLINE},
                start_new_session=True,  # Ctrl-C in the terminal is for the app
            )
        except OSError as error:
            log.close()
            raise ModelError(f"the engine cannot be started ({error})", "reinstall rrr-local") from error
        return cls(process, log)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def code(self) -> int | None:
        """The exit code; negative for a signal, None while it runs."""
        return self._process.returncode

    @property
    def killed(self) -> bool:
        """Whether a signal ended it."""
        return self.code is not None and self.code < 0

    def send(self, line: bytes) -> None:
        """Hand a request over, encoded; never waits. To a child that has ended it goes nowhere."""
        assert self._process.stdin is not None
        if not self._process.stdin.is_closing():
            self._process.stdin.write(line)

    async def events(self) -> AsyncGenerator[Event, None]:
        """What it says until it closes its output. Lines that are no events are noted in the log and passed over."""
        async for line in self._lines():
            try:
                yield decode_event(line)
            except ProtocolError as error:
                self.note(error.cause)

    def note(self, text: str) -> None:
        """Add a line of our own to the log."""
        self._notes += 1
        if self._notes <= MOST_NOTES:
            self._log.write(f"app: {sanitize(text, 300)}\n".encode())

    def close_input(self) -> None:
        """Ask it to end."""
        assert self._process.stdin is not None
        self._process.stdin.close()

    async def end(self) -> None:
        """End it, ever less politely; afterwards it is gone and reaped."""
        self.close_input()
        for force in (signal.SIGTERM, signal.SIGKILL, None):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._process.wait(), GRACE_S)
                return
            if force is not None:
                with contextlib.suppress(ProcessLookupError):
                    self._process.send_signal(force)

    def forget(self) -> None:
        """Close the log."""
        self._log.close()

    def cause(self) -> str:
        """How it ended, in one line, with the last thing it wrote to standard error."""
        last = self._last_line()
        return f"the engine {_ending(self.code)}" + (f" ({last})" if last else "")

    async def _lines(self) -> AsyncGenerator[bytes, None]:
        """Complete lines of standard output. One that is longer than LONGEST is passed over, up to its end."""
        assert self._process.stdout is not None
        rest, skipping = bytearray(), False
        while chunk := await self._process.stdout.read(CHUNK):
            rest += chunk
            if b"\n" in chunk:
                *lines, last = rest.split(b"\n")
                for line in lines[1:] if skipping else lines:
                    yield bytes(line)
                rest, skipping = last, False
            if len(rest) > LONGEST:
                self.note(f"a line of more than {LONGEST} bytes")
                rest, skipping = bytearray(), True
            await asyncio.sleep(0)  # reading what is there does not wait: let the rest of the app have its turn

    def _last_line(self) -> str:
        size = self._log.seek(0, os.SEEK_END)
        self._log.seek(max(self._log_start, size - CHUNK))
        written = self._log.read(CHUNK).decode(errors="replace").splitlines()
        own = [line for line in written if line.strip() and not line.startswith("app: ")]
        return sanitize(own[-1].strip(), 200) if own else ""


def _ending(code: int | None) -> str:
    if code is None:
        return "does not end"
    if code < 0:
        return f"was killed by {signal.Signals(-code).name}"
    return "ended" if code == ExitCode.OK else f"ended with exit code {code}"


def _rotate(path: Path) -> None:
    """Keep one older log beside a large one."""
    if path.is_file() and path.stat().st_size > LARGEST_LOG:
        path.replace(path.with_suffix(".old.log"))
