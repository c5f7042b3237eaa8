"""The columns of a file by what stands in them, for guessing."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

from rrr_local.episode import Split
from rrr_local.tasks.files.rows import Values
from rrr_local.verifiers.written_numbers import only_number

SPLITS = ("split", "subset", "fold")
PARTS = {"train": Split.TRAIN, **dict.fromkeys(("eval", "test", "validation", "valid", "dev"), Split.EVAL)}
"""What a column may say of the part a row is in."""
ASIDE = (
    *("id", "index", "idx", "metadata", "source", "split", "subset", "fold"),
    *("difficulty", "level", "category", "topic", "comment"),
)
"""Names of columns that are neither the prompt nor the answer."""
_MEASURE = re.compile(r"[-+\u2212]?[$€£¥]?[-+]?[0-9.](?:.*[0-9.])?\s?[^\s0-9]{0,8}")


class Columns:
    """Columns by what stands in them."""

    def __init__(self, names: Sequence[str], rows: Sequence[Values]) -> None:
        self.names = names
        self._rows = rows

    def values(self, name: str) -> list[Any]:
        """What a column holds, empty cells left out."""
        return [value for row in self._rows if (value := row.get(name)) not in (None, "")]

    def every(self, name: str, test: Callable[[Any], bool]) -> bool:
        """Whether a column holds anything, and nothing that fails the test."""
        values = self.values(name)
        return bool(values) and all(map(test, values))

    def named(self, names: Sequence[str]) -> str | None:
        """The column with the first of these names, capitals and spaces aside."""
        plain = {name.strip().casefold().replace(" ", "_"): name for name in reversed(self.names)}
        return next((plain[name] for name in names if name in plain), None)

    def aside(self, name: str) -> bool:
        """Whether a column is neither the prompt nor the answer: by its name, or because it only counts the rows."""
        if name.strip().casefold() in ASIDE:
            return True
        values = self.values(name)
        if len(values) < 3 or not all(map(is_whole, values)):
            return False
        return all(int(after) == int(before) + 1 for before, after in pairwise(values))

    def split(self) -> str | None:
        """The column that says which part a row belongs to."""
        name = self.named(SPLITS)
        known = name is not None and self.every(name, lambda value: str(value).strip().lower() in PARTS)
        return name if known else None


def is_number_list(value: object) -> bool:
    """Two to six whole numbers, as JSON or in words: "3, 7, 18"."""
    if isinstance(value, str):
        parts = re.split(r"[,; ]+", value.strip().removeprefix("[").removesuffix("]").strip())
        return 2 <= len(parts) <= 6 and all(part.isascii() and part.isdecimal() for part in parts)
    return isinstance(value, list) and 2 <= len(value) <= 6 and all(type(each) is int for each in value)


def is_whole(value: object) -> bool:
    return type(value) is int or (isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,9}", value.strip()) is not None)


def is_conversation(value: object) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(each, dict) and {"role", "content"} <= each.keys() for each in value)
    )


def is_text(value: object) -> bool:
    return isinstance(value, str) and not is_number(value)


def is_number(value: object) -> bool:
    """A number, or a text that is one: a currency may stand before it and one word behind it, as in "24 km"."""
    if isinstance(value, str):
        return _MEASURE.fullmatch(value.strip()) is not None and only_number(value) is not None
    return isinstance(value, int | float) and not isinstance(value, bool)
