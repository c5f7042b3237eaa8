"""Starting a run in the background, looking before it, and following it through the log."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from rrr_local import paths
from rrr_local.cli.main import run
from rrr_local.cli.output import Output
from rrr_local.cli.watch import Phased, Stepped, Watcher, follow
from rrr_local.store.records import ModelRecord, RunPhase, RunRecord, RunStatus, SessionKind, StepRecord
from rrr_local.store.store import Store
from rrr_local.training.advice import Advice
from rrr_local.training.lock import RunLock

from .child import RRR, call, environment

pytestmark = pytest.mark.timeout(300)

LONG = tuple(
    part
    for setting in ("steps=500", "failures=16", "failures_per_step=2", "group_size=4", "checkpoint_every=1")
    for part in ("-o", setting)
)


@contextmanager
def detached(home: Path) -> Iterator[dict[str, Any]]:
    """A run in the background, stopped after the block."""
    said = call(home, "train", "--detach", *LONG, "--json")
    assert said.returncode == 0, said.stderr
    try:
        yield json.loads(said.stdout)
    finally:
        call(home, "runs", "stop", "run-1")


def test_a_run_in_the_background_is_followed_and_goes_on_when_nobody_looks(home: Path) -> None:
    with detached(home) as launch:
        assert launch.keys() == {"schema", "run", "pid", "log"}
        assert (launch["schema"], launch["run"]) == ("rrr.launch/1", "run-1")
        watching = subprocess.Popen(
            [*RRR, "train", "watch", "--json"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(home),
        )
        assert watching.stdout is not None
        steps = 0
        for line in watching.stdout:
            event = json.loads(line)
            assert event["run"] == "run-1" and event["ev"] in ("phase", "step", "advice")
            steps += event["ev"] == "step"
            if steps == 2:
                break
        watching.send_signal(signal.SIGINT)
        _, err = watching.communicate(timeout=60)
        assert watching.returncode == 0
        assert err.strip() == "still training; `rrr runs stop run-1` ends it"
        assert json.loads(call(home, "runs", "--json").stdout)["runs"][0]["status"] == "running"
        assert call(home, "train", "--detach", "--resume", "run-1").returncode == 5


def test_what_keeps_a_run_from_beginning_in_the_background_is_said_in_the_foreground(home: Path) -> None:
    said = call(home, "train", "--detach", "--recipe", "nonesuch")
    assert said.returncode == 2
    assert said.stderr.startswith("rrr: there is no recipe 'nonesuch'\n")


def test_looking_before_a_run_prints_a_document_or_a_page(home: Path) -> None:
    settings = ("--dry-run", "-o", "failures_per_step=2", "-o", "group_size=2", "-o", "steps=4", "--evaluate", "4")
    said = call(home, "train", *settings, "--json", "-q")
    assert (said.returncode, said.stderr) == (0, "")
    found = json.loads(said.stdout)
    assert found.keys() == {
        *("schema", "ready", "model", "task", "backend", "recipe", "data", "signal", "cost", "battery", "checks"),
    }
    assert (found["schema"], found["ready"], found["recipe"]["evaluate"]) == ("rrr.preflight/1", True, 4)
    assert all(check.keys() == {"name", "health", "detail"} for check in found["checks"])
    page = call(home, "train", "--dry-run", "--failures", "pool")
    assert page.returncode == 1 and page.stdout.endswith("it cannot begin like this\n")
    assert call(home, "runs").stdout == "no runs yet; start one with: rrr train\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ("train", "--steps", "5", "watch"),
        ("train", "--resume", "x", "--steps", "5"),
        ("train", "--dry-run", "--detach"),
    ],
)
def test_flags_that_contradict_each_other_are_refused(
    arguments: tuple[str, ...], home: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(paths.OVERRIDE, str(home))
    assert run(list(arguments)) == 2
    assert capfd.readouterr().err.startswith("rrr: --")


# --- what is shown, from a log that a test writes -----------------------------------------------------------------------


@pytest.fixture
def store(data_folder: Path) -> Iterator[Store]:
    with Store.open(paths.database_path()) as opened:
        yield opened


def running(store: Store, name: str = "run-1") -> str:
    model = store.model(ModelRecord("safetensors", local_path="somewhere", files_sha256="0"))
    task = store.task("t", 1, "T", "T", "0", {})
    run_id = store.create_run(RunRecord(name, model, task, "mlx-cpu", 0, {"checkpoint_every": 10}, 40))
    store.update_run(run_id, status=RunStatus.RUNNING)
    return run_id


def step(store: Store, run_id: str, number: int, **values: Any) -> None:
    session = store.start_session(SessionKind.TRAIN, model_id=None, task_id=None, train_run_id=run_id)
    record = {"reward_mean": 0.25, "groups": 8, "groups_used": 4, "seconds": 2.0} | values
    store.log_step(run_id, session, StepRecord(number, **record), [])


def test_a_look_tells_what_is_new_once(store: Store) -> None:
    run_id = running(store)
    step(store, run_id, 1)
    step(store, run_id, 2)
    store.progress(run_id, RunPhase.EVALUATING, 3, 8)
    store.flush()
    watcher = Watcher(store, run_id)
    with RunLock(paths.runs_folder() / "run-1"):
        _, seen = watcher.look()
        assert seen[0] == Phased(RunPhase.EVALUATING, 3, 8)
        assert [each.step.record.step for each in seen if isinstance(each, Stepped)] == [2]
        assert (watcher.look()[1], watcher.over) == ([], False)
        step(store, run_id, 3, loss=float("nan"))
        newest, said = watcher.look()[1]
        assert isinstance(newest, Stepped) and newest.eta is not None and newest.eta.seconds == 37 * 2.0
        assert isinstance(said, Advice) and "step 3 was not finite" in said.text
        assert watcher.look()[1] == []
    _, seen = watcher.look()
    assert (seen, watcher.over) == ([], True)


def test_a_run_whose_trainer_was_killed_is_lost_and_can_be_gone_on_with(
    store: Store, capfd: pytest.CaptureFixture[str]
) -> None:
    step(store, running(store), 7)
    assert follow(store, Output(), "run-1", plain=True) == 1
    assert capfd.readouterr().out.splitlines() == [
        "run-1 step 7/40 reward 0.25 signal 4/8 2.0s left about 1m 06s",
        "run-1 is lost: step 7 of 40",
        "its process died; every step above and the newest checkpoint are safe",
        "go on with: rrr train --resume run-1",
    ]
    assert follow(store, Output(json=True), "run-1", plain=False) == 1
    *_, ended = map(json.loads, capfd.readouterr().out.splitlines())
    assert ended == {
        **{"ev": "ended", "run": "run-1", "status": "lost", "step": 7, "steps": 40, "error": None},
        "resume": "rrr train --resume run-1",
    }


@pytest.mark.parametrize(
    ("status", "code", "last"),
    [
        (RunStatus.DONE, 0, "run-1 is done: step 1 of 40"),
        (RunStatus.PAUSED, 0, "go on with: rrr train --resume run-1"),
        (RunStatus.STOPPED, 0, "go on with: rrr train --resume run-1"),
        (RunStatus.FAILED, 1, "go on with: rrr train --resume run-1"),
    ],
)
def test_how_a_run_ended_is_the_last_line_and_the_exit_code(
    store: Store, capfd: pytest.CaptureFixture[str], status: RunStatus, code: int, last: str
) -> None:
    run_id = running(store)
    step(store, run_id, 1)
    store.update_run(run_id, status=status, error="3 updates were not finite" if code else None)
    assert follow(store, Output(), "run-1", plain=True) == code
    lines = capfd.readouterr().out.splitlines()
    assert lines[-1] == last
    assert ("3 updates were not finite" in lines) == (code == 1)


def test_a_queued_run_is_waited_for_and_not_for_ever(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    run_id = running(store)
    store.update_run(run_id, status=RunStatus.QUEUED)
    watcher = Watcher(store, run_id)
    looks = 0
    while not watcher.over:
        watcher.look()
        looks += 1
        assert looks < 100
    assert looks > 5


def test_without_a_name_the_newest_that_is_trained_is_followed(
    store: Store, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(["train", "watch"]) == 6
    assert "nothing is being trained" in capfd.readouterr().err
    for name in ("run-1", "run-2", "run-3"):
        running(store, name)
    held = RunLock(paths.runs_folder() / "run-2")
    with held:
        monkeypatch.setattr(time, "sleep", lambda seconds: held.__exit__(None, None, None))
        assert follow(store, Output(), None, plain=True) == 1
    assert capfd.readouterr().out.splitlines()[:2] == ["run-2 preparing", "run-2 is lost: step 0 of 40"]
