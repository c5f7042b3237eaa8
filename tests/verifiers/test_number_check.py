"""The check `number`: which writings are the same number, and which are none."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rrr_local.episode import Verdict, VerdictKind
from rrr_local.errors import UsageError
from rrr_local.verifiers.checks import make_check
from rrr_local.verifiers.written_numbers import only_number


def judge(reply: str, wanted: object, **options: object) -> Verdict:
    check = make_check({"kind": "number", **options}, Path())
    check.check_row({"answer": wanted})
    return check.judge(reply, {"answer": wanted})


@pytest.mark.parametrize(
    ("reply", "wanted"),
    [
        ("24", 24),
        ("24", "24"),
        ("24", 24.0),
        ("24.000", "24"),
        ("It is 24.", 24),
        ("It is 24...", 24),
        ("= 24 km", 24),
        ("24km", "24 km"),
        ("24 km^2", 24),
        ("24 m2", 24),
        ("24 m s^{-2}", 24),
        ("24^\\circ", 24),
        ("24 %", "24%"),
        ("24\\%", 24),
        ("$24.50", 24.5),
        ("$ 24.50", "24.5"),
        ("**24**", 24),
        ("(24)", 24),
        ("\\boxed{24}", 24),
        ("\\boxed{24\\text{ km}} as asked for in 2024", 24),
        ("<answer>24</answer> and not 25", 24),
        ("<answer>\\boxed{24}</answer>", 24),
        ("12 + 12 = 24", 24),
        ("-3", -3),
        ("−3", "-3"),
        ("-$3", -3),
        ("x = -3", -3),
        ("+3", 3),
        ("3-5", 5),
        ("007", 7),
        (".5", 0.5),
        ("1/2", 0.5),
        ("1 / 2", "1/2"),
        ("\\frac{1}{2}", 0.5),
        ("-\\dfrac{1}{2}", -0.5),
        ("1,000", 1000),
        ("1,234,567.5", 1234567.5),
        ("1_000", 1000),
        ("1'000", 1000),
        ("1\u202f000", 1000),
        ("1{,}000", 1000),
        ("1\\,000", 1000),
        ("6e5", 600000),
        ("6E-5", 0.00006),
        ("6 x 10^5", 600000),
        ("6 × 10⁵", "6e5"),
        ("6·10⁻⁵", 0.00006),
        ("6 \\times 10^{5}", 600000),
        ("0.1", 0.1),
        ("9007199254740993", 9007199254740993),
        ("GPT-4 says 24, as covid-19 does", 24),
    ],
)
def test_numbers_are_equal_however_they_are_written(reply: str, wanted: object) -> None:
    verdict = judge(reply, wanted)
    assert verdict.kind is VerdictKind.PASS, verdict.reason


@pytest.mark.parametrize(
    ("reply", "wanted", "reason"),
    [
        ("25", 24, "the last number is 25, not 24"),
        ("24 or 25", 24, "the last number is 25, not 24"),
        ("<answer>25</answer> 24", 24, "the last number is 25, not 24"),
        ("-24", 24, "the last number is -24, not 24"),
        ("9007199254740992", 9007199254740993, "the last number is 9007199254740992, not 9007199254740993"),
        ("0.30000000000000004", 0.3, "the last number is 0.30000000000000004, not 0.3"),
        ("50%", 0.5, "the last number is 50, not 0.5"),
        ("24 km", " 25 km ", "the last number is 24, not 25 km"),
    ],
)
def test_another_number_fails_and_is_named(reply: str, wanted: object, reason: str) -> None:
    verdict = judge(reply, wanted)
    assert (verdict.kind, verdict.reason) == (VerdictKind.FAIL, reason)


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ("I do not know", "no number found"),
        ("twenty-four", "no number found"),
        ("GPT-4", "no number found"),
        ("H2O", "no number found"),
        ("v1.5", "no number found"),
        ("Ⅳ", "no number found"),
        ("1,5", "the last number cannot be read: '1,5'"),
        ("1.234,5", "the last number cannot be read: '1.234,5'"),
        ("1.234.567", "the last number cannot be read: '1.234.567'"),
        ("1,23,456", "the last number cannot be read: '1,23,456'"),
        ("1 000", "the last number cannot be read: '1 000'"),
        ("1 1/2", "the last number cannot be read: '1/2'"),
        ("1/0", "the last number cannot be read: '1/0'"),
        ("3/4/2024", "the last number cannot be read: '3/4/2'"),
        ("2^10", "the last number cannot be read: '2^1'"),
        ("10²", "the last number cannot be read: '10²'"),
        ("1e1000", "the last number cannot be read: '1e1000'"),
        ("٣", "the last number cannot be read: '٣'"),
        ("2٣", "the last number cannot be read: '2٣'"),
        ("24 or ３", "the last number cannot be read: '３'"),
        ("9" * 101, "the last number is too long"),
    ],
)
def test_what_is_no_number_or_could_be_two_is_unparsed(reply: str, reason: str) -> None:
    for wanted in (0, 2, 3, 4, 5, 10, 23, "1/2", 1000):
        verdict = judge(reply, wanted)
        assert (verdict.kind, verdict.reason) == (VerdictKind.UNPARSED, reason)


@pytest.mark.parametrize(
    ("reply", "options", "kind"),
    [
        ("0.3", {"tolerance": 0.1}, "pass"),
        ("0.301", {"tolerance": 0.1}, "fail"),
        ("0.1", {"tolerance": 0.1}, "pass"),
        ("0.22", {"relative": 0.1}, "pass"),
        ("0.221", {"relative": 0.1}, "fail"),
        ("0.221", {"relative": 0.1, "tolerance": 0.021}, "pass"),
    ],
)
def test_an_allowance_is_exact_and_its_edge_counts(reply: str, options: dict[str, Any], kind: str) -> None:
    assert judge(reply, 0.2, **options).kind is VerdictKind(kind)


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        ("24", "pass"),
        ("Let me see.\n 24 ", "pass"),
        ("<answer> 24.0 </answer>", "pass"),
        ("25", "fail"),
        ("24 km", "unparsed"),
        ("$24", "pass"),
        ("It is 24", "unparsed"),
        ("<answer>It is\n24</answer>", "unparsed"),
    ],
)
def test_without_units_the_answer_is_the_number_alone(reply: str, kind: str) -> None:
    assert judge(reply, 24, units=False).kind is VerdictKind(kind)


@pytest.mark.parametrize("value", ["many", "1,5", "3 or 4", True, [24], {"value": 24}, "٣", float("nan"), "1/0"])
def test_a_row_without_one_number_is_refused(value: object) -> None:
    with pytest.raises(UsageError, match=r"the column 'goal': .* is not one number"):
        make_check({"kind": "number", "answer": "goal"}, Path()).check_row({"goal": value})


@given(st.fractions(max_denominator=10**6).filter(lambda value: abs(value) < 10**12))
def test_a_fraction_passes_and_its_neighbours_fail(value: Fraction) -> None:
    assert judge(f"so it is {value}.", str(value)).passed
    assert judge(f"so it is {value + Fraction(1, 10**9)}.", str(value)).kind is VerdictKind.FAIL


@given(st.integers(-(10**15), 10**15), st.sampled_from([",", "_", "'", "\u202f"]), st.integers(0, 5))
def test_thousands_and_zeros_never_matter(value: int, separator: str, zeros: int) -> None:
    written = f"{value:,}".replace(",", separator) + ("." + "0" * zeros if zeros else "")
    assert judge(written, value).passed
    assert judge(written, str(value + 1)).kind is VerdictKind.FAIL


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_float_in_a_row_is_the_decimal_it_is_written_as(value: float) -> None:
    assert only_number(repr(value)) == Fraction(repr(value))
    assert judge(repr(value), value).passed
