"""Keys that come before the app has acted on the ones before them: each goes where the person meant it to go."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import unicodedata
from pathlib import Path
from unittest import mock

from textual.events import Key
from textual.pilot import Pilot
from textual.widgets import Input

from rrr_local.actions import Place
from tests.tui.chatting import chat, composed
from tests.tui.support import NO_ENGINE, drive, until
from tui import typeahead
from tui.app import RrrApp
from tui.commands import Palette
from tui.screens.chat import ChatScreen
from tui.widgets.dialog import Type
from tui.widgets.prompt import Prompt


def in_the_box(app: RrrApp) -> str | None:
    """What the chat's box holds; None while the chat is not what one sees."""
    return chat(app).prompt.text if isinstance(app.screen, ChatScreen) and app.screen.query(Prompt) else None


def type_at_once(app: RrrApp, *keys: str) -> None:
    """Hand keys to the app as the terminal does, without giving it time in between."""
    assert app._driver is not None
    for key in keys:
        name = unicodedata.name(key).lower().replace(" ", "_") if len(key) == 1 and not key.isalnum() else key
        event = Key({"solidus": "slash"}.get(name, name), key if len(key) == 1 else None)
        event.set_sender(app)
        app._driver.send_message(event)


def test_what_is_typed_right_behind_a_dialog_goes_to_the_page_below(data_folder: Path) -> None:
    async def story(app: RrrApp, pilot: Pilot[None]) -> None:
        await composed(app, pilot)
        type_at_once(app, "ctrl+p", *"abc", "escape", *"/undo 12")
        await until(pilot, lambda: in_the_box(app) == "/undo 12", 10)

    drive(data_folder, story, engine=NO_ENGINE)


def test_what_is_typed_right_behind_the_key_of_a_dialog_goes_into_it(data_folder: Path) -> None:
    async def story(app: RrrApp, pilot: Pilot[None]) -> None:
        type_at_once(app, "i", *"/some/model")
        await until(
            pilot, lambda: isinstance(app.screen, Type) and app.screen.query_one(Input).value == "/some/model", 10
        )

    drive(data_folder, story, engine=NO_ENGINE, start=Place.MODELS)


def test_keys_of_one_place_right_behind_the_way_to_it_are_those_of_that_place(data_folder: Path) -> None:
    async def story(app: RrrApp, pilot: Pilot[None]) -> None:
        type_at_once(app, "f7", "i", *"x", "escape", "1", *"hello")
        await until(pilot, lambda: in_the_box(app) == "hello", 10)

    drive(data_folder, story, engine=NO_ENGINE, start=Place.DOCTOR)


def test_a_key_does_not_wait_for_ever_for_one_that_hangs(data_folder: Path) -> None:
    async def story(app: RrrApp, pilot: Pilot[None]) -> None:
        await composed(app, pilot)
        over = asyncio.Event()
        app.screen.call_later(over.wait)  # the page is busy with something that does not end
        type_at_once(app, "ctrl+g", "ctrl+p")
        try:
            async with asyncio.timeout(10):  # the pilot's own waiting would wait for the page
                while not isinstance(app.screen, Palette):
                    await asyncio.sleep(0.02)
        finally:
            over.set()

    with mock.patch.object(typeahead, "HELD_S", 0.2):
        drive(data_folder, story, engine=NO_ENGINE)


def test_an_escape_and_a_digit_typed_quickly_are_two_keys(data_folder: Path) -> None:
    """How long an escape waits for the rest of a sequence; Textual settles that when it is imported, so in a process of its own."""
    code = "import tui.app; from textual import constants; print(constants.ESCAPE_DELAY)"
    environment = {name: value for name, value in os.environ.items() if name != "ESCDELAY"}
    for chosen, delay in ({}, "0.03"), ({"ESCDELAY": "200"}, "0.2"):
        done = subprocess.run([sys.executable, "-c", code], env=environment | chosen, capture_output=True, text=True)
        assert done.stdout.strip() == delay, done.stderr
