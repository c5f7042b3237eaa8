"""A verifier of a person's own that breaks: no command takes that for a failure, or goes on as if nothing were."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from rrr_local.errors import ExitCode

from .child import SMALL, call

pytestmark = pytest.mark.timeout(300)

JUDGE = """
from pathlib import Path

def score(completions, **columns):
    words = (Path(__file__).parent / "words.txt").read_text().split()
    return [1.0 if len(completions[0][0]["content"]) % 3 == 0 else 0.0]
"""
TASK = """
name = "words"
prompt = "{question}"
rows = "rows.csv"
[check]
kind = "python"
python = "judge.py:score"
"""


@pytest.fixture
def words(tmp_path: Path) -> Path:
    """A task whose verifier needs a file that is not there."""
    folder = tmp_path / "words"
    folder.mkdir()
    (folder / "task.toml").write_text(TASK)
    (folder / "judge.py").write_text(JUDGE)
    (folder / "rows.csv").write_text("question\n" + "".join(f"What is {n} + {n}?\n" for n in range(40)))
    return folder


def run_of(home: Path) -> dict[str, object]:
    (found,) = json.loads(call(home, "runs", "list", "--json").stdout)["runs"]
    return dict(found)


def test_collecting_and_measuring_stop_with_what_the_verifier_says(home: Path, words: Path) -> None:
    for command in (("collect", "-n", "8"), ("eval", "-n", "6")):
        done = call(home, *command, "--task", str(words))
        assert (done.returncode, done.stdout) == (ExitCode.FAILED, "")
        assert re.search(r"the verifier of words broke \d times in a row", done.stderr)
        assert "words.txt" in done.stderr
    (stopped,) = json.loads(call(home, "eval", "list", "--json").stdout)["evals"]
    assert stopped["status"] == "failed"
    assert json.loads(call(home, "data", "--json").stdout)["tasks"][0]["failures"] == 0


def test_a_run_pauses_and_goes_on_once_the_verifier_works(home: Path, words: Path) -> None:
    started = call(home, "train", "--task", str(words), *SMALL, "-o", "steps=1", "--json")
    assert (started.returncode, started.stdout) == (ExitCode.FAILED, "")
    said = json.loads(started.stderr.splitlines()[-1])
    paused = run_of(home)
    assert (paused["status"], paused["error"]) == ("paused", f"{said['error']}: {said['way_out']}")
    (words / "words.txt").write_text("one two")
    resumed = call(home, "train", "--resume", str(paused["name"]), "--json")
    assert resumed.returncode == ExitCode.OK, resumed.stderr
    assert (run_of(home)["status"], run_of(home)["error"]) == ("done", None)
