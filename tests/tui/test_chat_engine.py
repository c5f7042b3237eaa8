"""The chat when its engine misbehaves: it dies, floods, babbles, has no room, is not there. Nothing that was typed is lost."""

from __future__ import annotations

import asyncio
from pathlib import Path

from textual.pilot import Pilot

from rrr_local.engine.client import EngineState
from rrr_local.episode import FinishReason
from tests.engine.scripted import SENTENCE
from tests.tui.chatting import answered, ask, chat, enter, last, ready, same_as_log, script
from tests.tui.support import drive, text_of, until
from tui.app import RrrApp
from tui.widgets.answer import Answer
from tui.widgets.prose import LONGEST
from tui.widgets.reason import ReasonField

QUESTION = "What is a list?"


async def first_words(app: RrrApp, line: str) -> None:
    """Ask, and come back when the first words are there. Not with the pilot: it waits until nothing moves, and then it is over."""
    chat(app).prompt.put(line)
    app.simulate_key("enter")
    while not (chat(app).conversation.views and last(app).shown):
        await asyncio.sleep(0.01)


def test_an_engine_that_dies_gives_the_prompt_back_and_can_be_restarted(data_folder: Path) -> None:
    async def story(app: RrrApp, pilot: Pilot[None]) -> None:
        await ready(app, pilot)
        await enter(app, pilot, QUESTION)
        await until(pilot, lambda: app.services.engine.state is EngineState.DEAD)
        await answered(app, pilot)
        assert "Engine stopped" in text_of(app) and "[restart]" in text_of(app)
        assert chat(app).prompt.text == QUESTION
        assert SENTENCE.startswith(last(app).shown[0].text)  # what was written stays on the screen
        await pilot.press("enter")
        assert chat(app).prompt.text == QUESTION  # it cannot be asked now, so it stays
        await pilot.click(next(act for act in chat(app).query("Act") if getattr(act, "action", "") == "restart"))
        await ready(app, pilot)
        await until(pilot, lambda: "Engine stopped" not in text_of(app))

    drive(data_folder, story, engine=script("crash"))


def test_stop_keeps_what_was_written_and_gives_the_prompt_back(data_folder: Path) -> None:
    async def story(app: RrrApp, pilot: Pilot[None]) -> None:
        await ready(app, pilot)
        await first_words(app, QUESTION)
        app.simulate_key("escape")
        view = await answered(app, pilot)
        assert view.shown[0].finish is FinishReason.CANCELLED
        assert view.shown[0].text and SENTENCE.startswith(view.shown[0].text)
        assert "stopped" in text_of(app) and chat(app).prompt.text == QUESTION
        same_as_log(app, view)

    drive(data_folder, story, engine=script("slow"))


def test_wrong_while_it_writes_stops_it_first(data_folder: Path) -> None:
    async def story(app: RrrApp, pilot: Pilot[None]) -> None:
        await ready(app, pilot)
        await first_words(app, QUESTION)
        app.simulate_key("ctrl+r")
        await until(pilot, lambda: chat(app).query(ReasonField))
        assert last(app).shown[0].finish is FinishReason.CANCELLED
        await pilot.press(*"too long", "enter")
        await until(pilot, lambda: len(last(app).shown) == 3 and chat(app).writing is None)
        assert last(app).shown[0].reason == "too long"
        same_as_log(app, last(app))

    drive(data_folder, story, engine=script("slow"))


def test_what_does_not_fit_is_said_before_anything_is_asked(data_folder: Path) -> None:
    async def story(app: RrrApp, pilot: Pilot[None]) -> None:
        await ready(app, pilot)
        await enter(app, pilot, QUESTION)
        await until(pilot, lambda: "This does not fit" in text_of(app))
        assert "needs 2100 tokens, the model takes 2048" in text_of(app)
        assert chat(app).prompt.text == QUESTION and not chat(app).conversation.views
        await pilot.click(next(act for act in chat(app).query("Act") if getattr(act, "action", "") == "fit"))
        await until(pilot, lambda: chat(app).conversation.views)
        same_as_log(app, await answered(app, pilot))
        assert "This does not fit" not in text_of(app) and chat(app).prompt.text == ""

    drive(data_folder, story, engine=script("overflow"))


def test_ten_thousand_tokens_a_second_leave_the_screen_usable(data_folder: Path) -> None:
    async def story(app: RrrApp, pilot: Pilot[None]) -> None:
        await ready(app, pilot)
        await enter(app, pilot, QUESTION)
        await until(pilot, lambda: chat(app).conversation.views and last(app).shown)
        await pilot.press(*"typed meanwhile")
        assert chat(app).prompt.text == "typed meanwhile"
        view = await answered(app, pilot)
        same_as_log(app, view)
        assert view.query_one(Answer).query(".plain")  # 150,000 characters are no Markdown any more

    drive(data_folder, story, engine=script("flood"))


def test_five_megabytes_in_one_answer(data_folder: Path) -> None:
    async def story(app: RrrApp, pilot: Pilot[None]) -> None:
        await ready(app, pilot)
        view = await ask(app, pilot, QUESTION)
        same_as_log(app, view)
        assert len(view.shown[0].text) > 5_000_000
        assert len(str(view.query_one(Answer).query_one(".plain").render())) <= LONGEST

    drive(data_folder, story, engine=script("huge"))


def test_garbage_on_the_pipe_changes_nothing(data_folder: Path) -> None:
    async def story(app: RrrApp, pilot: Pilot[None]) -> None:
        await ready(app, pilot)
        view = await ask(app, pilot, QUESTION)
        assert view.shown[0].text == SENTENCE
        same_as_log(app, view)

    drive(data_folder, story, engine=script("garbage"))


def test_an_answer_that_fails_gives_the_prompt_back(data_folder: Path) -> None:
    async def story(app: RrrApp, pilot: Pilot[None]) -> None:
        await ready(app, pilot)
        await enter(app, pilot, QUESTION)
        await until(pilot, lambda: "there is not enough memory" in text_of(app))
        assert chat(app).prompt.text == QUESTION and app.services.engine.state is EngineState.READY

    drive(data_folder, story, engine=script("oom"))


def test_what_is_typed_before_the_model_is_there_waits_for_it(data_folder: Path) -> None:
    async def story(app: RrrApp, pilot: Pilot[None]) -> None:
        await pilot.press(*QUESTION, "enter")
        await until(pilot, lambda: "the model is being loaded" in text_of(app))
        await pilot.press("escape")
        await answered(app, pilot)
        assert chat(app).prompt.text == QUESTION

    drive(data_folder, story, engine=script("never"))


def test_a_second_app_looks_and_changes_nothing(data_folder: Path) -> None:
    async def story(app: RrrApp, pilot: Pilot[None]) -> None:
        await until(pilot, lambda: app.services.engine.state is EngineState.TAKEN)
        await until(pilot, lambda: "Read-only" in text_of(app))
        await pilot.press(*"hello", "enter")
        assert chat(app).prompt.text == "" and not chat(app).conversation.views
        assert chat(app).can("good") is False

    drive(data_folder, story, engine=script("taken"))
