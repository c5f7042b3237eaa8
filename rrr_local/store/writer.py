"""The one thread of a process that writes to the log.

    caller ── submit ──> bounded queue ──> pending ──> one transaction ──> settled
           ── call, waits for the commit ──────────────────────────────────┘

Requests are written in the order they came, many to a transaction: after 250 ms, at 500 rows, or at once when somebody
waits. Each has its savepoint, so that one that breaks a constraint is rejected alone.

When the machine fails (disk full, file locked), nothing was committed. Those who wait get the error and their request
is withdrawn, so they may simply call again; what was submitted without waiting stays pending and goes first into the
next transaction. From then on every request waits, so that the next caller learns of the failure too, until a commit
succeeds.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TypeVar, cast

from rrr_local.store.sqlite import Connection, explained, transaction

T = TypeVar("T")

FLUSH_AFTER_S = 0.25
FLUSH_AT_ROWS = 500
CAPACITY = 10_000
"""Requests that may wait in the queue; who submits more waits too."""


@dataclass(frozen=True, slots=True, eq=False)
class _Request:
    """Something to write."""

    apply: Callable[[Connection], object]
    """Runs on the writer's thread, inside a transaction."""
    rows: int
    done: Future[object] | None
    """Settled at the commit; None when nobody waits."""


class Writer:
    """Owns one connection. Everything is written by its thread."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._queue: queue.Queue[_Request | None] = queue.Queue(CAPACITY)
        self._pending: list[_Request] = []
        self._rejected: deque[Exception] = deque()
        self._failing = threading.Event()
        self._closed = False
        self._gate = threading.Lock()  # nothing may come into the queue after its end
        self._thread = threading.Thread(target=self._run, name="rrr-log-writer", daemon=True)
        self._thread.start()

    def submit(self, apply: Callable[[Connection], object], rows: int = 1) -> None:
        """Write within 250 ms, without waiting for it. Raises what went wrong since the last call."""
        if self._failing.is_set():
            self.call(apply)
            return
        self._raise_rejected()
        self._put(_Request(apply, rows, None))

    def call(self, apply: Callable[[Connection], T]) -> T:
        """Write now; the result of `apply` after the commit.

        Raises what `apply` raises, and `ResourceError` or `BusyError` when the machine fails; then nothing of it was
        written.
        """
        self._raise_rejected()
        done: Future[object] = Future()
        self._put(_Request(apply, 1, done))
        return cast(T, done.result())

    def flush(self) -> None:
        """Wait until everything submitted is committed. Raises what went wrong, and may be called again then."""
        self.call(lambda connection: None)
        self._raise_rejected()

    def close(self) -> None:
        """Flush, end the thread, close the connection; the last two also when the flush fails."""
        if self._closed:
            return
        try:
            self.flush()
        finally:
            with self._gate:
                self._closed = True
                self._queue.put(None)
            self._thread.join()
            self.connection.close()

    def _put(self, request: _Request) -> None:
        with self._gate:
            if self._closed:
                raise ValueError("the log is closed")
            self._queue.put(request)

    def _raise_rejected(self) -> None:
        if self._rejected:
            raise self._rejected.popleft()

    def _run(self) -> None:
        while self._collect():
            self._commit()

    def _collect(self) -> bool:
        """Gather requests until it is time to write; False at the end."""
        deadline: float | None = None
        while True:
            try:
                request = self._queue.get(timeout=None if deadline is None else max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                return True
            if request is None:
                return False
            self._pending.append(request)
            if request.done is not None or sum(each.rows for each in self._pending) >= FLUSH_AT_ROWS:
                return True
            deadline = time.monotonic() + FLUSH_AFTER_S if deadline is None else deadline

    def _commit(self) -> None:
        """Write everything pending in one transaction and settle it, or keep what nobody waits for."""
        try:
            with transaction(self.connection):
                results = [self._apply(request) for request in self._pending]
        except Exception as error:  # reaches the callers below: a thread has nobody else to tell
            self._fail(error)
            return
        self._failing.clear()
        requests, self._pending = self._pending, []
        for request, result in zip(requests, results, strict=True):
            self._settle(request, result)

    def _apply(self, request: _Request) -> object:
        """The request's result, or the exception that rejects it. Raises only when the machine fails."""
        self.connection.execute("SAVEPOINT request")
        try:
            result = request.apply(self.connection)
        except Exception as error:  # the request's own fault goes to who made it; SQLite's is raised
            if explained(error) is not None:
                raise
            self.connection.execute("ROLLBACK TO request")
            result = error
        self.connection.execute("RELEASE request")
        return result

    def _settle(self, request: _Request, result: object) -> None:
        if not isinstance(result, Exception):
            if request.done is not None:
                request.done.set_result(result)
        elif request.done is not None:
            request.done.set_exception(result)
        else:
            self._rejected.append(result)

    def _fail(self, error: Exception) -> None:
        readable = explained(error) or error
        if readable is not error:
            readable.__cause__ = error
        self._failing.set()
        withdrawn = [request for request in self._pending if request.done is not None]
        self._pending = [request for request in self._pending if request.done is None]
        for request in withdrawn:
            self._settle(request, readable)
