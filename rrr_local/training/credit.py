"""From rewards to what a backend trains on: advantages, token weights, and which groups are left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rrr_local.backends.base import TrainGroup
from rrr_local.training.objective import is_dead
from rrr_local.training.recipes import Recipe
from rrr_local.training.rollout import Group

DEAD, UNSCORED = "dead", "verifier error"


@dataclass(frozen=True, slots=True)
class Credit:
    """A group with what its reflections earned."""

    group: Group
    advantages: tuple[float | None, ...]
    """Of each reflection; None where the verifier broke."""
    train: TrainGroup | None
    """What the update learns from; None for a group that is left out."""
    skip_reason: str | None
    """Why it is left out: all rewards equal (`dead`), or nothing known about them."""


def credit(groups: Sequence[Group], recipe: Recipe) -> list[Credit]:
    """Credit the groups of one step. Dead groups count in the normaliser, but cost no training compute."""
    objective = recipe.objective
    known = [[i for i, reward in enumerate(group.rewards) if reward is not None] for group in groups]
    scored = [g for g, positions in zip(groups, known, strict=True) if positions]
    rewards = [[r for r in group.rewards if r is not None] for group in scored]
    lengths = [[len(group.reflections[i].tokens) for i in at] for group, at in zip(groups, known, strict=True) if at]
    advantages = iter(objective.advantages(rewards) if scored else ())
    weights = iter(objective.weights(lengths, recipe.limits.reflection) if scored else ())
    return [
        _credit_one(group, positions, next(advantages), next(weights), recipe)
        if positions
        else Credit(group, (None,) * len(group.rewards), None, UNSCORED)
        for group, positions in zip(groups, known, strict=True)
    ]


def _credit_one(
    group: Group, known: list[int], advantages: tuple[float, ...], weights: tuple[float, ...], recipe: Recipe
) -> Credit:
    """Credit a group from what its `known` reflections earned."""
    earned = dict(zip(known, advantages, strict=True))
    everyone = tuple(earned.get(i) for i in range(len(group.reflections)))
    if is_dead([r for r in group.rewards if r is not None]):
        return Credit(group, everyone, None, DEAD)
    nodes = tuple(group.reflections[i] for i in known)
    masked = [0.0 if recipe.mask_truncated and z.truncated else w for z, w in zip(nodes, weights, strict=True)]
    context = nodes[0].parent
    assert context is not None, "a reflection follows its reflect prompt"
    return Credit(group, everyone, TrainGroup(context, nodes, advantages, tuple(masked)), None)
