"""A function of a person's own, called in another process under a deadline.

    us ── {"id", "args", "kwargs"} ──> child: imports the function once ── {"id", "value" or "error"} ──> us
                                         └── prints ──> logs/verifier.log, the first megabyte of each child

The function is trusted: it sees the person's files and packages. It may still hang, crash, print for hours, fork or end its process;
each of these is one exception here, `Broken` or `TooSlow`, and the next call gets a fresh child. The child ends when its parent
does, however that dies: it reads the end of its pipe. A file that is edited while a child lives counts from the next child on.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import subprocess
import sys
import threading
import time
import weakref
from pathlib import Path
from typing import IO

from rrr_local import paths
from rrr_local.errors import UsageError
from rrr_local.verifiers.lines import Ended, Lines, TooLate, TooMuch

STARTUP_S = 30.0
"""Seconds in which the child must have imported the function: some import large libraries."""
LONGEST_ANSWER = 16 * 2**20
"""Bytes of one answer."""
LARGEST_LOG = 2**20
"""Bytes of what one child prints that are kept; a larger log file is put aside before the next child."""
MARK = "RRR_VERIFIER_WORKER"
"""Environment variable that a child's own children inherit, so that those which left its session are found on Linux."""
BOOT = "import sys; sys.path.append(sys.argv[1]); from rrr_local.verifiers.worker_child import main; main()"


class Broken(Exception):
    """The function raised, could not be loaded, or its process died; one line."""


class TooSlow(Exception):
    """The function took longer than it may; one line."""


class Worker:
    """One function in a child process. Several threads may call it; the calls are made one after the other."""

    def __init__(self, target: str, folder: Path | None, deadline: float = 10.0) -> None:
        """`target` is `file.py:function`, the file within `folder`, or `package.module:function`; `deadline` in seconds per call.

        Raises `UsageError` when the target has another form. Nothing is started before the first call.
        """
        source, colon, function = target.partition(":")
        if not (source and colon and function.isidentifier()):
            raise UsageError(f"{target!r} names no function", "write file.py:function or package.module:function")
        if source.endswith(".py") and folder is None:
            raise UsageError(f"{target!r} is a file without a folder", "give the folder it is in")
        self._target = target
        self._folder = folder
        self._deadline = deadline
        self._lock = threading.Lock()
        self._child: _Child | None = None

    @property
    def pid(self) -> int | None:
        """The child's process id; None while there is none."""
        return None if self._child is None else self._child.pid

    def call(self, *args: object, **kwargs: object) -> object:
        """Call the function with JSON values and return its JSON value.

        A keyword that the function does not take is left out, unless it takes `**kwargs`. Raises `Broken`, `TooSlow`.
        """
        with self._lock:
            if self._child is None:
                self._child = self._start()
            identity = secrets.token_hex(8)
            request = json.dumps({"id": identity, "args": args, "kwargs": kwargs}).encode()
            answer = self._answer(self._child, request, self._deadline)
        if answer.get("id") != identity:
            self.close()
            raise Broken("the verifier's process answered out of turn")
        if "error" in answer:
            raise Broken(str(answer["error"]))
        return answer.get("value")

    def close(self) -> None:
        """End the child and everything it started. The next call starts another one."""
        with self._lock:
            self._end()

    def _start(self) -> _Child:
        try:
            child = _Child(self._target, self._folder)
        except OSError as error:
            raise Broken(f"the verifier's process cannot be started: {error}") from error
        self._finalizer = weakref.finalize(
            self, child.end
        )  # when the worker is forgotten, and at the interpreter's exit
        self._child = child
        if reason := self._answer(child, b"", STARTUP_S).get("error"):
            self._end()
            raise Broken(f"{self._target} cannot be loaded: {reason}")
        return child

    def _answer(self, child: _Child, request: bytes, seconds: float) -> dict[str, object]:
        """One exchange. Whatever goes wrong ends the child."""
        try:
            answer = json.loads(child.lines.ask(request, time.monotonic() + seconds))
            if not isinstance(answer, dict):
                raise ValueError("no object")
        except TooLate:
            self._end()
            raise TooSlow(f"the verifier took longer than {seconds:g} s") from None
        except Ended:
            self._end()
            raise Broken(f"the verifier's process {_how_it_died(child.code)}") from None
        except TooMuch:
            self._end()
            raise Broken(f"the verifier returned more than {LONGEST_ANSWER // 2**20} MiB") from None
        except (ValueError, RecursionError) as error:
            self._end()
            raise Broken("the verifier's process answered with something else than JSON") from error
        child.lines.drain()
        return answer

    def _end(self) -> None:
        if self._child is not None:
            self._finalizer()
            self._child = None


class _Child:
    """The process behind a worker, in a session of its own."""

    def __init__(self, target: str, folder: Path | None) -> None:
        self._mark = secrets.token_hex(16)
        self._log = _log_file()
        self._room = LARGEST_LOG
        to_child, requests = os.pipe()
        answers, from_child = os.pipe()
        prints, printing = os.pipe()
        theirs = (to_child, from_child, printing)
        command = [sys.executable, "-P", "-c", BOOT, str(Path(__file__).parents[2]), str(to_child), str(from_child)]
        try:
            self._process = subprocess.Popen(
                [*command, target, "" if folder is None else str(folder.absolute())],
                stdin=subprocess.DEVNULL,
                stdout=printing,
                stderr=printing,
                pass_fds=theirs[:2],
                env={**os.environ, MARK: self._mark},
                start_new_session=True,
            )
        finally:
            for descriptor in theirs:
                os.close(descriptor)
        self.lines = Lines(self._process, requests, answers, LONGEST_ANSWER, prints, self._keep)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def code(self) -> int | None:
        """The exit code, negative for a signal; None where the process still runs."""
        return self._process.returncode

    def end(self) -> None:
        """Kill the process, its group, and on Linux what has left the group; keep the last it printed."""
        _kill_group(self._process.pid)
        self._process.wait()
        for pid in _marked(self._mark):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.lines.drain()
        self.lines.close()
        self._log.close()

    def _keep(self, printed: bytes) -> None:
        if self._room > 0:
            self._log.write(printed[: self._room])
            self._room -= len(printed)


def _log_file() -> IO[bytes]:
    path = paths.log_path("verifier")
    if path.exists() and path.stat().st_size > LARGEST_LOG:
        path.replace(path.with_suffix(".old.log"))
    return open(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "ab", buffering=0)


def _kill_group(leader: int) -> None:
    # macOS answers EPERM for a group of which only a zombie is left.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


def _marked(mark: str) -> list[int]:
    """Our processes that inherited this mark; none where there is no /proc."""
    wanted = f"{MARK}={mark}".encode()
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # ended meanwhile, or another person's
            if wanted in (entry / "environ").read_bytes():
                found.append(int(entry.name))
    return found


def _how_it_died(code: int | None) -> str:
    if code is None:
        return "closed its pipe"
    if code >= 0:
        return f"ended with exit code {code}"
    return f"was ended by {signal.Signals(-code).name}"
