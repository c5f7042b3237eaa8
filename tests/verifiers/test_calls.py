"""Function calls are judged by their values: where a reply makes them, what passes, and what does not and why."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rrr_local.episode import VerdictKind
from rrr_local.verifiers.call_formats import MOST_CALLS, TAIL, read_calls
from rrr_local.verifiers.calls import RightCall, judge_calls
from rrr_local.verifiers.strict_json import DEEPEST, Unreadable, loads

PASS, FAIL, UNPARSED = VerdictKind.PASS, VerdictKind.FAIL, VerdictKind.UNPARSED
WEATHER = RightCall("weather", {"city": "Paris", "days": 1})
RIGHT = '{"name": "weather", "arguments": {"city": "Paris", "days": 1}}'
WRONG = '{"name": "weather", "arguments": {"city": "Rome", "days": 1}}'
TIME = RightCall("time", {"zone": "CET"})
TIME_TOO = '{"name": "time", "arguments": {"zone": "CET"}}'

FORMATS = {
    "bare": "{}",
    "list": "[{}]",
    "qwen": "<tool_call>\n{}\n</tool_call>",
    "qwen, stopped": "<tool_call>\n{}",
    "mistral": "[TOOL_CALLS] [{}]",
    "mistral with an end": "[TOOL_CALLS][{}]</s>",
    "llama": "<|python_tag|>{}",
    "llama with an end": "<|python_tag|>{}<|eom_id|>",
    "answer": "I will call it.\n<answer>[{}]</answer>",
    "answer and a word": "<answer>{}</answer> That is it.",
    "fence": "Here:\n```json\n{}\n```\nDone.",
    "fence without a name": "```\n[{}]\n```",
    "fence in one line": "Call ```json {}``` then.",
    "fence in an answer": "<answer>\n```json\n[{}]\n```\n</answer>",
    "tool call in an answer": "<answer><tool_call>{}</tool_call></answer>",
    "last line": "I need the weather.\n{}",
    "last part": "I need the weather: {}",
    "in the middle": "Calling {} now.",
    "after a thought": "<think>Is it Rome? " + WRONG + "\n</think>\n\n{}",
    "after the end of a thought": "Rome?\n<answer>[" + WRONG + "]</answer></think>{}",
}
"""How a call can stand in a reply."""


def judged(reply: str, *right: RightCall, **options: Any) -> tuple[VerdictKind, str]:
    verdict = judge_calls(reply, right or (WEATHER,), **options)
    return verdict.kind, verdict.reason


# --- formats ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", FORMATS)
def test_a_call_is_found_in_every_format(layout: str) -> None:
    wrap = FORMATS[layout].replace
    assert judged(wrap("{}", RIGHT)) == (PASS, "the call is right")
    assert judged(wrap("{}", WRONG)) == (FAIL, "argument `city`: expected 'Paris', got 'Rome'")


@pytest.mark.parametrize(
    "call",
    [
        '{"name": "weather", "parameters": {"city": "Paris", "days": 1}}',
        '{"days":1}'.join(['{"arguments":', ', "name": "weather"}']).replace('{"days":1}', '{"days":1,"city":"Paris"}'),
        '{"name": "weather", "arguments": "{\\"city\\": \\"Paris\\", \\"days\\": 1}"}',
        '{"type": "function", "function": {"name": "weather", "arguments": {"city": "Paris", "days": 1}}}',
        '{"id": "a1", "type": "function", "function": {"name": "weather", "arguments": "{\\"days\\":1,\\"city\\":\\"Paris\\"}"}}',
        '{"name": "weather", "arguments": {"city": "P\\u0061ris", "days": 1.0}}',
        '{"name": "weather", "arguments": {"city": "Paris", "days": 1e0}}',
        '{\r\n\t"name"  :\t"weather",\n"arguments":{"city":"Paris","days":1}\n}\n\n',
        '[TOOL_CALLS]weather[ARGS]{"city": "Paris", "days": 1}',
        '[TOOL_CALLS]weather[CALL_ID]abc123[ARGS]{"days": 1, "city": "Paris"}</s>',
    ],
)
def test_a_call_may_be_laid_out_in_many_ways(call: str) -> None:
    assert judged(call) == (PASS, "the call is right")


@pytest.mark.parametrize(
    "reply",
    [
        f"[{RIGHT}, {TIME_TOO}]",
        f"[{TIME_TOO}, {RIGHT}]",
        f"{RIGHT}; {TIME_TOO}",
        f"<|python_tag|>{RIGHT}\n{TIME_TOO}",
        f"{RIGHT}\n{TIME_TOO}",
        f"<tool_call>{RIGHT}</tool_call>\n<tool_call>{TIME_TOO}</tool_call>",
        f"First:\n<tool_call>{RIGHT}</tool_call>\nand then\n<tool_call>{TIME_TOO}</tool_call> Done.",
        f"<tool_call>[{TIME_TOO}, {RIGHT}]</tool_call>",
        '[TOOL_CALLS]time[ARGS]{"zone": "CET"}[TOOL_CALLS]weather[ARGS]{"city": "Paris", "days": 1}',
        f"<answer>{RIGHT} {TIME_TOO}</answer>",
    ],
)
def test_several_calls_come_in_any_order(reply: str) -> None:
    assert judged(reply, WEATHER, TIME) == (PASS, "the calls are right")
    assert judged(reply, WEATHER)[1] == "`time` was not asked for"
    assert judged(reply, TIME)[0] is FAIL


@pytest.mark.parametrize(
    ("first", "last"),
    [
        ("<answer>{}</answer>", "<answer>{}</answer>"),
        ("<answer>{}</answer>", "\n{}"),
        ("{}", "<answer>{}</answer>"),
        ("{}\nNo, wait:", "\n{}"),
        ("<tool_call>{}</tool_call>", "<answer>{}</answer>"),
        ("<answer>{}</answer>", "<tool_call>{}</tool_call>"),
        ("```json\n{}\n```", "\n```json\n{}\n```"),
        ("```json\n{}\n```", " or <|python_tag|>{}"),
        ("[TOOL_CALLS] [{}]", "\n<tool_call>{}</tool_call>"),
        ("<think>{}</think>", "{}"),
    ],
)
def test_of_two_different_answers_the_last_stands(first: str, last: str) -> None:
    """Never the more favourable one."""
    assert judged(first.replace("{}", WRONG) + last.replace("{}", RIGHT))[0] is PASS
    assert judged(first.replace("{}", RIGHT) + last.replace("{}", WRONG))[0] is FAIL
    assert judged(first.replace("{}", RIGHT) + last.replace("{}", RIGHT[:-9] + "NaN}}"))[0] is UNPARSED


def test_neighbouring_tool_calls_are_one_answer_not_two() -> None:
    both = f"<tool_call>{WRONG}</tool_call> No. <tool_call>{RIGHT}</tool_call>"
    assert judged(both) == (FAIL, "`weather` was called once too often")


@pytest.mark.parametrize(
    "argument",
    [
        "</tool_call>",
        "</answer>",
        "<answer>x</answer>",
        "[TOOL_CALLS]",
        "```json\n{}\n```",
        "</think>",
        '{"name": "f"}',
    ],
)
@pytest.mark.parametrize("layout", FORMATS)
def test_a_mark_inside_an_argument_is_part_of_it(layout: str, argument: str) -> None:
    call = json.dumps({"name": "say", "arguments": {"text": argument}})
    assert judged(FORMATS[layout].replace("{}", call), RightCall("say", {"text": argument}))[0] is PASS


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ("", "the reply is empty"),
        (" \n\t", "the reply is empty"),
        ("It is sunny in Paris.", "no call found"),
        ("weather(city='Paris', days=1)", "no call found"),
        ("x" * (TAIL + 1), "no call found in the last 20,000 characters"),
        (RIGHT + " " * TAIL, "no call found in the last 20,000 characters"),
        (f"<answer>[{RIGHT}]", "the <answer> is not closed"),
        ("I use <answer> tags.", "the <answer> is not closed"),
        ("<answer></answer>", "not JSON"),
        ("<answer>weather in Paris</answer>", "not JSON"),
        ("<tool_call>weather(city='Paris')</tool_call>", "not JSON"),
        ("<|python_tag|>weather.call(city='Paris')", "not JSON"),
        (f"<answer>{RIGHT} and so on</answer>", "there is other text in the <answer>"),
        (f"<tool_call>{RIGHT}}}</tool_call>", "there is other text in the <tool_call>"),
        (RIGHT[:-1], "the JSON breaks off"),
        (RIGHT[:-12], "the JSON breaks off"),
        ('{"name": "weath', "the JSON breaks off"),
        (RIGHT.replace('"', "'"), "no call found"),
        (RIGHT.replace("1}", "1,}"), "not JSON"),
        (RIGHT.replace("Paris", "Pa\nris"), "not JSON"),
        (RIGHT.replace("1}", "NaN}"), "NaN is not JSON"),
        (RIGHT.replace("1}", "-Infinity}"), "-Infinity is not JSON"),
        (RIGHT.replace("1}", "1e999}"), "a number is too large"),
        (RIGHT.replace("1}", "9" * 5000 + "}"), "a number is too long"),
        (RIGHT.replace("1}", "0." + "1" * 5000 + "}"), "a number is too long"),
        (RIGHT.replace("1}", '1, "days": 1}'), "a key stands twice in one object"),
        (RIGHT.replace("1}", '1}, "name": "weather"'), "a key stands twice in one object"),
        (RIGHT.replace("1}", "[" * 500 + "]" * 500 + "}"), "the JSON is nested too deeply"),
        (RIGHT.replace("1}", "[" * 5000 + "]" * 5000 + "}"), "the JSON is nested too deeply"),
        ('{"name": "weather", "arguments": "{\\"city\\": \\"Paris\\", \\"city\\": 1}"}', "a key stands twice in one object"),
        ('{"name": "weather", "arguments": "{} {}"}', "there is text after the JSON"),
        ('{"name": "weather", "arguments": "Paris"}', "not JSON"),
        ('{"name": "weather", "arguments": ["Paris", 1]}', "a call's arguments are not an object"),
        ('{"name": "weather", "arguments": null}', "a call's arguments are not an object"),
        ('{"name": "weather", "arguments": {}, "parameters": {}}', "a call has both arguments and parameters"),
        ('{"arguments": {"city": "Paris"}}', "a call has no name"),
        ('{"name": 1, "arguments": {}}', "a call has no name"),
        ('<answer>["weather"]</answer>', "a call is an object with a name and arguments"),
        ("<answer>7</answer>", "a call is an object with a name and arguments"),
        (f"[{', '.join([RIGHT] * (MOST_CALLS + 1))}]", f"there are {MOST_CALLS + 1} calls; at most {MOST_CALLS} are read"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_says_why(reply: str, reason: str) -> None:
    assert judged(reply) == (UNPARSED, reason)


def test_what_cannot_be_read_hides_nothing_inside_it() -> None:
    """A list that breaks off is not judged by the calls it has: each stands on a line of its own, as an answer would."""
    lines = f"[\n{RIGHT},\n{TIME_TOO},\n"
    assert judged(lines) == (UNPARSED, "the JSON breaks off")
    assert judged(f"<tool_call>\n{lines}</tool_call>")[0] is UNPARSED


# --- comparing ----------------------------------------------------------------------------------------------------


def called(arguments: object, name: str = "weather") -> str:
    return json.dumps({"name": name, "arguments": arguments})


@pytest.mark.parametrize(
    ("wanted", "got", "reason"),
    [
        ({"city": "Paris"}, {"city": "paris"}, "argument `city`: expected 'Paris', got 'paris'"),
        ({"city": "Paris"}, {"city": "Paris "}, "argument `city`: expected 'Paris', got 'Paris '"),
        ({"city": "Paris"}, {"city": None}, "argument `city`: expected 'Paris', got null"),
        ({"city": "Paris"}, {"city": ["Paris"]}, "argument `city`: expected 'Paris', got [\"Paris\"]"),
        ({"city": "Paris"}, {}, "argument `city` is missing"),
        ({"city": "Paris"}, {"City": "Paris"}, "argument `city` is missing"),
        ({}, {"city": "Paris"}, "argument `city` is unexpected"),
        ({"city": "Paris"}, {"city": "Paris", "unit": None}, "argument `unit` is unexpected"),
        ({"x": 1}, {"x": True}, "argument `x`: expected 1, got true"),
        ({"x": True}, {"x": 1}, "argument `x`: expected true, got 1"),
        ({"x": 0}, {"x": False}, "argument `x`: expected 0, got false"),
        ({"x": False}, {"x": None}, "argument `x`: expected false, got null"),
        ({"x": 1}, {"x": "1"}, "argument `x`: expected 1, got '1'"),
        ({"x": "1"}, {"x": 1}, "argument `x`: expected '1', got 1"),
        ({"x": 1}, {"x": 1.0000001}, "argument `x`: expected 1, got 1.0000001"),
        ({"x": 9007199254740993}, {"x": 9007199254740992.0}, "argument `x`: expected 9007199254740993, got 9007199254740992.0"),
        ({"x": [1, 2]}, {"x": [2, 1]}, "argument `x[0]`: expected 1, got 2"),
        ({"x": [1, 2]}, {"x": [1]}, "argument `x`: expected [1, 2], got [1]"),
        ({"x": []}, {"x": {}}, "argument `x`: expected [], got {}"),
        ({"x": {"a": {"b": [1, "c"]}}}, {"x": {"a": {"b": [1, "d"]}}}, "argument `x.a.b[1]`: expected 'c', got 'd'"),
        ({"x": {"a": 1}}, {"x": {"b": 1}}, 'argument `x`: expected {"a": 1}, got {"b": 1}'),
        ({"x": "a" * 60}, {"x": "b" * 60}, f"argument `x`: expected '{'a' * 36}…', got '{'b' * 36}…'"),
    ],
)  # fmt: skip
def test_a_wrong_argument_is_named(wanted: dict[str, object], got: dict[str, object], reason: str) -> None:
    assert judged(called(got), RightCall("weather", wanted)) == (FAIL, reason)


@pytest.mark.parametrize(
    ("wanted", "got"),
    [
        ({"x": 1}, '{"x": 1.0}'),
        ({"x": 1.0}, '{"x": 1}'),
        ({"x": 0}, '{"x": -0.0}'),
        ({"x": 100}, '{"x": 1E2}'),
        ({"x": {"a": [1, {"b": None, "c": True}]}}, '{"x": {"a": [1.0, {"c": true, "b": null}]}}'),
        ({}, "{}"),
        ({"x": "é"}, '{"x": "\\u00e9"}'),
        ({"x": "½ 🙂"}, '{"x": "½ \\ud83d\\ude42"}'),
    ],
)
def test_equal_values_pass_however_they_are_written(wanted: dict[str, object], got: str) -> None:
    assert judged(f'{{"name": "weather", "arguments": {got}}}', RightCall("weather", wanted))[0] is PASS


@pytest.mark.parametrize(
    ("replies", "reason"),
    [
        ([TIME_TOO], "call to `weather` is missing"),
        ([], "call to `weather` is missing"),
        ([RIGHT], "call to `time` is missing"),
        ([RIGHT, TIME_TOO, RIGHT], "`weather` was called once too often"),
        ([RIGHT, TIME_TOO, called({}, "alarm")], "`alarm` was not asked for"),
        ([RIGHT, called({}, "alarm")], "call to `time` is missing"),
        ([RIGHT, called({}, "nothing")], "there is no function `nothing`"),
        ([RIGHT, RIGHT], "call to `time` is missing"),
        ([RIGHT, called({"zone": "GMT"}, "time")], "argument `zone`: expected 'CET', got 'GMT'"),
        ([called({"zone": 1, "x": 1}, "time"), called({"zone": "GMT"}, "time"), RIGHT], "argument `zone`: expected 'CET', got 'GMT'"),
    ],
)  # fmt: skip
def test_of_several_calls_the_wrong_one_is_named(replies: list[str], reason: str) -> None:
    offered = ("weather", "time", "alarm")
    assert judged(f"[{', '.join(replies)}]", WEATHER, TIME, offered=offered) == (FAIL, reason)


def test_the_order_of_calls_matters_only_where_it_is_asked_for() -> None:
    swapped = f"[{TIME_TOO}, {RIGHT}]"
    assert judged(swapped, WEATHER, TIME)[0] is PASS
    assert judged(swapped, TIME, WEATHER, ordered=True)[0] is PASS
    wrong_order = (FAIL, "the calls are in the wrong order: call 1 should be `weather`")
    assert judged(swapped, WEATHER, TIME, ordered=True) == wrong_order
    assert judged(f"[{RIGHT}]", WEATHER, TIME, ordered=True) == (FAIL, "call to `time` is missing")


def test_an_argument_may_have_several_accepted_values() -> None:
    right = RightCall("weather", {"city": "Paris"}, any_of={"city": ["Paris, France", 75000]})
    for city in ("Paris", "Paris, France", 75000, 75000.0):
        assert judged(called({"city": city}), right)[0] is PASS
    reason = "argument `city`: expected 'Paris' or 'Paris, France' or 75000, got 'Rome'"
    assert judged(called({"city": "Rome"}), right) == (FAIL, reason)


def test_accepted_values_that_overlap_are_dealt_out_so_that_all_calls_fit() -> None:
    either = RightCall("f", {"x": 1}, any_of={"x": [2]})
    one = RightCall("f", {"x": 1})
    for right in ((either, one), (one, either)):
        for values in ((1, 2), (2, 1), (1, 1)):
            assert judged(f"[{', '.join(called({'x': x}, 'f') for x in values)}]", *right)[0] is PASS
        assert judged(f"[{called({'x': 2}, 'f')}, {called({'x': 2}, 'f')}]", *right)[0] is FAIL


def test_case_is_ignored_only_where_the_argument_says_so() -> None:
    right = RightCall("weather", {"city": "Straße", "tags": ["A", {"b": "C"}]}, ignore_case=frozenset({"city"}))
    assert judged(called({"city": "STRASSE", "tags": ["A", {"b": "C"}]}), right)[0] is PASS
    assert judged(called({"city": "STRASSE", "tags": ["a", {"b": "C"}]}), right)[0] is FAIL
    both = RightCall("weather", right.arguments, ignore_case=frozenset({"city", "tags"}))
    assert judged(called({"city": "strasse", "tags": ["a", {"b": "c"}]}), both)[0] is PASS
    assert judged(called({"city": "strasse", "tags": ["a", {"B": "c"}]}), both)[0] is FAIL


def test_an_optional_argument_may_be_left_out_but_not_wrong() -> None:
    right = RightCall("weather", {"city": "Paris", "unit": "km"}, optional=frozenset({"unit"}))
    assert judged(called({"city": "Paris"}), right)[0] is PASS
    assert judged(called({"city": "Paris", "unit": "km"}), right)[0] is PASS
    assert judged(called({"city": "Paris", "unit": "mi"}), right)[0] is FAIL
    assert judged(called({"unit": "km"}), right) == (FAIL, "argument `city` is missing")


def test_one_of_the_hostile_replies_passes_where_nothing_is_wrong_in_it() -> None:
    """The attacks fail for what is hostile in them, not for their frame."""
    deep = "[" * (DEEPEST - 2) + "]" * (DEEPEST - 2)
    reply = RIGHT.replace("1}", f'1, "x": {deep}}}')
    assert judged(reply, RightCall("weather", {"city": "Paris", "days": 1, "x": json.loads(deep)}))[0] is PASS
    assert (
        judged(RIGHT.replace("1}", "9" * 100 + "}"), RightCall("weather", {"city": "Paris", "days": 10**100 - 1}))[0]
        is PASS
    )


def test_the_answer_that_was_judged_is_kept_as_it_stands() -> None:
    verdict = judge_calls(f"Let me see. <tool_call>\n{WRONG}\n</tool_call> Done.", [WEATHER])
    assert verdict.answer == f"<tool_call>\n{WRONG}\n</tool_call>"
    assert judge_calls("Nothing.", [WEATHER]).answer is None


def test_whole_texts_are_read_as_strictly() -> None:
    assert loads(' {"a": [1, 2.5, null, true, "x"]} ') == {"a": [1, 2.5, None, True, "x"]}
    for text in ("", "{", "{} {}", '{"a": 1, "a": 1}', "NaN", "[" * 100 + "]" * 100):
        with pytest.raises(Unreadable):
            loads(text)


def test_calls_are_read_without_a_judge() -> None:
    found = read_calls(f"<tool_call>{RIGHT}</tool_call>")
    assert [(call.name, dict(call.arguments)) for call in found.calls] == [("weather", {"city": "Paris", "days": 1})]
    assert found.problem == ""
