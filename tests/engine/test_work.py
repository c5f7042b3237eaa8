"""A whole run: its phases, asking it to end at each of them, and that neither that nor measuring changes what it comes to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from rrr_local import paths
from rrr_local.backends.base import Chat
from rrr_local.engine.plan import POOL, Plan
from rrr_local.engine.work import Begun, Event, Moved, Noticed, recipe_of, work
from rrr_local.episode import Opening, Problem, Split
from rrr_local.errors import NotFoundError, UsageError
from rrr_local.loop import Loop
from rrr_local.models.find import EMBEDDED, Model, find_model
from rrr_local.store import evaluations, queries
from rrr_local.store.queries import Run
from rrr_local.store.records import RunPhase, RunRequest, RunStatus
from rrr_local.training import checkpoint, failures
from rrr_local.workbench import Workbench

from ..toy import Toy
from ..training.lab import SMALL, Lab, result

SETTINGS = tuple(
    f"{key}={value}"
    for key, value in {
        "steps": 5,
        "failures_per_step": 3,
        "group_size": 4,
        "limits.attempt": 8,
        "limits.reflection": 6,
        "limits.retry": 8,
        "failures": 10,
        "attempts_per_problem": 2,
        "learning_rate": 0.02,
        "warmup_steps": 2,
        "lora.rank": 4,
        "lora.alpha": 8,
        "checkpoint_every": 2,
    }.items()
)
"""`lab.SMALL`, as typed."""
PLAN = Plan(recipe="rrr", settings=(*SETTINGS, "refresh_every=0"), seed=11)
MEASURED = replace(PLAN, evaluate=6, replay=4, everyday=3)
POINTS = [
    *((0, "held-out", 6), (0, "replay", 4), (0, "everyday", 3), (2, "held-out", 6), (4, "held-out", 6)),
    *((5, "held-out", 6), (5, "replay", 4), (5, "everyday", 3)),
]
"""Step, set and number of problems of every evaluation of `MEASURED`."""


@dataclass
class Stop:
    """A signal that may have come."""

    requested: bool = False


def bench(lab: Lab) -> Workbench:
    """What a new process would work with."""
    return Workbench(lab.store, Model("llama", lab.model), lab.task, lab.backend(), lab.registered(), None)


def carry_out(lab: Lab, plan: Plan, name: str) -> list[Event]:
    return list(work(bench(lab), replace(plan, name=name), Stop()))


def resume(lab: Lab, name: str) -> list[Event]:
    return list(work(bench(lab), Plan(resume=name), Stop()))


def ask_when(lab: Lab, plan: Plan, name: str, when: tuple[RunPhase, int], what: RunRequest) -> list[Event]:
    """Carry out a plan; once `when` has been reached, ask it something as another process would."""
    seen: list[Event] = []
    for event in work(bench(lab), replace(plan, name=name), Stop()):
        seen.append(event)
        if isinstance(event, Moved) and (event.phase, event.done) == when:
            lab.store.update_run(of(lab, name).summary.id, request=what)
    return seen


def of(lab: Lab, name: str) -> Run:
    lab.store.flush()
    return queries.run(lab.store.reader(), name)


def points(lab: Lab, name: str) -> list[tuple[int, str, int]]:
    found = evaluations.run_evals(lab.store.reader(), of(lab, name).summary.id)
    return [(point.step, point.set, point.n) for point in found]


def rates(lab: Lab, name: str) -> list[tuple[float | None, float | None]]:
    found = evaluations.run_evals(lab.store.reader(), of(lab, name).summary.id)
    return [(point.first_try, point.final_rate) for point in found]


def phases(events: list[Event]) -> list[RunPhase]:
    """Without repetitions."""
    order: list[RunPhase] = []
    for event in events:
        if isinstance(event, Moved) and (not order or order[-1] is not event.phase):
            order.append(event.phase)
    return order


# --- what a run does --------------------------------------------------------------------------------------------------


def test_measuring_changes_nothing_of_what_is_trained(lab: Lab) -> None:
    plain, measured = carry_out(lab, PLAN, "plain"), carry_out(lab, MEASURED, "measured")
    assert result("plain") == result("measured")
    assert points(lab, "plain") == []
    assert points(lab, "measured") == POINTS
    steps = [[e.step.reward_mean for e in events if isinstance(e, Moved) and e.step] for events in (plain, measured)]
    assert steps[0] == steps[1] and len(steps[0]) == 5


def test_the_recipe_of_a_plan_is_the_one_the_trainer_is_tested_with() -> None:
    model = find_model(EMBEDDED)
    assert recipe_of(PLAN, model) == replace(SMALL, name="rrr")
    assert recipe_of(Plan(), model).name == "tiny"
    assert recipe_of(replace(MEASURED, steps=7), model) == replace(
        SMALL, name="rrr", steps=7, evaluate=6, replay=4, everyday=3
    )
    with pytest.raises(UsageError, match="cannot be called"):
        recipe_of(Plan(name="../x"), model)


def test_phases_come_in_order_and_are_in_the_log_by_the_time_they_are_said(lab: Lab) -> None:
    order: list[RunPhase | None] = []
    said: list[Event] = []
    for event in work(bench(lab), replace(MEASURED, name="run-1"), Stop()):
        said.append(event)
        if isinstance(event, Moved) and event.phase is not RunPhase.TRAINING:
            found = of(lab, "run-1")
            assert (found.phase, found.phase_done, found.phase_total) == (event.phase, event.done, event.total)
            assert found.summary.status is RunStatus.RUNNING
            order.append(found.phase)
    assert isinstance(said[0], Begun) and said[0].job.name == "run-1"
    assert phases(said) == [
        *(RunPhase.PREPARING, RunPhase.COLLECTING, RunPhase.MEASURING),
        *(RunPhase.TRAINING, RunPhase.EVALUATING) * 3,
        RunPhase.DONE,
    ]
    assert (of(lab, "run-1").summary.status, of(lab, "run-1").phase) == (RunStatus.DONE, RunPhase.DONE)


def test_what_is_tried_again_are_the_failures_it_began_with_even_when_they_are_refreshed(lab: Lab) -> None:
    plan = replace(MEASURED, settings=(*SETTINGS, "refresh_every=2"), evaluate=0, everyday=0)
    carry_out(lab, plan, "fresh")
    of_run = evaluations.run_evals(lab.store.reader(), of(lab, "fresh").summary.id)
    before, after = of_run
    pairs = evaluations.eval_pairs(lab.store.reader(), before.eval_id, after.eval_id)
    first = str(queries.fetch(lab.store.reader(), "SELECT min(id) FROM sessions WHERE kind = 'collect'")[0][0])
    began_with = {failure.problem_id for failure in queries.failures(lab.store.reader(), first)}
    assert len(pairs) == 4 and {pair.problem_id for pair in pairs} <= began_with


def test_a_task_without_held_out_problems_is_trained_and_says_so(lab: Lab) -> None:
    lab.task = NothingHeldOut()
    events = carry_out(lab, replace(MEASURED, everyday=0), "run-1")
    assert [e.text for e in events if isinstance(e, Noticed)] == [
        "toy has no held-out problems: nothing is measured on them"
    ]
    assert points(lab, "run-1") == [(0, "replay", 4), (5, "replay", 4)]


class NothingHeldOut(Toy):
    """As a person's own questions are."""

    def problems(self, split: Split) -> Sequence[Problem]:
        if split is Split.EVAL:
            raise NotFoundError("none", "none")
        return super().problems(split)


# --- asking it to end -------------------------------------------------------------------------------------------------

MOMENTS = [
    (RunPhase.COLLECTING, 10),
    (RunPhase.MEASURING, 0),
    (RunPhase.TRAINING, 1),
    (RunPhase.TRAINING, 2),
    (RunPhase.EVALUATING, 6),
    (RunPhase.TRAINING, 5),
]


def test_a_run_paused_at_any_moment_comes_to_what_the_uninterrupted_one_came_to(lab: Lab) -> None:
    carry_out(lab, MEASURED, "whole")
    for phase, done in MOMENTS:
        name = f"{phase}-{done}"
        ask_when(lab, MEASURED, name, (phase, done), RunRequest.PAUSE)
        halted = of(lab, name)
        assert (name, halted.summary.status, halted.request) == (name, RunStatus.PAUSED, None)
        assert len(points(lab, name)) < len(POINTS), name
        resume(lab, name)
        assert (name, of(lab, name).summary.status) == (name, RunStatus.DONE)
        assert result(name) == result("whole"), name
        assert points(lab, name) == POINTS, name
        assert rates(lab, name) == rates(lab, "whole"), name


def test_a_pause_comes_at_once_and_leaves_a_checkpoint_of_its_step(lab: Lab) -> None:
    ask_when(lab, PLAN, "run-1", (RunPhase.TRAINING, 3), RunRequest.PAUSE)
    found = checkpoint.newest(lab_folder("run-1")).checkpoint
    assert found is not None and found.step == 3 == of(lab, "run-1").summary.last_step


def test_stop_and_a_signal_stop_where_the_run_can_be_resumed(lab: Lab) -> None:
    ask_when(lab, PLAN, "asked", (RunPhase.TRAINING, 1), RunRequest.STOP)
    stop = Stop()
    for event in work(bench(lab), replace(PLAN, name="signalled"), stop):
        stop.requested = isinstance(event, Moved) and event.phase is RunPhase.TRAINING
    for name in ("asked", "signalled"):
        assert of(lab, name).summary.status is RunStatus.STOPPED
        resume(lab, name)
    assert result("asked") == result("signalled")


def test_discarding_removes_what_was_trained_and_keeps_what_happened(lab: Lab) -> None:
    ask_when(lab, MEASURED, "run-1", (RunPhase.TRAINING, 3), RunRequest.DISCARD)
    found = of(lab, "run-1")
    assert (found.summary.status, found.summary.last_step, found.last_checkpoint) == (RunStatus.STOPPED, 3, None)
    assert checkpoint.newest(lab_folder("run-1")).checkpoint is None
    assert len(queries.steps(lab.store.reader(), found.summary.id)) == 3


def test_a_discarded_run_begins_again_and_comes_to_the_same(lab: Lab) -> None:
    carry_out(lab, PLAN, "whole")
    ask_when(lab, PLAN, "again", (RunPhase.TRAINING, 3), RunRequest.DISCARD)
    resume(lab, "again")
    assert result("again") == result("whole")


@dataclass
class StopWhileRefreshing:
    """A signal that comes while failures are collected anew after step 2."""

    lab: Lab

    @property
    def requested(self) -> bool:
        found = of(self.lab, "halted")
        return found.phase is RunPhase.COLLECTING and found.summary.last_step == 2


def test_while_failures_are_refreshed_a_run_can_be_ended_too(lab: Lab) -> None:
    plan = replace(PLAN, settings=(*SETTINGS, "refresh_every=2"))
    carry_out(lab, plan, "whole")
    list(work(bench(lab), replace(plan, name="halted"), StopWhileRefreshing(lab)))
    assert (of(lab, "halted").summary.status, of(lab, "halted").summary.last_step) == (RunStatus.STOPPED, 2)
    resume(lab, "halted")
    assert result("halted") == result("whole")


def sessions(lab: Lab) -> int:
    return int(queries.fetch(lab.store.reader(), "SELECT count(*) FROM sessions WHERE kind = 'collect'")[0][0])


def lab_folder(name: str) -> Path:
    return paths.runs_folder() / name


# --- where the failures come from -------------------------------------------------------------------------------------


def test_a_pool_is_every_failure_there_was_and_stays_what_it_was(lab: Lab) -> None:
    carry_out(lab, PLAN, "collector")
    carry_out(lab, replace(PLAN, failures=POOL), "whole")
    ask_when(lab, replace(PLAN, failures=POOL), "halted", (RunPhase.TRAINING, 1), RunRequest.PAUSE)
    source = of(lab, "whole").config["failures_from"]
    assert isinstance(source, str) and source.startswith(failures.POOL)
    carry_out(lab, replace(PLAN, seed=12), "more")
    resume(lab, "halted")
    assert result("halted") == result("whole")


def test_a_pool_passes_over_what_another_prompt_made_and_merges_what_is_there_twice(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    carry_out(lab, PLAN, "one")
    carry_out(lab, PLAN, "another")  # equal seeds, equal failures
    working = bench(lab)
    loop = Loop(working.backend, working.task, 1.0, SMALL.limits)
    connection, ids = lab.store.reader(), lab.registered()
    stored = queries.pool(connection, ids.task_id, ids.model_id, queries.last_attempt(connection) + 1)
    found = failures.pool(loop, lab.store, ids, queries.last_attempt(connection))
    assert (len(found.failures), found.duplicates, found.passed_over) == (len(stored) // 2, len(stored) // 2, 0)
    newest = failures.load(loop, lab.store, ids, failures.pool_until_now(lab.store), 3)
    assert [f.attempt_id for f in newest] == [f.attempt_id for f in stored[-3:]]
    monkeypatch.setattr(working.backend, "chat", Shouting(working.backend.chat))
    passed = failures.pool(loop, lab.store, ids, queries.last_attempt(connection))
    assert (passed.failures, passed.passed_over) == ([], len(stored))


class Shouting:
    """Another chat template."""

    def __init__(self, chat: Chat) -> None:
        self._chat = chat

    def opening(self, opening: Opening) -> list[int]:
        return self._chat.opening(Opening(opening.user.upper()))


def test_without_failures_there_is_no_run(lab: Lab) -> None:
    with pytest.raises(NotFoundError, match="no failures in session"):
        carry_out(lab, replace(PLAN, failures="nonesuch"), "run-1")
    with pytest.raises(NotFoundError, match="no failures to learn from"):
        carry_out(lab, replace(PLAN, failures=POOL), "run-2")
    assert of(lab, "run-2").summary.status is RunStatus.FAILED


def test_a_run_that_lost_its_checkpoints_begins_again_with_the_session_it_was_given(lab: Lab) -> None:
    carry_out(lab, PLAN, "collector")
    session = str(queries.fetch(lab.store.reader(), "SELECT id FROM sessions WHERE kind = 'collect'")[0][0])
    carry_out(lab, replace(PLAN, failures=session), "whole")
    ask_when(lab, replace(PLAN, failures=session), "robbed", (RunPhase.TRAINING, 3), RunRequest.PAUSE)
    checkpoint.remove_all(lab_folder("robbed"))
    resume(lab, "robbed")
    assert sessions(lab) == 1
    assert result("robbed") == result("whole")
