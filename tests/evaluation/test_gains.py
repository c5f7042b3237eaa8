"""What a run gained: the last evaluation of a set against the one before training, and no other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from rrr_local.episode import Problem, Split, VerdictKind
from rrr_local.evaluation.gains import run_gains, word
from rrr_local.store.records import (
    AdapterKind,
    AdapterRecord,
    EpisodeRecord,
    EvalItemRecord,
    EvalRecord,
    EvalStatus,
    ModelRecord,
    RunRecord,
    SessionKind,
    TryRecord,
)
from rrr_local.store.store import Store

PROBLEMS = [Problem(f"reach {n}", {"n": n}, f"{n:064}", Split.EVAL) for n in range(40)]


class Log:
    """A run, and evaluations of it as `work` makes them."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.model = store.model(ModelRecord("safetensors", local_path="m", files_sha256="0"))
        self.task = store.task("t", 1, "T", "T", "0", {})
        self.problems = list(store.problems(self.task, PROBLEMS).values())
        self.run = store.create_run(RunRecord("run-1", self.model, self.task, "mlx-cpu", 0, {}, 5))

    def adapter(self, step: int) -> int:
        record = AdapterRecord(f"a{step}", self.model, f"{step}", "0", AdapterKind.CHECKPOINT, self.run, step)
        return self.store.add_adapter(record)

    def measured(
        self,
        passed: Sequence[bool | None],
        which: str = "held-out",
        step: int = 0,
        status: EvalStatus = EvalStatus.DONE,
    ) -> str:
        """An evaluation in which the first tries came out like this."""
        config = {"arm": "reflect", "temperature": 1.0, "set": which, "run": self.run}
        adapter = self.adapter(step) if step else None
        eval_id = self.store.start_eval(
            EvalRecord(self.task, self.model, config, f"{which}{len(passed)}", len(passed), adapter)
        )
        session = self.store.start_session(SessionKind.EVAL, model_id=self.model, task_id=self.task, eval_id=eval_id)
        items = []
        for problem, verdict in zip(self.problems, passed, strict=False):
            record = EpisodeRecord(problem, TryRecord("x", VerdictKind.PASS if verdict else VerdictKind.FAIL, "so"))
            (attempt,) = self.store.log_episodes(session, [record])
            items.append(EvalItemRecord(problem, attempt, verdict, verdict))
        self.store.log_eval_items(eval_id, items)
        self.store.finish_eval(eval_id, status)
        return eval_id


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    with Store.open(tmp_path / "rrr.db") as store:
        yield Log(store)


def test_the_last_evaluation_is_set_against_the_one_before_training(log: Log) -> None:
    before = log.measured([False] * 40)
    log.measured([True] * 40, step=2)
    after = log.measured([True] * 20 + [False] * 20, step=4)
    (gain,) = run_gains(log.store.reader(), log.run)
    assert (gain.set, gain.before.eval_id, gain.after.eval_id, gain.after.step) == ("held-out", before, after, 4)
    assert (gain.second_try.diff, gain.second_try.fixed, gain.second_try.broken) == (0.5, 20, 0)
    assert word(gain.second_try) == "clear gain"


def test_each_set_has_its_own_gain_and_held_out_comes_first(log: Log) -> None:
    for which, after in (("everyday", [True] * 9), ("replay", [True] * 8), ("held-out", [False] * 40)):
        log.measured([False] * len(after), which)
        log.measured(after, which, step=5)
    gains = run_gains(log.store.reader(), log.run)
    assert [(gain.set, gain.first_try.diff) for gain in gains] == [
        ("held-out", 0.0),
        ("replay", 1.0),
        ("everyday", 1.0),
    ]


def test_without_both_ends_there_is_no_gain(log: Log) -> None:
    assert run_gains(log.store.reader(), log.run) == []
    log.measured([False] * 4)
    assert run_gains(log.store.reader(), log.run) == []
    log.measured([True] * 4, step=2, status=EvalStatus.STOPPED)
    assert run_gains(log.store.reader(), log.run) == []


def test_problems_at_which_a_verifier_broke_count_neither_way(log: Log) -> None:
    log.measured([False, None, False, None])
    log.measured([True, True, None, None], step=5)
    (gain,) = run_gains(log.store.reader(), log.run)
    assert (gain.first_try.n, gain.first_try.diff) == (1, 1.0)


def test_where_nothing_can_be_compared_there_is_no_gain(log: Log) -> None:
    log.measured([None, None])
    log.measured([True, True], step=5)
    assert run_gains(log.store.reader(), log.run) == []
