"""The check `number`: the last number of the answer is the one in the row.

    | option    | default  | meaning                                                                                   |
    | answer    | "answer" | the column with the number: 24, "1,000", "1/2", "24 km"                                   |
    | tolerance | 0        | how far off an answer may be, absolutely                                                  |
    | relative  | 0        | how far off it may be, as a share of the row's number; the larger of both allowances counts |
    | units     | true     | words, units, currencies and % may stand around the number; false: the answer is the number only |

Units are dropped, not converted: "24 km" equals 24 and "24 m", and "50 %" equals 50. How numbers are read, and which are not,
is in `written_numbers`. All arithmetic is exact; an allowance of 0.1 is 1/10.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from rrr_local.episode import Verdict, VerdictKind
from rrr_local.verifiers.answers import Answer, answer_of, nothing_in, short
from rrr_local.verifiers.options import Options, column, exact_fraction, unusable
from rrr_local.verifiers.written_numbers import LONGEST, Written, last_number, only_number


@dataclass(frozen=True, slots=True)
class Number:
    """Compares numbers."""

    answer: str
    """The column with the right number."""
    tolerance: float
    relative: float
    units: bool

    kind = "number"

    @classmethod
    def read(cls, options: Options) -> Number:
        return cls(
            answer=options.text("answer", "answer"),
            tolerance=options.amount("tolerance", 0),
            relative=options.amount("relative", 0),
            units=options.flag("units", True),
        )

    @property
    def configuration(self) -> Mapping[str, object]:
        return {
            "kind": self.kind,
            "answer": self.answer,
            "tolerance": self.tolerance,
            "relative": self.relative,
            "units": self.units,
        }

    def check_row(self, row: Mapping[str, object]) -> None:
        self._wanted(row)

    def judge(self, reply: str, row: Mapping[str, object]) -> Verdict:
        wanted = self._wanted(row)
        answer = answer_of(reply)
        if not answer.text:
            return Verdict(VerdictKind.UNPARSED, nothing_in(answer))
        written = self._written(answer)
        if written is None:
            return Verdict(VerdictKind.UNPARSED, "no number found" if self.units else "the answer is not just a number")
        if len(written.text) > LONGEST:
            return Verdict(VerdictKind.UNPARSED, "the last number is too long")
        if written.value is None:
            return Verdict(VerdictKind.UNPARSED, f"the last number cannot be read: {written.text!r}", written.text)
        said = f"the last number is {short(written.text)}"
        if abs(written.value - wanted) <= self._allowance(wanted):
            return Verdict(VerdictKind.PASS, said, written.text)
        return Verdict(VerdictKind.FAIL, f"{said}, not {short(str(row[self.answer]).strip())}", written.text)

    def _written(self, answer: Answer) -> Written | None:
        """The number that is judged."""
        if self.units:
            return last_number(answer.text)
        found = map(last_number, answer.candidates)
        return next((written for written in found if written and written.alone), None)

    def _allowance(self, wanted: Fraction) -> Fraction:
        return max(exact_fraction(self.tolerance), exact_fraction(self.relative) * abs(wanted))

    def _wanted(self, row: Mapping[str, object]) -> Fraction:
        value = column(row, self.answer)
        number = value if isinstance(value, str) else repr(value) if _is_number(value) else ""
        wanted = only_number(number)
        if wanted is None:
            raise unusable(self.answer, value, "is not one number", "write it like 1000, 0.5, 1/2 or 6e5")
        return wanted


def _is_number(value: object) -> bool:
    """Whether a JSON value is a number; true and false are none."""
    return isinstance(value, int | float) and not isinstance(value, bool)
