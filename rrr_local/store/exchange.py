"""What moves between logs: both verdicts of every reply on the way out, whole episodes in one transaction on the way in.

An episode that comes in was written elsewhere: its token ids are not known here, so it is read, rated and disputed like any other, and
never trained on. One whose problem and reply the log has already is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rrr_local import __version__
from rrr_local.episode import Problem, Verdict, VerdictKind
from rrr_local.store import feedback
from rrr_local.store.catalogue import insert_problems
from rrr_local.store.ids import ulid
from rrr_local.store.queries import fetch
from rrr_local.store.records import EpisodeRecord, SessionKind
from rrr_local.store.rows import Value, insert, now
from rrr_local.store.sqlite import Connection
from rrr_local.store.tries import TryWriter
from rrr_local.text import storable


@dataclass(frozen=True, slots=True)
class Both:
    """What the verifier and a person say of one reply; None where that one said nothing."""

    verifier: Verdict | None
    person: Verdict | None


@dataclass(frozen=True, slots=True)
class Coming:
    """An episode that comes in."""

    problem: Problem
    episode: EpisodeRecord
    """Its `problem_id` is filled in here."""
    people: tuple[Verdict | None, ...]
    """What a person said of the attempt, then of each retry, in order."""
    excluded: bool = False


@dataclass(frozen=True, slots=True)
class Imported:
    """What came in."""

    session: str | None
    """The sitting it is in; None where nothing was new."""
    added: int
    known: int
    """Left out: the log had them."""


def verdicts(connection: Connection, first_id: int) -> dict[int, Both]:
    """Both verdicts of a first attempt and its retries, by attempt."""
    sql = """
        SELECT a.id, o.verdict, o.detail, u.verdict, u.detail FROM attempts a
          LEFT JOIN outcomes o ON o.id = (SELECT max(id) FROM outcomes WHERE attempt_id = a.id AND source = 'verifier')
          LEFT JOIN outcomes u ON u.id = (SELECT max(x.id) FROM outcomes x WHERE x.attempt_id = a.id AND x.source = 'user'
            AND NOT EXISTS (SELECT 1 FROM retractions r WHERE r.outcome_id = x.id))
        WHERE a.id = ?1 OR a.first_attempt_id = ?1 ORDER BY a.id"""
    return {row[0]: Both(_verdict(*row[1:3]), _verdict(*row[3:])) for row in fetch(connection, sql, first_id)}


def insert_episodes(connection: Connection, task_id: int, title: str, coming: Sequence[Coming]) -> Imported:
    """Write them in a sitting of their own."""
    ids = insert_problems(connection, task_id, [each.problem for each in coming])
    new: dict[tuple[int, str], Coming] = {}
    for each in coming:
        problem_id, text = ids[each.problem.sha256], storable(each.episode.attempt.text)
        if not _known(connection, problem_id, text):
            new.setdefault((problem_id, text), each)
    if not new:
        return Imported(None, 0, len(coming))
    session = ulid()
    values: dict[str, Value] = {"id": session, "kind": SessionKind.COLLECT, "title": title, "task_id": task_id}
    values |= {"app_version": __version__, "started_at": now(), "ended_at": now()}
    insert(connection, "sessions", values)
    writer = TryWriter(connection, session, None)
    for (problem_id, _), each in new.items():
        _insert(connection, writer, problem_id, each)
    return Imported(session, len(new), len(coming) - len(new))


def _insert(connection: Connection, writer: TryWriter, problem_id: int, each: Coming) -> None:
    attempt_id = writer.attempt(problem_id, each.episode.attempt)
    made: list[int | None] = [attempt_id]
    made += [writer.reflection(problem_id, attempt_id, one, None)[1] for one in each.episode.reflections]
    for id_, said in zip(made, each.people, strict=True):
        if said is not None and id_ is not None:
            feedback.log_user_verdict(connection, id_, said.kind, said.reason)
    if each.excluded:
        feedback.exclude(connection, attempt_id, True)


def _known(connection: Connection, problem_id: int, text: str) -> bool:
    sql = "SELECT 1 FROM attempts WHERE problem_id = ? AND attempt_no = 1 AND text = ?"
    return connection.execute(sql, (problem_id, text)).fetchone() is not None


def _verdict(kind: str | None, reason: str | None) -> Verdict | None:
    return None if kind is None else Verdict(VerdictKind(kind), reason or "")
