"""What a request asks of the model: the problem, and what asks for a reflection on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from rrr_local.backends.base import Chat
from rrr_local.episode import Problem
from rrr_local.loop import Limits
from rrr_local.tasks import question
from rrr_local.tasks.base import Task
from rrr_local.tasks.find import find_task
from rrr_local.text import storable

REASON_TOKENS = 256
"""Most of what a person says was wrong that the model is given."""
MARGIN = 16
"""What the chat format may add to it."""
CHARACTERS_PER_TOKEN = 16
"""Hardly any token is longer."""


def asked(prompt: str, task_name: str | None, info: Mapping[str, object] | None) -> tuple[Task, Problem]:
    """The task and the problem of a request. Raises `UsageError`, `NotFoundError`."""
    task = find_task(task_name or question.NAME)
    given = dict(info or {})
    return task, task.parse_problem({"prompt": prompt, **given} if task.name == question.NAME else given)


def checked(task: Task, problem: Problem) -> bool:
    """Whether there is anything to check a reply against."""
    return task.name != question.NAME or "expect" in problem.info


def reflect_prompt(chat: Chat, task: Task, reason: str) -> tuple[str, str]:
    """What asks for a reflection, with what the person said was wrong; and a note for the person when that was cut."""
    said = storable(reason).strip()
    if not said:
        return task.prompts.reflect, ""
    kept = _cut(said, lambda text: len(chat.turn(text, after_stop=True)))
    note = "" if kept == said else f"the model is given the first {len(kept)} characters of your reason"
    return f"{task.prompts.reflect}\n\nWhat was wrong: {kept}", note


def second_room(chat: Chat, limits: Limits, task: Task, prompt: str) -> int:
    """The most tokens that a reflection and a retry add to an attempt, with the messages that ask for them."""
    messages = sum(len(chat.turn(text, after_stop=False)) for text in (prompt, task.prompts.retry))
    return messages + limits.reflection + limits.retry


def _cut(text: str, count: Callable[[str], int]) -> str:
    """The start of a text, of at most REASON_TOKENS tokens."""
    text = text[: CHARACTERS_PER_TOKEN * REASON_TOKENS]  # a megabyte is not encoded over and over
    while (tokens := count(text)) > REASON_TOKENS + MARGIN:
        text = text[: len(text) * REASON_TOKENS // tokens]
    return text
