"""The check `regex`: the answer matches a pattern.

    | option      | default  | meaning                                                                                   |
    | pattern     | none     | the pattern for every row                                                                 |
    | answer      | "answer" | without `pattern`: the column with each row's own                                         |
    | match       | "search" | "search": anywhere in the answer; "full": the whole of it, spaces around it aside         |
    | ignore_case | false    | capital letters do not matter                                                             |
    | multiline   | false    | ^ and $ stand for the ends of lines                                                       |

Patterns are those of Python's `regex`. Some take time exponential in the text, so a match has 0.25 s and the last 20,000 characters;
one that takes longer is an error of the check, not of the reply: such a pattern would reward whoever writes text it chokes on.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from rrr_local.episode import Verdict, VerdictKind
from rrr_local.errors import UsageError
from rrr_local.verifiers.answers import nothing_in, short, tagged
from rrr_local.verifiers.options import Options, column, unusable

if TYPE_CHECKING:
    import regex

TIMEOUT_S = 0.25
LONGEST_TEXT = 20_000
LONGEST_PATTERN = 2_000
MOST_REPEATS = 10_000
"""`regex` writes out what must be repeated when it compiles: `((ab){1000}){1000}` takes 300 MB, one more round all there is."""
PART = re.compile(r"\\.|\(|\)|\{([0-9]+)|[^\\(){]", re.DOTALL)
"""A step through a pattern: an escape, a parenthesis, a count, another character."""
HIDING = re.compile(r"\[\^?\]?(?:\\.|[^\]\\])*?[()]|\(\?\w*[#Vx]", re.DOTALL)
"""What makes a parenthesis be none: a set of characters around it, a comment, a flag that changes how sets and comments are read."""


@dataclass(frozen=True, slots=True)
class RegexCheck:
    """Matches a pattern."""

    pattern: str
    """Empty: each row has its own."""
    answer: str
    """The column with the patterns; empty where there is one for all."""
    match: str
    """`search` or `full`."""
    ignore_case: bool
    multiline: bool

    kind = "regex"

    @classmethod
    def read(cls, options: Options) -> RegexCheck:
        pattern = options.text("pattern") if options.has("pattern") else ""
        if pattern and options.has("answer"):
            raise UsageError(
                "the check regex has both pattern and answer", "keep one: the pattern, or the column with patterns"
            )
        check = cls(
            pattern=pattern,
            answer="" if pattern else options.text("answer", "answer"),
            match=options.choice("match", ("search", "full")),
            ignore_case=options.flag("ignore_case", False),
            multiline=options.flag("multiline", False),
        )
        if pattern and (problem := check._problem(pattern)):
            raise UsageError(f"pattern = {short(pattern)!r} {problem}", "mend the pattern")
        return check

    @property
    def configuration(self) -> Mapping[str, object]:
        return {
            "kind": self.kind,
            "pattern": self.pattern,
            "answer": self.answer,
            "match": self.match,
            "ignore_case": self.ignore_case,
            "multiline": self.multiline,
        }

    def check_row(self, row: Mapping[str, object]) -> None:
        if self.pattern:
            return
        value = column(row, self.answer)
        if not isinstance(value, str):
            raise unusable(self.answer, value, "is no pattern", "write the pattern as text")
        if problem := self._problem(value):
            raise unusable(self.answer, value, problem, "mend the pattern")

    def judge(self, reply: str, row: Mapping[str, object]) -> Verdict:
        answer = tagged(reply)
        if not answer.text:
            return Verdict(VerdictKind.UNPARSED, nothing_in(answer))
        text = answer.text[-LONGEST_TEXT:]
        pattern = self.pattern or str(column(row, self.answer))
        compiled = compile_pattern(pattern, self.ignore_case, self.multiline)
        try:
            search = compiled.fullmatch if self.match == "full" else compiled.search
            found = search(text, timeout=TIMEOUT_S)
        except TimeoutError:
            return Verdict(VerdictKind.ERROR, f"the pattern took longer than {TIMEOUT_S} s", answer.shown)
        except MemoryError:
            return Verdict(VerdictKind.ERROR, "the pattern took too much memory", answer.shown)
        if found is None:
            return Verdict(VerdictKind.FAIL, f"the answer does not match {short(pattern)}", answer.shown)
        return Verdict(VerdictKind.PASS, f"the answer matches {short(pattern)}", answer.shown)

    def _problem(self, pattern: str) -> str:
        """What is wrong with a pattern; empty when nothing is."""
        return pattern_problem(pattern, self.ignore_case, self.multiline)


def pattern_problem(pattern: str, ignore_case: bool = False, multiline: bool = False) -> str:
    """What is wrong with a pattern, put so that it follows the pattern; empty when nothing is."""
    import regex

    if len(pattern) > LONGEST_PATTERN:
        return f"is longer than {LONGEST_PATTERN:,} characters"
    if _written_out(pattern) > MOST_REPEATS:
        return f"repeats too much: at most {MOST_REPEATS:,} in all"
    try:
        compile_pattern(pattern, ignore_case, multiline)
    except regex.error as error:
        return f"is no pattern: {error.msg}"
    except (RecursionError, OverflowError, MemoryError):
        return "is no pattern: too large"
    return ""


@lru_cache(maxsize=256)
def compile_pattern(pattern: str, ignore_case: bool = False, multiline: bool = False) -> regex.Pattern[str]:
    """The pattern, compiled. Raises `regex.error`, and `RecursionError` for one that nests too deeply."""
    import regex

    return regex.compile(pattern, (regex.IGNORECASE if ignore_case else 0) | (regex.MULTILINE if multiline else 0))


def _written_out(pattern: str) -> int:
    """A bound on how long a pattern is when its counts are written out: each multiplies the part before it.

    Each level of parentheses is [what its parts come to, what its last part comes to]. Where some may be none, all counts multiply
    everything.
    """
    if HIDING.search(pattern):
        return len(pattern) * math.prod(max(int(part[1]), 1) for part in PART.finditer(pattern) if part[1])
    levels = [[0, 0]]
    for part in PART.finditer(pattern):
        if part[0] == "(":
            levels.append([0, 0])
        elif part[0] == ")" and len(levels) > 1:
            group = sum(levels.pop())
            levels[-1] = [sum(levels[-1]), group]
        elif part[1]:
            levels[-1][1] *= max(int(part[1]), 1)
        else:
            levels[-1] = [sum(levels[-1]), 1]
    return sum(map(sum, levels))
