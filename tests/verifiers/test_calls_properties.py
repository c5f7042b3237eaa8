"""No reply gets at the verifier of function calls: the right calls always pass, others never, and hostile text ends in a verdict."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from rrr_local.text import storable
from rrr_local.verifiers.calls import RightCall, judge_calls
from rrr_local.verifiers.strict_json import DEEPEST

from .hostile_replies import hostile_replies
from .test_calls import FAIL, FORMATS, PASS, RIGHT, TIME, UNPARSED, WEATHER, WRONG, called

# --- properties ---------------------------------------------------------------------------------------------------

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip
NAMES = st.from_regex(r"[a-z_.\-]{1,8}", fullmatch=True)
ARGUMENTS = st.dictionaries(st.text(max_size=6), VALUES, max_size=4)
CALLS = st.lists(st.tuples(NAMES, ARGUMENTS), min_size=1, max_size=4)


def canonical(value: object) -> str:
    """Oracle: equal texts for equal JSON values, built in another way than the verifier compares."""
    match value:
        case bool() | None | str():
            return json.dumps(value)
        case int() | float():
            return f"{value:d}" if isinstance(value, int) else f"{int(value):d}" if value.is_integer() else value.hex()
        case list():
            return f"[{','.join(map(canonical, value))}]"
        case dict():
            return f"{{{','.join(f'{json.dumps(key)}:{canonical(value[key])}' for key in sorted(value))}}}"
    raise AssertionError(value)


def shuffled(value: object, rng: random.Random) -> object:
    """The same value with its keys in another order and whole numbers as floats where that changes nothing."""
    match value:
        case dict():
            keys = rng.sample(list(value), len(value))
            return {key: shuffled(value[key], rng) for key in keys}
        case list():
            return [shuffled(each, rng) for each in value]
        case int() if not isinstance(value, bool) and int(float(value)) == value and rng.random() < 0.5:
            return float(value)
    return value


def right_calls(calls: list[tuple[str, dict[str, Any]]]) -> list[RightCall]:
    return [RightCall(name, arguments) for name, arguments in calls]


def written(calls: list[tuple[str, dict[str, Any]]], rng: random.Random) -> str:
    """The calls as a model might write them."""
    texts = []
    for name, arguments in calls:
        pairs: list[tuple[str, object]] = [("name", name)]
        mixed = shuffled(arguments, rng)
        inner = json.dumps(mixed) if rng.random() < 0.3 else mixed
        pairs.insert(rng.randint(0, 1), (rng.choice(("arguments", "parameters")), inner))
        indent, ascii_only = rng.choice((None, 2)), rng.random() < 0.5
        text = json.dumps(
            dict(pairs), indent=indent, ensure_ascii=ascii_only, separators=rng.choice((None, (" ,\n", " :\t")))
        )
        texts.append(text if rng.random() < 0.7 else f'{{"type": "function", "function": {text}}}')
    if rng.random() < 0.3:
        return "\n".join(f"<tool_call>{text}</tool_call>" for text in texts)
    layout = FORMATS[rng.choice([name for name in FORMATS if name not in ("tool call in an answer", "list")])]
    return layout.replace("[{}]", "{}").replace("{}", f"[{', '.join(texts)}]")


@settings(max_examples=100, deadline=None)
@given(CALLS, st.randoms(use_true_random=False))
def test_the_right_calls_always_pass_in_any_order_and_layout(
    calls: list[tuple[str, dict[str, Any]]], rng: random.Random
) -> None:
    reply = written(rng.sample(calls, len(calls)), rng)
    assert judge_calls(reply, right_calls(calls)).passed, reply


@settings(max_examples=100, deadline=None)
@given(CALLS, CALLS, st.randoms(use_true_random=False))
def test_other_calls_never_pass(
    calls: list[tuple[str, dict[str, Any]]], others: list[tuple[str, dict[str, Any]]], rng: random.Random
) -> None:
    assume(sorted(canonical(list(call)) for call in calls) != sorted(canonical(list(call)) for call in others))
    assert judge_calls(written(others, rng), right_calls(calls)).kind is FAIL


@settings(max_examples=100, deadline=None)
@given(ARGUMENTS.filter(bool), VALUES, st.data())
def test_one_changed_value_never_passes(arguments: dict[str, Any], value: object, data: st.DataObject) -> None:
    key = data.draw(st.sampled_from(sorted(arguments)))
    assume(canonical(arguments[key]) != canonical(value))
    rng = random.Random(0)
    assert judge_calls(written([("f", {**arguments, key: value})], rng), [RightCall("f", arguments)]).kind is FAIL
    fewer = {name: each for name, each in arguments.items() if name != key}
    assert judge_calls(written([("f", fewer)], rng), [RightCall("f", arguments)]).kind is FAIL
    assert judge_calls(written([("f", arguments)], rng), [RightCall("f", fewer)]).kind is FAIL


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.sampled_from([*FORMATS.values(), RIGHT, WRONG, RIGHT[:30], "\n", " ", "```", "<answer>", "{", "]", "NaN"]),
        max_size=8,
    )
)
def test_no_pieces_put_together_make_the_verifier_raise(pieces: list[str]) -> None:
    assert judge_calls("".join(pieces), [WEATHER]).kind in (PASS, FAIL, UNPARSED)


# --- hostile replies ----------------------------------------------------------------------------------------------


def call_attacks() -> Mapping[str, str]:
    """Replies made to break a reader of calls: too deep, too long, too much, or torn in the middle."""
    attacks = {
        "5 MB of calls": RIGHT * 80_000,
        "5 MB of marks": "<tool_call>" * 450_000,
        "5 MB of open answers": '<answer>[{"' * 450_000,
        "5 MB of closed answers": "<answer></answer>" * 300_000,
        "5 MB of fences": "```json\n" * 600_000,
        "5 MB of one string": '{"name": "' + "x" * 5_000_000,
        "5 MB of brackets": "[" * 5_000_000,
        "5 MB of lines with an object": '\n{"' * 1_600_000,
        "marks in strings that break off": '<tool_call>["' + '<tool_call>","' * 1_400,
        "many objects that break off": '\n{"a": [' * 2_400,
        "many tags that break off": '<tool_call>{"a": [1, ' * 900,
        "many named calls": "[TOOL_CALLS]f[ARGS]{}" * 950,
        "a name of 19,000 characters": called({}, "f" * 19_000),
        "an argument of 19,000 characters": called({"x": "y" * 19_000}),
        "19,000 characters of keys": called({str(i): i for i in range(1_400)}),
        "arguments in arguments": called(json.dumps({"x": json.dumps({"y": "z"})})),
        "escapes": called({"x": "\\" * 9_000}),
        "lone surrogates": '{"name": "\\ud800", "arguments": {"\\udfff": "\\ud800"}}',
        "a raw lone surrogate": '{"name": "\ud800", "arguments": {}}',
        "NUL": '{"name": "\\u0000", "arguments": {"\\u0000": "\x00"}}',
        "prototype": '{"name": "weather", "__proto__": {"arguments": {}}, "arguments": {"__class__": {}}}',
        "code": '<answer>__import__("os").system("touch pwned")</answer>',
    }
    for depth in (DEEPEST - 2, DEEPEST, 900, 1_000, 3_000, 9_000):
        attacks[f"{depth} lists"] = called({}).replace("{}", f'{{"x": {"[" * depth}{"]" * depth}}}')
        objects = '{"x":' * depth + "1" + "}" * depth
        attacks[f"{depth} objects"] = called({}).replace("{}", objects)
    for digits in (50, 101, 4_301, 5_000, 19_000):
        attacks[f"{digits} digits"] = RIGHT.replace("1}", "9" * digits + "}")
        attacks[f"{digits} digits in the exponent"] = RIGHT.replace("1}", "1e" + "9" * digits + "}")
    for place in range(0, len(RIGHT), 2):
        attacks[f"torn after {place}"] = f"<tool_call>{RIGHT[:place]}</tool_call>"
        attacks[f"a NUL at {place}"] = RIGHT[:place] + "\x00" + RIGHT[place:]
        attacks[f"an escape at {place}"] = RIGHT[:place] + "\x1b[2J" + RIGHT[place:]
        attacks[f"a bidi mark at {place}"] = RIGHT[:place] + "\u202e" + RIGHT[place + 1 :]
    return attacks


def test_hostile_replies_all_end_in_a_verdict_and_execute_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    sentinel = tmp_path / "pwned"
    replies = {**hostile_replies(sentinel), **call_attacks()}
    assert len(replies) >= 300
    slowest = 0.0
    for name, reply in replies.items():
        begun = time.process_time()
        verdict = judge_calls(reply, [WEATHER, TIME], offered=("weather", "time"))
        slowest = max(slowest, time.process_time() - begun)
        assert verdict.kind in (FAIL, UNPARSED), name
        assert storable(verdict.reason) == verdict.reason, name
        assert len(verdict.reason) < 200, name
    assert not list(tmp_path.iterdir())
    assert slowest < 2.0, "a deadline, not a measure: the slowest takes milliseconds"
