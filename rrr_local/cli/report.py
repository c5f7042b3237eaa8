"""Rates and differences as a person reads them: per cent with 95 % intervals, and a word for what may be claimed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rrr_local.evaluation.statistics import Interval, PairedDifference, wilson

if TYPE_CHECKING:  # it brings numpy, which `rrr runs list` has no use for
    from rrr_local.evaluation.protocol import Rates


def percent(rate: float) -> str:
    return f"{100 * rate:.1f} %"


def with_interval(rate: float, n: int) -> str:
    """A rate over n problems with Wilson's interval."""
    interval = wilson(round(rate * n), n)
    return f"{percent(rate)} ({100 * interval.low:.0f} to {100 * interval.high:.0f})"


def points(change: PairedDifference) -> str:
    """A difference in percentage points with its interval."""
    return f"{100 * change.diff:+.1f} points ({100 * change.low:+.0f} to {100 * change.high:+.0f})"


def moved(change: PairedDifference) -> str:
    """How many problems changed sides."""
    return f"{change.fixed} fixed, {change.broken} broken"


def change_json(change: PairedDifference) -> dict[str, float | int]:
    return {
        "diff": change.diff,
        "low": change.low,
        "high": change.high,
        "fixed": change.fixed,
        "broken": change.broken,
    }


def rates_with_intervals(rates: Rates) -> dict[str, dict[str, float | int] | None]:
    """Every rate with its Wilson interval and its number of problems, as JSON."""
    failed = rates.n - round(rates.first_try * rates.n)
    return {
        "first_try": _rate_json(rates.first_try, rates.n),
        "second_try": _rate_json(rates.second_try, rates.n),
        "rescue": None if rates.rescue is None else _rate_json(rates.rescue, failed),
    }


def _rate_json(rate: float, n: int) -> dict[str, float | int]:
    interval: Interval = wilson(round(rate * n), n)
    return {"rate": rate, "low": interval.low, "high": interval.high, "n": n}
