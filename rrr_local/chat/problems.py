"""Where a prompt's check comes from: the chosen task's problems, or the person who knows the right answer."""

from __future__ import annotations

import json
from dataclasses import dataclass

from rrr_local.episode import Split
from rrr_local.errors import UsageError
from rrr_local.store.chats import Turn
from rrr_local.store.records import Json
from rrr_local.tasks.base import Task
from rrr_local.tasks.find import find_task
from rrr_local.tasks.question import NAME as QUESTION

FORM = 'type one of its problems (/problem gives the next), or its JSON, such as {"numbers": [3, 7, 18], "target": 39}'


@dataclass(frozen=True, slots=True)
class Asked:
    """What the engine is asked."""

    prompt: str
    task: str | None = None
    """The task that checks it; None where nothing does."""
    info: Json | None = None


class Problems:
    """The problems of one task as a chat uses them: by their text, and one after the other."""

    def __init__(self, name: str) -> None:
        """Raises `NotFoundError` when there is no such task, or it has no problems of its own."""
        self.name = name
        """As `find_task` takes it."""
        self._task: Task = find_task(name)
        self._in_order = list(self._task.problems(Split.TRAIN))
        self._by_text = {each.prompt.strip(): each for each in self._in_order}

    def number(self, index: int) -> str:
        """The text of one of them, round the end."""
        return self._in_order[index % len(self._in_order)].prompt

    def asked(self, text: str) -> Asked | None:
        """The problem that a typed text is, as its own text or as JSON; None for any other text.

        Raises `UsageError` for JSON that is no problem of the task.
        """
        known = self._by_text.get(text.strip())
        if known is None and text.lstrip().startswith("{"):
            known = self._task.parse_problem(_json(text))
        return None if known is None else Asked(known.prompt, self.name, known.info)


def as_asked(turn: Turn) -> Asked:
    """What a turn asked, to ask it again."""
    prompt, info = turn.prompt or "", turn.info
    if turn.task is None or (turn.task == QUESTION and "expect" not in (info or {})):
        return Asked(prompt)
    return Asked(prompt, turn.source, info)


def _json(text: str) -> Json:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"that is no problem of the task ({error})", FORM) from error
    if not isinstance(found, dict):
        raise UsageError("that is no problem of the task", FORM)
    return found
