"""A function in a child process: whatever it does is one exception, and nothing of it stays."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rrr_local import paths
from rrr_local.errors import UsageError
from rrr_local.verifiers.worker import LARGEST_LOG, Broken, TooSlow, Worker

FUNCTIONS = """
import asyncio, os, signal, subprocess, sys, time

def echo(*args, **kwargs): return [list(args), kwargs]
def add(a, b=0): return a + b
def where(): return [__name__, os.getpid(), os.getcwd()]
def wrong(): raise ValueError("two\\nlines")
def leave(code): os._exit(code)
def quit_it(): sys.exit(3)
def crash(): os.kill(os.getpid(), signal.SIGSEGV)
def hang(): time.sleep(600)
def spin():
    while True:
        try:
            while True: pass
        except BaseException: pass
def flood(): 
    for _ in range(20_000): print("x" * 1000)
    return "done"
def endless():
    while True: os.write(1, b"x" * 100_000)
def say(text): print(text); return None
def opaque(): return object()
def huge(): return "x" * 20_000_000
def shut():
    os.closerange(3, 100)
    return 1
def orphan(mark, hang=True):
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)", mark], start_new_session=True)
    if hang: time.sleep(600)
def forked(): 
    if os.fork() == 0: time.sleep(600)
    os._exit(0)
async def later(value):
    await asyncio.sleep(0)
    return value
"""
MARKS = [f"worker-orphan-{os.getpid()}-{number}" for number in range(2)]


@pytest.fixture
def folder(tmp_path: Path, data_folder: Path) -> Path:
    (tmp_path / "mine.py").write_text(FUNCTIONS)
    (tmp_path / "neighbour.py").write_text("VALUE = 7\n")
    (tmp_path / "uses.py").write_text("import neighbour\ndef value(): return neighbour.VALUE\n")
    (tmp_path / "slow.py").write_text("import time\ntime.sleep(600)\n")
    (tmp_path / "bad.py").write_text("def broken(:\n")
    (tmp_path / "ends.py").write_text("import sys\nsys.exit()\n")
    return tmp_path


@pytest.fixture
def open_workers() -> Iterator[list[Worker]]:
    workers: list[Worker] = []
    yield workers
    for worker in workers:
        worker.close()


def gone(pid: int) -> bool:
    """Waits until a process has ended; one that has and is not yet reaped counts."""
    until = time.monotonic() + 20
    while time.monotonic() < until:
        state = subprocess.run(
            ["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False
        ).stdout
        if not state.strip() or state.startswith("Z"):
            return True
        time.sleep(0.02)
    return False


def running(mark: str) -> list[str]:
    listed = subprocess.run(["ps", "-axww", "-o", "command="], capture_output=True, text=True, check=True).stdout
    return [line for line in listed.splitlines() if mark in line]


def make(open_workers: list[Worker], folder: Path, name: str, deadline: float = 20.0) -> Worker:
    worker = Worker(name if ":" in name else f"mine.py:{name}", folder, deadline)
    open_workers.append(worker)
    return worker


def test_json_goes_in_and_comes_out(folder: Path, open_workers: list[Worker]) -> None:
    echo = make(open_workers, folder, "echo")
    value = {"a": [1, 2.5, None, True], "text": "ü\n\ud800\x00"}
    assert echo.call(value, key=value) == [[value], {"key": value}]
    pid = echo.pid
    assert echo.call() == [[], {}] and echo.pid == pid  # one child for all calls
    assert make(open_workers, folder, "later").call(5) == 5


def test_a_keyword_that_the_function_does_not_take_is_left_out(folder: Path, open_workers: list[Worker]) -> None:
    assert make(open_workers, folder, "add").call(a=1, b=2, c=3) == 3


def test_a_file_may_import_its_neighbours_and_a_module_needs_no_folder(
    folder: Path, open_workers: list[Worker]
) -> None:
    assert make(open_workers, folder, "uses.py:value").call() == 7
    module = Worker("operator:add", None)
    open_workers.append(module)
    assert module.call(1, 2) == 3


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("wrong", (), "ValueError: two lines"),
        ("leave", (0,), "the verifier's process ended with exit code 0"),
        ("leave", (3,), "the verifier's process ended with exit code 3"),
        ("quit_it", (), "SystemExit: 3"),
        ("crash", (), "the verifier's process was ended by SIGSEGV"),
        ("forked", (), "the verifier's process ended with exit code 0"),
        ("shut", (), "the verifier's process"),
        ("opaque", (), "TypeError: returned a object, which is no JSON value"),
        ("huge", (), "the verifier returned more than 16 MiB"),
        ("nothing", (), "cannot be loaded: LookupError: mine.py has no function nothing"),
        ("bad.py:broken", (), "cannot be loaded: SyntaxError"),
        ("ends.py:x", (), "cannot be loaded: SystemExit"),
        ("missing.py:x", (), "cannot be loaded: FileNotFoundError"),
        ("no.such.module:x", (), "cannot be loaded: ModuleNotFoundError: No module named 'no'"),
    ],
)
def test_whatever_goes_wrong_is_one_line(
    folder: Path, open_workers: list[Worker], name: str, arguments: tuple[object, ...], message: str
) -> None:
    worker = make(open_workers, folder, name)
    for _ in range(2):  # and the next call is answered like the first, by a fresh child if need be
        with pytest.raises(Broken) as raised:
            worker.call(*arguments)
        assert message in str(raised.value) and "\n" not in str(raised.value)


@pytest.mark.parametrize("name", ["hang", "spin", "endless"])
def test_what_takes_too_long_is_killed(folder: Path, open_workers: list[Worker], name: str) -> None:
    quick = make(open_workers, folder, "where", 20)
    quick.call()  # so that the start of a child does not count below
    worker = make(open_workers, folder, name, 0.5)
    with pytest.raises(TooSlow, match=r"the verifier took longer than 0\.5 s"):
        worker.call()
    assert worker.pid is None
    with pytest.raises(TooSlow):
        worker.call()


def test_a_file_that_does_not_finish_loading_is_killed(
    folder: Path, open_workers: list[Worker], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rrr_local.verifiers.worker.STARTUP_S", 0.5)
    with pytest.raises(TooSlow):
        make(open_workers, folder, "slow.py:x").call()


def test_a_large_question_to_a_process_that_does_not_read_is_given_up(folder: Path, open_workers: list[Worker]) -> None:
    echo = make(open_workers, folder, "echo", 1.0)
    echo.call()
    assert echo.pid is not None
    os.kill(echo.pid, signal.SIGSTOP)
    with pytest.raises(TooSlow):
        echo.call("x" * 10_000_000)
    assert echo.call("y") == [["y"], {}]


def test_what_it_prints_is_in_the_log_and_the_log_stays_small(folder: Path, open_workers: list[Worker]) -> None:
    log = paths.log_path("verifier")
    say = make(open_workers, folder, "say")
    say.call("a line of mine")
    say.close()
    assert "a line of mine" in log.read_text()
    assert make(open_workers, folder, "flood").call() == "done"
    assert make(open_workers, folder, "flood").call() == "done"
    sizes = [path.stat().st_size for path in log.parent.iterdir() if path.name.startswith("verifier")]
    assert max(sizes) <= 2 * LARGEST_LOG and len(sizes) == 2
    assert log.stat().st_mode & 0o077 == 0


@pytest.mark.skipif(sys.platform != "linux", reason="what has left the session is found in /proc")
def test_a_child_of_the_function_in_a_session_of_its_own_is_found_and_killed(
    folder: Path, open_workers: list[Worker]
) -> None:
    hanging = make(open_workers, folder, "orphan", 2)
    with pytest.raises(TooSlow):
        hanging.call(MARKS[0])
    finished = make(open_workers, folder, "orphan")
    finished.call(MARKS[1], hang=False)
    assert running(MARKS[1])  # it was started, and lives as long as the worker
    finished.close()
    assert running(MARKS[0]) == running(MARKS[1]) == []


def test_several_threads_may_call(folder: Path, open_workers: list[Worker]) -> None:
    add = make(open_workers, folder, "add")
    sums: dict[int, object] = {}

    def many(number: int) -> None:
        for other in range(50):
            sums[100 * number + other] = add.call(100 * number, other)

    threads = [threading.Thread(target=many, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sums == {100 * number + other: 100 * number + other for number in range(4) for other in range(50)}


def test_the_child_outlives_the_thread_that_started_it(folder: Path, open_workers: list[Worker]) -> None:
    where = make(open_workers, folder, "where")
    thread = threading.Thread(target=where.call)
    thread.start()
    thread.join()
    pid = where.pid
    where.call()
    assert where.pid == pid is not None


def test_restarts_leave_no_descriptor_and_no_process(folder: Path, open_workers: list[Worker]) -> None:
    worker = make(open_workers, folder, "leave")
    before = len(os.listdir("/dev/fd"))
    for _ in range(30):
        with pytest.raises(Broken):
            worker.call(1)
    assert len(os.listdir("/dev/fd")) == before


def test_a_worker_that_is_forgotten_ends_its_child(folder: Path) -> None:
    worker = Worker("mine.py:where", folder)
    worker.call()
    pid = worker.pid
    assert pid is not None
    del worker
    assert gone(pid)


@pytest.mark.parametrize("how", ["kill", "exit"])
def test_the_child_ends_with_its_parent_however_that_ends(folder: Path, how: str) -> None:
    code = (
        "import sys, threading\nfrom pathlib import Path\nfrom rrr_local.verifiers.worker import Worker\n"
        f"hang, where = (Worker(f'mine.py:{{name}}', Path({str(folder)!r}), 600) for name in ('hang', 'where'))\n"
        "where.call()\nthreading.Thread(target=hang.call, daemon=True).start()\n"
        "while hang.pid is None: pass\nprint(where.pid, hang.pid, flush=True)\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code + ("import time; time.sleep(600)" if how == "kill" else "where.close()")],
        stdout=subprocess.PIPE,
    )
    assert parent.stdout is not None
    with parent.stdout as said:
        pids = [int(pid) for pid in said.readline().split()]
    if how == "kill":
        parent.send_signal(signal.SIGKILL)
    parent.wait()
    assert [gone(pid) for pid in pids] == [True, True]


@pytest.mark.parametrize("target", ["mine.py", ":f", "mine.py:", "mine.py:a b", ""])
def test_a_target_of_another_form_is_refused(tmp_path: Path, target: str) -> None:
    with pytest.raises(UsageError):
        Worker(target, tmp_path)


def test_a_file_needs_a_folder() -> None:
    with pytest.raises(UsageError, match="folder"):
        Worker("mine.py:f", None)
