"""What flows out about conversations: which there are, and their turns.

    session ── turn 1 ── turn 2 ── turn 4
                    └─── turn 3                  asked again, or edited: a sibling

Every turn has the whole episode that it was: attempt, reflections, retries.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from rrr_local.episode import Split
from rrr_local.errors import NotFoundError
from rrr_local.store import history
from rrr_local.store.queries import LAST_ID, fetch
from rrr_local.store.records import Json
from rrr_local.store.sqlite import Connection
from rrr_local.store.tasks_read import SOURCE


@dataclass(frozen=True, slots=True)
class Chat:
    """A conversation in a list."""

    id: str
    """Of its session."""
    title: str | None
    task: str | None
    """Of its session; its turns may have others."""
    started_at: str
    turns: int
    """Those not hidden, on all branches."""
    first_prompt: str | None


@dataclass(frozen=True, slots=True)
class Turn:
    """One question of a conversation and what came of it."""

    id: int
    parent_id: int | None
    """The turn before it on its branch; None: the first of the conversation."""
    context_id: int | None
    """The turn whose last reply precedes it in the model's context; None: it stands alone, and may be trained on."""
    hidden: bool
    attempt_id: int
    prompt: str | None
    task: str | None
    source: str | None
    """What `find_task` finds its task by; None where it has none."""
    info: Json | None
    """The problem's JSON form."""
    split: Split | None
    created_at: str
    episode: history.Episode


def chats(connection: Connection, limit: int = 50, before: str | None = None) -> list[Chat]:
    """The newest conversations that have a turn, or the next page: those older than the one with the id `before`."""
    sql = """
        SELECT s.id, s.title, t.name, s.started_at,
          (SELECT count(*) FROM turns u WHERE u.session_id = s.id AND u.hidden = 0),
          (SELECT p.prompt FROM turns u JOIN attempts a ON a.id = u.attempt_id LEFT JOIN problems p ON p.id = a.problem_id
            WHERE u.session_id = s.id ORDER BY u.id LIMIT 1)
        FROM sessions s LEFT JOIN tasks t ON t.id = s.task_id
        WHERE s.kind = 'chat' AND EXISTS (SELECT 1 FROM turns u WHERE u.session_id = s.id)
          AND s.rowid < coalesce((SELECT rowid FROM sessions WHERE id = ?), ?)
        ORDER BY s.rowid DESC LIMIT ?"""
    return [Chat(*row) for row in fetch(connection, sql, before, LAST_ID, limit)]


def turns(connection: Connection, session_id: str) -> list[Turn]:
    """The turns of a conversation in the order they were made, hidden ones too. Without any it is empty."""
    return [
        _turn(connection, row)
        for row in fetch(connection, f"{_TURNS} WHERE u.session_id = ? ORDER BY u.id", session_id)
    ]


def turn(connection: Connection, turn_id: int) -> Turn:
    """One turn. Raises `NotFoundError`."""
    found = fetch(connection, f"{_TURNS} WHERE u.id = ?", turn_id)
    if not found:
        raise NotFoundError(f"there is no turn {turn_id}", "open the conversation again")
    return _turn(connection, found[0])


_TURNS = f"""
    SELECT u.id, u.parent_id, u.context_id, u.hidden, u.attempt_id, p.prompt, t.name, {SOURCE.format("t")}, p.meta, p.split, u.created_at
    FROM turns u JOIN attempts a ON a.id = u.attempt_id LEFT JOIN problems p ON p.id = a.problem_id
      LEFT JOIN tasks t ON t.id = p.task_id"""


def _turn(connection: Connection, row: tuple[Any, ...]) -> Turn:
    id_, parent_id, context_id, hidden, attempt_id, prompt, task, source, info, split, created_at = row
    return Turn(
        id=id_,
        parent_id=parent_id,
        context_id=context_id,
        hidden=bool(hidden),
        attempt_id=attempt_id,
        prompt=prompt,
        task=task,
        source=source,
        info=None if info is None else json.loads(info),
        split=None if split is None else Split(split),
        created_at=created_at,
        episode=history.episode(connection, attempt_id),
    )
