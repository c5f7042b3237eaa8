"""The candidate's part: run the code, then answer one request after the other about what it defined.

The code shares this interpreter and may do to it what it likes. Nothing here is secret, and nothing that leaves is believed: the
answers are plain values, which the judge compares.
"""

from __future__ import annotations

import itertools
import operator
import sys
import types
from collections.abc import Callable, Mapping
from typing import Any

from rrr_local.verifiers.sandbox import values
from rrr_local.verifiers.sandbox.wire import Wire, exception, raised

OPERATIONS: Mapping[str, Callable[..., object]] = {
    "get": lambda target: target,
    "call": lambda target, *args, **kwargs: target(*args, **kwargs),
    "attribute": getattr,
    "iterate": iter,
    "next": next,
    "length": len,
    "item": operator.getitem,
    "put": operator.setitem,
    "text": str,
    "equal": lambda target, other: bool(target == other),
}
"""What the judge may ask of an object."""


class Candidate:
    """Holds what the code defined, and answers for it."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._kept: dict[int, object] = {}
        self._numbers = itertools.count()
        self._module = types.ModuleType("candidate")
        sys.modules["candidate"] = self._module  # dataclasses and the like look their module up

    def serve(self) -> None:
        """Answer until the pipe ends."""
        while True:
            self._wire.send(self._answer(self._wire.receive()))

    def _answer(self, request: dict[str, Any]) -> dict[str, object]:
        try:
            if request["do"] == "run":
                return {"names": self._run(request["setup"], request["code"])}
            on = request["on"]
            target = vars(self._module)[on] if isinstance(on, str) else self._kept[on]
            args = [values.decode(item, self._given) for item in request["args"]]
            kwargs = {name: values.decode(item, self._given) for name, item in request["kwargs"].items()}
            return {"value": values.encode(OPERATIONS[request["do"]](target, *args, **kwargs), self._keep)}
        except BaseException as error:  # SystemExit and KeyboardInterrupt of the code are no reason to end
            return raised(error)

    def _run(self, setup: str, code: str) -> list[str]:
        """Execute, and name what there is now: this is what the sandbox is for."""
        for name, text in (("setup", setup), ("code", code)):
            exec(compile(text, f"<{name}>", "exec", dont_inherit=True), vars(self._module))
        return [name for name in vars(self._module) if not name.startswith("__")]

    def _keep(self, value: object) -> tuple[int, str]:
        number = next(self._numbers)
        self._kept[number] = value
        return number, type(value).__name__

    def _given(self, number: int, kind: str) -> object:
        """What the judge hands over besides data: one of our own objects come home, or a function of its own to call."""
        if kind == values.OWN:
            return self._kept[number]

        def function(*args: object) -> object:
            self._wire.send({"callback": number, "args": [values.encode(item, self._keep) for item in args]})
            while "do" in (message := self._wire.receive()):  # the function may ask us something before it answers
                self._wire.send(self._answer(message))
            if "raised" in message:
                raise exception(*message["raised"])
            return values.decode(message["value"], self._given)

        return function
