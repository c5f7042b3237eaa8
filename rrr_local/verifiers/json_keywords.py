"""Keywords of JSON Schema that take bounded time on hostile text, and a clock for all the others.

`jsonschema` looks a keyword up in a table; `OURS` are the entries that are replaced:

    pattern, patternProperties, additionalProperties    `re` -> `regex` with a time limit
    uniqueItems                                         quadratic -> a set of canonical texts
    multipleOf                                          doubles (0.3 is no multiple of 0.1; huge whole numbers raise) -> fractions
    format                                              annotation only -> the `FORMATS` below, checked

A keyword is a generator of errors. `unevaluatedProperties` reads patternProperties with `re`: `json_schema` refuses the two together.
"""

from __future__ import annotations

import datetime
import ipaddress
import re
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from fractions import Fraction
from typing import Any, Final

from jsonschema.exceptions import ValidationError

from rrr_local.verifiers.answers import short
from rrr_local.verifiers.json_values import canonical
from rrr_local.verifiers.regex_check import LONGEST_TEXT, compile_pattern
from rrr_local.verifiers.regex_check import TIMEOUT_S as PATTERN_TIMEOUT_S

TIMEOUT_S = 1.0
Errors = Iterator[ValidationError]
Keyword = Callable[[Any, Any, Any, Any], Errors | None]

_deadline: ContextVar[float] = ContextVar("deadline")
"""When the check in progress has to be done, on the monotonic clock."""


class TooSlow(Exception):
    """The schema took too long; the message names what did."""


@contextmanager
def time_limit() -> Iterator[None]:
    """Keywords that are evaluated inside have `TIMEOUT_S` together, and raise `TooSlow` after it."""
    token = _deadline.set(time.monotonic() + TIMEOUT_S)
    try:
        yield
    finally:
        _deadline.reset(token)


def clocked(keyword: Keyword) -> Keyword:
    """The keyword, made to raise `TooSlow` when the time is over."""

    def timed(validator: Any, wanted: Any, value: Any, schema: Any) -> Errors:
        if time.monotonic() > _deadline.get():
            raise TooSlow(f"the schema took longer than {TIMEOUT_S:g} s")
        yield from keyword(validator, wanted, value, schema) or ()

    return timed


def _found(pattern: str, text: str) -> bool:
    timeout = min(PATTERN_TIMEOUT_S, max(_deadline.get() - time.monotonic(), 0.001))
    try:
        return compile_pattern(pattern).search(text[:LONGEST_TEXT], timeout=timeout) is not None
    except TimeoutError:
        raise TooSlow(f"the pattern {short(pattern)} took too long") from None
    except MemoryError:
        raise TooSlow(f"the pattern {short(pattern)} took too much memory") from None


def _pattern(validator: Any, wanted: str, value: object, schema: object) -> Errors:
    if isinstance(value, str) and not _found(wanted, value):
        yield ValidationError("pattern")


def _pattern_properties(validator: Any, wanted: Mapping[str, object], value: object, schema: object) -> Errors:
    if isinstance(value, dict):
        for pattern, subschema in wanted.items():
            for key, each in value.items():
                if _found(pattern, key):
                    yield from validator.descend(each, subschema, path=key, schema_path=pattern)


def _additional_properties(validator: Any, wanted: object, value: object, schema: Mapping[str, Any]) -> Errors:
    if not isinstance(value, dict):
        return
    known, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
    for key, each in value.items():
        if key in known or any(_found(pattern, key) for pattern in patterns):
            continue
        if wanted is False:
            yield ValidationError(f"`{short(key)}` is not expected")
        else:
            yield from validator.descend(each, wanted, path=key)


def _unique_items(validator: Any, wanted: bool, value: object, schema: object) -> Errors:
    if wanted and isinstance(value, list) and len({canonical(each) for each in value}) < len(value):
        yield ValidationError("uniqueItems")


def _multiple_of(validator: Any, wanted: float, value: object, schema: object) -> Errors:
    if (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and Fraction(repr(value)) % Fraction(repr(wanted))
    ):
        yield ValidationError("multipleOf")


def _format(validator: Any, wanted: str, value: object, schema: object) -> Errors:
    if isinstance(value, str) and not _has_format(value, FORMATS[wanted]):
        yield ValidationError("format")


def _has_format(value: str, read: Callable[[str], object]) -> bool:
    try:
        return len(value) <= 320 and value.isascii() and bool(read(value))
    except ValueError:
        return False


def _moment(shape: str, read: Callable[[str], object]) -> Callable[[str], object]:
    """RFC 3339 is stricter than `fromisoformat`: the shape is checked first."""
    return lambda text: re.fullmatch(shape, text) and (read(text) or True)


DAY, HOUR = r"\d{4}-\d\d-\d\d", r"\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:Z|[+-]\d\d:\d\d)"
FORMATS: Final[Mapping[str, Callable[[str], object]]] = {
    "date": _moment(DAY, datetime.date.fromisoformat),
    "time": _moment(HOUR, datetime.time.fromisoformat),
    "date-time": _moment(f"{DAY}[T ]{HOUR}", datetime.datetime.fromisoformat),
    "email": re.compile(r"[^@\s]{1,64}@[^@\s]{1,255}").fullmatch,
    "ipv4": ipaddress.IPv4Address,
    "ipv6": ipaddress.IPv6Address,
    "uuid": lambda text: len(text) == 36 and uuid.UUID(text),
}
"""What each format means: a function that returns something true, or raises `ValueError`."""

OURS: Final[Mapping[str, Keyword]] = {
    "pattern": _pattern,
    "patternProperties": _pattern_properties,
    "additionalProperties": _additional_properties,
    "uniqueItems": _unique_items,
    "multipleOf": _multiple_of,
    "format": _format,
}
