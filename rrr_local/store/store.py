"""`Store`: the log as the rest of the program sees it.

Methods that return an id, and those that change a run, come back when the row is committed to disk. `end_session`, `log_eval_items` and
`progress` come back at once and are written within 250 ms; `flush` waits for them. When the disk is full or the file locked, a method
raises and nothing of *its* rows was written: call it again. What had been accepted before stays queued (see `rrr_local.store.writer`).

Reading is in `queries`, `history`, `chats`, `evaluations` and `runs_read`, on the connection that `reader` gives.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rrr_local import __version__
from rrr_local.episode import Problem, Verdict, VerdictKind
from rrr_local.store import catalogue, evals, exchange, feedback, rows, runs, tries, turns
from rrr_local.store.ids import ulid
from rrr_local.store.log import OpenLog
from rrr_local.store.records import (
    AdapterRecord,
    EpisodeRecord,
    EvalItemRecord,
    EvalRecord,
    EvalStatus,
    GroupRecord,
    Json,
    ModelRecord,
    ReflectionRecord,
    RunPhase,
    RunRecord,
    SessionKind,
    StepRecord,
    TryRecord,
)
from rrr_local.store.sqlite import Connection

RUN_COLUMNS = frozenset(
    {
        "status",
        "last_checkpoint",
        "pid",
        "host",
        "error",
        "total_steps",
        "phase",
        "phase_done",
        "phase_total",
        "request",
        "note",
    }
)
"""What `Store.update_run` may set."""


class Store(OpenLog):
    """One open log. Methods may be called from any thread; never fork a process that has one open."""

    # What is tried: models, tasks, problems

    def model(self, model: ModelRecord) -> int:
        """The id of a model, added if it is new."""
        return self._write(lambda connection: catalogue.model_id(connection, model))

    def task(self, name: str, version: int, kind: str, verifier: str, verifier_sha256: str, config: Json) -> int:
        """The id of a version of a task, added if it is new.

        Raises `UsageError` when the log has this version with another verifier: verdicts under one version must mean
        the same.
        """

        def write(connection: Connection) -> int:
            return catalogue.task_id(connection, name, version, kind, verifier, verifier_sha256, config)

        return self._write(write)

    def problems(self, task_id: int, problems: Sequence[Problem]) -> dict[str, int]:
        """The id of each problem by its content hash, added if it is new.

        Raises `UsageError` when a problem is in train here and in eval in the log, or the other way round.
        """
        return self._write(lambda connection: catalogue.insert_problems(connection, task_id, problems))

    # What happened: sessions, episodes, verdicts

    def start_session(
        self,
        kind: SessionKind,
        *,
        model_id: int | None,
        task_id: int | None,
        adapter_id: int | None = None,
        train_run_id: str | None = None,
        eval_id: str | None = None,
        title: str | None = None,
    ) -> str:
        """Begin a sitting, which attempts belong to; its id."""
        values: dict[str, rows.Value] = {
            "id": ulid(),
            "kind": kind,
            "title": title,
            "model_id": model_id,
            "adapter_id": adapter_id,
            "task_id": task_id,
            "train_run_id": train_run_id,
            "eval_id": eval_id,
            "app_version": __version__,
            "started_at": rows.now(),
        }
        return self._add("sessions", values)

    def end_session(self, session_id: str) -> None:
        """Note the end of a sitting."""
        values: dict[str, rows.Value] = {"ended_at": rows.now()}
        self._writing().submit(lambda connection: rows.update(connection, "sessions", session_id, values))

    def log_episodes(
        self, session_id: str, episodes: Sequence[EpisodeRecord], adapter_id: int | None = None
    ) -> list[int]:
        """Write whole episodes in one transaction; the ids of their first attempts.

        Without `adapter_id`, they were made with the session's adapter.
        """

        def write(connection: Connection) -> list[int]:
            writer = tries.TryWriter(connection, session_id, adapter_id)
            return [writer.episode(episode) for episode in episodes]

        return self._write(write)

    def log_user_verdict(self, attempt_id: int, verdict: VerdictKind, reason: str) -> None:
        """A person's verdict: from now on it counts instead of the verifier's, which stays in the log."""
        self._write(lambda connection: feedback.log_user_verdict(connection, attempt_id, verdict, reason))

    def retract_user_verdict(self, attempt_id: int) -> None:
        """Take back the newest rating that stands: the one before it counts again, else the verifier's verdict.

        Raises `NotFoundError` when there is none.
        """
        self._write(lambda connection: feedback.retract(connection, attempt_id))

    def exclude(self, attempt_id: int, excluded: bool) -> None:
        """Leave an episode out of training, or take it in again; `attempt_id` is any of its tries. Raises `NotFoundError`."""
        self._write(lambda connection: feedback.exclude(connection, attempt_id, excluded))

    def log_reflection(
        self, session_id: str, attempt_id: int, reflection: ReflectionRecord, adapter_id: int | None = None
    ) -> tuple[int, int | None]:
        """Write a reflection on a first attempt that is in the log, with its retry where there is one; the ids of both.

        Raises `NotFoundError`, and `ValueError` when the attempt is a retry.
        """
        return self._write(
            lambda connection: tries.log_reflection(connection, session_id, attempt_id, reflection, adapter_id)
        )

    def log_retry(self, session_id: str, reflection_id: int, retry: TryRecord, adapter_id: int | None = None) -> int:
        """Write the retry after a reflection that is in the log; its id. Raises `NotFoundError`."""
        return self._write(lambda connection: tries.log_retry(connection, session_id, reflection_id, retry, adapter_id))

    def import_episodes(self, task_id: int, title: str, coming: Sequence[exchange.Coming]) -> exchange.Imported:
        """Write episodes that were made elsewhere, all or none. Raises `UsageError` as `problems` does."""
        return self._write(lambda connection: exchange.insert_episodes(connection, task_id, title, coming))

    # Conversations: sessions of kind CHAT with turns

    def add_turn(
        self, session_id: str, attempt_id: int, parent_id: int | None = None, context_id: int | None = None
    ) -> int:
        """A turn of a conversation; its id. `rrr_local.store.chats.Turn` says what the columns mean.

        Raises `NotFoundError` when the attempt is not in the log, or an earlier turn not in this conversation.
        """
        return self._write(
            lambda connection: turns.insert_turn(connection, session_id, attempt_id, parent_id, context_id)
        )

    def check_turn(
        self, turn_id: int, problem_id: int, verdict: Verdict, retries: Mapping[int, Verdict] | None = None
    ) -> int:
        """Give a turn's reply a problem that can be checked, and its verdict; the id of its first attempt from now on.

        The log is append-only: the episode is written again with the same tokens, and what was there stays. `retries` are the verdicts of
        its retries by attempt id. Raises `NotFoundError`.
        """
        return self._write(lambda connection: turns.check(connection, turn_id, problem_id, verdict, retries or {}))

    def hide_turn(self, turn_id: int, hidden: bool) -> None:
        """Take a turn out of sight, or show it again. Raises `NotFoundError`."""
        self._write(lambda connection: turns.hide(connection, turn_id, hidden))

    def rename_session(self, session_id: str, title: str) -> None:
        """Give a sitting a title. Raises `NotFoundError`."""
        self._write(lambda connection: rows.update(connection, "sessions", session_id, {"title": title}))

    def set_setting(self, key: str, value: str | None) -> None:
        """Keep a setting; None forgets it."""
        self._write(lambda connection: rows.set_setting(connection, key, value))

    # Training: runs, steps, adapters

    def create_run(self, run: RunRecord) -> str:
        """Add a queued run; its id. Raises `UsageError` when its name is taken."""
        run_id = ulid()
        self._write(lambda connection: runs.insert_run(connection, run_id, run))
        return run_id

    def update_run(self, run_id: str, **columns: str | int | None) -> None:
        """Set some of RUN_COLUMNS; a new status also sets when the run started or ended. Raises `NotFoundError`."""
        if unknown := columns.keys() - RUN_COLUMNS:
            raise ValueError(f"a run has no column {', '.join(sorted(unknown))} to set")
        self._write(lambda connection: runs.update_run(connection, run_id, columns))

    def progress(self, run_id: str, phase: RunPhase, done: int, total: int) -> None:
        """Note how far a run is, for those who follow it; comes back at once."""
        columns: dict[str, rows.Value] = {"phase": phase, "phase_done": done, "phase_total": total}
        self._writing().submit(lambda connection: runs.update_run(connection, run_id, columns))

    def log_step(self, run_id: str, session_id: str, step: StepRecord, groups: Sequence[GroupRecord]) -> None:
        """Write a step: its groups with their reflections and retries, and its numbers, in one transaction."""
        self._write(lambda connection: runs.insert_step(connection, run_id, session_id, step, groups))

    def rewind_run(self, run_id: str, step: int) -> None:
        """Go back to the checkpoint of `step` and begin a new segment.

        The step rows after it are deleted, as the model never had those updates. Their groups stay, in the segment they
        were made in.
        """
        self._write(lambda connection: runs.rewind(connection, run_id, step))

    def add_adapter(self, adapter: AdapterRecord) -> int:
        """The id of an adapter; its run's `last_checkpoint` follows in the same transaction.

        A run may write an adapter of its own again, after a resume. Raises `UsageError` when the name is taken
        otherwise.
        """
        return self._write(lambda connection: catalogue.adapter_id(connection, adapter))

    def drop_adapters(self, run_id: str) -> None:
        """Note that a run's adapters were removed from the disk, its checkpoints with them."""
        self._write(lambda connection: catalogue.drop_adapters(connection, run_id))

    # Evaluation

    def start_eval(self, evaluation: EvalRecord) -> str:
        """Add a running evaluation; its id."""
        values: dict[str, rows.Value] = {
            "id": ulid(),
            "task_id": evaluation.task_id,
            "model_id": evaluation.model_id,
            "adapter_id": evaluation.adapter_id,
            "status": EvalStatus.RUNNING,
            "n": evaluation.n,
            "epochs": evaluation.epochs,
            "seed": evaluation.seed,
            "config": rows.to_json(evaluation.config),
            "problems_sha256": evaluation.problems_sha256,
            "started_at": rows.now(),
        }
        return self._add("evals", values)

    def log_eval_items(self, eval_id: str, items: Sequence[EvalItemRecord]) -> None:
        """Write results of an evaluation. Their attempts are in the log already."""
        self._writing().submit(lambda connection: evals.insert_eval_items(connection, eval_id, items), rows=len(items))

    def finish_eval(self, eval_id: str, status: EvalStatus, error: str | None = None) -> None:
        """Set an evaluation's status and its rates over the items it has. Raises `NotFoundError`."""
        self._write(lambda connection: evals.finish_eval(connection, eval_id, status, error))

    def _add(self, table: str, values: dict[str, rows.Value]) -> str:
        self._write(lambda connection: rows.insert(connection, table, values))
        return str(values["id"])
