"""The checks of text: exact, contains, regex, countdown."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from rrr_local.episode import Verdict, VerdictKind
from rrr_local.errors import UsageError
from rrr_local.verifiers.checks import make_check
from rrr_local.verifiers.regex_check import MOST_REPEATS, pattern_problem

WORDS = st.text(st.characters(codec="utf-8", exclude_characters="<>{}\\"), min_size=1, max_size=30).filter(
    lambda text: text.strip() == text and len(text.splitlines()) == 1
)


def judge(kind: str, reply: str, answer: object, **options: object) -> Verdict:
    check = make_check({"kind": kind, **options}, Path())
    check.check_row({"answer": answer})
    return check.judge(reply, {"answer": answer})


# --- exact ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "answer", "options", "kind"),
    [
        ("Paris", "Paris", {}, "pass"),
        (" Paris\n", "Paris", {}, "pass"),
        ("Paris", " Paris ", {}, "pass"),
        ("It is this:\nParis", "Paris", {}, "pass"),
        ("<answer>Paris</answer>, not London", "Paris", {}, "pass"),
        ("\\boxed{Paris}", "Paris", {}, "pass"),
        ("\\boxed{\\text{Paris}}", "Paris", {}, "pass"),
        ("Cafe\u0301", "Café", {}, "pass"),
        ("24", 24, {}, "pass"),
        ("true", True, {}, "pass"),
        ("Paris", ["London", "Paris"], {}, "pass"),
        ("Paris", "London|Paris", {"separator": "|"}, "pass"),
        ("PARIS", "Paris", {"ignore_case": True}, "pass"),
        ("straße", "STRASSE", {"ignore_case": True}, "pass"),
        ("Paris", "London|Paris", {}, "fail"),
        ("PARIS", "Paris", {}, "fail"),
        ("Paris.", "Paris", {}, "fail"),
        ("It is Paris", "Paris", {}, "fail"),
        ("Pa ris", "Paris", {}, "fail"),
        ("<answer>It is this:\nParis</answer>", "Paris", {}, "fail"),
        ("<answer> Paris</answer>", "  Paris", {"strip": False}, "fail"),
        ("24.0", 24, {}, "fail"),
        ("Раris", "Paris", {}, "fail"),
    ],
)
def test_exact(reply: str, answer: object, options: dict[str, object], kind: str) -> None:
    assert judge("exact", reply, answer, **options).kind is VerdictKind(kind)


def test_exact_names_what_was_expected() -> None:
    assert judge("exact", "Rome", ["London", "Paris"]).reason == "the answer is 'Rome', not 'London' or 'Paris'"


@given(WORDS, WORDS)
def test_exact_passes_the_same_text_and_no_other(text: str, other: str) -> None:
    assert judge("exact", f"Well.\n{text}", text).passed
    assert judge("exact", f"<answer> {text} </answer>", text).passed
    assume(unicodedata.normalize("NFC", text) != unicodedata.normalize("NFC", other))
    assert judge("exact", other, text).kind is VerdictKind.FAIL


@pytest.mark.parametrize("kind", ["exact", "contains"])
@pytest.mark.parametrize("value", [{"a": 1}, [], [None], ["a", ""], "   ", [["a"]], "x" * 20_000])
def test_a_row_without_texts_is_refused(kind: str, value: object) -> None:
    with pytest.raises(UsageError, match=r"the column 'answer'"):
        make_check({"kind": kind}, Path()).check_row({"answer": value})


# --- contains -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "answer", "options", "kind", "reason"),
    [
        ("It is Paris.", "Paris", {}, "pass", "'Paris' is in the answer"),
        ("It is PARIS.", "Paris", {}, "fail", "'Paris' is not in the answer"),
        ("It is PARIS.", "Paris", {"ignore_case": True}, "pass", "'Paris' is in the answer"),
        ("Paris and Rome", ["Paris", "Rome"], {}, "pass", "'Paris' and all the rest is in the answer"),
        ("Paris", ["Paris", "Rome"], {}, "fail", "'Rome' is not in the answer"),
        ("Rome", ["Paris", "Rome"], {"match": "any"}, "pass", "'Rome' is in the answer"),
        ("Rome", "Paris; Rome", {"match": "any", "separator": ";"}, "pass", "'Rome' is in the answer"),
        ("Bern", ["Paris", "Rome"], {"match": "any"}, "fail", "none of 2 texts is in the answer"),
        ("Paris, not Rome", "Paris", {"without": ["Rome", "Bern"]}, "fail", "'Rome' is in the answer"),
        ("Paris", "Paris", {"without": "Rome"}, "pass", "'Paris' is in the answer"),
        ("Paris <answer>Rome</answer>", "Paris", {}, "fail", "'Paris' is not in the answer"),
        ("concatenate", "cat", {}, "pass", "'cat' is in the answer"),
    ],
)
def test_contains(reply: str, answer: object, options: dict[str, object], kind: str, reason: str) -> None:
    verdict = judge("contains", reply, answer, **options)
    assert (verdict.kind, verdict.reason) == (VerdictKind(kind), reason)


@given(st.lists(WORDS, min_size=1, max_size=4), st.randoms())
def test_contains_finds_texts_in_any_order_and_misses_one_that_is_gone(texts: list[str], rng: object) -> None:
    assert judge("contains", " / ".join(reversed(texts)), texts).passed
    rest = " / ".join(texts[1:])
    assume(rest and texts[0] not in unicodedata.normalize("NFC", rest) and unicodedata.is_normalized("NFC", texts[0]))
    assert judge("contains", rest, texts).kind is VerdictKind.FAIL


# --- regex ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "pattern", "options", "kind"),
    [
        ("It is #ff0000.", "#[0-9a-f]{6}", {}, "pass"),
        ("It is #FF0000.", "#[0-9a-f]{6}", {}, "fail"),
        ("It is #FF0000.", "#[0-9a-f]{6}", {"ignore_case": True}, "pass"),
        ("It is #ff0000.", "#[0-9a-f]{6}", {"match": "full"}, "fail"),
        (" #ff0000\n", "#[0-9a-f]{6}", {"match": "full"}, "pass"),
        ("a\n24\nb", "^24$", {}, "fail"),
        ("a\n24\nb", "^24$", {"multiline": True}, "pass"),
        ("<answer>no</answer> #ff0000", "#[0-9a-f]{6}", {}, "fail"),
        ("abba", r"(.)(.)\2\1", {}, "pass"),
        ("24", r"(?<!1)4", {}, "pass"),
    ],
)
def test_regex(reply: str, pattern: str, options: dict[str, object], kind: str) -> None:
    assert judge("regex", reply, pattern, **options).kind is VerdictKind(kind)
    fixed = make_check({"kind": "regex", "pattern": pattern, **options}, Path())
    assert fixed.judge(reply, {}).kind is VerdictKind(kind)


@pytest.mark.parametrize(("pattern", "reply"), [("^(a|aa)+$", "a" * 60 + "!"), ("^(.*?,){11}P", "1," * 40 + "x")])
def test_a_pattern_that_takes_too_long_is_an_error_of_the_check(pattern: str, reply: str) -> None:
    verdict = judge("regex", reply, pattern)
    assert (verdict.kind, verdict.reason) == (VerdictKind.ERROR, "the pattern took longer than 0.25 s")


@pytest.mark.parametrize(
    "pattern",
    ["(", "[", "a{2,1}", "(?P<a>x)(?P<a>y", "*", "(?<=a", "(" * 900 + ")" * 900, "\\", 24, ["a"]],
)
def test_a_row_with_a_bad_pattern_is_refused(pattern: object) -> None:
    with pytest.raises(UsageError, match=r"the column 'answer'"):
        make_check({"kind": "regex"}, Path()).check_row({"answer": pattern})


@pytest.mark.parametrize(
    "pattern",
    [
        "((a{1000}){1000}){1000}",
        "(?:(?:ab){1000}){1000}",
        "(([)]a{1000}){1000}){1000}",
        "([(](ab){1000}[(]){1000}[)][)]",
        "(?#()((ab){1000}){1000}",
        "(?x)((ab){1000}#)\n){1000}",
        "(?V1)([[a](](ab){1000}[[a](]){1000}[[a])][[a])]",
        "(?:ab){99999999999999999999}",
    ],
)
def test_a_pattern_that_would_fill_the_memory_is_not_compiled(pattern: str) -> None:
    assert pattern_problem(pattern) == f"repeats too much: at most {MOST_REPEATS:,} in all"


@pytest.mark.parametrize(
    "pattern",
    [r"\w{1,64}@\w{1,255}\.\w{2,63}", r"[(]?\d{3}[)]?[-. ]?\d{3}[-. ]?\d{4}", "a{5000}", r"(\d{1,3}\.){3}\d{1,3}"],
)
def test_an_ordinary_pattern_is_compiled(pattern: str) -> None:
    assert pattern_problem(pattern) == ""


# --- countdown ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "numbers", ["3 7 18", "3, 7, 18", "3;7;18", "[3, 7, 18]", " 3  7\t18 ", [3, 7, 18], ["3", 7.0, 18]]
)
@pytest.mark.parametrize("target", [39, "39", 39.0, "39.0", " 39 "])
def test_countdown_reads_numbers_and_target_as_people_write_them(numbers: object, target: object) -> None:
    check = make_check({"kind": "countdown", "numbers": "my numbers", "target": "goal"}, Path())
    row = {"my numbers": numbers, "goal": target}
    check.check_row(row)
    assert check.judge("<answer>3 * 7 + 18</answer>", row).passed
    assert check.judge("<answer>18 + 7 * 3</answer>", row).passed
    assert check.judge("<answer>3 + 7 + 18</answer>", row).reason == "equals 28, not 39"
    assert check.judge("39", row).kind is VerdictKind.UNPARSED


@pytest.mark.parametrize(
    "row",
    [
        {"numbers": "3 and 7", "target": 10},
        {"numbers": "", "target": 10},
        {"numbers": [], "target": 10},
        {"numbers": [3, -7], "target": 10},
        {"numbers": [3, True], "target": 10},
        {"numbers": [3, 7.5], "target": 10},
        {"numbers": "٣ ٧", "target": 10},
        {"numbers": "1 " * 17, "target": 10},
        {"numbers": " " * 500_000, "target": 10},
        {"numbers": [10**9], "target": 10},
        {"numbers": 37, "target": 10},
        {"numbers": [3, 7], "target": 10.5},
        {"numbers": [3, 7], "target": True},
        {"numbers": [3, 7], "target": "ten"},
        {"numbers": [3, 7], "target": 1e300},
        {"numbers": [3, 7], "target": None},
    ],
)
def test_a_row_that_is_no_puzzle_is_refused(row: dict[str, object]) -> None:
    with pytest.raises(UsageError, match=r"the column '(numbers|target)'"):
        make_check({"kind": "countdown"}, Path()).check_row(row)
