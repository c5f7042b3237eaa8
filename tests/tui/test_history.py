"""The history page: paging, filters, the whole trace, excluding, answering, exporting, and the ways to the chat."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Input, Static

from rrr_local.actions import Place
from rrr_local.store import history
from rrr_local.store.history import EpisodeFilter, Outcome
from rrr_local.store.store import Store
from tests.tui.support import NO_ENGINE, check_snapshot, drive, text_of, until
from tui.app import RrrApp
from tui.screens.history import HistoryScreen
from tui.widgets.pager import PAGE
from tui.widgets.prompt import Prompt

SIZES = ((80, 24), (120, 36))


def page(app: RrrApp) -> HistoryScreen:
    assert isinstance(app.screen, HistoryScreen)
    return app.screen


def line(app: RrrApp, name: str) -> str:
    return str(page(app).query_one(f"#{name}", Static).content)


async def filtered(app: RrrApp, pilot: Pilot[None], text: str) -> None:
    """Type a filter and wait until the list follows."""
    await pilot.press("/")
    page(app).query_one(Input).value = text
    await pilot.press("enter")
    await app.workers.wait_for_complete()
    await pilot.pause()


@pytest.mark.parametrize("size", SIZES)
def test_the_newest_episodes_come_first_with_their_trace(sampled: Path, size: tuple[int, int]) -> None:
    async def story(app: RrrApp, pilot: Pilot[None]) -> None:
        await until(pilot, lambda: "188 episodes" in text_of(app))
        check_snapshot(f"history-list-{size[0]}x{size[1]}", text_of(app))

    drive(sampled, story, engine=NO_ENGINE, size=size, start=Place.HISTORY)


def test_nothing_yet_and_no_match_are_told_apart(folder: Path) -> None:
    async def story(app: RrrApp, pilot: Pilot[None]) -> None:
        await until(pilot, lambda: "0 episodes" in text_of(app))
        check_snapshot("history-empty-80x24", text_of(app))
        await filtered(app, pilot, "nowhere")
        assert "No match." in text_of(app) and "Nothing yet" not in text_of(app)
        await pilot.press("c")
        await pilot.pause()
        assert "Nothing yet" in text_of(app)

    drive(folder, story, engine=NO_ENGINE, start=Place.HISTORY)


def test_a_filter_narrows_list_and_totals(sampled: Path) -> None:
    async def story(app: RrrApp, pilot: Pilot[None]) -> None:
        await until(pilot, lambda: page(app).pager.key is not None)
        await filtered(app, pilot, "capital outcome:failed judge:user kind:chat")
        assert [row.key for row in page(app).pager.shown] == [page(app).pager.key]
        assert "1 episode" in line(app, "totals")
        assert "What is the capital of France?" in text_of(app)
        await filtered(app, pilot, "outcome:fixd")
        assert "did you mean outcome:fixed?" in line(app, "totals")

    drive(sampled, story, engine=NO_ENGINE, start=Place.HISTORY)


def test_f_goes_through_the_ready_filters(sampled: Path) -> None:
    async def story(app: RrrApp, pilot: Pilot[None]) -> None:
        await until(pilot, lambda: page(app).pager.key is not None)
        for expected in ("outcome:passed", "outcome:fixed"):
            await pilot.press("f")
            await pilot.pause()
            assert page(app).query_one(Input).value == expected
        found = history.episodes(app.services.store.reader(), PAGE, which=EpisodeFilter(outcome=Outcome.FIXED))
        assert [row.key for row in page(app).pager.shown] == [each.id for each in found]

    drive(sampled, story, engine=NO_ENGINE, start=Place.HISTORY)


def test_excluding_can_be_taken_back(sampled: Path) -> None:
    async def story(app: RrrApp, pilot: Pilot[None]) -> None:
        await until(pilot, lambda: page(app).pager.key is not None)
        key = page(app).pager.key
        await pilot.press("x")
        await pilot.pause()
        assert "(excluded)" in text_of(app) and page(app).pager.key == key
        assert excluded(app) == [key]
        await pilot.press("x")
        await pilot.pause()
        assert excluded(app) == []

    def excluded(app: RrrApp) -> list[int]:
        which = EpisodeFilter(excluded=True)
        return [each.id for each in history.episodes(app.services.store.reader(), which=which)]

    drive(sampled, story, engine=NO_ENGINE, start=Place.HISTORY)


def test_a_question_gets_its_answer_later(sampled: Path) -> None:
    async def story(app: RrrApp, pilot: Pilot[None]) -> None:
        await until(pilot, lambda: page(app).pager.key is not None)
        assert not page(app).can("answer")  # a task's problem is checked already
        await filtered(app, pilot, "capital")
        await pilot.press("a")
        await until(pilot, lambda: not isinstance(app.screen, HistoryScreen))
        app.screen.query_one(Input).value = "Paris"
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, HistoryScreen))
        await app.workers.wait_for_complete()
        reader = app.services.store.reader()
        (found,) = history.episodes(reader, which=EpisodeFilter(text="capital"))
        problem = history.episode(reader, found.id).problem
        assert problem is not None and problem.info["expect"] == "Paris"
        assert page(app).pager.key == found.id and found.outcome is Outcome.FAILED

    drive(sampled, story, engine=NO_ENGINE, start=Place.HISTORY)


def test_a_problem_is_taken_to_the_chat(sampled: Path) -> None:
    async def story(app: RrrApp, pilot: Pilot[None]) -> None:
        await until(pilot, lambda: page(app).pager.key is not None)
        await pilot.press("t")
        await until(pilot, lambda: app.current_mode == Place.CHAT)
        await pilot.pause()
        assert app.screen.query_one(Prompt).text.startswith("Using the numbers [2, 19, 2]")

    drive(sampled, story, engine=NO_ENGINE, start=Place.HISTORY)


def test_the_chat_of_a_turn_opens(sampled: Path) -> None:
    async def story(app: RrrApp, pilot: Pilot[None]) -> None:
        await until(pilot, lambda: page(app).pager.key is not None)
        await filtered(app, pilot, "capital")
        await pilot.press("o")
        await until(pilot, lambda: app.current_mode == Place.CHAT and "capital of France" in text_of(app))

    drive(sampled, story, engine=NO_ENGINE, start=Place.HISTORY)


def test_what_is_listed_is_saved(sampled: Path) -> None:
    file = sampled / "exports" / "episodes.jsonl"

    async def story(app: RrrApp, pilot: Pilot[None]) -> None:
        await until(pilot, lambda: page(app).pager.key is not None)
        await filtered(app, pilot, "outcome:fixed")
        await pilot.press("e")
        await until(pilot, lambda: "JSON lines" in text_of(app))
        await pilot.press("j")
        await until(pilot, lambda: file.exists() and file.stat().st_size)

    drive(sampled, story, engine=NO_ENGINE, start=Place.HISTORY)
    documents = [json.loads(each) for each in file.read_text(encoding="utf-8").splitlines()]
    assert documents and {each["outcome"] for each in documents} == {"fixed"}


def test_an_episode_is_opened_from_elsewhere_wherever_it_is(sampled: Path) -> None:
    async def story(app: RrrApp, pilot: Pilot[None]) -> None:
        await pilot.pause()
        await app.open_episode(3)
        await until(pilot, lambda: page(app).pager.key == 3)
        assert "Problem" in text_of(app)
        await pilot.press("up")
        await until(pilot, lambda: page(app).pager.key != 3)

    drive(sampled, story, engine=NO_ENGINE, start=Place.TASKS)


def test_fifty_thousand_episodes_never_mount_more_than_a_page(folder: Path) -> None:
    count = 50_000
    _many(folder / "rrr.db", count)

    async def story(app: RrrApp, pilot: Pilot[None]) -> None:
        await until(pilot, lambda: page(app).pager.key == count)
        seen = [row.key for row in page(app).pager.shown]
        for _ in range(4):
            await pilot.press("end", "down")
            await pilot.pause()
            seen += [row.key for row in page(app).pager.shown]
            assert page(app).pager.row_count <= PAGE
        assert seen == list(range(count, count - 5 * PAGE, -1))
        await pilot.press("home", "up")
        await pilot.pause()
        assert page(app).pager.key == count - 4 * PAGE + 1
        await app.open_episode(17)
        await until(pilot, lambda: page(app).pager.key == 17)
        assert page(app).pager.row_count == 17

    drive(folder, story, engine=NO_ENGINE, start=Place.HISTORY)


def _many(database: Path, count: int) -> None:
    """A log with many short attempts, written past the store, which would take minutes."""
    from rrr_local.store.sqlite import connect

    Store.open(database).close()
    connection = connect(database)
    connection.executescript(
        f"""BEGIN;
        INSERT INTO sessions(id, kind, started_at) VALUES ('s', 'collect', '2026-03-14T10:00:00.000Z');
        WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count})
        INSERT INTO attempts(id, session_id, attempt_no, text, created_at)
          SELECT i, 's', 1, 'reply ' || i, '2026-03-14T10:00:00.000Z' FROM n;
        INSERT INTO outcomes(attempt_id, source, verdict, score, created_at)
          SELECT id, 'verifier', 'fail', 0, created_at FROM attempts;
        COMMIT;"""
    )
    connection.close()
