"""What a person says about the log: ratings, ratings taken back, and what is not to be trained on.

A rating is an outcome like the verifier's, with another source. Nothing is deleted: taking one back is a row in `retractions`.
"""

from __future__ import annotations

from rrr_local.episode import VerdictKind
from rrr_local.errors import NotFoundError
from rrr_local.store.rows import insert, now
from rrr_local.store.sqlite import Connection
from rrr_local.store.tries import outcome


def log_user_verdict(connection: Connection, attempt_id: int, verdict: VerdictKind, reason: str) -> None:
    """A person's verdict on an attempt. Raises `NotFoundError`."""
    require_attempt(connection, attempt_id)
    insert(connection, "outcomes", outcome(attempt_id, "user", verdict, reason) | {"created_at": now()})


def retract(connection: Connection, attempt_id: int) -> None:
    """Take back the newest rating of an attempt that still stands. Raises `NotFoundError` when none does."""
    standing = standing_rating(connection, attempt_id)
    if standing is None:
        raise NotFoundError(
            f"nobody has rated attempt {attempt_id}", "rate it first, then the rating can be taken back"
        )
    insert(connection, "retractions", {"outcome_id": standing, "created_at": now()})


def standing_rating(connection: Connection, attempt_id: int) -> int | None:
    """The newest rating of an attempt that was not taken back: the outcome's id."""
    sql = (
        "SELECT max(id) FROM outcomes o WHERE attempt_id = ? AND source = 'user' "
        "AND NOT EXISTS (SELECT 1 FROM retractions x WHERE x.outcome_id = o.id)"
    )
    found: int | None = connection.execute(sql, (attempt_id,)).fetchone()[0]
    return found


def exclude(connection: Connection, attempt_id: int, excluded: bool) -> None:
    """Leave an attempt's episode out of training, or take it in again. Raises `NotFoundError`."""
    first = require_attempt(connection, attempt_id)
    if excluded:
        connection.execute("INSERT OR IGNORE INTO excluded VALUES (?, ?)", (first, now()))
    else:
        connection.execute("DELETE FROM excluded WHERE attempt_id = ?", (first,))


def require_attempt(connection: Connection, attempt_id: int) -> int:
    """The first attempt of the episode that an attempt belongs to. Raises `NotFoundError`."""
    row = connection.execute(
        "SELECT coalesce(first_attempt_id, id) FROM attempts WHERE id = ?", (attempt_id,)
    ).fetchone()
    if row is None:
        raise NotFoundError(f"the log has no attempt {attempt_id}", "`rrr history list` shows the newest")
    return int(row[0])
