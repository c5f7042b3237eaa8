"""Function-calling data in the layouts of xLAM-60k and BFCL becomes problems; what is unusable is named by its line."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from rrr_local.errors import UsageError
from rrr_local.tasks.function_calling import FunctionCalling
from rrr_local.tasks.tool_files import MOST_ACCEPTED, ToolFile, read

TASK = FunctionCalling.bundled()
XLAM_TOOLS = [
    {
        "name": "find_trains",
        "description": "Trains between two places.",
        "parameters": {
            "start": {"description": "From where.", "type": "str"},
            "stops": {"description": "On the way.", "type": "List[str], optional"},
            "seats": {"description": "How many.", "type": "int", "default": 1},
            "options": {"description": "More.", "type": "Dict[str, Any], optional"},
            "shape": {"description": "Any.", "type": "Union[str, int]"},
        },
    }
]
XLAM: dict[str, Any] = {
    "id": 3,
    "query": "Trains from Graz for two.",
    "tools": json.dumps(XLAM_TOOLS),
    "answers": json.dumps([{"name": "find_trains", "arguments": {"start": "Graz", "seats": 2}}]),
}
BFCL: dict[str, Any] = {
    "id": "simple_0",
    "question": [[{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Rent a bike in Graz."}]],
    "function": [
        {
            "name": "rent.bike",
            "description": "Rent a bike.",
            "parameters": {
                "type": "dict",
                "properties": {
                    "city": {"type": "string", "description": "Where."},
                    "hours": {"type": "float"},
                    "type": {"type": "string", "enum": ["road", "city"]},
                    "range": {"type": "dict", "properties": {"low": {"type": "integer"}, "high": {"type": "integer"}}},
                    "days": {"type": "array", "items": {"type": "integer"}},
                    "extras": {"type": "array", "items": {"type": "dict", "properties": {"what": {"type": "any"}}}},
                },
                "required": ["city"],
            },
        }
    ],
}
TRUTH: dict[str, Any] = {
    "id": "simple_0",
    "ground_truth": [
        {
            "rent.bike": {
                "city": ["Graz", "Graz, Austria"],
                "hours": [2.0],
                "type": ["", "city"],
                "range": [{"low": [1, 2], "high": ["", 9]}],
                "days": [[1, 2], [2, 1]],
                "extras": ["", [{"what": ["bell", "lamp"]}]],
            }
        }
    ],
}


def written(path: Path, rows: Sequence[object], *, lines: bool = True) -> Path:
    path.parent.mkdir(exist_ok=True)
    text = "\n".join(map(json.dumps, rows)) if lines else json.dumps(rows)
    path.write_text(text, encoding="utf-8")
    return path


def bfcl(folder: Path, question: object = BFCL, truth: object = TRUTH) -> ToolFile:
    """A pair of files as BFCL lays them out: JSONL that is called JSON."""
    written(folder / "possible_answer" / "simple.json", [truth])
    found = read(written(folder / "simple.json", [question]))
    assert found is not None
    return found


@pytest.mark.parametrize("lines", [True, False])
def test_xlam_rows_become_problems(tmp_path: Path, lines: bool) -> None:
    found = read(written(tmp_path / ("x.jsonl" if lines else "x.json"), [XLAM], lines=lines))
    assert found is not None
    assert (found.layout, found.errors) == ("xLAM", [])
    (problem,) = found.problems
    assert problem["request"] == "Trains from Graz for two."
    assert problem["calls"] == [{"name": "find_trains", "arguments": {"start": "Graz", "seats": 2}}]
    tool: Any = problem["tools"]
    assert tool[0]["parameters"] == {
        "type": "object",
        "properties": {
            "start": {"description": "From where.", "type": "string"},
            "stops": {"description": "On the way.", "type": "array", "items": {"type": "string"}},
            "seats": {"description": "How many.", "default": 1, "type": "integer"},
            "options": {"description": "More.", "type": "object"},
            "shape": {"description": "Any."},
        },
        "required": ["start", "shape"],
    }
    assert TASK.verify(TASK.parse_problem(problem), str(XLAM["answers"])).passed


def test_xlam_rows_that_cannot_be_used_are_named_by_line_and_the_rest_is_kept(tmp_path: Path) -> None:
    bad = [
        {**XLAM, "id": 4, "tools": "[{"},
        {**XLAM, "id": 5, "answers": "[]"},
        {**XLAM, "id": 6, "answers": '[{"name": "other", "arguments": {}}]'},
        {**XLAM, "id": 7, "answers": '[{"name": "find_trains", "arguments": {"x": 1, "x": 2}}]'},
        {**XLAM, "id": 8, "query": None},
        {**XLAM, "id": 9, "tools": [{"name": "find_trains", "parameters": {"start": "str"}}]},
    ]
    found = read(written(tmp_path / "x.jsonl", [XLAM, *bad, "no object", {**XLAM, "id": 10}]))
    assert found is not None
    assert len(found.problems) == 2
    assert sorted(found.errors) == [
        "line 2: `tools`: the JSON breaks off",
        "line 3: `calls` is not a list of 1 to 64 calls",
        "line 4: call 1: `other` is not among the tools",
        "line 5: `answers`: a key stands twice in one object",
        "line 6: `request` is not a text",
        "line 7: a parameter of a tool is not described by an object",
        "line 8: not an object of column: value",
    ]


def test_a_bfcl_question_becomes_a_problem_with_everything_that_is_accepted(tmp_path: Path) -> None:
    found = bfcl(tmp_path)
    assert (found.layout, found.errors) == ("BFCL", [])
    (problem,) = found.problems
    assert problem["request"] == "Be brief.\n\nRent a bike in Graz."
    tool: Any = problem["tools"]
    properties = tool[0]["parameters"]["properties"]
    assert tool[0]["parameters"]["type"] == properties["range"]["type"] == "object"
    assert properties["hours"] == {"type": "number"}
    assert properties["type"] == {"type": "string", "enum": ["road", "city"]}
    assert properties["extras"] == {"type": "array", "items": {"type": "object", "properties": {"what": {}}}}


@pytest.mark.parametrize(
    ("changes", "passes"),
    [
        ({}, True),
        ({"city": "graz, AUSTRIA"}, True),
        ({"city": "Wien"}, False),
        ({"hours": 2}, True),
        ({"hours": 3}, False),
        ({"type": "city"}, True),
        ({"type": "road"}, False),
        ({"range": {"low": 2}}, True),
        ({"range": {"low": 2, "high": 9}}, True),
        ({"range": {"low": 3, "high": 9}}, False),
        ({"range": {"high": 9}}, False),
        ({"range": None}, False),
        ({"days": [2, 1]}, True),
        ({"days": [2]}, False),
        ({"extras": [{"what": "lamp"}]}, True),
        ({"extras": [{"what": "lock"}]}, False),
        ({"colour": "red"}, False),
    ],
)
def test_what_bfcl_accepts_passes(tmp_path: Path, changes: dict[str, object], passes: bool) -> None:
    problem = TASK.parse_problem(bfcl(tmp_path).problems[0])
    arguments = {"city": "Graz", "hours": 2.0, "range": {"low": 1, "high": 9}, "days": [1, 2], **changes}
    assert TASK.verify(problem, json.dumps({"name": "rent.bike", "arguments": arguments})).passed is passes


@pytest.mark.parametrize(
    ("question", "truth", "reason"),
    [
        ({"question": [[], []]}, {}, "only questions of one turn can be used"),
        ({"question": [[{"role": "assistant", "content": "Hi"}]]}, {}, "only questions of one turn can be used"),
        ({"question": "Rent a bike."}, {}, "only questions of one turn can be used"),
        ({"function": []}, {}, "`function` is not a list"),
        ({"function": ["f"]}, {}, "a function is not an object"),
        ({}, {"id": "simple_1"}, "its id has no right answer"),
        ({}, {"ground_truth": []}, "`ground_truth` is not a list"),
        ({}, {"ground_truth": ["rent.bike(city='Graz')"]}, "a right call is not of the form"),
        ({}, {"ground_truth": [{"rent.bike": {"city": "Graz"}}]}, "are not lists of accepted values"),
        ({}, {"ground_truth": [{"rent.car": {"city": ["Graz"]}}]}, "`rent.car` is not among the tools"),
        ({}, {"ground_truth": [{"rent.bike": {"days": [[i] for i in range(99)]}}]}, f"more than {MOST_ACCEPTED} accepted"),
        ({}, {"ground_truth": [{"rent.bike": {"x": [{k: list(range(9)) for k in "abcdefghi"}]}}]}, f"more than {MOST_ACCEPTED}"),
    ],
)  # fmt: skip
def test_bfcl_rows_that_cannot_be_used_are_named(
    tmp_path: Path, question: dict[str, object], truth: dict[str, object], reason: str
) -> None:
    found = bfcl(tmp_path, {**BFCL, **question}, {**TRUTH, **truth})
    assert found.problems == []
    (error,) = found.errors
    assert error.startswith("line 1: ")
    assert reason in error


def test_bfcl_questions_without_their_answers_say_where_they_are_looked_for(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"possible_answer/simple\.json beside the questions"):
        read(written(tmp_path / "simple.json", [BFCL]))
    elsewhere = written(tmp_path / "truth.json", [TRUTH])
    found = read(tmp_path / "simple.json", elsewhere)
    assert found is not None
    assert len(found.problems) == 1


def test_problems_in_our_own_form_are_taken_as_they_are(tmp_path: Path) -> None:
    own: dict[str, object] = {"request": "Go.", "tools": [{"name": "go"}], "calls": [{"name": "go", "arguments": {}}]}
    found = read(written(tmp_path / "own.jsonl", [{"id": 1, **own}, {**own, "calls": []}]))
    assert found == ToolFile("function calling", [own], ["line 2: `calls` is not a list of 1 to 64 calls"])


@pytest.mark.parametrize(
    "row", [{"prompt": "1 + 1", "answer": "2"}, {"question": "1 + 1", "answer": "2"}, {"query": "x"}]
)
def test_other_files_have_none_of_these_layouts(tmp_path: Path, row: dict[str, str]) -> None:
    assert read(written(tmp_path / "x.jsonl", [row])) is None
