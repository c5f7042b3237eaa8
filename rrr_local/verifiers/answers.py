"""Where a reply's answer is, and comparing words.

    reply ── last <answer>…</answer>, else the whole ── last \\boxed{…} in there, else all of it ── the answer

Models write `\\boxed{24}` whether they are asked to or not, so a box counts as a marker. Where nothing marks the answer, a check
that compares whole answers looks at the whole reply and at its last line. Of a reply only the last 100,000 characters are read.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from rrr_local.verifiers.arithmetic import TAIL, last_answer

AROUND = " \t\n.,;:!?\"'`*()[]"
"""What may stand around an answer without being part of it."""
LONGEST_COMPARED = 10_000
"""Characters of a text that is compared in a Unicode normal form. Normalising takes time quadratic in a run of combining marks:
8 s for 100,000 of them, 80 ms for this many."""
LONGEST_KEPT = 2_000
"""Characters of an answer that a verdict keeps."""
BOX = "\\boxed{"
STYLED = re.compile(r"\\(?:text|textbf|textit|mathrm|mathbf)\{([^{}]*)\}")


@dataclass(frozen=True, slots=True)
class Answer:
    """The part of a reply that is judged."""

    text: str
    """As written, without spaces around it; may be empty."""
    marked: bool
    """Whether tags or a box say that this is the answer; otherwise it is the whole reply."""

    @property
    def shown(self) -> str:
        """What a verdict keeps of it."""
        return self.text[:LONGEST_KEPT]

    @property
    def last_line(self) -> str:
        """Its last line; empty where the text is."""
        return self.text.splitlines()[-1].strip() if self.text else ""

    @property
    def candidates(self) -> tuple[str, ...]:
        """What a check that compares whole answers tries, in this order."""
        return (self.text,) if self.marked else (self.text, self.last_line)


def tagged(reply: str) -> Answer:
    """The answer by its tags alone, for checks of text in which braces mean something."""
    tail = reply[-TAIL:]
    inside = last_answer(tail)
    return Answer((tail if inside is None else inside).strip(), inside is not None)


def answer_of(reply: str) -> Answer:
    """The answer by its tags and by its box. Never raises, and takes time linear in the reply's tail."""
    answer = tagged(reply)
    box = _last_box(answer.text)
    return answer if box is None else Answer(box.strip(), marked=True)


def nothing_in(answer: Answer) -> str:
    """Why an empty answer cannot be judged."""
    return "the answer is empty" if answer.marked else "the reply is empty"


def same_words(one: str, other: str) -> bool:
    """Whether two texts are equal without regard to case, spaces and the punctuation around them."""
    shorter = [" ".join(text.split()) for text in (one, other)]
    return max(map(len, shorter)) <= LONGEST_COMPARED and plain(shorter[0]) == plain(shorter[1])


def plain(text: str) -> str:
    """Text as `same_words` compares it; at most `LONGEST_COMPARED` characters, since it normalises."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return " ".join(folded.split()).strip(AROUND)


def short(text: str) -> str:
    """Text as a reason quotes it: at most 40 characters."""
    return text if len(text) <= 40 else f"{text[:36]}…"


def _last_box(text: str) -> str | None:
    r"""What the last `\boxed{…}` holds; None where there is none or it is not closed. Of nested boxes the innermost counts."""
    opening = text.rfind(BOX)
    if opening < 0:
        return None
    start = opening + len(BOX)
    depth = 1
    for brace in re.finditer(r"[{}]", text[start:]):
        depth += 1 if brace[0] == "{" else -1
        if depth == 0:
            inside = text[start : start + brace.start()]
            styled = STYLED.fullmatch(inside.strip())
            return styled[1] if styled else inside
    return None
