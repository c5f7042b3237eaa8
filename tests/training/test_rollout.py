"""A rollout: groups that share what was before them, each reflection with the retry that was made with it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from rrr_local.backends.mlx.backend import MlxBackend
from rrr_local.episode import Node, Span, Split
from rrr_local.loop import Limits, Loop
from rrr_local.meter import Phase
from rrr_local.seeds import derive
from rrr_local.training.rollout import Group, rollout

from ..toy import ERROR, FAIL, PASS, Toy, a_reflection, a_try


@pytest.fixture(scope="module")
def loop(model_folder: Callable[[str], Path]) -> Loop:
    return Loop(MlxBackend(model_folder("llama")), Toy(), 1.0, Limits(8, 6, 8))


def test_groups_fork_their_failure_and_retries_follow_their_reflection(loop: Loop) -> None:
    failures = loop.attempt(loop.task.problems(Split.TRAIN)[:3], 5, keep=False)
    groups = rollout(loop, failures, 4, seed=9)
    assert [g.failure for g in groups] == failures
    for group in groups:
        prompts = {id(z.parent) for z in group.reflections}
        assert len(prompts) == 1
        prompt = group.reflections[0].parent
        assert prompt is not None and prompt.parent is group.failure.node
        assert len({z.seed for z in group.reflections}) == 4
        for reflection, retry in zip(group.reflections, group.retries, strict=True):
            assert [n.span for n in retry.node.path()] == list(Span)
            assert retry.node.path()[3] is reflection
            assert retry.problem is group.failure.problem
            assert retry.verdict == loop.task.verify(retry.problem, retry.node.text)
    assert loop.meter.tokens[Phase.REFLECT] == sum(len(z.tokens) for g in groups for z in g.reflections)
    assert loop.meter.tokens[Phase.RETRY] == sum(len(y.node.tokens) for g in groups for y in g.retries)
    assert isinstance(loop.backend, MlxBackend)
    assert len(loop.backend._kept) == 0


def test_a_rollout_is_the_same_whatever_else_is_in_the_step(loop: Loop) -> None:
    failures = loop.attempt(loop.task.problems(Split.TRAIN)[:3], 5, keep=False)
    together, alone = rollout(loop, failures, 3, seed=9), rollout(loop, failures[1:2], 3, seed=9)
    assert texts(together[1]) == texts(alone[0])
    assert texts(rollout(loop, failures[1:2], 3, seed=derive(9))[0]) != texts(alone[0])


def texts(group: Group) -> list[tuple[str, str]]:
    return [(z.text, y.node.text) for z, y in zip(group.reflections, group.retries, strict=True)]


def test_rewards_and_leaks() -> None:
    failure = a_try(FAIL)
    prompt = Node(Span.REFLECT_PROMPT, failure.node, (3, 4), "Why?")
    told = a_reflection(prompt, "The answer is 4 * 6.")
    hinted = a_reflection(prompt, "I should multiply.")
    after = {z: Node(Span.RETRY_PROMPT, z, (5,), "Again.") for z in (told, hinted)}
    cases = [(told, PASS), (told, FAIL), (hinted, PASS), (told, ERROR)]
    group = Group(failure, tuple(z for z, _ in cases), tuple(a_try(v, after[z]) for z, v in cases))
    assert group.rewards == (1.0, 0.0, 1.0, None)
    assert group.leaks == 1
