"""The box a person types into, and long chats: what is there, what is not mounted, and how it comes back."""

from __future__ import annotations

import os
from pathlib import Path
from unittest import mock

from textual.events import Paste
from textual.pilot import Pilot
from textual.widgets import TextArea

from rrr_local.chat import settings as stored_settings
from tests.tui.chatting import ask, chat, enter, last, long_chat, ready, script
from tests.tui.support import NO_ENGINE, drive, text_of, until
from tui.app import RrrApp
from tui.screens.tasks import TasksScreen
from tui.widgets.act import Act
from tui.widgets.conversation import FULL, PAGE, Brief
from tui.widgets.prompt import CUT, LONGEST, Completions


def test_lines_history_and_drafts(data_folder: Path) -> None:
    async def story(app: RrrApp, pilot: Pilot[None]) -> None:
        await ready(app, pilot)
        box = chat(app).prompt
        await pilot.press(*"one", "ctrl+j", *"two", "shift+enter", *"three")
        assert box.text == "one\ntwo\nthree"
        box.put("")
        await ask(app, pilot, "first")
        await enter(app, pilot, "/trace always")
        await pilot.press(*"half")
        await pilot.press("up")
        assert box.text == "/trace always"
        await pilot.press("up")
        assert box.text == "first"
        await pilot.press("up")
        assert box.text == "first"
        await pilot.press("down", "down")
        assert box.text == "half"
        await until(pilot, lambda: stored_settings.load(app.services.store).remembered(key_of(app)) == "half")

    def key_of(app: RrrApp) -> str:
        return f"draft.{chat(app).session.conversation}"

    drive(data_folder, story, engine=script("happy"))


def test_a_slash_lists_commands_and_their_arguments(data_folder: Path) -> None:
    async def story(app: RrrApp, pilot: Pilot[None]) -> None:
        listed = chat(app).query_one(Completions)
        await pilot.press(*"/tr")
        assert listed.display and listed.offered[0].strip() == "/trace"
        await pilot.press("tab")
        assert chat(app).prompt.text == "/trace " and "/trace always" in listed.offered
        await pilot.press(*["down"] * listed.offered.index("/trace always"), "enter")
        assert chat(app).prompt.text == "/trace always" and not listed.display
        await pilot.press("enter")
        await until(pilot, lambda: app.services.settings.get("chat.trace") == "always")
        await pilot.press(*"/wat")
        await pilot.press("escape", "enter")
        await until(pilot, lambda: "there is no command /wat" in text_of(app))
        assert chat(app).prompt.text == "/wat"
        chat(app).prompt.put("")
        await pilot.press("f6")  # a key that a text area would take for itself
        await until(pilot, lambda: isinstance(app.screen, TasksScreen))

    drive(data_folder, story, engine=NO_ENGINE)


def test_a_paste_of_five_megabytes_is_cut_with_a_note(data_folder: Path) -> None:
    async def story(app: RrrApp, pilot: Pilot[None]) -> None:
        box = chat(app).prompt
        await pilot.press(*"see: ")
        box.post_message(Paste("\x1b[31m" + "word \r\n" * 800_000))
        await until(pilot, lambda: len(box.text) > 1000)
        assert box.text.startswith("see: \u241b[31mword \nword ") and box.text.endswith(CUT)
        assert len(box.text) <= LONGEST and "\x1b" not in box.text and "\r" not in box.text
        await until(pilot, lambda: "that paste has" in text_of(app))

    drive(data_folder, story, engine=NO_ENGINE)


def test_the_prompt_can_be_written_in_an_editor_of_ones_own(data_folder: Path, tmp_path: Path) -> None:
    editor = tmp_path / "editor"
    editor.write_text("#!/bin/sh\nprintf ' and more' >> \"$1\"\n")
    editor.chmod(0o700)

    async def story(app: RrrApp, pilot: Pilot[None]) -> None:
        await pilot.press(*"some", "ctrl+l")
        await until(pilot, lambda: "cannot be started here" in text_of(app))  # a headless app has no terminal to lend
        assert chat(app).prompt.text == "some"

    with mock.patch.dict(os.environ, {"VISUAL": str(editor)}):
        drive(data_folder, story, engine=NO_ENGINE)


def test_a_long_chat_mounts_its_end_and_shows_the_rest_on_demand(data_folder: Path) -> None:
    conversation = long_chat(data_folder, 70)

    async def story(app: RrrApp, pilot: Pilot[None]) -> None:
        await app.open_chat(conversation)
        await until(pilot, lambda: len(chat(app).conversation.views) == FULL)
        column = chat(app).conversation.column
        assert len(column.query(Brief)) == PAGE - FULL
        assert str(column.query(Act).first().content) == f"[ {70 - PAGE} earlier turns ]"
        chat(app).conversation.scroll_home(animate=False)
        await pilot.pause()
        await pilot.click(column.query_children(".older").first())
        await until(pilot, lambda: len(column.query(Brief)) == 2 * PAGE - FULL)
        questions = [brief.entry.head.question for brief in column.query(Brief)]
        shown = [turn.prompt for turn in chat(app).session.turns[70 - 2 * PAGE : 70 - FULL]]
        assert questions == shown
        chat(app).conversation.scroll_home(animate=False)
        await pilot.pause()
        await pilot.click(column.query(Brief).first(), offset=(1, 0))
        await until(pilot, lambda: len(chat(app).conversation.views) == FULL + 1)
        await enter(app, pilot, "/find Step 2:")
        await until(pilot, lambda: chat(app).focused is chat(app).conversation.views[0])
        assert "Step 2:" in chat(app).conversation.views[0].shown[0].text

    drive(data_folder, story, engine=NO_ENGINE)


def test_new_turns_make_the_oldest_brief(data_folder: Path) -> None:
    conversation = long_chat(data_folder, FULL)

    async def story(app: RrrApp, pilot: Pilot[None]) -> None:
        await ready(app, pilot)
        await app.open_chat(conversation)
        await until(pilot, lambda: len(chat(app).conversation.views) == FULL)
        await enter(app, pilot, "one more")
        await until(pilot, lambda: chat(app).writing is None and last(app).head.question == "one more")
        assert len(chat(app).conversation.views) == FULL and len(chat(app).query(Brief)) == 1

    drive(data_folder, story, engine=script("happy"))


def test_traces_fold_by_the_setting_until_a_person_folds_them(data_folder: Path) -> None:
    conversation = long_chat(data_folder, 1)

    async def story(app: RrrApp, pilot: Pilot[None]) -> None:
        await app.open_chat(conversation)
        await until(pilot, lambda: chat(app).conversation.views)
        opened = {}
        for rule in ("fail", "always", "never"):
            app.set_setting("chat.trace", rule)
            await pilot.pause()
            opened[rule] = [step.is_open for step in last(app).steps]
        assert opened == {"fail": [False, True, True], "always": [True, True, True], "never": [False, False, True]}
        await pilot.press("escape", "space")
        await until(pilot, lambda: all(step.is_open for step in last(app).steps))
        app.set_setting("chat.trace", "fail")
        await pilot.pause()
        assert all(step.is_open for step in last(app).steps)

    drive(data_folder, story, engine=NO_ENGINE)


def test_a_read_only_app_shows_chats_but_takes_no_text(data_folder: Path) -> None:
    conversation = long_chat(data_folder, 2)

    async def story(app: RrrApp, pilot: Pilot[None]) -> None:
        await until(pilot, lambda: "Read-only" in text_of(app))
        await app.open_chat(conversation)
        await until(pilot, lambda: len(chat(app).conversation.views) == 2)
        await pilot.press("escape", "g", "x")
        assert chat(app).query_one(TextArea).text == ""
        assert not last(app).shown[0].by_user

    drive(data_folder, story, engine=script("taken"))
