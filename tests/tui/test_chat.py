"""The chat with the real engine and the embedded model: what a person does there, and that the log holds what the screen shows."""

from __future__ import annotations

from pathlib import Path

import mlx.core as mx
import pytest
from textual.pilot import Pilot

from rrr_local.backends.base import LoraConfig
from rrr_local.backends.mlx.backend import MlxBackend
from rrr_local.episode import Span, VerdictKind
from rrr_local.paths import bundled
from rrr_local.store import chats, history
from tests.tui.chatting import answered, ask, chat, enter, last, ready, same_as_log
from tests.tui.support import drive, text_of, until
from tui.app import RrrApp
from tui.screens.history import HistoryScreen
from tui.widgets.act import Act
from tui.widgets.dialog import Read
from tui.widgets.empty import Empty
from tui.widgets.reason import QUICK, ReasonField
from tui.widgets.step import Step
from tui.widgets.versus import Side, VersusView

QUESTION = "What is 3 * 7?"


def test_ask_wrong_reflect_retry_good_check(data_folder: Path) -> None:
    """The main story, and everything that can be said about one answer."""

    async def story(app: RrrApp, pilot: Pilot[None]) -> None:
        app.set_setting("chat.temperature", 0)
        await ready(app, pilot)
        await pilot.press(*QUESTION, "enter")
        await until(pilot, lambda: chat(app).conversation.views)
        view = await answered(app, pilot)
        same_as_log(app, view)
        assert "not checked - you decide: ^g / ^r, or /check <answer>" in text_of(app)
        assert "This model is a toy" in text_of(app)
        assert not view.head.trainable
        await with_a_reason(app, pilot)
        await good_and_back(app, pilot)
        await without_a_reason(app, pilot)
        await checked_later(app, pilot)

    drive(data_folder, story)


async def with_a_reason(app: RrrApp, pilot: Pilot[None]) -> None:
    view = last(app)
    await pilot.press("ctrl+r")
    await until(pilot, lambda: chat(app).query(ReasonField))
    await pilot.press("1", "enter")
    await until(pilot, lambda: len(view.shown) == 3)
    await answered(app, pilot)
    same_as_log(app, view)
    assert [shown.span for shown in view.shown] == [Span.ATTEMPT, Span.REFLECTION, Span.RETRY]
    attempt, _, retry = view.shown
    assert attempt.verdict is VerdictKind.FAIL and attempt.by_user and attempt.reason == QUICK[0]
    assert retry.verdict is None
    assert [step.is_open for step in view.steps] == [False, True, True]
    assert f"wrong (you): {QUICK[0]}" in text_of(app)
    assert "give the right answer with /check" in view.head.worth


async def good_and_back(app: RrrApp, pilot: Pilot[None]) -> None:
    view = last(app)
    await pilot.press("ctrl+g")
    await until(pilot, lambda: view.shown[-1].verdict is VerdictKind.PASS)
    same_as_log(app, view)
    assert "correct (you)" in text_of(app)
    await pilot.press("ctrl+g")
    await until(pilot, lambda: view.shown[-1].verdict is None)
    same_as_log(app, view)


async def without_a_reason(app: RrrApp, pilot: Pilot[None]) -> None:
    chat(app).prompt.put("")
    view = last(app)
    await pilot.press("ctrl+r", "ctrl+r")
    await until(pilot, lambda: len(view.shown) == 5)
    await answered(app, pilot)
    assert not chat(app).query(ReasonField)
    assert view.shown[2].verdict is VerdictKind.FAIL and view.shown[2].reason == ""
    await enter(app, pilot, "/undo")
    await until(pilot, lambda: view.shown[2].verdict is None)
    same_as_log(app, view)


async def checked_later(app: RrrApp, pilot: Pilot[None]) -> None:
    app.set_setting("chat.reflect", "off")
    await enter(app, pilot, "/undo")
    view = await ask(app, pilot, QUESTION)
    await enter(app, pilot, "/check no such answer")
    await until(pilot, lambda: view.shown[0].verdict is VerdictKind.FAIL and chat(app).writing is None)
    same_as_log(app, view)
    await until(pilot, lambda: "wrong (check)" in text_of(app))
    assert not view.head.trainable and "depends on the turns before it" in view.head.worth
    await pilot.press("ctrl+n")
    await until(pilot, lambda: chat(app).query(Empty))
    view = await ask(app, pilot, QUESTION)
    await enter(app, pilot, "/check no such answer")
    await until(pilot, lambda: view.head.trainable)
    assert view.head.worth == "+1 trainable"
    train = chat(app).info.query_one(Act)
    await until(pilot, lambda: str(train.content) == "1 failure: train (2)")
    await pilot.press("ctrl+g")
    await until(pilot, lambda: view.shown[0].by_user)
    assert "disputed" in view.head.worth


def test_a_day_in_the_chat(data_folder: Path) -> None:
    """Task problems, branches, several chats, looking closer: one app, as a person has it."""

    async def story(app: RrrApp, pilot: Pilot[None]) -> None:
        await ready(app, pilot)
        await an_example(app, pilot)
        await problems_are_checked(app, pilot)
        await branches_keep_every_answer(app, pilot, data_folder)
        await looking_closer(app, pilot)
        await chats_keep_their_drafts(app, pilot)
        await pilot.press(*"/his")
        await until(pilot, lambda: "/history" in text_of(app))
        await pilot.press("tab", "enter")
        await until(pilot, lambda: isinstance(app.screen, HistoryScreen))

    drive(data_folder, story, size=(120, 36))


async def an_example(app: RrrApp, pilot: Pilot[None]) -> None:
    """By mouse alone: ask, unfold, rate."""
    await pilot.click(chat(app).query_one(Empty).query(Act).first())
    await until(pilot, lambda: chat(app).conversation.views)
    view = await answered(app, pilot)
    assert view.head.task == "countdown"
    step = view.query(Step).first()
    was = step.is_open
    await pilot.click(step.query_one(".title"))
    await until(pilot, lambda: step.is_open is not was)
    await pilot.click(next(act for act in view.query(Act) if act.action == "good"))
    await until(pilot, lambda: view.last_try is not None and view.last_try.by_user)


async def problems_are_checked(app: RrrApp, pilot: Pilot[None]) -> None:
    """Each has a verdict of its own accord, and a failure is reflected on at once."""
    await enter(app, pilot, "/task countdown")
    await until(pilot, lambda: chat(app).prompt.text.startswith("Using the numbers"))
    for _ in range(3):
        view = await ask(app, pilot, chat(app).prompt.text)
        same_as_log(app, view)
        assert view.head.task == "countdown"
        assert view.shown[0].verdict is not None and not view.shown[0].by_user
        assert len(view.shown) == (1 if view.shown[0].verdict is VerdictKind.PASS else 3)
        await enter(app, pilot, "/problem")
    assert len({view.head.question for view in chat(app).conversation.views}) >= 3
    await enter(app, pilot, "/task none")


async def branches_keep_every_answer(app: RrrApp, pilot: Pilot[None], folder: Path) -> None:
    chat(app).prompt.put("")
    await pilot.press("ctrl+n")
    await ask(app, pilot, QUESTION)
    await ask(app, pilot, "And 4 * 5?")
    await enter(app, pilot, "/again")
    await until(pilot, lambda: last(app).head.branch == (2, 2))
    same_as_log(app, last(app))
    await pilot.press("escape", "[")
    await until(pilot, lambda: last(app).head.branch == (1, 2))
    await pilot.press("]")
    await until(pilot, lambda: last(app).head.branch == (2, 2))
    await pilot.press("k", "e")
    await until(pilot, lambda: chat(app).prompt.text == QUESTION)
    await enter(app, pilot, "What is 2 * 2?")
    await until(pilot, lambda: chat(app).writing is None and last(app).head.branch == (2, 2))
    assert [view.head.question for view in chat(app).conversation.views] == ["What is 2 * 2?"]
    await enter(app, pilot, "/branch previous")
    await until(pilot, lambda: len(chat(app).conversation.views) == 2)
    conversation = chat(app).session.conversation
    assert conversation is not None
    assert len(chats.turns(app.services.store.reader(), conversation)) == 4
    await enter(app, pilot, "/export md")
    saved = folder / "exports" / f"chat-{conversation}.md"
    await until(pilot, saved.is_file)
    assert QUESTION in saved.read_text(encoding="utf-8") and "2 * 2" not in saved.read_text(encoding="utf-8")


async def looking_closer(app: RrrApp, pilot: Pilot[None]) -> None:
    chat(app).prompt.put("")
    first = chat(app).conversation.views[0]
    await enter(app, pilot, "/find WHAT IS 3")
    await until(pilot, lambda: chat(app).focused is first)
    await pilot.press("v")
    await until(pilot, lambda: isinstance(app.screen, Read))
    assert f"sent: {QUESTION}" in text_of(app) and "seed" in text_of(app)
    await pilot.press("escape")
    await until(pilot, lambda: not isinstance(app.screen, Read))
    await pilot.press("d")
    await until(pilot, lambda: first.head.hidden)
    await pilot.press("d")
    await until(pilot, lambda: not first.head.hidden)
    await pilot.press("x")  # no key of this place: it goes into the box
    await until(pilot, lambda: chat(app).prompt.text == "x")


async def chats_keep_their_drafts(app: RrrApp, pilot: Pilot[None]) -> None:
    await enter(app, pilot, "/rename sums")
    chat(app).prompt.put("half a thought")
    await pilot.press("ctrl+n")
    await until(pilot, lambda: chat(app).query(Empty))
    assert chat(app).prompt.text == ""
    await enter(app, pilot, "/open")
    await until(pilot, lambda: "sums" in text_of(app))
    await pilot.press("enter")
    await until(pilot, lambda: chat(app).conversation.views)
    assert chat(app).prompt.text == "half a thought"
    same_as_log(app, last(app))
    chat(app).prompt.put("")


@pytest.fixture
def adapter(tmp_path: Path) -> str:
    """An adapter that changes what the embedded model says."""
    backend = MlxBackend(bundled("tiny").resolve())
    backend.new_adapter(LoraConfig(), seed=3)
    weights = {name: mx.random.normal(array.shape) * 0.05 for name, array in backend._adapter_arrays().items()}
    backend._model.load_weights(list(weights.items()), strict=False)
    folder = tmp_path / "adapter"
    folder.mkdir()
    backend.save_adapter(folder)
    return str(folder)


def test_the_bare_model_and_the_adapter_side_by_side(data_folder: Path, adapter: str) -> None:
    async def story(app: RrrApp, pilot: Pilot[None]) -> None:
        await ready(app, pilot)
        await enter(app, pilot, "/ab What is 3 * 7?")
        assert not chat(app).query(VersusView)  # there is no adapter yet, which is said
        await enter(app, pilot, f"/adapter {adapter}")
        engine = app.services.engine
        await until(pilot, lambda: engine.ready is not None and engine.ready.adapter == adapter)
        await enter(app, pilot, "/ab What is 3 * 7?")
        await until(pilot, lambda: chat(app).query(VersusView) and chat(app).writing is None)
        base, tuned = chat(app).query(Side)
        assert base.attempt is not None and tuned.attempt is not None
        assert base.region.y < tuned.region.y  # one below the other: it is narrow
        await pilot.click(tuned.query(Act).first())
        await until(pilot, lambda: tuned.step is not None and tuned.step.shown.by_user)
        rated = history.episode(app.services.store.reader(), tuned.attempt).attempt
        assert rated.by_user and rated.verdict is VerdictKind.PASS
        assert chat(app).session.turns == []
        await pilot.resize_terminal(120, 36)
        await until(pilot, lambda: base.region.y == tuned.region.y and base.region.x < tuned.region.x)

    drive(data_folder, story)
