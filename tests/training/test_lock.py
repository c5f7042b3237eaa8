"""Who holds a run, with real processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from rrr_local.errors import BusyError
from rrr_local.training.lock import RunLock, is_held

HOLD = """
import subprocess, sys
from pathlib import Path
from rrr_local.training.lock import RunLock
with RunLock(Path(sys.argv[1])):
    {inside}
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def holder(run: Path, inside: str = "pass") -> Iterator[subprocess.Popen[str]]:
    """A process that holds the run until its stdin closes."""
    command = [sys.executable, "-c", HOLD.format(inside=inside), str(run)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_a_second_process_is_refused_and_told_who_holds_the_run(tmp_path: Path) -> None:
    with holder(tmp_path / "run-1") as process:
        with (
            pytest.raises(BusyError, match=f"run run-1 is held by process {process.pid}") as caught,
            RunLock(tmp_path / "run-1"),
        ):
            pytest.fail("two holders")
        assert "rrr runs stop run-1" in caught.value.way_out


def test_the_lock_is_free_after_its_block(tmp_path: Path) -> None:
    for _ in range(2):
        with RunLock(tmp_path):
            assert is_held(tmp_path)
        assert not is_held(tmp_path)


def test_an_error_inside_frees_the_lock(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), RunLock(tmp_path):
        raise ZeroDivisionError
    assert not is_held(tmp_path)


def test_kill_9_frees_the_lock(tmp_path: Path) -> None:
    with holder(tmp_path) as process:
        assert is_held(tmp_path)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert not is_held(tmp_path)
        with RunLock(tmp_path):
            assert is_held(tmp_path)


def test_a_child_of_the_holder_that_outlives_it_does_not_keep_the_lock(tmp_path: Path) -> None:
    with holder(
        tmp_path, inside="subprocess.Popen(['cat'])"
    ) as process:  # it reads our pipe, so it lives as long as we do
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert not is_held(tmp_path)


def test_looking_never_gets_in_the_way_of_a_holder(tmp_path: Path) -> None:
    look = "import sys\nfrom pathlib import Path\nfrom rrr_local.training.lock import is_held\n"
    look += "print('looking', flush=True)\nwhile True: is_held(Path(sys.argv[1]))"
    with RunLock(tmp_path):
        pass  # the file is there to look at
    process = subprocess.Popen([sys.executable, "-c", look, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "looking\n"
        for _ in range(200):
            with RunLock(tmp_path):
                assert is_held(tmp_path)
    finally:
        process.kill()
        process.communicate()


def test_a_run_without_a_folder_is_not_held(tmp_path: Path) -> None:
    assert not is_held(tmp_path / "never-started")
