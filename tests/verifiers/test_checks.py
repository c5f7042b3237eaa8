"""Every kind of check: what its options and rows may be, and that hostile replies end in a verdict and run nothing."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rrr_local.episode import VerdictKind
from rrr_local.errors import UsageError
from rrr_local.verifiers.checks import KINDS, READERS, Check, make_check
from rrr_local.verifiers.text import judge_text
from tests.verifiers.hostile_replies import hostile_replies

HERE = Path("nowhere")
LIMIT_S = 5.0
"""What one hostile reply may take on a slow machine. The checks' own limits are 0.25 s for a pattern and 1 s for a schema."""
TREE = {
    "$defs": {
        "node": {
            "type": "object",
            "properties": {"value": {"$ref": "#/$defs/node"}, "items": {"type": "array", "uniqueItems": True}},
            "patternProperties": {"^(k+)+$": {"type": "integer"}},
            "additionalProperties": {"anyOf": [{"type": "string", "pattern": "^(a+)+$"}, {"multipleOf": 0.1}]},
        }
    },
    "anyOf": [{"$ref": "#/$defs/node"}, {"properties": {"value": {"format": "date-time"}}, "required": ["value"]}],
}
CHECKS: Mapping[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "exact": ({}, {"answer": "Paris"}, "Paris"),
    "exact, folded": ({"kind": "exact", "ignore_case": True, "separator": "|"}, {"answer": "24|Paris"}, "paris"),
    "number": ({}, {"answer": 24}, "24"),
    "number, loose": ({"kind": "number", "tolerance": 0.5, "relative": 0.1, "units": False}, {"answer": "1/3"}, "0.3"),
    "regex": ({"pattern": r"^(a+)+$"}, {}, "aaa"),
    "regex, full": ({"kind": "regex", "match": "full", "ignore_case": True}, {"answer": r"(a|aa|\w)*b"}, "AAB"),
    "json-schema": ({"schema": TREE}, {}, '{"value": {}}'),
    "json-schema, equal": ({"kind": "json-schema", "answer": "answer"}, {"answer": {"value": 24}}, '{"value": 24.0}'),
    "contains": ({"without": ["London"]}, {"answer": ["Paris", "24"]}, "24 is in Paris"),
    "contains, folded": (
        {"kind": "contains", "ignore_case": True, "match": "any"},
        {"answer": ["ß", "e\u0301"]},
        "ÉSS",
    ),
    "multiple-choice": ({}, {"choices": ["24", "Paris", "Rome"], "answer": "B"}, "B"),
    "countdown": ({}, {"numbers": "3 8", "target": "24"}, "<answer>3 * 8</answer>"),
}
"""Every kind that runs nothing, some of them twice: options, a row, a reply that passes."""


def made(name: str) -> Check:
    return make_check({"kind": name} | CHECKS[name][0], HERE)


def test_every_kind_has_a_line_and_a_reader() -> None:
    assert KINDS.keys() == READERS.keys()
    assert KINDS.keys() - {"python", "code"} == {name.partition(",")[0] for name in CHECKS}
    assert all(0 < len(line) < 80 for line in KINDS.values())


# --- hostile replies ------------------------------------------------------------------------------------------------


def test_there_are_at_least_300_distinct_hostile_replies() -> None:
    replies = hostile_replies(Path("sentinel"))
    assert len(set(replies.values())) == len(replies) >= 300
    assert replies == hostile_replies(Path("sentinel"))
    assert max(map(len, replies.values())) >= 5_000_000


@pytest.mark.parametrize("name", CHECKS)
def test_every_hostile_reply_ends_in_a_verdict_and_runs_nothing(name: str, tmp_path: Path) -> None:
    check, row, sentinel = made(name), CHECKS[name][1], tmp_path / "sentinel"
    check.check_row(row)
    for attack, reply in hostile_replies(sentinel).items():
        start = time.monotonic()
        verdict = check.judge(reply, row)
        assert time.monotonic() - start < LIMIT_S, attack
        assert verdict.kind in (VerdictKind.PASS, VerdictKind.FAIL, VerdictKind.UNPARSED, VerdictKind.ERROR), attack
        assert verdict.kind is not VerdictKind.ERROR or name in ("regex", "regex, full", "json-schema"), attack
        assert 0 < len(verdict.reason) < 500, attack
        assert verdict.answer is None or len(verdict.answer) <= 2_000, attack
    assert not sentinel.exists()


def test_hostile_replies_end_in_a_verdict_against_an_expected_text(tmp_path: Path) -> None:
    for attack, reply in hostile_replies(tmp_path / "sentinel").items():
        start = time.monotonic()
        assert judge_text(reply, "Paris").kind is not VerdictKind.PASS, attack
        assert time.monotonic() - start < LIMIT_S, attack


@given(st.text(max_size=200))
def test_no_text_makes_a_check_raise(reply: str) -> None:
    for name, (_, row, _) in CHECKS.items():
        assert made(name).judge(reply, row).kind is not VerdictKind.TIMEOUT


# --- verdicts -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CHECKS)
@pytest.mark.parametrize("around", ["{}", "  {}\n\n", "\n\t{} "])
def test_the_right_answer_passes_whatever_space_is_around_it(name: str, around: str) -> None:
    _, row, right = CHECKS[name]
    assert made(name).judge(around.format(right), row).passed
    if "<answer>" not in right:
        assert made(name).judge(f"<answer>{around.format(right)}</answer>", row).passed


@pytest.mark.parametrize("name", CHECKS)
def test_of_two_answers_the_last_counts(name: str) -> None:
    _, row, right = CHECKS[name]
    tagged = right if "<answer>" in right else f"<answer>{right}</answer>"
    assert made(name).judge(f"<answer>wrong</answer> no: {tagged}", row).passed
    assert not made(name).judge(f"{tagged} no: <answer>wrong</answer>", row).passed


@pytest.mark.parametrize("name", CHECKS)
@pytest.mark.parametrize(
    ("reply", "reason"), [(" \n", "the reply is empty"), ("<answer> </answer>", "the answer is empty")]
)
def test_nothing_is_unparsed(name: str, reply: str, reason: str) -> None:
    verdict = made(name).judge(reply, CHECKS[name][1])
    assert verdict.kind is VerdictKind.UNPARSED
    assert verdict.reason == reason or name == "countdown"


# --- options and rows -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CHECKS)
def test_a_configuration_is_json_and_makes_the_same_check(name: str) -> None:
    check = made(name)
    assert check.configuration["kind"] == check.kind == name.partition(",")[0]
    given_again = {option: value for option, value in check.configuration.items() if value not in ("", None)}
    again = make_check(json.loads(json.dumps(given_again)), HERE)
    assert again.configuration == check.configuration


@pytest.mark.parametrize(
    ("options", "cause"),
    [
        ({}, "[check] has no kind"),
        ({"kind": "numbr"}, "there is no check 'numbr', did you mean 'number'?"),
        ({"kind": 3}, "there is no check 3"),
        ({"kind": "number", "tolerence": 1}, "the check number has no option 'tolerence', did you mean 'tolerance'?"),
        ({"kind": "number", "tolerance": -1}, "tolerance = -1 is not possible"),
        ({"kind": "number", "tolerance": True}, "tolerance = True is not possible"),
        ({"kind": "number", "tolerance": float("nan")}, "tolerance = nan is not possible"),
        ({"kind": "number", "tolerance": float("inf")}, "tolerance = inf is not possible"),
        ({"kind": "number", "units": 1}, "units = 1 is not possible"),
        ({"kind": "number", "answer": ""}, "answer = '' is not possible"),
        ({"kind": "exact", "answer": ["a"]}, "answer = ['a'] is not possible"),
        ({"kind": "exact", "ignore_case": "yes"}, "ignore_case = 'yes' is not possible"),
        ({"kind": "contains", "match": "some"}, "match = 'some' is not possible"),
        ({"kind": "contains", "without": [1]}, "without = [1] is not possible"),
        ({"kind": "regex", "pattern": "("}, "pattern = '(' is no pattern: missing )"),
        ({"kind": "regex", "pattern": "a" * 3_000}, "is longer than 2,000 characters"),
        ({"kind": "regex", "pattern": "a", "answer": "b"}, "the check regex has both pattern and answer"),
        ({"kind": "regex", "pattern": "(?:(?:ab){300}){300}"}, "repeats too much: at most 10,000 in all"),
        ({"kind": "multiple-choice", "index_from": 2}, "index_from = 2 is not possible"),
        ({"kind": "multiple-choice", "index_from": True}, "index_from = True is not possible"),
        ({"kind": "multiple-choice", "answer_is": "word"}, "answer_is = 'word' is not possible"),
        ({"kind": "json-schema"}, "the check json-schema has nothing to check against"),
        ({"kind": "json-schema", "schema": {}, "schema_column": "s"}, "has both schema and schema_column"),
        ({"kind": "json-schema", "schema": 5}, "it is no JSON Schema"),
        ({"kind": "json-schema", "schema": "../x.json"}, "there is no file '../x.json' in the task's folder"),
        ({"kind": "python"}, "the check python needs python"),
        ({"python": "x.py:f", "deadline": 0}, "deadline = 0 is not possible"),
        ({"kind": "code", "seconds": 0}, "seconds = 0 is not possible"),
        ({"kind": "code", "answer": "x"}, "the check code has no option 'answer'"),
    ],
)
def test_a_wrong_option_is_named(options: dict[str, object], cause: str) -> None:
    with pytest.raises(UsageError) as error:
        make_check(options, HERE)
    assert cause in error.value.cause
    assert error.value.way_out


@pytest.mark.parametrize("name", [name for name in CHECKS if CHECKS[name][1]])
def test_a_missing_column_is_named_with_its_neighbour(name: str) -> None:
    row = CHECKS[name][1]
    for column in row:
        others = {f"{key}s" if key == column else key: value for key, value in row.items()}
        with pytest.raises(UsageError, match=f"the column '{column}' is missing, did you mean '{column}s'"):
            made(name).check_row(others)
        for empty in (None, ""):
            with pytest.raises(UsageError, match=f"the column '{column}' is empty in this row"):
                made(name).check_row(row | {column: empty})


def test_making_and_using_checks_imports_no_heavy_library() -> None:
    code = """
import sys
from pathlib import Path
from rrr_local.verifiers.checks import make_check
early = {name.split('.')[0] for name in sys.modules}
assert not early & {'regex', 'jsonschema'}, early
make_check({'kind': 'json-schema', 'schema': {'type': 'string', 'pattern': 'a'}}, Path()).judge('"a"', {})
make_check({'kind': 'regex', 'pattern': 'a'}, Path()).judge('a', {})
print(*{name.split('.')[0] for name in sys.modules})
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    heavy = {"numpy", "mlx", "mlx_lm", "torch", "transformers", "huggingface_hub", "requests", "sqlite_utils"}
    assert heavy.isdisjoint(done.stdout.split())
