"""Countdown: the generator, the problem sets in `data/`, and problems that people bring."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from fractions import Fraction
from itertools import combinations, islice
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rrr_local.episode import Problem, Split, VerdictKind
from rrr_local.errors import UsageError
from rrr_local.tasks.countdown import FULL, SMALL, Countdown, Range, generate, problem_hash, reachable

DATA = Path(__file__).parents[2] / "data"
SETS = {"countdown": SMALL, "countdown-full": FULL}


@pytest.fixture(scope="module", params=SETS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def task(name: str) -> Countdown:
    return Countdown(name, DATA / name, name)


def numbers_and_target(problem: Problem) -> tuple[list[int], int]:
    info = json.loads(json.dumps(dict(problem.info)))
    return info["numbers"], info["target"]


def values(numbers: tuple[Fraction, ...]) -> set[Fraction]:
    """Oracle: every value of the numbers under + - * /, fractions and negatives included."""
    if len(numbers) == 1:
        return {numbers[0]}
    found: set[Fraction] = set()
    for i, j in combinations(range(len(numbers)), 2):
        a, b = numbers[i], numbers[j]
        rest = tuple(n for k, n in enumerate(numbers) if k not in (i, j))
        steps = {a + b, a - b, b - a, a * b} | {x / y for x, y in ((a, b), (b, a)) if y}
        found = found.union(*(values((*rest, step)) for step in steps))
    return found


def test_the_generator_repeats_itself_with_its_seed_and_only_then() -> None:
    first, again, other = (list(islice(generate(seed, FULL), 100)) for seed in (1, 1, 2))
    assert first == again != other


def test_the_generator_never_repeats_a_problem() -> None:
    tiny = Range(sizes=(2,), largest=3, max_target=4)
    # By hand: 1,1->2 (1 is given); 1,2->3; 1,3->2,4; 2,2->4,1; 2,3->1; 3,3->1; the rest is given or above 4.
    expected = {((1, 1), 2), ((1, 2), 3), ((1, 3), 2), ((1, 3), 4), ((2, 2), 4), ((2, 2), 1), ((2, 3), 1), ((3, 3), 1)}
    drawn = [(tuple(sorted(numbers)), target) for numbers, target in islice(generate(0, tiny), len(expected))]
    assert len(drawn) == len(set(drawn))
    assert set(drawn) == expected


@given(st.lists(st.integers(1, 30), min_size=1, max_size=3))
def test_reachable_values_are_positive_integers_that_brute_force_finds_too(numbers: list[int]) -> None:
    found = reachable(tuple(sorted(numbers)))
    assert found <= values(tuple(map(Fraction, numbers)))
    assert sum(numbers) in found
    assert all(isinstance(value, int) and value > 0 for value in found)


def test_every_problem_of_the_data_is_within_range(name: str) -> None:
    among = SETS[name]
    for split in (Split.TRAIN, Split.EVAL):
        for problem in task(name).problems(split):
            numbers, target = numbers_and_target(problem)
            assert len(numbers) in among.sizes
            assert all(1 <= number <= among.largest for number in numbers)
            assert 1 <= target <= among.max_target
            assert target not in numbers


def test_problems_of_the_data_are_solvable_by_brute_force(name: str) -> None:
    problems = [p for split in (Split.TRAIN, Split.EVAL) for p in task(name).problems(split)]
    # All of the small set; of the full one a sample, since four numbers cost 10 ms each here.
    chosen = problems if name == "countdown" else random.Random(0).sample(problems, 60)
    for problem in chosen:
        numbers, target = numbers_and_target(problem)
        assert target in values(tuple(map(Fraction, numbers))), problem.prompt


def test_train_and_eval_share_no_problem(name: str) -> None:
    train, held_out = (task(name).problems(split) for split in (Split.TRAIN, Split.EVAL))
    assert (len(train), len(held_out)) == (2048, 1024)
    assert len({p.sha256 for p in train} | {p.sha256 for p in held_out}) == 2048 + 1024
    assert {p.split for p in train} == {Split.TRAIN}
    assert {p.split for p in held_out} == {Split.EVAL}


def test_the_data_are_what_their_builder_makes(tmp_path: Path) -> None:
    root = DATA.parent
    builder = [sys.executable, str(DATA / "build_countdown.py"), str(tmp_path)]
    subprocess.run(builder, check=True, cwd=tmp_path, env={"PYTHONPATH": str(root)}, timeout=60)
    made = {path.relative_to(tmp_path): path.read_bytes() for path in tmp_path.rglob("*.jsonl")}
    assert len(made) == 4
    assert made == {path: (DATA / path).read_bytes() for path in made}


@given(st.data(), st.lists(st.integers(0, 10**9 - 1), min_size=2, max_size=6), st.integers(-(10**9) + 1, 10**9 - 1))
def test_a_problem_is_the_same_in_any_order_of_its_numbers(
    data: st.DataObject, numbers: list[int], target: int
) -> None:
    shuffled = data.draw(st.permutations(numbers))
    parse = task("countdown").parse_problem
    problem = parse({"numbers": numbers, "target": target})
    assert parse({"numbers": shuffled, "target": target}).sha256 == problem.sha256
    assert parse({"numbers": numbers, "target": target - 1 if target > 0 else target + 1}).sha256 != problem.sha256
    assert parse({"numbers": [*numbers[1:], numbers[0] ^ 1], "target": target}).sha256 != problem.sha256
    assert problem.sha256 == problem_hash(numbers, target)


def test_a_prompt_names_every_number_and_the_target(name: str) -> None:
    for problem in task(name).problems(Split.EVAL)[:100]:
        numbers, target = numbers_and_target(problem)
        assert f"numbers {numbers}, create an equation that equals {target}." in problem.prompt


def test_a_problem_survives_json_and_is_judged() -> None:
    countdown = task("countdown")
    problem = countdown.parse_problem(json.loads('{"numbers": [3, 7, 18], "target": 39}'))
    assert problem.split is Split.PRACTICE
    assert countdown.parse_problem(json.loads(json.dumps(dict(problem.info)))) == problem
    assert countdown.verify(problem, "<answer>18 + 3 * 7</answer>").passed
    assert countdown.verify(problem, "<answer>18 + 3 + 7</answer>").reason == "equals 28, not 39"
    assert countdown.verify(problem, "39").kind is VerdictKind.UNPARSED


@pytest.mark.parametrize(
    "info",
    [
        {},
        {"numbers": [3, 7, 18]},
        {"target": 39},
        {"nums": [3, 7, 18], "target": 39},
        {"numbers": None, "target": 39},
        {"numbers": 3, "target": 39},
        {"numbers": "3, 7, 18", "target": 39},
        {"numbers": {"3": 7}, "target": 39},
        {"numbers": [], "target": 39},
        {"numbers": [39], "target": 39},
        {"numbers": [1] * 7, "target": 7},
        {"numbers": [3, 7, "18"], "target": 39},
        {"numbers": [3, 7, 18.0], "target": 39},
        {"numbers": [3, 7, True], "target": 39},
        {"numbers": [3, 7, None], "target": 39},
        {"numbers": [3, 7, -18], "target": 39},
        {"numbers": [3, 7, 10**9], "target": 39},
        {"numbers": [3, 7, 10**5000], "target": 39},
        {"numbers": [3, 7, 18], "target": "39"},
        {"numbers": [3, 7, 18], "target": 39.0},
        {"numbers": [3, 7, 18], "target": True},
        {"numbers": [3, 7, 18], "target": None},
        {"numbers": [3, 7, 18], "target": -(10**9)},
        {"numbers": [3, 7, 18], "target": 10**5000},
    ],
    ids=range(24),
)
def test_a_wrong_problem_is_refused_with_an_example(info: dict[str, object]) -> None:
    with pytest.raises(UsageError) as error:
        task("countdown").parse_problem(info)
    assert error.value.cause == "not a Countdown problem"
    assert '{"numbers": [3, 7, 18], "target": 39}' in error.value.way_out


def test_the_prompts_ask_for_a_reflection_only_where_one_is_wanted() -> None:
    prompts = task("countdown").prompts
    assert "Reflect" in prompts.reflect
    assert "eflect" not in prompts.retry + prompts.plain_retry
    assert prompts.plain_retry.endswith(prompts.retry)
