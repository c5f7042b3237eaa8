"""Starting and resuming runs: the lock, the row in the log, the folder, and the trainer in between.

job = create(...) or reopen(...)
with training(job, ...) as trainer:        the run is locked and RUNNING
    for progress in prepare(job, ...): ... failures collected, or the newest checkpoint loaded
    for record in trainer.run(): ...
                                           DONE, STOPPED, PAUSED by a verifier that broke, or FAILED with its cause
"""

from __future__ import annotations

import os
import platform
import socket
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from importlib.metadata import version

from rrr_local import __version__, journal, paths
from rrr_local.backends.base import Backend
from rrr_local.errors import BrokenVerifier, UsageError
from rrr_local.loop import Loop
from rrr_local.store import queries
from rrr_local.store.records import RunPhase, RunRecord, RunStatus, SessionKind
from rrr_local.store.store import Store
from rrr_local.tasks.base import Task
from rrr_local.training import checkpoint, failures, names
from rrr_local.training.failures import Progress
from rrr_local.training.lock import RunLock
from rrr_local.training.recipes import Recipe, from_json
from rrr_local.training.trainer import Job, Trainer, collecting


def create(
    store: Store, registered: journal.Registered, backend: Backend, recipe: Recipe, seed: int, name: str | None = None
) -> Job:
    """A new run with a name of its own (`run-7` unless given)."""
    name = name or names.next_name(store)
    source = recipe.failures_from
    run_id = store.create_run(
        RunRecord(
            name=name,
            model_id=registered.model_id,
            task_id=registered.task_id,
            backend=backend.name,
            seed=seed,
            config=recipe.to_json(),
            total_steps=recipe.steps,
            failures_session_id=None if not source or source.startswith(failures.POOL) else source,
            env=_environment(),
        )
    )
    return _job(store, registered, run_id, name, recipe, seed)


def reopen(store: Store, registered: journal.Registered, name: str) -> Job:
    """A run that exists. Raises `NotFoundError`; `UsageError` when it was made with another model or task."""
    found = queries.run(store.reader(), name)
    if (found.model_id, found.task_id) != (registered.model_id, registered.task_id):
        raise UsageError(f"{name} was trained on another model or task", "give the ones it started with")
    return _job(store, registered, found.summary.id, found.summary.name, from_json(found.config), found.seed)


@contextmanager
def training(job: Job, backend: Backend, task: Task, store: Store) -> Iterator[Trainer]:
    """Hold the run while the block trains it; its status in the log is right however the block ends.

    Raises `BusyError` when another process holds it.
    """
    with RunLock(job.folder):
        # One statement: whoever asks something of a run that is RUNNING with our pid is heard.
        store.update_run(
            job.run_id,
            status=RunStatus.RUNNING,
            pid=os.getpid(),
            host=socket.gethostname(),
            error=None,
            request=None,
            phase=RunPhase.PREPARING,
            phase_done=0,
            phase_total=0,
        )
        trainer = Trainer(job, backend, task, store)
        try:
            yield trainer
        except (KeyboardInterrupt, SystemExit, GeneratorExit):
            store.update_run(job.run_id, status=RunStatus.STOPPED)
            raise
        except BrokenVerifier as error:
            store.update_run(job.run_id, status=RunStatus.PAUSED, error=str(error), request=None)
            store.end_session(job.session_id)
            raise
        except BaseException as error:
            store.update_run(job.run_id, status=RunStatus.FAILED, error=str(error))
            raise
        finished = trainer.step >= job.recipe.steps
        status = trainer.ending or (RunStatus.DONE if finished else RunStatus.STOPPED)
        store.update_run(job.run_id, status=status, request=None)
        store.end_session(job.session_id)


def prepare(job: Job, trainer: Trainer, loop: Loop, store: Store) -> Generator[Progress, None, str | None]:
    """Bring a run to where it can train: its newest checkpoint, or a fresh adapter and the failures its recipe names.

    Yields how far collecting is, where failures have to be collected. Returns a notice for a person where damaged checkpoints had to
    be passed over. To be called inside `training`.
    """
    found = checkpoint.recover(job.folder)
    if found.checkpoint is not None:
        store.rewind_run(job.run_id, found.checkpoint.step)
        trainer.resume(found.checkpoint)
        return found.notice
    if queries.run(store.reader(), job.run_id).summary.last_step:
        store.rewind_run(job.run_id, 0)  # its checkpoints are gone, and with them what its steps came to
    source = job.recipe.failures_from
    if not source:
        for progress in collecting(job, loop, store, 0):
            source = progress.session_id
            yield progress
    trainer.begin(source)
    return found.notice


def _job(store: Store, registered: journal.Registered, run_id: str, name: str, recipe: Recipe, seed: int) -> Job:
    session = store.start_session(
        SessionKind.TRAIN, model_id=registered.model_id, task_id=registered.task_id, train_run_id=run_id
    )
    folder = paths.runs_folder() / name
    return Job(run_id, name, folder, paths.data_folder(), recipe, seed, registered, session)


def _environment() -> dict[str, str]:
    """What computed: for the record, and to explain a difference between two machines."""
    return {
        "rrr-local": __version__,
        "numpy": version("numpy"),
        "python": platform.python_version(),
        "platform": platform.platform(),
    }
