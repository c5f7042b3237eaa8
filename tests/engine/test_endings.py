"""How a run ends by itself: paused by a verifier that breaks, or because there is nothing to learn. Nothing of it is silent."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rrr_local.engine.plan import Plan
from rrr_local.engine.preflight import preflight
from rrr_local.engine.work import Event, Moved, Noticed, work
from rrr_local.episode import Split, Verdict
from rrr_local.errors import BrokenVerifier, NothingToLearn
from rrr_local.measure import Measured, Measurement, measure
from rrr_local.store import evaluations
from rrr_local.store.records import EvalStatus, RunStatus
from rrr_local.training.patience import DEAD_AT_FIRST

from ..toy import ERROR, FAIL, Toy, by_digest
from ..training.lab import Lab, result
from .test_work import MEASURED, PLAN, Stop, bench, carry_out, of, resume


class Breakable:
    """A verifier that a test breaks and mends."""

    broken = False

    def __call__(self, reply: str) -> Verdict:
        return ERROR if self.broken else by_digest(reply)


def until_it_ends(lab: Lab, plan: Plan, judge: Breakable, break_after: int) -> list[Event]:
    """Carry out a plan whose verifier breaks after a step."""
    seen: list[Event] = []
    with pytest.raises(BrokenVerifier):
        for event in work(bench(lab), plan, Stop()):
            seen.append(event)
            judge.broken = judge.broken or (
                isinstance(event, Moved) and event.step is not None and event.done == break_after
            )
    return seen


def test_a_run_whose_verifier_breaks_is_paused_after_its_last_step_and_goes_on_as_if_it_never_had(lab: Lab) -> None:
    carry_out(lab, PLAN, "whole")
    judge = Breakable()
    own = Lab(lab.store, lab.model, Toy(judge))
    until_it_ends(own, replace(PLAN, name="broken"), judge, break_after=3)
    found = of(lab, "broken")
    assert (found.summary.status, found.summary.last_step) == (RunStatus.PAUSED, 3)
    assert found.last_checkpoint is not None and found.last_checkpoint.endswith("step-0000003")
    assert found.summary.error is not None and found.summary.error.startswith(
        "the verifier of toy broke 5 times in a row"
    )
    judge.broken = False
    resume(own, "broken")
    assert (of(lab, "broken").summary.status, of(lab, "broken").summary.error) == (RunStatus.DONE, None)
    assert result("broken") == result("whole")


def test_a_verifier_that_breaks_while_the_run_is_measured_pauses_it_too(lab: Lab) -> None:
    judge = Breakable()
    own = Lab(lab.store, lab.model, Toy(judge))
    until_it_ends(own, replace(MEASURED, name="broken"), judge, break_after=2)
    assert of(lab, "broken").summary.status is RunStatus.PAUSED


def test_a_measurement_whose_verifier_breaks_is_failed_with_what_it_had_in_the_log(lab: Lab) -> None:
    broken = bench(Lab(lab.store, lab.model, Toy(lambda reply: ERROR)))
    with pytest.raises(BrokenVerifier, match="the verifier of toy broke"):
        for event in measure(broken, Measurement(list(broken.task.problems(Split.EVAL))), None):
            assert not isinstance(event, Measured)
    lab.store.flush()
    (found,) = evaluations.evals(lab.store.reader())
    assert (found.status, found.first_try) == (EvalStatus.FAILED, None)
    assert found.items > 0


def test_nothing_to_learn_ends_the_run_early_with_a_reason_and_a_way_out(lab: Lab) -> None:
    hopeless = Lab(lab.store, lab.model, Toy(lambda reply: FAIL))
    with pytest.raises(NothingToLearn, match="nothing to learn here") as raised:
        carry_out(hopeless, replace(PLAN, steps=200), "hopeless")
    assert "easier problems" in raised.value.way_out
    found = of(lab, "hopeless").summary
    assert (found.status, found.error) == (RunStatus.FAILED, str(raised.value))
    assert found.groups is not None and found.groups < DEAD_AT_FIRST + 3 and found.groups_used == 0


def test_a_run_too_short_to_tell_says_that_nothing_was_learnt(lab: Lab) -> None:
    hopeless = Lab(lab.store, lab.model, Toy(lambda reply: FAIL))
    notes = [event.text for event in carry_out(hopeless, replace(PLAN, steps=2), "short") if isinstance(event, Noticed)]
    assert len(notes) == 1 and notes[0].startswith("nothing was learnt")
    assert not [event for event in carry_out(lab, PLAN, "fine") if isinstance(event, Noticed)]


def test_a_dry_run_says_that_the_verifier_is_broken_and_not_that_nothing_failed(lab: Lab) -> None:
    broken = bench(Lab(lab.store, lab.model, Toy(lambda reply: ERROR)))
    with pytest.raises(BrokenVerifier):
        preflight(broken, PLAN, lambda stage, done, total: None)
