"""The tasks page's list: the ones that ship, questions of one's own, and whatever else the log knows."""

from __future__ import annotations

from dataclasses import dataclass

from rrr_local.episode import Split
from rrr_local.errors import RrrError
from rrr_local.store.store import Store
from rrr_local.store.tasks_read import TaskStats, tasks_stats
from rrr_local.tasks.base import Task
from rrr_local.tasks.countdown import Countdown
from rrr_local.tasks.find import BUNDLED, find_task
from rrr_local.tasks.question import NAME as QUESTION
from rrr_local.tasks.question import Question
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
_ABOUT = {
    **BUNDLED,
    QUESTION: "your own questions in the chat; /check gives one its right answer, and makes it trainable",
}


_VERIFIERS: dict[type[Task], str] = {
    Countdown: "reads the equation in <answer> by exact arithmetic; every number must be used exactly once",
    Question: "compares with the answer you gave: a number exactly, other text without regard to case and punctuation",
}


@dataclass(frozen=True, slots=True)
class TaskRow:
    """A task with what the log and its folder know about it."""

    name: str
    about: str
    stats: TaskStats | None
    """None where the log has nothing."""
    task: Task | None
    """None when its folder cannot be read; then `problem` says why."""
    problem: str
    train: int
    held_out: int

    @property
    def verifier(self) -> str:
        """Who judges, in a few words."""
        return next((words for kind, words in _VERIFIERS.items() if isinstance(self.task, kind)), "")


def task_rows(store: Store) -> list[TaskRow]:
    """Everything there is, what ships first."""
    stats = {each.task: each for each in tasks_stats(store.reader())}
    return [_row(name, stats.get(name)) for name in dict.fromkeys((*BUNDLED, QUESTION, *stats))]


def _row(name: str, stats: TaskStats | None) -> TaskRow:
    about = _ABOUT.get(name, "problems in a folder of yours")
    try:
        task = find_task(name)
        train, held_out = (
            (0, 0) if name == QUESTION else (len(task.problems(split)) for split in (Split.TRAIN, Split.EVAL))
        )
    except (RrrError, OSError, ValueError) as error:
        return TaskRow(name, about, stats, None, str(error), 0, 0)
    return TaskRow(name, about, stats, task, "", train, held_out)


def as_row(row: TaskRow) -> Row:
    """A row of the list."""
    stats = row.stats
    rate = "" if stats is None or stats.first_try is None else f"{100 * stats.first_try:.0f} %"
    counts = ("", "") if stats is None else (f"{stats.attempts:,}", f"{stats.failures:,}")
    disputed = Cell(str(stats.disputed), Tone.CAREFUL) if stats is not None and stats.disputed else ""
    problems = ("", "") if row.name == QUESTION else (f"{row.train:,}", f"{row.held_out:,}")
    return Row(row.name, (row.name, rate, *counts, *problems, disputed))
