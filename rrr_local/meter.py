"""Where the time of a step goes: seconds and tokens per named phase."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum


class Phase(StrEnum):
    """What is being done."""

    ATTEMPT = "attempt"
    REFLECT = "reflect"
    RETRY = "retry"
    VERIFY = "verify"
    REFERENCE = "reference"
    """Log-probs of the base model, for the KL term."""
    TRAIN = "train"


class Meter:
    """Adds up wall-clock seconds and sampled (or trained) tokens by phase."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self.tokens: Counter[str] = Counter()

    @contextmanager
    def phase(self, phase: Phase) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[phase] += time.perf_counter() - start

    def count(self, phase: Phase, tokens: int) -> None:
        self.tokens[phase] += tokens
