"""The check `countdown`: the answer is an expression that uses each of the row's numbers once and equals its target.

    | option  | default   | meaning                                                                                       |
    | numbers | "numbers" | the column with the numbers: [3, 7, 18] or "3 7 18" or "3, 7, 18"; 1 to 16, whole, not negative |
    | target  | "target"  | the column with the value to reach, a whole number                                            |

The expression is judged as in the bundled task (`arithmetic`): + - * / and parentheses, in <answer> tags, exactly.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from rrr_local.episode import Verdict
from rrr_local.verifiers.arithmetic import judge_countdown
from rrr_local.verifiers.options import Options, column, unusable

MOST_NUMBERS = 16
LARGEST = 10**9
"""Numbers are below this: the verifier's arithmetic is exact."""
LONGEST_LIST = 400
"""Characters of a list in a text; reading one is quadratic in its spaces."""
LIST = re.compile(r"\s*\[?\s*([0-9]{1,9}(?:(?:\s*[,;]\s*|\s+)[0-9]{1,9})*)\s*\]?\s*")
WHOLE = re.compile(r"\s*(-?[0-9]{1,9})(?:\.0*)?\s*")


@dataclass(frozen=True, slots=True)
class Puzzle:
    """Judges expressions."""

    numbers: str
    """The column with the numbers."""
    target: str
    """The column with the target."""

    kind = "countdown"

    @classmethod
    def read(cls, options: Options) -> Puzzle:
        return cls(options.text("numbers", "numbers"), options.text("target", "target"))

    @property
    def configuration(self) -> Mapping[str, object]:
        return {"kind": self.kind, "numbers": self.numbers, "target": self.target}

    def check_row(self, row: Mapping[str, object]) -> None:
        self._numbers(row)
        self._target(row)

    def judge(self, reply: str, row: Mapping[str, object]) -> Verdict:
        return judge_countdown(reply, self._numbers(row), self._target(row))

    def _numbers(self, row: Mapping[str, object]) -> list[int]:
        value = column(row, self.numbers)
        written = LIST.fullmatch(value) if isinstance(value, str) and len(value) <= LONGEST_LIST else None
        items = [int(each) for each in re.findall("[0-9]+", written[1])] if written else value
        if isinstance(items, list) and 0 < len(items) <= MOST_NUMBERS:
            whole = [_whole(item) for item in items]
            numbers = [number for number in whole if number is not None and number >= 0]
            if len(numbers) == len(items):
                return numbers
        raise unusable(
            self.numbers,
            value,
            "is no list of numbers",
            f"write 1 to {MOST_NUMBERS} whole numbers from 0, such as 3 7 18",
        )

    def _target(self, row: Mapping[str, object]) -> int:
        value = column(row, self.target)
        target = _whole(value)
        if target is None:
            raise unusable(self.target, value, "is not a whole number", "write the value to reach, such as 24")
        return target


def _whole(value: object) -> int | None:
    """The whole number that a JSON value or a text is: 24, 24.0 (spreadsheets write that) or "24". None for others."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    written = WHOLE.fullmatch(value if isinstance(value, str) else repr(value))
    return int(written[1]) if written else None
