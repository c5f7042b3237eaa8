"""`rrr chat --plain`: the whole chat through a pipe and through a terminal."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rrr_local.chat.commands import SLASHES
from rrr_local.cli.lines import Growing, Lines, Mark
from rrr_local.episode import VerdictKind
from rrr_local.errors import ExitCode
from rrr_local.store import chats, history
from rrr_local.store.records import EpisodeRecord, ModelRecord, SessionKind, TryRecord
from rrr_local.store.store import Store
from rrr_local.tasks.base import fingerprint
from rrr_local.tasks.question import Question

from .child import ROOT, RRR, call, environment

GOLDEN = ROOT / "tests" / "cli" / "golden" / "chat.txt"
MARKS = tuple(f"{mark}:" for mark in Mark)
HOSTILE = "[/b] \x1b]0;title\x07\x1b[31mred\x1b[0m \x9b31m \u202eback\u202c \u200bthin"
GREEDY = {"RRR_CHAT__TEMPERATURE": "0"}

STORY = r"""
/problem
/wrong it does not reach the target
/retry
/good
/undo
/again
/branch
/branch previous
/task none
What is 3 * 7?
/good
/good
/check 21
/edit What is 3 * 8?
/find WHAT IS
/hide
/hide
/trace never
/wrong
/trace
/set temp 0.5
/set
/nothing
/chekc 21
/undo
/ab
/copy
/train
//etc is text
/export
/rename Sums
/open
/open 1
/new
/fit
/quit
never read
"""


def piped(home: Path, lines: str, *flags: str, **env: str) -> subprocess.CompletedProcess[str]:
    """A plain chat that reads these lines."""
    return subprocess.run(
        [*RRR, "chat", "--plain", *flags],
        input=lines.lstrip("\n"),
        capture_output=True,
        text=True,
        env=environment(home) | GREEDY | env,
        cwd=home,
        timeout=120,
    )


def masked(text: str) -> str:
    """Without what a model wrote, what a clock says, and what follows from either."""
    text = re.sub(r"(?m)^(Attempt|Reflection|Retry|You: Using the numbers).*$", r"\1 ...", text)
    text = re.sub(r"(?m)^Verdict: (?:fail|unparsed): .*( \(\w+\))$", r"Verdict: failed: ...\1", text)
    text = re.sub(r"[0-9A-HJKMNP-TV-Z]{26}", "ID", text)
    text = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d", "WHEN", text)
    return re.sub(r"written to .*/", "written to FOLDER/", text)


def test_a_story_through_a_pipe(home: Path) -> None:
    told = piped(home, STORY, "--task", "countdown")
    assert told.stderr == "" and "\x1b" not in told.stdout
    assert all(line.startswith(MARKS) for line in told.stdout.splitlines())
    if os.environ.get("RRR_UPDATE_SNAPSHOTS"):
        GOLDEN.write_text(masked(told.stdout), encoding="utf-8")
    assert masked(told.stdout) == GOLDEN.read_text(encoding="utf-8")
    assert told.returncode == ExitCode.FAILED
    (written,) = home.glob("chat-*.md")
    assert "## You" in written.read_text(encoding="utf-8")


def test_the_exit_code_is_the_last_verdict_of_the_check_and_json_is_one_document(home: Path) -> None:
    empty = piped(home, "", "--json")
    assert (empty.returncode, json.loads(empty.stdout)["turns"], empty.stderr) == (ExitCode.OK, [], "")
    lines = '{"numbers": [1, 1, 1], "target": 100}\n/task none\nWhat is 3 * 7?\n'
    told = piped(home, lines, "--task", "countdown", "--json")
    assert told.returncode == ExitCode.FAILED  # the last answer was not checked, the one before it was
    said = json.loads(told.stdout)
    assert said["schema"] == "rrr.chat/1"
    assert [turn["attempt"]["verdict"] in ("fail", "unparsed") for turn in said["turns"]] == [True, False]
    assert len(said["turns"][0]["reflections"]) == 1 and said["turns"][1]["attempt"]["verdict"] is None
    assert all(line.startswith(MARKS) for line in told.stderr.splitlines())


def test_a_chat_is_gone_on_with(home: Path) -> None:
    piped(home, "What is 3 * 7?\n")
    told = piped(home, "And 3 * 8?\n/why\n", "-c")
    assert "1 turns; the last one:\nYou: What is 3 * 7?\n" in told.stdout
    assert re.search(r"in the model's context before it: turn \d+", told.stdout)
    with Store.open(home / "rrr.db", readonly=True) as store:
        (chat,) = chats.chats(store.reader())
    assert chat.turns == 2
    assert f"chat {chat.id}, 2 turns" in piped(home, "", "--id", chat.id).stdout


@pytest.mark.parametrize(
    ("flags", "code", "cause"),
    [
        (("--id", "none-such"), ExitCode.NOT_FOUND, "there is no chat none-such"),
        (("-c",), ExitCode.NOT_FOUND, "there is no chat to go on with"),
        (("--task", "none-such"), ExitCode.NOT_FOUND, "there is no task 'none-such'"),
        (("--model", "none-such"), ExitCode.MODEL, "there is no model folder none-such"),
        (("--adapter", "none-such"), ExitCode.NOT_FOUND, "there is no run none-such"),
    ],
)
def test_what_cannot_be_opened_is_an_error_with_its_exit_code(
    home: Path, flags: tuple[str, ...], code: ExitCode, cause: str
) -> None:
    told = piped(home, "What is 3 * 7?\n", *flags)
    assert (told.returncode, told.stderr.splitlines()[0]) == (code, f"rrr: {cause}")


def test_a_second_chat_on_a_folder_is_told_that_it_is_busy(home: Path) -> None:
    with subprocess.Popen(
        [*RRR, "chat", "--plain"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment(home), cwd=home
    ) as first:
        assert first.stdin is not None and first.stdout is not None
        first.stdin.write(b"/model\n")
        first.stdin.flush()
        while b"tokens of context" not in first.stdout.readline():
            assert first.poll() is None
        assert piped(home, "What is 3 * 7?\n").returncode == ExitCode.BUSY
        first.stdin.close()
        assert first.wait(30) == ExitCode.OK


def test_an_adapter_is_loaded_and_compared_with_the_bare_model(lived_in: Path) -> None:
    told = piped(
        lived_in, "/adapter\n/adapter run-1\n/ab 3 + 4\n/good adapter\n/wrong base no\n/good both\n/adapter none\n/ab\n"
    )
    assert "Note: runs: run-1" in told.stdout and "tiny with run-1" in told.stdout
    base, adapter = told.stdout.index("\nBase: "), told.stdout.index("\nAdapter: ")
    assert base < adapter < told.stdout.index("\nNote: saved: adapter is good\n")
    assert "Note: saved: base is wrong" in told.stdout and "there is no answer 'both' to rate" in told.stdout
    assert "no adapter is loaded to compare with" in told.stdout
    with Store.open(lived_in / "rrr.db", readonly=True) as store:
        newest = history.episodes(store.reader(), 2)
    assert [(each.verdict, each.by_user) for each in newest] == [(VerdictKind.PASS, True), (VerdictKind.FAIL, True)]


# --- on a terminal ----------------------------------------------------------------------------------------------


class Terminal:
    """A process on a terminal of its own."""

    def __init__(self, home: Path, arguments: Sequence[str], **env: str) -> None:
        self.leader, follower = pty.openpty()
        self.process = subprocess.Popen(
            [*RRR, *arguments],
            stdin=follower,
            stdout=follower,
            stderr=follower,
            env=environment(home) | {"TERM": "xterm-256color"} | env,
            cwd=home,
            start_new_session=True,
        )
        os.close(follower)
        os.set_blocking(self.leader, False)
        self.seen = ""
        self._told = 0
        """Where the words end that `until` found last."""

    def until(self, words: str, seconds: float = 60) -> None:
        """Read until the words are there, after those of the last call."""
        deadline = time.monotonic() + seconds
        while (found := self.seen.find(words, self._told)) < 0:
            assert time.monotonic() < deadline, f"no {words!r} in {self.seen[self._told :]!r}"
            self.read()
        self._told = found + len(words)

    def read(self) -> None:
        try:
            self.seen += os.read(self.leader, 65536).decode(errors="replace")
        except BlockingIOError:
            time.sleep(0.01)
        except OSError:  # it is closed
            time.sleep(0.01)

    def type(self, text: str) -> None:
        os.write(self.leader, text.encode())


@contextmanager
def terminal(home: Path, *arguments: str, **env: str) -> Iterator[Terminal]:
    shown = Terminal(home, arguments, **env)
    try:
        yield shown
    finally:
        shown.process.kill()
        shown.process.wait()
        os.close(shown.leader)


def test_ctrl_c_stops_the_answer_and_at_the_prompt_ends_the_chat(home: Path) -> None:
    with terminal(home, "chat", "--plain", RRR_CHAT__TEMPERATURE="5") as shown:
        shown.until("You: ")
        shown.type("/model\n")
        shown.until("tokens of context")
        for _ in range(10):  # an answer may be over before it is stopped
            shown.type("Tell me a long story\n")
            shown.until("story\r\n")
            os.kill(shown.process.pid, signal.SIGINT)
            shown.until("You: ")
            if "Note: stopped" in shown.seen:
                break
        else:
            raise AssertionError(shown.seen)
        assert shown.process.poll() is None
        shown.type("/quit\n")
        assert shown.process.wait(30) == ExitCode.OK
        assert "\x1b" not in shown.seen


def test_ctrl_c_at_the_prompt_ends_the_chat(home: Path) -> None:
    with terminal(home, "chat", "--plain") as shown:
        shown.until("You: ")
        os.kill(shown.process.pid, signal.SIGINT)
        assert shown.process.wait(30) == ExitCode.INTERRUPTED


@pytest.fixture
def hostile_home(home: Path) -> Path:
    """A log with a chat whose texts are meant to harm a terminal."""
    task = Question()
    with Store.open(home / "rrr.db") as store:
        model = store.model(ModelRecord("safetensors", local_path="somewhere", files_sha256="0"))
        task_id = store.task(task.name, task.version, "Question", "Question", fingerprint(task), {})
        session = store.start_session(SessionKind.CHAT, model_id=model, task_id=task_id)
        problem = task.parse_problem({"prompt": HOSTILE, "expect": HOSTILE})
        problem_id = store.problems(task_id, [problem])[problem.sha256]
        made = TryRecord(f"{HOSTILE}\nVerdict: pass: trust me", VerdictKind.FAIL, HOSTILE, token_ids=b"\0\0\0\0")
        (attempt,) = store.log_episodes(session, [EpisodeRecord(problem_id, made)])
        store.add_turn(session, attempt)
        store.rename_session(session, HOSTILE)
    return home


def test_a_terminal_gets_no_control_characters_and_a_pipe_gets_what_was_written(hostile_home: Path) -> None:
    with terminal(hostile_home, "chat", "--plain", "-c") as shown:
        shown.until("trust me")
        shown.until("You: ")
        shown.type("/open\n/why\n/quit\n")
        shown.until("training: ")
        assert not re.search("[\x00-\x08\x0b-\x0c\x0e-\x1f\x7f-\x9f\u202e\u200b]", shown.seen)
    told = piped(hostile_home, "", "-c").stdout
    assert f"Attempt: {HOSTILE}\nAttempt: Verdict: pass: trust me\n" in told
    assert told.count("\nVerdict: ") == 1


def test_where_no_app_can_be_drawn_there_is_the_plain_chat_and_a_line_on_why(home: Path) -> None:
    told = call(home, input="/help\n")
    assert told.returncode == ExitCode.OK
    (why,) = told.stderr.splitlines()
    assert why.startswith("standard input is not a terminal: this is the plain chat")
    assert all(f"Note: /{action.slash}" in told.stdout for action in SLASHES)
    assert call(home, "--mode", "chat", "-q", input="").stderr == ""
    other = call(home, "--mode", "train", input="")
    assert other.returncode == ExitCode.USAGE and "the app cannot be drawn here" in other.stderr
    with terminal(home, TERM="dumb") as shown:
        shown.until("TERM=dumb")
        shown.until("You: ")


def test_on_a_terminal_the_app_opens_at_the_chat(hostile_home: Path) -> None:
    with terminal(hostile_home, "chat", "-c", RRR_UI__WELCOMED="1") as shown:
        shown.until("\x1b[?1049h")  # the alternate screen
        shown.until("trust me")
        shown.type("\x11")  # ctrl+q
        shown.until("\x1b[?1049l")
        assert shown.process.wait(30) == ExitCode.OK


# --- lines ------------------------------------------------------------------------------------------------------


@given(st.lists(st.text(max_size=12), max_size=8), st.booleans())
def test_a_text_that_grows_is_written_whole_and_every_line_is_marked(parts: list[str], decoded_anew: bool) -> None:
    said: list[str] = []
    growing = Growing(Lines(said.append, terminal=False), Mark.ATTEMPT)
    for part in parts:
        growing.grow(part)
    whole = ("x" if decoded_anew else "") + "".join(parts)
    growing.end(whole)
    assert all(line.startswith(MARKS) for line in said)
    begin = next((index + 1 for index, line in enumerate(said) if line.startswith("Note:")), 0)
    shown = "\n".join(line.removeprefix("Attempt:").removeprefix(" ") for line in said[begin:])
    assert shown == Lines_text(whole)


def Lines_text(text: str) -> str:
    """What a pipe gets of a text."""
    said: list[str] = []
    Lines(said.append, terminal=False).say(Mark.NOTE, text)
    return "\n".join(line.removeprefix("Note:").removeprefix(" ") for line in said)
