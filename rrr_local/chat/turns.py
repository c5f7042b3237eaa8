"""Questions about a logged turn that both front ends ask."""

from __future__ import annotations

from rrr_local.chat.feedback import Case
from rrr_local.episode import FinishReason, VerdictKind
from rrr_local.errors import RrrError
from rrr_local.store.chats import Turn
from rrr_local.store.history import Reflection, Try
from rrr_local.tasks.find import find_task
from rrr_local.tasks.question import NAME as QUESTION


def tries(turn: Turn) -> list[Try]:
    """The attempt and its retries, in order."""
    return [turn.episode.attempt, *(each.retry for each in turn.episode.reflections if each.retry is not None)]


def last_try(turn: Turn) -> Try:
    """The answer that stands."""
    return tries(turn)[-1]


def last_reflection(turn: Turn) -> Reflection | None:
    """The newest reflection; None where there is none."""
    return turn.episode.reflections[-1] if turn.episode.reflections else None


def checkable(turn: Turn) -> bool:
    """Whether there is something to check its replies against."""
    return turn.task is not None and not (turn.task == QUESTION and "expect" not in (turn.info or {}))


def of_task(turn: Turn) -> bool:
    """Whether it is a problem of a task, and not a person's own question."""
    return turn.task not in (None, QUESTION)


def stopped(made: Try) -> bool:
    """Whether a person stopped it while it was written."""
    return made.finish_reason is FinishReason.CANCELLED


def judged(turn: Turn, made: Try) -> VerdictKind | None:
    """The verdict that counts on one of its tries; None where nobody has judged it."""
    return made.verdict if made.by_user or (checkable(turn) and not stopped(made)) else None


def case(turn: Turn) -> Case:
    """What counts of a turn's first attempt, for training."""
    attempt = turn.episode.attempt
    return Case(
        check=_check(turn, attempt) if checkable(turn) else None,
        person=attempt.verdict is VerdictKind.PASS if attempt.by_user else None,
        alone=turn.context_id is None,
        stopped=stopped(attempt),
        split=turn.split,
    )


def _check(turn: Turn, made: Try) -> VerdictKind | None:
    """What the verifier says of a reply, also where a person's word counts instead."""
    if not made.by_user:
        return made.verdict
    try:
        task = find_task(turn.source or QUESTION)
        return task.verify(task.parse_problem(turn.info or {}), made.text).kind
    except RrrError:  # a task in a folder that is not there any more
        return None


def texts(turn: Turn) -> list[str]:
    """Everything a turn says, in order: what was asked and what the model wrote."""
    found = [turn.prompt or "", turn.episode.attempt.text]
    for each in turn.episode.reflections:
        found += [each.text, *([each.retry.text] if each.retry else [])]
    return found
