"""The objective against its own formula: the literal loss of the module docstring, differentiated numerically in float64."""

from __future__ import annotations

import dataclasses
from itertools import product
from statistics import mean, stdev
from typing import Any

import mlx.core as mx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from rrr_local.training.objective import Advantage, Correction, GrpoObjective, Normaliser, is_dead, k3

Float64 = NDArray[np.float64]
EVERY = [GrpoObjective(a, n, c, beta=b) for a, n, c, b in product(Advantage, Normaliser, Correction, (0.0, 0.3))]
REWARDS = st.lists(st.lists(st.sampled_from([0.0, 1.0, 0.5]), min_size=2, max_size=6), min_size=1, max_size=4)
logprobs = st.floats(-6, -0.01)


def literal_weight(objective: GrpoObjective, detached: Float64, sampler: Float64) -> Float64:
    """w of the docstring and of each `Correction`, by its own words."""
    ratio = np.exp(detached - sampler)
    return {
        Correction.TRUNCATE: np.minimum(ratio, objective.cap),
        Correction.MASK: np.where(ratio <= objective.cap, ratio, 0.0),
        Correction.OFF: np.ones_like(ratio),
    }[objective.correction]


def literal_loss(
    objective: GrpoObjective,
    live: Float64,
    detached: Float64,
    sampler: Float64,
    advantages: Float64,
    reference: Float64 | None,
) -> Float64:
    """(G, R) L_t = -w A exp(l - l') + beta exp(l - l') k3, with l alone alive."""
    ratio = np.exp(live - detached)
    loss = -literal_weight(objective, detached, sampler) * advantages * ratio
    if reference is not None:
        loss = loss + objective.beta * ratio * (np.exp(reference - live) - (reference - live) - 1)
    return loss


@pytest.mark.parametrize("objective", EVERY, ids=lambda o: f"{o.advantage}-{o.normaliser}-{o.correction}-{o.beta}")
@settings(max_examples=10, deadline=None)
@given(data=st.data())
def test_coefficients_are_the_derivative_of_the_literal_loss(objective: GrpoObjective, data: st.DataObject) -> None:
    rewards = data.draw(REWARDS)
    limit = 9
    lengths = [[data.draw(st.integers(1, limit)) for _ in group] for group in rewards]
    advantages = objective.advantages(rewards)
    weights = objective.weights(lengths, limit)
    for group, weight in zip(advantages, weights, strict=True):
        shape = (len(group), 3)
        lp, sampler = (
            data.draw(arrays(np.float64, shape, elements=logprobs)),
            data.draw(arrays(np.float64, shape, elements=logprobs)),
        )
        reference = data.draw(arrays(np.float64, shape, elements=logprobs)) if objective.beta else None
        column = np.array(group)[:, None]
        h = 1e-6
        up = literal_loss(objective, lp + h, lp, sampler, column, reference)
        down = literal_loss(objective, lp - h, lp, sampler, column, reference)
        expected = (up - down) / (2 * h) * np.array(weight)[:, None]
        found = objective.coefficients(np, lp, sampler, column, reference) * np.array(weight)[:, None]
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("correction", list(Correction))
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_mlx_computes_what_numpy_does(correction: Correction, data: st.DataObject) -> None:
    objective = GrpoObjective(correction=correction, beta=0.1)
    lp, sampler, reference = (
        data.draw(arrays(np.float32, (3, 4), elements=st.floats(-9, 0, width=32))) for _ in range(3)
    )
    column = np.array([[0.5], [-0.25], [-0.25]], dtype=np.float32)
    near_the_cap = (
        np.abs(np.exp(lp.astype(np.float64) - sampler) - objective.cap) < 1e-3
    )  # float32 may decide otherwise
    found = objective.coefficients(mx, *(mx.array(a) for a in (lp, sampler, column, reference)))
    expected = objective.coefficients(np, *(a.astype(np.float64) for a in (lp, sampler, column, reference)))
    np.testing.assert_allclose(np.array(found)[~near_the_cap], expected[~near_the_cap], rtol=1e-5, atol=1e-5)


@settings(deadline=None)
@given(data=st.data())
@pytest.mark.parametrize("beta", [0.0, 0.2])
def test_the_reported_loss_is_the_literal_one(beta: float, data: st.DataObject) -> None:
    objective = GrpoObjective(beta=beta)
    lp, sampler, reference = (data.draw(arrays(np.float64, 5, elements=logprobs)) for _ in range(3))
    advantage = data.draw(st.floats(-2, 2))
    kept = reference if beta else None
    expected = literal_loss(objective, lp, lp, sampler, np.array(advantage), kept).sum()
    assert objective.loss(lp, sampler, advantage, kept) == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_a_wild_token_neither_overflows_nor_hides() -> None:
    wild = np.array([[-1.0, -1000.0, 0.0]])
    sampler = np.array([[-1000.0, -1.0, -1e30]])
    one = np.ones((1, 1))
    assert GrpoObjective().coefficients(np, wild, sampler, one, None).tolist() == [
        [-2.0, pytest.approx(0, abs=1e-8), -2.0]
    ]
    masked = GrpoObjective(correction=Correction.MASK).coefficients(np, wild, sampler, one, None)
    assert np.abs(masked).max() < 1e-8
    unknown = np.array([[float("nan")]])
    for correction in (Correction.TRUNCATE, Correction.MASK):
        assert np.isnan(GrpoObjective(correction=correction).coefficients(np, unknown, -one, one, None)).all()


def test_the_cap_and_both_sides_of_it() -> None:
    lp, sampler, one = np.log([[0.4, 0.5, 0.6]]), np.log([[0.2, 0.2, 0.2]]), np.ones((1, 1))
    expected = {Correction.TRUNCATE: [2.0, 2.0, 2.0], Correction.MASK: [2.0, 0.0, 0.0], Correction.OFF: [1.0, 1.0, 1.0]}
    for correction, weights in expected.items():
        objective = GrpoObjective(correction=correction, cap=2.0 + 1e-9)
        np.testing.assert_allclose(objective.importance(np, lp, sampler)[0], weights, atol=1e-8)
    assert GrpoObjective().coefficients(np, lp, sampler, -one, None).min() > 0


# --- advantages -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("advantage", list(Advantage))
@given(REWARDS)
def test_advantages_of_a_group_sum_to_zero_and_of_a_dead_one_are_zero(
    advantage: Advantage, rewards: list[list[float]]
) -> None:
    found = GrpoObjective(advantage).advantages(rewards)
    assert [len(group) for group in found] == [len(group) for group in rewards]
    for group, earned in zip(found, rewards, strict=True):
        assert sum(group) == pytest.approx(0, abs=1e-9)
        if is_dead(earned):
            assert set(group) == {0.0}
        else:
            order = np.array(earned)
            assert all(
                (group[i] > group[j]) == (order[i] > order[j]) for i in range(len(group)) for j in range(len(group))
            )


@given(REWARDS)
def test_advantages_by_their_own_words(rewards: list[list[float]]) -> None:
    everything = [r for group in rewards for r in group]
    formulas: dict[Advantage, Any] = {
        Advantage.CENTRE: lambda r, m, group: r - m,
        Advantage.GROUP: lambda r, m, group: (r - m) / (stdev(group) + 1e-4),
        Advantage.BATCH: lambda r, m, group: (r - m) / (stdev(everything) + 1e-4),
        Advantage.MEAN: lambda r, m, group: (r - m) / m if m else 0.0,
    }
    for advantage, formula in formulas.items():
        expected = [tuple(formula(r, mean(group), group) for r in group) for group in rewards]
        for found, group in zip(GrpoObjective(advantage).advantages(rewards), expected, strict=True):
            assert found == pytest.approx(group, rel=1e-9, abs=1e-12)


def test_a_group_of_one_is_dead_and_has_no_deviation() -> None:
    for advantage in Advantage:
        assert GrpoObjective(advantage).advantages([[1.0]]) == [(0.0,)]
    assert is_dead([1.0])
    assert not is_dead([0.0, 1.0])


# --- normalisers ------------------------------------------------------------------------------------------------------

LENGTHS = st.lists(st.lists(st.integers(1, 40), min_size=1, max_size=5), min_size=1, max_size=5)


@given(LENGTHS)
def test_weights_by_their_own_words(lengths: list[list[int]]) -> None:
    reflections, tokens, limit = sum(map(len, lengths)), sum(map(sum, lengths)), 40
    formulas: dict[Normaliser, Any] = {
        Normaliser.CONSTANT: lambda n: 1 / (reflections * limit),
        Normaliser.TOKENS: lambda n: 1 / tokens,
        Normaliser.SEQUENCE: lambda n: 1 / (reflections * n),
    }
    for normaliser, formula in formulas.items():
        expected = [tuple(formula(n) for n in group) for group in lengths]
        for found, group in zip(GrpoObjective(normaliser=normaliser).weights(lengths, limit), expected, strict=True):
            assert found == pytest.approx(group, rel=1e-12)


@given(LENGTHS)
def test_weighted_tokens_count_one_in_all_where_the_lengths_decide(lengths: list[list[int]]) -> None:
    for normaliser in (Normaliser.TOKENS, Normaliser.SEQUENCE):
        weights = GrpoObjective(normaliser=normaliser).weights(lengths, 40)
        total = sum(w * n for ws, ns in zip(weights, lengths, strict=True) for w, n in zip(ws, ns, strict=True))
        assert total == pytest.approx(1)


# --- the KL term ------------------------------------------------------------------------------------------------------


@given(arrays(np.float64, 6, elements=logprobs), arrays(np.float64, 6, elements=logprobs))
def test_k3_is_never_negative_and_zero_where_nothing_moved(lp: Float64, reference: Float64) -> None:
    assert (k3(lp, reference) >= -1e-12).all()
    assert not k3(lp, lp).any()


def test_the_kl_term_has_the_gradient_of_the_reverse_kl() -> None:
    """On a whole categorical distribution: sum of p * coefficient * dlogp = d KL(p || r), where plain k3 gives another one."""
    rng = np.random.default_rng(1)
    logits, other = rng.normal(size=7), rng.normal(size=7)

    def log_softmax(z: Float64) -> Float64:
        return np.asarray(z - np.log(np.exp(z).sum()))

    def kl(z: Float64) -> float:
        lp = log_softmax(z)
        return float((np.exp(lp) * (lp - log_softmax(other))).sum())

    h = 1e-6
    expected = np.array([(kl(logits + h * e) - kl(logits - h * e)) / (2 * h) for e in np.eye(7)])
    lp, reference = log_softmax(logits), log_softmax(other)
    p = np.exp(lp)
    jacobian = np.eye(7) - p  # d lp_t / d z_i
    found = GrpoObjective(beta=1.0).coefficients(np, lp, lp, np.zeros(7), reference)
    np.testing.assert_allclose((p * found) @ jacobian, expected, rtol=1e-6, atol=1e-9)
    plain_k3 = 1 - np.exp(reference - lp)
    assert np.abs((p * plain_k3) @ jacobian - expected).max() > 0.01


def test_beta_needs_a_reference_to_count() -> None:
    args = (np.full((1, 2), -1.0), np.full((1, 2), -1.0), np.ones((1, 1)))
    with_kl = GrpoObjective(beta=0.5)
    assert with_kl.coefficients(np, *args, None).tolist() == [[-1.0, -1.0]]
    assert with_kl.coefficients(np, *args, np.full((1, 2), -3.0)).tolist() == [[0.0, 0.0]]
    assert dataclasses.replace(with_kl, beta=0.0).coefficients(np, *args, np.full((1, 2), -3.0)).tolist() == [
        [-1.0, -1.0]
    ]
