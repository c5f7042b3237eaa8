"""One step's experience: G reflections on each failure, and a retry after each whose verdict is the reward."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rrr_local.episode import Node
from rrr_local.loop import Loop, Try


@dataclass(frozen=True, slots=True)
class Group:
    """The reflections of one failure with what they were worth."""

    failure: Try
    reflections: tuple[Node, ...]
    retries: tuple[Try, ...]

    @property
    def rewards(self) -> tuple[float | None, ...]:
        """Of each reflection: 1 when its retry passed, 0 when not, None when the verifier broke."""
        return tuple(retry.verdict.score for retry in self.retries)

    @property
    def leaks(self) -> int:
        """Rewarded reflections that hold the answer itself: what they teach is copying."""
        return sum(
            retry.verdict.passed and retry.verdict.answer is not None and retry.verdict.answer in reflection.text
            for reflection, retry in zip(self.reflections, self.retries, strict=True)
        )


def rollout(loop: Loop, failures: Sequence[Try], group_size: int, seed: int) -> list[Group]:
    """Reflect on and retry every failure; nothing before the reflections is sampled again."""
    reflections = loop.reflect(failures, seed, group_size)
    problems = [failure.problem for failure in failures for _ in range(group_size)]
    retries = loop.retry(problems, [node for group in reflections for node in group])
    loop.backend.forget()
    return [
        Group(failure, tuple(nodes), tuple(retries[i * group_size : (i + 1) * group_size]))
        for i, (failure, nodes) in enumerate(zip(failures, reflections, strict=True))
    ]
