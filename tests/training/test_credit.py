"""Credit: who earned what, who is left out, and why."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rrr_local.episode import Node, Span, Verdict
from rrr_local.loop import Limits
from rrr_local.training.credit import DEAD, UNSCORED, credit
from rrr_local.training.objective import Normaliser
from rrr_local.training.recipes import Recipe
from rrr_local.training.rollout import Group

from ..toy import ERROR, FAIL, PASS, a_reflection, a_try

RECIPE = Recipe("test", limits=Limits(reflection=10))
VERDICTS = st.sampled_from([PASS, FAIL, ERROR])


def group(*verdicts: Verdict, sizes: tuple[int, ...] = (), cut: tuple[int, ...] = ()) -> Group:
    """A group whose retries were judged so; `sizes` of its reflections, `cut` names those that were cut off."""
    failure = a_try(FAIL)
    prompt = Node(Span.REFLECT_PROMPT, failure.node, (3, 4), "Why?")
    reflections = tuple(a_reflection(prompt, size=sizes[i] if sizes else 4, cut=i in cut) for i in range(len(verdicts)))
    retries = tuple(
        a_try(verdict, Node(Span.RETRY_PROMPT, z, (5,), "Again."))
        for z, verdict in zip(reflections, verdicts, strict=True)
    )
    return Group(failure, reflections, retries)


def test_a_group_with_both_outcomes_is_trained_on() -> None:
    (found,) = credit([group(PASS, FAIL, FAIL, PASS)], RECIPE)
    assert found.skip_reason is None
    assert found.advantages == (0.5, -0.5, -0.5, 0.5)
    assert found.train is not None
    assert found.train.context is found.group.reflections[0].parent
    assert found.train.reflections == found.group.reflections
    assert found.train.advantages == found.advantages
    assert found.train.weights == (1 / 40,) * 4
    assert found.train.reference is None


@pytest.mark.parametrize("verdict", [PASS, FAIL])
def test_a_dead_group_is_left_out_with_advantages_of_zero(verdict: Verdict) -> None:
    (found,) = credit([group(verdict, verdict)], RECIPE)
    assert (found.train, found.skip_reason, found.advantages) == (None, DEAD, (0.0, 0.0))


def test_dead_groups_count_in_the_normaliser() -> None:
    alone = credit([group(PASS, FAIL)], RECIPE)[0].train
    beside = credit([group(PASS, FAIL), group(FAIL, FAIL, FAIL, FAIL)], RECIPE)[0].train
    assert alone is not None and beside is not None
    assert beside.weights[0] == pytest.approx(alone.weights[0] / 3)


def test_what_the_verifier_could_not_judge_is_no_part_of_the_group() -> None:
    mixed, unknown, dead = credit([group(PASS, ERROR, FAIL), group(ERROR, ERROR), group(ERROR, PASS)], RECIPE)
    assert mixed.advantages == (0.5, None, -0.5)
    assert mixed.train is not None
    assert mixed.train.reflections == (mixed.group.reflections[0], mixed.group.reflections[2])
    assert mixed.train.weights == (1 / 30,) * 2  # three reflections of the step have a reward
    assert (unknown.train, unknown.skip_reason, unknown.advantages) == (None, UNSCORED, (None, None))
    assert (dead.train, dead.skip_reason, dead.advantages) == (None, DEAD, (None, 0.0))
    assert credit([group(ERROR)], RECIPE)[0].skip_reason == UNSCORED


def test_weights_follow_the_reflections_own_lengths() -> None:
    recipe = replace(RECIPE, normaliser=Normaliser.SEQUENCE)
    first, second = credit([group(PASS, ERROR, FAIL, sizes=(2, 9, 5)), group(FAIL, PASS, sizes=(1, 8))], recipe)
    assert first.train is not None and second.train is not None
    assert first.train.weights == pytest.approx((1 / 8, 1 / 20))
    assert second.train.weights == pytest.approx((1 / 4, 1 / 32))


def test_cut_off_reflections_are_masked_only_where_the_recipe_says_so() -> None:
    mixed = group(PASS, FAIL, FAIL, cut=(1,))
    kept = credit([mixed], RECIPE)[0].train
    masked = credit([mixed], replace(RECIPE, mask_truncated=True))[0].train
    assert kept is not None and masked is not None
    assert kept.weights == (1 / 30,) * 3
    assert masked.weights == (1 / 30, 0.0, 1 / 30)
    assert masked.advantages == kept.advantages


@given(st.lists(st.lists(VERDICTS, min_size=1, max_size=5), min_size=1, max_size=5))
def test_every_reflection_is_credited_where_it_stands(verdicts: list[list[Verdict]]) -> None:
    groups = [group(*row) for row in verdicts]
    found = credit(groups, RECIPE)
    assert [c.group for c in found] == groups
    for c, row in zip(found, verdicts, strict=True):
        assert [a is None for a in c.advantages] == [v is ERROR for v in row]
        earned = {v for v in row if v is not ERROR}
        assert (c.train is not None) == (earned == {PASS, FAIL})
        assert (c.train is None) == (c.skip_reason is not None)
        if c.train is not None:
            assert len(c.train.reflections) == len(c.train.advantages) == len(c.train.weights)
            assert sum(c.train.advantages) == pytest.approx(0, abs=1e-9)
            assert all(
                a == c.advantages[c.group.reflections.index(z)]
                for z, a in zip(c.train.reflections, c.train.advantages, strict=True)
            )
