"""The shell around the seven places: ways in, help, what is said when, and what goes on when one leaves."""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
from textual.command import CommandList
from textual.pilot import Pilot
from textual.widgets import Input, Markdown, Static, TextArea

from rrr_local.actions import Place
from rrr_local.engine.client import EngineState
from rrr_local.store import queries
from rrr_local.store.records import RunRequest, RunStatus
from rrr_local.store.store import Store
from rrr_local.training.lock import RunLock
from tests.tui.support import NO_ENGINE, app_at, check_snapshot, drive, text_of, until
from tui.app import RrrApp
from tui.commands import Palette
from tui.place import PlaceScreen
from tui.screens.help import ExplainScreen, HelpScreen
from tui.screens.leaving import LeaveScreen
from tui.screens.too_small import TooSmallScreen
from tui.widgets.status import Fact, PlaceTab


@contextmanager
def another_app(folder: Path) -> Iterator[None]:
    """What another app does to this folder: its engine holds the lock."""
    descriptor = os.open(folder / "engine.lock", os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        yield
    finally:
        os.close(descriptor)


@contextmanager
def trained(folder: Path, name: str) -> Iterator[None]:
    """A run that says it is running, whose lock is held."""
    with Store.open(folder / "rrr.db") as store:
        store.update_run(queries.run(store.reader(), name).summary.id, status=RunStatus.RUNNING)
    with RunLock(folder / "runs" / name):
        yield


def here(app: RrrApp) -> Place | None:
    return app.screen.PLACE if isinstance(app.screen, PlaceScreen) else None


def is_here(app: RrrApp, place: Place) -> bool:
    return here(app) is place


def bar_of(app: RrrApp) -> str:
    return text_of(app).splitlines()[0]


async def by_function_key(pilot: Pilot[None], place: Place) -> None:
    await pilot.press(f"f{place.number + 1}")


async def by_digit(pilot: Pilot[None], place: Place) -> None:
    await pilot.press("escape", str(place.number))


async def by_click(pilot: Pilot[None], place: Place) -> None:
    await pilot.click(next(tab for tab in pilot.app.screen.query(PlaceTab) if tab.place is place))


async def by_palette(pilot: Pilot[None], place: Place) -> None:
    await pilot.press("ctrl+p")
    pilot.app.screen.query_one(Input).value = f"Go to {place.label}"
    await pilot.pause(0.3)
    await pilot.press("down", "enter")


def test_every_place_is_reached_by_function_key_digit_click_and_palette(sampled: Path) -> None:
    """The fifth way, the slash command, is a test of the chat's."""

    async def story(app: RrrApp, pilot: Pilot[None]) -> None:
        for way in (by_function_key, by_digit, by_click, by_palette):
            for place in (*reversed(Place), Place.DOCTOR):
                await way(pilot, place)
                await until(pilot, partial(is_here, app, place), 10)

    drive(sampled, story, engine=NO_ENGINE)


def test_enter_right_behind_escape_in_the_palette_does_nothing(sampled: Path) -> None:
    async def story(app: RrrApp, pilot: Pilot[None]) -> None:
        await pilot.press("ctrl+p")
        app.screen.query_one(Input).value = "Go to"
        await until(pilot, lambda: "Go to Runs" in text_of(app), 10)
        await pilot.press("down")
        palette = app.screen
        assert isinstance(palette, Palette)
        # What the two keys come to where the second arrives before the palette is gone.
        palette.call_later(palette._action_escape)
        palette.query_one(CommandList).action_select()
        await until(pilot, lambda: isinstance(app.screen, PlaceScreen), 10)
        assert app.return_code is None

    drive(sampled, story, engine=NO_ENGINE)


def test_the_key_bar_of_each_place_shows_keys_of_that_place(sampled: Path) -> None:
    async def story(app: RrrApp, pilot: Pilot[None]) -> None:
        for place in Place:
            app.go(place)
            await until(pilot, partial(is_here, app, place), 5)
            await until(pilot, lambda: "f1 Help" in text_of(app).splitlines()[-1], 5)
            for action, binding in ((a.binding.action, a) for a in app.screen.active_bindings.values()):
                if action.startswith("perform") and binding.binding.show:
                    assert binding.node is app.screen

    drive(sampled, story, engine=NO_ENGINE, size=(140, 24))


def test_help_explains_each_place_and_lists_its_keys(sampled: Path) -> None:
    async def story(app: RrrApp, pilot: Pilot[None]) -> None:
        for place in Place:
            app.go(place)
            await until(pilot, partial(is_here, app, place), 10)
            await pilot.press("f1")
            await until(pilot, lambda: isinstance(app.screen, HelpScreen), 5)
            assert len(app.screen.query(Markdown).first().source) > 300
            listed = str(app.screen.query_one(".keys", Static).visual)
            assert "F1 ?" in listed and "^q" in listed
            await pilot.press("escape")
            assert here(app) is place

    drive(sampled, story, engine=NO_ENGINE)


def test_help_shows_the_page_and_then_the_keys(sampled: Path) -> None:
    async def story(app: RrrApp, pilot: Pilot[None]) -> None:
        await pilot.press("f1")
        await until(pilot, lambda: isinstance(app.screen, HelpScreen), 5)
        check_snapshot("help-80x24", text_of(app))
        await pilot.press("right")
        await pilot.pause()
        check_snapshot("help-keys-80x24", text_of(app))

    drive(sampled, story, engine=NO_ENGINE, start=Place.MODELS)


def test_a_number_explains_itself_when_clicked_and_when_asked_under_the_pointer(sampled: Path) -> None:
    async def story(app: RrrApp, pilot: Pilot[None]) -> None:
        net = app.screen.query_one("#net", Fact)
        await pilot.click(net)
        assert isinstance(app.screen, ExplainScreen)
        assert "Nothing is sent anywhere" in text_of(app)
        await pilot.press("escape")
        await pilot.hover(net)
        await pilot.press("question_mark")
        assert isinstance(app.screen, ExplainScreen)

    drive(sampled, story, engine=NO_ENGINE, size=(120, 36), start=Place.MODELS)


def test_one_can_type_before_the_model_is_loaded(folder: Path) -> None:
    async def story(app: RrrApp, pilot: Pilot[None]) -> None:
        assert app.services.engine.state is EngineState.STARTING
        assert "loading" in bar_of(app)
        await pilot.press(*"hello")
        assert app.screen.query_one(TextArea).text == "hello"
        assert app.services.engine.ready is None
        await until(pilot, lambda: app.services.engine.state is EngineState.READY, 60)
        await until(pilot, lambda: "tiny" in bar_of(app), 5)
        assert app.screen.query_one(TextArea).text == "hello"

    drive(folder, story)


def test_the_engine_ends_with_the_app(folder: Path) -> None:
    async def run() -> int:
        async with app_at(folder) as (app, pilot):
            await until(pilot, lambda: app.services.engine.state is EngineState.READY, 60)
            pid = app.services.engine.pid
            assert pid is not None
        return pid

    pid = asyncio.run(run())
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_an_engine_that_died_is_said_on_top(folder: Path) -> None:
    async def story(app: RrrApp, pilot: Pilot[None]) -> None:
        await until(pilot, lambda: app.services.engine.state is EngineState.DEAD)
        assert "✗ engine stopped" in bar_of(app)

    drive(folder, story, engine=NO_ENGINE)


def test_a_second_app_on_the_folder_only_shows(sampled: Path) -> None:
    async def story(app: RrrApp, pilot: Pilot[None]) -> None:
        assert "read-only" in bar_of(app)
        assert app.services.engine.state is EngineState.OFF
        assert "only shows" in app.read_only
        for place in Place:
            app.go(place)
            await until(pilot, partial(is_here, app, place), 5)
        app.go(Place.RUNS)
        await until(pilot, lambda: "run-1" in text_of(app), 5)
        assert not app.set_setting("ui.ascii", True)
        app.go(Place.DOCTOR)
        await pilot.press("enter")
        assert app.services.settings.get("ui.theme") == "rrr-dark"

    with another_app(sampled):
        drive(sampled, story)


def test_an_app_that_loses_the_race_for_the_engine_only_shows(folder: Path) -> None:
    async def run() -> None:
        async with app_at(folder) as (app, pilot):
            await until(pilot, lambda: app.services.engine.state is EngineState.READY, 60)
            await app.services.engine.close()
            with another_app(folder):
                await app.services.engine.restart()
                await until(pilot, lambda: app.services.engine.state is EngineState.TAKEN, 60)
                assert "read-only" in bar_of(app)
                assert app.read_only

    asyncio.run(run())


def test_without_a_run_quit_asks_nothing(sampled: Path) -> None:
    async def story(app: RrrApp, pilot: Pilot[None]) -> None:
        await pilot.press("ctrl+q")
        assert app._exit

    drive(sampled, story, engine=NO_ENGINE)


def test_while_a_run_goes_on_quit_asks_and_can_stay_or_leave(sampled: Path) -> None:
    async def story(app: RrrApp, pilot: Pilot[None]) -> None:
        await until(pilot, lambda: app.training is not None, 5)
        assert "run-2 12/40 30%" in bar_of(app)
        await pilot.press("ctrl+q")
        assert isinstance(app.screen, LeaveScreen)
        check_snapshot("leaving-80x24", text_of(app))
        await pilot.press("escape")
        assert here(app) is Place.RUNS
        await pilot.press("ctrl+q", "enter")
        assert app._exit
        assert queries.run(app.services.store.reader(), "run-2").request is None

    with trained(sampled, "run-2"):
        drive(sampled, story, engine=NO_ENGINE, start=Place.RUNS)


def test_quit_can_stop_the_run(sampled: Path) -> None:
    async def story(app: RrrApp, pilot: Pilot[None]) -> None:
        await until(pilot, lambda: app.training is not None, 5)
        await pilot.press("ctrl+q", "x")
        assert app._exit
        assert queries.run(app.services.store.reader(), "run-2").request is RunRequest.STOP

    with trained(sampled, "run-2"):
        drive(sampled, story, engine=NO_ENGINE, start=Place.RUNS)


def test_the_end_of_a_run_is_said(sampled: Path) -> None:
    async def story(app: RrrApp, pilot: Pilot[None]) -> None:
        held = trained(sampled, "run-2")
        with held:
            await until(pilot, lambda: app.training is not None, 5)
            run = queries.run(app.services.store.reader(), "run-2").summary
            app.services.store.update_run(run.id, status=RunStatus.DONE)
        await until(pilot, lambda: "run-2 is done" in text_of(app), 5)
        assert app.training is None

    drive(sampled, story, engine=NO_ENGINE, start=Place.MODELS)


def test_ctrl_c_twice_quits(sampled: Path) -> None:
    async def story(app: RrrApp, pilot: Pilot[None]) -> None:
        await pilot.press("ctrl+c")
        assert not app._exit
        assert "ctrl+c once more quits" in text_of(app)
        await pilot.press("ctrl+c")
        assert app._exit

    drive(sampled, story, engine=NO_ENGINE, start=Place.MODELS)


def test_a_window_in_which_nothing_fits_says_so_until_it_is_larger(sampled: Path) -> None:
    async def story(app: RrrApp, pilot: Pilot[None]) -> None:
        await pilot.resize_terminal(52, 14)
        await until(pilot, lambda: isinstance(app.screen, TooSmallScreen), 5)
        assert text_of(app) == "Make the window at least 60x16 (now 52x14)"
        await pilot.resize_terminal(60, 16)
        await until(pilot, lambda: here(app) is Place.MODELS, 5)

    drive(sampled, story, engine=NO_ENGINE, start=Place.MODELS)


def test_a_theme_from_the_palette_is_kept(sampled: Path) -> None:
    async def first(app: RrrApp, pilot: Pilot[None]) -> None:
        await pilot.press("ctrl+p", *"theme: rrr-light")
        await pilot.pause(0.3)
        await pilot.press("down", "enter")
        await until(pilot, lambda: app.theme == "rrr-light", 5)

    async def second(app: RrrApp, pilot: Pilot[None]) -> None:
        assert app.theme == "rrr-light"
        assert set(app.available_themes) >= {"rrr-dark", "nord", "ansi-dark", "ansi-light"}

    drive(sampled, first, engine=NO_ENGINE)
    drive(sampled, second, engine=NO_ENGINE)


def test_a_theme_that_does_not_exist_is_said_and_the_default_used(sampled: Path) -> None:
    with Store.open(sampled / "rrr.db") as store:
        store.set_setting("ui.theme", "vermilion [/b]")

    async def story(app: RrrApp, pilot: Pilot[None]) -> None:
        assert app.theme == "rrr-dark"
        await until(pilot, lambda: "there is no theme vermilion" in text_of(app), 5)

    drive(sampled, story, engine=NO_ENGINE)


def test_keys_can_be_mapped(sampled: Path) -> None:
    with Store.open(sampled / "rrr.db") as store:
        store.set_setting("keys.help", "f9")

    async def story(app: RrrApp, pilot: Pilot[None]) -> None:
        await pilot.press("f9")
        assert isinstance(app.screen, HelpScreen)

    drive(sampled, story, engine=NO_ENGINE, start=Place.MODELS)


def test_ascii_leaves_nothing_else_on_the_screen(sampled: Path) -> None:
    with Store.open(sampled / "rrr.db") as store:
        store.set_setting("ui.ascii", "on")
        store.set_setting("ui.chart", "ascii")

    async def story(app: RrrApp, pilot: Pilot[None]) -> None:
        for place in Place:
            app.go(place)
            await until(pilot, partial(is_here, app, place), 5)
            await pilot.pause(0.2)
            others = {character for character in text_of(app) if not character.isascii()}
            assert others == set(), place
        await pilot.press("f1")
        await pilot.pause()
        assert text_of(app).isascii()

    drive(sampled, story, engine=NO_ENGINE)
