"""The check `multiple-choice`: the answer names the right choice.

    | option     | default   | meaning                                                                                    |
    | choices    | "choices" | the column with the list of choices, or a list of columns with one choice each, as ["A", "B", "C", "D"] |
    | separator  | none      | what stands between the choices where the column is one text, such as "|"                  |
    | answer     | "answer"  | the column with the right one: its letter, its text, or its index                          |
    | answer_is  | "any"     | what that column holds, where it could be two of these: "letter", "text" or "index"        |
    | index_from | 0         | what the index of the first choice is, 0 or 1                                              |

The choices are called A, B, C, … in their order. Read are `B`, `(b)`, `B) Paris`, `Paris`, "The answer is B" and \\boxed{B}: marked,
as the whole reply, as its last line, or in such a sentence anywhere. Two different choices, or a letter with another one's text, are
unparsed: nobody may name them all. A row whose answer could mean two choices is refused.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from string import ascii_uppercase

from rrr_local.episode import Verdict, VerdictKind
from rrr_local.verifiers.answers import LONGEST_COMPARED, Answer, answer_of, nothing_in, plain
from rrr_local.verifiers.options import Options, column, unusable

LONGEST_CHOICE = 2_000
MOST_STATEMENTS = 64
"""Sentences such as "the answer is B" that are read, from the end of the reply."""
READINGS = ("any", "letter", "text", "index")
LETTERED = re.compile(r"[\s(\[*\"'`]{0,8}([A-Za-z])(?:[\s)\].:,;*\"'`]{1,8}|\Z)(.*)", re.ASCII | re.DOTALL)
"""A letter, what may stand around it, and the text after it."""
STATEMENT = re.compile(
    r"\b(?:answer|choice|option)(?: is| would be|:)(?:[ :\n]|the |choice |option ){0,4}(?=([^\n]{1,200}))", re.I
)
"""The beginning of a sentence that names a choice, and the line from there."""
NAMED = re.compile(r"[(\[*\"'`]{0,4}([A-Z])\b(?:\W{0,4}(?:or|and|,|/|&)\W{0,4}([A-Z])\b)?", re.ASCII)
"""The letter that such a sentence names, and a second one."""


@dataclass(frozen=True, slots=True)
class MultipleChoice:
    """Compares choices."""

    choices: str | tuple[str, ...]
    """The column with all of them, or the columns with one each."""
    separator: str
    """Empty: the column holds a list."""
    answer: str
    """The column with the right one."""
    answer_is: str
    """`any`, or the one reading of that column: `letter`, `text` or `index`."""
    index_from: int

    kind = "multiple-choice"

    @classmethod
    def read(cls, options: Options) -> MultipleChoice:
        named = options.texts("choices")
        return cls(
            choices=options.text("choices", "choices") if len(named) < 2 else named,
            separator=options.text("separator") if options.has("separator") else "",
            answer=options.text("answer", "answer"),
            answer_is=options.choice("answer_is", READINGS),
            index_from=options.index("index_from"),
        )

    @property
    def configuration(self) -> Mapping[str, object]:
        return {
            "kind": self.kind,
            "choices": self.choices if isinstance(self.choices, str) else list(self.choices),
            "separator": self.separator,
            "answer": self.answer,
            "answer_is": self.answer_is,
            "index_from": self.index_from,
        }

    def check_row(self, row: Mapping[str, object]) -> None:
        self._right(row, self._texts(row))

    def judge(self, reply: str, row: Mapping[str, object]) -> Verdict:
        texts = self._texts(row)
        right = self._right(row, texts)
        answer = answer_of(reply)
        if not answer.text:
            return Verdict(VerdictKind.UNPARSED, nothing_in(answer))
        named = sorted(set(_named(answer, [plain(text) for text in texts])))
        letters = [ascii_uppercase[index] for index in named]
        if not named:
            return Verdict(VerdictKind.UNPARSED, "the answer names none of the choices", answer.shown)
        if len(named) > 1:
            return Verdict(VerdictKind.UNPARSED, f"the answer names {' and '.join(letters)}", answer.shown)
        if named[0] == right:
            return Verdict(VerdictKind.PASS, f"the answer is {letters[0]}", answer.shown)
        return Verdict(VerdictKind.FAIL, f"the answer is {letters[0]}, not {ascii_uppercase[right]}", answer.shown)

    def right(self, row: Mapping[str, object]) -> tuple[int, int]:
        """The index of the right choice, from 0, and how many choices there are. Raises `UsageError`."""
        texts = self._texts(row)
        return self._right(row, texts), len(texts)

    def _texts(self, row: Mapping[str, object]) -> list[str]:
        """The row's choices in order. Raises `UsageError`."""
        if isinstance(self.choices, str):
            value = column(row, self.choices)
            items = value.split(self.separator) if isinstance(value, str) and self.separator else value
            where = self.choices
        else:
            items = value = [column(row, name) for name in self.choices]
            where = ", ".join(self.choices)
        if not isinstance(items, list) or not 2 <= len(items) <= len(ascii_uppercase):
            raise unusable(where, value, "is no list of choices", "give 2 to 26 choices, or say what separates them")
        if any(isinstance(item, bool) or not isinstance(item, str | int | float) for item in items):
            raise unusable(where, value, "holds a choice that is no text", "write the choices as texts")
        texts = [str(item).strip() for item in items]
        compared = [plain(text[:LONGEST_CHOICE]) for text in texts]
        if max(map(len, texts)) > LONGEST_CHOICE or not all(compared) or len(set(compared)) < len(texts):
            raise unusable(
                where, value, "holds an empty, a too long or a repeated choice", "every choice needs a text of its own"
            )
        for index, text in enumerate(compared):
            if _letter(text) in {*range(len(texts))} - {index}:
                raise unusable(
                    where, value, f"holds the choice {text!r}, which reads like a letter", "reorder the choices"
                )
        return texts

    def _right(self, row: Mapping[str, object], texts: Sequence[str]) -> int:
        """The index of the right choice, from 0. Raises `UsageError`."""
        value = column(row, self.answer)
        meant = set(self._meanings(value, texts))
        if len(meant) == 1:
            return meant.pop()
        if meant:
            both = " or ".join(ascii_uppercase[index] for index in sorted(meant))
            raise unusable(self.answer, value, f"could be {both}", 'say answer_is = "text" or "index" in [check]')
        way_out = f"write a letter from A to {ascii_uppercase[len(texts) - 1]}, or the choice's text"
        raise unusable(self.answer, value, "is none of the choices", way_out)

    def _meanings(self, value: object, texts: Sequence[str]) -> Iterator[int]:
        """Every choice that a value of the answer column may mean."""
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            return
        compared = [plain(text) for text in texts]
        written = plain(str(value)[:LONGEST_CHOICE])
        if self.answer_is in ("any", "text") and written in compared:
            yield compared.index(written)
        if self.answer_is in ("any", "letter"):
            yield from _direct(str(value), compared)
        if self.answer_is in ("any", "index") and re.fullmatch("[0-9]{1,2}", written):
            index = int(written) - self.index_from
            yield from [index] if 0 <= index < len(texts) else []


def _named(answer: Answer, texts: Sequence[str]) -> Iterator[int]:
    """The choices that an answer names; `texts` are the choices as they are compared."""
    for candidate in answer.candidates:
        yield from _direct(candidate, texts)
    for match in deque(STATEMENT.finditer(answer.text), maxlen=MOST_STATEMENTS):
        yield from _stated(match[1], texts)


def _stated(said: str, texts: Sequence[str]) -> list[int]:
    """The choices that the end of a sentence such as "the answer is …" names."""
    if direct := _direct(said, texts) or _direct(said.partition(". ")[0], texts):
        return direct
    letters = NAMED.match(said)
    indices = [_letter(letter) for letter in letters.groups("")] if letters else []
    return [index for index in indices if index is not None and index < len(texts)]


def _direct(said: str, texts: Sequence[str]) -> list[int]:
    """The choices that a text is, by letter, by text, or by both; empty for a text that is something else."""
    if len(said) > LONGEST_COMPARED:
        return []
    written = plain(said)
    if written in texts:
        return [texts.index(written)]
    lettered = LETTERED.fullmatch(said)
    index = _letter(lettered[1]) if lettered else None
    if lettered is None or index is None or index >= len(texts):
        return []
    rest = plain(lettered[2])
    if not rest or rest == texts[index]:
        return [index]
    return [index, texts.index(rest)] if rest in texts else []


def _letter(text: str) -> int | None:
    """The index that a letter stands for; None for what is no single letter."""
    return ascii_uppercase.index(text.upper()) if len(text) == 1 and text.isascii() and text.isalpha() else None
