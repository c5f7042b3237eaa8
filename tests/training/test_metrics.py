"""The numbers of a step, worked out by hand on a small one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from rrr_local.backends.base import Update
from rrr_local.episode import Node, Span
from rrr_local.loop import Limits
from rrr_local.meter import Meter, Phase
from rrr_local.training.credit import credit
from rrr_local.training.metrics import step_record
from rrr_local.training.recipes import Recipe
from rrr_local.training.rollout import Group

from ..toy import ERROR, FAIL, PASS, a_reflection, a_try

RECIPE = Recipe("test", limits=Limits(reflection=10), learning_rate=0.1, warmup_steps=0, beta=0.5)


def groups() -> list[Group]:
    """One with both outcomes, one dead, one in which a verifier broke."""
    failure = a_try(FAIL)
    prompt = Node(Span.REFLECT_PROMPT, failure.node, (3, 4), "Why?")
    made = []
    for verdicts, sizes in (((PASS, FAIL), (2, 4)), ((FAIL, FAIL), (3, 3)), ((PASS, ERROR), (1, 5))):
        nodes = tuple(a_reflection(prompt, size=n, cut=n == 5) for n in sizes)
        retries = tuple(
            a_try(v, Node(Span.RETRY_PROMPT, z, (5,), "Again.")) for z, v in zip(nodes, verdicts, strict=True)
        )
        made.append(Group(failure, nodes, retries))
    return made


def test_a_step_by_hand() -> None:
    credits = credit(groups(), RECIPE)
    (train,) = [c.train for c in credits if c.train]
    reference = tuple(np.full(len(z.tokens), -1.5, dtype=np.float32) for z in train.reflections)
    train = replace(train, reference=reference)
    trained = tuple(np.full(len(z.tokens), -1.1, dtype=np.float32) for z in train.reflections)
    meter = Meter()
    for phase, tokens in ((Phase.REFLECT, 18), (Phase.RETRY, 18), (Phase.TRAIN, 40)):
        meter.count(phase, tokens)
        with meter.phase(phase):
            pass
    update = Update(True, 0.7, (trained,), 1.25)
    record = step_record(3, RECIPE, credits, [train], update, meter, 2.0, 3 * 2**20)
    k3 = np.exp(-0.4) + 0.4 - 1
    ratio = np.exp(-0.1)
    loss = 1 / 50 * (-0.5 * ratio * 2 + 0.5 * ratio * 4 + 0.5 * k3 * 6)
    assert record.loss == pytest.approx(loss, rel=1e-5)
    assert record.kl == pytest.approx(k3, rel=1e-5)
    assert (record.step, record.groups, record.groups_used, record.grad_norm, record.lr) == (3, 3, 1, 0.7, 0.1)
    assert (record.reward_mean, record.reward_std) == pytest.approx((2 / 5, np.std([1, 0, 0, 0, 1])))
    assert record.retry_rate == pytest.approx(2 / 6)
    assert (record.reflection_tokens, record.tokens, record.tok_per_s) == (3.0, 36, 18.0)
    assert (record.seconds, record.peak_mem_mb) == (2.0, 3.0)
    extra = dict(record.extra)
    assert {p for p in extra if str(p).startswith("seconds_")} == {"seconds_reflect", "seconds_retry", "seconds_train"}
    assert extra["kl_sample_train"] == pytest.approx(0.1, rel=1e-5)
    assert extra["max_abs_log_ratio"] == pytest.approx(0.1, rel=1e-5)
    assert extra["frac_reward_zero_std"] == pytest.approx(2 / 3)
    assert (extra["verifier_errors"], extra["reflections_truncated"], extra["retries_truncated"]) == (1, 1, 0)
    assert extra["answer_leaks"] == 2
    assert (extra["tokens_train"], extra["update_applied"], extra["entropy"]) == (40, 1, 1.25)
    assert extra["distinct_reflections"] == pytest.approx(5 / 6)


def test_a_step_without_an_update_has_no_numbers_of_one() -> None:
    credits = credit(groups()[1:2], RECIPE)
    record = step_record(1, RECIPE, credits, [], None, Meter(), 1.0, 0)
    assert (record.loss, record.kl, record.grad_norm, record.groups_used) == (None, None, 0.0, 0)
    assert not {"entropy", "kl_sample_train", "update_applied"} & record.extra.keys()


def test_a_step_whose_verifier_always_broke_has_no_reward() -> None:
    group = groups()[2]
    unknown = replace(group, reflections=group.reflections[1:], retries=group.retries[1:])
    record = step_record(1, RECIPE, credit([unknown], RECIPE), [], None, Meter(), 1.0, 0)
    assert (record.reward_mean, record.reward_std, record.retry_rate) == (None, None, 0.0)
