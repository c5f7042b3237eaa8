"""Function-calling data that a person has on disk, in the layouts of xLAM-60k and BFCL, as problems of ours.

    xLAM   {"id": …, "query": "…", "tools": "[{name, description, parameters: {city: {type: 'str, optional', …}}}]", "answers": "[{…}]"}
    BFCL   {"id": …, "question": [[{"role": "user", "content": "…"}]], "function": [{name, parameters: {"type": "dict", …}}]}
           and in a second file {"id": …, "ground_truth": [{"f": {"city": ["Paris", "paris"], "unit": ["", "km"]}}]}

Python's type names become those of JSON schema. In BFCL every value is a list of accepted ones, in which "" means that the argument may
be left out, and text is compared without regard to case; here that is `any_of`, `optional` and `ignore_case`. Where several accepted
values stand inside an object, every combination is an accepted value of its own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import islice, product
from pathlib import Path

from rrr_local.errors import UsageError
from rrr_local.tasks.files.rows import Row, read_rows
from rrr_local.tasks.function_calling import checked
from rrr_local.verifiers.strict_json import Unreadable, loads

MOST_ACCEPTED = 64
"""Accepted values of one argument."""
OURS = {"request", "tools", "calls"}
XLAM = {"query", "tools", "answers"}
BFCL = {"question", "function"}
ANSWERS_FOLDER = "possible_answer"
"""Where BFCL keeps the right answers: a file of the same name in this folder beside the questions."""

_TYPES = {
    "str": "string",
    "string": "string",
    "int": "integer",
    "integer": "integer",
    "float": "number",
    "number": "number",
    "bool": "boolean",
    "boolean": "boolean",
    "list": "array",
    "array": "array",
    "tuple": "array",
    "set": "array",
    "dict": "object",
    "object": "object",
}
"""Names of types in these files, without their brackets, in JSON schema; what is not here may be anything."""
_TYPE = re.compile(r"\s*(\w+)\s*(?:\[\s*(\w+)[^\]]*\])?")


_Convert = Callable[[Mapping[str, object]], dict[str, object]]
"""Makes a problem of a row."""


class _Bad(Exception):
    """A row cannot be used; the message is the reason."""


@dataclass(frozen=True, slots=True)
class ToolFile:
    """What a file in one of these layouts holds."""

    layout: str
    """`xLAM`, `BFCL`, or `function calling` where it has our own form."""
    problems: list[dict[str, object]]
    """In the task's JSON form."""
    errors: list[str]
    """One line for each row that cannot be used: "line 17: …"."""


def read(path: Path, answers: Path | None = None) -> ToolFile | None:
    """The problems in a file; None where it has none of these layouts.

    `answers` is BFCL's second file; without it, it is looked for where BFCL has it. Raises `UsageError` and `NotFoundError` where a file
    cannot be read.
    """
    table = read_rows(path)
    columns = set(table.columns)
    convert: _Convert
    if columns >= OURS:
        layout, convert = "function calling", _ours
    elif columns >= XLAM:
        layout, convert = "xLAM", _from_xlam
    elif columns >= BFCL:
        layout, convert = "BFCL", _from_bfcl(_right_answers(answers or path.parent / ANSWERS_FOLDER / path.name))
    else:
        return None
    problems, errors = [], list(table.bad)
    for row in table.rows:
        try:
            problems.append(checked(convert(row.values)))
        except UsageError as error:
            errors.append(f"{row.place}: {error.cause}")
        except (_Bad, Unreadable) as reason:
            errors.append(f"{row.place}: {reason}")
    return ToolFile(layout, problems, errors)


def _ours(row: Mapping[str, object]) -> dict[str, object]:
    return {key: value for key, value in row.items() if key != "id"}


# --- xLAM ---------------------------------------------------------------------------------------------------------


def _from_xlam(row: Mapping[str, object]) -> dict[str, object]:
    tools, calls = _json(row, "tools"), _json(row, "answers")
    return {"request": row.get("query"), "tools": [_xlam_tool(tool) for tool in _list(tools, "tools")], "calls": calls}


def _xlam_tool(tool: object) -> dict[str, object]:
    """A tool whose parameters are described one by one: {"city": {"type": "str, optional", "description": …, "default": …}}."""
    if not isinstance(tool, dict) or not isinstance(parameters := tool.get("parameters", {}), dict):
        raise _Bad("a tool is not an object with parameters")
    if "properties" in parameters:  # JSON schema already
        return tool
    properties = {str(name): _xlam_parameter(each) for name, each in parameters.items()}
    required = [name for name, each in parameters.items() if "optional" not in str(each.get("type", ""))]
    required = [name for name in required if "default" not in properties[name]]
    schema = {"type": "object", "properties": properties, "required": required}
    return {"name": tool.get("name"), "description": tool.get("description", ""), "parameters": schema}


def _xlam_parameter(parameter: object) -> dict[str, object]:
    if not isinstance(parameter, dict):
        raise _Bad("a parameter of a tool is not described by an object")
    return {key: value for key, value in parameter.items() if key != "type"} | _type(str(parameter.get("type", "")))


def _type(written: str) -> dict[str, object]:
    """JSON schema of a type as Python writes it, such as `List[int], optional`."""
    found = _TYPE.match(written)
    kind = _TYPES.get(found[1].lower()) if found else None
    if kind is None or found is None:
        return {}
    items = _TYPES.get((found[2] or "").lower())
    return {"type": kind, "items": {"type": items}} if kind == "array" and items else {"type": kind}


# --- BFCL ---------------------------------------------------------------------------------------------------------


def _right_answers(path: Path) -> dict[object, object]:
    """BFCL's right calls by the id of their question."""
    return {row.values.get("id"): row.values.get("ground_truth") for row in _answer_rows(path)}


def _answer_rows(path: Path) -> list[Row]:
    if not path.is_file():
        raise UsageError(
            "these are BFCL questions without their right answers",
            f"put the file with the right answers at {ANSWERS_FOLDER}/{path.name} beside the questions",
        )
    return read_rows(path).rows


def _from_bfcl(answers: Mapping[object, object]) -> _Convert:
    def convert(row: Mapping[str, object]) -> dict[str, object]:
        right = answers.get(row.get("id"))
        if right is None:
            raise _Bad("its id has no right answer")
        return {
            "request": _question(row.get("question")),
            "tools": [_bfcl_tool(tool) for tool in _list(row.get("function"), "function")],
            "calls": [_bfcl_call(call) for call in _list(right, "ground_truth")],
        }

    return convert


def _question(question: object) -> str:
    """The messages of a question's only turn, as one request."""
    if isinstance(question, list) and len(question) == 1 and isinstance(question[0], list):
        messages = question[0]
        if all(isinstance(each, dict) and each.get("role") in ("system", "user") for each in messages):
            return "\n\n".join(str(each.get("content", "")) for each in messages)
    raise _Bad("only questions of one turn can be used")


def _bfcl_tool(tool: object) -> dict[str, object]:
    if not isinstance(tool, dict):
        raise _Bad("a function is not an object")
    schema = _bfcl_schema(tool.get("parameters", {}))
    return {"name": tool.get("name"), "description": tool.get("description", ""), "parameters": schema}


def _bfcl_schema(schema: object) -> object:
    """A schema with JSON schema's names of types, at every depth."""
    if isinstance(schema, list):
        return [_bfcl_schema(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    changed = {key: _bfcl_schema(value) for key, value in schema.items()}
    if isinstance(schema.get("type"), str):  # a parameter may be called "type": then it is an object
        del changed["type"]
        changed |= _type(schema["type"])
    return changed


def _bfcl_call(call: object) -> dict[str, object]:
    if not isinstance(call, dict) or len(call) != 1:
        raise _Bad("a right call is not of the form {function: {argument: [accepted values]}}")
    name, accepted = next(iter(call.items()))
    if not isinstance(accepted, dict) or not all(isinstance(values, list) and values for values in accepted.values()):
        raise _Bad(f"the arguments of the right call to `{name}` are not lists of accepted values")
    spread = {key: _accepted(values) for key, values in accepted.items()}
    return {
        "name": name,
        "arguments": {key: values[0] for key, values in spread.items()},
        "any_of": {key: values[1:] for key, values in spread.items() if len(values) > 1},
        "ignore_case": [key for key, values in spread.items() if _has_text(values)],
        "optional": [key for key, values in accepted.items() if "" in values],
    }


def _accepted(values: list[object]) -> list[object]:
    """Every accepted value of an argument, "" last: it stands for the argument being left out."""
    spread = [each for value in values if value != "" for each in _combinations(value)]
    if len(spread) > MOST_ACCEPTED:
        raise _Bad(f"an argument has more than {MOST_ACCEPTED} accepted values")
    return spread or [""]


def _combinations(value: object) -> list[object]:
    """What one accepted value stands for: the values inside an object are lists of accepted ones themselves."""
    if isinstance(value, dict):
        members = [_members(key, values) for key, values in value.items()]
        chosen = islice(product(*members), MOST_ACCEPTED + 1)
        return [{key: each for member in one for key, each in member.items()} for one in chosen]
    if isinstance(value, list) and any(isinstance(each, dict) for each in value):
        return [list(one) for one in islice(product(*map(_combinations, value)), MOST_ACCEPTED + 1)]
    return [value]


def _members(key: str, values: object) -> list[dict[str, object]]:
    """The ways in which a key may stand in an object: with a value, or not at all."""
    if not isinstance(values, list):
        return [{key: values}]
    given = [{key: each} for value in values if value != "" for each in _combinations(value)]
    return [*given, {}] if "" in values else given


# --- JSON in JSON -------------------------------------------------------------------------------------------------


def _json(row: Mapping[str, object], column: str) -> object:
    """A column whose JSON may be written as text."""
    value = row.get(column)
    try:
        return loads(value) if isinstance(value, str) else value
    except Unreadable as reason:
        raise _Bad(f"`{column}`: {reason}") from None


def _list(value: object, what: str) -> list[object]:
    if not isinstance(value, list) or not value:
        raise _Bad(f"`{what}` is not a list")
    return value


def _has_text(values: object) -> bool:
    return '"' in json.dumps(values)
