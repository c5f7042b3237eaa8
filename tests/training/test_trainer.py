"""Whole runs: what is learnt from, what is not, what is logged, and that a killed run comes to the same adapter, bit for bit."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rrr_local import paths
from rrr_local.backends.base import TrainGroup
from rrr_local.backends.mlx.backend import MlxBackend
from rrr_local.episode import Span, Split, Verdict
from rrr_local.errors import BrokenVerifier, BusyError, NotFoundError, RrrError, UsageError
from rrr_local.loop import Limits, Loop
from rrr_local.meter import Phase
from rrr_local.store import queries
from rrr_local.store.records import RunStatus, StepRecord
from rrr_local.store.rows import Value
from rrr_local.training import checkpoint, run
from rrr_local.training.credit import Credit, credit
from rrr_local.training.failures import collect
from rrr_local.training.objective import Advantage, Normaliser
from rrr_local.training.trainer import MOST_NOT_FINITE

from ..backends.tiny_models import flat, write_echo
from ..toy import ERROR, FAIL, PASS, Toy, by_digest
from .lab import SEED, SMALL, Killed, Lab, result


def weights(backend: MlxBackend) -> dict[str, bytes]:
    state = {**flat(backend._model.trainable_parameters()), **flat(backend._optimizer.state)}
    return {name: np.array(array).tobytes() for name, array in state.items()}


def extra(record: StepRecord, name: str) -> float:
    value = record.extra[name]
    assert isinstance(value, int | float)
    return value


def rows(lab: Lab, sql: str, *parameters: Value) -> list[tuple[Any, ...]]:
    lab.store.flush()
    return queries.fetch(lab.store.reader(), sql, *parameters)


# --- resuming ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("refresh_every", [0, 2, 3])
@pytest.mark.parametrize("kill_after", [1, 3, 4])
def test_a_killed_run_comes_to_the_same_adapter_bit_for_bit(lab: Lab, refresh_every: int, kill_after: int) -> None:
    recipe = replace(SMALL, refresh_every=refresh_every, beta=0.01)
    whole = lab.create(recipe, name="whole")
    expected = lab.train(whole)
    with pytest.raises(Killed):
        lab.train(lab.create(recipe, name="killed"), kill_after=kill_after)
    assert checkpoint.newest(paths.runs_folder() / "killed").checkpoint is not None
    resumed = lab.resume("killed")
    assert result("killed") == result("whole")
    assert [r.step for r in resumed] == list(range(kill_after // 2 * 2 + 1, 6))
    logged = queries.steps(lab.store.reader(), queries.run(lab.store.reader(), "killed").summary.id)
    assert [(s.record.step, s.record.loss, s.record.reward_mean) for s in logged] == [
        (r.step, r.loss, r.reward_mean) for r in expected
    ]


def test_a_run_killed_twice_and_one_that_is_stopped_come_to_it_too(lab: Lab) -> None:
    lab.train(lab.create(name="whole"))
    with pytest.raises(Killed):
        lab.train(lab.create(name="twice"), kill_after=2)
    again = run.reopen(lab.store, lab.registered(), "twice")
    with pytest.raises(Killed):
        lab.train(again, kill_after=4)
    lab.resume("twice")
    assert result("twice") == result("whole")
    backend, stopped = lab.backend(), lab.create(name="stopped")
    with lab.trainer(stopped, backend) as going:
        for record in going.run():
            if record.step == 3:
                break
        going.save()
    assert queries.run(lab.store.reader(), "stopped").summary.status is RunStatus.STOPPED
    assert [r.step for r in lab.resume("stopped")] == [4, 5]
    assert result("stopped") == result("whole")


def test_another_seed_comes_to_another_adapter(lab: Lab) -> None:
    lab.train(lab.create(name="one"))
    job = run.create(lab.store, lab.registered(), lab.backend(), SMALL, SEED + 1, "other")
    lab.train(job)
    assert result("one") != result("other")


def test_a_finished_run_has_nothing_more_to_do(lab: Lab) -> None:
    lab.train(lab.create(name="done"))
    before = result("done")
    assert lab.resume("done") == []
    assert result("done") == before


def test_a_run_of_another_model_or_task_is_refused(lab: Lab) -> None:
    lab.create(name="mine")
    other = Lab(lab.store, lab.model, Toy(name="another"))
    with pytest.raises(UsageError, match="another model or task"):
        run.reopen(other.store, other.registered(), "mine")
    with pytest.raises(NotFoundError):
        run.reopen(lab.store, lab.registered(), "no-such-run")


def test_the_log_says_how_a_run_ended(lab: Lab) -> None:
    def status(name: str) -> RunStatus:
        return queries.run(lab.store.reader(), name).summary.status

    lab.train(lab.create(name="done"))
    assert status("done") is RunStatus.DONE
    for error, expected in ((KeyboardInterrupt, RunStatus.STOPPED), (RuntimeError, RunStatus.FAILED)):
        job, backend = lab.create(name=error.__name__), lab.backend()
        with pytest.raises(error), lab.trainer(job, backend):
            assert status(error.__name__) is RunStatus.RUNNING
            with pytest.raises(BusyError), lab.trainer(job, lab.backend()):
                pass
            raise error("out of luck")
        assert status(error.__name__) is expected
    assert queries.run(lab.store.reader(), "RuntimeError").summary.error == "out of luck"


# --- failures ---------------------------------------------------------------------------------------------------------


def test_the_failures_of_a_step_are_fixed_and_each_comes_once_a_pass(lab: Lab) -> None:
    with lab.trainer(lab.create(), lab.backend()) as going:
        chosen = [[f.attempt_id for f in going._failures_of(step)] for step in range(1, 41)]
        again = [[f.attempt_id for f in going._failures_of(step)] for step in (40, 7, 7, 1)]
        size = len(going._failures)
    assert [chosen[39], chosen[6], chosen[6], chosen[0]] == again
    assert size == SMALL.failures
    flat = [attempt for step in chosen for attempt in step]
    passes = [flat[i : i + size] for i in range(0, len(flat) - size + 1, size)]
    assert len(passes) == 12
    assert all(Counter(each) == Counter(passes[0]) and max(Counter(each).values()) == 1 for each in passes)
    assert len({tuple(each) for each in passes}) == 12


def test_frozen_failures_are_collected_once_and_refreshed_ones_with_the_adapter_as_it_is(lab: Lab) -> None:
    sessions = "SELECT count(*) FROM sessions WHERE kind = 'collect' AND train_run_id = ?"
    frozen = lab.create(name="frozen")
    lab.train(frozen)
    assert rows(lab, sessions, frozen.run_id) == [(1,)]
    fresh = lab.create(replace(SMALL, refresh_every=2), name="fresh")
    lab.train(fresh)
    assert rows(lab, sessions, fresh.run_id) == [(3,)]
    texts = rows(
        lab,
        "SELECT s.rowid, group_concat(a.text) FROM sessions s JOIN attempts a ON a.session_id = s.id"
        " WHERE s.kind = 'collect' AND s.train_run_id = ? GROUP BY s.rowid",
        fresh.run_id,
    )
    assert len({text for _, text in texts}) == 3


def test_collecting_stops_when_there_are_enough_and_tries_again_when_there_are_not(lab: Lab) -> None:
    def last(judge: Any, wanted: int) -> tuple[int, int]:
        task = Toy(judge, count=5)
        backend = MlxBackend(lab.model, width=2)
        loop = Loop(backend, task, 1.0, SMALL.limits)
        registered = Lab(lab.store, lab.model, task).registered()
        problems = [task.parse_problem({"number": i}) for i in range(5)]
        *_, progress = collect(loop, lab.store, registered, problems, 1, wanted=wanted, attempts_per_problem=3)
        found = queries.failures(lab.store.reader(), progress.session_id)
        assert len(found) == progress.failures
        assert len({f.token_ids for f in found}) == len(found)
        return progress.attempts, progress.failures

    assert last(lambda reply: FAIL, 3) == (4, 4)
    assert last(lambda reply: FAIL, 6) == (7, 7)
    assert last(lambda reply: PASS, 3) == (15, 0)


def test_a_verifier_that_keeps_breaking_ends_collecting_with_its_own_words(lab: Lab) -> None:
    task = Toy(lambda reply: ERROR, count=5)
    registered = Lab(lab.store, lab.model, task).registered()
    loop = Loop(MlxBackend(lab.model, width=2), task, 1.0, SMALL.limits)
    seen = []
    with pytest.raises(BrokenVerifier, match="toy broke 5 times in a row: the verifier broke"):
        for progress in collect(
            loop, lab.store, registered, task.problems(Split.TRAIN), 1, wanted=3, attempts_per_problem=3
        ):
            seen.append((progress.attempts, progress.failures))
    assert seen == [(2, 0), (4, 0), (5, 0)]
    assert rows(lab, "SELECT count(*) FROM outcomes WHERE verdict = 'error'") == [(5,)]


def test_without_any_failure_there_is_nothing_to_learn_from(lab: Lab) -> None:
    easy = Lab(lab.store, lab.model, Toy(lambda reply: PASS))
    with pytest.raises(NotFoundError, match="no failures to learn from"):
        easy.train(easy.create(name="easy"))
    assert queries.run(lab.store.reader(), "easy").summary.status is RunStatus.FAILED


# --- what is learnt from ----------------------------------------------------------------------------------------------


def test_dead_groups_are_dropped_and_counted(lab: Lab) -> None:
    job = lab.create(replace(SMALL, group_size=2))
    records = lab.train(job)
    groups = rows(
        lab,
        "SELECT g.step, g.used, g.skip_reason, min(r.reward), max(r.reward), count(*) FROM rollout_groups g"
        " JOIN reflections r ON r.group_id = g.id WHERE g.train_run_id = ? GROUP BY g.id",
        job.run_id,
    )
    assert {used for _, used, *_ in groups} == {0, 1}
    for _, used, reason, low, high, count in groups:
        assert (used, reason) == ((0, "dead") if low == high else (1, None))
        assert count == 2
    for record in records:
        used = sum(u for step, u, *_ in groups if step == record.step)
        assert (record.groups, record.groups_used) == (3, used)
        assert extra(record, "frac_reward_zero_std") == pytest.approx(1 - used / 3)


@pytest.mark.parametrize("retry", [FAIL, PASS])
def test_a_step_of_dead_groups_alone_changes_nothing_and_is_logged(lab: Lab, retry: Verdict) -> None:
    loop_lab = Lab(lab.store, lab.model, Toy(lambda reply: FAIL))
    backend, job = loop_lab.backend(), loop_lab.create()
    with loop_lab.trainer(job, backend) as going:
        before = weights(backend)
        going._task = Toy(lambda reply: retry)
        records = list(going.run())
    assert weights(backend) == before
    assert [(r.step, r.groups, r.groups_used, r.grad_norm, r.loss) for r in records] == [
        (step, 3, 0, 0.0, None) for step in range(1, 6)
    ]
    assert all("update_applied" not in r.extra and "seconds_train" not in r.extra for r in records)
    assert len(queries.steps(lab.store.reader(), job.run_id)) == 5
    assert [r.retry_rate for r in records] == [float(retry is PASS)] * 5


def test_what_the_verifier_could_not_judge_is_never_trained_on(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    def judge(reply: str) -> Verdict:
        return ERROR if len(reply) % 3 == 0 else by_digest(reply)

    seen: list[TrainGroup] = []
    update = MlxBackend.update

    def watched(self: MlxBackend, groups: Sequence[TrainGroup], *rest: Any) -> Any:
        seen.extend(groups)
        return update(self, groups, *rest)

    monkeypatch.setattr(MlxBackend, "update", watched)
    broken = Lab(lab.store, lab.model, Toy(judge))
    job = broken.create(replace(SMALL, group_size=6, failures=6))
    records = broken.train(job)
    assert sum(extra(r, "verifier_errors") for r in records) > 0
    trained = {(z.text, z.seed) for group in seen for z in group.reflections}
    unknown = rows(
        lab,
        "SELECT r.text, r.seed, r.reward, r.advantage, v.verdict FROM reflections r"
        " JOIN attempts a ON a.reflection_id = r.id JOIN attempt_verdicts v ON v.attempt_id = a.id"
        " JOIN rollout_groups g ON g.id = r.group_id WHERE g.train_run_id = ?",
        job.run_id,
    )
    errors = [row for row in unknown if row[4] == "error"]
    assert errors and all((reward, advantage) == (None, None) for *_, reward, advantage, _ in errors)
    assert trained and not trained & {(text, seed) for text, seed, *_ in errors}
    for group in seen:
        assert sum(group.advantages) == pytest.approx(0, abs=1e-6)
        assert group.context.span is Span.REFLECT_PROMPT


@pytest.mark.parametrize("bad_steps", [{2, 3}, {2, 3, 4}])
def test_updates_that_are_not_finite_are_not_applied_and_three_in_a_row_end_the_run(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, bad_steps: set[int]
) -> None:
    plain = credit
    step = 0

    def spoiled(*args: Any) -> list[Credit]:
        nonlocal step
        step += 1
        found = plain(*args)
        if step not in bad_steps:
            return found
        return [
            c
            if c.train is None
            else replace(c, train=replace(c.train, advantages=(math.inf,) * len(c.train.advantages)))
            for c in found
        ]

    monkeypatch.setattr("rrr_local.training.trainer.credit", spoiled)
    backend, job = lab.backend(), lab.create(replace(SMALL, group_size=8))
    states: list[dict[str, bytes]] = []

    def steps() -> None:
        with lab.trainer(job, backend) as going:
            states.append(weights(backend))
            for record in going.run():
                states.append(weights(backend))
                assert extra(record, "update_applied") == (record.step not in bad_steps)

    if len(bad_steps) < MOST_NOT_FINITE:
        steps()
        moved = [a != b for a, b in pairwise(states)]
        assert moved == [s not in bad_steps for s in range(1, 6)]
    else:
        with pytest.raises(RrrError, match="3 updates in a row were not finite"):
            steps()
        assert weights(backend) == states[1]
        assert queries.run(lab.store.reader(), job.name).summary.status is RunStatus.FAILED
    logged = queries.steps(lab.store.reader(), job.run_id)
    assert {s.record.step for s in logged if s.not_finite} == bad_steps


def test_truncated_reflections_are_left_out_of_the_loss_where_the_recipe_says_so(lab: Lab) -> None:
    """With a limit of 1 nearly all are cut off; where all of a step are, nothing is learnt, though their rewards are known."""
    recipe = replace(SMALL, group_size=8, limits=Limits(8, 1, 8))
    kept = lab.train(lab.create(recipe))
    masked = lab.train(lab.create(replace(recipe, mask_truncated=True)))
    all_cut = [r for r in masked if extra(r, "reflections_truncated") == 24]
    assert len(all_cut) >= 3
    assert all(r.grad_norm == 0 and r.reward_mean and r.groups_used for r in all_cut)
    assert all(r.grad_norm for r in kept)


# --- the numbers ------------------------------------------------------------------------------------------------------

ALWAYS = {
    "frac_reward_zero_std",
    "reflections_truncated",
    "retries_truncated",
    "verifier_errors",
    "answer_leaks",
    "reflection_tokens_p95",
    "distinct_reflections",
    *(f"seconds_{p}" for p in (Phase.REFLECT, Phase.RETRY, Phase.VERIFY, Phase.TRAIN)),
    *(f"tokens_{p}" for p in (Phase.REFLECT, Phase.RETRY, Phase.TRAIN)),
    "entropy",
    "kl_sample_train",
    "max_abs_log_ratio",
    "update_applied",
}


@pytest.mark.parametrize("beta", [0.0, 0.05])
def test_every_number_of_a_step_is_there_and_finite(lab: Lab, beta: float) -> None:
    recipe = replace(SMALL, group_size=8, beta=beta, advantage=Advantage.GROUP, normaliser=Normaliser.TOKENS)
    records = lab.train(lab.create(recipe))
    for record in records:
        assert record.extra.keys() == ALWAYS | ({"seconds_reference"} if beta else set())
        numbers = [*record.extra.values(), record.loss, record.reward_mean, record.reward_std, record.grad_norm]
        numbers += [record.seconds, record.tok_per_s, record.peak_mem_mb, record.reflection_tokens, record.lr]
        assert all(isinstance(n, int | float) and math.isfinite(n) for n in numbers)
        assert abs(extra(record, "kl_sample_train")) < 0.01
        assert extra(record, "max_abs_log_ratio") < 0.01
        assert extra(record, "entropy") > 0
        assert (record.grad_norm or 0) > 0
        assert record.tokens == extra(record, "tokens_reflect") + extra(record, "tokens_retry")
        assert record.retry_rate == record.reward_mean
        assert (record.peak_mem_mb or 0) > 0
    assert [r.lr for r in records] == pytest.approx([0.01, 0.02, 0.02, 0.02, 0.02])
    if beta:
        kl = [r.kl for r in records]
        assert kl[0] == pytest.approx(0, abs=1e-6)
        assert min(k for k in kl[1:] if k is not None) > 1e-6
    else:
        assert {r.kl for r in records} == {None}


@pytest.mark.parametrize("beta", [0.0, 0.05])
def test_the_base_model_is_asked_only_where_there_is_a_kl_term(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, beta: float
) -> None:
    asked: list[int] = []
    plain = MlxBackend.logprobs

    def counted(self: MlxBackend, groups: Sequence[TrainGroup], *, temperature: float) -> Any:
        asked.append(len(groups))
        return plain(self, groups, temperature=temperature)

    monkeypatch.setattr(MlxBackend, "logprobs", counted)
    records = lab.train(lab.create(replace(SMALL, group_size=8, beta=beta)))
    assert asked == ([r.groups_used for r in records] if beta else [])


def test_the_sampler_and_the_training_pass_agree_at_another_temperature(lab: Lab) -> None:
    for record in lab.train(lab.create(replace(SMALL, group_size=8, temperature=0.6))):
        assert extra(record, "max_abs_log_ratio") < 0.01


# --- learning ---------------------------------------------------------------------------------------------------------


def test_a_reward_that_can_be_learnt_rises(lab: Lab, tmp_path: Path) -> None:
    """Passed is a retry with two n in it. Only reflections are trained: what they say has to bring it about, and here it can,
    since the model repeats words of its context. Against the same run with a learning rate of 0."""
    task = Toy(lambda reply: PASS if reply.count("n") >= 2 else FAIL, count=24)
    school = Lab(lab.store, write_echo(tmp_path / "echo"), task)
    recipe = replace(SMALL, steps=30, failures_per_step=4, group_size=8, failures=24, checkpoint_every=100)
    late: dict[float, float] = {}
    for rate in (0.0, 0.03):
        records = school.train(school.create(replace(recipe, learning_rate=rate, limits=Limits(8, 8, 8))))
        late[rate] = float(np.mean([r.reward_mean for r in records[-10:]]))
    assert late[0.03] > late[0.0] + 0.12
