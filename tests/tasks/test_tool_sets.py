"""Synthetic tools and requests: enough of them, all usable, every value of a right call in its request, and always the same."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from itertools import islice
from pathlib import Path
from typing import Any

import jsonschema
from hypothesis import given, settings
from hypothesis import strategies as st

from rrr_local.tasks.function_calling import FunctionCalling
from rrr_local.tasks.tool_sets import all_tools, draw, generate, split_tools

DATA = Path(__file__).parents[2] / "data"
TASK = FunctionCalling.bundled()
SAMPLE: list[dict[str, Any]] = [*islice(generate(7, all_tools()), 200)]


def test_there_are_hundreds_of_tools_and_each_has_a_name_of_its_own() -> None:
    names = [tool.name for tool in all_tools()]
    assert len(names) == len(set(names)) == 400
    train, held_out = split_tools()
    assert (len(train), len(held_out)) == (300, 100)
    assert {tool.name for tool in train} | {tool.name for tool in held_out} == set(names)


def test_every_kind_of_parameter_occurs() -> None:
    kinds: Counter[str] = Counter()
    for tool in all_tools():
        schema: Any = tool.schema()["parameters"]
        for each in schema["properties"].values():
            kinds["enum" if "enum" in each else str(each["type"])] += 1
    assert set(kinds) == {"string", "integer", "number", "boolean", "enum", "array", "object"}
    assert min(kinds.values()) >= 20


def test_a_tools_schema_is_one_and_its_parameters_have_different_names() -> None:
    for tool in all_tools():
        schema: Any = tool.schema()["parameters"]
        jsonschema.Draft202012Validator.check_schema(schema)
        assert len(schema["properties"]) == len(tool.parameters) >= 1, tool.name
        assert set(schema["required"]) <= set(schema["properties"])


def test_right_arguments_fit_the_schema_of_their_tool() -> None:
    for problem in SAMPLE:
        schemas = {tool["name"]: {**tool["parameters"], "additionalProperties": False} for tool in problem["tools"]}
        for call in problem["calls"]:
            jsonschema.validate(call["arguments"], schemas[call["name"]])


def words_of(value: Any) -> list[str]:
    """What a request must contain for a value, where that is not a yes or no."""
    match value:
        case bool():
            return []
        case dict():
            return [word for each in value.values() for word in words_of(each)]
        case list():
            return [word for each in value for word in words_of(each)]
    return [str(value)]


def test_every_value_of_a_right_call_stands_in_the_request() -> None:
    for problem in SAMPLE:
        request = problem["request"].lower()
        for call in problem["calls"]:
            missing = [word for word in words_of(call["arguments"]) if word.lower() not in request]
            assert missing == [], problem["request"]


def test_yes_and_no_are_said_differently() -> None:
    parameters = [each for tool in all_tools() for each in tool.parameters if each.schema["type"] == "boolean"]
    assert parameters
    for each in parameters:
        assert each.phrases(True) and each.phrases(False)
        assert set(each.phrases(True)).isdisjoint(each.phrases(False))


def test_one_to_eight_tools_are_offered_and_one_to_three_calls_are_right() -> None:
    assert {len(problem["tools"]) for problem in SAMPLE} == set(range(1, 9))
    assert {len(problem["calls"]) for problem in SAMPLE} == {1, 2, 3}
    assert 2.5 < sum(len(problem["tools"]) for problem in SAMPLE) / len(SAMPLE) < 3.5
    for problem in SAMPLE:
        names = [tool["name"] for tool in problem["tools"]]
        assert len(names) == len(set(names))


@settings(max_examples=100, deadline=None)
@given(st.randoms(use_true_random=False))
def test_every_problem_is_usable_and_solved_by_its_own_calls(rng: Any) -> None:
    problem = TASK.parse_problem(draw(rng, all_tools()))
    calls: Any = problem.info["calls"]
    assert TASK.verify(problem, json.dumps(calls)).passed
    changed = [{**calls[0], "arguments": {**calls[0]["arguments"], "surplus": 1}}, *calls[1:]]
    assert not TASK.verify(problem, json.dumps(changed)).passed


def test_the_generator_repeats_itself_with_its_seed_and_only_then() -> None:
    first, again, other = (list(islice(generate(seed, all_tools()), 50)) for seed in (1, 1, 2))
    assert first == again != other


def test_no_request_comes_twice() -> None:
    requests = [problem["request"] for problem in islice(generate(3, all_tools()[:3]), 500)]
    assert len(set(requests)) == 500


def test_the_data_are_what_their_builder_makes(tmp_path: Path) -> None:
    builder = [sys.executable, str(DATA / "build_function_calling.py"), str(tmp_path)]
    subprocess.run(builder, check=True, cwd=tmp_path, env={"PYTHONPATH": str(DATA.parent)}, timeout=60)
    made = {path.relative_to(tmp_path): path.read_bytes() for path in tmp_path.rglob("*.jsonl")}
    assert len(made) == 2
    assert made == {path: (DATA / path).read_bytes() for path in made}
    assert sum(map(len, made.values())) < 1_500_000
