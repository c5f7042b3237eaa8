"""Find the function calls in a reply, in the formats that chat models write, and read them strictly.

    <tool_call>{"name": "f", "arguments": {...}}</tool_call>           Qwen, Hermes; several blocks are several calls
    [TOOL_CALLS] [{"name": "f", "arguments": {...}}]                   Mistral; also [TOOL_CALLS]f[ARGS]{...}
    <|python_tag|>{"name": "f", "parameters": {...}}                   Llama 3.x; several separated by ; or a new line
    <answer>[{"name": "f", "arguments": {...}}]</answer>               what a model without a tool format is asked for
    {"name": "f", "arguments": {...}}                                  bare, in a ```json fence or not

The reply is read once, from left to right. Each answer replaces the one before it, so *the last one stands*; only neighbouring
blocks of `<tool_call>` and of `[TOOL_CALLS]` add up. `</think>` ends a thought, and what was found in the thought is dropped. JSON is
decoded where it starts, so a mark inside one of its strings is part of that string. What starts like calls and cannot be read makes
the reply unreadable if it stands last: it is never skipped in favour of an earlier answer, nor judged by a part of it (what follows it
is read again from the next mark, fence or blank line on).

Only the last `TAIL` characters are read. Decoding stops at the first error, and what was decoded is not read again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from rrr_local.verifiers.strict_json import Unreadable, decoded, loads

TAIL = 20_000
"""Characters of a reply that are searched, from its end."""
MOST_CALLS = 64

_BEGINS = r'(?:\[\s*)?\{\s*"|\[\s*\]'
"""How JSON begins that may be calls: an object with a key, alone or first in a list, or an empty list."""
_BARE = r'(?:\[\s*)?\{\s*"(?:name|arguments|parameters|type|function|id)"\s*:'
"""How calls begin that stand in a reply without any mark."""
_MARKS = r"<tool_call>|</think>|\[TOOL_CALLS\]|<\|python_tag\|>|<answer>"
_MARK = re.compile(rf"{_MARKS}|(?={_BARE})|^[ \t]*(?=\[\s*\]\s*$)", re.M)
_NEXT = re.compile(rf"{_MARKS}|```|\n\s*\n")
_INNER = re.compile(rf"\s*(?:{_MARKS}|```)")
_JSON = re.compile(rf"\s*(?:{_BEGINS})")
_MORE = re.compile(rf"[\s;,]*(?={_BEGINS})")
_NAMED = re.compile(r"\s*([\w.\-]{1,128})(?:\[CALL_ID\]\w{1,64})?\[ARGS\]\s*")
_SPACE = re.compile(r"\s*")
_CLOSED_BY = {"<tool_call>": "</tool_call>", "<answer>": "</answer>"}
_ADDS_UP = ("<tool_call>", "[TOOL_CALLS]")


@dataclass(frozen=True, slots=True)
class Call:
    """One call as a model wrote it."""

    name: str
    arguments: Mapping[str, object]
    """JSON values."""


@dataclass(frozen=True, slots=True)
class Written:
    """The calls of a reply, or why there are none that can be read."""

    calls: tuple[Call, ...] = ()
    problem: str = ""
    """Why the calls cannot be read; empty where they can."""
    text: str | None = None
    """What was read, as it stands in the reply; None where nothing like a call was found."""


@dataclass(frozen=True, slots=True)
class _Answer:
    """One answer of a reply."""

    mark: str
    """What it began with; empty for bare JSON."""
    start: int
    end: int
    values: tuple[object, ...]
    problem: str = ""


def read_calls(reply: str) -> Written:
    """The calls that a reply makes in the end. Never raises; see the module's text for what counts."""
    tail = reply[-TAIL:]
    answers, left_open = _answers(tail)
    if not answers:
        return Written(problem=_why_none(reply, left_open))
    last = answers[-1]
    text = tail[last.start : last.end].strip()
    try:
        if last.problem:
            raise Unreadable(last.problem)
        calls = [call for value in last.values for call in _calls(value)]
        if len(calls) > MOST_CALLS:
            raise Unreadable(f"there are {len(calls)} calls; at most {MOST_CALLS} are read")
    except Unreadable as reason:
        return Written(problem=str(reason), text=text)
    return Written(tuple(calls), text=text)


# --- where the answers are ----------------------------------------------------------------------------------------


def _answers(tail: str) -> tuple[list[_Answer], bool]:
    """The answers from left to right, and whether an `<answer>` was left open."""
    answers: list[_Answer] = []
    left_open, place = False, 0
    while (found := _MARK.search(tail, place)) is not None:
        mark = found[0] if found[0].startswith(("<", "[")) else ""
        place = found.end()
        if mark == "</think>":
            answers.clear()
        elif mark and _INNER.match(tail, place):
            continue  # the answer is what the mark inside begins
        elif mark in _CLOSED_BY and tail.find(_CLOSED_BY[mark], place) < 0 and not _JSON.match(tail, place):
            left_open |= mark == "<answer>"  # the mark is only spoken of
        else:
            answer = _answer(tail, mark, found.start(), place)
            place = answer.end
            answers.append(_joined(answers[-1], answer) if answers and _adds_up(answers[-1], answer) else answer)
    return answers, left_open


def _answer(tail: str, mark: str, start: int, body: int) -> _Answer:
    """What stands behind a mark."""
    try:
        if mark == "[TOOL_CALLS]" and (named := _NAMED.match(tail, body)) is not None:
            arguments, end = decoded(tail, named.end())
            return _Answer(mark, start, end, ({"name": named[1], "arguments": arguments},))
        values, end = _values(tail, body)
        return _Answer(mark, start, _closed(tail, mark, end), values)
    except Unreadable as reason:
        return _Answer(mark, start, _past(tail, mark, body), (), str(reason))


def _values(tail: str, place: int) -> tuple[tuple[object, ...], int]:
    """One JSON value or several with `;`, commas or space between them, and where they end."""
    values: list[object] = []
    place = _after_space(tail, place)
    while True:
        value, place = decoded(tail, place)
        values.append(value)
        more = _MORE.match(tail, place)
        if more is None or len(values) > MOST_CALLS:
            return tuple(values), place
        place = more.end()


def _closed(tail: str, mark: str, end: int) -> int:
    """Where an answer ends that was read up to `end`. Raises where other text stands before its closing mark."""
    closing = _CLOSED_BY.get(mark)
    if closing is None:
        return end
    end = _after_space(tail, end)
    if tail.startswith(closing, end):
        return end + len(closing)
    if end == len(tail):
        if mark == "<answer>":
            raise Unreadable("the <answer> is not closed")
        return end  # models that stop at </tool_call> leave it out
    raise Unreadable(f"there is other text in the {mark}")


def _past(tail: str, mark: str, body: int) -> int:
    """Where reading goes on after what could not be read: bare JSON inside it is not an answer of its own."""
    closing = _CLOSED_BY.get(mark)
    if closing is not None and (end := tail.find(closing, body)) >= 0:
        return end + len(closing)
    following = _NEXT.search(tail, body)
    return len(tail) if following is None else following.start()


def _adds_up(before: _Answer, answer: _Answer) -> bool:
    return answer.mark == before.mark and answer.mark in _ADDS_UP


def _joined(before: _Answer, answer: _Answer) -> _Answer:
    values = (*before.values, *answer.values)
    return _Answer(before.mark, before.start, answer.end, values, before.problem or answer.problem)


def _why_none(reply: str, left_open: bool) -> str:
    if not reply.strip():
        return "the reply is empty"
    if left_open:
        return "the <answer> is not closed"
    return "no call found" if len(reply) <= TAIL else f"no call found in the last {TAIL:,} characters"


# --- from JSON to calls -------------------------------------------------------------------------------------------


def _calls(value: object) -> list[Call]:
    """The calls in one JSON value: an object, or a list of objects."""
    return [_call(each) for each in value] if isinstance(value, list) else [_call(value)]


def _call(value: object) -> Call:
    if isinstance(value, dict) and isinstance(value.get("function"), dict):
        value = value["function"]  # OpenAI: {"type": "function", "function": {"name": …, "arguments": …}}
    if not isinstance(value, dict):
        raise Unreadable("a call is an object with a name and arguments")
    name = value.get("name")
    if not isinstance(name, str) or not name:
        raise Unreadable("a call has no name")
    if "arguments" in value and "parameters" in value:
        raise Unreadable("a call has both arguments and parameters")
    arguments = value.get("arguments", value.get("parameters", {}))
    if isinstance(arguments, str):
        arguments = loads(arguments)
    if not isinstance(arguments, dict):
        raise Unreadable("a call's arguments are not an object")
    return Call(name, arguments)


def _after_space(text: str, place: int) -> int:
    found = _SPACE.match(text, place)
    assert found is not None  # it matches the empty string
    return found.end()
