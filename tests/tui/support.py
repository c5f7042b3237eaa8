"""The app under test: at a data folder, with the real engine or another, and its screen as text.

    async with app_at(folder) as (app, pilot):
        await pilot.press("f3")
        await until(pilot, lambda: app.services.engine.ready is not None)
        check_snapshot("runs-80x24-empty", text_of(app))

RRR_UPDATE_SNAPSHOTS=1 rewrites the snapshots.
"""

from __future__ import annotations

import asyncio
import os
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

from textual.pilot import Pilot

from rrr_local.actions import Place
from rrr_local.engine.client import Engine, EngineState
from rrr_local.engine.jobs import Jobs
from rrr_local.paths import OVERRIDE
from tests.tui.sample import NOON, sample_store, written_at
from tui.app import RrrApp
from tui.services import opened

__all__ = ["NOON", "NO_ENGINE", "app_at", "check_snapshot", "drive", "sample_store", "text_of", "until", "written_at"]
SNAPSHOTS = Path(__file__).parent / "snapshots"
UPDATE = "RRR_UPDATE_SNAPSHOTS"
MASKS = (
    (re.compile(r"\d+\.\d/\d+ GB"), "#.#/## GB"),  # memory of the engine and the machine
    (re.compile(r"\b\d+ tok/s"), "## tok/s"),
    (re.compile(r"\b\d+\.\d s\b"), "#.# s"),
    (re.compile(r"/\S*/rrr-data"), "~/rrr-data"),
)
"""What differs from machine to machine, and what stands for it in a snapshot."""

NO_ENGINE = "none"
"""For screens that need none: an engine that ends at once; its state is DEAD after the start."""
ENGINES = {"real": None, NO_ENGINE: ("false",)}


@asynccontextmanager
async def app_at(
    folder: Path,
    engine: str | Engine = "real",
    size: tuple[int, int] = (80, 24),
    *,
    jobs: Jobs | None = None,
    start: Place = Place.CHAT,
    welcomed: bool = True,
) -> AsyncIterator[tuple[RrrApp, Pilot[None]]]:
    """The app on a data folder, as a person sees it who has been welcomed before; its clock stands at noon.

    `engine`: "real", `NO_ENGINE`, or one with a scripted child.
    """
    environment = mock.patch.dict(os.environ, {OVERRIDE: str(folder)})
    with environment, written_at(NOON), opened(_engine(engine), jobs) as services:
        if welcomed and not services.read_only:
            services.settings.set("ui.welcomed", True)
        app = RrrApp(replace(services, clock=lambda: NOON), start)
        async with app.run_test(size=size, notifications=True, tooltips=False) as pilot:
            await pilot.pause()
            if engine == NO_ENGINE:
                await until(pilot, lambda: app.services.read_only or app.services.engine.state is EngineState.DEAD)
            yield app, pilot


def _engine(engine: str | Engine) -> Engine:
    return Engine(ENGINES[engine]) if isinstance(engine, str) else engine


async def until(pilot: Pilot[None], condition: Callable[[], object], seconds: float = 30) -> None:
    """Wait for something to come true. Fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s; the screen shows:\n{text_of(pilot.app)}"
        await pilot.pause(0.02)
    await pilot.pause()


def text_of(app: Any) -> str:
    """The screen as text, line by line without trailing blanks. The one place that uses Textual's compositor."""
    filters = app.get_line_filters()
    background = app.screen.background_colors[1]
    lines = []
    for strip in app.screen._compositor.render_strips():
        segments = list(strip)
        for line_filter in filters:
            segments = line_filter.apply(segments, background)
        lines.append("".join(segment.text for segment in segments).rstrip())
    return "\n".join(lines).rstrip()


def check_snapshot(name: str, text: str) -> None:
    """Compare with tests/tui/snapshots/<name>.txt, or rewrite it if asked to by the environment."""
    path = SNAPSHOTS / f"{name}.txt"
    masked = text
    for pattern, stand_in in MASKS:
        masked = pattern.sub(stand_in, masked)
    if os.environ.get(UPDATE):
        path.parent.mkdir(exist_ok=True)
        path.write_text(masked + "\n", encoding="utf-8")
    assert path.exists(), f"no snapshot {name}: look at the screen below, then make it with {UPDATE}=1\n{masked}"
    assert masked + "\n" == path.read_text(encoding="utf-8")


def drive(folder: Path, story: Callable[[RrrApp, Pilot[None]], Awaitable[None]], **options: Any) -> None:
    """Run a test's coroutine in an app, from a plain test function."""

    async def run() -> None:
        async with app_at(folder, **options) as (app, pilot):
            await story(app, pilot)

    asyncio.run(run())
