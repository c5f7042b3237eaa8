"""What flows out for a person: episodes page by page and filtered, counts of them, and one in full.

The verdict of an episode is that of its first attempt; `Outcome` is what became of it in the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple

from rrr_local.episode import FinishReason, Problem, Split, VerdictKind
from rrr_local.errors import NotFoundError
from rrr_local.store.queries import LAST_ID, fetch, problem_from
from rrr_local.store.records import SessionKind
from rrr_local.store.rows import Value, now
from rrr_local.store.search import WITH_WORDS, all_of
from rrr_local.store.sqlite import Connection


class Outcome(StrEnum):
    """What became of an episode."""

    PASSED = "passed"
    """At the first try."""
    FIXED = "fixed"
    """By a retry, one made in training included."""
    FAILED = "failed"
    UNCHECKED = "unchecked"
    """Nobody judged it, or the verifier broke."""


class Judge(StrEnum):
    """Whose verdict on the first attempt counts."""

    USER = "user"
    VERIFIER = "verifier"


@dataclass(frozen=True, slots=True)
class EpisodeFilter:
    """Which episodes; None stands for any."""

    text: str = ""
    """Words that its prompt, one of its tries or one of its reflections holds: all of them, whole, in any case."""
    outcome: Outcome | None = None
    task: str | None = None
    kind: SessionKind | None = None
    judge: Judge | None = None
    run: str | None = None
    """The name or id of a run that reflected on it."""
    excluded: bool | None = None
    """Whether it is left out of training."""


ANY = EpisodeFilter()


@dataclass(frozen=True, slots=True)
class EpisodeSummary:
    """An episode in a list."""

    id: int
    """Of its first attempt."""
    session_id: str
    kind: SessionKind
    task: str | None
    problem_id: int | None
    split: Split | None
    prompt: str | None
    """None in a chat without a task."""
    attempt: str
    """The first reply."""
    verdict: VerdictKind | None
    reason: str | None
    reflections: int
    retries_passed: int
    created_at: str
    excluded: bool
    """Whether it is left out of training."""
    by_user: bool
    """Whether the verdict is a person's."""
    run: str | None
    """The name of the newest run that reflected on it."""

    @property
    def outcome(self) -> Outcome:
        """What became of it; `_OUTCOMES` says the same in SQL."""
        if self.verdict is VerdictKind.PASS:
            return Outcome.PASSED
        if self.retries_passed:
            return Outcome.FIXED
        return Outcome.UNCHECKED if self.verdict in (None, VerdictKind.ERROR) else Outcome.FAILED


@dataclass(frozen=True, slots=True)
class Totals:
    """How many episodes there are of each outcome."""

    episodes: int
    first_try: int
    """Passed at the first try."""
    fixed: int
    failed: int
    unchecked: int


class Day(NamedTuple):
    """The episodes of one day."""

    day: str
    """UTC, such as 2026-03-01."""
    episodes: int
    passed: int
    """At the first try."""


@dataclass(frozen=True, slots=True)
class Try:
    """One reply with the verdict that counts."""

    id: int
    text: str
    verdict: VerdictKind | None
    reason: str | None
    by_user: bool
    """Whether the verdict is a person's."""
    answer: str | None
    finish_reason: FinishReason | None
    prompt_tokens: int | None
    completion_tokens: int | None
    duration_ms: int | None
    seed: int | None
    created_at: str


@dataclass(frozen=True, slots=True)
class Reflection:
    """A reflection and the retry made with it."""

    id: int
    sample_no: int
    text: str
    tokens: int | None
    reward: float | None
    advantage: float | None
    run_id: str | None
    """The run it was sampled in; None outside training."""
    step: int | None
    retry: Try | None


@dataclass(frozen=True, slots=True)
class Episode:
    """One problem with everything the model wrote about it."""

    kind: SessionKind
    problem: Problem | None
    attempt: Try
    reflections: tuple[Reflection, ...]
    plain_retries: tuple[Try, ...]


_OUTCOMES = {
    Outcome.PASSED: "verdict IS 'pass'",
    Outcome.FIXED: "verdict IS NOT 'pass' AND retries_passed > 0",
    Outcome.FAILED: "verdict IN ('fail', 'unparsed', 'timeout') AND retries_passed = 0",
    Outcome.UNCHECKED: "coalesce(verdict, 'error') = 'error' AND retries_passed = 0",
}
_OF_RUN = """id IN (SELECT g.first_attempt_id FROM rollout_groups g JOIN train_runs r ON r.id = g.train_run_id
  WHERE ? IN (r.name, r.id))"""


def episodes(
    connection: Connection, limit: int = 50, before: int | None = None, which: EpisodeFilter = ANY
) -> list[EpisodeSummary]:
    """The newest episodes, or the next page: those older than the id `before`."""
    columns = ", ".join(f.name for f in fields(EpisodeSummary))
    condition, values = _condition(which)
    sql = f"SELECT {columns} FROM episodes WHERE id < ? AND {condition} ORDER BY id DESC LIMIT ?"
    return [_summary(row) for row in fetch(connection, sql, LAST_ID if before is None else before, *values, limit)]


def totals(connection: Connection, which: EpisodeFilter = ANY) -> Totals:
    """How many episodes there are, and what became of them. Reads them all: 1 s for a million."""
    condition, values = _condition(which)
    counts = ", ".join(f"count(*) FILTER (WHERE {_OUTCOMES[outcome]})" for outcome in Outcome)
    episodes = (
        f"SELECT verdict, iif(verdict IS 'pass', 0, retries_passed) AS retries_passed FROM episodes WHERE {condition}"
    )
    return Totals(*fetch(connection, f"SELECT count(*), {counts} FROM ({episodes})", *values)[0])


def daily(connection: Connection, days: int = 30) -> list[Day]:
    """The episodes of each of the last days, today's last; a day without any is there too."""
    today = datetime.fromisoformat(now()).astimezone(UTC).date()
    wanted = [(today - timedelta(days=back)).isoformat() for back in reversed(range(days))]
    sql = """
        SELECT substr(created_at, 1, 10), count(*), count(*) FILTER (WHERE verdict = 'pass')
        FROM episodes WHERE created_at >= ? GROUP BY 1"""
    found = {row[0]: row[1:] for row in fetch(connection, sql, wanted[0])}
    return [Day(day, *found.get(day, (0, 0))) for day in wanted]


def episode(connection: Connection, attempt_id: int) -> Episode:
    """The episode that an attempt, first or retry, belongs to. Raises `NotFoundError`."""
    sql = """
        SELECT coalesce(a.first_attempt_id, a.id), s.kind, p.prompt, p.meta, p.sha256, p.split
        FROM attempts a LEFT JOIN problems p ON p.id = a.problem_id
          JOIN attempts f ON f.id = coalesce(a.first_attempt_id, a.id) JOIN sessions s ON s.id = f.session_id
        WHERE a.id = ?"""
    found = fetch(connection, sql, attempt_id)
    if not found:
        raise NotFoundError(f"there is no attempt {attempt_id}", "`rrr history list` shows the newest")
    first_id, kind, prompt, *rest = found[0]
    problem = None if prompt is None else problem_from(prompt, *rest)
    tries = _tries(connection, first_id)
    retries = {reflection_id: each for reflection_id, each in tries if reflection_id is not None}
    plain = [each for reflection_id, each in tries if reflection_id is None and each.id != first_id]
    attempt = next(each for _, each in tries if each.id == first_id)
    reflections = _reflections(connection, first_id, retries)
    return Episode(SessionKind(kind), problem, attempt, tuple(reflections), tuple(plain))


def _condition(which: EpisodeFilter) -> tuple[str, list[Value]]:
    """A condition on the columns of the view `episodes`, and the values of its marks."""
    given: list[tuple[str, list[Value]]] = [
        (f"id IN ({WITH_WORDS})", [all_of(which.text)] * 3 if which.text.strip() else [None]),
        ("task = ?", [which.task]),
        ("kind = ?", [which.kind]),
        ("verdict IS NOT NULL AND iif(by_user, 'user', 'verifier') = ?", [which.judge]),
        (_OF_RUN, [which.run]),
        ("excluded = ?", [which.excluded]),
    ]
    asked = [(condition, values) for condition, values in given if values[0] is not None]
    outcome = [] if which.outcome is None else [_OUTCOMES[which.outcome]]
    return " AND ".join(["1", *outcome, *(condition for condition, _ in asked)]), [
        v for _, values in asked for v in values
    ]


def _summary(row: Sequence[Any]) -> EpisodeSummary:
    values = dict(zip((f.name for f in fields(EpisodeSummary)), row, strict=True))
    values["kind"] = SessionKind(values["kind"])
    values["split"] = None if values["split"] is None else Split(values["split"])
    values["verdict"] = None if values["verdict"] is None else VerdictKind(values["verdict"])
    values["excluded"], values["by_user"] = bool(values["excluded"]), bool(values["by_user"])
    return EpisodeSummary(**values)


def _tries(connection: Connection, first_id: int) -> list[tuple[int | None, Try]]:
    """Every reply of an episode in order, each with the reflection it was made with."""
    sql = """
        SELECT a.reflection_id, a.id, a.text, v.verdict, v.reason, v.source, a.answer, a.finish_reason, a.prompt_tokens,
          a.completion_tokens, a.duration_ms, a.seed, a.created_at
        FROM attempts a JOIN attempt_verdicts v ON v.attempt_id = a.id
        WHERE a.id = ?1 OR a.first_attempt_id = ?1 ORDER BY a.id"""
    return [(row[0], _try(row[1:])) for row in fetch(connection, sql, first_id)]


def _try(row: Sequence[Any]) -> Try:
    id_, text, verdict, reason, source, answer, finish, *rest = row
    return Try(
        id_,
        text,
        None if verdict is None else VerdictKind(verdict),
        reason,
        source == "user",
        answer,
        None if finish is None else FinishReason(finish),
        *rest,
    )


def _reflections(connection: Connection, first_id: int, retries: dict[int, Try]) -> list[Reflection]:
    names = [f.name for f in fields(Reflection) if f.name != "retry"]
    sql = """
        SELECT r.id, r.sample_no, r.text, r.tokens, r.reward, r.advantage, g.train_run_id, g.step
        FROM reflections r LEFT JOIN rollout_groups g ON g.id = r.group_id WHERE r.attempt_id = ? ORDER BY r.id"""
    found = [dict(zip(names, row, strict=True)) for row in fetch(connection, sql, first_id)]
    return [Reflection(**values, retry=retries.get(values["id"])) for values in found]
