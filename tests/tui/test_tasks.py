"""The tasks page: what each task is and how it goes, examples, the bench, disputes, collecting, and the way to the chat."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Input, Static, TextArea

from rrr_local.actions import Place
from rrr_local.episode import VerdictKind
from rrr_local.store.store import Store
from tests.tui.scripted_jobs import jobs
from tests.tui.support import NO_ENGINE, check_snapshot, drive, text_of, until
from tui.app import RrrApp
from tui.screens.tasks import TasksScreen
from tui.widgets.prompt import Prompt

SIZES = ((80, 24), (120, 36))


def page(app: RrrApp) -> TasksScreen:
    assert isinstance(app.screen, TasksScreen)
    return app.screen


def line(app: RrrApp, name: str) -> str:
    return str(page(app).query_one(f"#{name}", Static).content)


@pytest.mark.parametrize("size", SIZES)
def test_tasks_are_listed_with_how_they_go(sampled: Path, size: tuple[int, int]) -> None:
    async def story(app: RrrApp, pilot: Pilot[None]) -> None:
        await until(pilot, lambda: page(app).chosen() is not None)
        check_snapshot(f"tasks-list-{size[0]}x{size[1]}", text_of(app))

    drive(sampled, story, engine=NO_ENGINE, size=size, start=Place.TASKS)


def says(app: RrrApp, words: str) -> bool:
    """Whether the bench's verdict has these words."""
    return words in line(app, "bench-verdict")


def test_without_a_log_the_tasks_that_ship_are_there(folder: Path) -> None:
    async def story(app: RrrApp, pilot: Pilot[None]) -> None:
        await until(pilot, lambda: page(app).chosen() is not None)
        check_snapshot("tasks-empty-80x24", text_of(app))

    drive(folder, story, engine=NO_ENGINE, start=Place.TASKS)


def test_the_bench_judges_what_is_typed(folder: Path) -> None:
    async def story(app: RrrApp, pilot: Pilot[None]) -> None:
        await until(pilot, lambda: page(app).chosen() is not None)
        await pilot.press("b")
        for typed, said in (("10 + 9", "no answer found"), ("<answer>(20 * 9) - 10</answer>", "wrong: equals 170")):
            page(app).query_one(TextArea).text = typed
            await until(pilot, partial(says, app, said))
        page(app).query_one(TextArea).text = "<answer>20 * 9 / 2</answer>"
        await until(pilot, lambda: "used 2" in line(app, "bench-verdict"))
        check_snapshot("tasks-bench-80x24", text_of(app))
        await pilot.press("escape")
        await pilot.pause()
        assert page(app).pager.has_focus

    drive(folder, story, engine=NO_ENGINE, start=Place.TASKS)


def test_the_bench_takes_the_right_answer_of_a_question(folder: Path) -> None:
    async def story(app: RrrApp, pilot: Pilot[None]) -> None:
        await until(pilot, lambda: page(app).chosen() is not None)
        await pilot.press("end", "b")
        page(app).query_one(Input).value = "paris"
        page(app).query_one(TextArea).text = "<answer>Paris</answer>"
        await until(pilot, lambda: "right" in line(app, "bench-verdict"))
        page(app).query_one(Input).value = "Rome"
        await until(pilot, lambda: "wrong: " in line(app, "bench-verdict"))
        page(app).query_one(Input).value = ""
        await until(pilot, lambda: "could not be checked" in line(app, "bench-verdict"))

    drive(folder, story, engine=NO_ENGINE, start=Place.TASKS)


def test_one_is_tried_in_the_chat_and_another_one_the_next_time(folder: Path) -> None:
    async def story(app: RrrApp, pilot: Pilot[None]) -> None:
        prompts = []
        for _ in range(2):
            await until(pilot, lambda: isinstance(app.screen, TasksScreen) and page(app).chosen() is not None)
            await pilot.press("enter")
            await until(pilot, lambda: app.current_mode == Place.CHAT and app.screen.query_one(Prompt).text)
            prompts.append(app.screen.query_one(Prompt).text)
            await pilot.press("f6")
        assert len(set(prompts)) == 2 and all(each.startswith("Using the numbers") for each in prompts)

    drive(folder, story, engine=NO_ENGINE, start=Place.TASKS)


def test_collecting_shows_how_far_it_is_and_what_came_of_it(folder: Path) -> None:
    async def story(app: RrrApp, pilot: Pilot[None]) -> None:
        await until(pilot, lambda: page(app).chosen() is not None)
        await pilot.press("c")
        await until(pilot, lambda: "30 failures in 44 attempts are kept" in line(app, "progress"))

    drive(folder, story, engine=NO_ENGINE, start=Place.TASKS, jobs=jobs("collected"))


def test_collecting_can_be_stopped(folder: Path) -> None:
    async def story(app: RrrApp, pilot: Pilot[None]) -> None:
        await until(pilot, lambda: page(app).chosen() is not None)
        await pilot.press("c")
        await until(pilot, lambda: "8 of 16, 8 attempts" in line(app, "progress"))
        check_snapshot("tasks-collecting-80x24", text_of(app))
        await pilot.press("c")
        await until(pilot, lambda: "what had failed so far is kept" in line(app, "progress"))

    drive(folder, story, engine=NO_ENGINE, start=Place.TASKS, jobs=jobs("waits"))


def test_a_collection_that_breaks_says_why(folder: Path) -> None:
    async def story(app: RrrApp, pilot: Pilot[None]) -> None:
        await until(pilot, lambda: page(app).chosen() is not None)
        await pilot.press("c")
        await until(pilot, lambda: "there is no model [/b]: give a folder" in line(app, "progress"))

    drive(folder, story, engine=NO_ENGINE, start=Place.TASKS, jobs=jobs("broken"))


def test_what_person_and_verifier_disagree_on_is_shown(sampled: Path) -> None:
    with Store.open(sampled / "rrr.db") as store:
        sql = """SELECT a.id FROM attempts a JOIN attempt_verdicts v ON v.attempt_id = a.id JOIN problems p ON p.id = a.problem_id
            JOIN tasks t ON t.id = p.task_id WHERE t.name = 'countdown' AND v.verdict = 'fail' ORDER BY a.id LIMIT 1"""
        attempt = store.reader().execute(sql).fetchone()[0]
        store.log_user_verdict(attempt, VerdictKind.PASS, "it is right")

    async def story(app: RrrApp, pilot: Pilot[None]) -> None:
        await until(pilot, lambda: "disagree" in line(app, "about"))
        assert "the verifier says wrong" in line(app, "about") and "you say right" in line(app, "about")

    drive(sampled, story, engine=NO_ENGINE, start=Place.TASKS)


def test_a_task_whose_folder_is_gone_says_so_and_the_others_work(sampled: Path) -> None:
    with Store.open(sampled / "rrr.db") as store:
        store.task("my-puzzles", 1, "Countdown", "Countdown", "ab" * 32, {})

    async def story(app: RrrApp, pilot: Pilot[None]) -> None:
        await until(pilot, lambda: page(app).chosen() is not None)
        await pilot.press("end")
        await until(pilot, lambda: "it cannot be used" in line(app, "about"))
        assert [page(app).can(name) for name in ("try", "collect", "bench")] == [False, False, False]
        await pilot.press("home")
        await until(pilot, lambda: "verifier" in line(app, "about"))

    drive(sampled, story, engine=NO_ENGINE, start=Place.TASKS)
