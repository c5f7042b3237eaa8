"""The arithmetic verifier: reasons people read, answers that attack it, and properties of right answers."""

from __future__ import annotations

import ast
import random
import re
import time
from collections.abc import Sequence
from itertools import combinations, product
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from rrr_local.episode import VerdictKind
from rrr_local.verifiers import arithmetic
from rrr_local.verifiers.arithmetic import LONGEST, TAIL, judge_countdown, last_answer

PASS, FAIL, UNPARSED = VerdictKind.PASS, VerdictKind.FAIL, VerdictKind.UNPARSED


def answered(expression: str) -> str:
    return f"Let me see. <answer>{expression}</answer>"


@pytest.mark.parametrize(
    ("expression", "numbers", "target"),
    [
        ("3 + 4", [3, 4], 7),
        ("(3+4)*2", [2, 3, 4], 14),
        (" 4 - 3 ", [3, 4], 1),
        ("3 - 4", [3, 4], -1),
        ("-3 + 4", [3, 4], 1),
        ("4 - -3", [3, 4], 7),
        ("-(3 - 4)", [3, 4], 1),
        ("8 / (3 - 8 / 3)", [3, 3, 8, 8], 24),
        ("1 / 3 * 3", [1, 3, 3], 1),
        ("4 * 4", [4, 4], 16),
        ("0 * 5", [0, 5], 0),
        ("3\n+\r\n4\t", [3, 4], 7),
        ("((((((((((3))))))))))+4", [3, 4], 7),
    ],
)
def test_an_exact_answer_passes(expression: str, numbers: list[int], target: int) -> None:
    verdict = judge_countdown(answered(expression), numbers, target)
    assert (verdict.kind, verdict.reason, verdict.answer) == (PASS, f"equals {target}", expression)


@pytest.mark.parametrize(
    ("expression", "numbers", "reason"),
    [
        ("25 + 4", [4, 25], "equals 29, not 24"),
        ("7 / 2", [2, 7], "equals 7/2, not 24"),
        ("3 - 7", [3, 7], "equals -4, not 24"),
        ("24 + 1 / 999999999", [1, 24, 999999999], "equals 23999999977/999999999, not 24"),
        ("4 * 4 + 8", [4, 8], "used 4 twice"),
        ("4 + 4 + 4 + 12", [4, 12], "used 4 three times"),
        ("4 + 4 + 4 + 12", [4, 4, 12], "used 4 three times"),
        ("4 + 20", [4, 4, 20], "used 4 only once"),
        ("20 + 4", [4, 7, 20], "did not use 7"),
        ("5 + 19", [4, 19], "used 5, which is not one of the numbers"),
        ("6 * 4 + 5 * 0", [4, 6], "used 5, which is not one of the numbers"),
        ("24", [4, 6], "used 24, which is not one of the numbers"),
        ("24 + 5", [4, 5, 6], "used 24, which is not one of the numbers"),
        ("4 / (4 - 4)", [4, 4, 4], "divides by zero"),
        ("4 / 0", [4, 7, 0], "did not use 7"),
        ("2 ** 3", [2, 3], "'**' is not allowed"),
        ("7 // 2", [7, 2], "'//' is not allowed"),
        ("1.5 * 16", [1, 5, 16], "1.5 is not a whole number"),
        ("3. + 4", [3, 4], "3. is not a whole number"),
        (".5 + 4", [4, 5], ".5 is not a whole number"),
        ("+3 + 4", [3, 4], "a '+' before a number is not allowed"),
        ("4 * 6 = 24", [4, 6], "write only the expression, without '= 24'"),
        ("4 * 6 == 24", [4, 6], "write only the expression, without '== 24'"),
        ("=24", [4, 6], "write only the expression, without '=24'"),
        ("9" * 400, [4, 6], f"used {'9' * 20}…, which is not one of the numbers"),
    ],
)
def test_an_expression_that_breaks_a_rule_fails_with_its_first_reason(
    expression: str, numbers: list[int], reason: str
) -> None:
    verdict = judge_countdown(answered(expression), numbers, 24)
    assert (verdict.kind, verdict.reason) == (FAIL, reason)


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ("", "no <answer> found"),
        ("4 * 6 is 24", "no <answer> found"),
        ("4 * 6</answer>", "no <answer> found"),
        ("<Answer>4 * 6</Answer>", "no <answer> found"),
        ("<answer>4 * 6", "the <answer> is not closed"),
        ("</answer><answer>4 * 6", "the <answer> is not closed"),
        (answered(""), "the answer is empty"),
        (answered(" \n "), "the answer is empty"),
        (answered("4 × 6"), "not an expression: '×' is not allowed"),
        (answered("48 ÷ 2"), "not an expression: '÷' is not allowed"),
        (answered("30 − 6"), "not an expression: '−' is not allowed"),
        (answered("4\u00a0*\u00a06"), "not an expression: U+00A0 is not allowed"),
        (answered("4 % 6"), "not an expression: '%' is not allowed"),
        (answered("four times six"), "not an expression: 'f' is not allowed"),
        (answered("2 4"), "not an expression: a sign is missing between two numbers"),
        (answered("4\n6"), "not an expression: a sign is missing between two numbers"),
        (answered("4 (6)"), "not an expression: a sign is missing between two numbers"),
        (answered("(4)(6)"), "not an expression: a sign is missing between two numbers"),
        (answered("(4) 6"), "not an expression: a sign is missing between two numbers"),
        (answered("(4 * 6"), "not an expression: the parentheses do not match"),
        (answered("4) * (6"), "not an expression: the parentheses do not match"),
        (answered("4 * * 6"), "not an expression: a number is missing"),
        (answered("4 *"), "not an expression: a number is missing"),
        (answered("()"), "not an expression: a number is missing"),
        (answered("..."), "not an expression: a number is missing"),
        (answered("1.2.3"), "not an expression: a number is missing"),
        (answered("04 * 6"), "not an expression: 04 starts with a zero"),
        (answered("4*6" + " " * LONGEST), "the answer is too long"),
    ],
)
def test_what_is_no_expression_is_unparsed_with_its_reason(reply: str, reason: str) -> None:
    verdict = judge_countdown(reply, [4, 6], 24)
    assert (verdict.kind, verdict.reason) == (UNPARSED, reason)


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        ("<answer>1</answer> no, <answer>2</answer>", "2"),
        ("<answer>1</answer> or <answer>2", "1"),
        ("<answer>1 <answer>2</answer>", "2"),
        ("<answer><answer>1</answer></answer>", "1"),
        ("<answer>1</answer></answer>", "1"),
        ("<answer>1</answer>2</answer>", "1"),
        ("<answer></answer>", ""),
        ("</answer><answer>", None),
        ("<answer>1<answer>", None),
        ("<ans<answer>wer>1</answer>", "wer>1"),
    ],
)
def test_the_last_complete_answer_counts(reply: str, answer: str | None) -> None:
    assert last_answer(reply) == answer


def test_only_the_end_of_an_endless_reply_is_read() -> None:
    assert judge_countdown("x" * TAIL + answered("4 * 6"), [4, 6], 24).passed
    buried = judge_countdown(answered("4 * 6") + "x" * TAIL, [4, 6], 24)
    assert (buried.kind, buried.reason) == (UNPARSED, "no <answer> found in the last 100,000 characters")


HOSTILE = {
    "power tower": (answered("9**9**9"), FAIL),
    "power": (answered("2**3"), FAIL),
    "floor division": (answered("7//2"), FAIL),
    "decimal": (answered("1.5"), FAIL),
    "unicode digits": (answered("٤ * ٦"), UNPARSED),
    "full-width digits": (answered("４*６"), UNPARSED),
    "underscored": (answered("4_0"), UNPARSED),
    "hexadecimal": (answered("0x18"), UNPARSED),
    "exponent": (answered("1e9"), UNPARSED),
    "complex": (answered("4j*6"), UNPARSED),
    "nan": (answered("NaN"), UNPARSED),
    "import": (answered("__import__('os').system('exit')"), UNPARSED),
    "calls": (answered("f(" * 60 + ")" * 60), UNPARSED),
    "comparison": (answered("4*6 if 1 else 0"), UNPARSED),
    "comment": (answered("4*6 # 24"), UNPARSED),
    "statement": (answered("4*6\n\n4*6"), UNPARSED),
    "NUL": (answered("4*\x006"), UNPARSED),
    "lone surrogate": (answered("4*\ud8006"), UNPARSED),
    "in two pieces": ("<answer>4 *</answer><answer>6</answer>", FAIL),
    "nested tags": ("<answer>" * 50 + "4*6" + "</answer>" * 50, PASS),
    "nested parentheses": (answered("(" * 60 + "4*6" + ")" * 60), PASS),
    "nested and wrong": (answered("(" * 60 + "4*" + ")" * 60), UNPARSED),
    "a megabyte of parentheses": (answered("(" * 500_000 + "4*6" + ")" * 500_000), UNPARSED),
    "a megabyte of openings": (answered("(" * 1_000_000), UNPARSED),
    "most signs": (answered("-" * 63 + "4*6"), FAIL),
    "too many signs": (answered("-" * 400 + "4*6"), UNPARSED),
    "long sum": (answered("1+" * 64 + "1"), FAIL),
    "long quotient": (answered("9999999/" * 63 + "9"), FAIL),
    "500 digits": (answered("9" * 500), FAIL),
    "5,000 digits": (answered("9" * 5000), UNPARSED),
    "a megabyte of zeros": (answered("4*6" + "0" * 1_000_000), UNPARSED),
    "10 MB": ("4 * 6 " * 1_700_000, UNPARSED),
    "10 MB of emoji": ("😀" * 10_000_000 + answered("4*6"), PASS),
    "openings": ("<answer>" * 100_000, UNPARSED),
    "closings": ("</answer>" * 100_000, UNPARSED),
    "openings, then closings": ("<answer>" * 100_000 + "</answer>" * 100_000, UNPARSED),
    "closings, then openings": ("</answer>" * 100_000 + "<answer>" * 100_000, UNPARSED),
    "empty answers": ("<answer></answer>" * 100_000, UNPARSED),
    "half tags": ("<answer" * 100_000 + "</answer" * 100_000, UNPARSED),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_answer_gets_its_verdict_within_5_ms(name: str) -> None:
    reply, kind = HOSTILE[name]
    seconds = []
    for _ in range(5):
        started = time.perf_counter()
        verdict = judge_countdown(reply, [4, 6], 24)
        seconds.append(time.perf_counter() - started)
        assert verdict.kind is kind, verdict.reason
        assert 0 < len(verdict.reason) < 100
        assert len(verdict.answer or "") <= LONGEST
    assert min(seconds) < 0.005


def test_the_verifier_cannot_execute_text() -> None:
    tree = ast.parse(Path(arithmetic.__file__).read_text(encoding="utf-8"))
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    assert "judge_countdown" in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    assert not names & {"eval", "exec", "compile", "__import__", "getattr", "globals", "open"}


def solve(terms: Sequence[tuple[str, int]], target: int) -> str | None:
    """A solution with steps of positive integers, fully parenthesised, by brute force."""
    if len(terms) == 1:
        return terms[0][0] if terms[0][1] == target else None
    for i, j in combinations(range(len(terms)), 2):
        rest = [term for k, term in enumerate(terms) if k not in (i, j)]
        for step in combine(terms[i], terms[j]):
            if (found := solve([*rest, step], target)) is not None:
                return found
    return None


def combine(a: tuple[str, int], b: tuple[str, int]) -> list[tuple[str, int]]:
    (low, x), (high, y) = sorted((a, b), key=lambda term: term[1])
    found = [(f"({high}+{low})", y + x), (f"({high}*{low})", y * x), (f"({high}-{low})", y - x)]
    return found + ([(f"({high}/{low})", y // x)] if x and y % x == 0 else [])


@st.composite
def solved(draw: st.DrawFn) -> tuple[list[int], int, str]:
    """Numbers, a target they reach, and an expression that reaches it, found by the brute-force solver."""
    numbers = draw(st.lists(st.integers(1, 99), min_size=2, max_size=4))
    random_order = random.Random(draw(st.integers(0, 2**32)))
    terms = [(str(n), n) for n in numbers]
    while len(terms) > 1:
        random_order.shuffle(terms)
        terms[:2] = [random_order.choice(combine(terms[0], terms[1]))]
    target = terms[0][1]
    solution = solve([(str(n), n) for n in numbers], target)
    assert solution is not None
    return numbers, target, solution


@st.composite
def redressed(draw: st.DrawFn, expression: str) -> str:
    """The same expression with white space between its tokens and redundant parentheses around its numbers."""
    tokens: list[str] = []
    for character in expression:
        if character.isdigit() and tokens and tokens[-1].isdigit():
            tokens[-1] += character
        else:
            tokens.append(character)
    space = st.text(" \t\r\n", max_size=2)
    dressed = [f"({t})" if t.isdigit() and draw(st.booleans()) else t for t in tokens]
    return "".join(draw(space) + t for t in dressed) + draw(space)


@given(st.data(), solved())
def test_every_right_solution_passes_however_it_is_written(
    data: st.DataObject, problem: tuple[list[int], int, str]
) -> None:
    numbers, target, solution = problem
    expression = data.draw(redressed(solution))
    assert judge_countdown(answered(expression), numbers, target).passed
    assert judge_countdown(answered(expression), sorted(numbers), target).passed


@given(solved(), st.integers(-1000, 1000))
def test_another_target_never_passes(problem: tuple[list[int], int, str], target: int) -> None:
    numbers, right, solution = problem
    assume(target != right)
    assert judge_countdown(answered(solution), numbers, target).reason == f"equals {right}, not {target}"


@given(solved(), st.data())
def test_other_numbers_never_pass(problem: tuple[list[int], int, str], data: st.DataObject) -> None:
    numbers, target, solution = problem
    place = data.draw(st.sampled_from(range(len(numbers))))
    other = data.draw(st.integers(0, 120).filter(lambda n: n != numbers[place]))
    changed = [*numbers[:place], other, *numbers[place + 1 :]]
    assert judge_countdown(answered(solution), changed, target).kind is FAIL
    assert judge_countdown(answered(solution), [*numbers, other], target).kind is FAIL
    assert judge_countdown(answered(solution), [*numbers[:place], *numbers[place + 1 :]], target).kind is FAIL


ANYTHING = st.text(st.characters(codec=None, exclude_categories=()))


@given(ANYTHING | st.lists(st.sampled_from(["<answer>", "</answer>", "4", "6", "*", "(", ")", " ", "."])).map("".join))
def test_no_text_makes_the_verifier_raise(text: str) -> None:
    assert judge_countdown(text, [4, 6], 24).kind in (PASS, FAIL, UNPARSED)


def right_by_python(expression: str) -> bool:
    """Oracle: Python's own value of an expression of 4 and 6, with what we forbid taken out."""
    if sorted(re.findall("[0-9]+", expression)) != ["4", "6"] or re.search(r"\*\*|//|(^|[-+*/(])\+", expression):
        return False
    try:
        return bool(eval(expression) == 24)
    except (SyntaxError, TypeError, ZeroDivisionError):
        return False


@pytest.mark.filterwarnings("ignore::SyntaxWarning")
def test_every_short_expression_is_judged_as_python_would() -> None:
    expressions = ["".join(signs) for length in range(6) for signs in product("46+-*/()", repeat=length)]
    passed = [e for e in expressions if judge_countdown(f"<answer>{e}</answer>", [4, 6], 24).passed]
    assert passed == [e for e in expressions if right_by_python(e)]
    assert {"4*6", "(6*4)", "-4*-6"} <= set(passed)
