"""Tasks by name: the ones that ship, a person's own, those of other packages, and files and folders anywhere.

countdown                a name in BUNDLED
question                 a person's own question
puzzles                  a folder of this name in the tasks folder, made by `rrr tasks new`
gym:NAME                 a data set of the package reasoning-gym
verifiers:PACKAGE        a task of the package verifiers
FOLDER                   with a task.toml; or with train.jsonl and eval.jsonl of Countdown or function-calling problems
FILE                     rows that need no word of explanation; others become a task with `rrr tasks new FILE`
"""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path

from rrr_local.errors import NotFoundError, RrrError, UsageError
from rrr_local.paths import bundled, tasks_folder
from rrr_local.tasks.base import Task
from rrr_local.tasks.countdown import Countdown
from rrr_local.tasks.files import manifest
from rrr_local.tasks.files.rows import LONGEST_LINE
from rrr_local.tasks.question import NAME, Question

BUNDLED = {
    "countdown": "3 numbers up to 20, targets to 100; what the embedded model was made for",
    "countdown-full": "3 or 4 numbers up to 99, targets to 100; the paper's range",
    "function-calling": "synthetic tools and requests; the paper's other task, too hard for the embedded model",
    "everyday": "90 short questions, none to train on: does a model still know what it knew?",
}
"""Name and description of each task that ships."""

PARTS = ("train.jsonl", "eval.jsonl")
"""The files of a folder that needs no `task.toml`."""


def find_task(name: str) -> Task:
    """The task of a name; the module says what a name may be. Its problems are read later, when they are asked for.

    Raises `NotFoundError` with a close match when there is none, `UsageError` when it cannot be used.
    """
    if name in BUNDLED:
        return _bundled(name)
    if name == NAME:
        return Question()
    bridge, colon, rest = name.partition(":")
    if colon and bridge == "gym":
        from rrr_local.tasks.gym import Gym

        return Gym.named(rest)
    if colon and bridge == "verifiers":
        from rrr_local.tasks.prime import Prime

        return Prime.named(rest)
    return _own(name) or _at(name)


def known_tasks() -> Mapping[str, str]:
    """Name and description of the tasks that ship and of a person's own; a broken one says what is wrong with it."""
    return {**BUNDLED, **{name: _description(name) for name in own_tasks()}}


def own_tasks() -> list[str]:
    """The names of the tasks in the tasks folder."""
    folders = (each for each in tasks_folder().iterdir() if manifest.NAME.fullmatch(each.name))
    return sorted(each.name for each in folders if (each / manifest.FILE).is_file() or _has_parts(each))


def _bundled(name: str) -> Task:
    if name == "function-calling":
        from rrr_local.tasks.function_calling import FunctionCalling

        return FunctionCalling.bundled()
    if name == "everyday":
        from rrr_local.tasks.files.task import FileTask

        return FileTask.load(bundled(name), name)
    return Countdown(name, bundled(name), name)


def _own(name: str) -> Task | None:
    """A task in the tasks folder. Raises `UsageError` where that name leads out of it."""
    folder = tasks_folder() / name
    if not manifest.NAME.fullmatch(name) or not folder.is_dir():
        return None
    if folder.resolve() != tasks_folder().resolve() / name:
        raise UsageError(f"the task {name} is a link to {folder.resolve()}", "name that folder itself")
    task = _in_folder(folder, name)
    if task.name != name:
        raise UsageError(
            f"{manifest.FILE} of the task {name} calls it {task.name}",
            f'write name = "{name}" in {folder / manifest.FILE}',
        )
    return task


def _at(name: str) -> Task:
    """A file or a folder anywhere. Raises `NotFoundError` when it is neither."""
    try:
        path = Path(name).expanduser().resolve()
        if path.is_file():
            from rrr_local.tasks.files.new import from_file

            return from_file(path)
        if path.is_dir():
            return _in_folder(path, str(path))
    except (OSError, ValueError, RuntimeError):  # too long, a NUL in it, or no home folder: no path
        pass
    raise _not_found(name)


def _in_folder(folder: Path, source: str) -> Task:
    if (folder / manifest.FILE).is_file():
        from rrr_local.tasks.files.task import FileTask

        return FileTask.load(folder, source)
    if not _has_parts(folder):
        raise NotFoundError(
            f"{folder} is no task",
            f"it needs a {manifest.FILE} (`rrr tasks new FILE` makes one), or {' and '.join(PARTS)}",
        )
    return _of_parts(folder, source)


def _of_parts(folder: Path, source: str) -> Task:
    """Countdown or function calling, by the first problem to train on."""
    with (folder / PARTS[0]).open(encoding="utf-8", errors="replace") as file:
        first = file.readline(LONGEST_LINE)
    if '"calls"' in first:
        from rrr_local.tasks.function_calling import FunctionCalling

        return FunctionCalling(folder.name, folder, source)
    return Countdown(folder.name, folder, source)


def _has_parts(folder: Path) -> bool:
    return all((folder / part).is_file() for part in PARTS)


def _not_found(name: str) -> NotFoundError:
    known = list(known_tasks())
    close = get_close_matches(name, [*known, NAME], n=1)
    hint = f"did you mean {close[0]}? " if close else ""
    return NotFoundError(
        f"there is no task {name[:80]!r}",
        f"{hint}choose {', '.join(known)}, or a file or folder (see `rrr tasks --help`)",
    )


def _description(name: str) -> str:
    from rrr_local.tasks.files.task import FileTask

    try:
        task = find_task(name)
    except RrrError as error:
        return f"cannot be used: {error.cause}"
    own = task.manifest.description if isinstance(task, FileTask) else ""
    return own or "your own"
