"""A toy task and small ways to write down an episode, for the tests of everything above the backends."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from rrr_local.episode import FinishReason, Node, Opening, Problem, Span, Split, Verdict, VerdictKind
from rrr_local.loop import Try
from rrr_local.tasks.base import Prompts, content_hash

PASS = Verdict(VerdictKind.PASS, "right", "4 * 6")
FAIL = Verdict(VerdictKind.FAIL, "wrong", "4 + 6")
ERROR = Verdict(VerdictKind.ERROR, "the verifier broke")

PROMPTS = Prompts("That was wrong. Why?", "Try again.", "That was wrong. Try again.")

Judge = Callable[[str], Verdict]
"""What a verifier makes of a reply."""


def by_digest(reply: str) -> Verdict:
    """As good as random, and always the same for the same reply: one in three passes."""
    return PASS if hashlib.sha256(reply.encode()).digest()[0] % 3 == 0 else FAIL


@dataclass(frozen=True)
class Toy:
    """Numbered problems whose verifier is a plain function of the reply."""

    judge: Judge = by_digest
    count: int = 12
    """Problems of each split."""
    name: str = "toy"
    version: int = 1
    configuration: Mapping[str, object] = field(default_factory=dict)
    prompts: Prompts = PROMPTS

    @property
    def source(self) -> str:
        return self.name

    def problems(self, split: Split) -> Sequence[Problem]:
        return [self._problem({"number": i}, split) for i in range(self.count)]

    def parse_problem(self, info: Mapping[str, object]) -> Problem:
        return self._problem(info, Split.PRACTICE)

    def opening(self, problem: Problem) -> Opening:
        return Opening(problem.prompt)

    def verify(self, problem: Problem, reply: str) -> Verdict:
        return self.judge(reply)

    def _problem(self, info: Mapping[str, object], split: Split) -> Problem:
        identity = content_hash({"split": split, **info})
        return Problem(f"Problem {info['number']} of {split}: reach it.", info, identity, split)


def a_try(verdict: Verdict, after: Node | None = None, text: str = "4 + 6", tokens: tuple[int, ...] = (5, 6, 0)) -> Try:
    """An attempt, or after a retry prompt a retry."""
    problem = Problem("Reach 24.", {"number": 1}, "ab" * 32, Split.TRAIN)
    root = after or Node(Span.PROBLEM, None, (2, 3, 4), problem.prompt)
    span = Span.ATTEMPT if after is None else Span.RETRY
    node = Node(span, root, tokens, text, (-1.0,) * len(tokens), FinishReason.STOP, 7)
    return Try(problem, node, verdict, 0.5)


def a_reflection(context: Node, text: str = "I should start with 4 * 6.", size: int = 4, cut: bool = False) -> Node:
    """A reflection of `size` tokens; `cut` off at its limit or ended by itself."""
    finish = FinishReason.LENGTH if cut else FinishReason.STOP
    return Node(Span.REFLECTION, context, tuple(range(10, 10 + size)), text, (-1.0,) * size, finish, 8)
