"""Function calling, the paper's second task: answer a request by calling the right functions with the right arguments.

A problem as JSON:

    {"request": "Weather in Paris, please.",
     "tools":   [{"name": "weather", "description": "…", "parameters": {"type": "object", "properties": {…}}}],
     "calls":   [{"name": "weather", "arguments": {"city": "Paris"}}]}

`tools` are what the model is offered, here or in OpenAI's layout {"type": "function", "function": {…}}; `calls` are right. `"ordered": true`
asks for them in that order. In a call, `"any_of": {"city": ["Paris, France"]}` names more values that are accepted for an argument,
`"ignore_case": ["city"]` arguments that are compared without regard to case, and `"optional": ["unit"]` those that may be left out.

The reflection prompt is the paper's (2505.24726, appendix A; its wording reached us through a translation, see the README); the
retry prompts are ours. The tools are put to a model in its own format (`backends/chat.py`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from rrr_local.episode import Opening, Problem, Split, Verdict
from rrr_local.errors import UsageError
from rrr_local.paths import bundled
from rrr_local.tasks.base import Prompts, content_hash
from rrr_local.text import storable
from rrr_local.verifiers.call_formats import MOST_CALLS
from rrr_local.verifiers.calls import RightCall, judge_calls
from rrr_local.verifiers.strict_json import Unreadable, loads

NAME = "function-calling"
MOST_TOOLS = 128
FAILED = "You tried performing the task, but failed in generating the correct tool call."
PROMPTS = Prompts(
    reflect=f"{FAILED} Reflect on what went wrong and write a short explanation that will help you do better next time.",
    retry="Now try performing the task again.",
    plain_retry=f"{FAILED} Now try performing the task again.",
)
_WAY_OUT = 'give {"request": "…", "tools": [JSON schemas], "calls": [{"name": "…", "arguments": {…}}]}'
_KEYS = ("request", "tools", "calls", "ordered")
_CALL_KEYS = ("name", "arguments", "any_of", "ignore_case", "optional")


@dataclass(frozen=True)
class FunctionCalling:
    """The task over a folder that holds `train.jsonl` and `eval.jsonl`, one problem a line."""

    name: str
    folder: Path
    source: str
    version: int = 1
    configuration: Mapping[str, object] = field(default_factory=dict)
    prompts: Prompts = PROMPTS

    @classmethod
    def bundled(cls) -> FunctionCalling:
        """The task that ships, with synthetic tools; no tool of its eval problems occurs in its train problems."""
        return cls(NAME, bundled(NAME), NAME)

    def problems(self, split: Split) -> list[Problem]:
        path = self.folder / f"{split}.jsonl"
        return list(_problems(path, split, path.stat().st_mtime_ns))

    def parse_problem(self, info: Mapping[str, object]) -> Problem:
        return _problem(checked(info), Split.PRACTICE)

    def opening(self, problem: Problem) -> Opening:
        tools = problem.info["tools"]
        assert isinstance(tools, list)
        return Opening(problem.prompt, tools=tuple(_wrapped(tool) for tool in tools))

    def verify(self, problem: Problem, reply: str) -> Verdict:
        calls, tools = problem.info["calls"], problem.info["tools"]
        assert isinstance(calls, list) and isinstance(tools, list)
        offered = {tool_name(tool) for tool in tools}
        ordered = problem.info.get("ordered") is True
        return judge_calls(reply, [_right_call(call) for call in calls], ordered=ordered, offered=offered)


@lru_cache(maxsize=8)
def _problems(path: Path, split: Split, modified: int) -> tuple[Problem, ...]:
    """The problems of a file as it was `modified`. Raises `UsageError` with the line that is wrong."""
    problems = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            problems.append(_problem(checked(_object(line)), split))
        except UsageError as error:
            raise UsageError(f"{path.name}, line {number}: {error.cause}", error.way_out) from error
    return tuple(problems)


def _object(line: str) -> dict[str, object]:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"not JSON ({error})", _WAY_OUT) from error
    if not isinstance(value, dict):
        raise UsageError("not a JSON object", _WAY_OUT)
    return value


def _problem(info: Mapping[str, object], split: Split) -> Problem:
    calls = info["calls"]
    assert isinstance(calls, list)
    # The same request with the same calls is the same problem, whichever other tools are offered.
    ordered = info.get("ordered") is True
    written = [json.dumps([call["name"], call["arguments"]], sort_keys=True) for call in calls]
    identity = content_hash({"request": info["request"], "calls": written if ordered else sorted(written)})
    return Problem(str(info["request"]), info, identity, split)


# --- what a problem must look like --------------------------------------------------------------------------------


def checked(info: Mapping[str, object]) -> dict[str, object]:
    """A problem's JSON form, known to be usable. Raises `UsageError` naming the first thing that is wrong."""
    _refuse_unless(not (unknown := [key for key in info if key not in _KEYS]), f"{unknown[:1]} is not known")
    _check_json(info)
    request, tools, calls = info.get("request"), info.get("tools"), info.get("calls")
    usable = isinstance(request, str) and bool(request.strip()) and storable(request) == request
    _refuse_unless(usable, "`request` is not a text")
    _refuse_unless(isinstance(info.get("ordered", False), bool), "`ordered` is not true or false")
    names = _checked_tools(tools)
    if not isinstance(calls, list) or not 1 <= len(calls) <= MOST_CALLS:
        raise UsageError(f"`calls` is not a list of 1 to {MOST_CALLS} calls", _WAY_OUT)
    for number, call in enumerate(calls, 1):
        _check_call(call, f"call {number}", names)
    return dict(info)


def _check_json(info: Mapping[str, object]) -> None:
    """Refuse what a reply could never equal, and what cannot be logged."""
    try:
        text = json.dumps(info, ensure_ascii=False)
        _refuse_unless(storable(text) == text, "it has characters that cannot be stored")
        loads(text)
    except (Unreadable, TypeError, ValueError, RecursionError) as error:
        raise UsageError(f"not usable JSON ({error})", _WAY_OUT) from error


def _checked_tools(tools: object) -> set[str]:
    """The names of the tools."""
    if not isinstance(tools, list) or not 1 <= len(tools) <= MOST_TOOLS:
        raise UsageError(f"`tools` is not a list of 1 to {MOST_TOOLS} JSON schemas", _WAY_OUT)
    names: set[str] = set()
    for number, tool in enumerate(tools, 1):
        schema = _schema(tool) if isinstance(tool, dict) else None
        name = schema.get("name") if isinstance(schema, dict) else None
        if not isinstance(schema, dict) or not isinstance(name, str) or not name.strip():
            raise UsageError(f"tool {number} has no name", _WAY_OUT)
        _refuse_unless(name not in names, f"there are two tools `{name}`")
        _refuse_unless(isinstance(schema.get("description", ""), str), f"the description of `{name}` is not a text")
        _refuse_unless(isinstance(schema.get("parameters", {}), dict), f"the parameters of `{name}` are not a schema")
        names.add(name)
    return names


def _check_call(call: object, which: str, names: set[str]) -> None:
    if not isinstance(call, dict) or not isinstance(call.get("name"), str):
        raise UsageError(f"{which} has no name", _WAY_OUT)
    _refuse_unless(
        not (unknown := [key for key in call if key not in _CALL_KEYS]), f"{which}: {unknown[:1]} is not known"
    )
    _refuse_unless(call["name"] in names, f"{which}: `{call['name']}` is not among the tools")
    arguments = call.get("arguments")
    if not isinstance(arguments, dict):
        raise UsageError(f"{which}: `arguments` is not an object", _WAY_OUT)
    any_of = call.get("any_of", {})
    usable = isinstance(any_of, dict) and all(isinstance(values, list) for values in any_of.values())
    _refuse_unless(usable, f"{which}: `any_of` is not an object with a list of values for each argument")
    for key in ("any_of", "ignore_case", "optional"):
        named = call.get(key, [])
        usable = isinstance(named, list | dict) and all(isinstance(name, str) for name in named)
        _refuse_unless(usable, f"{which}: `{key}` does not name arguments")
        strange = [name for name in named if name not in arguments]
        _refuse_unless(not strange, f"{which}: `{key}` names {strange[:1]}, which is not among its arguments")


def _refuse_unless(usable: bool, problem: str) -> None:
    if not usable:
        raise UsageError(problem, _WAY_OUT)


# --- from JSON to what is offered and judged ----------------------------------------------------------------------


def tool_name(tool: Mapping[str, object]) -> str:
    """The name of a tool in either layout."""
    return str(_schema(tool)["name"])


def _schema(tool: Mapping[str, object]) -> Mapping[str, object]:
    """A tool without OpenAI's wrapping."""
    function = tool.get("function")
    return function if isinstance(function, dict) else tool


def _wrapped(tool: Mapping[str, object]) -> dict[str, object]:
    """A tool in OpenAI's layout, with what chat templates rely on."""
    schema = _schema(tool)
    parameters = schema.get("parameters") or {"type": "object", "properties": {}}
    complete = {"name": schema["name"], "description": schema.get("description", ""), "parameters": parameters}
    return {"type": "function", "function": {**schema, **complete}}


def _right_call(call: Mapping[str, object]) -> RightCall:
    arguments, any_of = call["arguments"], call.get("any_of", {})
    assert isinstance(arguments, dict) and isinstance(any_of, dict)
    return RightCall(str(call["name"]), arguments, any_of, _names(call, "ignore_case"), _names(call, "optional"))


def _names(call: Mapping[str, object], key: str) -> frozenset[str]:
    names = call.get(key, ())
    assert isinstance(names, Sequence)
    return frozenset(map(str, names))
