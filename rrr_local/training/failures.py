"""Failures: what a run learns from. Collected before training, as in the paper, and kept in the log."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import batched

from rrr_local.episode import Problem
from rrr_local.loop import Loop, Try


def collect(
    loop: Loop, problems: Sequence[Problem], seed: int, *, wanted: int, attempts_per_problem: int
) -> Iterator[list[Try]]:
    """Attempt the problems in rounds until enough attempts have failed; yields each batch of tries, passed ones too.

    Attempts whose verifier broke are no failures. The KV of a batch is gone when the next one starts.
    """
    failed = 0
    for sample in range(attempts_per_problem):
        for wave in batched(problems, loop.backend.width):
            tries = loop.attempt(wave, seed, sample=sample, keep=False)
            loop.backend.forget()
            yield tries
            failed += sum(is_failure(a) for a in tries)
            if failed >= wanted:
                return


def is_failure(attempt: Try) -> bool:
    """Wrong, and known to be wrong."""
    return attempt.verdict.score == 0.0
