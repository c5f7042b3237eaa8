"""What really happened in a turn, as one report: what the model was sent, what it cost, who judged it and why."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rrr_local.chat import turns
from rrr_local.chat.export import verdict_line
from rrr_local.chat.feedback import Trainable
from rrr_local.errors import RrrError
from rrr_local.store.chats import Turn
from rrr_local.store.history import Try
from rrr_local.tasks.base import Prompts
from rrr_local.tasks.find import find_task
from rrr_local.tasks.question import PROMPTS


def report(turn: Turn, asked: Sequence[str | None], trainable: Trainable) -> list[str]:
    """One fact a line; texts of several lines come as several.

    `asked` are the messages that asked for its reflections, in order; None for the task's own.
    """
    lines = [f"turn {turn.id} of {turn.created_at}, attempt {turn.attempt_id} in the log"]
    lines += [f"task: {turn.task}" if turns.of_task(turn) else "task: none, a question in your own words"]
    lines += [f"problem: {dict(turn.info)}"] if turns.checkable(turn) and turn.info else []
    before = "nothing" if turn.context_id is None else f"turn {turn.context_id} and what that follows"
    lines += [f"in the model's context before it: {before}", *_sent("sent", turn.prompt or "")]
    lines += [*_try("attempt", turn, turn.episode.attempt)]
    prompts = _prompts(turn)
    for number, (each, sent) in enumerate(zip(turn.episode.reflections, asked, strict=True), 1):
        lines += _sent(f"sent for reflection {number}", sent or prompts.reflect)
        lines += [f"reflection {number}: {each.tokens} tokens"]
        if each.retry is not None:
            lines += [*_sent(f"sent for retry {number}", prompts.retry), *_try(f"retry {number}", turn, each.retry)]
    return [*lines, f"training: {trainable.why}"]


def _try(name: str, turn: Turn, made: Try) -> Iterator[str]:
    finish = f", ended by {made.finish_reason}" if made.finish_reason else ""
    seconds = "" if made.duration_ms is None else f" in {made.duration_ms / 1000:.2f} s"
    yield f"{name}: {made.prompt_tokens} tokens of context, {made.completion_tokens} written{seconds}{finish}"
    yield f"{name}: seed {made.seed}"
    yield f"{name}: answer read: {made.answer!r}" if made.answer is not None else f"{name}: no answer was read"
    yield f"{name}: {verdict_line(turn, made)}"


def _sent(name: str, text: str) -> Iterator[str]:
    for line in text.splitlines() or [""]:
        yield f"{name}: {line}"


def _prompts(turn: Turn) -> Prompts:
    """What follows a failure."""
    try:
        return find_task(turn.source).prompts if turn.source is not None else PROMPTS
    except RrrError:  # a task in a folder that is not there any more
        return PROMPTS
