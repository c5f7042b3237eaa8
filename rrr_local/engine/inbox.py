"""What the app sends, as the engine's main thread takes it in.

A thread reads standard input, since cancelling has to be noticed while the main thread samples. It reads the descriptor itself: a
buffered reader holds a lock that Python waits for on its way out.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
import time

from rrr_local.engine.protocol import LONGEST, Cancel, Failed, ProtocolError, Request, decode_request
from rrr_local.errors import ExitCode

CHUNK = 2**16
PATIENCE_S = 0.8
"""How long the main thread may go on after the app has gone, to log what was written."""


class Inbox:
    """Requests in the order they came."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._waiting: queue.Queue[Request | Failed | None] = queue.Queue()
        self._cancelled: set[int] = set()
        self._ended = False
        threading.Thread(target=self._listen, name="rrr-inbox", daemon=True).start()

    def get(self) -> Request | Failed | None:
        """The next request, or the answer to a line that was none; None when the app has gone."""
        return self._waiting.get()

    def is_cancelled(self, request_id: int) -> bool:
        """Whether a request is to end; all are when the app has gone."""
        return self._ended or request_id in self._cancelled

    def _listen(self) -> None:
        try:
            self._read()
        finally:
            self._end()

    def _read(self) -> None:
        rest, skipping = bytearray(), False
        while chunk := os.read(self._descriptor, CHUNK):
            rest += chunk
            if b"\n" in chunk:
                *lines, last = rest.split(b"\n")
                for line in lines[1:] if skipping else lines:
                    self._take(bytes(line))
                rest, skipping = last, False
            if len(rest) > LONGEST:
                print(f"a line of more than {LONGEST} bytes is passed over", file=sys.stderr, flush=True)
                rest, skipping = bytearray(), True

    def _take(self, line: bytes) -> None:
        try:
            request = decode_request(line)
        except ProtocolError as error:
            print(error.cause, file=sys.stderr, flush=True)
            request_id = _id_of(line)
            if request_id is not None:
                self._waiting.put(Failed(request_id, error.cause, "this is a bug: please report it"))
            return
        if isinstance(request, Cancel):
            self._cancelled.add(request.request)
        else:
            self._waiting.put(request)

    def _end(self) -> None:
        """The app has gone. The main thread ends between two tokens; should it not, the process ends anyway."""
        self._ended = True
        self._waiting.put(None)
        time.sleep(PATIENCE_S)
        os._exit(ExitCode.OK)


def _id_of(line: bytes) -> int | None:
    """The id of a line that is JSON, but no message of ours."""
    try:
        values = json.loads(line)
    except (ValueError, RecursionError):
        return None
    request_id = values.get("id") if isinstance(values, dict) else None
    return request_id if isinstance(request_id, int) else None
