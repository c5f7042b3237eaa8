"""What is said about a run, and what is not, as a table of cases."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest

from rrr_local.store.queries import Run, Step
from rrr_local.store.records import StepRecord
from rrr_local.training.advice import advice

GOOD = StepRecord(
    1, reward_mean=0.3, kl=0.01, groups=8, groups_used=4, retry_rate=0.3, extra={"reflections_truncated": 1}
)
"""A step of 8 groups of 4 with nothing to say about it."""


def run() -> Run:
    """A run of groups of 4; advice reads nothing else of it."""
    values: dict[str, Any] = dict.fromkeys(field.name for field in fields(Run))
    return Run(**values | {"config": {"group_size": 4}})


def steps(count: int, record: StepRecord = GOOD, rising: float = 0.01, **not_finite: str) -> list[Step]:
    """Steps like `record` whose reward rises."""
    made = []
    for number in range(1, count + 1):
        reward = None if record.reward_mean is None else record.reward_mean + rising * number
        made.append(Step(replace(record, step=number, reward_mean=reward), 0, {}, ""))
    if not_finite:
        made[-1] = replace(made[-1], not_finite=not_finite)
    return made


DEAD = replace(GOOD, groups_used=0, retry_rate=0.0)
CUT = replace(GOOD, extra={"reflections_truncated": 14})
CASES = {
    "nothing yet": (steps(0), None),
    "all is well": (steps(40), None),
    "not finite at once": (steps(1, loss="nan"), "step 1 was not finite"),
    "an update that was not applied": (steps(3, replace(GOOD, extra={"update_applied": 0})), "step 3 was not finite"),
    "applied updates are fine": (steps(40, replace(GOOD, extra={"update_applied": 1})), None),
    "no signal": (steps(10, DEAD), "0 of the last 80 groups taught something: nearly no retry passes"),
    "all pass": (steps(10, replace(DEAD, retry_rate=1.0)), "nearly all retries pass"),
    "too early for signal": (steps(9, DEAD), None),
    "just enough signal": (steps(10, replace(GOOD, groups=10, groups_used=1)), None),
    "drifting": (steps(10, replace(GOOD, kl=0.21)), "KL to the base model is 0.21"),
    "not drifting": (steps(10, replace(GOOD, kl=0.2)), None),
    "no KL in this recipe": (steps(10, replace(GOOD, kl=None)), None),
    "cut off": (steps(10, CUT), "44 % of the reflections are cut off"),
    "some are cut off": (steps(10, replace(GOOD, extra={"reflections_truncated": 12})), None),
    "flat": (steps(30, rising=0.0), "the reward has not risen for 30 steps"),
    "falling": (steps(30, rising=-0.005), "the reward has not risen"),
    "too early for flat": (steps(29, rising=0.0), None),
    "flat at the top": (steps(30, replace(GOOD, reward_mean=0.95), rising=0.0), None),
    "no rewards known": (steps(30, replace(GOOD, reward_mean=None)), None),
    "most important first": (steps(30, replace(DEAD, kl=0.5, extra=CUT.extra), rising=0.0), "0 of the last 80"),
    "not finite before all": (steps(30, replace(DEAD, kl=0.5), rising=0.0, loss="inf"), "step 30 was not finite"),
}


@pytest.mark.parametrize("case", CASES)
def test_one_thing_is_said_at_a_time_and_nothing_where_all_is_well(case: str) -> None:
    logged, said = CASES[case]
    found = advice(logged, run())
    assert found is None if said is None else found is not None and said in found.text and found.action


def test_what_can_be_done_depends_on_why_there_is_no_signal() -> None:
    easier, harder = advice(steps(10, DEAD), run()), advice(steps(10, replace(DEAD, retry_rate=1.0)), run())
    assert easier is not None and "easier problems" in easier.action
    assert harder is not None and "harder problems" in harder.action
