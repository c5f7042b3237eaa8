"""Checks: how a task's rows say whether a reply is right. `make_check` turns the [check] table of a task.toml into one.

A check is pure: the reply, the row and its options decide the verdict, so its `configuration` belongs into a task's fingerprint.
What each kind takes is in a table in its module's docstring. The kinds that a person writes in Python, and the one that runs the
model's Python, are imported when they are asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, Protocol

from rrr_local.episode import Verdict
from rrr_local.errors import UsageError
from rrr_local.verifiers.choice import MultipleChoice
from rrr_local.verifiers.contains import Contains
from rrr_local.verifiers.exact import Exact
from rrr_local.verifiers.number import Number
from rrr_local.verifiers.options import Options, near
from rrr_local.verifiers.puzzle import Puzzle
from rrr_local.verifiers.regex_check import RegexCheck
from rrr_local.verifiers.schema import SchemaCheck

KINDS: Final[Mapping[str, str]] = {
    "exact": "the answer is the text in a column",
    "number": "the answer's last number is the one in a column, within a tolerance",
    "regex": "the answer matches a pattern",
    "json-schema": "the answer is JSON of a given shape, or equal to given JSON",
    "contains": "the answer has certain words in it, and others not",
    "multiple-choice": "the answer names the right choice, by its letter or its text",
    "countdown": "the answer is an expression of a row's numbers that reaches its target",
    "python": "a function in a Python file of yours scores the reply",
    "code": "the reply is Python that passes the row's tests, run in a sandbox",
}
"""Every kind of check with its line in lists."""


class Check(Protocol):
    """One way to judge replies against rows."""

    @property
    def kind(self) -> str:
        """One of `KINDS`."""
        ...

    @property
    def configuration(self) -> Mapping[str, object]:
        """JSON values: every option with its value, and the hashes of the files that decide verdicts."""
        ...

    def judge(self, reply: str, row: Mapping[str, object]) -> Verdict:
        """Judge one reply against a row that `check_row` took. Never raises for anything in the reply."""
        ...

    def check_row(self, row: Mapping[str, object]) -> None:
        """Raises `UsageError` that names the column where what this check needs is missing from a row or unusable."""
        ...


def make_check(options: Mapping[str, object], folder: Path) -> Check:
    """The check that the [check] table of a task.toml in `folder` describes. Raises `UsageError`.

    `python = "file.py:function"` says its kind by itself.
    """
    kind = options.get("kind", "python" if "python" in options else None)
    if not isinstance(kind, str) or kind not in KINDS:
        what = f"there is no check {kind!r}{near(str(kind), KINDS)}" if kind else "[check] has no kind"
        raise UsageError(what, f"the kinds are {', '.join(KINDS)}")
    given = Options(kind, options)
    check = READERS[kind](given, folder)
    given.finish()
    return check


def _python(options: Options, folder: Path) -> Check:
    from rrr_local.verifiers.python_file import DEADLINE_S, THRESHOLD, PythonCheck

    deadline = options.amount("deadline", DEADLINE_S)
    if deadline <= 0:
        raise options.wrong("deadline", "a number of seconds above 0")
    return PythonCheck(options.text("python"), folder, deadline, options.amount("threshold", THRESHOLD))


def _code(options: Options, _: Path) -> Check:
    from rrr_local.verifiers.code import CodeCheck

    return CodeCheck.read(options)


READERS: Final[Mapping[str, Callable[[Options, Path], Check]]] = {
    "exact": lambda options, _: Exact.read(options),
    "number": lambda options, _: Number.read(options),
    "regex": lambda options, _: RegexCheck.read(options),
    "json-schema": SchemaCheck.read,
    "contains": lambda options, _: Contains.read(options),
    "multiple-choice": lambda options, _: MultipleChoice.read(options),
    "countdown": lambda options, _: Puzzle.read(options),
    "python": _python,
    "code": _code,
}
