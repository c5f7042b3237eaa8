"""The first page, the demo, Doctor and Models: what they show, and what their keys do."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Input, OptionList, TextArea

from rrr_local.actions import Place
from rrr_local.engine.jobs import Jobs
from rrr_local.store import queries
from rrr_local.store.store import Store
from tests.tui.support import NO_ENGINE, check_snapshot, drive, text_of, until
from tui.app import RrrApp
from tui.screens.demo import DemoScreen
from tui.screens.first_run import FirstRunScreen

SIZES = [(80, 24), (120, 36)]
CHANGE = {"diff": 0.211, "low": 0.16, "high": 0.26, "fixed": 156, "broken": 48}
NOTHING = {"diff": -0.01, "low": -0.05, "high": 0.03, "fixed": 9, "broken": 12}
DEMO = {
    "schema": "rrr.demo/1", "n": 512, "run": "run-1", "steps": 40, "seconds": {},
    "before": {"first_try": 0.223, "second_try": 0.314, "rescue": 0.118},
    "after": {"first_try": 0.35, "second_try": 0.525, "rescue": 0.27},
    "gain": {"first_try": CHANGE, "second_try": CHANGE},
    "best": {
        "before": {"temperature": 1.0, "first_try": 0.199, "second_try": 0.289},
        "after": {"temperature": 0.0, "first_try": 0.406, "second_try": 0.449},
        "gain": {"first_try": CHANGE, "second_try": NOTHING},
    },
}  # fmt: skip
CHECKS = [
    {"name": "python", "health": "ok", "detail": "3.11.7, rrr-local 0.1.0"},
    {"name": "disk", "health": "warn", "detail": "1.2 GB free"},
    {
        "name": "model",
        "health": "fail",
        "detail": "this installation has no bundled data/tiny [/b]; reinstall rrr-local",
    },
]
DOCTOR = {"schema": "rrr.doctor/1", "healthy": False, "checks": CHECKS}


def job(
    document: object = None, *steps: tuple[str, int, int, float | None], error: object = None, waits: bool = False
) -> Jobs:
    """A command that says exactly this."""
    lines = [
        {"ev": "progress", "stage": stage, "done": done, "total": total, "note": "",
         "data": {} if reward is None else {"reward": reward}}
        for stage, done, total, reward in steps
    ]  # fmt: skip
    said = [*lines, *([error] if error is not None else [])]
    code = [
        "import sys, time",
        f"print({json.dumps(chr(10).join(json.dumps(line) for line in said))}, file=sys.stderr, flush=True)",
        "time.sleep(600)" if waits else "",
        f"print({json.dumps(json.dumps(document))})" if document is not None else "sys.exit(4)",
    ]
    return Jobs([sys.executable, "-c", "\n".join(code)])


TRAINING = (("before", 16, 16, None), ("collect", 256, 256, None), *(("train", n, 40, n / 80) for n in range(1, 21)))
NO_MEMORY = {
    "schema": "rrr.error/1",
    "error": "there is not enough memory",
    "way_out": "close other programs",
    "exit_code": 4,
}


# --- the first page


@pytest.mark.parametrize("size", SIZES)
def test_the_first_page_says_what_is_there(folder: Path, size: tuple[int, int]) -> None:
    async def story(app: RrrApp, pilot: Pilot[None]) -> None:
        assert isinstance(app.screen, FirstRunScreen)
        await until(pilot, lambda: "The engine stopped" in text_of(app))
        shown = re.sub(
            r"(This machine: +|Your data: )\S[^│]*", lambda found: found[1].ljust(len(found[0])), text_of(app)
        )
        check_snapshot(f"first-{size[0]}x{size[1]}", shown)

    drive(folder, story, engine=NO_ENGINE, size=size, welcomed=False)


def test_whoever_types_at_once_is_in_the_chat_with_what_was_typed(folder: Path) -> None:
    async def story(app: RrrApp, pilot: Pilot[None]) -> None:
        await pilot.press(*"hello")
        await until(pilot, lambda: not isinstance(app.screen, FirstRunScreen), 5)
        assert app.screen.query_one(TextArea).text == "hello"
        assert app.services.settings.get("ui.welcomed")

    drive(folder, story, engine=NO_ENGINE, welcomed=False)


@pytest.mark.parametrize(
    ("key", "place"), [("2", Place.CHAT), ("3", Place.MODELS), ("4", Place.CHAT), ("escape", Place.CHAT)]
)
def test_the_ways_on_lead_where_they_say(folder: Path, key: str, place: Place) -> None:
    async def story(app: RrrApp, pilot: Pilot[None]) -> None:
        await pilot.press(key)
        await until(pilot, lambda: getattr(app.screen, "PLACE", None) is place, 5)

    drive(folder, story, engine=NO_ENGINE, welcomed=False)


def test_the_first_page_is_shown_once(folder: Path) -> None:
    async def first(app: RrrApp, pilot: Pilot[None]) -> None:
        await pilot.press("down", "enter")
        await until(pilot, lambda: getattr(app.screen, "PLACE", None) is Place.CHAT, 5)

    async def second(app: RrrApp, pilot: Pilot[None]) -> None:
        assert not isinstance(app.screen, FirstRunScreen)

    drive(folder, first, engine=NO_ENGINE, welcomed=False)
    drive(folder, second, engine=NO_ENGINE, welcomed=False)


# --- the demo


@pytest.mark.parametrize("size", SIZES)
def test_the_demo_shows_how_far_it_is_and_then_what_came_of_it(folder: Path, size: tuple[int, int]) -> None:
    async def busy(app: RrrApp, pilot: Pilot[None]) -> None:
        await pilot.press("1")
        await until(pilot, lambda: "50 %" in text_of(app), 20)
        assert "c Chat" not in text_of(app).splitlines()[-1]
        check_snapshot(f"demo-busy-{size[0]}x{size[1]}", re.sub(r"\d:\d\d so far", "0:00 so far", text_of(app)))
        await pilot.press("escape")
        assert not isinstance(app.screen, DemoScreen)

    async def done(app: RrrApp, pilot: Pilot[None]) -> None:
        await pilot.press("1")
        await until(pilot, lambda: "clear gain" in text_of(app), 20)
        check_snapshot(f"demo-done-{size[0]}x{size[1]}", text_of(app))

    drive(folder, busy, engine=NO_ENGINE, size=size, welcomed=False, jobs=job(None, *TRAINING, waits=True))
    with Store.open(folder / "rrr.db") as store:
        store.set_setting("ui.welcomed", None)
    drive(folder, done, engine=NO_ENGINE, size=size, welcomed=False, jobs=job(DEMO, *TRAINING))


def test_a_demo_that_fails_says_why(folder: Path) -> None:
    async def story(app: RrrApp, pilot: Pilot[None]) -> None:
        await pilot.press("1")
        await until(pilot, lambda: "It stopped: there is not enough memory" in text_of(app), 20)
        assert "close other programs" in text_of(app)
        await pilot.press("enter")
        assert isinstance(app.screen, DemoScreen)
        await pilot.press("escape")
        assert not isinstance(app.screen, DemoScreen)

    drive(folder, story, engine=NO_ENGINE, welcomed=False, jobs=job(None, *TRAINING, error=NO_MEMORY))


def test_the_real_demo_ends_in_a_chat_with_what_it_learned(folder: Path) -> None:
    async def story(app: RrrApp, pilot: Pilot[None]) -> None:
        await until(pilot, lambda: app.services.engine.ready is not None, 60)
        demo = DemoScreen(("demo", "--steps", "1", "--problems", "2"))
        await app.push_screen(demo)
        await until(pilot, lambda: demo.document is not None, 100)
        assert "2 problems it never saw" in text_of(app)
        await pilot.press("enter")
        await until(pilot, lambda: app.services.engine.ready and app.services.engine.ready.adapter, 60)
        assert getattr(app.screen, "PLACE", None) is Place.CHAT
        assert app.services.settings.get("chat.adapter") == "run-1"
        assert queries.run(app.services.store.reader(), "run-1").summary.last_step == 1

    drive(folder, story)


# --- doctor and settings


@pytest.mark.parametrize("size", SIZES)
def test_doctor_shows_what_is_wrong_first(folder: Path, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("SSH_TTY", "1")
    monkeypatch.delenv("COLORTERM", raising=False)

    async def story(app: RrrApp, pilot: Pilot[None]) -> None:
        await until(pilot, lambda: "2 of 4 checks want attention" in text_of(app), 20)
        text = text_of(app)
        assert text.index("FAIL") < text.index(" python")
        assert "[/b]" in text
        check_snapshot(f"doctor-{size[0]}x{size[1]}", text)

    drive(folder, story, engine=NO_ENGINE, size=size, start=Place.DOCTOR, jobs=job(DOCTOR))


def test_doctor_shows_that_it_checks_and_that_it_could_not(folder: Path) -> None:
    async def busy(app: RrrApp, pilot: Pilot[None]) -> None:
        assert "checking" in text_of(app)

    async def broken(app: RrrApp, pilot: Pilot[None]) -> None:
        await until(pilot, lambda: "the checks could not be made: there is not enough memory" in text_of(app), 20)

    drive(folder, busy, engine=NO_ENGINE, start=Place.DOCTOR, jobs=job(None, waits=True))
    drive(folder, broken, engine=NO_ENGINE, size=(120, 36), start=Place.DOCTOR, jobs=job(None, error=NO_MEMORY))


def test_the_real_checks_find_this_installation_healthy(folder: Path) -> None:
    async def story(app: RrrApp, pilot: Pilot[None]) -> None:
        await until(pilot, lambda: "✓ model" in text_of(app), 60)
        assert "✓ backend" in text_of(app)

    drive(folder, story, engine=NO_ENGINE, size=(120, 36), start=Place.DOCTOR)


def test_settings_are_changed_and_say_where_they_come_from(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RRR_UI__BELL", "off")

    async def story(app: RrrApp, pilot: Pilot[None]) -> None:
        def row(key: str) -> str:
            return next(line for line in text_of(app).splitlines() if f"{key} " in line)

        async def choose(key: str) -> None:
            listing = app.screen.query_one("#settings", OptionList)
            listing.highlighted = listing.get_option_index(key)
            await pilot.press("enter")
            await pilot.pause()

        await choose("ui.ascii")
        await until(pilot, lambda: "log" in row("ui.ascii"), 5)
        assert text_of(app).isascii()
        await choose("ui.ascii")
        await choose("ui.bell")
        assert app.services.settings.get("ui.bell") is False
        assert "env" in row("ui.bell")
        await choose("chat.temperature")
        app.screen.query_one(Input).value = "9"
        await pilot.press("enter")
        await until(pilot, lambda: "chat.temperature cannot be '9'" in text_of(app), 5)
        await choose("chat.temperature")
        app.screen.query_one(Input).value = "0.2"
        await pilot.press("enter")
        await until(pilot, lambda: app.services.settings.get("chat.temperature") == 0.2, 5)
        await choose("chat.temperature")
        app.screen.query_one(Input).value = ""
        await pilot.press("enter")
        await until(pilot, lambda: app.services.settings.get("chat.temperature") == 0.7, 5)

    drive(folder, story, engine=NO_ENGINE, size=(120, 50), start=Place.DOCTOR, jobs=job(DOCTOR))
