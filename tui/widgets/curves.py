"""What a run's charts show: which numbers, under which title, with which sentence."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from rrr_local.evaluation.gains import HELD_OUT
from rrr_local.store.evaluations import EvalPoint
from rrr_local.store.queries import Step
from tui.widgets.chart import Line


@dataclass(frozen=True, slots=True)
class Curve:
    """One chart's content."""

    title: str
    meaning: str
    """One plain sentence."""
    lines: tuple[Line, ...]


def success(evals: Sequence[EvalPoint]) -> Curve:
    """Success on the held-out problems before, during and after the run."""
    points = sorted((point for point in evals if point.set == HELD_OUT), key=lambda point: point.step)
    first = Line("first try", tuple((point.step, _known(point.first_try)) for point in points))
    final = Line("after retry", tuple((point.step, _known(point.final_rate)) for point in points))
    return Curve("Held-out", "1 first try, 2 after retry; higher is better", (first, final))


def reward(steps: Sequence[Step]) -> Curve:
    """Mean reward of the reflections of each step: the share whose retry passed."""
    line = Line("reward", tuple((s.record.step, _known(s.record.reward_mean)) for s in steps))
    return Curve("Reflection reward", "target: rising", (line,))


def signal(steps: Sequence[Step]) -> Curve:
    """The share of groups in which some retries passed and some failed."""
    return Curve(
        "Groups with signal",
        "below 10 % = nothing to learn",
        (Line("signal", tuple((s.record.step, _share(s.record.groups_used, s.record.groups)) for s in steps)),),
    )


def drift(steps: Sequence[Step]) -> Curve:
    """KL to the base model where the recipe measures it, else the gradient's norm."""
    if any(step.record.kl is not None for step in steps):
        line = Line("KL", tuple((s.record.step, _known(s.record.kl)) for s in steps))
        return Curve("KL to base", "above 0.2 = drifting", (line,))
    line = Line("norm", tuple((s.record.step, _known(s.record.grad_norm)) for s in steps))
    return Curve("Gradient norm", "a jump = an unsteady step", (line,))


def _known(value: float | None) -> float:
    return math.nan if value is None else value


def _share(part: int | None, whole: int | None) -> float:
    return math.nan if part is None or not whole else part / whole
