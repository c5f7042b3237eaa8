"""Runs, their steps and groups, adapters and evaluations."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pysqlite3 as driver
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rrr_local.errors import NotFoundError, UsageError
from rrr_local.store import evaluations, history, queries, runs_read
from rrr_local.store.records import (
    AdapterKind,
    AdapterRecord,
    EpisodeRecord,
    EvalItemRecord,
    EvalRecord,
    EvalStatus,
    RunStatus,
    SessionKind,
    StepRecord,
)

from .samples import FAIL, Lab, attempt, episode, group


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    lab = Lab.at(tmp_path / "rrr.db")
    with lab.store:
        yield lab


def failure(lab: Lab) -> int:
    [first] = lab.store.log_episodes(lab.session_id, [EpisodeRecord(lab.problem_ids[0], attempt("29"))])
    return first


def test_a_step_is_logged_with_its_groups_reflections_and_retries(lab: Lab) -> None:
    first, run_id = failure(lab), lab.run()
    step = StepRecord(1, loss=0.25, reward_mean=0.5, groups=1, groups_used=1, seconds=2.0, extra={"clip": 0.1, "n": 3})
    lab.store.log_step(run_id, lab.train_session(run_id), step, [group(lab.problem_ids[0], first)])
    [logged] = queries.steps(lab.store.reader(), run_id)
    assert (logged.record, logged.segment, dict(logged.not_finite)) == (step, 0, {})
    reflections = history.episode(lab.store.reader(), first).reflections
    assert [(r.reward, r.run_id, r.step, r.retry is None) for r in reflections] == [
        (1.0, run_id, 1, False),
        (0.0, run_id, 1, True),
    ]
    [won] = runs_read.winning_reflections(lab.store.reader(), run_id)
    assert (won.step, won.attempt_id) == (1, first)
    assert runs_read.winning_reflections(lab.store.reader(), "another run") == []


def test_a_step_that_cannot_be_logged_leaves_nothing(lab: Lab) -> None:
    first, run_id = failure(lab), lab.run()
    session = lab.train_session(run_id)
    good = group(lab.problem_ids[0], first)
    with pytest.raises(driver.IntegrityError):
        lab.store.log_step(run_id, session, StepRecord(1), [good, replace(good, first_attempt_id=99)])
    with pytest.raises(ValueError, match="nan"):
        lab.store.log_step(run_id, session, StepRecord(1), [good, replace(good, reward_mean=math.nan)])
    assert queries.steps(lab.store.reader(), run_id) == []
    assert lab.scalar("SELECT count(*) FROM rollout_groups") == lab.scalar("SELECT count(*) FROM reflections") == 0
    assert queries.run(lab.store.reader(), run_id).summary.last_step == 0


def test_only_the_steps_after_the_last_one_seen_are_read(lab: Lab) -> None:
    run_id = lab.run()
    session = lab.train_session(run_id)
    for number in range(1, 6):
        lab.store.log_step(run_id, session, StepRecord(number), [])
    assert [step.record.step for step in queries.steps(lab.store.reader(), run_id, after=3)] == [4, 5]


NUMBER = st.one_of(st.none(), st.floats())


@given(loss=NUMBER, kl=NUMBER, other=NUMBER)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
def test_a_number_that_is_not_finite_is_never_lost_silently(
    lab: Lab, loss: float | None, kl: float | None, other: float | None
) -> None:
    run_id = lab.run(f"run-{lab.scalar('SELECT count(*) FROM train_runs')}")
    given_values = {"loss": loss, "kl": kl, "other": other}
    lab.store.log_step(run_id, lab.train_session(run_id), StepRecord(1, loss, kl=kl, extra={"other": other}), [])
    [step] = queries.steps(lab.store.reader(), run_id)
    read = {"loss": step.record.loss, "kl": step.record.kl, "other": step.record.extra["other"]}
    lost = {name: str(value) for name, value in given_values.items() if value is not None and not math.isfinite(value)}
    assert dict(step.not_finite) == lost
    assert read == {name: None if name in lost else value for name, value in given_values.items()}
    flag = lab.scalar(f"SELECT not_finite FROM train_steps WHERE run_id = '{run_id}'")
    assert flag == int(bool(lost))


def test_a_resumed_run_writes_its_steps_again_in_a_new_segment(lab: Lab) -> None:
    first, run_id = failure(lab), lab.run()
    session = lab.train_session(run_id)
    one = [group(lab.problem_ids[0], first)]
    for number in (1, 2, 3):
        lab.store.log_step(run_id, session, StepRecord(number, loss=0.0), one)
    lab.store.rewind_run(run_id, 1)
    assert [step.record.step for step in queries.steps(lab.store.reader(), run_id)] == [1]
    for number in (2, 3):
        lab.store.log_step(run_id, session, StepRecord(number, loss=1.0), one)
    steps = queries.steps(lab.store.reader(), run_id)
    assert [(s.record.step, s.segment, s.record.loss) for s in steps] == [(1, 0, 0.0), (2, 1, 1.0), (3, 1, 1.0)]
    assert lab.scalar("SELECT count(*) FROM rollout_groups") == 5, "what was thrown away stays in the log"
    counted = """SELECT count(*) FROM rollout_groups g JOIN train_steps s
        ON s.run_id = g.train_run_id AND s.step = g.step AND s.segment = g.segment"""
    assert lab.scalar(counted) == 3
    resumed = queries.run(lab.store.reader(), run_id)
    assert (resumed.segment, resumed.summary.last_step) == (1, 3)


def test_one_step_cannot_be_logged_twice_in_a_segment(lab: Lab) -> None:
    run_id = lab.run()
    session = lab.train_session(run_id)
    lab.store.log_step(run_id, session, StepRecord(1, loss=0.5), [])
    with pytest.raises(driver.IntegrityError):
        lab.store.log_step(run_id, session, StepRecord(1, loss=0.6), [])
    assert queries.steps(lab.store.reader(), run_id)[0].record.loss == 0.5


def test_runs_are_listed_newest_first_with_their_first_and_last_reward(lab: Lab) -> None:
    older, newer = lab.run("older"), lab.run("newer")
    session = lab.train_session(newer)
    for number, reward in enumerate((None, 0.25, 0.5, None), start=1):
        step = StepRecord(number, reward_mean=reward, groups=4, groups_used=number, seconds=1.5)
        lab.store.log_step(newer, session, step, [])
    listed = queries.runs(lab.store.reader())
    assert [run.id for run in listed] == [newer, older]
    assert (listed[0].first_reward, listed[0].last_reward) == (0.25, 0.5)
    assert (listed[0].groups, listed[0].groups_used, listed[0].seconds, listed[0].last_step) == (16, 10, 6.0, 4)
    assert (listed[1].first_reward, listed[1].groups, listed[1].status) == (None, None, RunStatus.QUEUED)
    assert (listed[1].model, listed[1].task, listed[1].total_steps) == ("tiny", "countdown", 100)


def test_a_run_is_found_by_id_name_or_the_start_of_either(lab: Lab) -> None:
    ids = {name: lab.run(name) for name in ("run-1", "run-10", "run-2", "100%_a", "100x")}
    reader = lab.store.reader()
    for name, run_id in ids.items():
        assert queries.run(reader, name).summary.id == queries.run(reader, run_id).summary.id == run_id
    assert queries.run(reader, "100%").summary.id == ids["100%_a"]
    with pytest.raises(UsageError, match="several runs start with run-"):
        queries.run(reader, "run-")
    with pytest.raises(NotFoundError, match="no run run-3"):
        queries.run(reader, "run-3")


def test_a_run_keeps_its_recipe_and_its_hash(lab: Lab) -> None:
    run = queries.run(lab.store.reader(), lab.run())
    assert run.config == {"group_size": 2}
    assert run.config_sha256 == hashlib.sha256(b'{"group_size":2}').hexdigest()
    assert (run.seed, run.model_id, run.task_id, run.failures_session_id) == (7, lab.model_id, lab.task_id, None)


def test_a_run_name_is_given_once(lab: Lab) -> None:
    lab.run("mine")
    with pytest.raises(UsageError, match="a run named mine already"):
        lab.run("mine")


def test_a_status_says_when_a_run_started_and_ended(lab: Lab) -> None:
    run_id = lab.run()

    def seen() -> queries.RunSummary:
        return queries.run(lab.store.reader(), run_id).summary

    lab.store.update_run(run_id, status=RunStatus.RUNNING, pid=12, host="here")
    started = seen()
    assert started.status is RunStatus.RUNNING and started.started_at and not started.ended_at
    lab.store.update_run(run_id, status=RunStatus.FAILED, error="the disk is full")
    failed = seen()
    assert failed.ended_at and failed.error == "the disk is full" and failed.started_at == started.started_at
    lab.store.update_run(run_id, status=RunStatus.RUNNING, error=None)
    assert seen().ended_at is None and seen().started_at == started.started_at


def test_only_known_columns_of_a_known_run_are_set(lab: Lab) -> None:
    with pytest.raises(ValueError, match="seed"):
        lab.store.update_run(lab.run(), seed=8)
    with pytest.raises(NotFoundError):
        lab.store.update_run("nothing", pid=1)
    with pytest.raises(NotFoundError):
        lab.store.rewind_run("nothing", 1)
    with pytest.raises(driver.IntegrityError):
        lab.store.update_run(lab.run("second"), status="asleep")


def adapter(lab: Lab, run_id: str | None, sha256: str = "aa") -> AdapterRecord:
    kind = AdapterKind.CHECKPOINT if run_id else AdapterKind.IMPORTED
    return AdapterRecord("run-1-20", lab.model_id, "runs/run-1/step-20", sha256, kind, run_id, 20, config={"r": 16})


def test_a_checkpoint_and_the_runs_pointer_to_it_are_written_together(lab: Lab) -> None:
    run_id = lab.run()
    lab.store.add_adapter(adapter(lab, run_id))
    assert queries.run(lab.store.reader(), run_id).last_checkpoint == "runs/run-1/step-20"


def test_a_resumed_run_may_write_its_adapter_again_and_nobody_else(lab: Lab) -> None:
    run_id = lab.run()
    first = lab.store.add_adapter(adapter(lab, run_id))
    assert lab.store.add_adapter(adapter(lab, run_id, "bb")) == first
    assert lab.scalar("SELECT sha256 FROM adapters") == "bb"
    for stranger in (lab.run("run-2"), None):
        with pytest.raises(UsageError, match="an adapter named run-1-20 already"):
            lab.store.add_adapter(adapter(lab, stranger))


def evaluation(lab: Lab, passes: list[tuple[bool | None, bool | None]], problems: str = "p") -> str:
    eval_id = lab.store.start_eval(EvalRecord(lab.task_id, lab.model_id, {"temperature": 0}, problems, len(passes)))
    session = lab.store.start_session(SessionKind.EVAL, model_id=lab.model_id, task_id=lab.task_id, eval_id=eval_id)
    ids = lab.store.log_episodes(session, [episode(p) for p in lab.problem_ids[: len(passes)]])
    items = [
        EvalItemRecord(problem, first, before, after)
        for problem, first, (before, after) in zip(lab.problem_ids, ids, passes, strict=False)
    ]
    lab.store.log_eval_items(eval_id, items)
    lab.store.flush()
    return eval_id


def test_two_evaluations_of_the_same_problems_are_compared_pairwise(lab: Lab) -> None:
    before = evaluation(lab, [(False, True), (True, True), (False, None)])
    after = evaluation(lab, [(True, True), (False, False)])
    pairs = evaluations.eval_pairs(lab.store.reader(), before, after)
    first, second, _ = lab.problem_ids
    assert pairs == [
        evaluations.EvalPair(first, 0, False, True, True, True),
        evaluations.EvalPair(second, 0, True, False, True, False),
    ]
    with pytest.raises(UsageError, match="not of the same problems"):
        evaluations.eval_pairs(lab.store.reader(), before, evaluation(lab, [(True, True)], "other"))
    with pytest.raises(NotFoundError):
        evaluations.eval_pairs(lab.store.reader(), before, "nothing")


def test_a_finished_evaluation_has_the_rates_of_its_items(lab: Lab) -> None:
    eval_id = evaluation(lab, [(False, True), (True, True), (None, None)])
    lab.store.finish_eval(eval_id, EvalStatus.DONE)
    [listed] = evaluations.evals(lab.store.reader())
    assert (listed.status, listed.items, listed.first_try, listed.final_rate) == (EvalStatus.DONE, 3, 0.5, 1.0)
    assert (listed.task, listed.model, listed.adapter, listed.errors) == ("countdown", "tiny", None, 0)
    assert listed.ended_at is not None


def test_an_eval_item_names_the_retry_that_had_a_reflection(lab: Lab) -> None:
    evaluation(lab, [(False, True)])
    sql = "SELECT a.text FROM eval_items i JOIN attempts a ON a.id = i.retry_attempt_id"
    assert lab.scalar(sql) == "3 * 7 = 21"


def test_retries_of_a_run_carry_the_verifier_of_their_task(lab: Lab) -> None:
    first, run_id = failure(lab), lab.run()
    lab.store.log_step(run_id, lab.train_session(run_id), StepRecord(1), [group(lab.problem_ids[0], first)])
    assert lab.scalar("SELECT count(*) FROM outcomes WHERE verifier_sha256 IS NOT '" + "ef" * 32 + "'") == 0
    assert lab.scalar("SELECT score FROM outcomes ORDER BY id LIMIT 1") == 0.0
    assert lab.scalar("SELECT verdict FROM outcomes ORDER BY id LIMIT 1") == FAIL


def test_extra_metrics_are_json_in_sql(lab: Lab) -> None:
    run_id = lab.run()
    lab.store.log_step(run_id, lab.train_session(run_id), StepRecord(1, extra={"clip": 0.1, "nan": math.nan}), [])
    extra = str(lab.scalar("SELECT extra FROM train_steps"))
    assert json.loads(extra) == {"clip": 0.1, "nan": None, "not_finite": {"nan": "nan"}}
