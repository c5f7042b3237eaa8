"""From a page to the chat: with a problem in the prompt, or with what a run has trained."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from rrr_local.actions import Place
from rrr_local.episode import Problem, Split
from rrr_local.models.find import EMBEDDED, find_model
from rrr_local.store.queries import Run
from rrr_local.tasks.question import NAME as QUESTION
from tui.place import PlaceScreen
from tui.widgets.prompt import Prompt

if TYPE_CHECKING:
    from tui.app import RrrApp


async def take_to_chat(app: RrrApp, task: str | None, problem: Problem) -> None:
    """Open a new chat about the task with the problem in the prompt, not sent."""
    await app.go(Place.CHAT)
    screen = app.screen
    assert isinstance(screen, PlaceScreen)
    await screen.perform("new")
    await screen.perform("task", "none" if task in (None, QUESTION) else task)
    # The chat knows the problems of a task's train split by their text; others it takes by their JSON form.
    by_text = problem.split is Split.TRAIN or task in (None, QUESTION)
    screen.query_one(Prompt).put(problem.prompt if by_text else json.dumps(dict(problem.info)))


def loadable(run: Run) -> str:
    """A run's model as the engine takes it. Raises `ModelError` when it is gone."""
    model = find_model(run.summary.model or "")
    return EMBEDDED if model.embedded else str(model.folder)
