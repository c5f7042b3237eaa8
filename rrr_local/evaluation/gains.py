"""What a run gained, by its own evaluations: the last one of a set minus the one before training, problem by problem."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rrr_local.evaluation.statistics import PairedDifference, paired_difference
from rrr_local.store import evaluations
from rrr_local.store.evaluations import EvalPoint
from rrr_local.store.sqlite import Connection

HELD_OUT, REPLAY, EVERYDAY = "held-out", "replay", "everyday"
"""Problems that were never trained on, those whose failures were, and questions that have nothing to do with them."""


@dataclass(frozen=True, slots=True)
class RunGain:
    """One set of problems before and after training."""

    set: str
    """`HELD_OUT`, `REPLAY` or `EVERYDAY`."""
    before: EvalPoint
    after: EvalPoint
    first_try: PairedDifference
    second_try: PairedDifference
    """Passed at the first try or at the retry."""


def run_gains(connection: Connection, run_id: str) -> list[RunGain]:
    """A gain for each set that was measured before and after; held-out first."""
    points = evaluations.run_evals(connection, run_id)
    return [gain for which in (HELD_OUT, REPLAY, EVERYDAY) for gain in _gain(connection, which, points)]


def _gain(connection: Connection, which: str, points: Sequence[EvalPoint]) -> Iterator[RunGain]:
    of_set = [point for point in points if point.set == which]
    before, after = next((p for p in of_set if p.step == 0), None), of_set[-1] if of_set else None
    if before is None or after is None or after.step == 0:
        return
    pairs = evaluations.eval_pairs(connection, before.eval_id, after.eval_id)
    first = _known((p.first_before, p.first_after) for p in pairs)
    second = _known((p.final_before, p.final_after) for p in pairs)
    if first and second:
        yield RunGain(which, before, after, _difference(first), _difference(second))


def _known(pairs: Iterator[tuple[bool | None, bool | None]]) -> list[tuple[float, float]]:
    """Without the problems at which a verifier broke."""
    return [(float(before), float(after)) for before, after in pairs if before is not None and after is not None]


def _difference(pairs: Sequence[tuple[float, float]]) -> PairedDifference:
    return paired_difference([before for before, _ in pairs], [after for _, after in pairs])


def word(change: PairedDifference) -> str:
    """What the interval allows to say."""
    if change.low > 0:
        return "clear gain"
    return "worse" if change.high < 0 else "not clear"
