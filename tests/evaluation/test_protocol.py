"""The protocol: what each arm shows the model, on which problems, and what the rates are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rrr_local.backends.mlx.backend import MlxBackend
from rrr_local.episode import Node, Span, Split, Verdict
from rrr_local.errors import BrokenVerifier
from rrr_local.evaluation.protocol import Arm, Item, evaluate, rates
from rrr_local.loop import Limits, Loop

from ..toy import ERROR, FAIL, PASS, Toy, a_reflection, a_try, by_digest

LIMITS = Limits(8, 6, 8)


@pytest.fixture
def loop(backend: Callable[[str], MlxBackend]) -> Loop:
    return Loop(backend("qwen3"), Toy(), 1.0, LIMITS)


def measured(loop: Loop, arm: Arm, count: int = 12, seed: int = 3) -> list[Item]:
    return [item for batch in evaluate(loop, loop.task.problems(Split.EVAL)[:count], seed, arm) for item in batch]


def test_every_problem_has_an_item_and_only_failures_a_retry(loop: Loop) -> None:
    items = measured(loop, Arm.REFLECT)
    assert [i.first.problem for i in items] == loop.task.problems(Split.EVAL)
    assert {i.first_pass for i in items} == {True, False}
    for item in items:
        assert (item.retry is None) == (item.reflection is None) == item.first_pass
        assert item.second_pass == (item.first_pass or bool(item.retry and item.retry.verdict.passed))


def test_a_retry_stands_after_its_own_reflection(loop: Loop) -> None:
    for item in measured(loop, Arm.REFLECT):
        if item.retry:
            assert [n.span for n in item.retry.node.path()] == list(Span)
            assert item.retry.node.path()[1] is item.first.node
            assert item.retry.node.path()[3] is item.reflection


def test_the_plain_arm_tells_of_the_failure_and_shows_no_reflection(loop: Loop) -> None:
    items = measured(loop, Arm.PLAIN)
    retried = [i for i in items if i.retry]
    assert retried
    for item in retried:
        assert item.retry is not None and item.reflection is None
        path = item.retry.node.path()
        assert [n.span for n in path] == [Span.PROBLEM, Span.ATTEMPT, Span.RETRY_PROMPT, Span.RETRY]
        assert path[2].text == loop.task.prompts.plain_retry


def test_the_shuffled_arm_shows_every_failure_the_reflection_of_another(loop: Loop) -> None:
    own, shuffled = measured(loop, Arm.REFLECT), measured(loop, Arm.SHUFFLED)
    written = {i.first.problem.sha256: i.reflection.tokens for i in own if i.reflection}
    shown = {i.first.problem.sha256: i.reflection.tokens for i in shuffled if i.reflection}
    assert len(set(written.values())) == len(written) >= 2
    assert sorted(shown.values()) == sorted(written.values())
    assert all(shown[problem] != written[problem] for problem in written)
    for item in shuffled:
        if item.retry:
            assert item.retry.node.path()[1] is item.first.node
            assert item.retry.node.path()[3] is item.reflection


def test_all_arms_start_from_the_same_first_tries_and_a_seed_from_its_own(loop: Loop) -> None:
    first = [[i.first.node.tokens for i in measured(loop, arm)] for arm in Arm]
    assert first[0] == first[1] == first[2]
    assert first[0] != [i.first.node.tokens for i in measured(loop, Arm.PLAIN, seed=4)]


def test_batches_give_what_one_batch_gives(loop: Loop, model_folder: Callable[[str], Path]) -> None:
    folder = model_folder("qwen3")
    narrow = Loop(MlxBackend(folder, width=5), loop.task, 1.0, LIMITS)
    batches = list(evaluate(narrow, loop.task.problems(Split.EVAL), 3))
    assert [len(batch) for batch in batches] == [5, 5, 2]
    assert outcome([i for batch in batches for i in batch]) == outcome(measured(loop, Arm.REFLECT))


def outcome(items: Sequence[Item]) -> list[tuple[str, str | None]]:
    return [(i.first.node.text, i.retry.node.text if i.retry else None) for i in items]


def test_a_try_that_could_not_be_judged_is_not_retried(loop: Loop) -> None:
    def judge(reply: str) -> Verdict:
        return ERROR if len(reply) % 2 else by_digest(reply)

    items = measured(Loop(loop.backend, Toy(judge), 1.0, LIMITS), Arm.REFLECT)
    errors = [i for i in items if i.first.verdict is ERROR]
    assert errors and all(i.retry is None and not i.second_pass for i in errors)


def test_when_all_pass_nothing_is_retried_and_the_kv_is_freed(loop: Loop) -> None:
    for arm in Arm:
        items = measured(Loop(loop.backend, Toy(lambda reply: PASS), 1.0, LIMITS), arm)
        assert all(i.first_pass and i.retry is None for i in items)
    assert isinstance(loop.backend, MlxBackend)
    assert len(loop.backend._kept) == 0


# --- rates ------------------------------------------------------------------------------------------------------------


def item(first: Verdict, retry: Verdict | None) -> Item:
    tried = a_try(first)
    if retry is None:
        return Item(tried)
    reflection = a_reflection(Node(Span.REFLECT_PROMPT, tried.node, (3,), "Why?"))
    return Item(tried, reflection, a_try(retry, Node(Span.RETRY_PROMPT, reflection, (4,), "Again.")))


def test_rates_by_hand() -> None:
    items = [item(PASS, None), item(FAIL, PASS), item(FAIL, FAIL), item(FAIL, FAIL), item(ERROR, None)]
    found = rates(items)
    assert (found.n, found.first_try, found.second_try) == (4, 1 / 4, 2 / 4)
    assert found.rescue == pytest.approx(1 / 3)
    assert rates([item(PASS, None)]).rescue is None


def test_where_the_verifier_broke_there_is_neither_a_pass_nor_a_fail() -> None:
    assert rates([item(FAIL, ERROR), item(PASS, None)]) == rates([item(PASS, None)])
    with pytest.raises(BrokenVerifier, match="on every problem"):
        rates([item(FAIL, ERROR), item(ERROR, None)])


@given(st.lists(st.sampled_from([(PASS, None), (FAIL, PASS), (FAIL, FAIL)]), min_size=1, max_size=30))
def test_rates_are_shares_that_hang_together(outcomes: list[tuple[Verdict, Verdict | None]]) -> None:
    found = rates([item(first, retry) for first, retry in outcomes])
    assert 0 <= found.first_try <= found.second_try <= 1
    failed = [retry for first, retry in outcomes if first is FAIL]
    expected = sum(retry is PASS for retry in failed) / len(failed) if failed else None
    assert found.rescue == (None if expected is None else pytest.approx(expected))
    if found.rescue is not None:
        assert found.second_try == pytest.approx(found.first_try + (1 - found.first_try) * found.rescue)
