"""What the chat tests share: typing, waiting for an answer, and comparing the screen with the log."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import cast

from textual.pilot import Pilot

from rrr_local.chat import turns
from rrr_local.engine.client import Engine
from rrr_local.episode import FinishReason, Split, VerdictKind
from rrr_local.store import chats
from rrr_local.store.records import EpisodeRecord, ModelRecord, ReflectionRecord, SessionKind, TryRecord
from rrr_local.store.store import Store
from rrr_local.tasks.find import find_task
from tests.engine import scripted
from tests.tui.support import until
from tui.app import RrrApp
from tui.screens.chat import ChatScreen
from tui.widgets.step import Shown
from tui.widgets.turn import TurnView


def script(scenario: str) -> Engine:
    """An engine that plays a scenario of tests/engine/scripted.py."""
    return Engine((sys.executable, scripted.__file__, scenario))


def chat(app: RrrApp) -> ChatScreen:
    """The chat screen, which must be the one that is shown."""
    assert isinstance(app.screen, ChatScreen)
    return app.screen


def last(app: RrrApp) -> TurnView:
    """The newest turn on the screen."""
    return cast(TurnView, chat(app).conversation.last)


async def composed(app: RrrApp, pilot: Pilot[None]) -> None:
    """The chat's page is there."""
    await until(pilot, lambda: isinstance(app.screen, ChatScreen) and app.screen.query("Conversation, Prompt"))


async def ready(app: RrrApp, pilot: Pilot[None]) -> None:
    """The model is loaded."""
    await until(pilot, lambda: app.services.engine.ready is not None)


async def enter(app: RrrApp, pilot: Pilot[None], line: str) -> None:
    """Put a line into the box and press enter. A command that is typed key by key is tested on its own."""
    chat(app).prompt.put(line)
    chat(app).set_focus(chat(app).prompt)
    await pilot.pause()
    await pilot.press("enter")
    await pilot.pause()


async def answered(app: RrrApp, pilot: Pilot[None]) -> TurnView:
    """What was asked is answered to its end; its turn."""
    await until(pilot, lambda: chat(app).conversation.views and chat(app).writing is None)
    return last(app)


async def ask(app: RrrApp, pilot: Pilot[None], line: str) -> TurnView:
    """Ask, and wait for the answer."""
    before = len(chat(app).conversation.views)
    await enter(app, pilot, line)
    await until(pilot, lambda: len(chat(app).conversation.views) > before or chat(app).writing is not None)
    return await answered(app, pilot)


def same_as_log(app: RrrApp, view: TurnView) -> None:
    """What a turn shows is what the log holds, read anew."""
    turn = chats.turn(app.services.store.reader(), view.head.turn)
    assert view.head.question == turn.prompt
    tries = [(each.id, each.text, turns.judged(turn, each)) for each in turns.tries(turn)]
    assert [(s.attempt, s.text, s.verdict) for s in view.shown if s.is_try] == tries
    assert [s.text for s in view.shown if not s.is_try] == [each.text for each in turn.episode.reflections]


def words(shown: Shown) -> tuple[str, str]:
    """A span and its verdict, for comparisons that read well."""
    return shown.span.value, "-" if shown.verdict is None else shown.verdict.value


def long_chat(folder: Path, turns: int) -> str:
    """A chat of many turns in the log, every third one failed and retried; its id."""
    task = find_task("countdown")
    problems = list(task.problems(Split.TRAIN))[:turns]
    with Store.open(folder / "rrr.db") as store:
        model = store.model(ModelRecord("scripted", local_path="scripted", files_sha256="5c" * 32))
        task_id = store.task("countdown", 1, "Countdown", "Countdown", "0" * 64, {})
        ids = store.problems(task_id, problems)
        session = store.start_session(SessionKind.CHAT, model_id=model, task_id=task_id)
        parent = None
        for number, problem in enumerate(problems):
            attempt, *_ = store.log_episodes(session, [_episode(ids[problem.sha256], number)])
            parent = store.add_turn(session, attempt, parent_id=parent)
    return session


def _episode(problem_id: int, number: int) -> EpisodeRecord:
    failed = number % 3 == 0
    text = f"Step {number}: 3 * 7 = 21.\n\n- one\n- two\n\n```python\nprint({number})\n```"
    attempt = TryRecord(text, VerdictKind.FAIL if failed else VerdictKind.PASS, "equals 21", "3 * 7", FinishReason.STOP)
    retry = TryRecord(f"Retry {number}: 3 * 8 = 24.", VerdictKind.PASS, "equals 24", "3 * 8", FinishReason.STOP)
    reflections = (ReflectionRecord(0, "I should take 8.", retry=retry),) if failed else ()
    return EpisodeRecord(problem_id, attempt, reflections)
