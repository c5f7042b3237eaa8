"""`-o key=value`: any field of a recipe from the command line, `lora.rank=8` for one inside another.

A value takes the type that the field has in the preset. Counts are at least 1 (some may be 0), rates finite and not negative.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from rrr_local.errors import UsageError
from rrr_local.training.recipes import Recipe

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

MAY_BE_ZERO = ("refresh_every", "warmup_steps", "evaluate", "replay", "everyday")
FIXED = ("name", "failures_from")


def overridden(recipe: Recipe, settings: Iterable[str]) -> Recipe:
    """The recipe with `key=value` settings applied in order. Raises `UsageError` for an unknown key or a bad value."""
    for setting in settings:
        key, equals, text = setting.partition("=")
        if not equals:
            raise UsageError(f"{setting!r} is no setting", "write key=value, for example -o steps=50")
        recipe = _replaced(recipe, key.strip().split("."), text.strip(), key.strip())
    return recipe


def _replaced(holder: Any, path: list[str], text: str, key: str) -> Any:
    """A copy of a dataclass with the field at `path` set."""
    names = [field.name for field in dataclasses.fields(holder) if field.name not in FIXED]
    current = getattr(holder, path[0]) if path[0] in names else None
    inside = dataclasses.is_dataclass(current)
    if path[0] not in names or inside != (len(path) > 1):
        raise UsageError(f"a recipe has no field {key!r}", _closest(key))
    value = _replaced(current, path[1:], text, key) if inside else _value(text, current, key)
    return dataclasses.replace(holder, **{path[0]: value})


def _value(text: str, current: object, key: str) -> object:
    """The text as the type that the field has now."""
    try:
        match current:
            case bool():
                return {"true": True, "false": False}[text.lower()]
            case int():
                return _checked(int(text), 0 if key in MAY_BE_ZERO else 1)
            case float():
                return _checked(float(text), 0.0)
            case StrEnum():
                return type(current)(text)
    except (ValueError, KeyError):
        raise UsageError(f"{text!r} is no value for {key}", f"give {_wanted(current, key)}") from None
    raise AssertionError(f"{key} is a {type(current).__name__}")


def _checked(number: Any, least: float) -> Any:
    if not math.isfinite(number) or number < least:
        raise ValueError(number)
    return number


def _wanted(current: object, key: str) -> str:
    match current:
        case bool():
            return "true or false"
        case int():
            return "a whole number, at least " + ("0" if key in MAY_BE_ZERO else "1")
        case StrEnum():
            return " or ".join(type(current))
        case _:
            return "a number, 0 or more"


def _closest(key: str) -> str:
    names = sorted(_names(Recipe("any"), ""))
    near = difflib.get_close_matches(key, names, n=1)
    return f"did you mean {near[0]}?" if near else f"choose one of {', '.join(names)}"


def _names(holder: DataclassInstance, prefix: str) -> Iterator[str]:
    for field in dataclasses.fields(holder):
        value = getattr(holder, field.name)
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            yield from _names(value, f"{prefix}{field.name}.")
        elif field.name not in FIXED:
            yield f"{prefix}{field.name}"
