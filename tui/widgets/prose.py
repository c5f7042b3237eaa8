"""What a model wrote, as Markdown that hides nothing of it.

A parser for documents drops or changes what matters here: tags (`<answer>` would vanish), entities (`&#8238;` would become the very
control that `sanitize` took out), backslashes, line ends, and the stars of 3*7 and 4*5, which it takes for emphasis. This one keeps them.
"""

from __future__ import annotations

import re

from markdown_it import MarkdownIt
from markdown_it.rules_core import StateCore
from markdown_it.rules_inline import StateInline, emphasis

from rrr_local.text import CUT, sanitize

LONGEST = 100_000
"""Characters of one text that are looked at; the log has the rest."""
LINES = 4_000
"""Lines of one text that are shown: wrapping 100,000 of them takes seconds."""
FORMATTED = 8_000
"""Longer texts are shown plain: Markdown costs a widget per block, and hundreds of widgets freeze the screen."""
MARKS = 400
"""With more marks that could begin a block, a row or a cell, a text is shown plain too."""

OPEN, CLOSE = "<think>", "</think>"
_STRUCTURE = re.compile(r"[|>#]|\n|^[ \t]*[-*+][ \t]|[-*+][ \t](?=[-*+][ \t])", re.MULTILINE)
_BEFORE_OPENING = frozenset(" \n\t([{\"'*~-,;:")
_AFTER_CLOSING = frozenset(" \n\t)]}\"'*~-.,;:!?")


def parser() -> MarkdownIt:
    """A parser for what models write."""
    made = MarkdownIt("gfm-like", {"html": False}).disable(["entity", "escape"])
    made.inline.ruler.at("emphasis", _emphasis)
    made.core.ruler.push("line_ends", _line_ends)
    return made


def is_simple(text: str) -> bool:
    """Whether a text is small enough to be drawn as Markdown."""
    return len(text) <= FORMATTED and sum(1 for _ in _STRUCTURE.finditer(text)) <= MARKS


def parts(text: str, live: bool = False) -> tuple[str, str]:
    """What the model thought (within `<think>`) and what it said, both fit to be shown.

    Some templates open the block themselves, so a text may begin inside it. While it is written (`live`), the end of a text that may
    become a tag is held back.
    """
    clean = _cut(sanitize(text, LONGEST))
    if live:
        clean = _without_half_a_tag(clean)
    first = clean.partition(OPEN)[0]
    if CLOSE in first:
        thought, _, said = clean.partition(CLOSE)
        return thought.strip("\n"), said.lstrip("\n")
    thoughts, said = [], ""
    while OPEN in clean:
        before, _, clean = clean.partition(OPEN)
        thought, _, clean = clean.partition(CLOSE)
        said += before
        thoughts.append(thought.strip("\n"))
    return "\n".join(thoughts), (said + clean).lstrip("\n")


def first_line(text: str, width: int = 200) -> str:
    """A text on one line, for a folded block or a title: runs of white space are one space each."""
    return " ".join(sanitize(text[: 4 * width], 4 * width).split())[:width]


def _cut(text: str) -> str:
    if text.count("\n") <= LINES:
        return text
    return "\n".join(text.split("\n", LINES)[:LINES]) + f"\n{CUT}"


def _without_half_a_tag(text: str) -> str:
    for tag in (OPEN, CLOSE):
        for size in range(len(tag) - 1, 0, -1):
            if text.endswith(tag[:size]):
                return text[:-size]
    return text


def _emphasis(state: StateInline, silent: bool) -> bool:
    """Stars mark words only from outside: a product has a digit or a bracket on both sides. Underscores (`__init__`) mark nothing."""
    start, known = state.pos, len(state.delimiters)
    if not emphasis.tokenize(state, silent):
        return False
    before = state.src[start - 1] if start else " "
    after = state.src[state.pos] if state.pos < state.posMax else " "
    for delimiter in state.delimiters[known:]:
        star = delimiter.marker == ord("*")
        delimiter.open = delimiter.open and star and before in _BEFORE_OPENING
        delimiter.close = delimiter.close and star and after in _AFTER_CLOSING
    return True


def _line_ends(state: StateCore) -> None:
    """A line end is one: models write steps line by line."""
    for token in state.tokens:
        for child in token.children or ():
            if child.type == "softbreak":
                child.type = "hardbreak"
