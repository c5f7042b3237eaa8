"""Replies that are Python: found, run in the sandbox, and judged by the row's tests."""
# A program is one line of a table.
# ruff: noqa: E501

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rrr_local.episode import VerdictKind
from rrr_local.errors import UsageError
from rrr_local.verifiers.checks import make_check
from rrr_local.verifiers.code import CodeCheck, code_in
from rrr_local.verifiers.sandbox import process
from rrr_local.verifiers.sandbox.base import Execution, Limits, Outcome, Sandbox
from rrr_local.verifiers.sandbox.choose import Both
from rrr_local.verifiers.sandbox.monty import MontySandbox
from rrr_local.verifiers.sandbox.process import ProcessSandbox
from tests.verifiers.hostile_replies import hostile_replies

needs_walls = pytest.mark.skipif(process.why_not() is not None, reason=f"no walls here: {process.why_not()}")
ROW: dict[str, object] = {"tests": ["assert double(2) == 4", "assert double(0) == 0"]}
DOUBLE = "def double(x):\n    return 2 * x\n"
SANDBOXES = [pytest.param(ProcessSandbox(), marks=needs_walls, id="process"), pytest.param(MontySandbox(), id="monty")]


def fenced(code: str, language: str = "python") -> str:
    return f"Here it is:\n```{language}\n{code}\n```\nDone."


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (fenced("x = 1"), "x = 1"),
        (fenced("x = 1", "py"), "x = 1"),
        (fenced("x = 1", ""), "x = 1"),
        (fenced("x = 1") + fenced("x = 2"), "x = 2"),
        (fenced("x = 1") + fenced("ls", "bash"), "x = 1"),
        ("<answer>x = 1</answer>", "x = 1"),
        (f"<answer>\n{fenced('x = 1')}\n</answer>", "x = 1"),
        ("def f():\n    return 1", "def f():\n    return 1"),
        ("x = 1", "x = 1"),
        ("I do not know.", None),
        ("", None),
        ("```python\nx = 1", None),
        ("```python\n\n```", None),
        ("<answer> </answer>", None),
    ],
)
def test_the_code_of_a_reply(reply: str, code: str | None) -> None:
    assert code_in(reply) == code


@pytest.mark.parametrize("provider", ["monty", pytest.param("auto", marks=needs_walls)])
def test_every_hostile_reply_ends_in_a_verdict_and_reaches_nothing(provider: str, tmp_path: Path) -> None:
    sentinel = tmp_path / "sentinel"
    check = CodeCheck(provider=provider, seconds=0.5)
    for attack, reply in hostile_replies(sentinel).items():
        assert not check.judge(reply, ROW).passed, attack
        assert not sentinel.exists(), attack


@given(st.text(alphabet="`\n<answer>/ pyx=1", max_size=200))
def test_any_text_has_code_or_none(text: str) -> None:
    found = code_in(text)
    assert found is None or found.strip()


@pytest.mark.parametrize("provider", ["auto", "monty", pytest.param("process", marks=needs_walls)])
def test_right_wrong_and_missing_code(provider: str) -> None:
    check = CodeCheck(provider=provider)
    good = check.judge(fenced(DOUBLE), ROW)
    assert (good.kind, good.reason, good.answer) == (VerdictKind.PASS, "2 tests hold", DOUBLE)
    bad = check.judge(fenced("def double(x): return x"), ROW)
    assert (bad.kind, bad.reason) == (VerdictKind.FAIL, "assert double(2) == 4: double(2) gave 2")
    assert check.judge("It doubles.", ROW).kind is VerdictKind.UNPARSED
    assert check.judge(fenced("def double(x:"), ROW).kind is VerdictKind.FAIL
    assert check.judge(fenced("def triple(x): return x"), ROW).kind is VerdictKind.FAIL
    assert check.judge(fenced("def double(x): raise ValueError('no')"), ROW).reason.endswith("ValueError: no")


@pytest.mark.parametrize("provider", ["monty", pytest.param("process", marks=needs_walls)])
def test_code_that_does_not_end_is_a_timeout(provider: str) -> None:
    verdict = CodeCheck(provider=provider, seconds=0.7).judge("def double(x):\n    while True: pass", ROW)
    assert (verdict.kind, verdict.reason) == (VerdictKind.TIMEOUT, "the code took longer than 0.7 s")


@pytest.mark.parametrize("sandbox", SANDBOXES)
@pytest.mark.parametrize(
    ("code", "tests"),
    [
        ("def f(x): return [x, (x, x), {x}, {x: None}, 1.5, 'ü', b'0', True]", ["assert f(1) == [1, (1, 1), {1}, {1: None}, 1.5, 'ü', b'0', True]"]),
        ("def f(x): return 2 ** x", ["assert f(10000) == 2 ** 10000", "assert f(-1) == 0.5"]),
        ("def f(a, *b, c=0): return [a, list(b), c]", ["assert f(1, 2, 3, c=4) == [1, [2, 3], 4]"]),
        ("from collections import Counter\ndef f(s): return Counter(s)", ["assert f('aab') == {'a': 2, 'b': 1}"]),
        ("LIMIT = 3\ndef f(): return LIMIT", ["assert f() == LIMIT == 3"]),
        ("def f(x):\n    if x < 0: raise ValueError('negative')\n    return x", ["try:\n    f(-1)\nexcept ValueError as error:\n    assert str(error) == 'negative'\nelse:\n    assert False"]),
        ("def f(i): return i * i", ["assert all(f(i) == i ** 2 for i in range(20))", "assert sum(f(i) for i in range(3)) == 5"]),
        ("def double(x): return 2 * x", ["assert list(map(double, [1, 2])) == [2, 4]"]),
        ("def add(a, b): return a + b", ["def check(candidate):\n    assert candidate(1, 2) == 3", "check(add)"]),
    ],
)  # fmt: skip
def test_what_tests_may_do_in_every_sandbox(sandbox: Sandbox, code: str, tests: list[str]) -> None:
    done = sandbox.run(code, tests, Limits())
    if isinstance(sandbox, MontySandbox) and tests[-1] in ("check(add)", "assert list(map(double, [1, 2])) == [2, 4]"):
        assert done.outcome is Outcome.BROKEN  # monty cannot hand a function over, and says so
    else:
        assert done == Execution(Outcome.PASSED, "1 test holds" if len(tests) == 1 else f"{len(tests)} tests hold")


STACK = "class Stack:\n    def __init__(self): self.items = []\n    def push(self, x): self.items.append(x)\n    def pop(self): return self.items.pop()\n    def __len__(self): return len(self.items)\n    def __getitem__(self, i): return self.items[i]"


@needs_walls
@pytest.mark.parametrize(
    ("code", "tests"),
    [
        (STACK, ["s = Stack()", "s.push(3)", "s.push(4)", "assert len(s) == 2 and s[0] == 3", "assert s.pop() == 4", "assert s.items == [3]"]),
        ("def count():\n    n = 0\n    while True:\n        yield n\n        n += 1", ["import itertools\nassert list(itertools.islice(count(), 3)) == [0, 1, 2]"]),
        ("def top(key, xs): return max(xs, key=key)", ["assert top(lambda x: -x, [3, 1]) == 1", "assert top(abs, [1, -3]) == -3"]),
        ("def compose(f, g): return lambda x: f(g(x))", ["assert compose(lambda x: x + 1, lambda x: 2 * x)(3) == 7"]),
        ("from dataclasses import dataclass\n@dataclass\nclass P:\n    x: int", ["assert P(1) == P(1)", "assert P(1) != P(2)", "assert P(1).x == 1"]),
        ("import math\ndef area(r): return math.pi * r * r", ["assert math.isclose(area(1), math.pi)"]),
        ("from fractions import Fraction\nfrom decimal import Decimal\ndef f(): return [Fraction(1, 3), Decimal('0.10'), 1j]", ["from fractions import Fraction\nfrom decimal import Decimal\nassert f() == [Fraction(1, 3), Decimal('0.1'), 1j]"]),
        ("class A(dict): pass\nclass B(A):\n    def __init__(self): self['x'] = 1\ndef f(): return B()", ["assert f() == {'x': 1}"]),
        ("import threading\nout = []\ndef f():\n    t = threading.Thread(target=out.append, args=(1,))\n    t.start()\n    t.join()\n    return out", ["assert f() == [1]"]),
    ],
)  # fmt: skip
def test_what_only_all_of_python_can(code: str, tests: list[str]) -> None:
    assert ProcessSandbox().run(code, tests, Limits()).outcome is Outcome.PASSED
    assert Both().run(code, tests, Limits()).outcome is Outcome.PASSED  # monty is unsure, and a process decides


@pytest.mark.parametrize(
    "code",
    [
        "import heapq\ndef double(x): return heapq.nlargest(1, [2 * x])[0]",
        "class A: pass\nclass B(A): pass\ndef double(x): return 2 * x",
        "def g(x):\n    yield 2 * x\ndef double(x): return next(g(x))",
        "def double(x): return int(str(2 * x).translate({}))",
    ],
)
def test_what_monty_lacks_is_no_fault_of_the_code(code: str) -> None:
    assert CodeCheck(provider="monty").judge(fenced(code), ROW).kind is VerdictKind.ERROR


@needs_walls
def test_an_error_of_the_tests_is_an_error_of_the_verifier() -> None:
    check = CodeCheck(setup="setup", provider="process", seconds=1)
    for row in (
        {"tests": "assert double(2) =="},
        {"tests": "assert double(2) == 4", "setup": "import no_such_module"},
        {"tests": "import os\nos._exit(0)"},
        {"tests": "while True: pass"},
    ):
        assert check.judge(fenced(DOUBLE), row).kind is VerdictKind.ERROR


@pytest.mark.parametrize("provider", ["auto", "monty", pytest.param("process", marks=needs_walls)])
def test_calls_with_what_they_should_give(provider: str) -> None:
    check = CodeCheck(provider=provider)
    row: dict[str, object] = {"tests": [{"call": "pair(1)", "expect": [1, [2, None]]}]}
    assert check.judge("def pair(x): return (x, (2, None))", row).passed
    bad = check.judge("def pair(x): return (x, (3, None))", row)
    assert bad.kind is VerdictKind.FAIL and "pair(1) gave (1, (3, None))" in bad.reason
    assert check.judge(fenced(DOUBLE), {"tests": '[{"call": "double(2)", "expect": 4}]'}).passed


def test_a_setup_is_there_for_the_code_and_for_the_tests() -> None:
    check = CodeCheck(setup="before")
    row = {"tests": "assert double(BASE) == 6", "before": "BASE = 3"}
    assert check.judge("def double(x): return 2 * BASE", row).passed


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({}, "tests"),
        ({"tests": ""}, "tests"),
        ({"tests": []}, "has no test"),
        ({"tests": [1]}, "is no test"),
        ({"tests": [" "]}, "is no test"),
        ({"tests": "[1,"}, "is no JSON"),
        ({"tests": [{"call": "f(1)"}]}, "is no test"),
        ({"tests": [{"call": "f(1)", "expect": 1, "more": 2}]}, "is no test"),
        ({"tests": [{"call": "f(1)", "expect": float("nan")}]}, "no number"),
        ({"tests": "assert f()", "setup": 5}, "setup"),
    ],
)
def test_a_row_without_usable_tests_is_refused(row: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        CodeCheck(setup="setup").check_row(row)


def test_a_task_names_it_in_its_check_table(tmp_path: Path) -> None:
    check = make_check({"kind": "code", "tests": "cases", "seconds": 5, "memory_mb": 256}, tmp_path)
    assert check.configuration == {
        "kind": "code",
        "tests": "cases",
        "setup": None,
        "provider": "auto",
        "seconds": 5,
        "memory_mb": 256,
        "unsafe": False,
    }
    for wrong in ({"provider": "docker"}, {"seconds": 0}, {"memory_mb": 10}, {"unsafe": "yes"}, {"test": "x"}):
        with pytest.raises(UsageError):
            make_check({"kind": "code", **wrong}, tmp_path)


def test_running_without_walls_is_said_with_every_verdict() -> None:
    verdict = CodeCheck(unsafe=True).judge(fenced(DOUBLE), ROW)
    assert verdict.passed and verdict.reason.endswith("(run without a sandbox)")


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=60), st.sampled_from(["{}", "def double(x):\n    {}", "def double(x): return {}", "x = '{}'"]))
def test_any_reply_ends_in_a_verdict(text: str, around: str) -> None:
    verdict = CodeCheck(provider="monty", seconds=1).judge(fenced(around.replace("{}", text)), ROW)
    assert verdict.kind is not VerdictKind.PASS
