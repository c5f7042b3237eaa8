"""The end of a trainer's log, for a person."""

from __future__ import annotations

from rrr_local import paths
from rrr_local.engine.detached import LOG

TAIL = 64 * 2**10
"""Bytes that are read."""


def tail(run_name: str) -> str:
    """The last lines of what a run's trainer wrote, or a sentence where it wrote nothing."""
    path = paths.runs_folder() / run_name / LOG
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - TAIL))
            text = file.read().decode(errors="replace")
    except OSError as error:
        return f"there is no log: {error.strerror}"
    return text.strip() or "the trainer has written nothing"
