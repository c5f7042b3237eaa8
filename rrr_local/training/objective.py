"""GRPO on reflection tokens, as a pure function of log-probs.

With one update per batch the loss of a reflection token with log-prob l (and l' = l, detached) is

    L_t = -w A exp(l - l') + beta exp(l - l') k3,        w = min(exp(l' - s), cap),    k3 = exp(r - l) - (r - l) - 1

where A is the advantage of its reflection, s the sampler's log-prob and r the base model's; the batch's loss is sum(L_t) / N. Its
derivative, exp(l - l') being 1, is

    dL_t/dl = -w A + beta (l - r)

so a backend needs no loss of its own: it computes log-probs, asks for these coefficients and back-propagates their product.
Written once for numpy, mlx and torch. No clipping: with one update per batch the ratio is 1 and a clip is inert. The KL term is
ratio-weighted k3, whose gradient is that of the reverse KL (plain k3's is the forward KL's; k1 in the advantage is the same up to w).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]


class Advantage(StrEnum):
    """How rewards of a group become advantages. m and s are the group's mean and standard deviation."""

    CENTRE = "centre"
    """r - m: no bias towards hard problems (Dr. GRPO, 2503.20783)."""
    GROUP = "group"
    """(r - m) / (s + 1e-4), s with ddof 1: as the paper and TRL."""
    BATCH = "batch"
    """(r - m) / (s of the whole batch + 1e-4) (Lite-PPO, 2508.08221)."""
    MEAN = "mean"
    """(r - m) / m: maximum likelihood of a rare success (MaxRL, 2602.02710)."""


class Normaliser(StrEnum):
    """What the summed token losses are divided by. Dead groups count, so a step with little signal is a small one."""

    CONSTANT = "constant"
    """Reflections x reflection limit (Dr. GRPO)."""
    TOKENS = "tokens"
    """Reflection tokens of the batch (DAPO, TRL's default)."""
    SEQUENCE = "sequence"
    """Reflections x the reflection's own length (the first GRPO); favours short successes."""


class Correction(StrEnum):
    """How the importance weight to the sampler is applied."""

    TRUNCATE = "truncate"
    """min(exp(l' - s), cap)."""
    MASK = "mask"
    """exp(l' - s) where that is at most the cap, else 0."""
    OFF = "off"
    """1."""


@dataclass(frozen=True, slots=True)
class GrpoObjective:
    """The loss on one batch of groups; implements `backends.base.Objective`."""

    advantage: Advantage = Advantage.CENTRE
    normaliser: Normaliser = Normaliser.CONSTANT
    correction: Correction = Correction.TRUNCATE
    cap: float = 2.0
    """Largest importance weight."""
    beta: float = 0.0
    """Weight of the KL term; 0 needs no reference pass."""
    temperature: float = 1.0

    def coefficients(self, xp: Any, logprobs: Any, sampler: Any, advantages: Any, reference: Any | None) -> Any:
        """dL_t/dl, elementwise; `logprobs`, `sampler`, `reference` (G, R), `advantages` (G, 1)."""
        gradient = -self.importance(xp, logprobs, sampler) * advantages
        return gradient if reference is None else gradient + self.beta * (logprobs - reference)

    def importance(self, xp: Any, logprobs: Any, sampler: Any) -> Any:
        """w, elementwise. The log-ratio is bounded so that a wild token cannot overflow; the cap decides long before."""
        if self.correction is Correction.OFF:
            return xp.ones_like(logprobs)
        ratio = xp.exp(xp.clip(logprobs - sampler, -20.0, 20.0))
        if self.correction is Correction.TRUNCATE:
            return xp.minimum(ratio, self.cap)
        return xp.where(ratio <= self.cap, ratio, 0.0 * ratio)

    def loss(self, logprobs: Array, sampler: Any, advantage: float, reference: Any | None) -> float:
        """Summed L_t of one reflection, for the record; (R,) arrays."""
        policy = -self.importance(np, logprobs, sampler) * advantage
        return float(policy.sum()) + (0.0 if reference is None else self.beta * float(k3(logprobs, reference).sum()))

    def advantages(self, rewards: Sequence[Sequence[float]]) -> list[tuple[float, ...]]:
        """Advantages of each group's reflections; a dead group gets zeros."""
        everything = np.concatenate([np.asarray(group, dtype=np.float64) for group in rewards])
        spread = _deviation(everything)
        return [tuple(self._of_group(np.asarray(group, dtype=np.float64), spread).tolist()) for group in rewards]

    def _of_group(self, rewards: Array, batch_deviation: float) -> Array:
        centred: Array = rewards - rewards.mean()
        match self.advantage:
            case Advantage.GROUP:
                centred = centred / (_deviation(rewards) + 1e-4)
            case Advantage.BATCH:
                centred = centred / (batch_deviation + 1e-4)
            case Advantage.MEAN:
                centred = centred / (rewards.mean() or 1.0)
        return centred

    def weights(self, lengths: Sequence[Sequence[int]], limit: int) -> list[tuple[float, ...]]:
        """1 / N of each reflection, from the token counts of *all* groups of the step, dead ones too."""
        count = sum(len(group) for group in lengths)
        match self.normaliser:
            case Normaliser.CONSTANT:
                return [(1.0 / (count * limit),) * len(group) for group in lengths]
            case Normaliser.TOKENS:
                return [(1.0 / sum(map(sum, lengths)),) * len(group) for group in lengths]
            case Normaliser.SEQUENCE:
                return [tuple(1.0 / (count * n) for n in group) for group in lengths]


def k3(logprobs: Array, reference: Array) -> Array:
    """Schulman's low-variance estimate of KL(policy || reference) per token, nats; never negative."""
    difference = reference - logprobs
    estimate: Array = np.exp(difference) - difference - 1.0
    return estimate


def is_dead(rewards: Sequence[float]) -> bool:
    """All rewards equal: the group cannot teach anything."""
    return max(rewards) - min(rewards) < 1e-6


def _deviation(rewards: Array) -> float:
    return float(rewards.std(ddof=1)) if len(rewards) > 1 else 0.0
