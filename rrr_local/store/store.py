"""`Store`: the log as the rest of the program sees it.

Methods that return an id, and those that change a run, come back when the row is committed to disk. `end_session` and
`log_eval_items` come back at once and are written within 250 ms; `flush` waits for them. When the disk is full or the
file locked, a method raises and nothing of *its* rows was written: call it again. What had been accepted before stays
queued (see `rrr_local.store.writer`).

Reading is in `rrr_local.store.queries`, on the connection that `reader` gives.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from rrr_local import __version__
from rrr_local.episode import Problem, VerdictKind
from rrr_local.errors import NotFoundError, UsageError
from rrr_local.store import catalogue, evals, rows, runs, tries
from rrr_local.store.ids import ulid
from rrr_local.store.records import (
    AdapterRecord,
    EpisodeRecord,
    EvalItemRecord,
    EvalRecord,
    EvalStatus,
    GroupRecord,
    Json,
    ModelRecord,
    RunRecord,
    SessionKind,
    StepRecord,
)
from rrr_local.store.schema import APPLICATION_ID, SCHEMA_VERSION
from rrr_local.store.sqlite import Connection, connect, connect_readonly, readable_errors, use_wal
from rrr_local.store.writer import Writer

T = TypeVar("T")

RUN_COLUMNS = frozenset({"status", "last_checkpoint", "pid", "host", "error", "total_steps"})
"""What `Store.update_run` may set."""


class Store:
    """One open log. Methods may be called from any thread; never fork a process that has one open."""

    def __init__(self, path: Path, writer: Writer | None) -> None:
        self.path = path
        self._writer = writer
        self._local = threading.local()
        self._readers: list[Connection] = []

    @classmethod
    def open(cls, path: Path, *, readonly: bool = False) -> Self:
        """Open the log at `path`; create or upgrade it unless `readonly`.

        Raises `NotFoundError` (read-only and no file), `UsageError` (not ours, or made by another version),
        `ResourceError`.
        """
        with readable_errors():
            if not readonly:
                return cls(path, Writer(_open_to_write(path)))
            if not path.exists():
                raise NotFoundError(f"there is no log at {path} yet", "try something first, for example `rrr demo`")
            return cls._open_to_read(path)

    @classmethod
    def _open_to_read(cls, path: Path) -> Self:
        store = cls(path, None)
        try:
            if _version(store.reader(), path) < SCHEMA_VERSION:
                raise UsageError(f"{path} was made by an older rrr-local", "open it with a command that writes to it")
        except BaseException:
            store.close()
            raise
        return store

    def close(self) -> None:
        """Write what is queued and close every connection. Raises what `flush` raises, after closing."""
        try:
            if self._writer is not None:
                self._writer.close()
        finally:
            while self._readers:
                self._readers.pop().close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def reader(self) -> Connection:
        """This thread's read-only connection; it sees everything that is committed."""
        connection: Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            with readable_errors():
                connection = connect_readonly(self.path)
            self._local.connection = connection
            self._readers.append(connection)
        return connection

    def flush(self) -> None:
        """Wait until everything queued is committed.

        Raises `ResourceError` or `BusyError` when it cannot be; it stays queued then, for the next flush.
        """
        self._writing().flush()

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
        self._write(lambda connection: tries.log_user_verdict(connection, attempt_id, verdict, reason))

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

    def _write(self, write: Callable[[Connection], T]) -> T:
        return self._writing().call(write)

    def _writing(self) -> Writer:
        if self._writer is None:
            raise ValueError("the log was opened to be read only")
        return self._writer


def _open_to_write(path: Path) -> Connection:
    """A connection to a file that is ours and has the newest schema."""
    connection = connect(path)
    try:
        version = _version(connection, path)
        use_wal(connection)
        if version < SCHEMA_VERSION:
            from rrr_local.store.migrations import migrate  # here, since it imports sqlite-utils: 0.4 s

            migrate(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def _version(connection: Connection, path: Path) -> int:
    """The schema version of the file, 0 when it is new.

    Raises `UsageError` when it is not ours or newer than this program.
    """
    # One statement, hence one snapshot: another process may be creating the file right now.
    tables = "(SELECT count(*) FROM sqlite_schema)"
    sql = f"SELECT application_id, user_version, {tables} FROM pragma_application_id, pragma_user_version"
    application, version, objects = connection.execute(sql).fetchone()
    if application != APPLICATION_ID and objects:
        raise UsageError(f"{path} is not a log of rrr-local", "choose another folder with RRR_DATA_DIR")
    if version > SCHEMA_VERSION:
        raise UsageError(f"{path} was made by a newer rrr-local", "upgrade with `pip install --upgrade rrr-local`")
    return int(version)
