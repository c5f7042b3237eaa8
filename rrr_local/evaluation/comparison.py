"""Before against after, paired on the same problems: at one temperature, and at each model's own best one.

A model that only became surer of what it would have said anyway gains at temperature 1 and nowhere else: that is sharpening. So
each model is also measured at its best temperature, chosen on one half of the problems and reported on the other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rrr_local.evaluation.protocol import Item, Rates, rates
from rrr_local.evaluation.statistics import PairedDifference, paired_difference

TEMPERATURES = (0.0, 0.3, 0.6, 1.0)
"""Where a model's best is looked for."""

ByTemperature = Mapping[float, Sequence[Item]]
"""Items of the same problems in the same order, at each temperature."""


@dataclass(frozen=True, slots=True)
class Gain:
    """After minus before."""

    first_try: PairedDifference
    second_try: PairedDifference


@dataclass(frozen=True, slots=True)
class AtBest:
    """A model at the temperature that suits it best."""

    temperature: float
    rates: Rates
    """On the half of the problems on which the temperature was not chosen."""


@dataclass(frozen=True, slots=True)
class BestGain:
    """Two models, each at its own best."""

    before: AtBest
    after: AtBest
    gain: Gain


def compare(before: Sequence[Item], after: Sequence[Item]) -> Gain:
    """Paired differences. Raises `ValueError` when the items are not of the same problems in the same order."""
    if [i.first.problem.sha256 for i in before] != [i.first.problem.sha256 for i in after]:
        raise ValueError("the two evaluations are not of the same problems")
    return Gain(
        first_try=paired_difference([float(i.first_pass) for i in before], [float(i.first_pass) for i in after]),
        second_try=paired_difference([float(i.second_pass) for i in before], [float(i.second_pass) for i in after]),
    )


def compare_best(before: ByTemperature, after: ByTemperature) -> BestGain:
    """Each model at its own best temperature, by second try: chosen on the even problems, compared on the odd ones."""
    chosen = [_best_temperature(model) for model in (before, after)]
    held_out = [model[t][1::2] for model, t in zip((before, after), chosen, strict=True)]
    return BestGain(
        before=AtBest(chosen[0], rates(held_out[0])),
        after=AtBest(chosen[1], rates(held_out[1])),
        gain=compare(*held_out),
    )


def _best_temperature(model: ByTemperature) -> float:
    return max(model, key=lambda temperature: rates(model[temperature][::2]).second_try)
