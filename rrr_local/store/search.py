"""Full-text search: words in prompts, attempts, retries and reflections.

A text is found when it holds all the words, whole and in any case. Order is newest first and not by rank: ranking a word that most
rows contain takes seconds at a million rows. A reply that was written again when it could be checked is found once.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from rrr_local.store.queries import fetch
from rrr_local.store.sqlite import Connection
from rrr_local.text import storable


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


NO_WORDS = '""'
"""A query that nothing matches."""

WITH_WORDS = """
  SELECT coalesce(a.first_attempt_id, a.id) FROM attempts a WHERE a.id IN
    (SELECT rowid FROM attempts_fts WHERE attempts_fts MATCH ?)
  UNION SELECT r.attempt_id FROM reflections r WHERE r.id IN
    (SELECT rowid FROM reflections_fts WHERE reflections_fts MATCH ?)
  UNION SELECT a.id FROM attempts a WHERE a.problem_id IN
    (SELECT rowid FROM problems_fts WHERE problems_fts MATCH ?)"""
"""The first attempts of the episodes that hold the words; its three marks are what `all_of` gives."""


def all_of(words: str) -> str:
    """A full-text query for texts that hold all the words. It cannot fail, whatever a person typed."""
    return " ".join(f'"{word}"' for word in storable(words).replace('"', " ").split()) or NO_WORDS


def search(connection: Connection, words: str, limit: int = 50) -> list[Hit]:
    """The newest attempts and reflections that hold all the words."""
    query = all_of(words)
    attempts = """
        SELECT 'attempt', a.id, coalesce(a.first_attempt_id, a.id), a.text, a.created_at
        FROM attempts_fts JOIN attempts a ON a.id = attempts_fts.rowid
        WHERE attempts_fts MATCH ? AND NOT EXISTS (SELECT 1 FROM attempts c WHERE c.copy_of = a.id)
        ORDER BY attempts_fts.rowid DESC LIMIT ?"""
    reflections = """
        SELECT 'reflection', r.id, r.attempt_id, r.text, r.created_at
        FROM reflections_fts JOIN reflections r ON r.id = reflections_fts.rowid
        WHERE reflections_fts MATCH ? AND NOT EXISTS (SELECT 1 FROM attempts c WHERE c.copy_of = r.attempt_id)
        ORDER BY reflections_fts.rowid DESC LIMIT ?"""
    found = [row for sql in (attempts, reflections) for row in fetch(connection, sql, query, limit)]
    found.sort(key=lambda row: row[4], reverse=True)
    return [Hit(Found(kind), *rest) for kind, *rest in found[:limit]]
