"""The app's side of the engine: start it, ask it, cancel, start it again.

    OFF ─start─> STARTING ─Ready─> READY <─request ends / begins─> BUSY
                     └──────────────┴─ the process ends ─> DEAD, or TAKEN where another app has the engine of this data folder

One request is under way at a time, later ones wait for their turn; one that is made while the model loads is sent when it is
ready. Everything runs on one event loop.
"""

from __future__ import annotations

import asyncio
import itertools
import sys
from collections.abc import AsyncGenerator, Callable, Sequence
from enum import StrEnum

from rrr_local import paths
from rrr_local.engine.child import GRACE_S, Child
from rrr_local.engine.mail import Mail
from rrr_local.engine.protocol import (
    LONGEST,
    VERSION,
    Cancel,
    Done,
    Event,
    Failed,
    Load,
    Overflow,
    Ready,
    Request,
    encode,
)
from rrr_local.errors import (
    BusyError,
    ExitCode,
    ModelError,
    NotFoundError,
    ResourceError,
    RrrError,
    UsageError,
)

REAL = (sys.executable, "-P", "-m", "rrr_local.engine.serve")
"""-P: a `json.py` in the folder that a person happens to be in is not for us."""
ERRORS: dict[int | None, type[RrrError]] = {
    kind.exit_code: kind for kind in (BusyError, ModelError, NotFoundError, ResourceError, UsageError)
}
LAST = (Done, Overflow, Failed)
"""The events that end a request."""


class EngineState(StrEnum):
    """What the engine is doing."""

    OFF = "off"
    STARTING = "starting"
    """The model is being loaded."""
    READY = "ready"
    BUSY = "busy"
    """A request is under way."""
    DEAD = "dead"
    """It ended by itself; `Engine.error` says why."""
    TAKEN = "taken"
    """Another app has the engine of this data folder."""


GONE = (EngineState.OFF, EngineState.DEAD, EngineState.TAKEN)


def _nothing() -> None:
    """Nobody wants to know."""


class Engine:
    """One child process, started again on demand."""

    def __init__(self, command: Sequence[str] | None = None, on_change: Callable[[], None] = _nothing) -> None:
        """`command` is the program to run in place of the real engine; it is given the same flags."""
        self.on_change = on_change
        """Called on the loop when `state`, `ready` or `error` have changed."""
        self.state = EngineState.OFF
        self.ready: Ready | None = None
        """What is loaded; None until it is."""
        self.error: Failed | None = None
        """Why it is DEAD or TAKEN."""
        self._command = tuple(command or REAL)
        self._what: tuple[str, str | None, str] | None = None
        self._child: Child | None = None
        self._follower: asyncio.Task[None] | None = None
        self._mail: dict[int, Mail] = {}
        """Requests under way; also those that nobody waits for any more, until the engine is done with them."""
        self._unsent: tuple[int, bytes] | None = None
        """Id and line of a request that waits for the model."""
        self._last_words: Failed | None = None
        """What the child said of its own end."""
        self._exit_code: int | None = None
        self._ids = itertools.count(1)
        self._turn = asyncio.Lock()
        self._life = asyncio.Lock()
        self._settled = asyncio.Event()
        """Set when the state is not STARTING."""

    @property
    def pid(self) -> int | None:
        """Of the child; None where there is none."""
        return None if self._child is None else self._child.pid

    @property
    def model(self) -> str | None:
        """The model that was last asked for, as it was named; None before the first start."""
        return None if self._what is None else self._what[0]

    # --- life ---------------------------------------------------------------------------------------------------

    async def start(self, model: str, adapter: str | None, backend: str = "auto") -> None:
        """Begin to load a model, in a new process. Comes back when that is spawned; `Ready` comes later."""
        async with self._life:
            await self._stop("the engine was started again")
            self._what = (model, adapter, backend)
            await self._spawn(self._what)

    async def restart(self) -> None:
        """Start it again with what it had last. Raises `UsageError` when it was never started."""
        if self._what is None:
            raise UsageError("the engine was never started", "choose a model first")
        await self.start(*self._what)

    async def close(self) -> None:
        """End the process, after a second at the latest by SIGKILL; what was under way has failed then."""
        async with self._life:
            await self._stop("the engine was stopped")
            self._change(EngineState.OFF)

    async def until_ready(self) -> Ready:
        """Wait for the model. Raises the `RrrError` that says why there will be none."""
        while self.state is EngineState.STARTING:
            await self._settled.wait()
        if self.ready is not None:
            return self.ready
        if self.error is None:
            raise ModelError("the engine is not running", "start it with a model")
        raise ERRORS.get(self._exit_code, RrrError)(self.error.cause, self.error.way_out)

    # --- requests -----------------------------------------------------------------------------------------------

    async def request(self, make: Callable[[int], Request]) -> AsyncGenerator[Event, None]:
        """Send `make(id)` when it is its turn, and yield its events; the last is `Done`, `Overflow` or `Failed`.

        Closing the generator early cancels the request.
        """
        async with self._turn:
            request = make(next(self._ids))
            line = encode(request)
            if self.state in GONE or self._child is None:
                yield self._gone(request.id)
                return
            if len(line) > LONGEST:
                yield Failed(request.id, "the prompt is too long", f"keep it below {LONGEST // 2**20} MB")
                return
            mail = self._mail[request.id] = Mail()
            self._submit(self._child, request.id, line)
            ended = False
            try:
                while not ended:
                    event = await mail.get()
                    ended = isinstance(event, LAST)
                    if isinstance(event, Done) and isinstance(request, Load) and self._what is not None:
                        self._what = (request.model, request.adapter, self._what[2])
                    yield event
            finally:
                if not ended:
                    self._cancel(request.id)

    async def cancel(self) -> None:
        """Stop what is under way; it ends with `Done(stopped=True)`, with what was written kept."""
        for request_id in list(self._mail):
            self._cancel(request_id)

    def _submit(self, child: Child, request_id: int, line: bytes) -> None:
        if self.state is EngineState.STARTING:
            self._unsent = (request_id, line)
        else:
            child.send(line)
            self._change(EngineState.BUSY)

    def _cancel(self, request_id: int) -> None:
        if self._unsent is not None and self._unsent[0] == request_id:
            self._unsent = None
            self._deliver(Done(request_id, stopped=True))
        elif self._child is not None and request_id in self._mail:
            self._child.send(encode(Cancel(next(self._ids), request_id)))

    def _gone(self, request_id: int) -> Failed:
        if self.error is not None:
            return Failed(request_id, self.error.cause, self.error.way_out, dead=True)
        return Failed(request_id, "the engine is not running", "start it with a model", dead=True)

    # --- the child ----------------------------------------------------------------------------------------------

    async def _spawn(self, what: tuple[str, str | None, str]) -> None:
        model, adapter, backend = what
        flags = ["--model", model, "--backend", backend, *([] if adapter is None else ["--adapter", adapter])]
        self._last_words, self._exit_code = None, None
        self._change(EngineState.STARTING)
        try:
            self._child = await Child.spawn([*self._command, *flags], paths.log_path("engine"))
        except RrrError as error:
            self._exit_code = error.exit_code
            self._change(EngineState.DEAD, error=Failed(0, error.cause, error.way_out, dead=True))
            return
        self._follower = asyncio.create_task(self._follow(self._child), name="rrr engine")

    async def _stop(self, why: str) -> None:
        """End the child, if there is one, and wait until everything of it is settled."""
        child, follower = self._child, self._follower
        if child is None or follower is None:
            return
        child.stopped = True
        self._last_words = Failed(0, why, "ask again", dead=True)
        await child.end()
        _, pending = await asyncio.wait([follower], timeout=GRACE_S)
        if pending:  # something else holds its output open
            follower.cancel()
            self._settle(child)

    async def _follow(self, child: Child) -> None:
        """Hand out what the child says, until it ends."""
        async for event in child.events():
            self._take(child, event)
        await child.end()
        self._settle(child)

    def _take(self, child: Child, event: Event) -> None:
        if isinstance(event, Ready):
            self._loaded(child, event)
        elif event.id in self._mail:
            self._deliver(event)
        elif isinstance(event, Failed) and event.id == 0:
            self._last_words = event
        else:
            child.note(f"an event of no request: {type(event).__name__} {event.id}")

    def _loaded(self, child: Child, event: Ready) -> None:
        if event.version != VERSION:
            self._last_words = Failed(0, "rrr-local was upgraded while it ran", "quit and start `rrr` again", dead=True)
            child.close_input()
            return
        if self.state is EngineState.BUSY:  # the answer to a `Load`
            for mail in self._mail.values():
                mail.put(event)
        if self._unsent is not None:
            child.send(self._unsent[1])
            self._unsent = None
        self._change(EngineState.BUSY if self._mail else EngineState.READY, ready=event)

    def _deliver(self, event: Event) -> None:
        assert not isinstance(event, Ready)
        self._mail[event.id].put(event)
        if isinstance(event, LAST):
            del self._mail[event.id]
            if not self._mail and self.state is EngineState.BUSY:
                self._change(EngineState.READY, ready=self.ready)

    def _settle(self, child: Child) -> None:
        """The child has ended: say so to everyone who waits."""
        if child is not self._child:
            return
        self._child = self._follower = self._unsent = None
        words = self._last_words
        if words is None or (child.killed and not child.stopped):
            words = Failed(0, child.cause(), "start it again; if that does not help, take a smaller model")
        error = Failed(0, words.cause, words.way_out, dead=True)
        self._exit_code = child.code
        child.forget()
        for request_id, mail in self._mail.items():
            mail.put(Failed(request_id, error.cause, error.way_out, dead=True))
        self._mail.clear()
        if child.stopped:
            self._change(EngineState.OFF)
        else:
            self._change(EngineState.TAKEN if child.code == ExitCode.BUSY else EngineState.DEAD, error=error)

    def _change(self, state: EngineState, *, ready: Ready | None = None, error: Failed | None = None) -> None:
        before = (self.state, self.ready, self.error)
        kept = self.ready if state is EngineState.BUSY and ready is None else ready
        self.state, self.ready, self.error = state, kept, error
        if state is EngineState.STARTING:
            self._settled.clear()
        else:
            self._settled.set()
        if before != (self.state, self.ready, self.error):
            self.on_change()
