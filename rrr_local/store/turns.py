"""What a conversation leaves behind: its turns, and a reply written again once it can be checked.

turn ──> attempt                    a question without an expected answer: nothing to check
turn ──> copy of the attempt        after `check`: same tokens, with the problem and the verdict; the first one stays in the log
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rrr_local.episode import Verdict
from rrr_local.errors import NotFoundError
from rrr_local.store.feedback import require_attempt, standing_rating
from rrr_local.store.rows import Value, insert, insert_for_id, now, update
from rrr_local.store.sqlite import Connection
from rrr_local.store.tries import outcome, verifier_of

_KEPT = (
    "session_id, adapter_id, attempt_no, text, finish_reason, prompt_sha256, template_id, prompt_tokens, completion_tokens, "
    "duration_ms, seed, token_ids, created_at"
)
"""What a copy of an attempt has in common with it."""
_KEPT_OF_REFLECTION = "sample_no, text, tokens, reward, advantage, finish_reason, seed, prompt, token_ids, created_at"


def insert_turn(
    connection: Connection, session_id: str, attempt_id: int, parent_id: int | None, context_id: int | None
) -> int:
    """A turn; its id. Raises `NotFoundError` when the attempt, or a turn it follows, is not in this conversation."""
    if require_attempt(connection, attempt_id) != attempt_id:
        raise ValueError(f"attempt {attempt_id} is a retry: a turn has its episode's first attempt")
    for earlier in (parent_id, context_id):
        if earlier is not None and _turn(connection, earlier)[0] != session_id:
            raise NotFoundError(f"turn {earlier} is not in this conversation", "go on from a turn that is")
    values: dict[str, Value] = {
        "session_id": session_id,
        "parent_id": parent_id,
        "context_id": context_id,
        "attempt_id": attempt_id,
        "created_at": now(),
    }
    return insert_for_id(connection, "turns", values)


def hide(connection: Connection, turn_id: int, hidden: bool) -> None:
    """Take a turn out of sight, or show it again. Raises `NotFoundError`."""
    _turn(connection, turn_id)
    update(connection, "turns", turn_id, {"hidden": int(hidden)})


def check(
    connection: Connection, turn_id: int, problem_id: int, verdict: Verdict, retries: Mapping[int, Verdict]
) -> int:
    """Write a turn's episode again, as an attempt at a problem that can be checked; the new first attempt's id.

    `retries` are the verdicts of its retries by their ids; those without one keep what they have. Ratings that stand and the exclusion
    from training go along. Raises `NotFoundError`.
    """
    _, attempt_id = _turn(connection, turn_id)
    copies = _Copies(connection, problem_id, {**retries, attempt_id: verdict})
    copy_id = copies.attempt(attempt_id, None, None)
    for reflection_id, retry_id in _followed(connection, attempt_id):
        copied = None if reflection_id is None else copies.reflection(reflection_id, copy_id)
        if retry_id is not None:
            copies.attempt(retry_id, copy_id, copied)
    sql = "INSERT INTO excluded SELECT ?, created_at FROM excluded WHERE attempt_id = ?"
    connection.execute(sql, (copy_id, attempt_id))
    update(connection, "turns", turn_id, {"attempt_id": copy_id})
    return copy_id


@dataclass(frozen=True, slots=True)
class _Copies:
    """Writes rows of one episode again, for a problem that can be checked."""

    connection: Connection
    problem_id: int
    verdicts: Mapping[int, Verdict]
    """New verdicts by the ids of the attempts they are about."""

    def attempt(self, attempt_id: int, first_id: int | None, reflection_id: int | None) -> int:
        """A first attempt or a retry, with its verdict and the rating that stands."""
        sql = (
            f"INSERT INTO attempts({_KEPT}, answer, problem_id, first_attempt_id, reflection_id, copy_of) "
            f"SELECT {_KEPT}, iif(?, ?, answer), ?, ?, ?, id FROM attempts WHERE id = ? RETURNING id"
        )
        verdict = self.verdicts.get(attempt_id)
        answer = None if verdict is None else verdict.answer
        values = (verdict is not None, answer, self.problem_id, first_id, reflection_id, attempt_id)
        copy_id = int(self.connection.execute(sql, values).fetchall()[0][0])
        if verdict is None:
            self._outcome(copy_id, self._newest(attempt_id))
        else:
            self._verdict(copy_id, verdict)
        self._outcome(copy_id, standing_rating(self.connection, attempt_id))
        return copy_id

    def reflection(self, reflection_id: int, first_id: int) -> int:
        sql = (
            f"INSERT INTO reflections({_KEPT_OF_REFLECTION}, attempt_id) "
            f"SELECT {_KEPT_OF_REFLECTION}, ? FROM reflections WHERE id = ? RETURNING id"
        )
        return int(self.connection.execute(sql, (first_id, reflection_id)).fetchall()[0][0])

    def _verdict(self, copy_id: int, verdict: Verdict) -> None:
        values = outcome(copy_id, "verifier", verdict.kind, verdict.reason)
        verifier = verifier_of(self.connection, self.problem_id)
        insert(self.connection, "outcomes", values | {"verifier_sha256": verifier, "created_at": now()})

    def _newest(self, attempt_id: int) -> int | None:
        sql = "SELECT max(id) FROM outcomes WHERE attempt_id = ? AND source = 'verifier'"
        found: int | None = self.connection.execute(sql, (attempt_id,)).fetchone()[0]
        return found

    def _outcome(self, copy_id: int, outcome_id: int | None) -> None:
        """An outcome as it was, for the copy."""
        kept = "source, verdict, score, detail, verifier_sha256, duration_ms, created_at"
        sql = f"INSERT INTO outcomes(attempt_id, {kept}) SELECT ?, {kept} FROM outcomes WHERE id = ?"
        self.connection.execute(sql, (copy_id, outcome_id))


def _followed(connection: Connection, first_id: int) -> list[tuple[int | None, int | None]]:
    """What followed a first attempt outside training, as (reflection, retry).

    A plain retry has no reflection, a reflection may have no retry.
    """
    sql = """
        SELECT r.id, a.id FROM reflections r LEFT JOIN attempts a ON a.reflection_id = r.id
        WHERE r.attempt_id = ?1 AND r.group_id IS NULL
        UNION ALL SELECT NULL, id FROM attempts WHERE first_attempt_id = ?1 AND reflection_id IS NULL ORDER BY 1, 2"""
    return connection.execute(sql, (first_id,)).fetchall()


def _turn(connection: Connection, turn_id: int) -> tuple[str, int]:
    """A turn's conversation and first attempt. Raises `NotFoundError`."""
    row = connection.execute("SELECT session_id, attempt_id FROM turns WHERE id = ?", (turn_id,)).fetchone()
    if row is None:
        raise NotFoundError(f"the log has no turn {turn_id}", "open the conversation again")
    return str(row[0]), int(row[1])
