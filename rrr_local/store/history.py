"""What flows out for a person: episodes page by page, one episode in full, reflections that helped, and search.

Search orders by newest and not by rank: ranking a word that most rows contain takes seconds at a million rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any

from rrr_local.episode import FinishReason, Problem, Split, VerdictKind
from rrr_local.errors import NotFoundError
from rrr_local.store.queries import fetch, problem_from
from rrr_local.store.records import SessionKind
from rrr_local.store.sqlite import Connection
from rrr_local.text import storable

LAST_ID = 2**63 - 1
"""No id is larger."""


@dataclass(frozen=True, slots=True)
class EpisodeSummary:
    """An episode in a list."""

    id: int
    """Of its first attempt."""
    session_id: str
    kind: SessionKind
    task: str | None
    problem_id: int | None
    split: Split | None
    prompt: str | None
    """None in a chat without a task."""
    attempt: str
    """The first reply."""
    verdict: VerdictKind | None
    reason: str | None
    reflections: int
    retries_passed: int
    created_at: str


@dataclass(frozen=True, slots=True)
class Try:
    """One reply with the verdict that counts."""

    id: int
    text: str
    verdict: VerdictKind | None
    reason: str | None
    by_user: bool
    """Whether the verdict is a person's."""
    answer: str | None
    finish_reason: FinishReason | None
    prompt_tokens: int | None
    completion_tokens: int | None
    duration_ms: int | None
    seed: int | None
    created_at: str


@dataclass(frozen=True, slots=True)
class Reflection:
    """A reflection and the retry made with it."""

    id: int
    sample_no: int
    text: str
    tokens: int | None
    reward: float | None
    advantage: float | None
    run_id: str | None
    """The run it was sampled in; None outside training."""
    step: int | None
    retry: Try | None


@dataclass(frozen=True, slots=True)
class Episode:
    """One problem with everything the model wrote about it."""

    kind: SessionKind
    problem: Problem | None
    attempt: Try
    reflections: tuple[Reflection, ...]
    plain_retries: tuple[Try, ...]


@dataclass(frozen=True, slots=True)
class WinningReflection:
    """A reflection whose retry passed."""

    id: int
    reflection: str
    prompt: str | None
    attempt_id: int
    attempt: str
    reason: str | None
    """Why the first attempt failed."""
    retry_id: int
    retry: str
    run_id: str | None
    step: int | None
    created_at: str


class Found(StrEnum):
    """What a search found."""

    ATTEMPT = "attempt"
    """A first attempt or a retry."""
    REFLECTION = "reflection"


@dataclass(frozen=True, slots=True)
class Hit:
    """One text that holds the words."""

    kind: Found
    id: int
    episode_id: int
    """The first attempt of its episode."""
    text: str
    created_at: str


def episodes(connection: Connection, limit: int = 50, before: int | None = None) -> list[EpisodeSummary]:
    """The newest episodes, or the next page: those older than the id `before`."""
    columns = ", ".join(f.name for f in fields(EpisodeSummary))
    sql = f"SELECT {columns} FROM episodes WHERE id < ? ORDER BY id DESC LIMIT ?"
    return [_summary(row) for row in fetch(connection, sql, LAST_ID if before is None else before, limit)]


def episode(connection: Connection, attempt_id: int) -> Episode:
    """The episode that an attempt, first or retry, belongs to. Raises `NotFoundError`."""
    sql = """
        SELECT coalesce(a.first_attempt_id, a.id), s.kind, p.prompt, p.meta, p.sha256, p.split
        FROM attempts a LEFT JOIN problems p ON p.id = a.problem_id
          JOIN attempts f ON f.id = coalesce(a.first_attempt_id, a.id) JOIN sessions s ON s.id = f.session_id
        WHERE a.id = ?"""
    found = fetch(connection, sql, attempt_id)
    if not found:
        raise NotFoundError(f"there is no attempt {attempt_id}", "`rrr history list` shows the newest")
    first_id, kind, prompt, *rest = found[0]
    problem = None if prompt is None else problem_from(prompt, *rest)
    tries = _tries(connection, first_id)
    retries = {reflection_id: each for reflection_id, each in tries if reflection_id is not None}
    plain = [each for reflection_id, each in tries if reflection_id is None and each.id != first_id]
    attempt = next(each for _, each in tries if each.id == first_id)
    reflections = _reflections(connection, first_id, retries)
    return Episode(SessionKind(kind), problem, attempt, tuple(reflections), tuple(plain))


def winning_reflections(connection: Connection, run_id: str | None = None, limit: int = 50) -> list[WinningReflection]:
    """The newest reflections whose retry passed, of one run or of all."""
    columns = ", ".join(f.name for f in fields(WinningReflection))
    sql = f"SELECT {columns} FROM winning_reflections WHERE ?1 IS NULL OR run_id = ?1 ORDER BY id DESC LIMIT ?2"
    return [WinningReflection(*row) for row in fetch(connection, sql, run_id, limit)]


def search(connection: Connection, words: str, limit: int = 50) -> list[Hit]:
    """The newest attempts and reflections that hold all the words, whole and in any case."""
    query = " ".join(f'"{word}"' for word in storable(words).replace('"', " ").split())
    if not query:
        return []
    attempts = """
        SELECT 'attempt', a.id, coalesce(a.first_attempt_id, a.id), a.text, a.created_at
        FROM attempts_fts JOIN attempts a ON a.id = attempts_fts.rowid
        WHERE attempts_fts MATCH ? ORDER BY attempts_fts.rowid DESC LIMIT ?"""
    reflections = """
        SELECT 'reflection', r.id, r.attempt_id, r.text, r.created_at
        FROM reflections_fts JOIN reflections r ON r.id = reflections_fts.rowid
        WHERE reflections_fts MATCH ? ORDER BY reflections_fts.rowid DESC LIMIT ?"""
    found = [row for sql in (attempts, reflections) for row in fetch(connection, sql, query, limit)]
    found.sort(key=lambda row: row[4], reverse=True)
    return [Hit(Found(kind), *rest) for kind, *rest in found[:limit]]


def _summary(row: Sequence[Any]) -> EpisodeSummary:
    values = dict(zip((f.name for f in fields(EpisodeSummary)), row, strict=True))
    values["kind"] = SessionKind(values["kind"])
    values["split"] = None if values["split"] is None else Split(values["split"])
    values["verdict"] = None if values["verdict"] is None else VerdictKind(values["verdict"])
    return EpisodeSummary(**values)


def _tries(connection: Connection, first_id: int) -> list[tuple[int | None, Try]]:
    """Every reply of an episode in order, each with the reflection it was made with."""
    sql = """
        SELECT a.reflection_id, a.id, a.text, v.verdict, v.reason, v.source, a.answer, a.finish_reason, a.prompt_tokens,
          a.completion_tokens, a.duration_ms, a.seed, a.created_at
        FROM attempts a JOIN attempt_verdicts v ON v.attempt_id = a.id
        WHERE a.id = ?1 OR a.first_attempt_id = ?1 ORDER BY a.id"""
    return [(row[0], _try(row[1:])) for row in fetch(connection, sql, first_id)]


def _try(row: Sequence[Any]) -> Try:
    id_, text, verdict, reason, source, answer, finish, *rest = row
    return Try(
        id_,
        text,
        None if verdict is None else VerdictKind(verdict),
        reason,
        source == "user",
        answer,
        None if finish is None else FinishReason(finish),
        *rest,
    )


def _reflections(connection: Connection, first_id: int, retries: dict[int, Try]) -> list[Reflection]:
    names = [f.name for f in fields(Reflection) if f.name != "retry"]
    sql = """
        SELECT r.id, r.sample_no, r.text, r.tokens, r.reward, r.advantage, g.train_run_id, g.step
        FROM reflections r LEFT JOIN rollout_groups g ON g.id = r.group_id WHERE r.attempt_id = ? ORDER BY r.id"""
    found = [dict(zip(names, row, strict=True)) for row in fetch(connection, sql, first_id)]
    return [Reflection(**values, retry=retries.get(values["id"])) for values in found]
