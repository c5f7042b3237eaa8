"""The process provider: two cells, and the way between them.

    judge ── ask: what the test wants of the code ──> us ──> candidate
    judge <────────── its answer, unread ──────────── us <── candidate
    judge ── nonce, outcome, detail ──> us

We pass the candidate's lines on without reading them, so nothing it writes is interpreted in the program. We know whose turn it is:
a candidate that does not answer in time is a timeout, tests that take too long are the sandbox's failure.
"""

from __future__ import annotations

import functools
import json
import secrets
import time
from collections.abc import Sequence

from rrr_local.verifiers.lines import Ended, TooLate, TooMuch
from rrr_local.verifiers.sandbox.base import Execution, Limits, Outcome
from rrr_local.verifiers.sandbox.cell import Cell, NotHeld, Part

GRACE_S = 2.0
"""Seconds the tests have beyond the candidate's time."""


class ProcessSandbox:
    """Runs code in child interpreters, locked up by the operating system, or unlocked where a person has said so."""

    def __init__(self, locked: bool = True) -> None:
        self._locked = locked

    @property
    def name(self) -> str:
        return "process"

    def run(self, code: str, tests: Sequence[str], limits: Limits, setup: str = "") -> Execution:
        """See `Sandbox.run`. Two interpreters are started for every program: about 50 ms."""
        nonce = secrets.token_hex(16)
        job = {"nonce": nonce, "code": code, "tests": list(tests), "setup": setup}
        try:
            candidate = Cell(Part.CANDIDATE, limits, self._locked)
            try:
                with Cell(Part.JUDGE, limits, self._locked) as judge, candidate:
                    return _referee(judge, candidate, json.dumps(job).encode(), nonce, limits.seconds)
            finally:
                candidate.end()
        except NotHeld as error:
            return Execution(Outcome.BROKEN, str(error))


def _referee(judge: Cell, candidate: Cell, job: bytes, nonce: str, seconds: float) -> Execution:
    until = time.monotonic() + seconds
    message = job
    while True:
        try:
            said = json.loads(judge.ask(message, until + GRACE_S))
        except TooLate:
            return Execution(Outcome.BROKEN, "the tests themselves did not end in time")
        except (Ended, TooMuch, ValueError):
            return Execution(Outcome.BROKEN, f"the tests' process {judge.how_it_died()}")
        if not isinstance(said, dict) or said.get("nonce") != nonce:
            return Execution(Outcome.BROKEN, "the tests' process answered out of turn")
        if "outcome" in said:
            return Execution(Outcome(said["outcome"]), str(said["detail"]))
        try:
            message = candidate.ask(json.dumps(said["ask"]).encode(), until)
        except TooLate:
            return Execution(Outcome.TIMEOUT, f"the code took longer than {seconds:g} s")
        except TooMuch:
            return Execution(Outcome.FAILED, "the code returned more than a test can take")
        except Ended:
            return Execution(Outcome.FAILED, f"the code {candidate.how_it_died()}")


@functools.cache
def why_not() -> str | None:
    """Why this machine does not contain code in a process; None where it does. Looked at once, in about 50 ms."""
    try:
        with Cell(Part.CANDIDATE, Limits(), locked=True):
            return None
    except NotHeld as error:
        return str(error)
