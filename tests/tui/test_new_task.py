"""A task out of a file, on the Tasks page: looked at, changed, written, tried on the bench, removed."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Input, Static, TextArea

from rrr_local.actions import Place
from rrr_local.episode import Split
from rrr_local.tasks.find import find_task, own_tasks
from tests.tui.support import NO_ENGINE, check_snapshot, drive, text_of, until
from tui.app import RrrApp
from tui.screens.new_task import NewTaskScreen
from tui.screens.tasks import TasksScreen
from tui.widgets.dialog import Choose, Type

SIZES = [(80, 24), (120, 36)]
SUMS = "question,goal\n" + "".join(f"What is {n} plus {n}?,{2 * n}\n" for n in range(1, 21))


@pytest.fixture
def sums(tmp_path: Path) -> Path:
    """20 sums with columns of a person's own."""
    path = tmp_path / "sums.csv"
    path.write_text(SUMS, encoding="utf-8")
    return path


def shown(app: RrrApp) -> str:
    return str(app.screen.query_one("#shown", Static).content)


def has(app: RrrApp, words: str) -> bool:
    return isinstance(app.screen, NewTaskScreen) and words in shown(app)


async def look_at(app: RrrApp, pilot: Pilot[None], file: Path) -> None:
    """The dialog of a new task, for this file."""
    await until(pilot, lambda: isinstance(app.screen, TasksScreen) and app.screen.chosen() is not None)
    await pilot.press("n")
    await until(pilot, lambda: isinstance(app.screen, Type))
    app.screen.query_one(Input).value = str(file)
    await pilot.press("enter")
    await until(pilot, lambda: isinstance(app.screen, NewTaskScreen))


@pytest.mark.parametrize("size", SIZES)
def test_a_task_is_made_of_a_file_and_tried_on_the_bench(folder: Path, sums: Path, size: tuple[int, int]) -> None:
    async def story(app: RrrApp, pilot: Pilot[None]) -> None:
        await look_at(app, pilot, sums)
        await until(pilot, partial(has, app, "problem 3"))
        check_snapshot(f"tasks-new-{size[0]}x{size[1]}", text_of(app))
        assert own_tasks() == []
        await pilot.press("ctrl+s")
        await until(pilot, lambda: isinstance(app.screen, TasksScreen) and str(app.screen.pager.key) == "sums")
        assert own_tasks() == ["sums"]
        problem = find_task("sums").problems(Split.TRAIN)[0]
        await pilot.press("b")
        answer = problem.info["goal"]
        app.screen.query_one(TextArea).text = f"<answer>{answer}</answer>"
        await until(pilot, lambda: "right" in str(app.screen.query_one("#bench-verdict", Static).content))
        app.screen.query_one(TextArea).text = "<answer>-1</answer>"
        await until(pilot, lambda: "wrong" in str(app.screen.query_one("#bench-verdict", Static).content))

    drive(folder, story, engine=NO_ENGINE, size=size, start=Place.TASKS)


def test_what_was_guessed_can_be_said_otherwise(folder: Path, sums: Path) -> None:
    async def story(app: RrrApp, pilot: Pilot[None]) -> None:
        await look_at(app, pilot, sums)
        await until(pilot, partial(has, app, "problem 3"))
        app.screen.query_one("#name", Input).value = "my-sums"
        app.screen.query_one("#prompt", Input).value = "Add up. {question}"
        app.screen.query_one("#check", Input).value = "contains"
        await pilot.press("enter")
        await until(pilot, partial(has, app, "Add up. What is"))
        await pilot.press("ctrl+s")
        await until(pilot, lambda: own_tasks() == ["my-sums"])
        assert find_task("my-sums").problems(Split.EVAL)[0].prompt.startswith("Add up. What is ")

    drive(folder, story, engine=NO_ENGINE, start=Place.TASKS)


def test_rows_that_cannot_be_used_are_named_and_left_out_if_one_wants(folder: Path, sums: Path) -> None:
    sums.write_text(SUMS + "What is nothing?,\n", encoding="utf-8")

    async def story(app: RrrApp, pilot: Pilot[None]) -> None:
        await look_at(app, pilot, sums)
        await until(pilot, partial(has, app, "line 22: "))
        await pilot.press("ctrl+s")
        assert own_tasks() == []
        await pilot.press("ctrl+b")
        await until(pilot, partial(has, app, "20 problems"))
        await pilot.press("ctrl+s")
        await until(pilot, lambda: own_tasks() == ["sums"])

    drive(folder, story, engine=NO_ENGINE, start=Place.TASKS)


def test_a_file_that_is_none_says_so_and_nothing_is_written(folder: Path, tmp_path: Path) -> None:
    async def story(app: RrrApp, pilot: Pilot[None]) -> None:
        await look_at(app, pilot, tmp_path / "[b]nothing[/b].csv")
        await until(pilot, partial(has, app, "[b]nothing[/b].csv"))
        await pilot.press("ctrl+s", "escape")
        await until(pilot, lambda: isinstance(app.screen, TasksScreen))
        assert own_tasks() == []

    drive(folder, story, engine=NO_ENGINE, start=Place.TASKS)


def test_a_task_of_ones_own_is_replaced_and_removed_after_a_question(folder: Path, sums: Path) -> None:
    async def story(app: RrrApp, pilot: Pilot[None]) -> None:
        for answers in ((), ("escape", "ctrl+s", "r")):
            await look_at(app, pilot, sums)
            await until(pilot, partial(has, app, "problem 3"))
            await pilot.press("ctrl+s")
            for key in answers:
                await until(pilot, lambda: isinstance(app.screen, Choose | NewTaskScreen))
                await pilot.press(key)
            await until(pilot, lambda: isinstance(app.screen, TasksScreen) and str(app.screen.pager.key) == "sums")
        await pilot.press("delete")
        await until(pilot, lambda: isinstance(app.screen, Choose))
        await pilot.press("r")
        await until(pilot, lambda: own_tasks() == [])
        await until(pilot, lambda: isinstance(app.screen, TasksScreen) and str(app.screen.pager.key) != "sums")
        await pilot.press("home")
        assert isinstance(app.screen, TasksScreen) and app.screen.can("remove") is False

    drive(folder, story, engine=NO_ENGINE, start=Place.TASKS)
