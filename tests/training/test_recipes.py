"""Recipes: presets say what they are said to, survive the log, and move the learning rate as described."""

from __future__ import annotations

import dataclasses
import json
import math

import pytest

from rrr_local.errors import UsageError
from rrr_local.training.objective import Advantage, Correction, GrpoObjective, Normaliser
from rrr_local.training.recipes import PRESETS, Recipe, Schedule, from_json, preset


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_a_recipe_comes_back_from_the_log_as_it_was(name: str) -> None:
    recipe = preset(name, steps=7, beta=0.25)
    assert recipe.name == name
    assert from_json(json.loads(json.dumps(recipe.to_json()))) == recipe
    assert recipe.sha256 == from_json(recipe.to_json()).sha256 != preset(name, steps=8).sha256


def test_the_objective_has_every_field_of_the_recipe() -> None:
    recipe = Recipe("x", 1, temperature=0.7, advantage=Advantage.MEAN, normaliser=Normaliser.SEQUENCE)
    recipe = dataclasses.replace(recipe, correction=Correction.MASK, cap=3.0, beta=0.5)
    assert recipe.objective == GrpoObjective(Advantage.MEAN, Normaliser.SEQUENCE, Correction.MASK, 3.0, 0.5, 0.7)


def test_the_presets_are_what_the_design_says() -> None:
    ours, paper, trl = preset("rrr"), preset("paper"), preset("trl")
    assert (ours.advantage, ours.normaliser, ours.correction, ours.cap) == (
        Advantage.CENTRE,
        Normaliser.CONSTANT,
        Correction.TRUNCATE,
        2.0,
    )
    assert (ours.beta, ours.temperature, ours.group_size, ours.learning_rate) == (0.0, 1.0, 8, 2e-5)
    assert (ours.lora.rank, ours.lora.alpha, ours.lora.scale) == (16, 32.0, 2.0)
    assert ours.refresh_every > 0
    assert (paper.advantage, paper.beta, paper.refresh_every) == (Advantage.GROUP, 0.001, 0)
    assert (trl.advantage, trl.normaliser, trl.adam.beta2) == (Advantage.GROUP, Normaliser.TOKENS, 0.999)


def test_the_rate_warms_up_and_stays() -> None:
    recipe = Recipe("x", steps=9, learning_rate=0.4, warmup_steps=4)
    assert [recipe.learning_rate_at(s) for s in (1, 2, 4, 5, 9)] == pytest.approx([0.1, 0.2, 0.4, 0.4, 0.4])
    assert Recipe("x", learning_rate=0.4, warmup_steps=0).learning_rate_at(1) == 0.4


def test_the_rate_goes_down_a_cosine() -> None:
    recipe = Recipe("x", steps=8, learning_rate=1.0, warmup_steps=0, schedule=Schedule.COSINE)
    rates = [recipe.learning_rate_at(s) for s in range(1, 9)]
    assert rates == pytest.approx([0.5 * (1 + math.cos(math.pi * i / 8)) for i in range(8)])
    assert min(rates) > 0


def test_a_name_that_does_not_exist_is_said() -> None:
    with pytest.raises(UsageError, match="there is no recipe 'best'"):
        preset("best")
