"""Small records for the tests of the log, and a log with one of everything that records refer to."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from rrr_local.episode import FinishReason, Problem, Split, VerdictKind
from rrr_local.store.records import (
    EpisodeRecord,
    GroupRecord,
    ModelRecord,
    ReflectionRecord,
    RunRecord,
    SessionKind,
    TryRecord,
    pack_ids,
)
from rrr_local.store.store import Store

FAIL, PASS, ERROR = VerdictKind.FAIL, VerdictKind.PASS, VerdictKind.ERROR


def problem(number: int, split: Split = Split.TRAIN) -> Problem:
    info = {"numbers": [number, 2, 3], "target": 24}
    return Problem(f"Reach 24 from {number}, 2 and 3.", info, f"{number:064x}", split)


def attempt(text: str, verdict: VerdictKind = FAIL, ids: tuple[int, ...] = (1, 2, 4_000_000_000)) -> TryRecord:
    return TryRecord(
        text=text,
        verdict=verdict,
        reason="equals 29, not 24" if verdict is FAIL else "",
        answer="25 + 4",
        finish_reason=FinishReason.STOP,
        prompt_sha256="ab" * 32,
        prompt_tokens=40,
        completion_tokens=len(ids),
        duration_ms=12,
        seed=2**63 - 1,
        token_ids=pack_ids(ids),
        verify_ms=1,
    )


def reflection(number: int, text: str, retry: TryRecord | None, reward: float | None = None) -> ReflectionRecord:
    return ReflectionRecord(number, text, 7, FinishReason.LENGTH, number, reward, None, retry)


def episode(problem_id: int | None, text: str = "I got 29.") -> EpisodeRecord:
    """A failed attempt, a reflection that helped, one that did not, and a plain retry that did not."""
    reflections = (
        reflection(0, "Start with 3 * 7.", attempt("3 * 7 = 21", PASS)),
        reflection(1, "Add the largest.", attempt("25 + 4 again")),
    )
    return EpisodeRecord(problem_id, attempt(text), reflections, attempt("plainly 29 again"))


def group(problem_id: int, first_attempt_id: int) -> GroupRecord:
    """Two reflections: one whose retry passed, one whose retry was cut off."""
    reflections = (reflection(0, "Use 8 first.", attempt("8 * 3", PASS), 1.0), reflection(1, "Hm.", None, 0.0))
    return GroupRecord(problem_id, first_attempt_id, 2, 0.5, 0.5, True, None, reflections)


@dataclass(frozen=True, slots=True)
class Lab:
    """A log with a model, a task, three problems, and a collect session."""

    store: Store
    model_id: int
    task_id: int
    problem_ids: tuple[int, ...]
    session_id: str

    @classmethod
    def of(cls, store: Store) -> Self:
        model_id = store.model(ModelRecord("safetensors", files_sha256="cd" * 32, local_path="tiny"))
        task_id = store.task("countdown", 1, "builtin", "arithmetic", "ef" * 32, {"sizes": [3]})
        problem_ids = tuple(store.problems(task_id, [problem(n) for n in (5, 6, 7)]).values())
        session_id = store.start_session(SessionKind.COLLECT, model_id=model_id, task_id=task_id)
        return cls(store, model_id, task_id, problem_ids, session_id)

    @classmethod
    def at(cls, path: Path) -> Self:
        return cls.of(Store.open(path))

    def run(self, name: str = "run-1") -> str:
        record = RunRecord(name, self.model_id, self.task_id, "mlx", 7, {"group_size": 2}, 100)
        return self.store.create_run(record)

    def train_session(self, run_id: str) -> str:
        return self.store.start_session(
            SessionKind.TRAIN, model_id=self.model_id, task_id=self.task_id, train_run_id=run_id
        )

    def scalar(self, sql: str) -> object:
        """The first value of a query on what is committed."""
        return self.store.reader().execute(sql).fetchone()[0]
