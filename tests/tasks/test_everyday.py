"""The questions of every day that ship: all held out, and none of them holds its own answer."""

from __future__ import annotations

from rrr_local.episode import Split, VerdictKind
from rrr_local.tasks.bench import trials
from rrr_local.tasks.find import find_task


def test_everyday_questions_are_only_to_measure_with_and_can_be_answered() -> None:
    task = find_task("everyday")
    held_out = task.problems(Split.EVAL)
    assert (task.source, len(task.problems(Split.TRAIN)), len(held_out)) == ("everyday", 0, 90)
    for problem in held_out:
        assert [trial.holds for trial in trials(task, problem)] == [True, True, True], problem.prompt
        assert task.verify(problem, problem.prompt).kind is VerdictKind.FAIL, problem.prompt
