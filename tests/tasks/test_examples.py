"""The README's two examples, command by command: one task that a small model learns from, and one that it cannot."""

from __future__ import annotations

import csv
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from rrr_local.episode import Split
from rrr_local.tasks.countdown import Countdown
from tests.cli.child import ROOT, RRR, environment, new_home

PUZZLES = (
    "rrr tasks new data/examples/puzzles.csv --eval-share 0.4 --yes --prompt 'Using the numbers [{cards}], create an equation "
    "that equals {goal}. Show your work. Return the final answer in <answer> </answer> tags.'",
    "rrr tasks test puzzles",
    "rrr train --task puzzles --steps 20 --evaluate 12",
    "rrr runs show run-1",
)
WORDS = (
    "rrr tasks new data/examples/words.csv --yes",
    "rrr tasks test words",
    "rrr train --task words --dry-run",
    "rrr train --task words",
)
SMALLER = ("-o", "failures=24", "-o", "failures_per_step=8", "-o", "group_size=2", "-o", "attempts_per_problem=1")
"""What makes a run one for tests; `--steps 20` becomes `--steps 2`."""


def lines(name: str) -> tuple[str, ...]:
    """The commands of the fenced block that follows a marker in the README; one that goes on after a \\ is one."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    found = re.search(rf"<!-- {name} commands -->\n+```\w*\n(.*?)```", readme, re.DOTALL)
    assert found, f"the README has no commands for {name}"
    return tuple(re.sub(r"\s*\\\n\s*", " ", found[1]).splitlines())


@pytest.mark.parametrize(("name", "commands"), [("puzzles", PUZZLES), ("words", WORDS)])
def test_the_readme_has_these_commands(name: str, commands: tuple[str, ...]) -> None:
    assert lines(name) == commands


def ended(home: Path, command: str) -> subprocess.CompletedProcess[str]:
    """A command of the README, a run of it made small."""
    arguments = shlex.split(command.replace("--steps 20", "--steps 2"))[1:]
    if arguments[0] == "train":
        arguments += SMALLER
    return subprocess.run(
        [*RRR, *arguments], capture_output=True, text=True, env=environment(home), cwd=ROOT, timeout=110, check=False
    )


def test_puzzles_go_from_a_file_to_a_finished_run_with_its_before_and_after(tmp_path: Path) -> None:
    home = new_home(tmp_path / "home")
    done = [ended(home, command) for command in PUZZLES]
    assert [(each.returncode, each.stderr if each.returncode else "") for each in done] == [(0, "")] * 4
    made, tested, trained, shown = (each.stdout for each in done)
    assert "30 problems, 18 to train on, 12 held out" in made
    assert 'check: kind = "countdown", numbers = "cards", target = "goal"' in made
    assert "the checker holds" in tested
    assert "run-1 is done: step 2 of 2" in trained
    assert "held-out, 12 problems, before training and after step 2" in shown
    assert re.search(r"first try [\d.]+ % -> [\d.]+ %", shown)


def test_words_end_at_the_probe_with_a_reason_and_a_suggestion(tmp_path: Path) -> None:
    home = new_home(tmp_path / "home")
    made, tested, looked, trained = (ended(home, command) for command in WORDS)
    assert (made.returncode, tested.returncode) == (0, 0)
    assert "30 problems, 22 to train on, 8 held out" in made.stdout
    assert "the checker holds" in tested.stdout
    assert looked.returncode == 1
    assert re.search(
        r"^fail +signal +0 of \d+ retries pass: nothing to reward. Try easier", looked.stdout, re.MULTILINE
    )
    assert trained.returncode == 1
    assert "nothing to learn here: 0 of " in trained.stderr
    assert "try easier problems" in trained.stderr
    assert "is done" not in trained.stdout


def test_the_puzzles_are_new_to_the_model_and_have_solutions() -> None:
    with (ROOT / "data" / "examples" / "puzzles.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert (len(rows), list(rows[0])) == (30, ["no", "cards", "goal"])
    bundled = Countdown("countdown", ROOT / "data" / "countdown", "countdown")
    known = {problem.sha256 for part in (Split.TRAIN, Split.EVAL) for problem in bundled.problems(part)}
    puzzles = [
        bundled.parse_problem({"numbers": [int(card) for card in row["cards"].split(", ")], "target": int(row["goal"])})
        for row in rows
    ]
    assert known.isdisjoint(puzzle.sha256 for puzzle in puzzles)
    assert len({puzzle.sha256 for puzzle in puzzles}) == 30
