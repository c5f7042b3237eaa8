"""What a turn is worth for training: the whole table."""

from __future__ import annotations

import itertools

import pytest

from rrr_local.chat.feedback import FAILED, Case, trainable
from rrr_local.episode import Split, VerdictKind

TABLE = [
    (Case(VerdictKind.FAIL), True, "+1 trainable", ""),
    (Case(VerdictKind.UNPARSED), True, "+1 trainable", ""),
    (Case(VerdictKind.TIMEOUT), True, "+1 trainable", ""),
    (Case(VerdictKind.FAIL, person=False), True, "+1 trainable", ""),
    (Case(VerdictKind.FAIL, split=Split.TRAIN), True, "+1 trainable", ""),
    (Case(VerdictKind.PASS), False, "nothing to learn", ""),
    (Case(VerdictKind.PASS, person=True), False, "nothing to learn", ""),
    (Case(VerdictKind.ERROR), False, "the check itself broke", ""),
    (Case(VerdictKind.FAIL, person=True), False, "disputed: the check says wrong", ""),
    (Case(VerdictKind.PASS, person=False), False, "disputed: the check says right", ""),
    (Case(VerdictKind.FAIL, alone=False), False, "depends on the turns before it", ""),
    (Case(VerdictKind.FAIL, split=Split.EVAL), False, "held out", ""),
    (Case(VerdictKind.FAIL, excluded=True), False, "you excluded it", ""),
    (Case(VerdictKind.FAIL, stopped=True), False, "stopped before its end", ""),
    (Case(None), False, "you decide", "/check"),
    (Case(None, person=False), False, "give the right answer with /check to make it trainable", "/check"),
    (Case(None, person=True), False, "nothing to learn from a right answer", ""),
    (Case(None, person=False, stopped=True), False, "stopped before its end", ""),
]


@pytest.mark.parametrize(("case", "yes", "why", "missing"), TABLE, ids=[why for _, _, why, _ in TABLE])
def test_a_turn_is_trainable_or_it_is_said_why_not(case: Case, yes: bool, why: str, missing: str) -> None:
    said = trainable(case)
    assert (said.yes, said.missing) == (yes, missing)
    assert why in said.why


def test_only_a_failure_that_a_check_found_in_a_problem_alone_is_trainable() -> None:
    every = itertools.product(
        [None, *VerdictKind], [None, True, False], [True, False], [True, False], [None, *Split], [True, False]
    )
    for check, person, alone, stopped, split, excluded in every:
        said = trainable(Case(check, person, alone, stopped, split, excluded))
        fit = check in FAILED and person is not True and alone and not stopped
        assert said.yes == (fit and split is not Split.EVAL and not excluded)
        assert said.why
