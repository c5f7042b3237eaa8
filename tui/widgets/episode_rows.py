"""Episodes in a list: what each row says."""

from __future__ import annotations

from collections.abc import Sequence

from rrr_local.store.history import Day, EpisodeSummary, Outcome, Totals
from tui.symbols import Symbols
from tui.widgets.pager import Cell, Column, Row, Tone
from tui.widgets.raster import sparkline

COLUMNS = (
    Column("when", 11),
    Column("task", 10),
    Column("prompt", None),
    Column("tries", 5),
    Column("outcome", 14),
    Column("run", 9, wide_from=100),
)
_TONES = {Outcome.PASSED: Tone.GOOD, Outcome.FIXED: Tone.GOOD, Outcome.FAILED: Tone.BAD, Outcome.UNCHECKED: Tone.QUIET}


def episode_row(summary: EpisodeSummary, symbols: Symbols) -> Row:
    """When, what about, how many tries, and what came of it: by the check, or by the person."""
    judge = " (you)" if summary.by_user else ""
    return Row(
        summary.id,
        (
            summary.created_at[5:16].replace("T", " "),
            summary.task or summary.kind,
            Cell(f"(excluded) {summary.prompt or ''}", Tone.QUIET) if summary.excluded else summary.prompt or "",
            str(1 + summary.reflections),
            Cell(f"{_outcome(summary.outcome, symbols)}{judge}", _TONES[summary.outcome]),
            summary.run or "",
        ),
    )


def _outcome(outcome: Outcome, symbols: Symbols) -> str:
    symbol = {
        Outcome.PASSED: symbols.passed,
        Outcome.FIXED: symbols.reflection,
        Outcome.FAILED: symbols.failed,
        Outcome.UNCHECKED: symbols.unchecked,
    }[outcome]
    return f"{symbol} {outcome}"


def totals_words(totals: Totals, symbols: Symbols) -> str:
    """`412 episodes · 61 % first try · 19 % fixed · 20 % failed`; of those that were checked."""
    checked = totals.episodes - totals.unchecked
    parts = [f"{totals.episodes:,} episode{'' if totals.episodes == 1 else 's'}"]
    if checked:
        parts += [
            f"{100 * totals.first_try / checked:.0f} % first try",
            f"{100 * totals.fixed / checked:.0f} % fixed",
            f"{100 * totals.failed / checked:.0f} % failed",
        ]
    if totals.unchecked:
        parts.append(f"{totals.unchecked:,} not checked")
    return f" {symbols.dot} ".join(parts)


def days_line(days: Sequence[Day], symbols: Symbols) -> str:
    """How many episodes each of the last days had, as a sparkline."""
    return f"{len(days)} days {sparkline([day.episodes for day in days], symbols.rail == '|')}"
