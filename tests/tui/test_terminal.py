"""The app in a real terminal (tmux): however it ends, the terminal is as it was, and nothing that was typed is left behind."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rrr_local.store import queries
from rrr_local.store.store import Store
from rrr_local.training import lock

pytestmark = pytest.mark.skipif(shutil.which("tmux") is None, reason="needs tmux")
ROOT = Path(__file__).parent.parent.parent
SECRET = "weddingcake"
APP, ODD = "tui", "tests.tui.odd_app"


class Terminal:
    """A shell in a tmux window of its own server."""

    def __init__(self, name: str, folder: Path, columns: int = 80, rows: int = 24) -> None:
        self._server = ["tmux", "-L", f"rrr-{os.getpid()}-{name}", "-f", "/dev/null"]
        # COLUMNS and LINES, which pytest may have set, would count before the window's size.
        shell = ["env", "-u", "COLUMNS", "-u", "LINES", f"RRR_DATA_DIR={folder}", "PS1=$ ", "ENV=", "sh"]
        self._tmux("new-session", "-d", "-x", str(columns), "-y", str(rows), "-c", str(ROOT), *shell)

    def close(self) -> None:
        self._tmux("kill-server", check=False)

    def run(self, module: str, environment: str = "") -> None:
        """Start the app; when it has ended, its exit code is shown."""
        self.keys(f"{environment} {sys.executable} -m {module}; echo exit=$?", "Enter")

    def keys(self, *names: str) -> None:
        self._tmux("send-keys", *names)

    def type(self, text: str) -> None:
        self._tmux("send-keys", "-l", text)

    def screen(self, *flags: str) -> str:
        return self._tmux("capture-pane", "-p", *flags)

    def wait(self, text: str, seconds: float = 40) -> str:
        """The screen, once it shows this."""
        until(lambda: text in self.screen(), seconds, self.screen)
        return self.screen()

    @property
    def flags(self) -> str:
        """Alternate screen, and the modes of the mouse: 0000 for a terminal as a shell leaves it."""
        names = "#{alternate_on}#{mouse_any_flag}#{mouse_button_flag}#{mouse_sgr_flag}"
        return self._tmux("display-message", "-p", names).strip()

    @property
    def child(self) -> int:
        """The process id of the app."""
        shell = self._tmux("display-message", "-p", "#{pane_pid}").strip()
        return int(subprocess.run(["pgrep", "-P", shell], capture_output=True, text=True, check=True).stdout.split()[0])

    def _tmux(self, *arguments: str, check: bool = True) -> str:
        return subprocess.run([*self._server, *arguments], capture_output=True, text=True, check=check).stdout


def until(condition: Callable[[], object], seconds: float = 40, said: Callable[[], object] = lambda: "") -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, said()
        time.sleep(0.05)


def is_alive(pid: int) -> bool:
    """Whether the process runs; one that has ended and waits for its parent does not."""
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True).stdout.strip()
    return bool(state) and not state.startswith("Z")


def engine_of(pid: int) -> int:
    """The process id of an app's engine."""
    found: list[int] = []

    def look() -> bool:
        done = subprocess.run(["pgrep", "-P", str(pid), "-f", "rrr_local.engine.serve"], capture_output=True, text=True)
        found[:] = [int(word) for word in done.stdout.split()]
        return bool(found)

    until(look)
    return found[0]


@pytest.fixture
def terminal(sampled: Path, request: pytest.FixtureRequest) -> Iterator[Terminal]:
    opened = Terminal(re.sub(r"\W", "", request.node.name)[:40], sampled)
    yield opened
    opened.close()


def restored(terminal: Terminal, code: int) -> str:
    """The screen after the app has ended with this exit code and left the terminal as it was."""
    text = terminal.wait(f"exit={code}")
    assert terminal.flags == "0000"
    return text


def test_quit_restores_the_terminal_and_ends_the_engine(terminal: Terminal) -> None:
    terminal.run(APP)
    terminal.wait("tiny")
    assert terminal.flags.startswith("11")
    engine = engine_of(terminal.child)
    terminal.keys("C-q")
    restored(terminal, 0)
    assert not is_alive(engine)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_restores_the_terminal_and_ends_the_engine(terminal: Terminal, number: signal.Signals) -> None:
    terminal.run(APP)
    terminal.wait("tiny")
    app = terminal.child
    engine = engine_of(app)
    os.kill(app, number)
    restored(terminal, 128 + number)
    assert not is_alive(engine)


def test_a_closed_window_ends_app_and_engine(terminal: Terminal) -> None:
    terminal.run(APP)
    terminal.wait("tiny")
    app = terminal.child
    engine = engine_of(app)
    terminal.close()
    until(lambda: not is_alive(app) and not is_alive(engine))


def test_a_bug_restores_the_terminal_and_its_report_holds_no_prompt(terminal: Terminal, sampled: Path) -> None:
    terminal.run(ODD)
    terminal.wait("tiny")
    terminal.type(SECRET)
    terminal.wait(SECRET)
    terminal.keys("F11")
    shown = restored(terminal, 70)
    assert "rrr stopped: a bug (RuntimeError)" in shown
    [report] = (sampled / "logs").glob("crash-*.log")
    text = report.read_text()
    assert "tests/tui/odd_app.py" in text
    assert "in action_bug" in text
    for written in (
        shown,
        text,
        (sampled / "logs" / "app.log").read_text() if (sampled / "logs" / "app.log").exists() else "",
    ):
        assert SECRET not in written


def test_a_killed_engine_is_said_and_the_terminal_restored(terminal: Terminal) -> None:
    terminal.run(APP)
    terminal.wait("tiny")
    os.kill(engine_of(terminal.child), signal.SIGKILL)
    terminal.wait("engine stopped")
    terminal.keys("C-q")
    restored(terminal, 0)


def test_the_keys_of_a_real_terminal_arrive(terminal: Terminal) -> None:
    terminal.run(APP)
    terminal.wait("tiny")
    for key, expected in (
        ("F3", "Train"), ("F4", "run-1"), ("F5", "History"), ("F6", "countdown"), ("F7", "Installed"),
        ("F8", "Settings"), ("C-p", "Search for commands"),
    ):  # fmt: skip
        terminal.keys(key)
        terminal.wait(expected, 20)
    terminal.keys("Escape")
    until(lambda: "Search for commands" not in terminal.screen(), said=terminal.screen)
    for key, expected in (("2", "Train"), ("6", "Installed"), ("?", "Three parts")):
        terminal.keys(key)
        terminal.wait(expected, 20)
    terminal.keys("Escape")
    until(lambda: "Three parts" not in terminal.screen(), said=terminal.screen)
    terminal.keys("C-q")
    restored(terminal, 0)


def test_a_small_window_says_how_large_it_must_be(sampled: Path) -> None:
    terminal = Terminal("small", sampled, 52, 14)
    try:
        terminal.run(APP)
        terminal.wait("Make the window at least 60x16 (now 52x14)")
        terminal.keys("C-q")
        restored(terminal, 0)
    finally:
        terminal.close()


def test_no_color_leaves_only_greys(terminal: Terminal) -> None:
    terminal.run(APP, "NO_COLOR=1 COLORTERM=truecolor")
    terminal.wait("tiny")
    for red, green, blue in re.findall(r"[34]8;2;(\d+);(\d+);(\d+)", terminal.screen("-e")):
        assert red == green == blue
    terminal.keys("C-q")
    restored(terminal, 0)


@pytest.mark.parametrize("environment", ["TERM=dumb"])
def test_a_terminal_that_cannot_place_text_gets_the_plain_chat(terminal: Terminal, environment: str) -> None:
    terminal.run("rrr_local", environment)
    terminal.wait("plain chat")
    assert terminal.flags == "0000"
    terminal.wait("You:")
    terminal.keys("C-d")
    restored(terminal, 0)


def test_a_run_survives_the_kill_of_the_app_and_the_next_start_shows_it(terminal: Terminal, sampled: Path) -> None:
    terminal.run(ODD)
    terminal.wait("tiny")
    terminal.keys("F12")
    terminal.wait("run-9", 60)
    app = terminal.child
    engine = engine_of(app)
    os.kill(app, signal.SIGKILL)
    terminal.wait("exit=137")
    until(lambda: not is_alive(engine))
    trainer = 0
    second = Terminal("second", sampled)  # SIGKILL leaves the first one in a state of which no program could save it
    try:
        with Store.open(sampled / "rrr.db", readonly=True) as store:

            def progress() -> tuple[object, ...]:
                run = queries.run(store.reader(), "run-9")
                return run.phase, run.phase_done, run.summary.last_step

            trainer = queries.run(store.reader(), "run-9").pid or 0
            seen = progress()
            until(lambda: progress() != seen, 60, progress)
        assert lock.is_held(sampled / "runs" / "run-9")
        second.run(APP)
        second.wait("run-9", 60)
        second.keys("C-q")
        second.wait("Training goes on in the background")
        second.keys("x")
        restored(second, 0)
        until(lambda: not is_alive(trainer), 60)
        assert not lock.is_held(sampled / "runs" / "run-9")
    finally:
        second.close()
        if trainer and is_alive(trainer):
            os.kill(trainer, signal.SIGKILL)
