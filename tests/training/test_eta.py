"""How long a run will take yet, from logged steps alone."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from rrr_local.store.queries import Step
from rrr_local.store.records import StepRecord
from rrr_local.training.eta import Eta, duration, eta

START = datetime(2026, 1, 1, tzinfo=UTC)


def logged(seconds: Sequence[float], between: float = 0.0, every: int = 10, segment: int = 0) -> list[Step]:
    """Steps of these lengths; after each checkpoint `between` seconds go by."""
    steps, time = [], START
    for number, length in enumerate(seconds, start=1):
        time += timedelta(seconds=length)
        steps.append(Step(StepRecord(number, seconds=length), segment, {}, time.isoformat()))
        if number % every == 0:
            time += timedelta(seconds=between)
    return steps


def test_before_the_first_step_nothing_is_known() -> None:
    assert eta([], 40, 10) is None


@pytest.mark.parametrize(
    ("steps", "left", "about"),
    [
        (logged([2.0] * 4), 36 * 2.0, True),
        (logged([2.0] * 5), 35 * 2.0, False),
        (logged([9.0] * 5 + [2.0] * 10), 25 * 2.0, False),  # the first ones are forgotten
        (logged([2.0] * 5 + [90.0]), 34 * 2.0, False),  # one long step is no rule
        (logged([2.0] * 12, between=5.0), 28 * 2.0 + 3 * 5.0, False),  # after 20, 30 and 40
        (logged([2.0] * 40, between=5.0), 5.0, False),  # the last evaluation is still to come
    ],
    ids=["about", "sure", "recent", "median", "checkpoints", "last"],
)
def test_the_median_of_recent_steps_and_the_cost_of_checkpoints(steps: list[Step], left: float, about: bool) -> None:
    found = eta(steps, 40, 10)
    assert found is not None and found.about is about
    assert found.seconds == pytest.approx(left)


def test_a_night_between_two_sittings_is_no_cost_of_a_checkpoint() -> None:
    before, after = logged([2.0] * 10), logged([2.0] * 16)[10:]
    later = [Step(s.record, 1, {}, (START + timedelta(hours=8, seconds=2 * s.record.step)).isoformat()) for s in after]
    assert eta([*before, *later], 40, 10) == Eta(24 * 2.0, False)
    assert eta([*before, *later[:4]], 40, 10) == Eta(26 * 2.0, True)


def test_a_clock_that_was_set_back_makes_no_time() -> None:
    steps = logged([2.0] * 12, between=-3600.0)
    found = eta(steps, 40, 10)
    assert found is not None and found.seconds == 28 * 2.0


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.4, "0s"),
        (59.4, "59s"),
        (59.6, "1m 00s"),
        (585.0, "9m 45s"),
        (3600.0, "1h 00m"),
        (7509.0, "2h 05m"),
        (-1.0, "0s"),
    ],
)
def test_durations_as_a_person_says_them(seconds: float, said: str) -> None:
    assert duration(seconds) == said
    assert str(Eta(seconds, False)) == said
    assert str(Eta(seconds, True)) == f"about {said}"
