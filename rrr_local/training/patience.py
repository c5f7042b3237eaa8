"""What a run puts up with before it ends by itself: a verifier that breaks, and problems that teach nothing.

    Patience    `MOST_BROKEN` verdicts of `error` in a row over whatever is judged one after the other, or nothing but errors to
                the end                                                                                  -> BrokenVerifier
    Signal      `DEAD_AT_FIRST` dead groups before the first that taught something, or
                `DEAD_STEPS` steps in a row whose groups were all dead                                   -> NothingToLearn

32 dead groups and no other: the share of groups that teach something is below 9 % (at 95 %: 1 - 0.05^(1/32)), which is less than what
`rrr_local.training.advice` calls worth while. A group that the verifier broke on says nothing either way.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rrr_local.errors import BrokenVerifier, NothingToLearn
from rrr_local.loop import Try
from rrr_local.training.credit import Credit

MOST_BROKEN = 5
DEAD_AT_FIRST = 32
DEAD_STEPS = 50


class Patience:
    """Counts how often the verifier of a task broke in a row."""

    def __init__(self, task: str) -> None:
        self._task = task
        self._broken = 0
        self._judged = False
        self._reason = ""

    def look(self, tries: Iterable[Try]) -> None:
        """Look at what was judged, in order. Raises `BrokenVerifier`."""
        for made in tries:
            if made.verdict.score is not None:
                self._broken, self._judged = 0, True
                continue
            self._broken, self._reason = self._broken + 1, made.verdict.reason
            if self._broken == MOST_BROKEN:
                raise self._error()

    def end(self) -> None:
        """That was all: raises `BrokenVerifier` where nothing of it could be judged."""
        if self._broken and not self._judged:
            raise self._error()

    def _error(self) -> BrokenVerifier:
        times, self._broken = self._broken, 0
        return BrokenVerifier(
            f"the verifier of {self._task} broke {times} times in a row: {self._reason}",
            "see that it works (`rrr tasks test` tries it), then go on; a verifier that you changed needs a new run",
        )


class Signal:
    """Notices that there is nothing to learn."""

    def __init__(self, learnt: bool) -> None:
        """`learnt`: whether an earlier sitting of the run has learnt something."""
        self._learnt = learnt
        self._dead = self._steps = 0
        """Groups, and steps, since the last group that taught something."""
        self._passed = self._retries = 0

    def look(self, step: Sequence[Credit]) -> None:
        """Look at the groups of a step. Raises `NothingToLearn`."""
        if any(each.train is not None for each in step):
            self._learnt = True
            self._dead = self._steps = self._passed = self._retries = 0
            return
        rewards = [[r for r in each.group.rewards if r is not None] for each in step]
        self._dead += sum(map(bool, rewards))
        self._steps += any(rewards)
        self._retries += sum(map(len, rewards))
        self._passed += round(sum(map(sum, rewards)))
        if self._steps >= DEAD_STEPS or (not self._learnt and self._dead >= DEAD_AT_FIRST):
            raise self._end()

    def _end(self) -> NothingToLearn:
        counted = f"{self._passed} of {self._retries} retries passed, and in none of {self._dead} groups did some pass and some fail"
        if self._passed * 2 > self._retries:
            return NothingToLearn(f"nothing to learn here: {counted}", "try harder problems")
        return NothingToLearn(
            f"nothing to learn here: {counted}",
            "try easier problems, more reflections a failure (-o group_size=16), or a larger model (--model)",
        )
