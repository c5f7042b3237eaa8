"""The tasks page's list: the ones that ship, questions of one's own, and whatever else the log knows."""

from __future__ import annotations

from dataclasses import dataclass

from rrr_local.episode import Split
from rrr_local.errors import RrrError
from rrr_local.store.store import Store
from rrr_local.store.tasks_read import TaskStats, source_of, tasks_stats
from rrr_local.tasks.base import Task
from rrr_local.tasks.countdown import Countdown
from rrr_local.tasks.files.task import FileTask
from rrr_local.tasks.find import find_task, known_tasks, own_tasks
from rrr_local.tasks.function_calling import FunctionCalling
from rrr_local.tasks.question import NAME as QUESTION
from rrr_local.tasks.question import Question
from rrr_local.verifiers.checks import KINDS
from tui.widgets.pager import Cell, Column, Row, Tone

COLUMNS = (
    Column("task", None),
    Column("first try", 10),
    Column("tries", 7),
    Column("failures", 9),
    Column("to train on", 11),
    Column("held out", 9),
    Column("disputed", 9),
)
_QUESTION = "your own questions in the chat; /check gives one its right answer, and makes it trainable"

_VERIFIERS: dict[type[Task], str] = {
    Countdown: "reads the equation in <answer> by exact arithmetic; every number must be used exactly once",
    FunctionCalling: "compares the calls in the reply with the right ones, value by value; order does not matter",
    Question: "compares with the answer you gave: a number exactly, other text without regard to case and punctuation",
}


@dataclass(frozen=True, slots=True)
class TaskRow:
    """A task with what the log and its folder know about it."""

    name: str
    source: str
    """What `find_task` finds it by: a folder of one's own is not found by its name."""
    about: str
    stats: TaskStats | None
    """None where the log has nothing."""
    task: Task | None
    """None when its folder cannot be read; then `problem` says why."""
    problem: str
    train: int
    held_out: int
    own: bool = False
    """Whether it is in the tasks folder, and can be removed."""

    @property
    def verifier(self) -> str:
        """Who judges, in a few words."""
        if isinstance(self.task, FileTask):
            return KINDS[self.task.check.kind]
        return next((words for kind, words in _VERIFIERS.items() if isinstance(self.task, kind)), "")


def task_rows(store: Store) -> list[TaskRow]:
    """Everything there is, what ships first. Reads files: not for the thread that draws."""
    reader, about, own = store.reader(), known_tasks(), own_tasks()
    stats = {each.task: each for each in tasks_stats(reader)}
    rows = []
    for name in dict.fromkeys((*about, QUESTION, *stats)):
        source = name if name in about else source_of(reader, name)
        found = _QUESTION if name == QUESTION else about.get(name, "problems in a folder of yours")
        rows.append(_row(name, source, found, stats.get(name), name in own))
    return rows


def _row(name: str, source: str, about: str, stats: TaskStats | None, own: bool) -> TaskRow:
    try:
        task = find_task(source)
        train, held_out = (
            (0, 0) if name == QUESTION else (len(task.problems(split)) for split in (Split.TRAIN, Split.EVAL))
        )
    except (RrrError, OSError, ValueError) as error:
        return TaskRow(name, source, about, stats, None, str(error), 0, 0, own)
    return TaskRow(name, source, about, stats, task, "", train, held_out, own)


def as_row(row: TaskRow) -> Row:
    """A row of the list."""
    stats = row.stats
    rate = "" if stats is None or stats.first_try is None else f"{100 * stats.first_try:.0f} %"
    counts = ("", "") if stats is None else (f"{stats.attempts:,}", f"{stats.failures:,}")
    disputed = Cell(str(stats.disputed), Tone.CAREFUL) if stats is not None and stats.disputed else ""
    problems = ("", "") if row.name == QUESTION else (f"{row.train:,}", f"{row.held_out:,}")
    return Row(row.name, (row.name, rate, *counts, *problems, disputed))
