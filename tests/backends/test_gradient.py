"""The gradient of the prefix-shared pass is that of padded full sequences, and depends on what it should alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx.nn as nn
import numpy as np
import pytest
from mlx.utils import tree_map

from rrr_local.backends.base import LoraConfig, TrainGroup
from rrr_local.backends.mlx import gradient as gradients
from rrr_local.backends.mlx.backend import MlxBackend
from rrr_local.backends.mlx.gradient import group_gradient
from rrr_local.episode import Node
from rrr_local.training.objective import Correction, GrpoObjective

from .tiny_models import MODELS, flat, random_group, random_tokens, reflection

OBJECTIVE = GrpoObjective(beta=0.05, cap=2.0, temperature=0.7)
G = 6


@pytest.fixture(scope="module")
def trainable(model_folder: Callable[[str], Path]) -> Callable[[str], nn.Module]:
    """A model with an adapter whose both matrices are random, so that every trainable array has a gradient."""
    made: dict[str, nn.Module] = {}

    def model(name: str) -> nn.Module:
        if name not in made:
            backend = MlxBackend(model_folder(name))
            backend.new_adapter(LoraConfig(rank=4, alpha=8.0), seed=3)
            mx.random.seed(4)
            parameters = tree_map(lambda p: 0.1 * mx.random.normal(p.shape), backend._model.trainable_parameters())
            backend._model.update(parameters)
            mx.eval(backend._model.parameters())
            made[name] = backend._model
        return made[name]

    return model


def naive_loss(model: nn.Module, group: TrainGroup, objective: GrpoObjective) -> mx.array:
    """The literal loss: every row whole and padded, all logits, the ratio to the detached log-prob written out."""
    prefix = group.context.context()
    rows = [[*prefix, *node.tokens] for node in group.reflections]
    width = max(map(len, rows))
    logits = model(mx.array([row + [1] * (width - len(row)) for row in rows])) / objective.temperature
    total = mx.array(0.0)
    for i, (row, node) in enumerate(zip(rows, group.reflections, strict=True)):
        log_softmax = nn.log_softmax(logits[i, len(prefix) - 1 : len(row) - 1])
        lp = log_softmax[mx.arange(len(node.tokens)), mx.array(node.tokens)]
        weight = mx.stop_gradient(mx.minimum(mx.exp(lp - mx.array(node.logprobs or ())), 2.0))
        ratio = mx.exp(lp - mx.stop_gradient(lp))
        loss = -weight * group.advantages[i] * ratio
        if group.reference is not None:
            difference = mx.array(group.reference[i]) - lp
            loss = loss + objective.beta * ratio * (mx.exp(difference) - difference - 1)
        total = total + group.weights[i] * loss.sum()
    return total


def naive_gradient(model: nn.Module, groups: Sequence[TrainGroup]) -> dict[str, mx.array]:
    parameters = model.trainable_parameters()

    def loss(p: Any) -> mx.array:
        model.update(p)
        return sum((naive_loss(model, group, OBJECTIVE) for group in groups), mx.array(0.0))

    found = mx.grad(loss)(parameters)
    model.update(parameters)
    return flat(found)


def shared_gradient(
    model: nn.Module, group: TrainGroup, micro_batch: int = G, objective: GrpoObjective = OBJECTIVE
) -> dict[str, mx.array]:
    return flat(group_gradient(model, group, objective, micro_batch).gradient)


def distance(one: dict[str, mx.array], other: dict[str, mx.array]) -> float:
    """Relative error of all arrays taken as one vector."""
    assert one.keys() == other.keys()
    difference = sum(float(((one[k] - other[k]) ** 2).sum()) for k in one)
    return math.sqrt(difference / sum(float((other[k] ** 2).sum()) for k in other))


def near(model: nn.Module, group: TrainGroup) -> TrainGroup:
    """The group with a reference near the model's own log-probs, as a real one is: far off, the naive float32 k3 cancels away."""
    rng = np.random.default_rng(0)
    rows = gradients.row_logprobs(model, group, OBJECTIVE.temperature)
    return replace(group, reference=tuple((lp + rng.normal(0, 0.5, len(lp))).astype(np.float32) for lp in rows))


def with_node(group: TrainGroup, i: int, node: Node) -> TrainGroup:
    return replace(group, reflections=(*group.reflections[:i], node, *group.reflections[i + 1 :]))


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("reference", [False, True], ids=["policy", "kl"])
def test_it_equals_the_gradient_of_padded_full_sequences(
    trainable: Callable[[str], nn.Module], name: str, reference: bool
) -> None:
    model, group = trainable(name), random_group(1, G)
    group = near(model, group) if reference else group
    expected = naive_gradient(model, [group])
    assert all(float(mx.abs(array).max()) > 0 for array in expected.values())
    assert distance(shared_gradient(model, group), expected) < 1e-5
    assert distance(shared_gradient(model, group, micro_batch=4), expected) < 1e-5


@pytest.mark.parametrize("name", MODELS)
def test_groups_of_single_tokens_and_of_one_row_are_exact_too(trainable: Callable[[str], nn.Module], name: str) -> None:
    for group in (random_group(2, 3, longest=1), random_group(3, 1), random_group(4, 1, longest=30)):
        assert distance(shared_gradient(trainable(name), group), naive_gradient(trainable(name), [group])) < 1e-5


def test_one_micro_batch_of_eight_equals_eight_of_one(trainable: Callable[[str], nn.Module]) -> None:
    group = random_group(5, 8, reference=True)
    whole = shared_gradient(trainable("llama"), group, micro_batch=8)
    for micro_batch in (1, 3):
        assert distance(shared_gradient(trainable("llama"), group, micro_batch), whole) < 1e-5


def test_a_step_over_groups_adds_their_gradients_up(trainable: Callable[[str], nn.Module]) -> None:
    model, groups = trainable("qwen3"), [random_group(seed, 3) for seed in (6, 7)]
    parts = [shared_gradient(model, group) for group in groups]
    assert distance({k: parts[0][k] + parts[1][k] for k in parts[0]}, naive_gradient(model, groups)) < 1e-5


def test_what_it_reports_are_the_log_probs_and_entropies_of_a_plain_forward(
    trainable: Callable[[str], nn.Module],
) -> None:
    model, group = trainable("gemma3_text"), random_group(8, G)
    for micro_batch in (G, 2):
        part = group_gradient(model, group, OBJECTIVE, micro_batch)
        entropies = []
        for node, logprobs in zip(group.reflections, part.logprobs, strict=True):
            row = [*group.context.context(), *node.tokens]
            logits = np.array(model(mx.array([row]))[0, -len(node.tokens) - 1 : -1], dtype=np.float64) / 0.7
            expected = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
            entropies += (-(np.exp(expected) * expected).sum(-1)).tolist()
            assert logprobs.dtype == np.float32
            np.testing.assert_allclose(logprobs, expected[range(len(node.tokens)), node.tokens], rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(part.entropies, entropies, rtol=1e-4, atol=1e-4)


def test_zero_advantage_gives_a_gradient_of_exactly_zero(trainable: Callable[[str], nn.Module]) -> None:
    group = replace(random_group(9, G), advantages=(0.0,) * G)
    for micro_batch in (G, 2):
        found = shared_gradient(trainable("llama"), group, micro_batch)
        assert all(not np.array(array).any() for array in found.values())


def test_a_masked_reflection_adds_nothing(trainable: Callable[[str], nn.Module]) -> None:
    """Weight 0 equals absence: the reflection can be another one or be left out, and the gradient stays."""
    model, group = trainable("llama"), random_group(10, 3)
    masked = replace(group, weights=(group.weights[0], 0.0, group.weights[2]))
    expected = shared_gradient(model, masked)
    other = reflection(group.context, random_tokens(np.random.default_rng(0), 5), (-3.0,) * 5)
    assert distance(shared_gradient(model, with_node(masked, 1, other)), expected) < 1e-5
    left = TrainGroup(group.context, group.reflections[::2], group.advantages[::2], group.weights[::2])
    assert distance(shared_gradient(model, left), expected) < 1e-5


def test_padding_never_enters(trainable: Callable[[str], nn.Module], monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever stands behind a reflection (its retry, for one) changes neither the gradient nor a log-prob, bit for bit."""
    model, group = trainable("gemma3_text"), random_group(11, G, reference=True)
    expected = group_gradient(model, group, OBJECTIVE, G)
    plain = gradients._padded

    def noisy(rows: Sequence[Any], width: int, dtype: type[np.generic] = np.float32) -> mx.array:
        array = np.array(plain(rows, width, dtype))
        for i, row in enumerate(rows):
            array[i, len(row) :] = 0 if set(row) == {1.0} else 17
        return mx.array(array)

    monkeypatch.setattr(gradients, "_padded", noisy)
    assert (np.array(gradients.pack(group, slice(None)).tokens) == 17).any()
    found = group_gradient(model, group, OBJECTIVE, G)
    one, other = flat(found.gradient), flat(expected.gradient)
    assert all(mx.array_equal(one[name], other[name]) for name in one)
    assert found.entropies == expected.entropies


def test_the_attempt_is_context_and_its_own_log_probs_never_enter(trainable: Callable[[str], nn.Module]) -> None:
    """Attempt and retry are never trained: only reflections have targets, whatever is known of the others."""
    model, group = trainable("llama"), random_group(12, 2)
    attempt = group.context.parent
    assert attempt is not None
    judged_otherwise = replace(attempt, logprobs=(-9.0,) * len(attempt.tokens), text="another")
    context = replace(group.context, parent=judged_otherwise)
    moved = replace(group, context=context, reflections=tuple(replace(z, parent=context) for z in group.reflections))
    assert distance(shared_gradient(model, moved), shared_gradient(model, group)) == 0


@pytest.mark.parametrize("name", MODELS)
def test_changing_a_token_of_the_prefix_changes_it(trainable: Callable[[str], nn.Module], name: str) -> None:
    """The attempt is context: its tokens are never targets, but what the model saw matters."""
    model, group = trainable(name), random_group(13, 3)
    attempt = group.context.parent
    assert attempt is not None
    context = replace(group.context, parent=replace(attempt, tokens=(attempt.tokens[0] ^ 1, *attempt.tokens[1:])))
    assert distance(shared_gradient(model, replace(group, context=context)), shared_gradient(model, group)) > 1e-3


def test_every_correction_reaches_it(trainable: Callable[[str], nn.Module]) -> None:
    group = random_group(14, 4)
    found = [shared_gradient(trainable("llama"), group, 4, GrpoObjective(correction=c)) for c in Correction]
    assert min(distance(found[i], found[j]) for i in range(3) for j in range(3) if i != j) > 1e-3


def test_the_model_is_left_as_it_was(trainable: Callable[[str], nn.Module]) -> None:
    model = trainable("qwen2")
    before = {name: np.array(array) for name, array in flat(model.parameters()).items()}
    for micro_batch in (G, 2):
        shared_gradient(model, random_group(15, G), micro_batch)
    assert all(np.array_equal(before[name], np.array(array)) for name, array in flat(model.parameters()).items())
