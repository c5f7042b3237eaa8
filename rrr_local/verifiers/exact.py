"""The check `exact`: the answer is a row's text, character by character.

    | option      | default  | meaning                                                                             |
    | answer      | "answer" | the column with the right answer, or a list of accepted answers                     |
    | separator   | none     | what stands between several accepted answers in one text, such as "|"               |
    | ignore_case | false    | capital letters do not matter                                                       |
    | strip       | true     | spaces and line ends around the answer do not matter                                |

Without a marked answer, the whole reply or its last line may be it. Punctuation counts. Texts are compared in Unicode's composed
form (NFC), since two spellings of é look the same. A number in the column is compared as it is written: use `number` for its value.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass

from rrr_local.episode import Verdict, VerdictKind
from rrr_local.verifiers.answers import LONGEST_COMPARED, answer_of, nothing_in, short
from rrr_local.verifiers.options import Options, column, unusable


@dataclass(frozen=True, slots=True)
class Exact:
    """Compares texts."""

    answer: str
    """The column with what is accepted."""
    separator: str
    """Empty: a text is one answer."""
    ignore_case: bool
    strip: bool

    kind = "exact"

    @classmethod
    def read(cls, options: Options) -> Exact:
        return cls(
            answer=options.text("answer", "answer"),
            separator=options.text("separator") if options.has("separator") else "",
            ignore_case=options.flag("ignore_case", False),
            strip=options.flag("strip", True),
        )

    @property
    def configuration(self) -> Mapping[str, object]:
        return {
            "kind": self.kind,
            "answer": self.answer,
            "separator": self.separator,
            "ignore_case": self.ignore_case,
            "strip": self.strip,
        }

    def check_row(self, row: Mapping[str, object]) -> None:
        accepted_texts(row, self.answer, self.separator)

    def judge(self, reply: str, row: Mapping[str, object]) -> Verdict:
        accepted = accepted_texts(row, self.answer, self.separator)
        answer = answer_of(reply)
        if not answer.text:
            return Verdict(VerdictKind.UNPARSED, nothing_in(answer))
        wanted = {self._compared(text) for text in accepted}
        for candidate in answer.candidates:
            if len(candidate) <= LONGEST_COMPARED and self._compared(candidate) in wanted:
                return Verdict(VerdictKind.PASS, f"the answer is {short(candidate)!r}", candidate)
        expected = " or ".join(repr(short(text)) for text in accepted[:3])
        said = answer.candidates[-1]
        return Verdict(VerdictKind.FAIL, f"the answer is {short(said)!r}, not {expected}", answer.shown)

    def _compared(self, text: str) -> str:
        return comparable(text.strip() if self.strip else text, self.ignore_case)


def accepted_texts(row: Mapping[str, object], name: str, separator: str) -> tuple[str, ...]:
    """The texts in a column: one, a list, or several with the separator between. Raises `UsageError`."""
    value = column(row, name)
    items = value if isinstance(value, list) else [value]
    if separator and isinstance(value, str):
        items = [part.strip() for part in value.split(separator)]
    texts = tuple(map(_text, items))
    for text in texts:
        if text is None or not text.strip():
            raise unusable(name, value, "is not a text or a list of texts", "write what the answer may be")
        if len(text) > LONGEST_COMPARED:
            raise unusable(name, text, "is too long", f"an accepted text has at most {LONGEST_COMPARED:,} characters")
    if not texts:
        raise unusable(name, value, "holds no answer", "write what the answer may be")
    return tuple(text for text in texts if text is not None)


def comparable(text: str, ignore_case: bool) -> str:
    """Text as it is compared; at most `LONGEST_COMPARED` characters, since it normalises."""
    composed = unicodedata.normalize("NFC", text)
    return unicodedata.normalize("NFC", composed.casefold()) if ignore_case else composed


def _text(value: object) -> str | None:
    """A JSON scalar as text; None for what is none."""
    if isinstance(value, str):
        return value
    return json.dumps(value) if isinstance(value, int | float) else None
