"""The check of `rrr ask TEXT --expect X`: the last number, or the text itself."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rrr_local.episode import VerdictKind
from rrr_local.verifiers.text import judge_text


@pytest.mark.parametrize(
    ("reply", "expected", "kind", "reason"),
    [
        ("3 * 7 = 21", "21", "pass", "the last number is 21"),
        ("It is 21.", "21.0", "pass", "the last number is 21.0"),
        ("about 1,234,567 people", "1234567", "pass", "the last number is 1234567"),
        ("below zero: -5", "-5", "pass", "the last number is -5"),
        ("a range of 3-5", "5", "pass", "the last number is 5"),
        ("21 or maybe 22", "21", "fail", "the last number is 22, not 21"),
        ("<answer>21</answer> as 22 is wrong", "21", "pass", "the last number is 21"),
        ("I do not know", "21", "unparsed", "no number found"),
        ("٢١", "21", "unparsed", "no number found"),
        ("9" * 101, "21", "unparsed", "the last number is too long"),
        (" ", "21", "unparsed", "the reply is empty"),
        ("<answer></answer>", "Paris", "unparsed", "the reply is empty"),
        ("Paris.", "paris", "pass", "the answer is 'paris'"),
        ("Let me think.\n\n**Paris**\n", "Paris", "pass", "the answer is 'Paris'"),
        ("It is <answer> New  York </answer>!", "new york", "pass", "the answer is 'new york'"),
        ("Not Paris", "Paris", "fail", "the answer is 'Not Paris', not 'Paris'"),
    ],
)
def test_replies_are_judged(reply: str, expected: str, kind: str, reason: str) -> None:
    verdict = judge_text(reply, expected)
    assert (verdict.kind, verdict.reason) == (VerdictKind(kind), reason)


@given(st.integers(-(10**12), 10**12), st.text(st.characters(codec="utf-8", exclude_categories=["N"]), max_size=20))
def test_a_written_number_is_found_after_any_words(number: int, words: str) -> None:
    assert judge_text(f"{words.replace('<', '')} {number}", str(number)).passed


@given(st.text(max_size=60), st.text(max_size=10))
def test_nothing_that_is_written_raises(reply: str, expected: str) -> None:
    assert judge_text(reply, expected).kind in (VerdictKind.PASS, VerdictKind.FAIL, VerdictKind.UNPARSED)


@pytest.mark.parametrize("reply", ["1" * 10**6, "1," * 10**6, "1.1" * 10**6, "-" * 10**6, "<answer>" * 10**5])
def test_a_huge_reply_is_judged_at_once(reply: str) -> None:
    start = time.process_time()
    judge_text(reply, "21")
    assert time.process_time() - start < 1.0
