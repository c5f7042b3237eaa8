"""What happened: attempts, reflections, retries and their outcomes. All are append-only."""

from __future__ import annotations

from collections.abc import Mapping

from rrr_local.episode import VerdictKind
from rrr_local.errors import NotFoundError
from rrr_local.store.records import EpisodeRecord, ReflectionRecord, SessionKind, TryRecord
from rrr_local.store.rows import Value, insert, insert_for_id, now
from rrr_local.store.sqlite import Connection


class TryWriter:
    """Writes the attempts, reflections, retries and outcomes of one session, all with the same time."""

    def __init__(self, connection: Connection, session_id: str, adapter_id: int | None) -> None:
        """Raises `NotFoundError` when there is no such session. Without `adapter_id`, the session's adapter counts."""
        task = "LEFT JOIN tasks t ON t.id = s.task_id"
        sql = f"SELECT s.adapter_id, t.verifier_sha256, s.kind FROM sessions s {task} WHERE s.id = ?"
        row = connection.execute(sql, (session_id,)).fetchone()
        if row is None:
            raise NotFoundError(f"the log has no session {session_id}", "start one first")
        self._connection = connection
        self._session_id = session_id
        self._adapter_id: int | None = row[0] if adapter_id is None else adapter_id
        self._verifier_sha256: str | None = row[1]
        self._keeps_all_ids = row[2] == SessionKind.CHAT
        self._time = now()

    def episode(self, episode: EpisodeRecord) -> int:
        """A whole episode; the id of its first attempt."""
        attempt_id = self.attempt(episode.problem_id, episode.attempt)
        for reflection in episode.reflections:
            self.reflection(episode.problem_id, attempt_id, reflection, None)
        if episode.plain_retry is not None:
            self.retry(episode.problem_id, attempt_id, episode.plain_retry, None)
        return attempt_id

    def attempt(self, problem_id: int | None, record: TryRecord) -> int:
        """A first attempt. Its token ids are kept if it may be trained on: when it did not pass."""
        keeps_ids = record.verdict is not VerdictKind.PASS
        return self._try(record, {"problem_id": problem_id, "attempt_no": 1}, keeps_ids)

    def reflection(
        self, problem_id: int | None, attempt_id: int, record: ReflectionRecord, group_id: int | None
    ) -> tuple[int, int | None]:
        """A reflection on a failed attempt, with its retry where there is one; the ids of both."""
        values: dict[str, Value] = {
            "attempt_id": attempt_id,
            "group_id": group_id,
            "sample_no": record.sample_no,
            "text": record.text,
            "tokens": record.tokens,
            "reward": record.reward,
            "advantage": record.advantage,
            "finish_reason": record.finish_reason,
            "seed": record.seed,
            "prompt": record.prompt if self._keeps_all_ids else None,
            "token_ids": record.token_ids if self._keeps_all_ids else None,
            "created_at": self._time,
        }
        reflection_id = insert_for_id(self._connection, "reflections", values)
        if record.retry is None:
            return reflection_id, None
        return reflection_id, self.retry(problem_id, attempt_id, record.retry, reflection_id)

    def retry(self, problem_id: int | None, attempt_id: int, record: TryRecord, reflection_id: int | None) -> int:
        """A retry of a failed attempt; plain when there is no reflection."""
        values: dict[str, Value] = {
            "problem_id": problem_id,
            "attempt_no": 2,
            "first_attempt_id": attempt_id,
            "reflection_id": reflection_id,
        }
        return self._try(record, values, keeps_ids=False)

    def _try(self, record: TryRecord, place: Mapping[str, Value], keeps_ids: bool) -> int:
        columns: dict[str, Value] = {
            "session_id": self._session_id,
            "adapter_id": self._adapter_id,
            "text": record.text,
            "answer": record.answer,
            "finish_reason": record.finish_reason,
            "prompt_sha256": record.prompt_sha256,
            "prompt_tokens": record.prompt_tokens,
            "completion_tokens": record.completion_tokens,
            "duration_ms": record.duration_ms,
            "seed": record.seed,
            "token_ids": record.token_ids if keeps_ids or self._keeps_all_ids else None,
            "created_at": self._time,
        }
        attempt_id = insert_for_id(self._connection, "attempts", columns | dict(place))
        values = outcome(attempt_id, "verifier", record.verdict, record.reason) | {
            "verifier_sha256": self._verifier_of(place["problem_id"]),
            "duration_ms": record.verify_ms,
            "created_at": self._time,
        }
        insert(self._connection, "outcomes", values)
        return attempt_id

    def _verifier_of(self, problem_id: Value) -> str | None:
        """The verifier of a problem's task: a chat has problems of many tasks. Without a problem, that of the session's task."""
        return self._verifier_sha256 if problem_id is None else verifier_of(self._connection, problem_id)


def log_reflection(
    connection: Connection, session_id: str, attempt_id: int, record: ReflectionRecord, adapter_id: int | None
) -> tuple[int, int | None]:
    """A reflection on an attempt that is in the log, with its retry where there is one; the ids of both.

    Raises `NotFoundError`, and `ValueError` for an attempt that is a retry itself.
    """
    sql = "SELECT problem_id, attempt_no FROM attempts WHERE id = ?"
    row = connection.execute(sql, (attempt_id,)).fetchone()
    if row is None:
        raise NotFoundError(f"the log has no attempt {attempt_id}", "`rrr history list` shows the newest")
    if row[1] != 1:
        raise ValueError(f"attempt {attempt_id} is a retry: its episode's first attempt is what is reflected on")
    return TryWriter(connection, session_id, adapter_id).reflection(row[0], attempt_id, record, None)


def log_retry(
    connection: Connection, session_id: str, reflection_id: int, record: TryRecord, adapter_id: int | None
) -> int:
    """The retry after a reflection that is in the log; its id. Raises `NotFoundError`."""
    sql = "SELECT a.problem_id, a.id FROM reflections r JOIN attempts a ON a.id = r.attempt_id WHERE r.id = ?"
    row = connection.execute(sql, (reflection_id,)).fetchone()
    if row is None:
        raise NotFoundError(f"the log has no reflection {reflection_id}", "`rrr history list` shows the newest")
    return TryWriter(connection, session_id, adapter_id).retry(row[0], row[1], record, reflection_id)


def verifier_of(connection: Connection, problem_id: Value) -> str | None:
    """The hash of the verifier that judges a problem; None when there is no such problem."""
    sql = "SELECT t.verifier_sha256 FROM problems p JOIN tasks t ON t.id = p.task_id WHERE p.id = ?"
    row = connection.execute(sql, (problem_id,)).fetchone()
    return None if row is None else str(row[0])


def outcome(attempt_id: int, source: str, verdict: VerdictKind, reason: str) -> dict[str, Value]:
    """The columns of a verdict, without its time."""
    score = None if verdict is VerdictKind.ERROR else float(verdict is VerdictKind.PASS)
    return {"attempt_id": attempt_id, "source": source, "verdict": verdict, "score": score, "detail": reason}
