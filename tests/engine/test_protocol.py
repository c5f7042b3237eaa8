"""What app and engine say to each other: every message comes back as it was, and nothing else gets through."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rrr_local.engine.protocol import (
    EVENTS,
    REQUESTS,
    Ask,
    Cancel,
    Done,
    Grew,
    Message,
    ProtocolError,
    decode_event,
    decode_request,
    encode,
)

KINDS: Mapping[str, type[Any]] = {**REQUESTS, **EVENTS}
ANY_TEXT = st.text(st.characters(codec=None))
"""Lone surrogates too."""
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ANY_TEXT, inner, max_size=3),
    max_leaves=6,
)
INFO = st.none() | st.dictionaries(ANY_TEXT, JSON, max_size=3)
FLOATS = st.floats(allow_nan=False)


def messages(kind: type[Any]) -> st.SearchStrategy[Message]:
    hints = get_type_hints(kind)
    known = {str: ANY_TEXT, float: FLOATS}
    values = {
        f.name: INFO if f.name == "info" else known.get(hints[f.name], st.from_type(hints[f.name]))
        for f in fields(kind)
    }
    return st.builds(kind, **values)


@given(st.one_of([messages(kind) for kind in KINDS.values()]))
def test_a_message_comes_back_as_it_was_and_is_one_ascii_line(message: Message) -> None:
    line = encode(message)
    assert line.endswith(b"\n") and line.count(b"\n") == 1 and line.isascii()
    decode = decode_request if type(message).__name__ in REQUESTS else decode_event
    assert decode(line) == message


@given(st.binary(max_size=60) | JSON.map(lambda value: json.dumps(value).encode()))
def test_what_is_no_message_is_refused(line: bytes) -> None:
    for decode in (decode_request, decode_event):
        with pytest.raises(ProtocolError):
            decode(line)


@given(
    st.sampled_from(sorted(KINDS)), st.dictionaries(st.sampled_from(["id", "text", "span", "request", "model"]), JSON)
)
def test_a_message_has_values_of_its_types_or_is_refused(name: str, values: dict[str, object]) -> None:
    line = json.dumps({"is": name, **values}).encode()
    try:
        message = (decode_request if name in REQUESTS else decode_event)(line)
    except ProtocolError:
        return
    hints = get_type_hints(type(message))
    for f in fields(message):
        if hints[f.name] in (str, int, bool):
            assert isinstance(getattr(message, f.name), hints[f.name])


@pytest.mark.parametrize(
    "line",
    [
        b"[" * 100_000,
        b'{"is": []}',
        b'{"is": "Cancel", "id": 1, "request": []}',
        b'{"is": "Ask", "id": 1, "prompt": "x", "info": [1]}',
        b'{"is": "Ask", "id": "1", "prompt": "x"}',
        b'{"is": "Done", "id": 1}',
    ],
)
def test_lines_that_are_almost_requests_are_refused(line: bytes) -> None:
    with pytest.raises(ProtocolError, match="not a message"):
        decode_request(line)


def test_requests_are_no_events_and_fields_of_a_newer_version_are_passed_over() -> None:
    with pytest.raises(ProtocolError):
        decode_event(encode(Cancel(1, 2)))
    assert decode_event(b'{"is": "Done", "id": 3, "mood": "good"}') == Done(3)
    assert decode_request(b'{"is": "Ask", "id": 3, "prompt": "x", "temperature": 1}') == Ask(3, "x", temperature=1)
    with pytest.raises(ProtocolError):
        decode_event(encode(Grew(1, "nothing", "x", 1)))  # type: ignore[arg-type]
