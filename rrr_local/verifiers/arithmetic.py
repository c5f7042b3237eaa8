"""Judge an arithmetic answer without executing anything.

    reply ── last <answer>…</answer> ── bounded ASCII expression ── syntax tree ── numbers used, exact value ── verdict

Every step is bounded before it starts, so no time limit is needed: the tags are searched in the reply's last `TAIL`
characters, the expression has at most `LONGEST` characters and `MOST_SIGNS` signs, and with + - * / a value never has
many more digits than the expression. Values are fractions: `1 / 3 * 3` is 1, and there is no tolerance to exploit.
"""

from __future__ import annotations

import ast
import operator
import re
from collections import Counter
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Final

from rrr_local.episode import Verdict, VerdictKind

OPEN, CLOSE = "<answer>", "</answer>"
TAIL = 100_000
"""Characters of a reply that are searched, from its end."""
LONGEST = 512
"""Characters an expression may have."""
MOST_SIGNS = 64
"""Signs and opening parentheses an expression may have; bounds the depth of its tree."""

OPERATIONS: Final[dict[type[ast.operator], Callable[[Fraction, Fraction], Fraction]]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
FORBIDDEN: Final[dict[type[ast.operator], str]] = {ast.Pow: "**", ast.FloorDiv: "//"}

SPACES = str.maketrans("\t\r\n", "   ")
STRANGE = re.compile(r"[^0-9+\-*/().= ]")
NO_SIGN_BETWEEN = re.compile(r"[0-9.)] *\(|\) *[0-9.]|[0-9.] +[0-9.]")
LEADING_ZERO = re.compile(r"(?<![0-9.])0[0-9]+")
NUMBER = re.compile(r"[0-9]+")


class _Unreadable(Exception):
    """The answer is no expression; the message is the reason."""


class _RuleBroken(Exception):
    """The answer is an expression that breaks a rule; the message is the reason."""


def judge_countdown(reply: str, numbers: Sequence[int], target: int) -> Verdict:
    """Judge the last complete `<answer>` of a reply: every number used exactly once under + - * /, equal to the target.

    Parentheses and unary minus are allowed. An expression that breaks a rule fails, and so does one with `= 24` after
    it; what is no expression is unparsed. Problems with the numbers are named before a wrong value. Never raises for
    any reply, and takes well under a millisecond. `numbers` are not negative.
    """
    answer = last_answer(reply)
    if answer is None:
        return Verdict(VerdictKind.UNPARSED, _why_no_answer(reply))
    if len(answer) > LONGEST:
        return Verdict(VerdictKind.UNPARSED, "the answer is too long", answer[:LONGEST])
    text = answer.translate(SPACES).strip(" ")
    try:
        tree = _parse(text)
        _check_rules(tree, text)
        _check_numbers(text, numbers)
        value = _value(tree)
    except _Unreadable as reason:
        return Verdict(VerdictKind.UNPARSED, str(reason), answer)
    except _RuleBroken as reason:
        return Verdict(VerdictKind.FAIL, str(reason), answer)
    except ZeroDivisionError:
        return Verdict(VerdictKind.FAIL, "divides by zero", answer)
    if value != target:
        return Verdict(VerdictKind.FAIL, f"equals {_short(value)}, not {target}", answer)
    return Verdict(VerdictKind.PASS, f"equals {target}", answer)


def last_answer(reply: str) -> str | None:
    """What the last complete `<answer>…</answer>` holds, or None. Of nested openings the innermost counts."""
    tail = reply[-TAIL:]
    last_close = tail.rfind(CLOSE)
    start = tail.rfind(OPEN, 0, max(last_close, 0))
    if start < 0:
        return None
    start += len(OPEN)
    return tail[start : tail.index(CLOSE, start)]


def _why_no_answer(reply: str) -> str:
    if OPEN in reply[-TAIL:]:
        return "the <answer> is not closed"
    return "no <answer> found" if len(reply) <= TAIL else f"no <answer> found in the last {TAIL:,} characters"


def _parse(text: str) -> ast.expr:
    """The expression's tree. What is wrong is said in our words: Python's differ between versions."""
    if not text:
        raise _Unreadable("the answer is empty")
    if strange := STRANGE.search(text):
        raise _Unreadable(f"not an expression: {_quoted(strange[0])} is not allowed")
    if sum(map(text.count, "+-*/(")) > MOST_SIGNS:
        raise _Unreadable("the answer is too long")
    if "=" in text:
        raise _RuleBroken(f"write only the expression, without {_quoted(text[text.index('=') :])}")
    if not _balanced(text):
        raise _Unreadable("not an expression: the parentheses do not match")
    if NO_SIGN_BETWEEN.search(text):
        raise _Unreadable("not an expression: a sign is missing between two numbers")
    if zero := LEADING_ZERO.search(text):
        raise _Unreadable(f"not an expression: {_short(zero[0])} starts with a zero")
    try:
        return ast.parse(text, mode="eval").body
    except SyntaxError:
        raise _Unreadable("not an expression: a number is missing") from None


def _check_rules(tree: ast.expr, text: str) -> None:
    """Raises unless the tree is whole numbers under + - * / and unary minus."""
    for node in ast.walk(tree):
        match node:
            case ast.BinOp(op=sign) if type(sign) in FORBIDDEN:
                raise _RuleBroken(f"'{FORBIDDEN[type(sign)]}' is not allowed")
            case ast.UnaryOp(op=ast.UAdd()):
                raise _RuleBroken("a '+' before a number is not allowed")
            case ast.Constant(value=float()):
                raise _RuleBroken(f"{_short(text[node.col_offset : node.end_col_offset])} is not a whole number")
            case ast.BinOp() | ast.UnaryOp() | ast.Constant(value=int()) | ast.operator() | ast.unaryop():
                pass
            case _:
                raise _Unreadable("not an expression: a number is missing")


def _check_numbers(text: str, numbers: Sequence[int]) -> None:
    """Raises the first problem: a number used that is not there (so often), as written, else one left over."""
    used, given = Counter(NUMBER.findall(text)), Counter(map(str, numbers))
    for number, times in used.items():
        if number not in given:
            raise _RuleBroken(f"used {_short(number)}, which is not one of the numbers")
        if times > given[number]:
            raise _RuleBroken(f"used {number} {_times(times)}")
    for number, times in given.items():
        if number not in used:
            raise _RuleBroken(f"did not use {number}")
        if used[number] < times:
            raise _RuleBroken(f"used {number} only {_times(used[number])}")


def _value(node: ast.expr) -> Fraction:
    """The exact value of a tree that keeps the rules. Raises `ZeroDivisionError`."""
    match node:
        case ast.Constant(value=int(number)):
            return Fraction(number)
        case ast.UnaryOp(operand=operand):
            return -_value(operand)
        case ast.BinOp(left=left, op=sign, right=right):
            return OPERATIONS[type(sign)](_value(left), _value(right))
    raise AssertionError(f"{node} passed the rules")


def _balanced(text: str) -> bool:
    depth = 0
    for character in text:
        depth += (character == "(") - (character == ")")
        if depth < 0:
            return False
    return depth == 0


def _times(count: int) -> str:
    words = ("never", "once", "twice", "three times", "four times")
    return words[count] if count < len(words) else "too often"


def _quoted(text: str) -> str:
    return f"'{_short(text)}'" if text.isprintable() else f"U+{ord(text[0]):04X}"


def _short(value: Fraction | str) -> str:
    text = str(value)
    return text if len(text) <= 24 else f"{text[:20]}…"
