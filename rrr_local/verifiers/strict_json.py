"""Strict JSON: what readers disagree on is refused, not guessed at.

A key twice in one object, NaN and Infinity, numbers of more than 100 digits or beyond a float, more than 64 levels.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable

DEEPEST = 64
"""How far values may be nested."""
MOST_DIGITS = 100
"""Digits of a number that is still read."""


class Unreadable(Exception):
    """The text is not what it should be; the message is the reason, for a person."""


def loads(text: str) -> object:
    """The value of a whole JSON text, read strictly. Raises `Unreadable`."""
    value, end = decoded(text, len(text) - len(text.lstrip()))
    if text[end:].strip():
        raise Unreadable("there is text after the JSON")
    return value


def decoded(text: str, place: int) -> tuple[object, int]:
    """The JSON value that starts at `place`, and where it ends. Raises `Unreadable`."""
    try:
        value, end = _DECODER.raw_decode(text, place)
    except json.JSONDecodeError as error:
        cut_off = error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated")
        raise Unreadable("the JSON breaks off" if cut_off else "not JSON") from None
    except RecursionError:
        raise Unreadable("the JSON is nested too deeply") from None
    _check_depth(value, DEEPEST)
    return value, end


def _check_depth(value: object, left: int) -> None:
    if left == 0:
        raise Unreadable("the JSON is nested too deeply")
    for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        if isinstance(each, dict | list):
            _check_depth(each, left - 1)


def _pairs(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """An object. JSON readers disagree on which of two equal keys counts, so neither does."""
    keys = dict(pairs)
    if len(keys) < len(pairs):
        raise Unreadable("a key stands twice in one object")
    return keys


def _number(read: Callable[[str], float]) -> Callable[[str], float]:
    def number(text: str) -> float:
        if len(text) > MOST_DIGITS:
            raise Unreadable("a number is too long")
        value = read(text)
        if not math.isfinite(value):
            raise Unreadable("a number is too large")
        return value

    return number


def _constant(name: str) -> float:
    raise Unreadable(f"{name} is not JSON")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_pairs, parse_int=_number(int), parse_float=_number(float), parse_constant=_constant
)
