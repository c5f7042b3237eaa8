"""Rates and differences as a person reads them: per cent with 95 % intervals, and a word for what may be claimed."""

from __future__ import annotations

from rrr_local.evaluation.protocol import Rates
from rrr_local.evaluation.statistics import Interval, PairedDifference, wilson


def percent(rate: float) -> str:
    return f"{100 * rate:.1f} %"


def with_interval(rate: float, n: int) -> str:
    """A rate over n problems with Wilson's interval."""
    interval = wilson(round(rate * n), n)
    return f"{percent(rate)} ({100 * interval.low:.0f} to {100 * interval.high:.0f})"


def word(change: PairedDifference) -> str:
    """What the interval allows to say."""
    if change.low > 0:
        return "clear gain"
    return "worse" if change.high < 0 else "not clear"


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
