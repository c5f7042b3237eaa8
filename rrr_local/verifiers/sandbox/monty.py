"""The monty provider: an interpreter written in Rust for code that nobody has read (`pydantic-monty`, the extra `code`).

It has no files, no network, no processes and no way into Python; its workers are processes that may crash. The candidate and the judge are
two sessions. A name that a test uses and that nobody has defined there is looked up in the candidate's session; the values pass through
this program as plain Python data, so an object with an `__eq__` of its own never reaches a test.

Monty speaks a part of Python: no class inheritance, no `yield`, no `heapq`. What it lacks is the sandbox's limit and not the code's
fault: such a run is `BROKEN`, or at least unsure, and `choose.py` then has it run in the other sandbox.
"""

from __future__ import annotations

import atexit
import builtins
import functools
import importlib.util
import re
import sys
import threading
import time
from collections.abc import Mapping, Sequence, Set
from contextlib import ExitStack
from typing import Any

from rrr_local.verifiers.sandbox.base import Execution, Limits, Outcome
from rrr_local.verifiers.sandbox.judge import WORD, line, quoted, why

CALLED = re.compile(rf"({WORD.pattern})\s*\(")
FUNCTION = re.compile(r"<(function|class) '")
"""How monty hands out what it cannot hand out."""
PLAIN = (type(None), bool, int, float, str, bytes)
MOST_MEMORY_MB = 64
"""A value crosses into our own process, so a session's memory bounds ours."""
MOST_PRINTED = 100_000
"""Bytes; they are thrown away."""
_LOCK = threading.Lock()


class Unsure(Exception):
    """What monty cannot decide, with the reason."""


class _Over(Exception):
    """The candidate's session is over."""

    def __init__(self, outcome: Outcome, detail: str) -> None:
        super().__init__(detail)
        self.outcome = outcome


class MontySandbox:
    """Runs code in monty sessions, one program at a time."""

    @property
    def name(self) -> str:
        return "monty"

    def run(self, code: str, tests: Sequence[str], limits: Limits, setup: str = "") -> Execution:
        """See `Sandbox.run`. Takes about a millisecond, and 20 ms more at the first call."""
        try:
            return self.attempt(code, tests, limits, setup)
        except Unsure as reason:
            return Execution(Outcome.BROKEN, f"monty, which speaks a part of Python, cannot tell: {reason}")

    def attempt(self, code: str, tests: Sequence[str], limits: Limits, setup: str) -> Execution:
        """As `run`, but raises `Unsure` where another sandbox may come to another result."""
        session = {
            "max_feed_duration_secs": limits.seconds,
            "max_total_sleep_secs": limits.seconds,
            "max_memory": min(limits.memory_mb, MOST_MEMORY_MB) * 2**20,
            "max_suspensions": 100_000,
        }
        with _LOCK, ExitStack() as open_now:
            candidate, judge = (open_now.enter_context(_pool().checkout(limits=session)) for _ in range(2))
            return _Program(candidate, judge, limits.seconds).run(code, tests, setup)


class _Program:
    """One program in its two sessions."""

    def __init__(self, candidate: Any, judge: Any, seconds: float) -> None:
        self._candidate = candidate
        self._judge = judge
        self._seconds = seconds
        self._until = time.monotonic() + seconds
        self._ended: Unsure | _Over | None = None
        """Why the candidate cannot go on; a test that catches everything does not get past it."""
        self._opaque: set[str] = set()
        """Names of the candidate's whose values cannot cross: a test that uses one decides nothing."""
        self._last = ""

    def run(self, code: str, tests: Sequence[str], setup: str) -> Execution:
        try:
            _feed(self._judge, setup)
        except Exception as error:  # what the setup raises, monty raises here as Python's own kinds
            raise Unsure(f"the setup raised {line(error)}") from error
        try:
            for text in (setup, code):
                self._in_candidate(text)
            names = self._names(" ".join(tests))
        except _Over as over:
            return Execution(over.outcome, str(over))
        except Unsure:
            raise
        except Exception as error:  # whatever the code raised
            return Execution(Outcome.FAILED, f"the code raised {line(error)}")
        for test in tests:
            if (failed := self._test(test, names)) is not None:
                return failed
        return Execution(Outcome.PASSED, f"{len(tests)} {'test holds' if len(tests) == 1 else 'tests hold'}")

    def _test(self, test: str, names: Mapping[str, object]) -> Execution | None:
        """What went wrong with one test; None when it holds."""
        self._last = ""
        problem: Exception | None = None
        try:
            _feed(self._judge, test, external_lookup=names)
        except Exception as error:  # a test that raises does not hold; why is told apart below
            problem = error
        if isinstance(self._ended, _Over):
            return Execution(self._ended.outcome, str(self._ended))
        if self._ended is not None:
            raise self._ended
        if problem is None:
            return None
        if isinstance(problem, SyntaxError):
            raise Unsure(f"a test is no Python ({line(problem)})")
        if isinstance(problem, TimeoutError):
            return Execution(Outcome.BROKEN, "the tests themselves did not end in time")
        _settle(problem, self._opaque)
        return Execution(Outcome.FAILED, why(test, self._last, problem))

    def _names(self, tests: str) -> dict[str, object]:
        """What the tests may look up: functions that ask the candidate, and its constants."""
        words = set(WORD.findall(tests)) - set(vars(builtins))
        called = set(CALLED.findall(tests)) & words
        names: dict[str, object] = {name: functools.partial(self._call, name) for name in called}
        for name in words - called:
            try:
                names[name] = self._in_candidate(name)
            except Unsure:
                self._opaque.add(name)
            except (NameError, SyntaxError):  # not the candidate's
                continue
        return names

    def _call(self, name: str, *args: object, **kwargs: object) -> object:
        """A test calls a function of the candidate's: its value, or what it raised, goes back into the test."""
        try:
            _check_plain([*args, *kwargs.values()])
            self._last = f"{name}({', '.join(map(quoted, args))}) "
            value = self._in_candidate(f"{name}(*given, **named)", given=list(args), named=kwargs)
        except (Unsure, _Over) as ended:
            self._ended = ended
            raise RuntimeError("the candidate has ended") from ended
        self._last += f"gave {quoted(value)}"
        return value

    def _in_candidate(self, code: str, **inputs: object) -> object:
        """Run code in the candidate's session. Raises what it raised, `Unsure` or `_Over`."""
        try:
            value = _feed(self._candidate, code, inputs=inputs)
        except TimeoutError as error:
            raise _Over(Outcome.TIMEOUT, f"the code took longer than {self._seconds:g} s") from error
        except Exception as error:  # the code's own, or monty's: `_settle` turns the latter into `Unsure`
            _settle(error, frozenset())
            raise
        finally:
            late = time.monotonic() > self._until
        if late:
            raise _Over(Outcome.TIMEOUT, f"the code took longer than {self._seconds:g} s")
        _check_plain(value)
        return value


def available() -> bool:
    """Whether `pydantic-monty` is installed."""
    return importlib.util.find_spec("pydantic_monty") is not None


@functools.cache
def _pool() -> Any:
    from pydantic_monty import Monty

    pool = Monty(max_processes=2, checkout_timeout=20.0).__enter__()
    atexit.register(pool.__exit__, None, None, None)
    return pool


def _feed(session: Any, code: str, **more: Any) -> object:
    """Run code in a session. Raises the exception that ended it, as Python knows it, or `Unsure` when the worker has died."""
    from pydantic_monty import CollectString, MontyCrashedError, MontyError

    try:
        return session.feed_run(code, print_callback=CollectString(max_bytes=MOST_PRINTED), **more)
    except MontyCrashedError as error:
        raise Unsure(line(error)) from error
    except MontyError as error:
        raise error.exception() from error


def _settle(error: Exception, opaque: Set[str]) -> None:
    """Raises `Unsure` for an exception that Python itself might not have raised."""
    match error:
        case (
            NotImplementedError()
            | AttributeError()
            | TypeError()
            | ImportError()
            | MemoryError()
            | RecursionError()
            | RuntimeError()
        ):
            raise Unsure(line(error)) from error
        case NameError():
            name = "".join(re.findall(r"'(\w+)'", str(error))[:1])
            if name in vars(builtins) or name in sys.stdlib_module_names or name in opaque:
                raise Unsure(line(error)) from error


def _check_plain(value: object) -> None:
    """Raises `Unsure` for what is not data through and through. Looks at every object once: a value may hold one many times over."""
    waiting, seen = [value], {id(value)}
    while waiting:
        item = waiting.pop()
        if isinstance(item, str) and FUNCTION.match(item):
            raise Unsure("a function crosses between the code and a test")
        if isinstance(item, list | tuple | set | frozenset | dict):
            inner = [*item.keys(), *item.values()] if isinstance(item, dict) else item
            waiting += [part for part in inner if id(part) not in seen]
            seen.update(map(id, inner))
        elif not isinstance(item, PLAIN):
            raise Unsure(f"a {type(item).__name__} crosses between the code and a test")
