"""Lines to and from a child process over two pipes, each exchange under a deadline.

    parent ── requests, a line each ──> child ── answers, a line each ──> parent
                                          └── whatever it prints ──> read along, so that the child never blocks on it

Both ends of ours are non-blocking and one `select` watches all three: a child that does not read, does not answer, answers
without end or prints for ever costs no more than the deadline and the limits. There is no thread, so it works from any.
"""

from __future__ import annotations

import os
import select
import subprocess
import time
from collections.abc import Callable

CHUNK = 64 * 2**10
MOST_DRAINED = 16
"""Reads of `drain`: more than a pipe holds."""
TICK_S = 0.1
"""How often a silent child is looked at: a process it left behind may hold its pipe open after it has died."""


class TooLate(Exception):
    """The deadline passed before the answer was complete."""


class Ended(Exception):
    """The child closed its pipe or died."""


class TooMuch(Exception):
    """The answer is longer than allowed."""


class Lines:
    """The parent's ends. Owns the descriptors it is given."""

    def __init__(
        self,
        child: subprocess.Popen[bytes],
        requests: int,
        answers: int,
        longest: int,
        prints: int | None = None,
        keep: Callable[[bytes], None] | None = None,
        watch: Callable[[], None] | None = None,
    ) -> None:
        """An answer has at most `longest` bytes; `keep` is handed what comes from the descriptor `prints`; `watch` is called
        at every tick and may raise."""
        self._child = child
        self._requests = requests
        self._answers = answers
        self._longest = longest
        self._prints = prints
        self._keep = keep
        self._watch = watch
        self._unsent = memoryview(b"")
        self._unread = bytearray()
        for descriptor in self._open():
            os.set_blocking(descriptor, False)

    def ask(self, line: bytes, until: float) -> bytes:
        """Send one line and wait for one. `until` is a time of `time.monotonic`. Raises `TooLate`, `Ended`, `TooMuch`."""
        self._unsent = memoryview(bytes(self._unsent) + line + b"\n")
        return self.receive(until)

    def receive(self, until: float) -> bytes:
        """Wait for one line, without its end. Raises `TooLate`, `Ended`, `TooMuch`."""
        searched = 0
        while (end := self._unread.find(b"\n", searched)) < 0:
            searched = len(self._unread)
            if searched > self._longest:
                raise TooMuch
            self._turn(until)
        line = bytes(self._unread[:end])
        del self._unread[: end + 1]
        return line

    def drain(self) -> None:
        """Read what the child has printed so far; never waits, and ends though the child goes on printing."""
        for _ in range(MOST_DRAINED):
            if self._prints is None or not select.select([self._prints], [], [], 0)[0]:
                return
            self._read_prints()

    def close(self) -> None:
        """Close our ends. A second time does nothing."""
        for descriptor in self._open():
            os.close(descriptor)
        self._requests = self._answers = -1
        self._prints = None

    def _open(self) -> list[int]:
        mine = [self._requests, self._answers] if self._answers >= 0 else []
        return mine if self._prints is None else [*mine, self._prints]

    def _turn(self, until: float) -> None:
        """Wait until something moves, at most a tick, and move it."""
        left = until - time.monotonic()
        if left <= 0:
            raise TooLate
        dead = self._child.poll() is not None  # looked at before the pipe: what it wrote before dying still counts
        prints = [] if self._prints is None else [self._prints]
        sending = [self._requests] if self._unsent and not dead else []
        ready, writable, _ = select.select([self._answers, *prints], sending, [], 0 if dead else min(left, TICK_S))
        if self._watch is not None:
            self._watch()
        if writable:
            self._write()
        if self._prints in ready:
            self._read_prints()
        if self._answers in ready:
            self._read_answer()
        elif dead and not ready:
            raise Ended

    def _write(self) -> None:
        try:
            self._unsent = self._unsent[os.write(self._requests, self._unsent[:CHUNK]) :]
        except BrokenPipeError:
            self._unsent = memoryview(b"")  # the end of its answers says the rest

    def _read_answer(self) -> None:
        read = os.read(self._answers, CHUNK)
        if not read:
            raise Ended
        self._unread += read

    def _read_prints(self) -> None:
        assert self._prints is not None
        read = os.read(self._prints, CHUNK)
        if not read:
            os.close(self._prints)
            self._prints = None
        elif self._keep is not None:
            self._keep(read)
