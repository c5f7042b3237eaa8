"""The check `json-schema`: what is read as JSON, what fits, and that a schema can neither hang nor reach out."""

from __future__ import annotations

import json
import socket
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rrr_local.episode import Verdict, VerdictKind
from rrr_local.errors import UsageError
from rrr_local.verifiers.checks import make_check
from rrr_local.verifiers.json_values import canonical

PERSON = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "minLength": 1},
        "age": {"type": "integer", "minimum": 0},
        "tags": {"type": "array", "items": {"type": "string"}, "uniqueItems": True},
    },
    "required": ["name", "age"],
    "additionalProperties": False,
}


def judge(reply: str, schema: object = PERSON) -> Verdict:
    return make_check({"kind": "json-schema", "schema": schema}, Path()).judge(reply, {})


def equal(reply: str, wanted: object) -> Verdict:
    check = make_check({"kind": "json-schema", "answer": "answer"}, Path())
    check.check_row({"answer": wanted})
    return check.judge(reply, {"answer": wanted})


@pytest.mark.parametrize(
    "reply",
    [
        '{"name": "Ada", "age": 36}',
        '  {"age":36.0,"name":"Ada"}\n',
        'Here:\n```json\n{"name": "Ada", "age": 36}\n```\nDone.',
        '```\n{"name": "Ada", "age": 36}\n```',
        '<answer>{"name": "Ada", "age": 36}</answer>',
        '<answer>```json\n{"name": "Ada", "age": 36}\n```</answer>',
        '```json\n{}\n``` or\n```json\n{"name": "Ada", "age": 36, "tags": ["a", "b"]}\n```',
    ],
)
def test_json_that_fits_passes(reply: str) -> None:
    assert judge(reply).passed


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ("{}", "`name` is missing"),
        ("[]", 'expected type "object", got []'),
        ('{"name": "Ada", "age": "36"}', '`age`: expected type "integer", got "36"'),
        ('{"name": "Ada", "age": true}', '`age`: expected type "integer", got true'),
        ('{"name": "Ada", "age": 36.5}', '`age`: expected type "integer", got 36.5'),
        ('{"name": "Ada", "age": -1}', "`age`: expected minimum 0, got -1"),
        ('{"name": "", "age": 1}', '`name`: expected minLength 1, got ""'),
        ('{"name": "Ada", "age": 36, "x": 1}', "`x` is not expected"),
        ('{"name": "Ada", "age": 36, "tags": ["a", 1]}', '`tags[1]`: expected type "string", got 1'),
        ('{"name": "Ada", "age": 36, "tags": ["a", "a"]}', '`tags`: expected uniqueItems true, got ["a", "a"]'),
    ],
)
def test_json_that_does_not_fit_fails_with_its_place(reply: str, reason: str) -> None:
    verdict = judge(reply)
    assert (verdict.kind, verdict.reason) == (VerdictKind.FAIL, reason)


@pytest.mark.parametrize(
    "reply",
    [
        'It is {"name": "Ada", "age": 36}',
        '{"name": "Ada", "age": 36} as asked',
        '{"name": "Ada", "age": 36, "age": 37}',
        '{"name": "Ada", "age": NaN}',
        '{"name": "Ada", "age": 1e999}',
        '{"name": "Ada", "age": ' + "9" * 101 + "}",
        "{'name': 'Ada', 'age': 36}",
        '{"name": "Ada", "age": 36,}',
        '{"name": "Ada", "age": 036}',
        "[" * 65 + "]" * 65,
        '```json\n{"name": "Ada", "age": 36}',
        "```python\nprint(1)\n```",
    ],
)
def test_what_is_no_strict_json_is_unparsed(reply: str) -> None:
    assert judge(reply).kind is VerdictKind.UNPARSED


@pytest.mark.parametrize(
    ("schema", "fits", "fits_not"),
    [
        ({"multipleOf": 0.1}, ["0.3", "1e-1", "7" * 90], ["0.35", "1e-99"]),
        ({"multipleOf": 3}, ["9.0", '"text"', "true"], ["10", "9.5"]),
        ({"format": "date"}, ['"2024-02-29"', "5"], ['"2023-02-29"', '"2024-2-9"', '"20240229"', '"２024-02-29"']),
        ({"format": "date-time"}, ['"2024-02-29T10:00:00Z"'], ['"2024-02-29T25:00:00Z"', '"2024-02-29T10:00:00"']),
        ({"format": "time"}, ['"10:00:00+02:00"'], ['"10:00"']),
        ({"format": "email"}, ['"a@b.c"'], ['"a"', '"a@b@c"', '"' + "a" * 400 + '@b.c"']),
        ({"format": "ipv4"}, ['"10.0.0.1"'], ['"10.0.0.256"', '"::1"']),
        ({"format": "ipv6"}, ['"::1"'], ['"10.0.0.1"']),
        ({"format": "uuid"}, ['"12345678-1234-1234-1234-123456789abc"'], ['"1234"', '"{1234}"']),
        ({"pattern": "^a+$"}, ['"aaa"', "1"], ['"aab"']),
        ({"patternProperties": {"^n": {"type": "number"}}}, ['{"n": 1, "x": "y"}'], ['{"n": "1"}']),
        (
            {"patternProperties": {"^n": {}}, "properties": {"a": {}}, "additionalProperties": {"type": "null"}},
            ['{"n": 1, "a": 2, "x": null}'],
            ['{"x": 1}'],
        ),
        (
            {"uniqueItems": True},
            ["[1, true, 2]", '["1", 1]', "[{}, []]"],
            ["[1, 1.0]", '[{"a":1,"b":2},{"b":2,"a":1}]'],
        ),
        ({"const": 1}, ["1", "1.0"], ["true", '"1"']),
        ({"enum": [0, "a"]}, ["0", '"a"'], ["false", '"b"']),
        ({"$defs": {"n": {"type": "number"}}, "$ref": "#/$defs/n"}, ["1"], ['"1"']),
        ({"$id": "http://example.invalid/s", "$defs": {"n": {"type": "null"}}, "$ref": "#/$defs/n"}, ["null"], ["1"]),
        ({"items": {"$ref": "#"}, "type": ["array", "null"]}, ["[[], [null]]"], ["[[1]]"]),
        ({"$schema": "http://json-schema.org/draft-07/schema#", "pattern": "^a"}, ['"ab"'], ['"b"']),
        ({"$schema": "http://json-schema.org/draft-04/schema#", "minimum": 1, "exclusiveMinimum": True}, ["2"], ["1"]),
        ({"properties": {"$ref": {"type": "string"}, "format": {"const": 1}}}, ['{"$ref": "x"}'], ['{"format": 2}']),
        (True, ["1"], []),
        (False, [], ["1"]),
    ],
)
def test_keywords_mean_what_json_schema_says(schema: object, fits: list[str], fits_not: list[str]) -> None:
    for reply in fits:
        assert judge(reply, schema).kind is VerdictKind.PASS, reply
    for reply in fits_not:
        assert judge(reply, schema).kind is VerdictKind.FAIL, reply


# --- schemas that are refused, or slow ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("schema", "cause"),
    [
        ({"type": "strin"}, "it is no JSON Schema"),
        ({"minimum": "1"}, "it is no JSON Schema"),
        ({"multipleOf": 0}, "it is no JSON Schema"),
        ({"$schema": "http://example.invalid/schema"}, "it is no JSON Schema of draft 4"),
        ({"pattern": "("}, "'(' is no pattern"),
        ({"pattern": "((a{1000}){1000}){1000}"}, "repeats too much"),
        ({"patternProperties": {"[": {}}}, "'[' is no pattern"),
        ({"format": "uri"}, "the format 'uri' is not checked"),
        ({"$ref": "http://127.0.0.1:9/schema.json"}, "leads out of it"),
        ({"$ref": "file:///etc/passwd"}, "leads out of it"),
        ({"$ref": "other.json#/x"}, "leads out of it"),
        ({"items": {"$dynamicRef": "http://127.0.0.1:9/x"}}, "leads out of it"),
        ({"$ref": "#/$defs/none"}, "leads nowhere"),
        ({"items": {"$schema": "http://json-schema.org/draft-07/schema#", "pattern": "a"}}, "only at its top"),
        ({"items": {"$id": "http://127.0.0.1:9/x"}}, "only at its top"),
        ({"patternProperties": {"a": {}}, "unevaluatedProperties": False}, "is not supported"),
        ({"const": float("nan")}, "NaN is not JSON"),
        (json.loads('{"not":' * 70 + "{}" + "}" * 70), "nested too deeply"),
        ({"default": object()}, "is not JSON serializable"),
    ],
)
def test_a_schema_that_cannot_be_used_is_refused_and_nothing_is_fetched(
    schema: object, cause: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "socket", None)
    with pytest.raises(UsageError) as error:
        judge("1", schema)
    assert cause in error.value.cause


TREE: dict[str, Any] = {
    "$defs": {
        "tree": {
            "anyOf": [
                {"type": "number"},
                {"type": "object", "properties": {"left": {"$ref": "#/$defs/tree"}, "op": {"const": "+"}}},
                {"type": "object", "properties": {"left": {"$ref": "#/$defs/tree"}, "op": {"const": "-"}}},
            ]
        }
    },
    "$ref": "#/$defs/tree",
}
DRAFT_7 = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    "items": {"$ref": "#"},
    "pattern": "^(a|aa)+$",
}
"""Its part that is the whole again names the draft, whose own keywords know no time limit."""


@pytest.mark.parametrize(
    ("schema", "reply", "reason"),
    [
        (TREE, '{"left":' * 60 + '"x"' + "}" * 60, "the schema took longer than 1 s"),
        ({"pattern": "^(a|aa)+$"}, '"' + "a" * 60 + '!"', "the pattern ^(a|aa)+$ took too long"),
        ({"patternProperties": {"^(a|aa)+$": {}}}, '{"' + "a" * 60 + '!": 1}', "the pattern ^(a|aa)+$ took too long"),
        (DRAFT_7, '["' + "a" * 60 + '!"]', "the pattern ^(a|aa)+$ took too long"),
        ({"$ref": "#"}, "1", "the schema refers to itself without end"),
    ],
)
def test_a_schema_that_takes_too_long_is_an_error_of_the_check(schema: object, reply: str, reason: str) -> None:
    start = time.monotonic()
    verdict = judge(reply, schema)
    assert (verdict.kind, verdict.reason) == (VerdictKind.ERROR, reason)
    assert time.monotonic() - start < 30.0


def test_a_row_whose_answer_takes_the_schema_too_long_is_refused() -> None:
    check = make_check({"kind": "json-schema", "schema": {"$ref": "#"}, "answer": "right"}, Path())
    with pytest.raises(UsageError, match="cannot be checked: the schema refers to itself without end"):
        check.check_row({"right": 1})


def test_deep_json_that_fits_a_recursive_schema_passes() -> None:
    assert judge('{"left":' * 60 + "1" + "}" * 60, TREE).passed


# --- where schemas and answers come from ----------------------------------------------------------------------------


def test_a_schema_may_be_a_file_of_the_task_and_its_content_is_in_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "person.json").write_text("\ufeff" + json.dumps(PERSON), encoding="utf-8")
    check = make_check({"kind": "json-schema", "schema": "person.json"}, tmp_path)
    assert check.judge('{"name": "Ada", "age": 36}', {}).passed
    assert check.configuration["schema"] == PERSON
    (tmp_path / "person.json").write_text('{"a": 1, "a": 2}')
    with pytest.raises(UsageError, match=r"person.json cannot be read: a key stands twice"):
        make_check({"kind": "json-schema", "schema": "person.json"}, tmp_path)
    (tmp_path / "link.json").symlink_to("/etc/hostname")
    with pytest.raises(UsageError, match=r"there is no file 'link.json' in the task's folder"):
        make_check({"kind": "json-schema", "schema": "link.json"}, tmp_path)


@pytest.mark.parametrize("written", [lambda schema: schema, json.dumps])
def test_every_row_may_have_a_schema_of_its_own(written: Any) -> None:
    check = make_check({"kind": "json-schema", "schema_column": "shape"}, Path())
    row = {"shape": written({"type": "number"})}
    check.check_row(row)
    assert check.judge("1", row).passed
    assert not check.judge('"1"', row).passed
    with pytest.raises(UsageError, match=r"the column 'shape': the schema cannot be used: it is no JSON Schema"):
        check.check_row({"shape": written({"type": "numbr"})})


def test_an_answer_that_does_not_fit_its_schema_is_refused() -> None:
    check = make_check({"kind": "json-schema", "schema": PERSON, "answer": "right"}, Path())
    check.check_row({"right": '{"name": "Ada", "age": 36}'})
    with pytest.raises(UsageError, match=r"the column 'right': .* does not fit the schema: `age` is missing"):
        check.check_row({"right": {"name": "Ada"}})
    with pytest.raises(UsageError, match=r"the column 'right': .* is not JSON: not JSON"):
        check.check_row({"right": "Ada"})


@pytest.mark.parametrize(
    ("reply", "wanted", "kind"),
    [
        ('{"b": [1, 2], "a": 1}', {"a": 1, "b": [1, 2]}, "pass"),
        ('{"b": [1, 2.0], "a": 1e0}', '{"a": 1.0, "b": [1, 2]}', "pass"),
        ("9007199254740993", 9007199254740993, "pass"),
        ("-0.0", 0, "pass"),
        ('{"b": [2, 1], "a": 1}', {"a": 1, "b": [1, 2]}, "fail"),
        ("true", 1, "fail"),
        ("1", "true", "fail"),
        ("null", 0, "fail"),
        ("9007199254740992.0", 9007199254740993, "fail"),
        ('"a"', '"A"', "fail"),
        ('"1"', "1", "fail"),
    ],
)
def test_json_is_compared_by_value(reply: str, wanted: object, kind: str) -> None:
    assert equal(reply, wanted).kind is VerdictKind(kind)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=10,
)


def shuffled(value: object) -> object:
    """The same value with its keys in another order."""
    if isinstance(value, dict):
        return {key: shuffled(value[key]) for key in reversed(list(value))}
    return [shuffled(each) for each in value] if isinstance(value, list) else value


@given(JSON.filter(lambda value: value is not None and value != ""), st.sampled_from([None, 0, 2]))
def test_equal_json_passes_whatever_its_spaces_and_the_order_of_its_keys(value: object, indent: int | None) -> None:
    assert equal(json.dumps(shuffled(value), indent=indent), json.dumps(value)).passed
    assert equal(f"```json\n{json.dumps(value)}\n```", json.dumps(value)).passed or "```" in json.dumps(value)


@given(JSON, JSON)
def test_other_json_never_passes(value: object, other: object) -> None:
    same = canonical(value) == canonical(other)
    assert equal(json.dumps(other), json.dumps(value)).passed is same
    assert equal(json.dumps([value, 1]), json.dumps([value])).kind is VerdictKind.FAIL
