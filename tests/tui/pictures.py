"""The README's pictures, from the running app with the sample log: `python -m tests.tui.pictures docs/pictures`.

Writes one SVG per picture; `--png` writes a PNG beside it, to look at, with cairosvg (`pip install cairosvg`).
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import os
import re
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

from textual.pilot import Pilot
from textual.widgets import TextArea

from rrr_local.actions import Place
from rrr_local.store import queries
from rrr_local.store.chats import chats
from rrr_local.store.records import RunStatus
from rrr_local.store.store import Store
from rrr_local.training.lock import RunLock
from tests.tui.support import app_at, sample_store, text_of, until
from tui.app import RrrApp

Size = tuple[int, int]
SMALL, LARGE = (80, 24), (120, 36)
ROOT = Path(__file__).parent.parent.parent


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture."""

    name: str
    place: Place
    size: Size = LARGE
    keys: tuple[str, ...] = ()
    """Pressed before it is taken."""
    chat: str = ""
    """The title of a chat to open."""
    running: str = ""
    """A run that goes on meanwhile."""
    settings: tuple[tuple[str, str | bool], ...] = ()
    no_color: bool = False
    welcomed: bool = True
    shows: str = ""
    """What is waited for: what a screen reads from a child comes later."""


FONTS = re.compile(r"@font-face \{[^}]*\}\s*")
"""A picture of ours fetches nothing from anywhere; without Fira Code the reader's own monospaced font is used."""
SETTLED_S = 1.5
"""A screen that does not change for so long has read the log."""
LIGHT = (("ui.theme", "rrr-light"),)
ASCII = (("ui.ascii", True), ("ui.chart", "ascii"))
PICTURES = (
    Picture("welcome", Place.CHAT, SMALL, welcomed=False),
    Picture("chat", Place.CHAT, chat="Countdown"),
    Picture("train-before", Place.TRAIN, shows="in all"),
    Picture("train", Place.TRAIN, running="run-2"),
    Picture("runs", Place.RUNS, keys=("down", "down")),
    Picture("compare", Place.RUNS, keys=("down", "down", "c")),
    *(Picture(place.value, place) for place in (Place.HISTORY, Place.TASKS, Place.MODELS, Place.DOCTOR)),
    Picture("help", Place.TASKS, SMALL, keys=("f1",)),
    Picture("chat-light", Place.CHAT, SMALL, chat="Countdown", settings=LIGHT),
    Picture("chat-no-color", Place.CHAT, chat="Countdown", no_color=True),
    Picture("train-ascii-no-color", Place.TRAIN, SMALL, running="run-2", settings=ASCII, no_color=True),
)
"""What is committed: every place, and the first page, help, a small window, the light theme, no colours, ASCII."""
LOOKED_AT = (
    *(Picture(f"{place.value}-80x24", place, SMALL) for place in Place),
    *(Picture(f"{place.value}-80x24-no-color", place, SMALL, no_color=True) for place in Place),
    *(Picture(f"{place.value}-80x24-ascii", place, SMALL, settings=ASCII) for place in Place),
    *(Picture(f"{place.value}-light", place, settings=LIGHT) for place in Place),
    Picture("palette", Place.RUNS, SMALL, keys=("ctrl+p",)),
)
"""More of them, by name, to look at while working on a screen."""


async def take(picture: Picture) -> str:
    """The SVG of one picture."""
    with tempfile.TemporaryDirectory() as temporary, ExitStack() as stack:
        # A home without models of other programs, and online: what one sees who begins.
        environment = {"HOME": temporary, "HF_HOME": temporary, **({"NO_COLOR": "1"} if picture.no_color else {})}
        stack.enter_context(mock.patch.dict(os.environ, environment))
        os.environ.pop("HF_HUB_OFFLINE", None)
        data = Path(temporary) / "rrr-data"
        data.mkdir()
        if picture.welcomed:
            sample_store(data)
        if picture.running:
            with Store.open(data / "rrr.db") as store:
                store.update_run(queries.run(store.reader(), picture.running).summary.id, status=RunStatus.RUNNING)
            stack.enter_context(RunLock(data / "runs" / picture.running))
        async with app_at(data, size=picture.size, start=picture.place, welcomed=picture.welcomed) as (app, pilot):
            await pose(app, pilot, picture)
            svg = FONTS.sub("", app.export_screenshot(title=f"rrr - {picture.place.label}"))
            return svg.replace(str(temporary), "~").replace(str(ROOT), "~/rrr-local")


async def pose(app: RrrApp, pilot: Pilot[None], picture: Picture) -> None:
    """Bring the app to where the picture is taken."""
    for key, value in picture.settings:
        app.set_setting(key, value)
    await until(pilot, lambda: app.services.engine.ready or app.services.engine.error, 60)
    if picture.chat:
        found = next(chat for chat in chats(app.services.store.reader()) if chat.title == picture.chat)
        await app.open_chat(found.id)
    await until(pilot, lambda: picture.shows in text_of(app), 120)
    for box in app.screen.query(TextArea):
        box.cursor_blink = False
    await settled(app, pilot)
    for key in picture.keys:
        await pilot.press(key)
        await pilot.pause(0.3)
    await settled(app, pilot)


async def settled(app: RrrApp, pilot: Pilot[None]) -> None:
    """Wait until the screen stays as it is."""
    shown, since = "", 0.0
    while shown != (now := text_of(app)) or time.monotonic() - since < SETTLED_S:
        if shown != now:
            shown, since = now, time.monotonic()
        await pilot.pause(0.1)


def main(arguments: Sequence[str] | None = None) -> None:
    """Make the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="*", help="only these")
    parser.add_argument("--png", action="store_true", help="also as PNG, by cairosvg")
    chosen = parser.parse_args(arguments)
    chosen.folder.mkdir(parents=True, exist_ok=True)
    known = {picture.name: picture for picture in (*LOOKED_AT, *PICTURES)}
    for picture in map(known.__getitem__, chosen.names or [committed.name for committed in PICTURES]):
        svg = asyncio.run(take(picture))
        (chosen.folder / f"{picture.name}.svg").write_text(svg, encoding="utf-8")
        if chosen.png:
            _png(svg, chosen.folder / f"{picture.name}.png")
        print(picture.name)


def _png(svg: str, path: Path) -> None:
    """With a font that this machine has, so that the columns align."""
    cairosvg = importlib.import_module("cairosvg")
    cairosvg.svg2png(bytestring=svg.replace("Fira Code", "DejaVu Sans Mono").encode(), write_to=str(path), scale=0.9)


if __name__ == "__main__":
    main()
