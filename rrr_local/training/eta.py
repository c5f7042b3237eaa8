"""How long a run will take yet.

    left = median(seconds of the last 10 steps) * steps to go + median(seconds around a checkpoint) * checkpoints to go

The second term is what saving and evaluating cost: the time between a checkpoint's step and the one after it, less that step's own
seconds. Until one was seen it counts as nothing, and the whole is only `about` right; so it is before the fifth step.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from statistics import median

from rrr_local.store.queries import Step

RECENT = 10
"""Steps that the median is over."""
SURE_FROM = 5
"""Steps of this sitting before an estimate is more than a guess."""


@dataclass(frozen=True, slots=True)
class Eta:
    """Time to the end of a run."""

    seconds: float
    about: bool
    """Too early to be sure: say "about"."""

    def __str__(self) -> str:
        return f"{'about ' if self.about else ''}{duration(self.seconds)}"


def eta(steps: Sequence[Step], total_steps: int, checkpoint_every: int) -> Eta | None:
    """From the steps so far; None before the first one. `checkpoint_every` is in the recipe (`run.config`)."""
    known = [step.record.seconds for step in steps if step.record.seconds is not None]
    if not known:
        return None
    last = steps[-1].record.step
    overheads = list(_overheads(steps, checkpoint_every))
    # The last step has a checkpoint in any case, and that of the newest step is still to come.
    saves = -(-total_steps // checkpoint_every) - (last - 1) // checkpoint_every
    left = median(known[-RECENT:]) * (total_steps - last) + (median(overheads) if overheads else 0.0) * saves
    sitting = sum(step.segment == steps[-1].segment for step in steps)
    return Eta(left, sitting < SURE_FROM)


def _overheads(steps: Sequence[Step], every: int) -> Iterator[float]:
    """Seconds between a checkpoint and the next step that were not the step's own. A pause or a resume in between is none."""
    for before, after in pairwise(steps):
        if before.record.step % every or before.segment != after.segment or after.record.seconds is None:
            continue
        between = datetime.fromisoformat(after.created_at) - datetime.fromisoformat(before.created_at)
        yield max(0.0, between.total_seconds() - after.record.seconds)


def duration(seconds: float) -> str:
    """Seconds as a person says them: `45s`, `9m 45s`, `2h 05m`."""
    whole = max(0, round(seconds))
    minutes, hours = whole // 60, whole // 3600
    if hours:
        return f"{hours}h {minutes % 60:02}m"
    return f"{minutes}m {whole % 60:02}s" if minutes else f"{whole}s"
