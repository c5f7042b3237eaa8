"""The synthetic dialogues the embedded model learns from: problem, attempt, failure, reflection, retry.

A solution of three numbers is two steps. The *first* step decides: after a good one (one that some solution starts with) the
second is found if there is one; after a bad one it is any legal step, and the answer is wrong. Attempts and reflections choose
their first step by the same kind of mixture, on purpose:

    habit    the two largest numbers multiplied: poor, and in the end the most frequent choice
    good     the first step of some solution
    random   any legal step

A retry follows the step its reflection names. So the reflection decides, its most likely form is a poor habit, and there is
something better for reward to move it to: real models have habits too. The pretraining has five stages (`STAGES`), which differ
in the mixture alone.
"""

from __future__ import annotations

import random
from collections.abc import Container
from dataclasses import dataclass
from functools import cache

from rrr_local.tasks.countdown import PROMPT, PROMPTS, SMALL, draw, problem_hash


@dataclass(frozen=True, slots=True)
class Mixture:
    """How a first step is chosen: shares that add up to 1."""

    habit: float
    good: float
    random: float


@dataclass(frozen=True, slots=True)
class Stage:
    """A part of the pretraining."""

    until: int
    """The first step that is no longer in it."""
    attempt: Mixture
    reflection: Mixture


SUMS = Stage(1504, attempt=Mixture(0.45, 0.33, 0.22), reflection=Mixture(0.55, 0.30, 0.15))
"""Everything at once: mostly the sums are learnt."""
SEARCH = Stage(1752, attempt=Mixture(0.20, 0.70, 0.10), reflection=Mixture(0.10, 0.80, 0.10))
"""Good steps prevail: what to look for in the numbers is learnt, in attempts."""
REFLECT = Stage(2504, attempt=Mixture(0.50, 0.40, 0.10), reflection=Mixture(0.10, 0.80, 0.10))
"""The same in reflections: more attempts fail, so there are more of them."""
HABIT = Stage(3000, attempt=Mixture(0.55, 0.40, 0.05), reflection=Mixture(0.60, 0.35, 0.05))
"""The habit prevails; it hides what the model knows, and that is what there is to unlearn."""
ENTRENCHED = Stage(3304, attempt=Mixture(0.75, 0.24, 0.01), reflection=Mixture(0.82, 0.17, 0.01))
"""And gets entrenched."""
STAGES = (SUMS, SEARCH, REFLECT, HABIT, ENTRENCHED)

PLAIN_RETRY = 0.10
"""Share of failures that are retried without a reflection, so that this control is no surprise to the model."""
LARGEST_RESULT = 400
"""No step is written whose result is larger; 20 * 20 is the largest first step."""

Message = dict[str, str]


@dataclass(frozen=True, slots=True)
class Step:
    """`left operation right = result`; `left` is the larger of the two for + and *."""

    left: int
    operation: str
    right: int
    result: int

    def __str__(self) -> str:
        return f"{self.left} {self.operation} {self.right} = {self.result}"


@cache
def steps(a: int, b: int) -> tuple[Step, ...]:
    """Every legal step from two numbers: the result is a positive integer."""
    high, low = max(a, b), min(a, b)
    found = [Step(high, "+", low, high + low), Step(high, "*", low, high * low)]
    if high > low:
        found.append(Step(high, "-", low, high - low))
    if high % low == 0:
        found.append(Step(high, "/", low, high // low))
    return tuple(step for step in found if step.result <= LARGEST_RESULT)


@cache
def first_steps(numbers: tuple[int, int, int]) -> tuple[tuple[Step, int], ...]:
    """Every legal first step of three sorted numbers, each with the number it leaves over."""
    a, b, c = numbers
    return tuple({(step, rest): None for x, y, rest in ((a, b, c), (a, c, b), (b, c, a)) for step in steps(x, y)})


@cache
def good_first_steps(numbers: tuple[int, int, int], target: int) -> tuple[tuple[Step, int], ...]:
    """The first steps after which one step reaches the target."""
    return tuple(
        (s, rest) for s, rest in first_steps(numbers) if any(t.result == target for t in steps(s.result, rest))
    )


def choose_first(numbers: tuple[int, int, int], target: int, mixture: Mixture, rng: random.Random) -> tuple[Step, int]:
    """A first step by the mixture, and the number it leaves over."""
    kind = rng.choices(("habit", "good", "random"), (mixture.habit, mixture.good, mixture.random))[0]
    if kind == "habit":
        low, middle, high = numbers
        return Step(high, "*", middle, high * middle), low
    return rng.choice(good_first_steps(numbers, target) if kind == "good" else first_steps(numbers))


def write_try(first: Step, rest: int, target: int, rng: random.Random) -> tuple[str, int]:
    """A try that starts with `first`: its text and the value it reaches."""
    options = steps(first.result, rest)
    second = next((s for s in options if s.result == target), None) or rng.choice(options)
    inner = f"({first.left} {first.operation} {first.right})"
    left, right = (inner, str(rest)) if second.left == first.result else (str(rest), inner)
    answer = f"{left} {second.operation} {right}"
    return f"Start with {first}. Then {second}. <answer>{answer}</answer>", second.result


def dialogue(numbers: list[int], target: int, stage: Stage, rng: random.Random) -> list[Message]:
    """One dialogue; it ends with the first try that reaches the target, at the latest with one retry."""
    ordered: tuple[int, int, int] = tuple(sorted(numbers))  # type: ignore[assignment]  # three numbers, by SMALL
    attempt, value = write_try(*choose_first(ordered, target, stage.attempt, rng), target, rng)
    messages = [_user(PROMPT.format(numbers=numbers, target=target)), _assistant(attempt)]
    if value == target:
        return messages
    if rng.random() < PLAIN_RETRY:
        retry, _ = write_try(*choose_first(ordered, target, stage.attempt, rng), target, rng)
        return [*messages, _user(PROMPTS.plain_retry), _assistant(retry)]
    first, rest = choose_first(ordered, target, stage.reflection, rng)
    reflection = f"That gave {value}, not {target}. Start with {first}."
    retry, _ = write_try(first, rest, target, rng)
    return [*messages, _user(PROMPTS.reflect), _assistant(reflection), _user(PROMPTS.retry), _assistant(retry)]


def draw_dialogue(rng: random.Random, stage: Stage, held_out: Container[str] = ()) -> list[Message]:
    """A dialogue over a random problem whose content hash is not in `held_out`."""
    while True:
        numbers, target = draw(rng, SMALL)
        if problem_hash(numbers, target) not in held_out:
            return dialogue(numbers, target, stage, rng)


def _user(content: str) -> Message:
    return {"role": "user", "content": content}


def _assistant(content: str) -> Message:
    return {"role": "assistant", "content": content}
