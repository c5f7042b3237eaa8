"""A person's own verifier: TRL's reward functions work unchanged, and what breaks is an error, never a fail."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rrr_local.episode import VerdictKind
from rrr_local.errors import UsageError
from rrr_local.verifiers.checks import Check, make_check
from rrr_local.verifiers.python_file import PythonCheck
from tests.verifiers.hostile_replies import hostile_replies

REWARDS = '''
import asyncio, math, os, time
from fractions import Fraction

def accuracy_reward(completions: list[list[dict[str, str]]], solution: list[str], **kwargs) -> list[float | None]:
    """As in TRL: 1 for the right answer, None where the solution cannot be read."""
    rewards = []
    for completion, sol in zip(completions, solution, strict=True):
        content = completion[0]["content"]
        rewards.append(None if sol == "?" else float(sol in content))
    return rewards

def sees(prompts, completions, **columns): 
    assert prompts == [[{"role": "user", "content": "What is 1 + 1?"}]], prompts
    assert completions == [[{"role": "assistant", "content": "2"}]], completions
    assert columns == {"answer": ["2"], "level": [3]}, columns
    return [1.0]

def without_kwargs(completions, answer): return [1.0 if completions[0][0]["content"] == answer[0] else 0.0]
async def asynchronous(completions, **kwargs): 
    await asyncio.sleep(0)
    return [1]
def score(completions, value, **kwargs):
    return [{"nan": math.nan, "inf": math.inf, "text": "1", "none": None, "true": True}.get(value[0], value[0])]
def returns(completions, value, **kwargs): return value[0]
def fraction(completions, **kwargs): return [Fraction(1, 3) * 3]
def raises(completions, **kwargs): raise KeyError("no such thing")
def hangs(completions, **kwargs): time.sleep(600)
def leaves(completions, **kwargs): os._exit(0)
'''


@pytest.fixture
def folder(tmp_path: Path, data_folder: Path) -> Path:
    (tmp_path / "rewards.py").write_text(REWARDS)
    return tmp_path


@pytest.fixture
def checks(folder: Path) -> Iterator[list[PythonCheck]]:
    made: list[PythonCheck] = []
    yield made
    for check in made:
        check.close()


def python(checks: list[PythonCheck], folder: Path, function: str, deadline: float = 20.0) -> PythonCheck:
    checks.append(PythonCheck(f"rewards.py:{function}", folder, deadline))
    return checks[-1]


def test_a_reward_function_written_for_trl_works_unchanged(folder: Path, checks: list[PythonCheck]) -> None:
    check = python(checks, folder, "accuracy_reward")
    row = {"prompt": "What is 6 * 7?", "solution": "42"}
    good, bad = check.judge("It is <answer>42</answer>", row), check.judge("41", row)
    assert (good.kind, good.answer, good.reason) == (VerdictKind.PASS, "42", "the verifier gave 1")
    assert (bad.kind, bad.reason) == (VerdictKind.FAIL, "the verifier gave 0, 1 passes")
    unsure = check.judge("41", {"prompt": "", "solution": "?"})
    assert (unsure.kind, unsure.reason) == (VerdictKind.ERROR, "the verifier gave no score for this reply")


def test_it_gets_the_prompt_the_reply_and_the_columns_as_trl_gives_them(
    folder: Path, checks: list[PythonCheck]
) -> None:
    check = python(checks, folder, "sees")
    row: dict[str, object] = {"prompt": "What is 1 + 1?", "answer": "2", "level": 3}
    assert check.judge("2", row).passed
    assert check.judge("2", {**row, "prompt": [{"role": "user", "content": "What is 1 + 1?"}]}).passed


@pytest.mark.parametrize("function", ["without_kwargs", "asynchronous", "fraction"])
def test_simpler_and_asynchronous_functions_work_too(folder: Path, checks: list[PythonCheck], function: str) -> None:
    assert python(checks, folder, function).judge("2", {"prompt": "?", "answer": "2", "more": 1}).passed


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (1.0, VerdictKind.PASS),
        (1, VerdictKind.PASS),
        ("true", VerdictKind.PASS),
        (0.9999999, VerdictKind.PASS),
        (1.5, VerdictKind.PASS),
        (0.99, VerdictKind.FAIL),
        (-3, VerdictKind.FAIL),
        ("nan", VerdictKind.ERROR),
        ("inf", VerdictKind.ERROR),
        ("text", VerdictKind.ERROR),
        ("none", VerdictKind.ERROR),
        ([1.0], VerdictKind.ERROR),
    ],
)
def test_a_score_decides(folder: Path, checks: list[PythonCheck], value: object, kind: VerdictKind) -> None:
    assert python(checks, folder, "score").judge("", {"value": value}).kind is kind


@pytest.mark.parametrize("value", [[], [1.0, 1.0], 1.0, None, {"score": 1.0}, "1"])
def test_a_list_of_another_length_and_no_list_are_errors(
    folder: Path, checks: list[PythonCheck], value: object
) -> None:
    verdict = python(checks, folder, "returns").judge("", {"value": value})
    assert verdict.kind is VerdictKind.ERROR and "not a list with one score" in verdict.reason


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        ("raises", "KeyError: 'no such thing'"),
        ("leaves", "the verifier's process ended with exit code 0"),
        ("missing", "rewards.py:missing cannot be loaded: LookupError: rewards.py has no function missing"),
    ],
)
def test_a_verifier_that_breaks_is_an_error(
    folder: Path, checks: list[PythonCheck], function: str, reason: str
) -> None:
    verdict = python(checks, folder, function).judge("2", {"prompt": "?"})
    assert (verdict.kind, verdict.reason) == (VerdictKind.ERROR, reason)


def test_a_verifier_that_hangs_is_an_error(folder: Path, checks: list[PythonCheck]) -> None:
    verdict = python(checks, folder, "hangs", deadline=1.0).judge("2", {})
    assert (verdict.kind, verdict.reason) == (VerdictKind.ERROR, "the verifier took longer than 1 s")


def test_the_file_is_part_of_what_decides(folder: Path, checks: list[PythonCheck]) -> None:
    before = python(checks, folder, "raises").configuration
    assert before == python(checks, folder, "raises").configuration
    (folder / "rewards.py").write_text(REWARDS + "\n")
    assert before != python(checks, folder, "raises").configuration


def test_an_edited_file_counts_from_the_next_child_on(folder: Path, checks: list[PythonCheck]) -> None:
    check = python(checks, folder, "without_kwargs")
    assert check.judge("2", {"answer": "2"}).passed
    (folder / "rewards.py").write_text("def without_kwargs(completions): return [0.0]\n")
    assert check.judge("2", {"answer": "2"}).passed
    check.close()
    assert check.judge("2", {"answer": "2"}).kind is VerdictKind.FAIL


def test_a_missing_file_and_a_column_with_a_name_of_trl_are_refused(folder: Path, checks: list[PythonCheck]) -> None:
    with pytest.raises(UsageError, match=r"no file other\.py"):
        PythonCheck("other.py:f", folder)
    with pytest.raises(UsageError, match="completions"):
        python(checks, folder, "raises").check_row({"completions": "x"})
    python(checks, folder, "raises").check_row({"prompt": "x", "anything": 1})


def test_every_hostile_reply_reaches_the_function_as_text(
    folder: Path, checks: list[PythonCheck], tmp_path: Path
) -> None:
    """What the function makes of it is the person's business: here it passes what has an even number of characters."""
    (folder / "even.py").write_text(
        "def even(completions, **columns): return [1 - len(completions[0][0]['content']) % 2]\n"
    )
    check = PythonCheck("even.py:even", folder)
    checks.append(check)
    sentinel = tmp_path / "sentinel"
    for attack, reply in hostile_replies(sentinel).items():
        sent = reply.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")  # JSON joins surrogate pairs
        wanted = VerdictKind.FAIL if len(sent) % 2 else VerdictKind.PASS
        assert check.judge(reply, {}).kind is wanted, attack
        assert not sentinel.exists(), attack


def test_a_task_names_it_in_its_check_table(folder: Path) -> None:
    check: Check = make_check({"python": "rewards.py:fraction", "threshold": 0.5}, folder)
    assert isinstance(check, PythonCheck) and check.judge("", {}).passed
    check.close()


def test_the_package_stays_out_of_the_childs_way(folder: Path, checks: list[PythonCheck]) -> None:
    """The child imports two small modules of ours and nothing heavy."""
    code = "import sys; sys.argv = ['', '', '0', '0', '', '']; import rrr_local.verifiers.worker_child; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert {"numpy", "mlx", "torch", "textual", "sqlite3"}.isdisjoint(done.stdout.split())
