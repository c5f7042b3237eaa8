"""The train page: checks before a run, a launch that fails, a run that is watched, paused, lost; and the story with a real trainer."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Input, Static

from rrr_local.actions import Place
from rrr_local.engine.plan import Plan
from rrr_local.errors import UsageError
from rrr_local.store import queries
from rrr_local.store.records import RunPhase, RunRequest, RunStatus
from rrr_local.store.store import Store
from rrr_local.training.lock import RunLock
from tests.tui.sample import NOON, written_at
from tests.tui.scripted_jobs import jobs
from tests.tui.support import NO_ENGINE, check_snapshot, drive, text_of, until
from tui.app import RrrApp
from tui.screens.train import TrainScreen
from tui.symbols import UNICODE
from tui.widgets.before import Before
from tui.widgets.plan_form import PlanForm, filled_in
from tui.widgets.samples import Samples

SIZES = ((80, 24), (120, 36))
SMALL = ("failures=16", "failures_per_step=2", "group_size=4", "checkpoint_every=1")


def page(app: RrrApp) -> TrainScreen:
    assert isinstance(app.screen, TrainScreen)
    return app.screen


def said(app: RrrApp) -> str:
    """The last line of the page; on the screen a note of the app may lie over it for a moment."""
    return str(page(app).query_one("#advice", Static).content)


@contextmanager
def alive(folder: Path, name: str) -> Iterator[Store]:
    """A log in which a run goes on: this process holds its lock."""
    with Store.open(folder / "rrr.db") as store, RunLock(folder / "runs" / name), written_at(NOON):
        run_id = queries.run(store.reader(), name).summary.id
        store.update_run(run_id, status=RunStatus.RUNNING)
        store.progress(run_id, RunPhase.TRAINING, 12, 40)
        store.flush()
        yield store


# --- before a run


@pytest.mark.parametrize("size", SIZES)
def test_before_a_run_the_page_says_what_it_would_be(folder: Path, size: tuple[int, int]) -> None:
    async def story(app: RrrApp, pilot: Pilot[None]) -> None:
        await pilot.press("p")
        await until(pilot, lambda: page(app).before.is_checked)
        check_snapshot(f"train-before-{size[0]}x{size[1]}", text_of(app))

    drive(folder, story, engine=NO_ENGINE, size=size, start=Place.TRAIN, jobs=jobs("good"))


def test_the_checks_begin_by_themselves_and_end_when_the_person_leaves(folder: Path) -> None:
    async def story(app: RrrApp, pilot: Pilot[None]) -> None:
        before = page(app).before
        await until(pilot, lambda: "trying a group of reflections on each 8/16" in text_of(app))
        await pilot.press("3")
        await until(pilot, lambda: not before.is_busy)
        assert not before.is_checked

    drive(folder, story, engine=NO_ENGINE, start=Place.TRAIN, jobs=jobs("waits"))


def test_a_weak_signal_asks_for_a_second_press(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(app: RrrApp, pilot: Pilot[None]) -> None:
        started: list[Plan] = []
        monkeypatch.setattr(TrainScreen, "start", lambda self, plan: started.append(plan))
        await pilot.press("enter")
        await until(pilot, lambda: page(app).before.is_checked)
        assert "0 of 128 retries pass: nothing to reward" in text_of(app)
        assert started == []
        await pilot.press("enter")
        assert started == [] and "enter once more starts all the same" in text_of(app)
        await pilot.press("enter")
        assert len(started) == 1

    drive(folder, story, engine=NO_ENGINE, start=Place.TRAIN, jobs=jobs("weak"))


def test_start_waits_for_the_checks_and_then_begins_by_itself(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(app: RrrApp, pilot: Pilot[None]) -> None:
        started: list[Plan] = []
        monkeypatch.setattr(TrainScreen, "start", lambda self, plan: started.append(plan))
        await pilot.press("q")
        await until(pilot, lambda: started)
        assert started[0].steps == 10
        assert "10 steps" in text_of(app)

    drive(folder, story, engine=NO_ENGINE, start=Place.TRAIN, jobs=jobs("good"))


def test_checks_that_break_say_why(folder: Path) -> None:
    async def story(app: RrrApp, pilot: Pilot[None]) -> None:
        await pilot.press("p")
        await until(pilot, lambda: page(app).before.has_failed)
        check_snapshot("train-error-80x24", text_of(app))

    drive(folder, story, engine=NO_ENGINE, start=Place.TRAIN, jobs=jobs("broken"))


def test_a_trainer_that_cannot_begin_says_why_and_the_page_goes_on(folder: Path) -> None:
    async def story(app: RrrApp, pilot: Pilot[None]) -> None:
        screen = page(app)
        screen.start(Plan(model=str(folder / "no-such-model"), task="countdown"))
        await until(pilot, lambda: screen.before.has_failed)
        assert "there is no model folder" in " ".join(text_of(app).split())
        assert screen.can("start") and screen.launch is None

    drive(folder, story, engine=NO_ENGINE, start=Place.TRAIN, jobs=jobs("waits"))


def test_the_form_fills_in_a_plan(folder: Path) -> None:
    async def story(app: RrrApp, pilot: Pilot[None]) -> None:
        await pilot.press("v")
        await until(pilot, lambda: isinstance(app.screen, PlanForm))
        app.screen.query_one("#steps", Input).value = "3"
        app.screen.query_one("#settings", Input).value = "group_size=4 beta=0.01"
        app.screen.query_one("#evaluate", Input).value = "many"
        app.screen.query_one("#steps", Input).focus()
        await pilot.press("enter")
        await pilot.pause()
        assert "evaluate cannot be 'many'" in text_of(app)
        app.screen.query_one("#evaluate", Input).value = "16"
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, TrainScreen))
        plan = page(app).before.plan
        assert (plan.steps, plan.evaluate, plan.settings) == (3, 16, ("group_size=4", "beta=0.01"))
        assert "group_size=4 beta=0.01" in text_of(app)

    drive(folder, story, engine=NO_ENGINE, start=Place.TRAIN, jobs=jobs("waits"))


@pytest.mark.parametrize(
    ("typed", "wrong"),
    [({"steps": "0"}, "0 steps"), ({"seed": "-1"}, "seed cannot be"), ({"settings": "beta"}, "'beta' changes nothing")],
)
def test_the_form_names_what_is_wrong(typed: dict[str, str], wrong: str) -> None:
    empty = {"steps": "", "seed": "", "evaluate": "", "replay": "", "everyday": "", "settings": ""}
    with pytest.raises(UsageError, match=wrong):
        filled_in(Plan(), empty | typed)


def test_checks_stay_good_for_another_length_but_not_for_another_recipe() -> None:
    before = Before(Plan(model="tiny", task="countdown"), UNICODE)
    before._document, before._checked_plan = {"checks": []}, replace(before.plan)
    before.plan = replace(before.plan, steps=7)
    assert before.is_checked
    before.plan = replace(before.plan, recipe="paper")
    assert not before.is_checked


# --- a run that is watched


@pytest.mark.parametrize("size", SIZES)
def test_a_live_run_is_found_and_shown(sampled: Path, size: tuple[int, int]) -> None:
    async def story(app: RrrApp, pilot: Pilot[None]) -> None:
        await until(pilot, lambda: page(app).followed is not None)
        await until(pilot, lambda: page(app).query_one(Samples).region.height > 0)
        check_snapshot(f"train-live-{size[0]}x{size[1]}", text_of(app))

    with alive(sampled, "run-2"):
        drive(sampled, story, engine=NO_ENGINE, size=size, start=Place.TRAIN, jobs=jobs("waits"))


def test_the_samples_of_a_live_run_are_drawn_again_in_ascii(sampled: Path) -> None:
    async def story(app: RrrApp, pilot: Pilot[None]) -> None:
        await until(pilot, lambda: "↺ “" in text_of(app))
        app.set_setting("ui.ascii", True)
        await until(pilot, lambda: "↺" not in text_of(app) and '[~] "' in text_of(app))

    with alive(sampled, "run-2"):
        drive(sampled, story, engine=NO_ENGINE, start=Place.TRAIN)


def test_what_a_person_asks_reaches_the_trainer(sampled: Path) -> None:
    async def story(app: RrrApp, pilot: Pilot[None]) -> None:
        await until(pilot, lambda: page(app).followed is not None)
        await pilot.press("space")
        await until(pilot, lambda: "asked to pause" in text_of(app))
        await pilot.press("x")
        await pilot.pause()
        assert "stop & discard what it learned" in text_of(app)
        await pilot.press("s")
        await until(pilot, lambda: "asked to stop" in text_of(app))
        connection = app.services.store.reader()
        assert queries.run(connection, "run-2").request is RunRequest.STOP

    with alive(sampled, "run-2"):
        drive(sampled, story, engine=NO_ENGINE, start=Place.TRAIN, jobs=jobs("waits"))


def test_a_run_whose_process_is_gone_is_lost(sampled: Path) -> None:
    async def story(app: RrrApp, pilot: Pilot[None]) -> None:
        page(app).show_run("run-2")
        await pilot.pause()
        check_snapshot("train-lost-80x24", text_of(app))
        assert page(app).can("pause") and not page(app).can("stop")

    with alive(sampled, "run-2"):
        pass
    drive(sampled, story, engine=NO_ENGINE, start=Place.TRAIN, jobs=jobs("waits"))


def test_zoom_smooth_and_log_axis(sampled: Path) -> None:
    async def story(app: RrrApp, pilot: Pilot[None]) -> None:
        page(app).show_run("run-1")
        await pilot.pause()
        await pilot.press("z")
        await pilot.pause()
        assert page(app).maximized is page(app).view.chosen_chart()
        await pilot.press("s", "y", "z")
        await pilot.pause()
        assert page(app).maximized is None
        assert "Reflection reward (log)" in text_of(app)

    drive(sampled, story, engine=NO_ENGINE, start=Place.TRAIN, jobs=jobs("waits"))


def test_another_run_can_be_watched_and_left(sampled: Path) -> None:
    async def story(app: RrrApp, pilot: Pilot[None]) -> None:
        await pilot.press("w")
        await pilot.pause()
        assert "run-1  done" in text_of(app)
        await pilot.press("3")
        await until(pilot, lambda: page(app).followed is not None)
        assert "run-1" in text_of(app) and "enter: see what it learned" in text_of(app)
        await pilot.press("n")
        await pilot.pause()
        assert page(app).followed is None and "Train on failures" in text_of(app)

    drive(sampled, story, engine=NO_ENGINE, start=Place.TRAIN, jobs=jobs("waits"))


def test_a_second_app_may_look_but_not_touch(sampled: Path) -> None:
    async def story(app: RrrApp, pilot: Pilot[None]) -> None:
        await until(pilot, lambda: page(app).followed is not None)
        object.__setattr__(app.services, "read_only", True)
        assert [page(app).can(name) for name in ("pause", "stop", "try", "log")] == [False, False, False, True]

    with alive(sampled, "run-2"):
        drive(sampled, story, engine=NO_ENGINE, start=Place.TRAIN, jobs=jobs("waits"))


# --- the story with a real trainer


@pytest.mark.timeout(240)
def test_train_lose_the_trainer_resume_try_finish_and_compare(folder: Path) -> None:
    plan = Plan(model="tiny", task="countdown", steps=4, evaluate=4, replay=2, settings=SMALL)

    async def story(app: RrrApp, pilot: Pilot[None]) -> None:
        screen = page(app)
        screen.start(plan)
        await until(pilot, lambda: screen.followed is not None, 60)
        assert screen.followed is not None
        name = screen.followed.name
        await until(pilot, lambda: screen.followed is not None and screen.followed.steps, 90)
        assert "Live samples (step" in text_of(app)
        assert app.training is not None and app.training.name == name

        pid = queries.run(app.services.store.reader(), name).pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        await until(pilot, lambda: screen.followed is not None and screen.followed.status is RunStatus.LOST, 5)
        assert "lost at step" in said(app) and "space resumes" in said(app)
        seen = len(screen.followed.steps)

        await pilot.press("space")
        await until(pilot, lambda: screen.followed is not None and screen.followed.is_live, 60)
        await pilot.press("c")
        await until(pilot, lambda: app.current_mode == Place.CHAT, 60)
        await until(pilot, lambda: (ready := app.services.engine.ready) is not None and ready.adapter, 60)
        await pilot.press("f3")
        await until(pilot, lambda: screen.followed is not None and screen.followed.status is RunStatus.DONE, 90)
        assert [step.record.step for step in screen.followed.steps] == [1, 2, 3, 4] and seen >= 1
        assert "enter: see what it learned" in said(app)

        await pilot.press("enter")
        await until(pilot, lambda: "Held-out problems" in text_of(app))
        await pilot.press("c")
        await until(pilot, lambda: "problem 1 of" in text_of(app))

    drive(folder, story, start=Place.TRAIN, jobs=jobs("waits"))
    log = (folder / "runs" / "run-1" / "trainer.log").read_text()
    assert json.loads(log.splitlines()[-1])["schema"]
