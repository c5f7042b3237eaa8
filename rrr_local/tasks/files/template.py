"""A prompt with columns in braces: "Using the numbers {numbers}, reach {goal}."

What stands in a row is data. It is put in once and never read again, so braces in it mean nothing. `{{` and `}}` are the braces
themselves. Text goes in as it is; a list of texts (answers to choose from) as lettered lines, "A) …"; any other value as JSON.
"""

from __future__ import annotations

import json
import re
import string
from collections.abc import Collection, Mapping
from difflib import get_close_matches

from rrr_local.errors import UsageError

_PART = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")


def columns_of(template: str) -> tuple[str, ...]:
    """The columns a template names, each once. Raises `UsageError` for a brace that is none's."""
    found: dict[str, None] = {}
    for match in _PART.finditer(template):
        if match[0] in ("{", "}"):
            raise UsageError(
                f"the prompt has a single {match[0]} in it: …{template[max(0, match.start() - 12) : match.end() + 12]}…",
                "write {column} for a column's value, and {{ or }} for a brace",
            )
        if match[1] is not None:
            found[match[1].strip()] = None
    return tuple(found)


def check_columns(template: str, columns: Collection[str]) -> None:
    """Raises `UsageError` unless every column that the template names is there."""
    for name in columns_of(template):
        if name not in columns:
            close = get_close_matches(name, columns, n=1)
            hint = f"did you mean {{{close[0]}}}? " if close else ""
            raise UsageError(
                f"the prompt names {{{name}}}, and there is no such column", f"{hint}there are: {', '.join(columns)}"
            )


def fill(template: str, row: Mapping[str, object]) -> str:
    """The prompt of a row. Raises `UsageError` naming a column that is missing or empty."""
    return _PART.sub(lambda match: _put(match, row), template)


def _put(match: re.Match[str], row: Mapping[str, object]) -> str:
    if match[1] is None:
        return match[0][0]
    name = match[1].strip()
    value = row.get(name)
    if value is None or value == "" or value == []:
        raise UsageError(f"column {name!r} is empty, and the prompt needs it", "fill it in")
    return written(value)


def written(value: object) -> str:
    """A value as a prompt shows it."""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, list) and all(isinstance(each, str) for each in value) and len(value) <= len(_LETTERS):
        return "\n".join(f"{letter}) {each.strip()}" for letter, each in zip(_LETTERS, value, strict=False))
    return json.dumps(value, ensure_ascii=False)


_LETTERS = string.ascii_uppercase
