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
import time
from rrr_local.cli.signals import at_boundaries, terminable
with terminable(), at_boundaries("stopping") as stop:
    print("ready", flush=True)
    while not stop.requested:
        time.sleep(0.01)
    print(int(stop.exit_code), flush=True)
    while True:
        time.sleep(0.01)
"""


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


@pytest.mark.parametrize(("asked", "status_then"), [("pause", "paused"), ("stop", "stopped")])
def test_another_terminal_can_end_a_run_where_it_can_be_resumed(
    home: Path, lived_in: Path, asked: str, status_then: str
) -> None:
    assert call(home, "runs", asked, "run-1").returncode == 6
    process = trainer(home)
    wait_for_first_step(home, process)
    said = call(home, "runs", asked, "run-1", "--json")
    assert json.loads(said.stdout) == {"schema": "rrr.request/1", "run": "run-1", "request": asked, "pending": True}
    _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert status(home) == status_then
    assert call(home, "runs", asked, "run-1").returncode == 2
    assert call(home, "train", "--resume", "run-1").returncode == 0
    assert adapter(home) == adapter(lived_in)


def test_a_discarded_run_has_no_checkpoint_and_can_be_begun_again(home: Path, lived_in: Path) -> None:
    process = trainer(home)
    wait_for_first_step(home, process)
    assert call(home, "runs", "stop", "run-1", "--discard").returncode == 0
    _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert status(home) == "stopped"
    assert checkpoint.newest(home / "runs" / "run-1").checkpoint is None
    assert json.loads(call(home, "runs", "show", "run-1", "--json").stdout)["last_step"]["step"] >= 1
    assert call(home, "eval", "--adapter", "run-1", "-n", "4").returncode == 6
    assert call(home, "train", "--resume", "run-1").returncode == 0
    assert adapter(home) == adapter(lived_in)
    assert "are removed" in call(home, "runs", "stop", "run-1", "--discard").stdout
    assert (status(home), checkpoint.newest(home / "runs" / "run-1").checkpoint) == ("done", None)


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
