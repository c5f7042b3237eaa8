"""What the terminal app costs, against its budgets: `python benchmarks/tui_budgets.py [--json] [--repeat N]`.

Every figure comes from a process of its own (this file, called with the name of a budget), so that nothing is warm which a person
would find cold. With --json one document: {"schema": "rrr.budgets/1", "budgets": [{"budget", "limit", "unit", "values"}], ...}.
CPU is user plus system time of the app's process; children (engine, trainer) are not in it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # what is measured is imported in the process that measures it
    from textual.pilot import Pilot

    from rrr_local.engine.client import Engine

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # for tests.tui.support: the app as its tests open it
TOKENS_PER_S, STREAMED_S = 60, 10
LAG_EVERY_S, LAG_FOR_S = 0.02, 20.0
TURNS = 300


@dataclass(frozen=True, slots=True)
class Budget:
    """One line of the report."""

    name: str
    meaning: str
    limit: float
    unit: str
    measure: Callable[[Path], list[float]]
    """Given an empty data folder; one or several values."""


def cpu_seconds() -> float:
    """Of this process so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def command_cpu(*arguments: str) -> Callable[[Path], list[float]]:
    """CPU of one `rrr` command, from a cold start."""

    def measure(folder: Path) -> list[float]:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        environment = {**os.environ, "RRR_DATA_DIR": str(folder)}
        subprocess.run([sys.executable, "-m", "rrr_local", *arguments], env=environment, stdout=subprocess.DEVNULL)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return [after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime]

    return measure


def first_screen(folder: Path) -> list[float]:
    """CPU from the start of Python to a prompt that takes keys; the engine loads beside it."""
    from tests.tui.support import NO_ENGINE, app_at

    async def run() -> list[float]:
        async with app_at(folder, NO_ENGINE, (120, 36)) as (app, _):
            assert app.screen.focused is not None
            return [cpu_seconds()]

    return asyncio.run(run())


@asynccontextmanager
async def answering(folder: Path) -> AsyncIterator[tuple[Engine, Pilot[None]]]:
    """The app while an engine writes at 60 tokens a second."""
    from rrr_local.engine.client import Engine
    from tests.engine import scripted
    from tests.tui.support import app_at, until

    engine = Engine([sys.executable, scripted.__file__, "steady"])
    async with app_at(folder, engine, (120, 36)) as (_, pilot):
        await until(pilot, lambda: engine.ready is not None)
        await pilot.press(*"tell", "enter")
        await until(pilot, lambda: engine.state == "busy")
        yield engine, pilot


def streaming(folder: Path) -> list[float]:
    """Share of a core that the app uses while an answer streams at 60 tokens a second."""

    async def run() -> list[float]:
        async with answering(folder) as (engine, _):
            used, started = cpu_seconds(), time.perf_counter()
            await asyncio.sleep(STREAMED_S)
            assert engine.state == "busy", "the answer ended before the measurement did"
            return [100 * (cpu_seconds() - used) / (time.perf_counter() - started)]

    return asyncio.run(run())


def loop_lag(folder: Path) -> list[float]:
    """95th percentile of how late the app's event loop wakes up while a real trainer works beside it, ms."""
    from rrr_local.actions import Place
    from rrr_local.engine.detached import Ask
    from rrr_local.engine.plan import Plan
    from tests.tui.support import NO_ENGINE, app_at, until

    async def run() -> list[float]:
        async with app_at(folder, NO_ENGINE, (120, 36), start=Place.TRAIN) as (app, pilot):
            trainers = app.services.trainers
            plan = Plan(name="bench", steps=200, settings=("failures=64",))
            trainers.start(plan)
            await until(pilot, lambda: app.training is not None and app.training.last_step > 0, 120)
            lags = await late(LAG_FOR_S)
            trainers.request("bench", Ask.STOP)
            await until(pilot, lambda: not trainers.is_alive("bench"), 60)
            return [1000 * statistics.quantiles(lags, n=20)[-1]]

    return asyncio.run(run())


async def late(seconds: float) -> list[float]:
    """Seconds by which sleeps were overslept."""
    lags, end = [], time.perf_counter() + seconds
    while (start := time.perf_counter()) < end:
        await asyncio.sleep(LAG_EVERY_S)
        lags.append(time.perf_counter() - start - LAG_EVERY_S)
    return lags


def long_chat(folder: Path) -> list[float]:
    """Seconds until a chat of 300 turns is on the screen."""
    from tests.tui.support import NO_ENGINE, app_at, text_of, until

    conversation = written_chat(folder)

    async def run() -> list[float]:
        async with app_at(folder, NO_ENGINE, (120, 36)) as (app, pilot):
            started = time.perf_counter()
            await app.open_chat(conversation)
            await until(pilot, lambda: f"question {TURNS}" in text_of(app))
            return [time.perf_counter() - started]

    return asyncio.run(run())


def written_chat(folder: Path) -> str:
    """A conversation of TURNS turns, each an unchecked answer of some lines; its id."""
    from rrr_local.episode import FinishReason, VerdictKind
    from rrr_local.store.records import EpisodeRecord, ModelRecord, SessionKind, TryRecord
    from rrr_local.store.store import Store
    from rrr_local.tasks.base import fingerprint
    from rrr_local.tasks.question import Question

    task = Question()
    with Store.open(folder / "rrr.db") as store:
        model_id = store.model(ModelRecord("safetensors", local_path="bench", files_sha256="00" * 32))
        task_id = store.task(task.name, task.version, "Question", "Question", fingerprint(task), {})
        session = store.start_session(SessionKind.CHAT, model_id=model_id, task_id=task_id)
        problems = [task.parse_problem({"prompt": f"question {number}"}) for number in range(1, TURNS + 1)]
        ids = store.problems(task_id, problems)
        reply = "A paragraph of the answer.\n\n- one\n- two\n\n```python\nprint(1)\n```\n"
        made = TryRecord(reply, VerdictKind.ERROR, "", None, FinishReason.STOP, None, 40, 30, 500)
        attempts = store.log_episodes(session, [EpisodeRecord(ids[p.sha256], made) for p in problems])
        last = None
        for attempt in attempts:
            last = store.add_turn(session, attempt, last, last)
        store.end_session(session)
    return session


def charts(folder: Path) -> list[float]:
    """Milliseconds that the four charts of a run of 500 steps take to draw once their data have changed."""
    from textual.app import App, ComposeResult

    from tui.widgets.chart import Chart, Line

    wave = tuple((float(x), 0.5 + 0.3 * math.sin(x / 40) + 0.1 * (x * 7919 % 500) / 500) for x in range(500))

    class Charts(App[None]):
        def compose(self) -> ComposeResult:
            for number in range(4):
                yield Chart(f"chart {number}", "a sentence", rates=True)

    async def run() -> list[float]:
        app = Charts()
        async with app.run_test(size=(120, 40)) as pilot:
            found = list(app.query(Chart))
            values = []
            for frame in range(20):
                await pilot.pause()
                for chart in found:
                    chart.show((Line("a", wave[frame:]), Line("b", wave[: -frame or None])))
                started = time.perf_counter()
                for chart in found:
                    for y in range(chart.size.height):
                        chart.render_line(y)
                values.append(1000 * (time.perf_counter() - started))
            return values

    return asyncio.run(run())


def quitting(folder: Path) -> list[float]:
    """Seconds that leaving takes while the engine writes."""

    async def run() -> list[float]:
        async with answering(folder) as (_, pilot):
            await pilot.pause(0.5)
            started = time.perf_counter()
            await pilot.press("ctrl+q")
        return [time.perf_counter() - started]

    return asyncio.run(run())


BUDGETS = (
    Budget("help", "rrr --help", 0.25, "s CPU", command_cpu("--help")),
    Budget("runs", "rrr runs list --json", 0.25, "s CPU", command_cpu("runs", "list", "--json")),
    Budget("first-screen", "import and first screen", 1.0, "s CPU", first_screen),
    Budget("streaming", "streaming 60 tok/s", 25.0, "% of a core", streaming),
    Budget("lag", "loop lag, p95, while training", 30.0, "ms", loop_lag),
    Budget("long-chat", f"open a chat of {TURNS} turns", 1.0, "s", long_chat),
    Budget("charts", "a frame of 4 charts", 10.0, "ms", charts),
    Budget("quit", "quit with the engine busy", 1.0, "s", quitting),
)


def in_child(budget: Budget) -> list[float]:
    """Measure in a fresh process with a fresh data folder."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, __file__, "--child", budget.name, folder], capture_output=True, text=True, cwd=ROOT
        )
    if done.returncode:
        raise SystemExit(f"{budget.name}: {done.stderr[-2000:]}")
    values: list[float] = json.loads(done.stdout.splitlines()[-1])
    return values


def report(measured: Sequence[tuple[Budget, list[float]]]) -> None:
    for budget, values in measured:
        middle, word = statistics.median(values), "within"
        if middle > budget.limit:
            word = "OVER"
        spread = f"{min(values):.3g} to {max(values):.3g}"
        print(f"{budget.meaning:32} {middle:8.3g} {budget.unit:12} ({spread:>16})  limit {budget.limit:g}  {word}")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--repeat", type=int, default=5, help="processes per budget")
    parser.add_argument("--only", choices=[budget.name for budget in BUDGETS])
    parser.add_argument("--child", nargs=2, metavar=("BUDGET", "FOLDER"), help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.child:
        name, folder = chosen.child
        print(json.dumps(next(b for b in BUDGETS if b.name == name).measure(Path(folder))))
        return
    kept = [budget for budget in BUDGETS if chosen.only in (None, budget.name)]
    measured = [(budget, [v for _ in range(chosen.repeat) for v in in_child(budget)]) for budget in kept]
    if chosen.json:
        lines = [{"budget": b.meaning, "limit": b.limit, "unit": b.unit, "values": v} for b, v in measured]
        machine = {"cores": os.cpu_count(), "platform": platform.platform(), "python": platform.python_version()}
        print(json.dumps({"schema": "rrr.budgets/1", "budgets": lines, "machine": machine}))
    else:
        report(measured)


if __name__ == "__main__":
    main()
