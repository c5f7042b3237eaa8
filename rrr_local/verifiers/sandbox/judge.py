"""The judge's part: run the tests, and have every name that the candidate defined answered by the candidate.

    test: assert top(lambda x: -x, [3, 1]) == 1
                  │ call top(function 0, [3, 1])       ──> candidate
                  │      <── callback 0(3)  ── 0(3) = -3 ──>
                  │ value 1                            <──
    compared here, where no line of the candidate's code has run

What the candidate hands over is plain data (`values.py`). An object of its own stays there, and a `Remote` stands in for it: it can be
called, asked for attributes, items and length, and iterated, as a test of a class does. A `Remote` equals no value, whatever the
candidate says; only two of the candidate's objects are compared by the candidate, since there the test asks for just that.
"""

from __future__ import annotations

import builtins
import importlib
import re
import reprlib
import sys
import types
from collections.abc import Iterator, Sequence
from typing import Any

from rrr_local.verifiers.sandbox import values
from rrr_local.verifiers.sandbox.wire import Wire, exception, raised

WORD = re.compile(r"[^\W\d]\w*")
LONGEST_QUOTE = 160


class Unreadable(Exception):
    """The candidate's process answered with something that is no answer."""

    def __init__(self) -> None:
        super().__init__("what came from the code's process is no answer")


class NoPython(Exception):
    """A test or the setup cannot be compiled, or the setup does not run."""


class Link:
    """The way to the candidate, through our parent."""

    def __init__(self, wire: Wire, nonce: str) -> None:
        self._wire = wire
        self._nonce = nonce
        self._functions: list[types.FunctionType | types.BuiltinFunctionType | type] = []
        self.last = ""
        """The last call and what came of it, for a person."""

    def say(self, **message: object) -> None:
        self._wire.send({"nonce": self._nonce, **message})

    def run(self, setup: str, code: str) -> list[str]:
        """Have the code executed; returns the names it defined. Raises what the code raised."""
        reply = self._exchange({"do": "run", "setup": setup, "code": code})
        names = reply.get("names")
        if not isinstance(names, list):
            raise Unreadable
        return [name for name in names if isinstance(name, str) and name.isidentifier()]

    def ask(self, do: str, on: int | str, label: str, *args: object, **kwargs: object) -> object:
        """Have one operation done. Raises what it raised; `Unreadable`; `TypeError` for an argument that cannot be handed over."""
        if do == "call":
            self.last = f"{label}({', '.join(map(quoted, args))}) "
        given = [values.encode(item, self._give) for item in args]
        named = {name: values.encode(item, self._give) for name, item in kwargs.items()}
        reply = self._exchange({"do": do, "on": on, "args": given, "kwargs": named})
        if "value" not in reply:
            raise Unreadable
        try:
            value = values.decode(reply["value"], lambda number, kind: Remote(self, number, kind, label))
        except (
            ValueError,
            TypeError,
            AttributeError,
            ArithmeticError,
            RecursionError,
            LookupError,
            StopIteration,
        ) as error:
            raise Unreadable from error
        if do == "call":
            self.last += f"gave {quoted(value)}"
        return value

    def _exchange(self, request: dict[str, object]) -> dict[str, Any]:
        while True:
            self.say(ask=request)
            try:
                reply = self._wire.receive()
            except (ValueError, RecursionError) as error:
                raise Unreadable from error
            if not isinstance(reply, dict):
                raise Unreadable
            if "callback" in reply:
                request = self._called_back(reply)
            elif "raised" in reply:
                kind, text = (str(part) for part in reply["raised"])
                self.last += f"raised {kind}" if self.last.endswith(" ") else ""
                raise exception(kind, text)
            else:
                return reply

    def _called_back(self, reply: dict[str, Any]) -> dict[str, object]:
        """Call the function of a test that the candidate was handed; nothing else of ours can be reached."""
        try:
            function = self._functions[int(reply["callback"])]
            args = [
                values.decode(item, lambda number, kind: Remote(self, number, kind, kind)) for item in reply["args"]
            ]
            return {"value": values.encode(function(*args), self._give)}
        except Exception as error:  # the test's function may raise what it likes: the candidate hears of it
            return raised(error)

    def _give(self, value: object) -> tuple[int, str]:
        if isinstance(value, Remote):
            return value._rrr_number, values.OWN
        if not isinstance(value, types.FunctionType | types.BuiltinFunctionType | type):
            raise TypeError(f"a test cannot hand a {type(value).__name__} to the code")
        self._functions.append(value)
        return len(self._functions) - 1, "function"


class Remote:
    """Stands in for an object that stays with the candidate. Its own attributes have names that no code uses for its own."""

    def __init__(self, link: Link, number: int, kind: str, label: str) -> None:
        self._rrr_link = link
        self._rrr_number = number
        self._rrr_kind = kind
        self._rrr_label = label

    def _rrr_ask(self, do: str, *args: object, **kwargs: object) -> object:
        return self._rrr_link.ask(do, self._rrr_number, self._rrr_label, *args, **kwargs)

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):
            raise AttributeError(name)
        return self._rrr_link.ask("attribute", self._rrr_number, f"{self._rrr_label}.{name}", name)

    def __call__(self, *args: object, **kwargs: object) -> object:
        return self._rrr_ask("call", *args, **kwargs)

    def __iter__(self) -> Iterator[object]:
        iterator = self._rrr_ask("iterate")
        return iterator if isinstance(iterator, Remote) else iter(())

    def __next__(self) -> object:
        return self._rrr_ask("next")

    def __len__(self) -> int:
        length = self._rrr_ask("length")
        assert isinstance(length, int)
        return length

    def __bool__(self) -> bool:
        return True

    def __getitem__(self, key: object) -> object:
        return self._rrr_ask("item", key)

    def __setitem__(self, key: object, value: object) -> None:
        self._rrr_ask("put", key, value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Remote) and self._rrr_ask("equal", other) is True

    def __hash__(self) -> int:
        return self._rrr_number

    def __str__(self) -> str:
        return str(self._rrr_ask("text"))

    def __repr__(self) -> str:
        return f"<a {self._rrr_kind} of the code>"


def main(wire: Wire) -> None:
    """Judge one program: its job comes first, its verdict goes last."""
    job = wire.receive()
    link = Link(wire, job["nonce"])
    try:
        namespace: dict[str, object] = {"__name__": "tests"}
        _execute(job["setup"], "<setup>", namespace)
        tests = [(test, _compiled(test, "<test>")) for test in job["tests"]]
        link.say(**_verdict(link, job["code"], job["setup"], tests, namespace))
    except NoPython as error:
        link.say(outcome="broken", detail=str(error))


def _verdict(
    link: Link, code: str, setup: str, tests: Sequence[tuple[str, types.CodeType]], namespace: dict[str, object]
) -> dict[str, object]:
    try:
        names = link.run(setup, code)
        _bind(link, names, " ".join(test for test, _ in tests), namespace)
    except Exception as error:  # whatever the code raised
        return {"outcome": "failed", "detail": f"the code raised {line(error)}"}
    for test, compiled in tests:
        link.last = ""
        try:
            exec(compiled, namespace)
        except BaseException as error:  # a test that raises, whatever it raises, does not hold
            return {"outcome": "failed", "detail": why(test, link.last, error)}
    return {"outcome": "passed", "detail": f"{len(tests)} {'test holds' if len(tests) == 1 else 'tests hold'}"}


def _bind(link: Link, names: Sequence[str], tests: str, namespace: dict[str, object]) -> None:
    """Give the tests what the code defined, never in place of what Python or the setup means by a name.

    A module of the standard library that the code imported is imported here instead: the code could have changed its own.
    """
    for name in set(names) & set(WORD.findall(tests)) - set(namespace) - set(vars(builtins)):
        value = link.ask("get", name, name)
        if isinstance(value, Remote) and name in sys.stdlib_module_names:
            value = importlib.import_module(name)
        namespace[name] = value


def _execute(text: str, name: str, namespace: dict[str, object]) -> None:
    compiled = _compiled(text, name)
    try:
        exec(compiled, namespace)
    except Exception as error:  # whatever the setup raised
        raise NoPython(f"the setup of the tests raised {line(error)}") from error


def _compiled(text: str, name: str) -> types.CodeType:
    try:
        return compile(text, name, "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise NoPython(f"a test is no Python ({line(error)}): {' '.join(text.split())[:LONGEST_QUOTE]}") from error


def why(test: str, call: str, error: BaseException) -> str:
    """Which test does not hold, and what the code gave, or what the test raised."""
    source = " ".join(test.split())
    source = source if len(source) <= LONGEST_QUOTE else f"{source[: LONGEST_QUOTE - 1]}…"
    what = call if isinstance(error, AssertionError) else line(error)
    return f"{source}: {what}" if what else f"{source} does not hold"


def line(error: BaseException) -> str:
    """An exception in one line."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:200]}" if text else type(error).__name__


def quoted(value: object) -> str:
    """A value as a failing test names it."""
    try:
        return reprlib.repr(value)
    except ValueError:  # an int of thousands of digits
        return f"a large {type(value).__name__}"
