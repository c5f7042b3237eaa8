"""What an evaluation leaves behind: one row per problem and sample, and the rates over them."""

from __future__ import annotations

from collections.abc import Sequence

from rrr_local.store.records import EvalItemRecord, EvalStatus
from rrr_local.store.rows import cleaned, now, update
from rrr_local.store.sqlite import Connection


def insert_eval_items(connection: Connection, eval_id: str, items: Sequence[EvalItemRecord]) -> None:
    """Results of an evaluation; each names the first retry that had a reflection."""
    sql = (
        "INSERT INTO eval_items(eval_id, problem_id, epoch, first_attempt_id, first_pass, final_pass, error, "
        "retry_attempt_id) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, "
        "(SELECT min(id) FROM attempts WHERE first_attempt_id = ?4 AND reflection_id IS NOT NULL))"
    )
    for item in items:
        error = cleaned(item.error)
        row = (eval_id, item.problem_id, item.epoch, item.first_attempt_id, item.first_pass, item.final_pass, error)
        connection.execute(sql, row)


def finish_eval(connection: Connection, eval_id: str, status: EvalStatus, error: str | None) -> None:
    """Set the status, and the rates over the items so far; an item without a verdict counts in neither rate."""
    sql = "SELECT avg(first_pass), avg(final_pass), count(error) FROM eval_items WHERE eval_id = ?"
    first_try, final_rate, errors = connection.execute(sql, (eval_id,)).fetchone()
    values = {"status": status, "first_try": first_try, "final_rate": final_rate, "errors": errors, "error": error}
    update(connection, "evals", eval_id, values | {"ended_at": now()})
