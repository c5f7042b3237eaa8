"""A chat as a file: Markdown for people, JSON (`rrr.chat/1`) for programs. Both hold what was written, unchanged.

What a model wrote stands in fences longer than any it contains, so that it cannot end its block and pose as something else.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence

from rrr_local.chat import turns
from rrr_local.errors import UsageError
from rrr_local.store.chats import Turn
from rrr_local.store.history import Try

SCHEMA = "rrr.chat/1"
FORMS = ("md", "json")


def export(form: str, conversation: str | None, shown: Sequence[Turn]) -> str:
    """The turns in a form of `FORMS`. Raises `UsageError` for another one."""
    if form == "md":
        return markdown(conversation, shown)
    if form == "json":
        return json.dumps(document(conversation, shown), indent=1) + "\n"
    raise UsageError(f"a chat cannot be exported as {form!r}", f"choose {' or '.join(FORMS)}")


def document(conversation: str | None, shown: Sequence[Turn]) -> dict[str, object]:
    """The JSON form."""
    return {"schema": SCHEMA, "chat": conversation, "turns": [_turn(turn) for turn in shown]}


def _turn(turn: Turn) -> dict[str, object]:
    return {
        "id": turn.id,
        "parent": turn.parent_id,
        "follows": turn.context_id,
        "hidden": turn.hidden,
        "created_at": turn.created_at,
        "prompt": turn.prompt,
        "task": turn.task,
        "problem": turn.info,
        "attempt": _try(turn, turn.episode.attempt),
        "reflections": [
            {"text": each.text, "tokens": each.tokens, "retry": None if each.retry is None else _try(turn, each.retry)}
            for each in turn.episode.reflections
        ],
    }


def _try(turn: Turn, made: Try) -> dict[str, object]:
    verdict = turns.judged(turn, made)
    return {
        "id": made.id,
        "text": made.text,
        "verdict": verdict,
        "reason": None if verdict is None else made.reason,
        "by": None if verdict is None else "user" if made.by_user else "check",
        "finish": made.finish_reason,
        "prompt_tokens": made.prompt_tokens,
        "tokens": made.completion_tokens,
        "seconds": None if made.duration_ms is None else made.duration_ms / 1000,
        "seed": made.seed,
    }


def markdown(conversation: str | None, shown: Sequence[Turn]) -> str:
    """The Markdown form; hidden turns are left out."""
    parts = [f"# Chat {conversation or '(empty)'}"]
    for turn in shown:
        if not turn.hidden:
            parts += _markdown_turn(turn)
    return "\n\n".join(parts) + "\n"


def _markdown_turn(turn: Turn) -> Iterable[str]:
    yield "## You" + (f" (task {turn.task})" if turns.of_task(turn) else "")
    yield fenced(turn.prompt or "")
    yield from _markdown_try("Attempt", turn, turn.episode.attempt)
    for each in turn.episode.reflections:
        yield "### Reflection"
        yield fenced(each.text)
        if each.retry is not None:
            yield from _markdown_try("Retry", turn, each.retry)


def _markdown_try(heading: str, turn: Turn, made: Try) -> Iterable[str]:
    yield f"### {heading}"
    yield fenced(made.text)
    yield f"Verdict: {verdict_line(turn, made)}".replace("\n", " ")


def verdict_line(turn: Turn, made: Try) -> str:
    """A verdict in one line: the word, the reason, and who says so."""
    verdict = turns.judged(turn, made)
    if verdict is None:
        return "stopped" if turns.stopped(made) else "not checked"
    return f"{verdict}{f': {made.reason}' if made.reason else ''} ({'you' if made.by_user else 'check'})"


def fenced(text: str) -> str:
    """Text in a code fence that it cannot close."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}\n{text}\n{fence}"
