"""The spans of a conversation as they were sampled: what it takes to go on with it, token for token, in another process."""

from __future__ import annotations

from dataclasses import dataclass

from rrr_local.episode import FinishReason, Problem
from rrr_local.errors import NotFoundError
from rrr_local.store.queries import fetch, problem_from
from rrr_local.store.records import SessionKind, unpack_ids
from rrr_local.store.sqlite import Connection
from rrr_local.store.tasks_read import SOURCE


@dataclass(frozen=True, slots=True)
class LoggedSpan:
    """Something the model wrote."""

    id: int
    """In the table of attempts or of reflections."""
    text: str
    token_ids: tuple[int, ...] | None
    """None where they were not kept."""
    finish: FinishReason | None
    seed: int | None


@dataclass(frozen=True, slots=True)
class LoggedReflection:
    """A reflection and the retry made with it."""

    prompt: str | None
    """The user message that asked for it."""
    span: LoggedSpan
    retry: LoggedSpan | None


@dataclass(frozen=True, slots=True)
class LoggedTurn:
    """One turn of a conversation."""

    id: int
    session_id: str
    context_id: int | None
    """The turn that precedes it in the model's context."""
    source: str
    """What `find_task` finds its task by."""
    problem: Problem
    prompt_sha256: str | None
    """Hash of everything the model saw before the attempt."""
    attempt: LoggedSpan
    reflections: tuple[LoggedReflection, ...]
    """In the order in which they were written."""


def logged_turn(connection: Connection, turn_id: int) -> LoggedTurn:
    """A turn with its episode. Raises `NotFoundError`."""
    sql = f"""
        SELECT t.id, t.session_id, t.context_id, {SOURCE.format("k")}, a.prompt_sha256, p.prompt, p.meta, p.sha256, p.split,
          a.id, a.text, a.token_ids, a.finish_reason, a.seed
        FROM turns t JOIN attempts a ON a.id = t.attempt_id JOIN problems p ON p.id = a.problem_id
          JOIN tasks k ON k.id = p.task_id WHERE t.id = ?"""
    found = fetch(connection, sql, turn_id)
    if not found:
        raise NotFoundError(f"the log has no turn {turn_id}", "open the conversation again")
    id_, session_id, context_id, source, prompt_sha256, *rest = found[0]
    problem, attempt = problem_from(*rest[:4]), _span(*rest[4:])
    reflections = tuple(_reflections(connection, attempt.id))
    return LoggedTurn(id_, session_id, context_id, source, problem, prompt_sha256, attempt, reflections)


def chat_model(connection: Connection, session_id: str) -> int | None:
    """The id of the model a conversation is held with. Raises `NotFoundError`."""
    found = fetch(connection, "SELECT model_id FROM sessions WHERE id = ? AND kind = ?", session_id, SessionKind.CHAT)
    if not found:
        raise NotFoundError(f"the log has no conversation {session_id}", "begin a new one")
    model_id: int | None = found[0][0]
    return model_id


def _reflections(connection: Connection, attempt_id: int) -> list[LoggedReflection]:
    """Reflections on an attempt outside training, with their retries."""
    sql = """
        SELECT r.prompt, r.id, r.text, r.token_ids, r.finish_reason, r.seed,
          b.id, b.text, b.token_ids, b.finish_reason, b.seed
        FROM reflections r LEFT JOIN attempts b ON b.reflection_id = r.id
        WHERE r.attempt_id = ? AND r.group_id IS NULL ORDER BY r.id"""
    return [
        LoggedReflection(row[0], _span(*row[1:6]), None if row[6] is None else _span(*row[6:]))
        for row in fetch(connection, sql, attempt_id)
    ]


def _span(id_: int, text: str, packed: bytes | None, finish: str | None, seed: int | None) -> LoggedSpan:
    ids = None if packed is None else unpack_ids(packed)
    return LoggedSpan(id_, text, ids, None if finish is None else FinishReason(finish), seed)
