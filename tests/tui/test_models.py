"""The Models page: what is on this machine, and getting, taking in, comparing, measuring and removing it, by the real commands.

The hub is one on this machine, as in tests/models.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Input, OptionList

from rrr_local.actions import Place
from rrr_local.models import records
from rrr_local.models.find import EMBEDDED
from rrr_local.paths import bundled
from rrr_local.store.models import newest_adapters
from rrr_local.store.records import ModelRecord
from rrr_local.store.store import Store
from tests.models.loopback_hub import Hub, loopback_hub
from tests.tui.support import NO_ENGINE, check_snapshot, drive, text_of, until
from tui.app import RrrApp
from tui.screens.models import ModelsScreen
from tui.shelf import Section, shelf
from tui.widgets.dialog import Choose, Type

SIZES = [(80, 24), (120, 36)]


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub that this process and its children may ask."""
    with loopback_hub(bundled(EMBEDDED)) as served:
        monkeypatch.setenv("HF_ENDPOINT", served.url)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
        yield served


@pytest.fixture(autouse=True)
def _a_machine_of_16_gb(monkeypatch: pytest.MonkeyPatch) -> None:
    """What fits is the same on every machine."""
    monkeypatch.setattr("tui.screens.models.memory_bytes", lambda: 16 * 2**30)


def page(app: RrrApp) -> ModelsScreen:
    assert isinstance(app.screen, ModelsScreen)
    return app.screen


def is_listed(app: RrrApp, name: str) -> bool:
    """Whether the page is shown, with the cursor on this model."""
    model = page(app).chosen_model() if isinstance(app.screen, ModelsScreen) else None
    return model is not None and model.name == name


async def there(app: RrrApp, pilot: Pilot[None]) -> None:
    await until(pilot, lambda: is_listed(app, EMBEDDED))


async def answer(app: RrrApp, pilot: Pilot[None], text: str) -> None:
    """Fill in the line that is asked for."""
    await until(pilot, lambda: isinstance(app.screen, Type))
    app.screen.query_one(Input).value = text
    await pilot.press("enter")


async def ask_for(app: RrrApp, pilot: Pilot[None], repo: str) -> None:
    await there(app, pilot)
    await pilot.press("g")
    await answer(app, pilot, repo)


# --- the list


def test_the_shelf_has_the_embedded_model_with_its_adapters(sampled: Path) -> None:
    with Store.open(sampled / "rrr.db") as store:
        tiny, *others = shelf(store)
        assert len(newest_adapters(store.reader())) == 2
    assert tiny.embedded and tiny.usable and not tiny.recorded
    assert [(adapter.run, adapter.step) for adapter in tiny.adapters] == [("run-2", 12), ("run-1", 40)]
    assert others and {each.section for each in others} == {Section.TO_GET}


def test_a_folder_that_the_log_knows_is_found_and_said_to_be_gone_when_it_is(folder: Path, tmp_path: Path) -> None:
    home = tmp_path / "own model"
    shutil.copytree(bundled(EMBEDDED), home)
    with Store.open(folder / "rrr.db") as store:
        store.model(ModelRecord("safetensors", local_path=str(home), files_sha256="ab" * 32))
        assert [(row.title, row.usable) for row in shelf(store)[1:2]] == [("own model", True)]
        shutil.rmtree(home)
        gone = shelf(store)[1]
        assert gone.title == "own model" and not gone.usable and gone.section is Section.FOUND


@pytest.mark.parametrize("size", SIZES)
def test_models_lists_what_is_there_and_what_could_be_got(sampled: Path, size: tuple[int, int]) -> None:
    async def story(app: RrrApp, pilot: Pilot[None]) -> None:
        await there(app, pilot)
        await pilot.press("down", "down")
        await until(pilot, lambda: "runs/run-1/step-000040" in text_of(app), 5)
        check_snapshot(f"models-{size[0]}x{size[1]}", text_of(app))
        await pilot.press("down")
        await until(pilot, lambda: "reckoned" in text_of(app), 5)
        check_snapshot(f"models-to-get-{size[0]}x{size[1]}", text_of(app))
        assert [page(app).can(name) for name in ("load", "get", "import", "verify", "remove", "stop")] == [
            False, False, True, False, False, False
        ]  # fmt: skip
        await pilot.press("enter", "g")
        assert isinstance(app.screen, ModelsScreen)  # offline: nothing is asked

    drive(sampled, story, engine=NO_ENGINE, size=size, start=Place.MODELS)


# --- what is done


def test_a_model_is_got_compared_and_removed(folder: Path, hub: Hub) -> None:
    async def story(app: RrrApp, pilot: Pilot[None]) -> None:
        await ask_for(app, pilot, "good/tiny")
        await until(pilot, lambda: isinstance(app.screen, Choose))
        shown = text_of(app)
        assert "Get good/tiny from 127.0.0.1" in shown and "to fetch" in shown and "apache-2.0" in shown
        assert records.names() == []
        await pilot.press("g")
        await until(pilot, lambda: is_listed(app, "good/tiny"), 60)
        assert records.names() == ["good/tiny"] and page(app).can("verify")
        await pilot.press("v")
        await until(pilot, lambda: "good/tiny is as it was recorded" in text_of(app))
        await pilot.press("delete")
        await until(pilot, lambda: isinstance(app.screen, Choose))
        assert "Hugging Face cache is shared" in text_of(app)
        await pilot.press("r")
        await until(pilot, lambda: records.names() == [])
        await there(app, pilot)

    drive(folder, story, engine=NO_ENGINE, size=(120, 36), start=Place.MODELS)


def test_nothing_is_got_without_a_yes(folder: Path, hub: Hub) -> None:
    async def story(app: RrrApp, pilot: Pilot[None]) -> None:
        await ask_for(app, pilot, "good/tiny")
        await until(pilot, lambda: isinstance(app.screen, Choose))
        await pilot.press("escape")
        await there(app, pilot)
        assert records.names() == [] and not page(app).doing

    drive(folder, story, engine=NO_ENGINE, start=Place.MODELS)


def test_getting_can_be_stopped(folder: Path, hub: Hub) -> None:
    async def story(app: RrrApp, pilot: Pilot[None]) -> None:
        await ask_for(app, pilot, "slow/tiny")
        await until(pilot, lambda: isinstance(app.screen, Choose))
        await pilot.press("g")
        await until(pilot, lambda: "getting slow/tiny: fetch" in text_of(app) and page(app).can("stop"))
        assert "net in use" in text_of(app).splitlines()[0]
        await pilot.press("x")
        await until(pilot, lambda: not page(app).doing)
        assert "net off" in text_of(app).splitlines()[0]
        assert records.names() == []

    drive(folder, story, engine=NO_ENGINE, size=(120, 36), start=Place.MODELS)


def test_what_the_hub_refuses_is_said(folder: Path, hub: Hub) -> None:
    async def story(app: RrrApp, pilot: Pilot[None]) -> None:
        await ask_for(app, pilot, "missing/tiny")
        await until(pilot, lambda: "there is no model missing/tiny" in text_of(app))
        assert isinstance(app.screen, ModelsScreen) and not page(app).doing

    drive(folder, story, engine=NO_ENGINE, size=(120, 36), start=Place.MODELS)


def test_a_folder_is_taken_in_measured_loaded_and_made_the_default(folder: Path, tmp_path: Path) -> None:
    home = tmp_path / "my-model"
    shutil.copytree(bundled(EMBEDDED), home)

    async def story(app: RrrApp, pilot: Pilot[None]) -> None:
        await until(pilot, lambda: app.services.engine.ready is not None, 60)
        await there(app, pilot)
        await pilot.press("i")
        await answer(app, pilot, str(tmp_path / "nothing"))
        await until(pilot, lambda: any(n.severity == "error" for n in app._notifications))
        await pilot.press("i")
        await answer(app, pilot, str(home))
        await until(pilot, lambda: is_listed(app, "my-model"))
        assert records.names() == ["my-model"]
        await pilot.press("b")
        await until(pilot, lambda: "writes" in text_of(app), 60)
        await pilot.press("enter")
        await until(pilot, lambda: app.services.engine.ready and not app.services.engine.ready.embedded, 60)
        await until(pilot, lambda: "in use" in text_of(app), 5)
        await pilot.press("d")
        assert app.services.settings.get("chat.model") == "my-model"

    drive(folder, story, size=(120, 36), start=Place.MODELS)


def test_a_hostile_name_is_only_text(folder: Path, hub: Hub) -> None:
    async def story(app: RrrApp, pilot: Pilot[None]) -> None:
        await ask_for(app, pilot, "[b]x[/] \x1b]0;t\x07")
        await until(pilot, lambda: any(n.severity == "error" for n in app._notifications))
        assert "\x1b" not in text_of(app)

    drive(folder, story, engine=NO_ENGINE, start=Place.MODELS)


def test_an_adapter_whose_files_are_gone_is_said_and_the_chat_goes_on(sampled: Path) -> None:
    async def story(app: RrrApp, pilot: Pilot[None]) -> None:
        await until(pilot, lambda: app.services.engine.ready is not None, 60)
        await there(app, pilot)
        await pilot.press("down", "enter")
        await until(pilot, lambda: any(n.severity == "error" for n in app._notifications))
        assert app.services.engine.ready is not None and app.services.engine.ready.adapter is None
        assert app.screen.query_one(OptionList).highlighted == 2

    drive(sampled, story, start=Place.MODELS)
