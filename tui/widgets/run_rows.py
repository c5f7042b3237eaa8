"""Runs in a list: what each row says, with what was measured looked up only once."""

from __future__ import annotations

from collections.abc import Sequence

from rrr_local.engine.detached import Trainers
from rrr_local.evaluation.gains import EVERYDAY, HELD_OUT, REPLAY, RunGain, run_gains
from rrr_local.evaluation.statistics import PairedDifference
from rrr_local.store import queries
from rrr_local.store.queries import RunSummary
from rrr_local.store.records import RunStatus
from rrr_local.store.store import Store
from tui.following import LIVE
from tui.symbols import Symbols
from tui.widgets.pager import Cell, Column, Key, Row, Tone
from tui.widgets.run_words import model_name, status_content

MOST = 2_000
"""Runs that can be paged through."""
COLUMNS = (
    Column("", 3),
    Column("run", None),
    Column("steps", 8),
    Column("first try", 15),
    Column("after retry", 15),
    Column("yours", 10),
    Column("state", 11),
    Column("model", 14, wide_from=110),
    Column("when", 11, wide_from=110),
)


class RunRows:
    """Rows of the runs, newest first."""

    def __init__(self, store: Store, trainers: Trainers, symbols: Symbols) -> None:
        self._store = store
        self.symbols = symbols
        self._trainers = trainers
        self._gains: dict[tuple[object, ...], tuple[RunGain | None, RunGain | None, RunGain | None]] = {}
        self.marked: list[str] = []
        """Ids of the runs to be compared, in the order they were marked."""
        self.in_use = ""
        """The run whose adapter the chat uses."""

    def fetch(self, after: Key | None, limit: int) -> Sequence[Row]:
        """The runs behind one, for a `Pager`."""
        runs = queries.runs(self._store.reader(), MOST)
        start = 0 if after is None else next((i + 1 for i, run in enumerate(runs) if run.id == after), len(runs))
        return [self._row(run) for run in runs[start : start + limit]]

    def status(self, run: RunSummary) -> RunStatus:
        """As it is: lost where the log says it runs and no process holds it."""
        return RunStatus.LOST if run.status in LIVE and not self._trainers.is_alive(run.name) else run.status

    def gains(self, run: RunSummary) -> tuple[RunGain | None, RunGain | None, RunGain | None]:
        """On the held-out problems, on its own failures, and on everyday questions."""
        key = (run.id, run.status, run.last_step, run.ended_at)
        if key not in self._gains:
            found = {each.set: each for each in run_gains(self._store.reader(), run.id)}
            self._gains[key] = (found.get(HELD_OUT), found.get(REPLAY), found.get(EVERYDAY))
        return self._gains[key]

    def toggle(self, run_id: str) -> None:
        """Mark a run, or unmark it. Of four marked ones the first is given up."""
        if run_id in self.marked:
            self.marked.remove(run_id)
        else:
            self.marked = [*self.marked, run_id][-3:]

    def _row(self, run: RunSummary) -> Row:
        held_out, replay, _ = self.gains(run)
        mark = self.symbols.marked if run.id in self.marked else ""
        using = self.symbols.in_use if run.name == self.in_use else ""
        status = self.status(run)
        return Row(
            run.id,
            (
                f"{mark}{using}",
                run.name,
                f"{run.last_step}/{run.total_steps}",
                *_held_out(held_out, self.symbols),
                yours(replay, self.symbols),
                Cell(status_content(status, self.symbols).plain, _TONES.get(status, Tone.PLAIN)),
                model_name(run.model),
                (run.started_at or run.created_at)[5:16].replace("T", " "),
            ),
        )


_TONES = {
    RunStatus.DONE: Tone.GOOD,
    RunStatus.RUNNING: Tone.GOOD,
    RunStatus.PAUSED: Tone.CAREFUL,
    RunStatus.FAILED: Tone.BAD,
    RunStatus.LOST: Tone.BAD,
}


def _held_out(found: RunGain | None, symbols: Symbols) -> tuple[Cell, Cell]:
    if found is None:
        return Cell("not measured", Tone.QUIET), Cell("")
    before, after = found.before, found.after
    return (
        moved(before.first_try, after.first_try, found.first_try, symbols),
        moved(before.final_rate, after.final_rate, found.second_try, symbols),
    )


def moved(before: float | None, after: float | None, change: PairedDifference, symbols: Symbols) -> Cell:
    """`31→44 % +13*`; the star says that the interval excludes 0."""
    if before is None or after is None:
        return Cell("not measured", Tone.QUIET)
    tone = Tone.GOOD if change.low > 0 else Tone.BAD if change.high < 0 else Tone.PLAIN
    star = "" if tone is Tone.PLAIN else "*"
    return Cell(f"{100 * before:.0f}{symbols.arrow}{100 * after:.0f} % {100 * change.diff:+.0f}{star}", tone)


def yours(replay: RunGain | None, symbols: Symbols) -> str:
    """`6→18/37`: of the failures that were tried again, how many passed before and after."""
    if replay is None:
        return ""
    n = replay.second_try.n
    before, after = replay.before.final_rate or 0.0, replay.after.final_rate or 0.0
    return f"{round(before * n)}{symbols.arrow}{round(after * n)}/{n}"
