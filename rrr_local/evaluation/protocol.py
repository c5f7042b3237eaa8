"""How a model is measured: first try, and retry of what failed, on the same problems before and after.

The retry has three arms, since the paper lacks the controls: after a reflection (the method), after another failure's reflection
(shuffled: does the content matter?) and without any (plain: is it the second chance?).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from rrr_local.episode import Node, Problem, Span
from rrr_local.errors import BrokenVerifier
from rrr_local.loop import Loop, Try


class Arm(StrEnum):
    """What stands between a failed first try and its retry."""

    REFLECT = "reflect"
    """Its own reflection."""
    SHUFFLED = "shuffled"
    """The reflection on another failure."""
    PLAIN = "plain"
    """Nothing."""


@dataclass(frozen=True, slots=True)
class Item:
    """One problem's result."""

    first: Try
    reflection: Node | None = None
    retry: Try | None = None

    @property
    def first_pass(self) -> bool:
        return self.first.verdict.passed

    @property
    def second_pass(self) -> bool:
        """Passed at the first try or at the retry."""
        return self.first_pass or (self.retry is not None and self.retry.verdict.passed)

    @property
    def judged(self) -> bool:
        """Whether the verifier has judged all that was tried; where it broke there is neither a pass nor a fail."""
        return all(made.verdict.score is not None for made in (self.first, self.retry) if made is not None)


@dataclass(frozen=True, slots=True)
class Rates:
    """Shares of problems, in 0..1."""

    n: int
    """Problems that were judged."""
    first_try: float
    second_try: float
    """Passed at the first try or the retry."""
    rescue: float | None
    """P(retry passes | first try failed); None when nothing failed."""


def evaluate(loop: Loop, problems: Sequence[Problem], seed: int, arm: Arm = Arm.REFLECT) -> Iterator[list[Item]]:
    """Measure in batches of what decodes together; yields each batch's items in the order of the problems."""
    for start in range(0, len(problems), loop.backend.width):
        tries = loop.attempt(problems[start : start + loop.backend.width], seed)
        failed = [t for t in tries if t.verdict.score == 0.0]
        retried = dict(zip(map(id, failed), _retry(loop, failed, seed, arm), strict=True)) if failed else {}
        loop.backend.forget()
        yield [Item(t, *retried.get(id(t), (None, None))) for t in tries]


def _retry(loop: Loop, failed: Sequence[Try], seed: int, arm: Arm) -> list[tuple[Node | None, Try]]:
    if arm is Arm.PLAIN:
        return [(None, retry) for retry in loop.plain_retry(failed, seed)]
    reflections = [nodes[0] for nodes in loop.reflect(failed, seed)]
    if arm is Arm.SHUFFLED:
        reflections = _shuffled(reflections)
    retries = loop.retry([t.problem for t in failed], reflections)
    return list(zip(reflections, retries, strict=True))


def _shuffled(reflections: Sequence[Node]) -> list[Node]:
    """Every reflection's words after the next failure's reflect prompt, so that none follows its own."""
    return [
        Node(
            span=Span.REFLECTION,
            parent=own.parent,
            tokens=other.tokens,
            text=other.text,
            logprobs=other.logprobs,
            finish=other.finish,
            seed=own.seed,
        )
        for own, other in zip(reflections, [*reflections[1:], *reflections[:1]], strict=True)
    ]


def rates(items: Sequence[Item]) -> Rates:
    """The rates over the items whose verifier did not break. Raises `BrokenVerifier` where that leaves none."""
    judged = [item for item in items if item.judged]
    n = len(judged)
    if items and not judged:
        raise BrokenVerifier("the verifier broke on every problem", "`rrr history list` shows what it said")
    first, second = (sum(item.first_pass for item in judged), sum(item.second_pass for item in judged))
    return Rates(n, first / n, second / n, (second - first) / (n - first) if first < n else None)
