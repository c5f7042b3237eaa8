"""The child's side of `worker.py`: import one function, then call it for every request.

Requests come on a descriptor of their own and so do the answers: what the function prints or reads goes elsewhere. A thread reads
the requests, so that the end of the pipe is seen while the function runs: then the parent is gone, and this process ends with its
group at once.
"""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import inspect
import json
import numbers
import os
import queue
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from typing import IO, Any


def main() -> None:
    """`argv`: the package's parent folder, the two descriptors, the target, the folder of its file or nothing."""
    _, _, requests, answers, target, folder = sys.argv
    for descriptor in (int(requests), int(answers)):
        os.set_inheritable(descriptor, False)  # a program the function starts must not hold the pipes open
    out = os.fdopen(int(answers), "w", encoding="utf-8")
    waiting: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(int(requests), waiting), daemon=True).start()
    waiting.get()
    try:
        function = _load(target, folder)
    except BaseException as error:  # whatever the file does, SystemExit included, is the answer
        _write(out, {"error": _line(error)})
        return
    _write(out, {})
    while True:
        _write(out, _answer(function, json.loads(waiting.get())))


def _read(descriptor: int, waiting: queue.SimpleQueue[str]) -> None:
    with open(descriptor, encoding="utf-8") as requests:
        for line in requests:
            waiting.put(line)
    os.killpg(0, signal.SIGKILL)


def _load(target: str, folder: str) -> Callable[..., object]:
    source, _, name = target.partition(":")
    if folder:
        sys.path.insert(0, folder)
    if source.endswith(".py"):
        path = os.path.join(folder, source)
        spec = importlib.util.spec_from_file_location(os.path.basename(source)[:-3], path)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
    else:
        module = importlib.import_module(source)
    function = vars(module).get(name)
    if not callable(function):
        raise LookupError(f"{source} has no function {name}")
    return function  # type: ignore[no-any-return]


def _answer(function: Callable[..., object], request: Mapping[str, Any]) -> dict[str, object]:
    try:
        value = function(*request["args"], **_taken(function, request["kwargs"]))
        if inspect.isawaitable(value):
            value = asyncio.run(_result(value))
        json.dumps(value, default=_number)
    except BaseException as error:  # the function is somebody else's: every way to fail is an answer, not our end
        return {"id": request["id"], "error": _line(error)}
    return {"id": request["id"], "value": value}


async def _result(value: Any) -> object:
    return await value


def _taken(function: Callable[..., object], kwargs: Mapping[str, object]) -> Mapping[str, object]:
    """The keywords a function takes."""
    parameters = inspect.signature(function).parameters
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        return kwargs
    return {name: value for name, value in kwargs.items() if name in parameters}


def _number(value: object) -> float:
    """A number of another library, such as numpy's, as JSON has it."""
    if isinstance(value, numbers.Real):
        return float(value)
    raise TypeError(f"returned a {type(value).__name__}, which is no JSON value")


def _write(out: IO[str], answer: Mapping[str, object]) -> None:
    out.write(json.dumps(answer, default=_number) + "\n")
    out.flush()


def _line(error: BaseException) -> str:
    """An exception in one line."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:500]}" if text else type(error).__name__
