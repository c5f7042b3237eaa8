"""Function calling as a task: the problems that ship, problems that people bring, and how a command judges a reply."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rrr_local.backends.mlx.backend import MlxBackend
from rrr_local.episode import Split, VerdictKind
from rrr_local.errors import UsageError
from rrr_local.loop import Attempted, Limits, Loop, Retried
from rrr_local.paths import bundled
from rrr_local.tasks.base import fingerprint
from rrr_local.tasks.find import find_task
from rrr_local.tasks.function_calling import FunctionCalling

from ..cli.child import call, new_home

ROOT = Path(__file__).parents[2]
TOOL = {
    "name": "weather",
    "description": "The weather of a city.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
PROBLEM: dict[str, Any] = {
    "request": "Weather in Paris, please.",
    "tools": [TOOL],
    "calls": [{"name": "weather", "arguments": {"city": "Paris"}}],
}
RIGHT = '<tool_call>{"name": "weather", "arguments": {"city": "Paris"}}</tool_call>'


@pytest.fixture(scope="module")
def task() -> FunctionCalling:
    return FunctionCalling.bundled()


def test_it_is_found_by_its_name(task: FunctionCalling) -> None:
    found = find_task("function-calling")
    assert isinstance(found, FunctionCalling)
    assert (found.name, found.source) == ("function-calling", "function-calling")
    assert fingerprint(found) == fingerprint(task) != fingerprint(find_task("countdown"))


def test_every_problem_that_ships_is_solved_by_its_own_calls(task: FunctionCalling) -> None:
    for split in (Split.TRAIN, Split.EVAL):
        for problem in task.problems(split):
            right = problem.info["calls"]
            assert isinstance(right, list)
            assert task.verify(problem, json.dumps(right)).passed, problem.prompt
            assert task.verify(problem, "".join(f"<tool_call>{json.dumps(each)}</tool_call>" for each in right)).passed
            assert not task.verify(problem, json.dumps(right[1:])).passed, problem.prompt
            assert task.verify(problem, problem.prompt).kind is VerdictKind.UNPARSED
            assert task.parse_problem(problem.info) == replace(problem, split=Split.PRACTICE)


def test_train_and_eval_share_no_problem_and_no_tool(task: FunctionCalling) -> None:
    train, held_out = (task.problems(split) for split in (Split.TRAIN, Split.EVAL))
    assert (len(train), len(held_out)) == (768, 256)
    assert len({p.sha256 for p in train} | {p.sha256 for p in held_out}) == 768 + 256
    assert {p.split for p in train} == {Split.TRAIN}
    assert {p.split for p in held_out} == {Split.EVAL}
    tools = [{str(t.get("name")) for p in part for t in _tools(p.info)} for part in (train, held_out)]
    assert len(tools[0]) >= 290
    assert tools[0].isdisjoint(tools[1])


def _tools(info: Any) -> list[dict[str, object]]:
    return list(info["tools"])


def test_the_model_is_offered_the_tools_in_openai_layout(task: FunctionCalling) -> None:
    opening = task.opening(task.parse_problem(PROBLEM))
    assert (opening.user, opening.before) == ("Weather in Paris, please.", ())
    assert opening.tools == ({"type": "function", "function": TOOL},)
    wrapped = {**PROBLEM, "tools": [{"type": "function", "function": TOOL}]}
    assert task.opening(task.parse_problem(wrapped)) == opening
    bare = task.opening(task.parse_problem({**PROBLEM, "tools": [{"name": "weather"}]})).tools[0]["function"]
    assert bare == {"name": "weather", "description": "", "parameters": {"type": "object", "properties": {}}}


def test_the_reflection_prompt_is_the_papers(task: FunctionCalling) -> None:
    assert task.prompts.reflect == (
        "You tried performing the task, but failed in generating the correct tool call. "
        "Reflect on what went wrong and write a short explanation that will help you do better next time."
    )


@pytest.mark.parametrize(
    ("reply", "kind", "reason"),
    [
        (RIGHT, VerdictKind.PASS, "the call is right"),
        (RIGHT.replace("Paris", "paris"), VerdictKind.FAIL, "argument `city`: expected 'Paris', got 'paris'"),
        (RIGHT.replace("weather", "wether"), VerdictKind.FAIL, "there is no function `wether`"),
        ("Sunny.", VerdictKind.UNPARSED, "no call found"),
    ],
)
def test_a_reply_is_judged(task: FunctionCalling, reply: str, kind: VerdictKind, reason: str) -> None:
    verdict = task.verify(task.parse_problem(PROBLEM), reply)
    assert (verdict.kind, verdict.reason) == (kind, reason)


def test_options_of_a_call_and_of_the_problem_are_heeded(task: FunctionCalling) -> None:
    call = {"name": "weather", "arguments": {"city": "Paris", "unit": "C"}}
    lenient = {**call, "any_of": {"city": ["Lutetia"]}, "ignore_case": ["city"], "optional": ["unit"]}
    problem = task.parse_problem({**PROBLEM, "calls": [lenient]})
    for city in ("Paris", "PARIS", "lutetia"):
        assert task.verify(problem, RIGHT.replace("Paris", city)).passed
    assert not task.verify(problem, RIGHT.replace("Paris", "Rome")).passed
    twice = [{"name": "weather", "arguments": {"city": city}} for city in ("Paris", "Rome")]
    swapped = json.dumps(twice[::-1])
    assert task.verify(task.parse_problem({**PROBLEM, "calls": twice}), swapped).passed
    assert not task.verify(task.parse_problem({**PROBLEM, "calls": twice, "ordered": True}), swapped).passed


def test_the_same_request_with_the_same_calls_is_the_same_problem(task: FunctionCalling) -> None:
    def hash_of(**changes: object) -> str:
        return task.parse_problem({**PROBLEM, **changes}).sha256

    calls = [*PROBLEM["calls"], {"name": "time", "arguments": {"a": 1, "b": 2}}]
    swapped = [{"arguments": {"b": 2, "a": 1}, "name": "time"}, *PROBLEM["calls"]]
    tools = [TOOL, {"name": "time"}]
    assert hash_of(tools=tools) == hash_of()
    assert hash_of(tools=tools, calls=calls) == hash_of(tools=tools, calls=swapped) != hash_of()
    assert hash_of(tools=tools, calls=calls, ordered=True) != hash_of(tools=tools, calls=swapped, ordered=True)
    assert hash_of(request="Weather in Rome") != hash_of()


def nested(depth: int) -> object:
    return [] if depth == 0 else [nested(depth - 1)]


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"request": ""}, "`request` is not a text"),
        ({"request": None}, "`request` is not a text"),
        ({"request": "a\x00b"}, "`request` is not a text"),
        ({"tools": []}, "`tools` is not a list of 1 to 128"),
        ({"tools": "weather"}, "`tools` is not a list of 1 to 128"),
        ({"tools": ["weather"]}, "tool 1 has no name"),
        ({"tools": [TOOL, {}]}, "tool 2 has no name"),
        ({"tools": [{"type": "function", "function": {}}]}, "tool 1 has no name"),
        ({"tools": [TOOL, TOOL]}, "there are two tools `weather`"),
        ({"tools": [{**TOOL, "parameters": []}]}, "the parameters of `weather` are not a schema"),
        ({"tools": [{**TOOL, "description": 1}]}, "the description of `weather` is not a text"),
        ({"calls": []}, "`calls` is not a list of 1 to 64 calls"),
        ({"calls": {"name": "weather"}}, "`calls` is not a list"),
        ({"calls": ["weather"]}, "call 1 has no name"),
        ({"calls": [{"name": "wether", "arguments": {}}]}, "call 1: `wether` is not among the tools"),
        ({"calls": [{"name": "weather"}]}, "call 1: `arguments` is not an object"),
        ({"calls": [{"name": "weather", "arguments": "{}"}]}, "call 1: `arguments` is not an object"),
        ({"calls": [{"name": "weather", "arguments": {}, "any_of": {"city": []}}]}, "`any_of` names ['city']"),
        ({"calls": [{"name": "weather", "arguments": {"city": 1}, "any_of": {"city": 2}}]}, "`any_of` is not an object"),
        ({"calls": [{"name": "weather", "arguments": {}, "optional": "city"}]}, "`optional` does not name arguments"),
        ({"calls": [{"name": "weather", "arguments": {}, "order": True}]}, "call 1: ['order'] is not known"),
        ({"calls": [{"name": "weather", "arguments": {"x": float("nan")}}]}, "not usable JSON (NaN is not JSON)"),
        ({"calls": [{"name": "weather", "arguments": {"x": 10**5000}}]}, "not usable JSON"),
        ({"calls": [{"name": "weather", "arguments": {"x": nested(80)}}]}, "not usable JSON (the JSON is nested too deeply)"),
        ({"calls": [{"name": "weather", "arguments": {"x": nested(900)}}]}, "not usable JSON"),
        ({"calls": [{"name": "weather", "arguments": {"x": "\ud800"}}]}, "it has characters that cannot be stored"),
        ({"ordered": "yes"}, "`ordered` is not true or false"),
        ({"answers": []}, "['answers'] is not known"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_a_problem_is_named(task: FunctionCalling, changes: dict[str, object], cause: str) -> None:
    with pytest.raises(UsageError) as caught:
        task.parse_problem({**PROBLEM, **changes})
    assert cause in caught.value.cause


def test_a_bad_line_of_a_folder_is_named(tmp_path: Path) -> None:
    lines = [json.dumps(PROBLEM), json.dumps({**PROBLEM, "calls": []})]
    (tmp_path / "train.jsonl").write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(UsageError, match=r"train\.jsonl, line 2: `calls` is not a list"):
        FunctionCalling("own", tmp_path, str(tmp_path)).problems(Split.TRAIN)


def check(problem: object, reply: str, *flags: str) -> subprocess.CompletedProcess[str]:
    command = (sys.executable, "-m", "rrr_local", "tasks", "check", "function-calling")
    arguments = ("--problem", json.dumps(problem), "--reply", "-", *flags)
    return subprocess.run([*command, *arguments], input=reply, capture_output=True, text=True, cwd=ROOT, timeout=60)


def test_the_command_judges_one_reply_as_it_does_for_countdown() -> None:
    failed = check(PROBLEM, RIGHT.replace("Paris", "paris"))
    assert (failed.returncode, failed.stderr) == (0, "")
    assert failed.stdout.strip() == "fail: argument `city`: expected 'Paris', got 'paris'"
    document = json.loads(check(PROBLEM, RIGHT, "--json").stdout)
    assert document == {"schema": "rrr.verdict/1", "verdict": "pass", "score": 1.0, "reason": "the call is right"}
    refused = check({**PROBLEM, "calls": []}, RIGHT)
    assert refused.returncode == 2
    assert "`calls` is not a list of 1 to 64 calls" in refused.stderr


def test_the_embedded_model_goes_through_an_episode_and_the_verdicts_are_its_own(task: FunctionCalling) -> None:
    """It was never taught to call anything: it fails, and that is no error of the verifier's."""
    backend = MlxBackend(bundled("tiny"))
    limits = Limits(attempt=40, reflection=20, retry=40)
    loop = Loop(backend, task, temperature=0.0, limits=limits)
    problem = min(task.problems(Split.EVAL), key=lambda each: len(json.dumps(each.info)))
    events = list(loop.episode(problem, seed=0))
    attempt = next(event.attempt for event in events if isinstance(event, Attempted))
    retry = next(event.retry for event in events if isinstance(event, Retried))
    for each in (attempt, retry):
        assert each.verdict.kind in (VerdictKind.FAIL, VerdictKind.UNPARSED), each.verdict
    seen = backend.chat.decode(attempt.node.path()[0].tokens)
    assert problem.prompt in seen
    assert str(_tools(problem.info)[0]["name"]) in seen


def test_failures_are_collected_and_measured_like_those_of_any_task(tmp_path: Path) -> None:
    """Problems in a folder of a person's own; short ones, since a model reads every tool it is offered."""
    folder = tmp_path / "own"
    folder.mkdir()
    for split, city in (("train", "Paris"), ("eval", "Rome")):
        calls = [{"name": "weather", "arguments": {"city": city}}]
        row = {"request": f"Weather in {city}.", "tools": [{"name": "weather"}], "calls": calls}
        (folder / f"{split}.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")
    home = new_home(tmp_path / "home")
    collected = call(home, "collect", "--task", str(folder), "-n", "1", "--problems", "1", "--json")
    assert collected.returncode == 0, collected.stderr
    assert json.loads(collected.stdout)["failures"] == 1
    measured = call(home, "eval", "--task", str(folder), "-n", "1", "--json")
    assert measured.returncode == 0, measured.stderr
    assert json.loads(measured.stdout)["first_try"] == pytest.approx(
        {"rate": 0.0, "n": 1, "low": 0.0, "high": 0.79}, abs=0.01
    )
