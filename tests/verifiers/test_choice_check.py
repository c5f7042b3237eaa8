"""The check `multiple-choice`: how a choice is named, and that nobody can name two."""

from __future__ import annotations

from pathlib import Path
from string import ascii_uppercase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rrr_local.episode import Verdict, VerdictKind
from rrr_local.errors import UsageError
from rrr_local.verifiers.checks import make_check

CITIES = ["London", "Paris", "Rome", "New York"]


def judge(reply: str, choices: object = CITIES, answer: object = "B", **options: object) -> Verdict:
    check = make_check({"kind": "multiple-choice", **options}, Path())
    row = {"choices": choices, "answer": answer}
    check.check_row(row)
    return check.judge(reply, row)


@pytest.mark.parametrize(
    "reply",
    [
        "B",
        "b",
        "(b)",
        "B.",
        "**B**",
        "B) Paris",
        "(B) Paris.",
        "B: paris",
        "Paris",
        "paris.",
        "\\boxed{B}",
        "\\boxed{\\text{B}}",
        "<answer>B</answer>",
        "A is wrong. <answer> b) Paris </answer>",
        "The answer is B.",
        "The answer is (B).",
        "The answer is: B",
        "The correct answer is **B** because it is in France.",
        "the correct option is B. Paris is in France.",
        "Answer: B",
        "Answer: Paris",
        "The answer is Paris. Rome is in Italy.",
        "London is in England.\nB",
        "I think so.\nThe answer is B.\nB) Paris",
    ],
)
def test_the_right_choice_passes(reply: str) -> None:
    verdict = judge(reply)
    assert (verdict.kind, verdict.reason) == (VerdictKind.PASS, "the answer is B")


@pytest.mark.parametrize("reply", ["A", "London", "A) London", "The answer is A, not B.", "<answer>A</answer> B"])
def test_another_choice_fails(reply: str) -> None:
    verdict = judge(reply)
    assert (verdict.kind, verdict.reason) == (VerdictKind.FAIL, "the answer is A, not B")


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ("The answer is A. The answer is B.", "the answer names A and B"),
        ("The answer is B or C.", "the answer names B and C"),
        ("The answer is C.\nB", "the answer names B and C"),
        ("B) London", "the answer names A and B"),
        ("Answer: B\nAnswer: A\nAnswer: C", "the answer names A and B and C"),
        ("A or B", "the answer names none of the choices"),
        ("A, B, C, D", "the answer names none of the choices"),
        ("ABCD", "the answer names none of the choices"),
        ("E", "the answer names none of the choices"),
        ("2", "the answer names none of the choices"),
        ("A cat", "the answer names none of the choices"),
        ("The answer is a city.", "the answer names none of the choices"),
        ("The answer is not B.", "the answer names none of the choices"),
        ("Paris or London", "the answer names none of the choices"),
        ("В", "the answer names none of the choices"),
        ("Ｂ", "the answer names none of the choices"),
    ],
)
def test_none_or_two_choices_are_unparsed(reply: str, reason: str) -> None:
    for right in "ABCD":
        verdict = judge(reply, answer=right)
        assert (verdict.kind, verdict.reason) == (VerdictKind.UNPARSED, reason)


@pytest.mark.parametrize(
    ("choices", "answer", "options", "right"),
    [
        (CITIES, "B", {}, 1),
        (CITIES, "b", {}, 1),
        (CITIES, "(B)", {}, 1),
        (CITIES, "B) Paris", {}, 1),
        (CITIES, "new york", {}, 3),
        (CITIES, 1, {}, 1),
        (CITIES, "1", {}, 1),
        (CITIES, 1, {"index_from": 1}, 0),
        (CITIES, "4", {"index_from": 1}, 3),
        ("London|Paris | Rome", "C", {"separator": "|"}, 2),
        ([10, 20, 30], "20", {}, 1),
        ([10, 20, 30], 2, {}, 2),
        (["1", "2", "3"], "1", {"answer_is": "text"}, 0),
        (["1", "2", "3"], "1", {"answer_is": "index"}, 1),
        (["yes", "no"], "A", {"answer_is": "letter"}, 0),
    ],
)
def test_the_right_choice_is_a_letter_a_text_or_an_index(
    choices: object, answer: object, options: dict[str, object], right: int
) -> None:
    for index, letter in enumerate("ABC"):
        assert judge(letter, choices, answer, **options).passed is (index == right)


def test_choices_may_have_a_column_each() -> None:
    check = make_check({"kind": "multiple-choice", "choices": ["A", "B", "C"], "answer": "key"}, Path())
    row = {"A": "London", "B": "Paris", "C": "Rome", "key": "Paris"}
    check.check_row(row)
    assert check.judge("B", row).passed
    assert check.judge("Rome", row).reason == "the answer is C, not B"
    with pytest.raises(UsageError, match=r"the column 'C' is missing"):
        check.check_row({"A": "London", "B": "Paris", "key": "A"})


@pytest.mark.parametrize(
    ("choices", "answer", "cause"),
    [
        (["1", "2", "3"], "1", "could be A or B"),
        (["x", "y"], "z", "is none of the choices"),
        (["x", "y"], 2, "is none of the choices"),
        (["x", "y"], -1, "is none of the choices"),
        (["x", "y"], True, "is none of the choices"),
        (CITIES, "B) London", "could be A or B"),
        (["x"], "A", "is no list of choices"),
        ("x|y", "A", "is no list of choices"),
        (list(range(27)), "A", "is no list of choices"),
        (["x", ["y"]], "A", "holds a choice that is no text"),
        (["x", " X. "], "A", "holds an empty, a too long or a repeated choice"),
        (["x", "..."], "A", "holds an empty, a too long or a repeated choice"),
        (["B", "A"], "A", "holds the choice 'b', which reads like a letter"),
    ],
)
def test_a_row_that_could_mean_two_things_is_refused(choices: object, answer: object, cause: str) -> None:
    with pytest.raises(UsageError) as error:
        make_check({"kind": "multiple-choice"}, Path()).check_row({"choices": choices, "answer": answer})
    assert cause in error.value.cause


NAMES = st.lists(st.from_regex(r"[a-z]{2,9}( [a-z]{2,9})?", fullmatch=True), min_size=2, max_size=26, unique=True)


@given(
    NAMES,
    st.data(),
    st.sampled_from(["{0}", "({0})", "{0}) {1}", "{1}", "Answer: {0}", "The answer is {1}.", "Hm.\n{1}"]),
)
def test_every_way_to_name_a_choice_passes_for_it_and_fails_for_the_others(
    names: list[str], data: st.DataObject, way: str
) -> None:
    named, right = (data.draw(st.integers(0, len(names) - 1)) for _ in range(2))
    verdict = judge(way.format(ascii_uppercase[named], names[named]), names, ascii_uppercase[right])
    assert verdict.kind is (VerdictKind.PASS if named == right else VerdictKind.FAIL)
