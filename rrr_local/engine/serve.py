"""The engine process: `python -m rrr_local.engine.serve --model M [--adapter A] [--backend B]`.

Requests come in on standard input, events go out on standard output, everything else that is printed goes to standard error, also
what native libraries print. One engine works on a data folder at a time; a second ends with exit code 5. The process ends when its
input does: no app, no engine.
"""

from __future__ import annotations

import argparse
import faulthandler
import gc
import os
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

from rrr_local import paths
from rrr_local.engine import memory
from rrr_local.engine.conversation import Conversation
from rrr_local.engine.inbox import Inbox
from rrr_local.engine.protocol import Ask, Done, Event, Failed, Load, Ready, Reflect, Versus, encode
from rrr_local.errors import ExitCode, ResourceError, RrrError
from rrr_local.models.find import find_model
from rrr_local.tasks import question
from rrr_local.training.lock import FileLock
from rrr_local.workbench import Workbench, adapter_folder, workbench

NO_MEMORY = ResourceError(
    "there is not enough memory", "begin a new chat, whose context is smaller, or take a smaller model"
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to load."""

    model: str
    adapter: str | None
    backend: str


class Outbox:
    """Events on their way to the app. Nothing else gets into that pipe."""

    def __init__(self) -> None:
        self._pipe: IO[bytes] = os.fdopen(os.dup(1), "wb", buffering=0)
        os.dup2(2, 1)

    def send(self, event: Event) -> None:
        """Write one line. Raises `BrokenPipeError` when the app has gone."""
        line = memoryview(encode(event))
        while line:
            line = line[self._pipe.write(line) or 0 :]


class Server:
    """Loads models and answers requests until the app has gone."""

    def __init__(self, inbox: Inbox, outbox: Outbox) -> None:
        self._inbox = inbox
        self._outbox = outbox
        self._loaded: Wanted | None = None

    def run(self, wanted: Wanted) -> None:
        """Serve one model after another. Where one cannot be loaded, the one before it is again; raises `RrrError` without one."""
        load: Load | None = None
        while True:
            try:
                load = self._host(wanted, load)
            except RrrError as error:
                if load is None or self._loaded is None or self._loaded is wanted:
                    raise
                self._outbox.send(_failed(load.id, error))
                wanted, load = self._loaded, None
                continue
            if load is None:
                return
            gc.collect()  # the old model's arrays, before there are new ones
            wanted = Wanted(load.model, load.adapter, wanted.backend)

    def _host(self, wanted: Wanted, load: Load | None) -> Load | None:
        """Load a model and answer requests, until another one is to be loaded or the app has gone (None)."""
        with workbench(model=wanted.model, task=question.NAME, backend=wanted.backend, adapter=wanted.adapter) as bench:
            self._loaded = wanted
            self._outbox.send(_ready(bench, wanted))
            if load is not None:
                self._outbox.send(Done(load.id, memory_mb=memory.resident_mb()))
            conversation = Conversation(bench, self._inbox.is_cancelled)
            try:
                return self._serve(bench, conversation)
            finally:
                conversation.close()

    def _serve(self, bench: Workbench, conversation: Conversation) -> Load | None:
        while (request := self._inbox.get()) is not None:
            match request:
                case Failed():
                    self._outbox.send(request)
                case Load():
                    refusal = _refusal(bench, request)
                    if refusal is None:
                        return request
                    self._outbox.send(refusal)
                case Ask() | Reflect() | Versus():
                    for event in self._answers(bench, conversation, request):
                        self._outbox.send(event)
        return None

    def _answers(
        self, bench: Workbench, conversation: Conversation, request: Ask | Reflect | Versus
    ) -> Iterator[Event]:
        """The events of a request; whatever goes wrong is one of them, and the engine lives on."""
        try:
            if self._inbox.is_cancelled(request.id):
                yield Done(request.id, stopped=True)
            else:
                yield from _carried_out(conversation, request)
        except RrrError as error:
            yield _failed(request.id, error)
        except MemoryError:
            bench.backend.forget()
            yield _failed(request.id, NO_MEMORY)
        except Exception as error:  # a bug: said to the app, its traceback in the log; the next request may be fine
            traceback.print_exc()
            yield _failed(request.id, _bug(error))


def _carried_out(conversation: Conversation, request: Ask | Reflect | Versus) -> Iterator[Event]:
    match request:
        case Ask():
            return conversation.ask(request)
        case Reflect():
            return conversation.reflect(request)
        case Versus():
            return conversation.versus(request)


def _refusal(bench: Workbench, load: Load) -> Failed | None:
    """Why something cannot be loaded, as far as that is known before what is loaded makes room for it."""
    try:
        find_model(load.model)
        if load.adapter is not None:
            adapter_folder(bench.store, load.adapter)
    except RrrError as error:
        return _failed(load.id, error)
    return None


def _ready(bench: Workbench, wanted: Wanted) -> Ready:
    return Ready(
        model=bench.model.name,
        adapter=wanted.adapter,
        backend=bench.backend.name,
        context=bench.backend.context,
        memory_mb=memory.resident_mb(),
        embedded=bench.model.embedded,
    )


def _failed(request_id: int, error: RrrError) -> Failed:
    return Failed(request_id, error.cause, error.way_out)


def _bug(error: Exception) -> RrrError:
    way_out = f"the traceback is in {paths.log_path('engine')}; please report it"
    return RrrError(f"internal error in the engine ({type(error).__name__}: {error})", way_out)


def _arguments() -> Wanted:
    parser = argparse.ArgumentParser(prog="rrr_local.engine.serve")
    parser.add_argument("--model", required=True)
    parser.add_argument("--adapter")
    parser.add_argument("--backend", default="auto")
    given = parser.parse_args()
    return Wanted(given.model, given.adapter, given.backend)


def _serve_alone(inbox: Inbox, outbox: Outbox, wanted: Wanted) -> None:
    """Serve, unless another process does on this data folder. Raises `BusyError`."""
    way_out = "close the other app, or give this one a data folder of its own with --data-dir"
    with FileLock(paths.engine_lock(), "the engine of this data folder", way_out):
        Server(inbox, outbox).run(wanted)


def main() -> int:
    """The exit code says why it ended; so does a `Failed` before."""
    faulthandler.enable()
    wanted, outbox = _arguments(), Outbox()
    try:
        try:
            _serve_alone(Inbox(0), outbox, wanted)
        except RrrError as error:
            outbox.send(_failed(0, error))
            return error.exit_code
        except MemoryError:
            outbox.send(_failed(0, NO_MEMORY))
            return ExitCode.RESOURCES
        except BrokenPipeError:
            raise
        except Exception as error:  # a bug: the last word to the app before this process ends
            traceback.print_exc()
            outbox.send(_failed(0, _bug(error)))
            return ExitCode.INTERNAL
    except BrokenPipeError:
        pass  # the app has gone; its end of input says so too
    return ExitCode.OK


if __name__ == "__main__":
    os._exit(main())  # everything is closed; taking Python and MLX down in order would take longer than an app waits
