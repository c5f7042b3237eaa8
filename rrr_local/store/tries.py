"""What happened: attempts, reflections, retries and their outcomes. All are append-only."""

from __future__ import annotations

from collections.abc import Mapping

from rrr_local.episode import VerdictKind
from rrr_local.errors import NotFoundError
from rrr_local.store.records import EpisodeRecord, ReflectionRecord, TryRecord
from rrr_local.store.rows import Value, insert, insert_for_id, now
from rrr_local.store.sqlite import Connection


class TryWriter:
    """Writes the attempts, reflections, retries and outcomes of one session, all with the same time."""

    def __init__(self, connection: Connection, session_id: str, adapter_id: int | None) -> None:
        """Raises `NotFoundError` when there is no such session. Without `adapter_id`, the session's adapter counts."""
        task = "LEFT JOIN tasks t ON t.id = s.task_id"
        sql = f"SELECT s.adapter_id, t.verifier_sha256 FROM sessions s {task} WHERE s.id = ?"
        row = connection.execute(sql, (session_id,)).fetchone()
        if row is None:
            raise NotFoundError(f"the log has no session {session_id}", "start one first")
        self._connection = connection
        self._session_id = session_id
        self._adapter_id: int | None = row[0] if adapter_id is None else adapter_id
        self._verifier_sha256: str | None = row[1]
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
        kept = None if record.verdict is VerdictKind.PASS else record.token_ids
        values: dict[str, Value] = {"problem_id": problem_id, "attempt_no": 1, "token_ids": kept}
        return self._try(record, values)

    def reflection(
        self, problem_id: int | None, attempt_id: int, record: ReflectionRecord, group_id: int | None
    ) -> None:
        """A reflection on a failed attempt, with its retry."""
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
            "created_at": self._time,
        }
        reflection_id = insert_for_id(self._connection, "reflections", values)
        if record.retry is not None:
            self.retry(problem_id, attempt_id, record.retry, reflection_id)

    def retry(self, problem_id: int | None, attempt_id: int, record: TryRecord, reflection_id: int | None) -> int:
        """A retry of a failed attempt; plain when there is no reflection."""
        values: dict[str, Value] = {
            "problem_id": problem_id,
            "attempt_no": 2,
            "first_attempt_id": attempt_id,
            "reflection_id": reflection_id,
        }
        return self._try(record, values)

    def _try(self, record: TryRecord, place: Mapping[str, Value]) -> int:
        values: dict[str, Value] = {
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
            "created_at": self._time,
        }
        attempt_id = insert_for_id(self._connection, "attempts", values | dict(place))
        outcome = _outcome(attempt_id, "verifier", record.verdict, record.reason) | {
            "verifier_sha256": self._verifier_sha256,
            "duration_ms": record.verify_ms,
            "created_at": self._time,
        }
        insert(self._connection, "outcomes", outcome)
        return attempt_id


def log_user_verdict(connection: Connection, attempt_id: int, verdict: VerdictKind, reason: str) -> None:
    """A person's verdict on an attempt."""
    insert(connection, "outcomes", _outcome(attempt_id, "user", verdict, reason) | {"created_at": now()})


def _outcome(attempt_id: int, source: str, verdict: VerdictKind, reason: str) -> dict[str, Value]:
    score = None if verdict is VerdictKind.ERROR else float(verdict is VerdictKind.PASS)
    return {"attempt_id": attempt_id, "source": source, "verdict": verdict, "score": score, "detail": reason}
