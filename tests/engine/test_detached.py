"""Trainers as processes of their own: who starts them may die, they may die, and nothing acknowledged is lost."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from rrr_local import paths
from rrr_local.engine.detached import LOG, NICENESS, Ask, Launch, Trainers, as_it_is
from rrr_local.engine.plan import Plan
from rrr_local.errors import BusyError, ModelError, NotFoundError, RrrError, UsageError
from rrr_local.store import queries
from rrr_local.store.queries import Run
from rrr_local.store.records import ModelRecord, RunRecord, RunStatus
from rrr_local.store.store import Store
from rrr_local.training import checkpoint
from rrr_local.training.lock import RunLock

from ..cli.child import environment

pytestmark = pytest.mark.timeout(300)  # a model is loaded several times, on cores that may be shared

SETTINGS = ("failures=16", "failures_per_step=2", "group_size=4", "checkpoint_every=1")
SHORT = Plan(name="run-1", settings=SETTINGS, steps=3)
LONG = Plan(name="run-1", settings=SETTINGS, steps=500)

STARTER = """
import sys, time
from rrr_local import paths
from rrr_local.engine.detached import Trainers
from rrr_local.engine.plan import Plan
from rrr_local.store.store import Store
with Store.open(paths.database_path()) as store:
    launch = Trainers(store).start(Plan(name="run-1", settings=tuple(sys.argv[1:]), steps=500))
    print(launch.pid, flush=True)
    time.sleep(600)
"""


@pytest.fixture
def store(data_folder: Path) -> Iterator[Store]:
    with Store.open(paths.database_path()) as opened:
        yield opened


def until(condition: Callable[[], bool], seconds: float = 120) -> None:
    """Wait for what another process does."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.02)


def of(store: Store) -> Run:
    return queries.run(store.reader(), "run-1")


def at_step(store: Store, step: int) -> Callable[[], bool]:
    return lambda: bool(queries.runs(store.reader())) and of(store).summary.last_step >= step


@contextmanager
def started(store: Store, plan: Plan) -> Iterator[tuple[Trainers, Launch]]:
    """A trainer that is at work; it is dead after the block."""
    trainers = Trainers(store)
    launch = trainers.start(plan)
    try:
        until(lambda: trainers.has_begun(launch) or trainers.failure(launch) is not None)
        assert trainers.failure(launch) is None, launch.log.read_text()
        yield trainers, launch
    finally:
        kill(launch.pid)


def kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def queued(store: Store, name: str = "run-1") -> str:
    """A run that nobody trains."""
    model = store.model(ModelRecord("safetensors", local_path="somewhere", files_sha256="0"))
    task = store.task("t", 1, "T", "T", "0", {})
    return store.create_run(RunRecord(name, model, task, "mlx-cpu", 0, {}, 5))


def test_a_trainer_survives_its_starter_and_its_own_death_loses_nothing(store: Store, data_folder: Path) -> None:
    starter = subprocess.Popen(
        [sys.executable, "-c", STARTER, *SETTINGS], stdout=subprocess.PIPE, text=True, env=environment(data_folder)
    )
    assert starter.stdout is not None
    pid = int(starter.stdout.readline())
    trainers = Trainers(store)
    try:
        until(at_step(store, 1))
        starter.kill()
        starter.communicate()
        after = of(store).summary.last_step
        until(at_step(store, after + 2))  # it goes on
        assert trainers.is_alive("run-1") and of(store).pid == pid
        assert os.getsid(pid) == pid != os.getsid(0)
    finally:
        kill(pid)
    until(lambda: not trainers.is_alive("run-1"), 1)
    left = of(store)
    assert left.summary.status is RunStatus.RUNNING and as_it_is(left.summary).status is RunStatus.LOST
    steps = [step.record.step for step in queries.steps(store.reader(), left.summary.id)]
    found = checkpoint.newest(paths.runs_folder() / "run-1").checkpoint
    assert steps == list(range(1, left.summary.last_step + 1))
    assert found is not None and left.summary.last_step - 1 <= found.step <= left.summary.last_step
    with started(store, Plan(resume="run-1")) as (again, _):
        until(at_step(store, left.summary.last_step + 1))
        again.request("run-1", Ask.STOP)
        until(lambda: not again.is_alive("run-1"))
    assert of(store).summary.status is RunStatus.STOPPED
    assert [s.record.step for s in queries.steps(store.reader(), left.summary.id)][: len(steps)] == steps


def test_a_short_run_ends_by_itself_and_its_log_is_private(store: Store) -> None:
    with started(store, SHORT) as (trainers, launch):
        assert (launch.name, launch.log) == ("run-1", paths.runs_folder() / "run-1" / LOG)
        assert os.getpriority(os.PRIO_PROCESS, launch.pid) == os.getpriority(os.PRIO_PROCESS, 0) + NICENESS
        until(lambda: not trainers.is_alive("run-1"))
        assert trainers.failure(launch) is None
    assert of(store).summary.status is RunStatus.DONE
    assert stat.S_IMODE(launch.log.stat().st_mode) == 0o600
    assert "train 3/3" in launch.log.read_text()
    assert trainers.next_name() == "run-2"


@pytest.mark.parametrize(
    ("plan", "kind", "said"),
    [
        (Plan(name="run-1", recipe="nonesuch"), UsageError, "there is no recipe 'nonesuch'"),
        (Plan(name="run-1", model="nowhere"), ModelError, "no model folder nowhere"),
        (Plan(name="run-1", failures="nonesuch"), NotFoundError, "no failures in session nonesuch"),
        (Plan(resume="run-1"), NotFoundError, "there is no run run-1"),
    ],
)
def test_why_a_trainer_could_not_begin_is_read_from_its_log(
    store: Store, plan: Plan, kind: type[RrrError], said: str
) -> None:
    trainers = Trainers(store)
    launch = trainers.start(plan)
    until(lambda: trainers.failure(launch) is not None)
    failure = trainers.failure(launch)
    assert type(failure) is kind and said in failure.cause
    assert not trainers.has_begun(launch)


def test_a_trainer_that_is_killed_before_it_begins_is_said_to_be(store: Store) -> None:
    trainers = Trainers(store, [sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"])
    launch = trainers.start(SHORT)
    until(lambda: trainers.failure(launch) is not None)
    failure = trainers.failure(launch)
    assert failure is not None and "signal 9" in failure.cause


def test_a_second_trainer_on_a_run_is_refused_and_the_first_goes_on(store: Store) -> None:
    with started(store, LONG) as (trainers, first):
        until(at_step(store, 1))
        with pytest.raises(BusyError, match="being trained already"):
            trainers.start(Plan(resume="run-1"))
        assert trainers.has_begun(first) and trainers.is_alive("run-1")


TALKER = """
import sys
print('{"schema": "rrr.error/1", "error": "run-1 is held", "way_out": "wait", "exit_code": 5}', flush=True)
print("train 13/500, says the trainer that has the run")
sys.exit(5)
"""


def test_the_words_of_two_trainers_and_of_earlier_ones_are_told_apart(store: Store) -> None:
    trainers = Trainers(store, [sys.executable, "-c", TALKER])
    launch = trainers.start(SHORT)
    until(lambda: trainers.failure(launch) is not None)
    assert type(trainers.failure(launch)) is BusyError
    silent = Trainers(store, [sys.executable, "-c", "import sys; sys.exit(70)"])
    launch = silent.start(SHORT)
    until(lambda: silent.failure(launch) is not None)
    failure = silent.failure(launch)
    assert failure is not None and failure.cause == "the process ended with code 70"


@pytest.mark.parametrize(
    ("name", "said"), [(None, "needs a name"), ("../x", "cannot be called"), ("", "cannot be called")]
)
def test_a_run_needs_a_name_that_a_folder_can_have(store: Store, name: str | None, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        Trainers(store).start(Plan(name=name))


def test_only_a_run_that_is_trained_can_be_asked_to_pause_or_stop(store: Store) -> None:
    trainers = Trainers(store)
    with pytest.raises(NotFoundError):
        trainers.request("run-1", Ask.PAUSE)
    run_id = queued(store)
    for what in (Ask.PAUSE, Ask.STOP):
        with pytest.raises(UsageError, match="not being trained"):
            trainers.request("run-1", what)
    with RunLock(paths.runs_folder() / "run-1"):
        trainers.request("run-1", Ask.DISCARD)
    assert queries.run(store.reader(), run_id).request is Ask.DISCARD


def test_a_run_that_nobody_trains_is_discarded_at_once(store: Store) -> None:
    run_id = queued(store)
    folder = paths.runs_folder() / "run-1"
    step = folder / "step-0000001"
    step.mkdir(parents=True)
    Trainers(store).request("run-1", Ask.DISCARD)
    assert not step.exists() and folder.exists()
    assert queries.run(store.reader(), run_id).summary.status is RunStatus.STOPPED


def test_the_apps_side_imports_no_numbers() -> None:
    modules = ("engine.detached", "engine.jobs", "engine.plan", "training.advice", "training.eta", "evaluation.gains")
    code = f"import sys, {', '.join(f'rrr_local.{name}' for name in modules)}; print(*sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"numpy", "mlx", "mlx_lm", "torch", "transformers", "huggingface_hub", "sqlite_utils"}
    assert heavy.isdisjoint(said.stdout.split())


def test_a_name_is_free_when_neither_the_log_nor_a_folder_has_it(store: Store) -> None:
    trainers = Trainers(store)
    assert trainers.next_name() == "run-1"
    queued(store, "run-2")
    queued(store, "run-33")
    (paths.runs_folder() / "run-3").mkdir()
    assert trainers.next_name() == "run-4"
