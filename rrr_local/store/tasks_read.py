"""What flows out about tasks: how well they go, and where a person and the verifier disagree, which finds broken verifiers."""

from __future__ import annotations

from dataclasses import dataclass

from rrr_local.episode import VerdictKind
from rrr_local.store.queries import fetch
from rrr_local.store.sqlite import Connection


@dataclass(frozen=True, slots=True)
class TaskStats:
    """A task over everything in the log, all its versions and all models."""

    task: str
    attempts: int
    """First attempts."""
    first_try: float | None
    """Share of them that passed, 0 to 1, of those that were judged; None where none was."""
    failures: int
    """First attempts that failed."""
    disputed: int
    """Attempts and retries on which a person and the verifier disagree."""


@dataclass(frozen=True, slots=True)
class Dispute:
    """A reply on which a person and the verifier disagree."""

    attempt_id: int
    """A first attempt or a retry."""
    prompt: str
    reply: str
    verifier: VerdictKind
    person: VerdictKind
    reason: str
    """The verifier's."""
    comment: str
    """The person's."""


_DISPUTES = """
    WITH ratings AS (
      SELECT attempt_id, max(id) AS id FROM outcomes u WHERE source = 'user'
        AND NOT EXISTS (SELECT 1 FROM retractions x WHERE x.outcome_id = u.id) GROUP BY attempt_id),
    disputes AS (
      SELECT a.id AS attempt_id, t.name AS task, p.prompt, a.text AS reply, o.verdict AS verifier, u.verdict AS person,
        o.detail AS reason, u.detail AS comment
      FROM ratings JOIN outcomes u ON u.id = ratings.id JOIN attempts a ON a.id = u.attempt_id
        JOIN outcomes o ON o.id = (SELECT max(id) FROM outcomes WHERE attempt_id = a.id AND source = 'verifier')
        JOIN problems p ON p.id = a.problem_id JOIN tasks t ON t.id = p.task_id
      WHERE o.verdict <> 'error' AND (o.verdict = 'pass') <> (u.verdict = 'pass')
        AND NOT EXISTS (SELECT 1 FROM attempts c WHERE c.copy_of = a.id))"""


SOURCE = "coalesce(json_extract({0}.config, '$.source'), {0}.name)"
"""What `find_task` takes, of a row of `tasks`; logs of older versions have only the name."""


def source_of(connection: Connection, name: str) -> str:
    """What `find_task` takes for a task of the log: its name, or where its folder was when it was last used.

    A name that the log does not know comes back as it is.
    """
    sql = f"SELECT {SOURCE.format('t')} FROM tasks t WHERE t.name = ? ORDER BY t.id DESC LIMIT 1"
    found = fetch(connection, sql, name)
    return str(found[0][0]) if found else name


def disputes(connection: Connection, task: str, limit: int = 50) -> list[Dispute]:
    """The newest replies to a task's problems on which a person and the verifier disagree."""
    sql = f"""{_DISPUTES} SELECT attempt_id, prompt, reply, verifier, person, coalesce(reason, ''), coalesce(comment, '')
        FROM disputes WHERE task = ? ORDER BY attempt_id DESC LIMIT ?"""
    return [
        Dispute(attempt_id, prompt, reply, VerdictKind(verifier), VerdictKind(person), reason, comment)
        for attempt_id, prompt, reply, verifier, person, reason, comment in fetch(connection, sql, task, limit)
    ]


def tasks_stats(connection: Connection) -> list[TaskStats]:
    """The tasks in the log by name. Reads every episode: 1 s for a million."""
    sql = f"""{_DISPUTES} SELECT t.name, e.attempts, e.first_try, coalesce(e.failures, 0),
          (SELECT count(*) FROM disputes d WHERE d.task = t.name)
        FROM (SELECT DISTINCT name FROM tasks) t LEFT JOIN (
          SELECT task, count(*) AS attempts, avg(iif(verdict = 'error', NULL, verdict = 'pass')) AS first_try,
            count(*) FILTER (WHERE verdict IN ('fail', 'unparsed', 'timeout')) AS failures
          FROM episodes GROUP BY task) e ON e.task = t.name
        ORDER BY t.name"""
    return [TaskStats(name, attempts or 0, *rest) for name, attempts, *rest in fetch(connection, sql)]
