"""What the screens follow: where a run is, its samples, lessons, evaluations, and what changed between two of them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from rrr_local.episode import VerdictKind
from rrr_local.errors import NotFoundError, UsageError
from rrr_local.store import evaluations, history, queries, runs_read
from rrr_local.store.evaluations import Change
from rrr_local.store.records import (
    AdapterKind,
    AdapterRecord,
    EpisodeRecord,
    EvalItemRecord,
    EvalRecord,
    EvalStatus,
    GroupRecord,
    RunPhase,
    RunRequest,
    RunStatus,
    SessionKind,
    StepRecord,
)
from rrr_local.store.runs_read import Lesson
from rrr_local.store.sqlite import Connection
from rrr_local.store.store import Store

from .samples import FAIL, PASS, Lab, attempt, problem, reflection


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    lab = Lab.at(tmp_path / "rrr.db")
    with lab.store:
        yield lab


class Running:
    """A run and the failure it learns from."""

    def __init__(self, lab: Lab, name: str = "run-1") -> None:
        self.lab, self.id = lab, lab.run(name)
        self.session_id = lab.train_session(self.id)
        [self.failure] = lab.store.log_episodes(lab.session_id, [EpisodeRecord(lab.problem_ids[0], attempt("29"))])

    def step(self, number: int, *lessons: tuple[str, VerdictKind | None], **numbers: float | None) -> None:
        """A step with one group: reflections, each with the verdict of its retry; None: cancelled."""
        made = tuple(
            reflection(
                i,
                text,
                None if kind is None else attempt(f"after {text}", kind),
                None if kind is None else float(kind is PASS),
            )
            for i, (text, kind) in enumerate(lessons)
        )
        group = GroupRecord(self.lab.problem_ids[0], self.failure, len(made), 0.5, 0.5, True, None, made)
        record = StepRecord(number, groups=1, **numbers)  # type: ignore[arg-type]
        self.lab.store.log_step(self.id, self.session_id, record, [group])

    def read(self) -> queries.Run:
        return queries.run(self.lab.store.reader(), self.id)


def test_a_run_says_what_it_is_at(lab: Lab) -> None:
    run = Running(lab)
    assert (run.read().phase, run.read().phase_done, run.read().phase_total) == (None, None, None)
    for done in range(3):
        lab.store.progress(run.id, RunPhase.COLLECTING, done, 16)
    lab.store.flush()
    assert (run.read().phase, run.read().phase_done, run.read().phase_total) == (RunPhase.COLLECTING, 2, 16)
    assert run.read().heartbeat_at is not None
    lab.store.update_run(run.id, status=RunStatus.DONE, phase=RunPhase.DONE, phase_done=None, phase_total=None)
    assert (run.read().phase, run.read().phase_done) == (RunPhase.DONE, None)


def test_progress_of_an_unknown_run_is_reported_with_the_next_write(lab: Lab) -> None:
    lab.store.progress("nothing", RunPhase.SAVING, 0, 1)
    with pytest.raises(NotFoundError):
        lab.store.flush()


def test_a_request_and_a_note_are_no_sign_of_the_trainers_life(lab: Lab) -> None:
    run = Running(lab)
    lab.store.update_run(run.id, request=RunRequest.PAUSE, note="the good one")
    read = run.read()
    assert (read.request, read.note, read.heartbeat_at) == (RunRequest.PAUSE, "the good one", None)
    lab.store.update_run(run.id, request=None, status=RunStatus.PAUSED)
    assert run.read().request is None and run.read().heartbeat_at is not None


def test_removed_adapters_are_gone_and_the_run_has_no_checkpoint(lab: Lab) -> None:
    mine, other = Running(lab, "mine"), Running(lab, "other")
    for run, name in ((mine, "mine-1"), (mine, "mine-2"), (other, "other-1")):
        lab.store.add_adapter(
            AdapterRecord(name, lab.model_id, f"runs/{name}", "aa", AdapterKind.CHECKPOINT, run.id, 1)
        )
    lab.store.drop_adapters(mine.id)
    assert (mine.read().last_checkpoint, other.read().last_checkpoint) == (None, "runs/other-1")
    left = lab.store.reader().execute("SELECT name FROM adapters WHERE deleted_at IS NULL").fetchall()
    assert left == [("other-1",)]
    with pytest.raises(NotFoundError):
        lab.store.drop_adapters("nothing")


def test_the_sums_of_a_run_are_those_of_the_steps_it_has(lab: Lab) -> None:
    run = Running(lab)

    def sums() -> tuple[object, ...]:
        summary = run.read().summary
        return summary.groups, summary.groups_used, summary.seconds

    assert sums() == (None, None, None)
    seen = []
    for number, (seconds, used) in enumerate([(1.5, None), (None, 2), (2.0, 1)], start=1):
        run.step(number, seconds=seconds, groups_used=used)
        seen.append(sums())
    assert seen == [(1, None, 1.5), (2, 2, 1.5), (3, 3, 3.5)]
    lab.store.rewind_run(run.id, 1)
    assert sums() == (1, None, 1.5)
    lab.store.rewind_run(run.id, 0)
    assert sums() == (None, None, None)


def test_the_newest_samples_come_first_with_what_they_are_about(lab: Lab) -> None:
    run, other = Running(lab), Running(lab, "other")
    other.step(1, ("not mine", PASS))
    run.step(1, ("one", PASS), ("two", FAIL))
    run.step(2, ("three", None))
    found = runs_read.samples(lab.store.reader(), run.id)
    assert [(s.step, s.reflection, s.retry, s.verdict, s.reward) for s in found] == [
        (2, "three", None, None, None),
        (1, "two", "after two", FAIL, 0.0),
        (1, "one", "after one", PASS, 1.0),
    ]
    assert (found[0].prompt, found[0].attempt, found[0].reason) == (problem(5).prompt, "29", "equals 29, not 24")
    assert {s.attempt_id for s in found} == {run.failure}
    assert runs_read.samples(lab.store.reader(), run.id, 1) == found[:1]


def test_what_a_resume_threw_away_is_neither_sample_nor_lesson(lab: Lab) -> None:
    run = Running(lab)
    run.step(1, ("kept", PASS))
    run.step(2, ("thrown away", PASS))
    lab.store.rewind_run(run.id, 1)
    reader = lab.store.reader()
    assert [s.reflection for s in runs_read.samples(reader, run.id)] == ["kept"]
    run.step(2, ("written again", PASS))
    assert [s.reflection for s in runs_read.samples(reader, run.id)] == ["written again", "kept"]
    assert {lesson.text for lesson in runs_read.lessons(reader)} == {"written again", "kept"}


def test_lessons_are_the_reflections_that_were_rewarded_most(lab: Lab) -> None:
    run, other = Running(lab), Running(lab, "other")
    run.step(1, ("often", PASS), ("often", FAIL), ("often", PASS), ("surely", PASS), ("never", FAIL))
    run.step(2, ("surely", PASS), ("once", PASS), ("cancelled", None), ("often", FAIL))
    other.step(1, ("once", PASS), ("once", PASS))
    reader, prompt = lab.store.reader(), problem(5).prompt
    assert runs_read.lessons(reader, run.id) == [
        Lesson("surely", 2, 2, prompt),
        Lesson("often", 4, 2, prompt),
        Lesson("once", 1, 1, prompt),
    ]
    assert runs_read.lessons(reader, limit=1) == [Lesson("once", 3, 3, prompt)]


class Evaluated:
    """Evaluations of three problems, as a run makes them."""

    def __init__(self, run: Running) -> None:
        self.run, self.lab = run, run.lab

    def adapter(self, step: int) -> int:
        name = f"{self.run.id}-{step}"
        record = AdapterRecord(name, self.lab.model_id, f"runs/{name}", "aa", AdapterKind.CHECKPOINT, self.run.id, step)
        return self.lab.store.add_adapter(record)

    def add(
        self,
        adapter_id: int | None,
        config: Mapping[str, object],
        passes: str = "...",
        status: EvalStatus = EvalStatus.DONE,
        problems: str = "same",
    ) -> str:
        """`passes` by problem: 1 at the first try, 2 by the retry, - not at all, ? the verifier broke."""
        lab = self.lab
        eval_id = lab.store.start_eval(EvalRecord(lab.task_id, lab.model_id, config, problems, 3, adapter_id))
        session = lab.store.start_session(SessionKind.EVAL, model_id=lab.model_id, task_id=lab.task_id, eval_id=eval_id)
        firsts = lab.store.log_episodes(
            session, [EpisodeRecord(p, attempt(p_)) for p, p_ in zip(lab.problem_ids, passes, strict=True)]
        )
        first = {"1": True, "?": None}
        items = [
            EvalItemRecord(p, a, first.get(mark, False), None if mark == "?" else mark in "12")
            for p, a, mark in zip(lab.problem_ids, firsts, passes, strict=True)
        ]
        lab.store.log_eval_items(eval_id, items)
        if status is not EvalStatus.RUNNING:
            lab.store.finish_eval(eval_id, status)
        return eval_id


def test_the_evaluations_of_a_run_are_those_it_made(lab: Lab) -> None:
    run = Running(lab)
    made = Evaluated(run)
    early, late = made.adapter(20), made.adapter(100)
    mine = {"run": run.id, "set": "held-out", "arm": "reflect"}
    base = made.add(None, mine, "1--")
    last = made.add(late, mine, "12-")
    first = made.add(early, mine, "1-?")
    replay = made.add(late, mine | {"set": "replay"})
    untagged = made.add(early, {"set": "held-out"})
    made.add(None, {"set": "held-out"})
    made.add(early, {"arm": "plain"})  # `rrr eval` of the adapter: other problems, no set
    made.add(None, mine | {"run": "another"})
    made.add(late, mine, status=EvalStatus.RUNNING)
    made.add(late, mine, status=EvalStatus.FAILED)
    found = evaluations.run_evals(lab.store.reader(), run.id)
    assert [(e.eval_id, e.step, e.set) for e in found] == [
        (base, 0, "held-out"),
        (first, 20, "held-out"),
        (untagged, 20, "held-out"),
        (last, 100, "held-out"),
        (replay, 100, "replay"),
    ]
    assert [(e.n, e.first_try, e.final_rate) for e in found[:2]] == [(3, 1 / 3, 1 / 3), (3, 0.5, 0.5)]
    assert found[3].final_rate == 2 / 3


def test_a_run_that_starts_from_another_ones_adapter_has_it_as_step_0(lab: Lab) -> None:
    older, newer = Running(lab, "older"), Running(lab, "newer")
    adapter = Evaluated(older).adapter(50)
    before = Evaluated(newer).add(adapter, {"run": newer.id, "set": "held-out"})
    assert [(e.eval_id, e.step) for e in evaluations.run_evals(lab.store.reader(), newer.id)] == [(before, 0)]
    assert evaluations.run_evals(lab.store.reader(), older.id) == []


def test_what_was_fixed_and_what_was_broken(lab: Lab) -> None:
    made = Evaluated(Running(lab))
    before, after = made.add(None, {}, "-12"), made.add(None, {}, "2-1")
    reader = lab.store.reader()

    def found(which: Change) -> list[int]:
        return [each.problem_id for each in evaluations.changes(reader, before, after, which)]

    one, two, three = lab.problem_ids
    assert (found(Change.FIXED), found(Change.BROKEN), found(Change.ALL)) == ([one], [two], [one, two, three])
    [fixed] = evaluations.changes(reader, before, after, Change.FIXED)
    assert fixed.prompt == problem(5).prompt
    assert (fixed.first_before, fixed.first_after, fixed.final_before, fixed.final_after) == (False, False, False, True)
    for attempt_id, text in ((fixed.before_attempt_id, "-"), (fixed.after_attempt_id, "2")):
        assert attempt_id is not None and history.episode(reader, attempt_id).attempt.text == text


def test_a_problem_whose_verifier_broke_is_neither_fixed_nor_broken(lab: Lab) -> None:
    made = Evaluated(Running(lab))
    before, after = made.add(None, {}, "?1-"), made.add(None, {}, "1?-")
    reader = lab.store.reader()
    assert evaluations.changes(reader, before, after, Change.FIXED) == []
    assert evaluations.changes(reader, before, after, Change.BROKEN) == []
    assert [c.final_before for c in evaluations.changes(reader, before, after)] == [None, True, False]


def test_changes_are_paged_without_gap_or_repeat(lab: Lab) -> None:
    made = Evaluated(Running(lab))
    before, after = made.add(None, {}, "---"), made.add(None, {}, "1-2")
    for eval_id in (before, after):  # every problem twice: pages end between two epochs as well
        items = [EvalItemRecord(p, None, eval_id == after, eval_id == after, epoch=1) for p in lab.problem_ids]
        lab.store.log_eval_items(eval_id, items)
    lab.store.flush()
    reader = lab.store.reader()
    for which, expected in ((Change.ALL, 6), (Change.FIXED, 5), (Change.BROKEN, 0)):
        everything = evaluations.changes(reader, before, after, which)
        assert len(everything) == expected
        seen: list[evaluations.Changed] = []
        while page := evaluations.changes(reader, before, after, which, 1, seen[-1] if seen else None):
            seen += page
        assert seen == everything


def test_only_evaluations_of_the_same_problems_are_compared(lab: Lab) -> None:
    made = Evaluated(Running(lab))
    before, other = made.add(None, {}), made.add(None, {}, problems="other")
    with pytest.raises(UsageError, match="not of the same problems"):
        evaluations.changes(lab.store.reader(), before, other)
    with pytest.raises(NotFoundError):
        evaluations.changes(lab.store.reader(), before, "nothing")


FOLLOWED: dict[str, Callable[[Connection, str], object]] = {
    "run": lambda reader, run_id: queries.run(reader, run_id),
    "steps": lambda reader, run_id: queries.steps(reader, run_id, after=1),
    "samples": lambda reader, run_id: runs_read.samples(reader, run_id),
}


@pytest.mark.parametrize("what", FOLLOWED)
def test_following_a_run_reads_no_more_than_what_is_new(lab: Lab, what: str) -> None:
    """No plan goes through a whole table or sorts: what is asked four times a second must not grow with the log."""
    run = Running(lab)
    run.step(1, ("one", PASS), reward_mean=0.5)
    reader = lab.store.reader()
    asked: list[str] = []
    reader.set_trace_callback(asked.append)
    FOLLOWED[what](reader, run.id)
    reader.set_trace_callback(None)
    assert asked
    for sql in asked:
        plan = " / ".join(row[3] for row in reader.execute(f"EXPLAIN QUERY PLAN {sql}"))
        assert not [word for word in ("SCAN", "MATERIALIZE", "AUTOMATIC", "TEMP B-TREE") if word in plan], plan


TRAIN = """
import sys
from pathlib import Path
from rrr_local.store.records import RunPhase, StepRecord
from rrr_local.store.store import Store
path, run_id, session_id = sys.argv[1:]
with Store.open(Path(path)) as store:
    print("ready", flush=True)
    sys.stdin.readline()
    for step in range(1, 101):
        store.progress(run_id, RunPhase.TRAINING, step, 100)
        store.log_step(run_id, session_id, StepRecord(step, loss=step / 8), [])
"""


def test_a_reader_follows_a_run_while_another_process_writes_it(lab: Lab) -> None:
    run = Running(lab)
    command = [sys.executable, "-c", TRAIN, str(lab.store.path), run.id, run.session_id]
    seen: list[int] = []
    with (
        Store.open(lab.store.path, readonly=True) as following,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child,
    ):
        assert child.stdin is not None and child.stdout is not None and child.stdout.readline() == "ready\n"
        child.stdin.write("go\n")
        child.stdin.flush()
        reads = 0
        while child.poll() is None or reads == 0:
            seen += [s.record.step for s in queries.steps(following.reader(), run.id, seen[-1] if seen else 0)]
            lab.store.set_setting("draft", str(reads))  # this process writes as well
            reads += 1
        seen += [s.record.step for s in queries.steps(following.reader(), run.id, seen[-1] if seen else 0)]
    assert child.returncode == 0
    assert seen == list(range(1, 101))
    assert (run.read().phase_done, run.read().summary.last_step) == (100, 100)


def test_an_adapter_that_was_removed_may_be_written_again(lab: Lab) -> None:
    run = Running(lab)
    made = Evaluated(run)
    first = made.adapter(20)
    lab.store.drop_adapters(run.id)
    assert made.adapter(20) == first
    assert lab.scalar("SELECT deleted_at FROM adapters") is None
