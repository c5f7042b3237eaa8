"""What flows out about what a run wrote: its newest samples, the reflections that were rewarded most, and those that helped.

A group counts when its step is in the log with the same segment; the others were thrown away by a resume.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

from rrr_local.episode import VerdictKind
from rrr_local.store.queries import fetch
from rrr_local.store.sqlite import Connection


@dataclass(frozen=True, slots=True)
class Sample:
    """One reflection of a run, with what it was about and what it led to."""

    step: int
    prompt: str
    attempt: str
    """The failed first attempt."""
    reason: str | None
    """Why it failed."""
    reflection: str
    retry: str | None
    """None where it was cancelled."""
    verdict: VerdictKind | None
    """Of the retry."""
    reward: float | None
    advantage: float | None
    attempt_id: int
    """Of the first attempt: where its episode is found."""


@dataclass(frozen=True, slots=True)
class Lesson:
    """A reflection that was written, perhaps many times, and how often it helped."""

    text: str
    times: int
    """How often it was written."""
    passed: int
    """How often the retry after it passed."""
    prompt: str
    """The problem it was last written about."""


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


_COUNTED = """
    FROM rollout_groups g CROSS JOIN train_steps s ON s.run_id = g.train_run_id AND s.step = g.step AND s.segment = g.segment
      CROSS JOIN reflections f ON f.group_id = g.id"""
"""The reflections of the groups that count. CROSS JOIN keeps SQLite going through the groups in order."""


def samples(connection: Connection, run_id: str, limit: int = 20) -> list[Sample]:
    """The newest reflections of a run."""
    # A view in a LEFT JOIN would be built whole; as a subquery it is asked for one row.
    sql = f"""
        SELECT g.step, p.prompt, a.text, (SELECT reason FROM attempt_verdicts WHERE attempt_id = a.id), f.text, b.text,
          (SELECT verdict FROM attempt_verdicts WHERE attempt_id = b.id), f.reward, f.advantage, a.id
        {_COUNTED} CROSS JOIN problems p ON p.id = g.problem_id CROSS JOIN attempts a ON a.id = g.first_attempt_id
          LEFT JOIN attempts b ON b.reflection_id = f.id
        WHERE g.train_run_id = ? ORDER BY g.step DESC, g.id DESC, f.sample_no DESC LIMIT ?"""
    return [
        Sample(step, prompt, attempt, reason, reflection, retry, verdict and VerdictKind(verdict), *rest)
        for step, prompt, attempt, reason, reflection, retry, verdict, *rest in fetch(connection, sql, run_id, limit)
    ]


def lessons(connection: Connection, run_id: str | None = None, limit: int = 20) -> list[Lesson]:
    """The reflections of a run, or of all, that were rewarded most often; between equals, those that failed less."""
    sql = f"""
        SELECT text, times, passed, (SELECT prompt FROM problems WHERE id = problem_id) FROM (
          SELECT f.text, count(*) AS times, count(*) FILTER (WHERE f.reward > 0) AS passed, g.problem_id, max(f.id) AS newest
          {_COUNTED} WHERE ?1 IS NULL OR g.train_run_id = ?1 GROUP BY f.text)
        WHERE passed > 0 ORDER BY passed DESC, times, newest DESC LIMIT ?2"""
    return [Lesson(*row) for row in fetch(connection, sql, run_id, limit)]


def winning_reflections(connection: Connection, run_id: str | None = None, limit: int = 50) -> list[WinningReflection]:
    """The newest reflections whose retry passed, of one run or of all."""
    columns = ", ".join(f.name for f in fields(WinningReflection))
    sql = f"SELECT {columns} FROM winning_reflections WHERE ?1 IS NULL OR run_id = ?1 ORDER BY id DESC LIMIT ?2"
    return [WinningReflection(*row) for row in fetch(connection, sql, run_id, limit)]
