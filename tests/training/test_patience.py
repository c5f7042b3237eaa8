"""When a run ends by itself: a verifier that keeps breaking pauses it, and groups that are all dead end it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from rrr_local import paths
from rrr_local.backends.base import TrainGroup
from rrr_local.episode import Node, Span, Verdict
from rrr_local.errors import BrokenVerifier, NothingToLearn
from rrr_local.store import queries
from rrr_local.store.records import RunStatus
from rrr_local.training import checkpoint
from rrr_local.training.credit import DEAD, UNSCORED, Credit
from rrr_local.training.patience import DEAD_AT_FIRST, DEAD_STEPS, Patience, Signal
from rrr_local.training.rollout import Group

from ..toy import ERROR, FAIL, PASS, Toy, a_reflection, a_try, by_digest
from .lab import SMALL, Lab, result


class Breakable:
    """A verifier that a test breaks and mends."""

    def __init__(self) -> None:
        self.left: int | None = None
        """How many more replies it can judge; None: all."""

    def __call__(self, reply: str) -> Verdict:
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                return ERROR
        return by_digest(reply)


# --- a verifier that breaks -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("verdicts", "breaks"), [("eeeee", True), ("eeeepeeee", False), ("eeeefeeeee", True)])
def test_five_errors_in_a_row_are_too_many(verdicts: str, breaks: bool) -> None:
    kinds = {"e": ERROR, "p": PASS, "f": FAIL}
    patience = Patience("sums")
    tries = [a_try(kinds[letter]) for letter in verdicts]
    if not breaks:
        patience.look(tries)
        return
    with pytest.raises(BrokenVerifier, match=r"sums broke 5 times in a row: the verifier broke.*rrr tasks test"):
        for each in tries:  # one look or many: it is the same row
            patience.look([each])


def test_nothing_but_errors_is_too_many_even_where_there_were_few() -> None:
    few, enough = Patience("sums"), Patience("sums")
    few.look([a_try(ERROR)] * 2)
    with pytest.raises(BrokenVerifier, match="broke 2 times in a row"):
        few.end()
    enough.look([a_try(FAIL), a_try(ERROR)])
    enough.end()
    Patience("sums").end()


def test_a_verifier_that_breaks_pauses_the_run_and_once_mended_it_comes_to_the_same_adapter(lab: Lab) -> None:
    lab.train(lab.create(name="whole"))
    judge = Breakable()
    breaking = Lab(lab.store, lab.model, Toy(judge))
    job = breaking.create(name="broken")
    with pytest.raises(BrokenVerifier), breaking.trainer(job, breaking.backend()) as trainer:
        for record in trainer.run():
            judge.left = 7 if record.step == 3 else None
    paused = queries.run(lab.store.reader(), "broken")
    assert paused.summary.status is RunStatus.PAUSED
    assert paused.summary.error is not None and "the verifier broke" in paused.summary.error
    assert paused.summary.last_step == 3
    judge.left = None
    breaking.resume("broken")
    done = queries.run(lab.store.reader(), "broken").summary
    assert (done.status, done.error) == (RunStatus.DONE, None)
    assert result("broken") == result("whole")


def test_a_run_whose_verifier_breaks_before_the_first_step_can_be_resumed(lab: Lab) -> None:
    judge = Breakable()
    judge.left = 0
    breaking = Lab(lab.store, lab.model, Toy(judge))
    with pytest.raises(BrokenVerifier):
        breaking.train(breaking.create(name="broken"))
    assert queries.run(lab.store.reader(), "broken").summary.status is RunStatus.PAUSED
    assert checkpoint.newest(paths.runs_folder() / "broken").checkpoint is None
    judge.left = None
    assert [record.step for record in breaking.resume("broken")] == [1, 2, 3, 4, 5]


# --- nothing to learn -------------------------------------------------------------------------------------------------


def group(verdicts: Sequence[Verdict]) -> Credit:
    """A group that was left out of training."""
    failure = a_try(FAIL)
    context = Node(Span.REFLECT_PROMPT, failure.node, (7,), "Why?")
    reflections = tuple(a_reflection(context) for _ in verdicts)
    retries = tuple(a_try(verdict, _retry_prompt(node)) for verdict, node in zip(verdicts, reflections, strict=True))
    reason = UNSCORED if all(v.score is None for v in verdicts) else DEAD
    return Credit(Group(failure, reflections, retries), (None,) * len(verdicts), None, reason)


def _retry_prompt(reflection: Node) -> Node:
    return Node(Span.RETRY_PROMPT, reflection, (8,), "Again.")


def ends_after(signal: Signal, step: list[Credit], most: int) -> int | None:
    """After how many such steps the run ends; None where it goes on."""
    for number in range(1, most + 1):
        try:
            signal.look(step)
        except NothingToLearn:
            return number
    return None


@pytest.mark.parametrize(
    ("verdict", "way_out"), [(FAIL, "easier problems, more reflections"), (PASS, "try harder problems")]
)
def test_a_run_in_which_nothing_was_ever_learnt_ends_after_so_many_dead_groups(verdict: Verdict, way_out: str) -> None:
    signal, step = Signal(learnt=False), [group([verdict] * 4)] * 8
    assert ends_after(signal, step, DEAD_AT_FIRST // 8 - 1) is None
    with pytest.raises(NothingToLearn, match=rf"^nothing to learn here: \d+ of {4 * DEAD_AT_FIRST} retries.*{way_out}"):
        signal.look(step)


def test_a_run_that_has_learnt_something_is_given_more_time() -> None:
    assert ends_after(Signal(learnt=True), [group([FAIL] * 4)] * 8, 2 * DEAD_STEPS) == DEAD_STEPS


def test_groups_that_the_verifier_broke_on_say_nothing_about_the_signal() -> None:
    assert ends_after(Signal(learnt=False), [group([ERROR] * 4)] * 8, 2 * DEAD_STEPS) is None


def test_a_group_that_teaches_something_begins_the_count_anew() -> None:
    signal, dead = Signal(learnt=False), [group([FAIL] * 4)] * 8
    signal.look(dead)
    alive = replace(
        dead[0], train=TrainGroup(_retry_prompt(a_reflection(a_try(FAIL).node)), (), (), ()), skip_reason=None
    )
    signal.look([*dead, alive])
    assert ends_after(signal, dead, 2 * DEAD_STEPS) == DEAD_STEPS


def test_a_run_on_what_the_model_cannot_solve_fails_with_a_reason(lab: Lab) -> None:
    hopeless = Lab(lab.store, lab.model, Toy(lambda reply: FAIL))
    with pytest.raises(NothingToLearn):
        hopeless.train(hopeless.create(replace(SMALL, steps=99), name="hopeless"))
    found = queries.run(lab.store.reader(), "hopeless").summary
    assert found.status is RunStatus.FAILED
    assert found.error is not None and found.error.startswith("nothing to learn here: 0 of ")
    assert found.groups is not None and DEAD_AT_FIRST <= found.groups < DEAD_AT_FIRST + SMALL.failures_per_step
