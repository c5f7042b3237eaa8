"""Comparison: paired on the same problems, each model at its own best temperature, chosen where it is not reported."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from rrr_local.evaluation.comparison import TEMPERATURES, compare, compare_best
from rrr_local.evaluation.protocol import Item
from rrr_local.evaluation.statistics import paired_difference

from ..toy import FAIL, PASS, a_try


def items(passes: Sequence[int], names: Sequence[str] | None = None) -> list[Item]:
    """One item a problem: 2 passes at the first try, 1 at the retry, 0 not at all."""
    made = []
    for i, outcome in enumerate(passes):
        first = a_try(PASS if outcome == 2 else FAIL)
        problem = replace(first.problem, sha256=names[i] if names else f"{i:064x}")
        retry = None if outcome == 2 else a_try(PASS if outcome == 1 else FAIL)
        made.append(Item(replace(first, problem=problem), None, retry))
    return made


def test_gains_are_the_paired_differences_of_both_tries() -> None:
    before, after = [0, 0, 1, 2, 0, 2], [2, 1, 1, 2, 0, 0]
    gain = compare(items(before), items(after))
    assert gain.first_try == paired_difference([0, 0, 0, 1, 0, 1], [1, 0, 0, 1, 0, 0])
    assert gain.second_try == paired_difference([0, 0, 1, 1, 0, 1], [1, 1, 1, 1, 0, 0])
    assert (gain.second_try.fixed, gain.second_try.broken) == (2, 1)


def test_other_problems_or_another_order_are_refused() -> None:
    before = items([0, 1, 2], ["a", "b", "c"])
    for other in (["a", "c", "b"], ["a", "b", "d"], ["a", "b"]):
        with pytest.raises(ValueError, match="not of the same problems"):
            compare(before, items([0, 1, 2][: len(other)], other))


def test_the_best_temperature_is_chosen_on_the_even_problems_and_reported_on_the_odd() -> None:
    """At 0.3 the even problems all pass and the odd ones all fail; at 0.6 the other way round."""
    even, odd = [2, 0] * 10, [0, 2] * 10
    model = {0.0: items([0] * 20), 0.3: items(even), 0.6: items(odd), 1.0: items([0] * 20)}
    same = compare_best(model, model)
    assert (same.before.temperature, same.after.temperature) == (0.3, 0.3)
    assert (same.before.rates.n, same.before.rates.second_try) == (10, 0.0)
    assert same.gain.second_try.diff == 0


def test_the_first_temperature_wins_a_tie() -> None:
    model = {t: items([1, 0, 1, 1]) for t in TEMPERATURES}
    assert compare_best(model, model).before.temperature == 0.0


def test_a_model_that_was_only_sharpened_gains_at_temperature_one_alone() -> None:
    """Before, it passes 14 of 20 greedily and 6 at temperature 1; after, 14 at every temperature."""
    mode, noise = [2] * 14 + [0] * 6, [2, 0, 0] * 6 + [0, 0]
    before = {0.0: items(mode), 0.3: items(mode), 0.6: items(noise), 1.0: items(noise)}
    after = {t: items(mode) for t in TEMPERATURES}
    sampled = compare(before[1.0], after[1.0])
    assert sampled.second_try.diff > 0.3 and sampled.second_try.low > 0
    best = compare_best(before, after)
    assert best.before.temperature == best.after.temperature == 0.0
    assert best.gain.second_try.diff == best.gain.first_try.diff == 0
    assert best.gain.second_try.low < 0 < best.gain.second_try.high


def test_a_model_that_learnt_gains_at_its_best_as_well_each_at_its_own() -> None:
    before = {t: items([2] * 4 + [0] * 36) for t in TEMPERATURES}
    after = {t: items([1] * 40 if t == 0.6 else [2] * 8 + [0] * 32) for t in TEMPERATURES}
    best = compare_best(before, after)
    assert (best.before.temperature, best.after.temperature) == (0.0, 0.6)
    assert best.gain.second_try.low > 0
    assert best.gain.first_try.diff == pytest.approx(-0.1)
