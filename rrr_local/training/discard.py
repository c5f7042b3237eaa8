"""Throwing away what a run has trained. What happened (steps, episodes, evaluations) stays in the log."""

from __future__ import annotations

from pathlib import Path

from rrr_local.store.queries import RunSummary
from rrr_local.store.records import ENDED, RunStatus
from rrr_local.store.store import Store
from rrr_local.training import checkpoint, lock


def discard(store: Store, run: RunSummary, folder: Path) -> None:
    """Discard a run that nobody trains; one that had not ended is stopped by it. Raises `BusyError` when somebody trains it."""
    with lock.RunLock(folder):
        remove_trained(store, run.id, folder)
        if run.status not in ENDED:
            store.update_run(run.id, status=RunStatus.STOPPED, request=None)


def remove_trained(store: Store, run_id: str, folder: Path) -> None:
    """Remove adapters and checkpoints; for whoever holds the run. The log first: a row never points at nothing."""
    store.drop_adapters(run_id)
    checkpoint.remove_all(folder)
