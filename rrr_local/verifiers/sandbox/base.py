"""What every sandbox does: run a program against its tests, within limits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class Outcome(StrEnum):
    """How a program fared."""

    PASSED = "passed"
    FAILED = "failed"
    """A test did not hold, or the code raised, crashed or used up its memory."""
    TIMEOUT = "timeout"
    """The code used up its time."""
    BROKEN = "broken"
    """The sandbox could not tell: it did not start, a test is no Python, or the code needs what this sandbox lacks."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one program may use."""

    seconds: float = 10.0
    """Wall time for the code and all its tests."""
    memory_mb: int = 512
    """Memory of the code, and as much again for the tests."""
    answer_bytes: int = 2**20
    """Length of one value that the code hands to a test, as it is sent."""


@dataclass(frozen=True, slots=True)
class Execution:
    """What came of a run."""

    outcome: Outcome
    detail: str
    """One line for a person. It may quote the code's own words: they go through `sanitize` where they are shown."""


class Sandbox(Protocol):
    """Runs code that nobody has read."""

    @property
    def name(self) -> str:
        """As a task names it: `monty` or `process`."""
        ...

    def run(self, code: str, tests: Sequence[str], limits: Limits, setup: str = "") -> Execution:
        """Run `code`, then each test against what it defines.

        `setup` (imports, helpers) runs before both. A test is Python that raises where it does not hold, usually one `assert`. Tests
        may use the names that the code defines, unless Python or `setup` has given them a meaning. Never raises for anything in
        `code`; safe to call from several threads.
        """
        ...
