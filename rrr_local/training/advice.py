"""What a person should know about a run while it goes on: one line at a time, the most important first.

Rules of thumb over the last steps, each with its threshold below. Pure, and free of numpy: screens and `rrr train watch` share it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean

from rrr_local.store.queries import Run, Step

WINDOW = 10
"""Steps a rule looks back over; with fewer it says nothing, `NOT_FINITE` apart."""
FLAT_STEPS = 30
"""Steps without a better reward that are worth a word."""
RISE = 0.02
"""What the mean reward of the second half of them must gain on that of the first to count as rising."""
AS_GOOD_AS_IT_GETS = 0.9
"""A mean reward that need not rise."""
LEAST_SIGNAL = 0.1
"""Share of groups with unequal rewards below which there is nothing to learn."""
MOST_KL = 0.2
"""Mean KL to the base model, nats a token, above which a model drifts."""
MOST_CUT = 0.4
"""Share of reflections cut off at their limit above which the limit is too low."""


@dataclass(frozen=True, slots=True)
class Advice:
    """One line for a person."""

    text: str
    """What is the matter."""
    action: str
    """What to do about it."""


def advice(steps: Sequence[Step], run: Run) -> Advice | None:
    """The most important thing to say about a run, from its steps in order; None when all is well."""
    return next((said for rule in RULES if (said := rule(steps, run)) is not None), None)


def _not_finite(steps: Sequence[Step], run: Run) -> Advice | None:
    if not steps or not (steps[-1].not_finite or steps[-1].record.extra.get("update_applied") == 0):
        return None
    return Advice(
        f"step {steps[-1].record.step} was not finite and was not applied; the weights are those of the step before",
        "three in a row end the run: start again with a lower learning rate",
    )


def _no_signal(steps: Sequence[Step], run: Run) -> Advice | None:
    recent = [step.record for step in steps[-WINDOW:]]
    groups = sum(record.groups or 0 for record in recent)
    used = sum(record.groups_used or 0 for record in recent)
    if len(recent) < WINDOW or not groups or used / groups >= LEAST_SIGNAL:
        return None
    rate = fmean(record.retry_rate or 0.0 for record in recent)
    cause = "nearly all retries pass" if rate > 0.5 else "nearly no retry passes"
    way = "harder problems" if rate > 0.5 else "easier problems, more reflections a failure, or a bigger model"
    return Advice(f"{used} of the last {groups} groups taught something: {cause}", f"stop, and try {way}")


def _drifting(steps: Sequence[Step], run: Run) -> Advice | None:
    known = [step.record.kl for step in steps[-WINDOW:] if step.record.kl is not None]
    if len(known) < WINDOW or fmean(known) <= MOST_KL:
        return None
    return Advice(
        f"KL to the base model is {fmean(known):.2f}: the model drifts away from what it was",
        "look at the samples; a higher beta or a lower learning rate holds it closer",
    )


def _cut_off(steps: Sequence[Step], run: Run) -> Advice | None:
    size = run.config.get("group_size")
    recent = [step.record for step in steps[-WINDOW:]]
    written = sum(record.groups or 0 for record in recent) * size if isinstance(size, int) else 0
    cut = sum(_number(record.extra.get("reflections_truncated")) for record in recent)
    if len(recent) < WINDOW or not written or cut / written <= MOST_CUT:
        return None
    return Advice(
        f"{100 * cut / written:.0f} % of the reflections are cut off at their limit",
        "a higher limits.reflection lets them end",
    )


def _flat(steps: Sequence[Step], run: Run) -> Advice | None:
    rewards = [step.record.reward_mean for step in steps[-FLAT_STEPS:] if step.record.reward_mean is not None]
    if len(rewards) < FLAT_STEPS:
        return None
    half = len(rewards) // 2
    if fmean(rewards[half:]) - fmean(rewards[:half]) >= RISE or fmean(rewards[half:]) >= AS_GOOD_AS_IT_GETS:
        return None
    return Advice(
        f"the reward has not risen for {FLAT_STEPS} steps",
        "it may have learned what it can: stop and compare, or try more failures a step or another learning rate",
    )


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


RULES: tuple[Callable[[Sequence[Step], Run], Advice | None], ...] = (
    _not_finite,
    _no_signal,
    _drifting,
    _cut_off,
    _flat,
)
"""Most important first."""
