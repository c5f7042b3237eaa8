"""Every way to fail is a line of cause, a way out and a documented exit code, from a real process."""

from __future__ import annotations

import json
import os
import resource
import subprocess
from pathlib import Path

import pytest

from rrr_local.store.store import Store
from rrr_local.training.lock import RunLock

from .child import RRR, SMALL, call, environment

PROBLEM = '{"numbers": [3, 7, 18], "target": 39}'

WRONG = [
    ("no-such-command", 2, "No such command"),
    ("runs --no-such-flag", 2, "No such option"),
    ("ask", 2, "give either TEXT or --problem"),
    ("ask --problem {", 2, "the problem is not JSON"),
    ("ask --problem [1]", 2, "the problem is not a JSON object"),
    ("ask --problem {}", 2, "not a Countdown problem"),
    ("ask Why? --task countdown", 2, "TEXT is no problem of a task"),
    ("train --recipe none", 2, "there is no recipe 'none'"),
    ("train -o stepz=3", 2, "a recipe has no field 'stepz'"),
    ("train --name ../up", 2, "a run cannot be called '../up'"),
    ("train --resume run-1 --seed 3", 2, "--seed cannot be changed"),
    ("ask Why? --model no-such-folder", 3, "there is no model folder no-such-folder"),
    ("train --model .", 3, ". is not a model"),
    ("eval --task no-such-task", 6, "there is no task 'no-such-task'"),
    ("collect --task question", 6, "the task question has no problems"),
    ("train --resume run-1", 6, "there is no log at"),
    ("runs show run-1", 6, "there is no log at"),
]


@pytest.mark.parametrize(("typed", "code", "cause"), WRONG, ids=[typed for typed, _, _ in WRONG])
def test_what_was_typed_wrong_is_said_in_a_line(home: Path, typed: str, code: int, cause: str) -> None:
    done = call(home, *typed.split())
    assert (done.returncode, done.stdout) == (code, "")
    first, second = done.stderr.splitlines()
    assert first.startswith(f"rrr: {cause}") and second.startswith("     ")


def test_an_error_is_json_on_standard_error_where_json_was_asked_for(home: Path) -> None:
    done = call(home, "ask", "Why?", "--model", "no-such-folder", "--json")
    said = json.loads(done.stderr)
    assert done.stdout == ""
    assert said.keys() == {"schema", "error", "way_out", "exit_code"}
    assert (said["schema"], said["exit_code"], done.returncode) == ("rrr.error/1", 3, 3)


def test_standard_input_that_is_no_text_is_a_usage_error(home: Path) -> None:
    done = subprocess.run([*RRR, "ask", "-"], input=b"\xff\xfe", capture_output=True, env=environment(home), cwd=home)
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"standard input is not UTF-8 text" in done.stderr


def test_closed_standard_input_is_a_usage_error(home: Path) -> None:
    done = call(home, "ask", "-", preexec_fn=lambda: os.close(0))
    assert done.returncode == 2
    assert "there is no standard input" in done.stderr


@pytest.mark.parametrize("typed", ["runs", "train", "ask Why?", "db path"])
def test_a_data_folder_that_cannot_be_made_is_a_resource_error(home: Path, typed: str) -> None:
    (home / "file").write_text("")
    done = call(home, *typed.split(), "--data-dir", str(home / "file" / "inside"))
    assert (done.returncode, done.stdout) == (4, "")
    assert done.stderr.startswith("rrr: cannot create the folder")


def test_a_log_that_may_not_grow_is_a_resource_error(home: Path) -> None:
    """A full disk, for real: the child may not write files of more than 64 kB."""
    done = call(home, "train", *SMALL, preexec_fn=lambda: limit_files(64_000))
    assert (done.returncode, done.stdout) == (4, "")
    assert "rrr: the disk cannot be written" in done.stderr


def test_a_disk_that_fills_up_at_a_checkpoint_loses_nothing(lived_in: Path) -> None:
    """The adapter is larger than 1 MB, and the log, which another run has filled with problems, writes little more."""
    Store.open(
        lived_in / "rrr.db"
    ).close()  # the last one to close it empties its write-ahead log, which has grown to 2 MB
    with_log = call(lived_in, "runs", "--json")
    before = sorted(path.name for path in (lived_in / "runs" / "run-1").iterdir())
    done = call(lived_in, "train", "--name", "too-large", *SMALL, preexec_fn=lambda: limit_files(1_000_000))
    assert (done.returncode, done.stdout) == (4, "")
    assert "rrr: " in done.stderr and "Traceback" not in done.stderr
    assert sorted(path.name for path in (lived_in / "runs" / "run-1").iterdir()) == before
    runs = json.loads(call(lived_in, "runs", "--json").stdout)["runs"]
    assert runs[-1] == json.loads(with_log.stdout)["runs"][-1]
    assert (runs[0]["name"], runs[0]["status"]) == ("too-large", "failed")


def test_standard_output_that_is_full_is_a_resource_error(home: Path) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run([*RRR, "tasks"], stdout=full, stderr=subprocess.PIPE, text=True, env=environment(home))
    assert done.returncode == 4
    assert done.stderr.startswith("rrr: the disk is full")


def test_a_second_trainer_on_the_same_run_is_refused(lived_in: Path) -> None:
    with RunLock(lived_in / "runs" / "run-1"):
        done = call(lived_in, "train", "--resume", "run-1")
    assert (done.returncode, done.stdout) == (5, "")
    assert f"rrr: run run-1 is held by process {os.getpid()}" in done.stderr


def test_a_bug_is_one_line_that_names_the_file_with_the_traceback(home: Path) -> None:
    code = "import sys; from rrr_local.cli import main, db; db.command.commands['path'].callback = lambda: 1 / 0\n"
    code += "sys.exit(main.run(['db', 'path']))"
    done = subprocess.run([RRR[0], "-c", code], capture_output=True, text=True, env=environment(home))
    assert done.returncode == 70
    assert done.stderr.startswith("rrr: internal error (ZeroDivisionError: division by zero)\n")
    log = home / "logs" / "errors.log"
    assert str(log) in done.stderr
    assert "Traceback" in log.read_text() and "Traceback" not in done.stderr


def test_a_closed_pipe_is_no_error(home: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([*RRR, "tasks"], stdout=writer, stderr=subprocess.PIPE, text=True, env=environment(home))
    os.close(writer)
    assert done.stderr == ""


def limit_files(size: int) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
