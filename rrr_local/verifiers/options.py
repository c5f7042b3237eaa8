"""What a person wrote about a check: the options in `[check]` of a task.toml, and the columns of a row.

Options are read one at a time, by name and type. What was read is what the check knows, so `finish` can refuse the rest without
a second list of names. Whatever is wrong is a `UsageError` that names the option or the column.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping
from fractions import Fraction

from rrr_local.errors import UsageError
from rrr_local.verifiers.answers import short


class Options:
    """The options of one check."""

    def __init__(self, kind: str, given: Mapping[str, object]) -> None:
        self.kind = kind
        self._given = given
        self._read = ["kind"]

    def has(self, name: str) -> bool:
        """Whether the option is given."""
        return self._take(name) is not None

    def text(self, name: str, default: str | None = None) -> str:
        """A text that is not empty; required where there is no default."""
        value = self._take(name)
        if value is None and default is not None:
            return default
        if value is None:
            raise UsageError(f"the check {self.kind} needs {name}", f'add {name} = "..." to [check]')
        if not isinstance(value, str) or not value:
            raise self.wrong(name, "a text in quotes")
        return value

    def choice(self, name: str, among: tuple[str, ...]) -> str:
        """One of a few words; the first is the default."""
        value = self.text(name, among[0])
        if value not in among:
            raise self.wrong(name, " or ".join(f'"{word}"' for word in among))
        return value

    def flag(self, name: str, default: bool) -> bool:
        value = self._take(name)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise self.wrong(name, "true or false")
        return value

    def amount(self, name: str, default: float) -> float:
        """A number that is finite and not negative."""
        value = self._take(name)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
            raise self.wrong(name, "a number from 0")
        return value

    def index(self, name: str) -> int:
        """Where counting begins: 0, the default, or 1."""
        value = self._take(name)
        if value is None:
            return 0
        if isinstance(value, bool) or not isinstance(value, int) or value not in (0, 1):
            raise self.wrong(name, "0 or 1")
        return value

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of texts, or one text; empty where it is not given."""
        value = self._take(name)
        if value is None:
            return ()
        items = [value] if isinstance(value, str) else value
        if not isinstance(items, list) or not all(isinstance(item, str) and item for item in items):
            raise self.wrong(name, "a list of texts in quotes")
        return tuple(items)

    def table(self, name: str) -> object:
        """The value as it stands, None where it is not given: what reads it says what is wrong with it."""
        return self._take(name)

    def finish(self) -> None:
        """Raises `UsageError` for the first option that nothing has read."""
        for name in self._given:
            if name not in self._read:
                known = ", ".join(self._read[1:])
                raise UsageError(
                    f"the check {self.kind} has no option {name!r}{near(name, self._read)}", f"it has {known}"
                )

    def wrong(self, name: str, takes: str) -> UsageError:
        """The error for a value that an option cannot have."""
        return UsageError(f"{name} = {short(repr(self._given.get(name)))} is not possible", f"{name} takes {takes}")

    def _take(self, name: str) -> object:
        self._read.append(name)
        return self._given.get(name)


def column(row: Mapping[str, object], name: str) -> object:
    """The value of a row's column. Raises `UsageError` where it is missing or empty."""
    value = row.get(name)
    if value is None or value == "":
        state = "is empty in this row" if name in row else f"is missing{near(name, row)}"
        raise UsageError(f"the column {name!r} {state}", f"the row has {', '.join(row) or 'no columns'}")
    return value


def unusable(name: str, value: object, what: str, way_out: str) -> UsageError:
    """The error for a column's value that a check cannot use."""
    return UsageError(f"the column {name!r}: {short(str(value))!r} {what}", way_out)


def exact_fraction(number: float) -> Fraction:
    """A number as it is written in decimals: 0.1 is 1/10, not the double next to it."""
    return Fraction(repr(number))


def near(name: str, known: Iterable[str]) -> str:
    """`, did you mean 'x'?`, or nothing."""
    close = difflib.get_close_matches(name, list(known), n=1)
    return f", did you mean {close[0]!r}?" if close else ""
