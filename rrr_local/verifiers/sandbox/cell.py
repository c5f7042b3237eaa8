"""One locked-up interpreter, from outside: start it, talk to it under a deadline, end it.

A cell has no environment, no input, no output, and a session of its own. It cannot start another process, so killing it leaves nothing
behind. A cell that runs unlocked, because the person said so, can: its group is killed, and what left the group is not found.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from enum import StrEnum
from pathlib import Path
from types import TracebackType

from rrr_local.verifiers.lines import Ended, Lines, TooLate, TooMuch
from rrr_local.verifiers.sandbox import seatbelt
from rrr_local.verifiers.sandbox.base import Limits

PACKAGE = str(Path(__file__).parents[3])
BOOT = "import sys; sys.path.append(sys.argv[1]); from rrr_local.verifiers.sandbox.inside import main; main()"
STARTUP_S = 20.0
"""Seconds a cell has to start, generous for a machine that is busy with a training."""
LONGEST_NOTE = 2_000


class Part(StrEnum):
    """What a cell is for."""

    CANDIDATE = "candidate"
    """Runs the model's code."""
    JUDGE = "judge"
    """Runs the tests."""


class NotHeld(Exception):
    """The cell did not start, or its walls do not stand; one line."""


class Cell:
    """A child process for one program. Enter it to wait until it is ready."""

    def __init__(self, part: Part, limits: Limits, locked: bool) -> None:
        """Starts the process and comes back at once. Raises `NotHeld`."""
        self._locked = locked
        self._ended = False
        self._note = b""
        self._memory = limits.memory_mb * 2**20
        to_child, requests = os.pipe()
        answers, from_child = os.pipe()
        prints, printing = os.pipe()
        python = [sys.executable, "-I", "-S", "-c", BOOT, PACKAGE, part, str(to_child), str(from_child)]
        lifetime = f"{limits.seconds + STARTUP_S:g}"
        prefix = seatbelt.command() if locked and sys.platform == "darwin" else []
        try:
            self._process = subprocess.Popen(
                [*prefix, *python, lifetime, str(limits.memory_mb), str(int(locked))],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=printing,
                pass_fds=(to_child, from_child),
                env={},
                cwd="/",
                start_new_session=True,
            )
        except OSError as error:
            for descriptor in (requests, answers, prints):
                os.close(descriptor)
            raise NotHeld(f"the sandbox cannot be started: {error}") from error
        finally:
            for descriptor in (to_child, from_child, printing):
                os.close(descriptor)
        watch = self._watch_memory if sys.platform == "darwin" else None
        self._lines = Lines(self._process, requests, answers, limits.answer_bytes, prints, self._keep, watch)

    def __enter__(self) -> Cell:
        try:
            held = json.loads(self._lines.receive(time.monotonic() + STARTUP_S)) == {"held": True}
        except (Ended, TooLate, TooMuch, ValueError) as error:
            self.end()
            said = self._note.decode(errors="replace").strip().splitlines()
            raise NotHeld(f"the sandbox did not start: {said[-1] if said else type(error).__name__}") from error
        if self._locked and not held:
            self.end()
            raise NotHeld("the sandbox does not hold here: it could list a folder that is closed to it")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.end()

    @property
    def pid(self) -> int:
        return self._process.pid

    def ask(self, line: bytes, until: float) -> bytes:
        """Send a line and wait for one, until a time of `time.monotonic`. Raises `Ended`, `TooLate`, `TooMuch`."""
        return self._lines.ask(line, until)

    def how_it_died(self) -> str:
        """In words, for a person."""
        code = self._process.wait(1.0) if self._process.poll() is None else self._process.returncode
        return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended its process with exit code {code}"

    def end(self) -> None:
        """Kill the process and its group. A second time does nothing."""
        if self._ended:
            return
        self._ended = True
        if self._process.returncode is None or not self._locked:
            with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS: EPERM when only a zombie is left
                os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._lines.drain()
        self._lines.close()

    def _keep(self, said: bytes) -> None:
        self._note = (self._note + said)[-LONGEST_NOTE:]

    def _watch_memory(self) -> None:
        """End the cell when it holds more memory than it may, for systems that do not bound it themselves."""
        if seatbelt.resident(self._process.pid) > self._memory:
            os.killpg(self._process.pid, signal.SIGKILL)
