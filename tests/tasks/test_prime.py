"""Tasksets of the package `verifiers` as tasks. It is large (565 MB), so these are skipped where nobody has installed it."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest

from rrr_local.episode import Message, Split, VerdictKind
from rrr_local.errors import UsageError
from rrr_local.tasks import prime
from rrr_local.tasks.find import find_task
from rrr_local.tasks.prime import Prime

needs_verifiers = pytest.mark.skipif(importlib.util.find_spec("verifiers") is None, reason="verifiers is not installed")

SHOUT = """
import verifiers.v1 as vf

class Data(vf.TaskData):
    word: str

class Shout(vf.Task[Data]):
    @vf.reward
    async def shouted(self, task, trace) -> float:
        if "crash" in trace.last_reply:
            raise RuntimeError("the judge fell asleep")
        return 1.0 if trace.last_reply == task.word.upper() else 0.25
    {more}

class ShoutTasks(vf.Taskset[Shout, vf.TasksetConfig]):
    def load(self):
        for n in range(40):
            word = "ab" * n + "c"
            yield Shout(Data(prompt=f"Shout {{word}}", system_prompt="Be loud.", word=word), self.config.task)

__all__ = ["ShoutTasks"]
"""
NEEDS_RUNTIME = """
    @vf.reward
    async def ran(self, runtime) -> float:
        return 1.0
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Packages here can be imported by children; they keep nothing of the tests before."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join((str(tmp_path), os.environ.get("PYTHONPATH", ""))))
    prime._problems.cache_clear()
    prime._scorer.cache_clear()
    yield tmp_path
    prime._scorer().close()
    prime._scorer.cache_clear()


@needs_verifiers
def test_a_single_turn_taskset_is_a_task(folder: Path) -> None:
    (folder / "shouting.py").write_text(SHOUT.format(more=""))
    task = find_task("verifiers:shouting")
    train, held_out = task.problems(Split.TRAIN), task.problems(Split.EVAL)
    assert len(train) + len(held_out) == 40 and 0 < len(held_out) < len(train)
    problem = train[0]
    assert task.opening(problem).before == (Message("system", "Be loud."),)
    word = problem.prompt.removeprefix("Shout ")
    assert task.verify(problem, word.upper()).kind is VerdictKind.PASS
    quiet = task.verify(task.parse_problem(problem.info), word)
    assert (quiet.kind, quiet.reason) == (VerdictKind.FAIL, "the reward is 0.25")
    broken = task.verify(problem, "crash")
    assert broken.kind is VerdictKind.ERROR and "the judge fell asleep" in broken.reason
    assert "verifiers" not in sys.modules


@needs_verifiers
@pytest.mark.parametrize(
    ("more", "why"), [(NEEDS_RUNTIME, "need a runtime"), ("NEEDS_CONTAINER = True", "need a container")]
)
def test_a_taskset_that_needs_more_than_the_reply_is_refused_with_the_reason(folder: Path, more: str, why: str) -> None:
    (folder / "shouting.py").write_text(SHOUT.format(more=more))
    with pytest.raises(UsageError, match=why):
        Prime.named("shouting").problems(Split.TRAIN)


@needs_verifiers
def test_a_package_that_is_none_is_refused(folder: Path) -> None:
    with pytest.raises(UsageError, match="no_such_package"):
        Prime.named("no_such_package").problems(Split.TRAIN)


def test_without_verifiers_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(package: str) -> str:
        raise metadata.PackageNotFoundError(package)

    monkeypatch.setattr(prime, "version", missing)
    with pytest.raises(UsageError, match="pip install verifiers"):
        find_task("verifiers:gsm8k")
