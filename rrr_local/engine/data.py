"""What there is in the log to learn from, and why some of it cannot be trained on."""

from __future__ import annotations

from dataclasses import dataclass

from rrr_local.loop import Loop
from rrr_local.store import queries
from rrr_local.training import failures
from rrr_local.training.failures import Pool
from rrr_local.workbench import Workbench


@dataclass(frozen=True, slots=True)
class Data:
    """Failures of one task and one model."""

    task: str
    trainable: int
    """What `--failures pool` would train on."""
    missing_answer: int
    """Rated wrong by a person, without an expected answer that a retry could be checked against; of any task."""
    excluded: int
    """A person does not want them trained on."""
    duplicates: int
    """Equal wrong replies to equal problems; each counts once."""
    passed_over: int
    """Made with another chat template or prompt."""
    held_out: int
    """Problems of the task that are never trained on."""


def read_data(bench: Workbench, loop: Loop, held_out: int) -> tuple[Data, Pool]:
    """Count what is in the log; `held_out` is how many problems the task has for evaluating."""
    connection, ids = bench.store.reader(), bench.registered
    pool = failures.pool(loop, bench.store, ids, queries.last_attempt(connection))
    return (
        Data(
            task=bench.task.name,
            trainable=len(pool.failures),
            missing_answer=_count(bench, _MISSING_ANSWER, ids.model_id),
            excluded=_count(bench, _EXCLUDED, ids.task_id, ids.model_id),
            duplicates=pool.duplicates,
            passed_over=pool.passed_over,
            held_out=held_out,
        ),
        pool,
    )


_MISSING_ANSWER = """
    SELECT count(*) FROM attempts a JOIN sessions s ON s.id = a.session_id JOIN attempt_verdicts v ON v.attempt_id = a.id
    WHERE s.kind = 'chat' AND s.model_id = ? AND a.attempt_no = 1 AND v.source = 'user' AND v.verdict = 'fail'
      AND NOT EXISTS (SELECT 1 FROM outcomes o WHERE o.attempt_id = a.id AND o.source = 'verifier' AND o.verdict <> 'error')
      AND NOT EXISTS (SELECT 1 FROM excluded x WHERE x.attempt_id = a.id)
      AND NOT EXISTS (SELECT 1 FROM attempts c WHERE c.copy_of = a.id)"""
_EXCLUDED = """
    SELECT count(*) FROM excluded x JOIN attempts a ON a.id = x.attempt_id JOIN sessions s ON s.id = a.session_id
      JOIN problems p ON p.id = a.problem_id
    WHERE p.task_id = ? AND s.model_id = ?"""


def _count(bench: Workbench, sql: str, *parameters: int) -> int:
    return int(queries.fetch(bench.store.reader(), sql, *parameters)[0][0])
