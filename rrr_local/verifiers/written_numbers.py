"""Numbers as people and models write them, read exactly.

    1,000   1_000   1'000   1 000 with a thin or no-break space   1{,}000      thousands, in groups of three
    -3   \u22123   +3   -$3   .5   24.   24.0                                       sign, currency, decimals
    1/2   \\frac{1}{2}   6e5   6E-5   6 x 10^5   6 × 10⁵   6 \\times 10^{5}    fractions and powers of ten

What could be read in two ways is not read at all: `1,5` (a decimal comma or two numbers), `1.234,5`, `1 000` with an ordinary
space, `1 1/2`, `3/4/2024`, other powers such as `2^10`, and digits other than 0-9 such as \u0663. A number glued to a word belongs
to the word (`m2`, `x-5`, `s^{-2}`). Words are no numbers: "5 million" reads as 5. Values are fractions: no rounding, and no
tolerance to exploit.
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass
from fractions import Fraction

LONGEST = 100
"""Characters of a number that is still read."""
LARGEST_EXPONENT = 999

SIGNS = "+\\-\u2212"
SPACES = "\u00a0\u2009\u202f"
"""No-break, thin and narrow no-break space: what typesetting puts between thousands."""
SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺", "0123456789-+")

TOKEN = re.compile(
    rf"(?<![\w.^])(?<![^\W\d]-)"  # not inside a word, nor joined to one by a hyphen
    rf"(?P<sign>[{SIGNS}]?)(?:[$€£¥₹] ?)?"
    rf"(?P<digits>\.?\d(?:[\d.,_'’{SPACES}]*\d)?)"
    rf"(?:[eE](?P<exponent>[{SIGNS}]?\d+)(?!\w)"
    rf"| ?[x×*·] ?10(?: ?\^ ?\{{?(?P<power>[{SIGNS}]?\d+)\}}?|(?P<raised>[⁻⁺]?[⁰¹²³⁴⁵⁶⁷⁸⁹]+)))?"
    rf"(?P<below> ?/ ?\d(?:[\d.,_'’]*\d)?)?"
    rf"(?P<odd> ?\^ ?\{{?[\w({SIGNS}]| ?/ ?\d|[⁰¹²³⁴⁵⁶⁷⁸⁹]|(?: \d\d\d)+(?!\d))?"
)
PLAIN = re.compile(r"(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)")
GROUPED = re.compile(rf"[0-9]{{1,3}}([,_'’{SPACES}])[0-9]{{3}}(?:\1[0-9]{{3}})*(?:\.[0-9]+)?")
SEPARATORS = str.maketrans("", "", f",_'’{SPACES}")
NUMBER_AND_SPACE = re.compile(r"[0-9] \Z")

FRACTION = re.compile(r"\\[dt]?frac\{(-?[0-9.]{1,100})\}\{([0-9.]{1,100})\}")
UNIT_POWER = re.compile(rf"(?<=[^\W\d_}}])(?:\^\{{?[{SIGNS}]?\d{{1,3}}\}}?)|(?<=\}})(?:\^\{{?[{SIGNS}]?\d{{1,3}}\}}?)")
LATEX = {"{,}": ",", "\\,": "\u2009", "\\!": "", "\\times": "×", "\\cdot": "·", "\\$": "$"}


@dataclass(frozen=True, slots=True)
class Written:
    """A number in a text."""

    text: str
    """As it is written there."""
    value: Fraction | None
    """None where it cannot be read, or only in two ways."""
    alone: bool
    """Whether the text holds nothing else, spaces aside."""


def last_number(text: str) -> Written | None:
    """The last number in a text, None where it has no digits. Takes time linear in the text."""
    text = _without_latex(text)
    found = deque(TOKEN.finditer(text), maxlen=1)
    return Written(found[0][0], _value(found[0]), found[0][0] == text.strip()) if found else None


def only_number(text: str) -> Fraction | None:
    """The value of the one number in a text, whatever words are around it; None where there is none, or another."""
    found = list(TOKEN.finditer(_without_latex(text)))
    return _value(found[0]) if len(found) == 1 else None


def _without_latex(text: str) -> str:
    if "\\" in text or "{" in text:
        for written, meant in LATEX.items():
            text = text.replace(written, meant)
        text = FRACTION.sub(r"\1/\2", text)
    return UNIT_POWER.sub("", text) if "^" in text else text


def _value(match: re.Match[str]) -> Fraction | None:
    """The value of a token."""
    below = match["below"]
    mixed = below and NUMBER_AND_SPACE.search(match.string, max(match.start() - 2, 0), match.start())
    if match["odd"] or mixed or len(match[0]) > LONGEST:
        return None
    value = _decimal(match["digits"])
    divisor = _decimal(below.strip(" /")) if below else Fraction(1)
    exponent = _exponent(match["exponent"] or match["power"] or match["raised"] or "0")
    if value is None or not divisor or exponent is None:
        return None
    scaled = value / divisor * Fraction(10) ** exponent
    return -scaled if match["sign"] in ("-", "\u2212") else scaled


def _decimal(digits: str) -> Fraction | None:
    if PLAIN.fullmatch(digits):
        return Fraction(digits)
    return Fraction(digits.translate(SEPARATORS)) if GROUPED.fullmatch(digits) else None


def _exponent(written: str) -> int | None:
    plain = written.translate(SUPERSCRIPTS).replace("\u2212", "-")
    if not plain.isascii():
        return None
    exponent = int(plain)
    return exponent if abs(exponent) <= LARGEST_EXPONENT else None
