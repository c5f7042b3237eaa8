"""Tasks by name: the ones that ship, a person's own question, and Countdown problems in a person's own folder."""

from __future__ import annotations

from pathlib import Path

from rrr_local.errors import NotFoundError
from rrr_local.paths import bundled
from rrr_local.tasks.base import Task
from rrr_local.tasks.countdown import Countdown
from rrr_local.tasks.question import NAME, Question

BUNDLED = {
    "countdown": "3 numbers up to 20, targets to 100; what the embedded model was made for",
    "countdown-full": "3 or 4 numbers up to 99, targets to 100; the paper's range",
}
"""Name and description of each task that ships."""


def find_task(name: str) -> Task:
    """A bundled task, or the Countdown problems in a folder with `train.jsonl` and `eval.jsonl`.

    Raises `NotFoundError` when there is neither.
    """
    if name in BUNDLED:
        return Countdown(name, bundled(name), name)
    if name == NAME:
        return Question()
    folder = Path(name).expanduser().resolve()
    missing = next((f for f in ("train.jsonl", "eval.jsonl") if not (folder / f).is_file()), None)
    if missing is not None:
        raise NotFoundError(
            f"there is no task {name!r}", f"choose {', '.join(BUNDLED)}, or a folder with train.jsonl and eval.jsonl"
        )
    return Countdown(folder.name, folder, str(folder))
