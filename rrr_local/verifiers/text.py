"""Judge a free-text reply against the answer a person expects.

A reply's answer is what its last `<answer>…</answer>` holds, else the whole reply. Against a number it is the last number in
there, compared exactly: 1,000 and 1000.0 are equal. Against other text it is the answer itself or its last line, without regard
to case, spaces and the punctuation around it.
"""

from __future__ import annotations

import re
from fractions import Fraction

from rrr_local.episode import Verdict, VerdictKind
from rrr_local.verifiers.answers import same_words, short
from rrr_local.verifiers.arithmetic import TAIL, last_answer

LONGEST_NUMBER = 100
"""Characters of a number that is still read."""
NUMBER = re.compile(r"(?<![\w.])-?(?:[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])|[0-9]+)(?:\.[0-9]+)?", re.ASCII)


def judge_text(reply: str, expected: str) -> Verdict:
    """Judge one reply. Never raises, and takes time linear in its last 100,000 characters."""
    tail = reply[-TAIL:]
    answer = last_answer(tail)
    text = tail if answer is None else answer
    if not text.strip():
        return Verdict(VerdictKind.UNPARSED, "the reply is empty")
    wanted = _number(expected.strip())
    return _judge_words(text, expected) if wanted is None else _judge_number(text, wanted, expected.strip())


def _judge_number(text: str, wanted: Fraction, expected: str) -> Verdict:
    written = NUMBER.findall(text)
    if not written:
        return Verdict(VerdictKind.UNPARSED, "no number found")
    value = _number(written[-1])
    if value is None:
        return Verdict(VerdictKind.UNPARSED, "the last number is too long")
    if value == wanted:
        return Verdict(VerdictKind.PASS, f"the last number is {expected}", written[-1])
    return Verdict(VerdictKind.FAIL, f"the last number is {short(written[-1])}, not {expected}", written[-1])


def _judge_words(text: str, expected: str) -> Verdict:
    last_line = text.strip().splitlines()[-1]
    for candidate in (text, last_line):
        if same_words(candidate, expected):
            return Verdict(VerdictKind.PASS, f"the answer is {short(expected)!r}", candidate.strip())
    return Verdict(VerdictKind.FAIL, f"the answer is {short(last_line)!r}, not {short(expected)!r}", last_line)


def _number(text: str) -> Fraction | None:
    """The value of a written number; None where the text is none, or too long to be worth reading."""
    if len(text) > LONGEST_NUMBER or not NUMBER.fullmatch(text):
        return None
    return Fraction(text.replace(",", ""))
