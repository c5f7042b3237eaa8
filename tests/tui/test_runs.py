"""The runs page: what each run brought, before and after on the same problems, lessons, notes, cards, and what is done with a run."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Input, Static

from rrr_local.actions import Place
from rrr_local.store import queries
from rrr_local.store.queries import Run
from tests.tui.support import NO_ENGINE, check_snapshot, drive, text_of, until
from tui.app import RrrApp
from tui.screens.runs import RunsScreen
from tui.widgets.chart import Chart
from tui.widgets.problems import Problems, is_broken

SIZES = ((80, 24), (120, 36))


def page(app: RrrApp) -> RunsScreen:
    assert isinstance(app.screen, RunsScreen)
    return app.screen


def run(app: RrrApp, name: str) -> Run:
    return queries.run(app.services.store.reader(), name)


async def at_run_1(app: RrrApp, pilot: Pilot[None]) -> None:
    await until(pilot, lambda: page(app).pager.key is not None)
    await pilot.press("down", "down")
    await pilot.pause()


@pytest.mark.parametrize("size", SIZES)
def test_the_list_says_what_each_run_brought(sampled: Path, size: tuple[int, int]) -> None:
    async def story(app: RrrApp, pilot: Pilot[None]) -> None:
        await at_run_1(app, pilot)
        check_snapshot(f"runs-list-{size[0]}x{size[1]}", text_of(app))

    drive(sampled, story, engine=NO_ENGINE, size=size, start=Place.RUNS)


def test_without_runs_the_page_says_what_one_is(folder: Path) -> None:
    async def story(app: RrrApp, pilot: Pilot[None]) -> None:
        await pilot.pause()
        check_snapshot("runs-empty-80x24", text_of(app))

    drive(folder, story, engine=NO_ENGINE, start=Place.RUNS)


@pytest.mark.parametrize("size", SIZES)
def test_comparing_shows_the_same_problem_before_and_after(sampled: Path, size: tuple[int, int]) -> None:
    async def story(app: RrrApp, pilot: Pilot[None]) -> None:
        await at_run_1(app, pilot)
        await pilot.press("c", "f")
        await pilot.pause()
        check_snapshot(f"runs-compare-{size[0]}x{size[1]}", text_of(app))

    drive(sampled, story, engine=NO_ENGINE, size=size, start=Place.RUNS)


def test_newly_broken_problems_are_found_one_after_the_other(sampled: Path) -> None:
    async def story(app: RrrApp, pilot: Pilot[None]) -> None:
        await at_run_1(app, pilot)
        await pilot.press("c", "n")
        problems = page(app).query_one(Problems)
        broken = [each for _, each in problems.shown]
        assert broken and all(is_broken(each) for each in broken)
        assert f"problem 1 of {len(broken)}" in text_of(app)
        await pilot.press("[")
        await pilot.pause()
        assert f"problem {len(broken)} of {len(broken)}" in text_of(app)
        await pilot.press("n", "escape")
        await pilot.pause()
        assert page(app).pager.has_focus

    drive(sampled, story, engine=NO_ENGINE, start=Place.RUNS)


def test_marked_runs_are_drawn_over_each_other(sampled: Path) -> None:
    async def story(app: RrrApp, pilot: Pilot[None]) -> None:
        await at_run_1(app, pilot)
        await pilot.press("space", "up", "space", "c")
        await pilot.pause()
        lines = page(app).query_one("#reward", Chart).lines
        assert [line.name for line in lines] == ["run-1", "run-2"]
        assert [len(line.points) for line in lines] == [40, 12]
        assert "1 run-1  2 run-2" in text_of(app)

    drive(sampled, story, engine=NO_ENGINE, start=Place.RUNS)


def test_lessons_are_the_reflections_that_helped(sampled: Path) -> None:
    async def story(app: RrrApp, pilot: Pilot[None]) -> None:
        await at_run_1(app, pilot)
        await pilot.press("l")
        await pilot.pause()
        check_snapshot("runs-lessons-80x24", text_of(app))

    drive(sampled, story, engine=NO_ENGINE, start=Place.RUNS)


def test_a_note_is_kept(sampled: Path) -> None:
    async def story(app: RrrApp, pilot: Pilot[None]) -> None:
        await at_run_1(app, pilot)
        await pilot.press("a")
        await until(pilot, lambda: not isinstance(app.screen, RunsScreen))
        app.screen.query_one(Input).value = "the [/b] good one"
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, RunsScreen) and "the [/b] good one" in text_of(app))
        assert run(app, "run-1").note == "the [/b] good one"

    drive(sampled, story, engine=NO_ENGINE, start=Place.RUNS)


def test_use_makes_the_chat_begin_with_the_adapter(sampled: Path) -> None:
    async def story(app: RrrApp, pilot: Pilot[None]) -> None:
        await at_run_1(app, pilot)
        await pilot.press("u")
        await until(pilot, lambda: app.services.settings.get("chat.adapter") == "run-1")
        assert app.services.settings.get("chat.model") == "tiny"
        await until(pilot, lambda: "● " in text_of(app).splitlines()[4])

    drive(sampled, story, engine=NO_ENGINE, start=Place.RUNS)


def test_discarding_asks_first_and_keeps_the_log(sampled: Path) -> None:
    async def story(app: RrrApp, pilot: Pilot[None]) -> None:
        await at_run_1(app, pilot)
        await pilot.press("delete")
        await until(pilot, lambda: "Delete what run-1 has learned?" in text_of(app))
        await pilot.press("k")
        await until(pilot, lambda: isinstance(app.screen, RunsScreen))
        assert run(app, "run-1").last_checkpoint is not None
        await pilot.press("delete")
        await until(pilot, lambda: not isinstance(app.screen, RunsScreen))
        await pilot.press("d")
        await until(pilot, lambda: run(app, "run-1").last_checkpoint is None)
        assert len(queries.steps(app.services.store.reader(), run(app, "run-1").summary.id)) == 40
        await until(pilot, lambda: page(app).can("use") is not True)

    drive(sampled, story, engine=NO_ENGINE, start=Place.RUNS)


def test_the_card_is_written_as_a_file_and_a_second_one_beside_it(sampled: Path) -> None:
    async def story(app: RrrApp, pilot: Pilot[None]) -> None:
        await at_run_1(app, pilot)
        await pilot.press("r")
        await until(pilot, lambda: (sampled / "exports" / "run-1.md").exists())
        await pilot.press("r")
        await until(pilot, lambda: (sampled / "exports" / "run-1-2.md").exists())

    drive(sampled, story, engine=NO_ENGINE, start=Place.RUNS)
    assert "## Newly broken" in (sampled / "exports" / "run-1.md").read_text(encoding="utf-8")


def test_a_run_whose_model_is_gone_can_still_be_looked_at(sampled: Path) -> None:
    gone = sampled / "gone"

    async def story(app: RrrApp, pilot: Pilot[None]) -> None:
        await at_run_1(app, pilot)
        assert "not on this machine" in " ".join(str(page(app).query_one("#facts", Static).content).split())
        await pilot.press("u")
        await pilot.pause()
        assert app.services.settings.get("chat.adapter") == ""
        await pilot.press("c")
        await until(pilot, lambda: "problem 1 of" in text_of(app))

    shutil.rmtree(gone, ignore_errors=True)
    _point_models_at(sampled / "rrr.db", gone)
    drive(sampled, story, engine=NO_ENGINE, start=Place.RUNS)


def _point_models_at(database: Path, folder: Path) -> None:
    from rrr_local.store.sqlite import connect

    connection = connect(database)
    connection.execute("UPDATE models SET local_path = ?", (str(folder),))
    connection.close()


def test_a_run_can_be_opened_from_elsewhere(sampled: Path) -> None:
    async def story(app: RrrApp, pilot: Pilot[None]) -> None:
        await pilot.pause()
        await app.open_run("run-1")
        await until(pilot, lambda: page(app).pager.key == run(app, "run-1").summary.id)

    drive(sampled, story, engine=NO_ENGINE, start=Place.TASKS)
