"""Ctrl-C, SIGTERM and kill -9 in the middle of training: nothing is lost, and a resumed run is the uninterrupted one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rrr_local.training import checkpoint

from .child import RRR, SMALL, call, environment

pytestmark = pytest.mark.timeout(300)  # 10 s of work each, on cores that may be shared

WAIT = """
import signal, time
from rrr_local.cli.signals import at_boundaries, terminable
# As in a terminal's foreground: where the tests run in the background, children inherit that SIGINT is ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
with terminable(), at_boundaries("stopping") as stop:
    print("ready", flush=True)
    while not stop.requested:
        time.sleep(0.01)
    print(int(stop.exit_code), flush=True)
    while True:
        time.sleep(0.01)
"""


HOLD = """
import os, signal, sys
from rrr_local import paths
from rrr_local.cli.signals import at_boundaries
from rrr_local.store.records import ModelRecord, RunRecord, RunStatus
from rrr_local.store.store import Store
from rrr_local.training.lock import RunLock
with Store.open(paths.database_path()) as store, RunLock(paths.runs_folder() / "run-1"), at_boundaries("stopping") as stop:
    model = store.model(ModelRecord("safetensors", local_path="somewhere", files_sha256="0"))
    task = store.task("t", 1, "T", "T", "0", {})
    run = store.create_run(RunRecord("run-1", model, task, "mlx-cpu", 0, {}, 5))
    store.update_run(run, status=RunStatus.RUNNING, pid=os.getpid())
    print("ready", flush=True)
    while not stop.requested:
        signal.pause()
sys.exit(stop.exit_code)
"""
"""What a trainer is to other processes, without a model."""


def trainer(home: Path) -> subprocess.Popen[str]:
    """A run that has collected its failures and is about to take its first step."""
    process = subprocess.Popen(
        [*RRR, "train", *SMALL],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(home),
        cwd=home,
    )
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("collect 16/16"):
            return process
    raise AssertionError("it ended before it had collected")


def wait_for_first_step(home: Path, process: subprocess.Popen[str]) -> None:
    while not (home / "runs" / "run-1" / "step-0000001").exists():
        assert process.poll() is None
        time.sleep(0.01)  # a checkpoint that appears is no event one can wait for


def adapter(home: Path) -> bytes:
    return (home / "runs" / "run-1" / "step-0000004" / "adapters.safetensors").read_bytes()


def status(home: Path) -> str:
    return str(json.loads(call(home, "runs", "--json").stdout)["runs"][0]["status"])


def test_ctrl_c_stops_with_a_checkpoint_and_the_resumed_run_is_the_uninterrupted_one(
    home: Path, lived_in: Path
) -> None:
    process = trainer(home)
    wait_for_first_step(home, process)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "stopping after this step" in err
    assert "go on with: rrr train --resume run-1" in out
    assert status(home) == "stopped"
    found = checkpoint.newest(home / "runs" / "run-1").checkpoint
    assert found is not None and 1 <= found.step < 4
    resumed = call(home, "train", "--resume", "run-1")
    assert resumed.returncode == 0, resumed.stderr
    assert status(home) == "done"
    assert adapter(home) == adapter(lived_in)


def test_kill_9_then_resume_gives_the_uninterrupted_adapter_bit_for_bit(home: Path, lived_in: Path) -> None:
    process = trainer(home)
    wait_for_first_step(home, process)
    process.kill()
    process.communicate()
    assert status(home) == "lost"
    resumed = call(home, "train", "--resume", "run-1", "--json")
    assert resumed.returncode == 0, resumed.stderr
    assert json.loads(resumed.stdout)["status"] == "done"
    assert adapter(home) == adapter(lived_in)


def test_another_terminal_can_stop_a_run(home: Path) -> None:
    assert call(home, "runs", "stop", "run-1").returncode == 6
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(home)
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    asked = call(home, "runs", "stop", "run-1", "--json")
    assert json.loads(asked.stdout) == {"schema": "rrr.stop/1", "run": "run-1", "pid": process.pid}
    process.communicate(timeout=10)
    assert process.returncode == 143
    assert call(home, "runs", "stop", "run-1").returncode == 2


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_first_signal_asks_and_the_second_ends(number: int, code: int) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", WAIT], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=dict(os.environ)
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    assert process.stdout.readline() == f"{code}\n"
    process.send_signal(number)
    _, err = process.communicate(timeout=10)
    assert err.startswith("stopping\n")
    assert process.returncode in (code, -number)  # Python ends an uncaught KeyboardInterrupt by the signal itself
