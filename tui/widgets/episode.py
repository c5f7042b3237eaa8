"""A whole episode as text: the problem, the attempt, each reflection with its retry, and every verdict with its reason."""

from __future__ import annotations

from collections.abc import Iterator

from textual.content import Content

from rrr_local.episode import VerdictKind
from rrr_local.store.history import Episode, Reflection, Try
from rrr_local.text import sanitize
from tui.symbols import Symbols

WORDS = {
    None: "not checked",
    VerdictKind.PASS: "right",
    VerdictKind.FAIL: "wrong",
    VerdictKind.UNPARSED: "no answer found",
    VerdictKind.TIMEOUT: "took too long",
    VerdictKind.ERROR: "could not be checked",
}
"""A verdict in words."""
_STYLES = {VerdictKind.PASS: "$text-success", VerdictKind.ERROR: "$text-warning", None: "$foreground-muted"}
LONGEST = 8_000
"""Characters of one text that are shown; the log has the rest."""
_SEEN = 24
"""Reflections of one episode that are shown: a failure that was trained on often has hundreds."""


def verdict_content(verdict: VerdictKind | None, symbols: Symbols, reason: str | None = None) -> Content:
    """Symbol, word and reason."""
    words = f"{symbols.verdict(verdict)} {WORDS[verdict]}"
    style = _STYLES.get(verdict, "$text-error")
    return Content.styled(words + (f": {sanitize(reason, 300)}" if reason else ""), style)


def episode_content(episode: Episode, symbols: Symbols, *, with_problem: bool = True) -> Content:
    """Everything that the log has about it, in the order in which it happened."""
    return Content("\n").join(_blocks(episode, symbols, with_problem))


def _blocks(episode: Episode, symbols: Symbols, with_problem: bool) -> Iterator[Content]:
    if with_problem and episode.problem is not None:
        yield _head("Problem", f"{episode.problem.split}")
        yield _body(episode.problem.prompt)
    yield from _try("Attempt", episode.attempt, symbols)
    for number, reflection in enumerate(episode.reflections[:_SEEN], 1):
        yield _head(f"{symbols.reflection} Reflection {number}", _about(reflection))
        yield _body(reflection.text)
        if reflection.retry is not None:
            yield from _try("Retry", reflection.retry, symbols)
    if len(episode.reflections) > _SEEN:
        yield Content.styled(
            f"{symbols.ellipsis} and {len(episode.reflections) - _SEEN} more reflections", "$foreground-muted"
        )
    for plain in episode.plain_retries:
        yield from _try("Plain retry", plain, symbols)


def _try(name: str, attempt: Try, symbols: Symbols) -> Iterator[Content]:
    judge = "" if attempt.verdict is None else " (you)" if attempt.by_user else " (check)"
    facts = [] if attempt.completion_tokens is None else [f"{attempt.completion_tokens} tokens"]
    facts += [] if not attempt.duration_ms else [f"{attempt.duration_ms / 1000:.1f} s"]
    verdict = verdict_content(attempt.verdict, symbols, attempt.reason)
    yield Content.assemble(_head(name, *facts), "  ", verdict, (judge, "$foreground-muted"))
    yield _body(attempt.text)


def _about(reflection: Reflection) -> str:
    parts = [] if reflection.tokens is None else [f"{reflection.tokens} tokens"]
    parts += [] if reflection.reward is None else [f"reward {reflection.reward:g}"]
    parts += [] if reflection.step is None else [f"step {reflection.step}"]
    return ", ".join(parts)


def first_sentence(text: str, width: int = 160) -> str:
    """What a long prompt begins with, on one line: up to its first full stop."""
    line = " ".join(sanitize(text, 4 * width).split())
    sentence = line.partition(". ")[0]
    return sentence if len(sentence) <= width else f"{sentence[: width - 1]}…"


def _head(name: str, *facts: str) -> Content:
    return Content.assemble(
        (name, "bold $text-primary"), ("".join(f"  {fact}" for fact in facts if fact), "$foreground-muted")
    )


def _body(text: str) -> Content:
    return Content(sanitize(text, LONGEST).strip("\n"))
