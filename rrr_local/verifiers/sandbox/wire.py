"""How a cell talks: JSON lines on two descriptors that are neither its input nor its output, and exceptions by name."""

from __future__ import annotations

import builtins
import json
import os
from collections.abc import Mapping
from typing import Any


class Wire:
    """The cell's end. Its descriptors are not inherited by a program that is started from here."""

    def __init__(self, requests: int, answers: int) -> None:
        os.set_inheritable(requests, False)
        os.set_inheritable(answers, False)
        self._requests = os.fdopen(requests, "rb")
        self._answers = os.fdopen(answers, "wb", buffering=0)

    def send(self, message: Mapping[str, object]) -> None:
        left = json.dumps(message).encode() + b"\n"
        while left:
            left = left[self._answers.write(left) :]

    def receive(self) -> Any:
        """The next message. The end of the pipe, when our parent has gone, ends this process."""
        line = self._requests.readline()
        if not line:
            os._exit(0)
        return json.loads(line)


def raised(error: BaseException) -> dict[str, object]:
    """An exception as it crosses: the name of its type and its text."""
    try:
        text = str(error)
    except Exception as bad:  # the exception's __str__ is the code's own
        text = f"its text raised {type(bad).__name__}"
    return {"raised": [type(error).__name__, text[:2000]]}


def exception(kind: str, text: str) -> Exception:
    """The exception of this name, where Python has one that is an ordinary error; else a `RuntimeError` that names it."""
    known = vars(builtins).get(kind)
    if (
        isinstance(known, type)
        and issubclass(known, Exception)
        and not issubclass(known, UnicodeError | ExceptionGroup)
    ):
        return known(text)
    return RuntimeError(f"{kind}: {text}")
