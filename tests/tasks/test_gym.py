"""Datasets of reasoning-gym as tasks: real datasets, real scorers, in their own process."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest

pytest.importorskip("reasoning_gym", reason="needs the extra `gym`")

from rrr_local.episode import Problem, Split, VerdictKind
from rrr_local.errors import NotFoundError, UsageError
from rrr_local.tasks import gym
from rrr_local.tasks.base import fingerprint
from rrr_local.tasks.find import find_task
from rrr_local.tasks.gym import Gym

EASY = "chain_sum?max_terms=2&max_digits=1&size=40"
EVALUATING = ("binary_matrix", "n_queens", "spiral_matrix", "string_insertion", "puzzle24", "polynomial_multiplication")
"""Datasets whose scorers would evaluate what a model wrote."""


def first(task: Gym) -> Problem:
    return task.problems(Split.TRAIN)[0]


def answered(text: object) -> str:
    return f"I think so. <answer>{text}</answer>"


def test_a_dataset_is_a_task_whose_own_answers_pass_and_others_do_not() -> None:
    task = find_task(f"gym:{EASY}")
    for problem in task.problems(Split.EVAL):
        answer = str(problem.info["answer"])
        assert problem.prompt.startswith(str(problem.info["question"]))
        assert task.verify(problem, answered(f" {answer}\n")).kind is VerdictKind.PASS
        assert task.verify(problem, answered(int(answer) + 1)).kind is VerdictKind.FAIL
        assert task.verify(problem, answer).kind is VerdictKind.UNPARSED
        assert task.verify(problem, answered("")).kind is VerdictKind.UNPARSED


def test_partial_credit_is_no_pass() -> None:
    problem = first(task := Gym.named("prime_factorization?size=8"))
    verdict = task.verify(problem, answered("2 × 3"))
    assert (verdict.kind, "of 1" in verdict.reason) == (VerdictKind.FAIL, True)


def test_no_problem_is_in_both_splits_and_none_is_there_twice() -> None:
    task = Gym.named("coin_flip?size=64")  # few different ones: there would be overlaps
    train, held_out = ([p.sha256 for p in task.problems(split)] for split in (Split.TRAIN, Split.EVAL))
    assert train and held_out and not set(train) & set(held_out)
    assert len(set(train)) == len(train) and len(set(held_out)) == len(held_out)
    assert {p.split for p in task.problems(Split.EVAL)} == {Split.EVAL}


def test_the_problems_are_generated_once_and_the_same_for_the_same_parameters(monkeypatch: pytest.MonkeyPatch) -> None:
    problems = Gym.named(EASY).problems(Split.TRAIN)
    other = Gym.named(f"{EASY}&seed=1").problems(Split.TRAIN)
    assert [p.sha256 for p in problems] != [p.sha256 for p in other]

    def never(*_: object) -> object:
        raise AssertionError("generated again")

    monkeypatch.setattr(gym, "_list", never)
    gym._read.cache_clear()
    assert Gym.named(EASY).problems(Split.TRAIN) == problems


def test_a_problem_survives_the_log_s_json() -> None:
    problem = first(task := Gym.named("arc_agi?size=8"))
    again = task.parse_problem(json.loads(json.dumps(problem.info)))
    assert (again.sha256, again.prompt, again.split) == (problem.sha256, problem.prompt, Split.PRACTICE)
    assert task.verify(again, answered(problem.info["answer"])).kind is VerdictKind.PASS
    with pytest.raises(UsageError, match="not a problem of reasoning-gym's arc_agi"):
        task.parse_problem({"question": "why?"})


def test_a_dataset_without_an_answer_of_its_own_is_scored_all_the_same() -> None:
    problem = first(task := Gym.named("graph_color?size=8"))
    assert problem.info["answer"] is None
    assert task.verify(problem, answered("{}")).kind is VerdictKind.FAIL


# --- scorers that are broken, and hostile replies -----------------------------------------------------------------------


def test_a_reply_that_a_working_scorer_cannot_read_is_unparsed_and_no_error() -> None:
    problem = first(task := Gym.named("prime_factorization?size=8"))
    verdict = task.verify(problem, answered("two and three"))
    assert verdict.kind is VerdictKind.UNPARSED
    assert verdict.reason.startswith("the scorer cannot read it: ValueError")


def test_a_scorer_that_breaks_on_its_own_answer_is_an_error_and_no_fail() -> None:
    task = Gym.named("prime_factorization?size=8")
    broken = task.parse_problem({"question": "?", "answer": "not a number", "metadata": {"factors": [2]}})
    verdict = task.verify(broken, answered("neither this"))
    assert verdict.kind is VerdictKind.ERROR
    assert "the scorer of prime_factorization broke: ValueError" in verdict.reason


@pytest.mark.parametrize("dataset", EVALUATING)
def test_nothing_in_a_reply_is_executed(dataset: str, tmp_path: Path) -> None:
    task, mark = Gym.named(f"{dataset}?size=8"), tmp_path / "executed"
    code = f"__import__('pathlib').Path({str(mark)!r}).touch()"
    sneaky = f"().__class__.__mro__[1].__subclasses__() or open({str(mark)!r}, 'w')"
    for reply in (code, f"[{code}]", sneaky, f"Symbol.__doc__ + {code}", f"open({str(mark)!r},'w')", f"1+{code}"):
        assert task.verify(first(task), answered(reply)).kind in (VerdictKind.FAIL, VerdictKind.UNPARSED)
    assert not mark.exists()
    right = first(task).info["answer"]
    if right is not None:
        assert task.verify(first(task), answered(right)).kind is VerdictKind.PASS


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(gym, "SCORING_S", 5.0)
    gym._scorer.cache_clear()
    yield
    gym._scorer().close()
    gym._scorer.cache_clear()


@pytest.mark.usefixtures("impatient")
def test_a_reply_that_takes_forever_to_score_is_a_timeout_and_the_next_one_is_judged() -> None:
    problem = first(task := Gym.named("puzzle24?size=8"))
    assert task.verify(problem, answered("9**9**9**9")).kind is VerdictKind.TIMEOUT
    assert task.verify(problem, answered("1")).kind is VerdictKind.FAIL


@pytest.mark.parametrize(
    ("name", "why"), [("countdown", "use the task countdown-full"), ("game_of_life_halting", "any answer")]
)
def test_a_dataset_whose_scorer_cannot_be_trusted_is_refused_with_the_reason(name: str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        find_task(f"gym:{name}")


def test_what_is_known_to_be_wrong_with_a_scorer_is_said() -> None:
    assert "0" in Gym.named("coin_flip").note
    assert Gym.named("chain_sum").note == ""


# --- names and parameters ---------------------------------------------------------------------------------------------


def test_an_unknown_dataset_names_those_that_are_close() -> None:
    with pytest.raises(NotFoundError, match=r"no dataset 'chain_sums'.*chain_sum"):
        Gym.named("chain_sums")


@pytest.mark.parametrize("query", ["size=3", "size=many", "seed=-1", "size=true"])
def test_sizes_and_seeds_out_of_range_are_refused(query: str) -> None:
    with pytest.raises(UsageError, match="must be a whole number"):
        Gym.named(f"chain_sum?{query}")


def test_a_parameter_that_the_dataset_does_not_have_is_refused_in_its_own_words() -> None:
    with pytest.raises(UsageError, match=r"reasoning-gym cannot do that.*bogus"):
        Gym.named("chain_sum?bogus=1").problems(Split.TRAIN)


def test_other_parameters_or_another_reasoning_gym_are_another_verifier(monkeypatch: pytest.MonkeyPatch) -> None:
    easy, hard = Gym.named("chain_sum?max_terms=2"), Gym.named("chain_sum?max_terms=3")
    assert fingerprint(easy) != fingerprint(hard)
    assert easy.name != hard.name
    monkeypatch.setattr(gym, "version", lambda package: "9.8.7")
    assert gym._version() > easy.version


def test_without_reasoning_gym_the_line_that_installs_it_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(package: str) -> str:
        raise metadata.PackageNotFoundError(package)

    monkeypatch.setattr(gym, "version", missing)
    with pytest.raises(UsageError, match=r"pip install 'rrr-local\[gym\]'"):
        find_task("gym:chain_sum")


def test_this_process_never_imports_reasoning_gym() -> None:
    code = (
        "import sys; from rrr_local.tasks.find import find_task; from rrr_local.episode import Split\n"
        f"task = find_task('gym:{EASY}'); p = task.problems(Split.TRAIN)[0]; task.verify(p, '<answer>1</answer>')\n"
        "print(*{'reasoning_gym', 'sympy', 'numpy'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
