"""Countdown: reach a target from 3 or 4 numbers with + - * /, each number used exactly once.

The generator draws the target from all values the numbers reach by steps that stay positive integers, so every problem is
solvable and hard targets are as likely as easy ones. The reflection prompt is the paper's (2505.24726, appendix A; its
wording reached us through a translation, see the README); the paper gives neither its task prompt nor its retry prompt,
these are ours.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import combinations
from pathlib import Path
from typing import TypeGuard

from rrr_local.episode import Opening, Problem, Split, Verdict
from rrr_local.errors import UsageError
from rrr_local.tasks.base import Prompts, content_hash
from rrr_local.verifiers.arithmetic import judge_countdown

PROMPT = (
    "Using the numbers {numbers}, create an equation that equals {target}. You can use basic arithmetic operations "
    "(+, -, *, /) and each number must be used exactly once. Show your work. Return the final answer in <answer> </answer> tags."
)
FAILED = "You tried solving the problem and got the wrong answer."
PROMPTS = Prompts(
    reflect=f"{FAILED} Reflect on what went wrong and write a short explanation that will help you do better next time.",
    retry="Now try solving the problem again.",
    plain_retry=f"{FAILED} Now try solving the problem again.",
)


@dataclass(frozen=True, slots=True)
class Range:
    """Which problems a generator draws."""

    sizes: tuple[int, ...] = (3, 4)
    """How many numbers a problem may have."""
    largest: int = 99
    """Numbers are drawn from 1 to this, with repetition."""
    max_target: int = 100


SMALL = Range(sizes=(3,), largest=20)
"""What the embedded model was made for."""
FULL = Range()
"""The paper's range: 3 or 4 numbers up to 99."""


@lru_cache(maxsize=4096)
def reachable(numbers: tuple[int, ...]) -> frozenset[int]:
    """Every value that the (sorted) numbers give, each used once, when every step is a positive integer."""
    if len(numbers) == 1:
        return frozenset(numbers)
    values: set[int] = set()
    for i, j in combinations(range(len(numbers)), 2):
        low, high = numbers[i], numbers[j]
        rest = [n for k, n in enumerate(numbers) if k not in (i, j)]
        results = {high + low, high * low}
        if high > low:
            results.add(high - low)
        if high % low == 0:
            results.add(high // low)
        for result in results:
            values |= reachable(tuple(sorted([*rest, result])))
    return frozenset(values)


def draw(rng: random.Random, among: Range) -> tuple[list[int], int]:
    """One random solvable problem: random numbers, and a target drawn evenly from those they reach."""
    while True:
        numbers = [rng.randint(1, among.largest) for _ in range(rng.choice(among.sizes))]
        targets = sorted(t for t in reachable(tuple(sorted(numbers))) if t <= among.max_target and t not in numbers)
        if targets:
            return numbers, rng.choice(targets)


def generate(seed: int, among: Range) -> Iterator[tuple[list[int], int]]:
    """An endless stream of problems, no two with the same content hash."""
    rng = random.Random(seed)
    seen: set[str] = set()
    while True:
        numbers, target = draw(rng, among)
        identity = problem_hash(numbers, target)
        if identity not in seen:
            seen.add(identity)
            yield numbers, target


def problem_hash(numbers: Sequence[int], target: int) -> str:
    """Content hash; the order of the numbers does not matter."""
    return content_hash({"numbers": sorted(numbers), "target": target})


@dataclass(frozen=True)
class Countdown:
    """The task over a folder that holds `train.jsonl` and `eval.jsonl`, one {"numbers": [..], "target": n} a line."""

    name: str
    folder: Path
    source: str
    version: int = 1
    configuration: Mapping[str, object] = field(default_factory=dict)
    prompts: Prompts = PROMPTS

    def problems(self, split: Split) -> list[Problem]:
        path = self.folder / f"{split}.jsonl"
        return list(_problems(path, split, path.stat().st_mtime_ns))

    def parse_problem(self, info: Mapping[str, object]) -> Problem:
        return _problem(info, Split.PRACTICE)

    def opening(self, problem: Problem) -> Opening:
        return Opening(problem.prompt)

    def verify(self, problem: Problem, reply: str) -> Verdict:
        numbers, target = _read(problem.info)
        return judge_countdown(reply, numbers, target)


@lru_cache(maxsize=8)
def _problems(path: Path, split: Split, modified: int) -> tuple[Problem, ...]:
    """The problems of a file as it was `modified`. Kept, since reading 2,000 takes 50 ms and screens ask again and again."""
    return tuple(_problem(json.loads(line), split) for line in path.read_text(encoding="utf-8").splitlines())


def _problem(info: Mapping[str, object], split: Split) -> Problem:
    numbers, target = _read(info)
    prompt = PROMPT.format(numbers=numbers, target=target)
    return Problem(prompt, {"numbers": numbers, "target": target}, problem_hash(numbers, target), split)


def _read(info: Mapping[str, object]) -> tuple[list[int], int]:
    """Numbers and target of a problem's JSON form."""
    numbers, target = info.get("numbers"), info.get("target")
    if _usable(numbers) and _whole(target):
        return numbers, target
    raise UsageError(
        "not a Countdown problem",
        'give {"numbers": [3, 7, 18], "target": 39}: 2 to 6 numbers, whole and not negative, and a whole target',
    )


def _usable(value: object) -> TypeGuard[list[int]]:
    return isinstance(value, list) and 2 <= len(value) <= 6 and all(_whole(n) and n >= 0 for n in value)


def _whole(value: object) -> TypeGuard[int]:
    """Whether a JSON value is an integer; bounded, because the verifier's arithmetic is exact."""
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**9
