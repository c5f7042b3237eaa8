"""What a person brings: problems, and a way to check a reply. Everything else is ours.

The control flow (attempt, reflect, retry) is fixed in `rrr_local.loop`, so there is no environment loop to implement.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Protocol

from rrr_local.episode import Opening, Problem, Split, Verdict


@dataclass(frozen=True, slots=True)
class Prompts:
    """The user messages of an episode after the first."""

    reflect: str
    """Sent after a failed attempt; asks for a reflection."""
    retry: str
    """Sent after the reflection; asks for the retry."""
    plain_retry: str
    """Sent instead of both in the plain-retry control: the failure is told, no reflection is asked for."""


class Task(Protocol):
    """Problems, prompts and a verifier under one name."""

    @property
    def name(self) -> str: ...

    @property
    def source(self) -> str:
        """What `find_task` finds this task by: its name, or an absolute path."""
        ...

    @property
    def version(self) -> int:
        """Raised whenever `verify` may judge a reply differently or the prompts change."""
        ...

    @property
    def configuration(self) -> Mapping[str, object]:
        """JSON values that decide how it judges, apart from its version; empty where the version says it all."""
        ...

    @property
    def prompts(self) -> Prompts: ...

    def problems(self, split: Split) -> Sequence[Problem]:
        """The problems of one split, always in the same order."""
        ...

    def parse_problem(self, info: Mapping[str, object]) -> Problem:
        """A problem from its JSON form. Raises `UsageError` with what is wrong in it."""
        ...

    def opening(self, problem: Problem) -> Opening:
        """How a problem is put to the model; nothing but the problem's prompt and info decides it."""
        ...

    def verify(self, problem: Problem, reply: str) -> Verdict:
        """Judge one reply. Executes nothing from it, never raises for anything the reply contains."""
        ...


def fingerprint(task: Task) -> str:
    """What tells two verifiers apart: they change with a task's version and configuration, and so do the prompts."""
    parts = [type(task).__name__, task.version, asdict(task.prompts)]
    return content_hash([*parts, task.configuration] if task.configuration else parts)


def content_hash(value: object) -> str:
    """SHA-256 of the canonical JSON of `value`."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
