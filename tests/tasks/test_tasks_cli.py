"""`rrr tasks new`, `show`, `test`, `rm`: from a person's file to a task, with what was guessed shown and nothing half done."""

from __future__ import annotations

import errno
import json
import os
import pty
import subprocess
from pathlib import Path
from typing import Any

import pytest

from rrr_local import paths
from rrr_local.cli.main import run
from rrr_local.episode import Split
from rrr_local.errors import UsageError
from rrr_local.tasks.bench import canonical, changed, solve, tagged, trials
from rrr_local.tasks.files import new
from rrr_local.tasks.files.guess import Said
from rrr_local.tasks.files.new import Wanted, create, propose
from rrr_local.tasks.files.task import FileTask
from rrr_local.tasks.find import find_task
from rrr_local.tasks.function_calling import FunctionCalling
from tests.cli.child import RRR, environment

SUMS = "question,answer\n" + "".join(f"What is {n} + {n}?,{2 * n}\n" for n in range(10))
SPOILT = SUMS + "Why?,because\nTwo cells\n"


@pytest.fixture
def rrr(data_folder: Path, capfd: pytest.CaptureFixture[str]) -> Any:
    """Runs a command; its exit code, and its JSON document or the error's."""

    def call(*arguments: str) -> tuple[int, Any]:
        code = run([*arguments, "--json"])
        out, err = capfd.readouterr()
        return code, json.loads(out) if out else [*err.splitlines()]

    return call


@pytest.fixture
def sums(tmp_path: Path) -> str:
    path = tmp_path / "sums.csv"
    path.write_text(SUMS)
    return str(path)


def new_folder() -> list[str]:
    """Everything in the tasks folder, hidden things too."""
    return sorted(each.name for each in paths.tasks_folder().iterdir())


# --- new ----------------------------------------------------------------------------------------------------------


def test_a_file_becomes_a_task_that_is_listed_shown_tested_and_removed(rrr: Any, sums: str) -> None:
    code, said = rrr("tasks", "new", sums, "--yes", "--description", "adding up")
    assert (code, said["schema"], said["task"]) == (0, "rrr.task-new/1", "sums")
    assert said.keys() == {
        *("schema", "task", "folder", "columns", "prompt", "check", "train", "eval"),
        *("guessed", "doubtful", "bad", "duplicates", "examples"),
    }
    assert (said["check"], said["train"] + said["eval"]) == ({"kind": "number", "answer": "answer"}, 10)
    assert [reply["name"] for reply in said["examples"][0]["replies"]] == ["canonical", "changed", "empty"]
    assert [[reply["verdict"] for reply in each["replies"]] for each in said["examples"]] == [
        ["pass", "fail", "unparsed"]
    ] * 3

    _, listed = rrr("tasks")
    assert listed["tasks"][-1] == {
        "name": "sums",
        "description": "adding up",
        "train": said["train"],
        "eval": said["eval"],
    }
    _, shown = rrr("tasks", "show", "sums")
    assert (shown["schema"], shown["name"], shown["version"], shown["source"]) == ("rrr.task/1", "sums", 1, "sums")
    assert shown["configuration"]["check"]["kind"] == "number"
    assert len(shown["examples"]) == 3
    code, tested = rrr("tasks", "test", "sums")
    assert (code, tested["schema"], tested["holds"], tested["wrong"]) == (0, "rrr.task-test/1", True, [])
    assert {name: (of["judged"], of["right"]) for name, of in tested["replies"].items()} == dict.fromkeys(
        ("canonical", "changed", "empty"), (10, 10)
    )
    code, said = rrr("tasks", "rm", "sums")
    assert (code, said, new_folder()) == (0, {"schema": "rrr.removed/1", "task": "sums"}, [])
    assert rrr("tasks", "show", "sums")[0] == 6


def test_nothing_is_written_without_a_yes(rrr: Any, sums: str) -> None:
    code, said = rrr("tasks", "new", sums, "--dry-run")
    assert (code, said["folder"], new_folder()) == (0, None, [])
    code, (error,) = rrr("tasks", "new", sums)
    assert (code, new_folder()) == (2, [])
    assert "--yes" in json.loads(error)["way_out"]


@pytest.mark.parametrize(("typed", "written"), [(b"y\n", ["sums"]), (b"\n", ["sums"]), (b"n\n", [])])
def test_a_person_at_a_terminal_is_asked(sums: str, data_folder: Path, typed: bytes, written: list[str]) -> None:
    keyboard, terminal = pty.openpty()
    os.write(keyboard, typed)
    command = [*RRR, "tasks", "new", sums]
    done = subprocess.run(command, stdin=terminal, capture_output=True, env=environment(data_folder), timeout=60)
    os.close(keyboard)
    os.close(terminal)
    assert (done.returncode, new_folder()) == (0, written)
    assert b"write the task sums?" in done.stderr
    assert (b"nothing was written" in done.stdout) == (not written)


def test_every_bad_row_is_printed_and_nothing_is_written_unless_they_are_left_out(rrr: Any, tmp_path: Path) -> None:
    (tmp_path / "sums.csv").write_text(SPOILT)
    code, lines = rrr("tasks", "new", str(tmp_path / "sums.csv"), "--check", "number", "--answer", "answer", "--yes")
    assert (code, new_folder()) == (2, [])
    assert [line.split(":")[0] for line in lines[:2]] == ["line 12", "line 13"]
    assert "2 rows of sums.csv cannot be used" in json.loads(lines[2])["error"]
    code, said = rrr(
        *("tasks", "new", str(tmp_path / "sums.csv"), "--check", "number", "--answer", "answer", "--yes", "--skip-bad")
    )
    assert (code, said["train"] + said["eval"], len(said["bad"])) == (0, 10, 2)
    assert rrr("tasks", "test", "sums")[1]["replies"]["canonical"]["right"] == 10


def test_another_task_of_that_name_stays_unless_it_is_replaced(rrr: Any, sums: str) -> None:
    rrr("tasks", "new", sums, "--yes")
    code, (error,) = rrr("tasks", "new", sums, "--yes", "--check", "contains")
    assert (code, "there is a task sums already" in error) == (2, True)
    assert rrr("tasks", "new", sums, "--yes", "--replace")[0] == 0
    assert rrr("tasks", "show", "sums")[1]["version"] == 1
    assert rrr("tasks", "new", sums, "--yes", "--replace", "-o", "tolerance=0.5")[0] == 0
    shown = rrr("tasks", "show", "sums")[1]
    assert (shown["version"], shown["configuration"]["check"]["tolerance"]) == (2, 0.5)
    assert new_folder() == ["sums"]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--name", "../x"), 2, "cannot be a task's name"),
        (("--name", "countdown"), 2, "name of a task that ships"),
        (("--name", "question"), 2, "name of a task that ships"),
        (("--prompt", "How much is {questoin}?"), 2, "did you mean {question}?"),
        (("--answer", "solution"), 2, "there is no column 'solution'"),
        (("-o", "tolerance"), 2, "is no option of a check"),
        (("-o", "tolerence=1"), 2, "tolerance"),
        (("-o", "tolerance=much"), 2, "tolerance"),
        (("--check", "python"), 2, "python"),
        (("--eval-share", "1.5"), 2, "--eval-share"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_written(
    rrr: Any, sums: str, arguments: tuple[str, ...], code: int, words: str
) -> None:
    ended, lines = rrr("tasks", "new", sums, "--yes", *arguments)
    assert (ended, new_folder()) == (code, [])
    assert words in "".join(json.loads(lines[-1])[key] for key in ("error", "way_out"))


def test_a_file_that_is_not_there_is_not_found(rrr: Any, tmp_path: Path) -> None:
    assert rrr("tasks", "new", str(tmp_path / "none.csv"), "--yes")[0] == 6


def test_a_person_sees_guesses_examples_and_verdicts(
    sums: str, data_folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(["tasks", "new", sums, "--yes"]) == 0
    out = capfd.readouterr().out
    for line in (
        "guessed: the prompt is column 'question', by its name",
        "  <answer>",
        "pass: ",
        "fail: ",
        "unparsed: ",
    ):
        assert line in out
    assert out.count("\nproblem ") == 3
    assert run(["tasks", "show", "sums"]) == run(["tasks", "test", "sums"]) == run(["tasks"]) == 0
    assert "the checker holds" in capfd.readouterr().out


def test_hostile_rows_cannot_steer_a_terminal(
    data_folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "hostile.csv").write_text(
        "question,answer\n\x1b[2J\x07one?,\x1b]8;;x\x07\ntwo?,b\u202e\n", encoding="utf-8"
    )
    assert run(["tasks", "new", str(tmp_path / "hostile.csv"), "--yes"]) == 0
    assert run(["tasks", "show", "hostile"]) == 0
    out, err = capfd.readouterr()
    assert not set("\x1b\x07\u202e") & set(out + err)


# --- what is written ----------------------------------------------------------------------------------------------


def test_a_verifier_of_ones_own_goes_with_the_task(rrr: Any, tmp_path: Path, sums: str) -> None:
    judge = (
        "def score(completions, answer, **columns):\n    return [float(answer[0] in completions[0][0]['content'])]\n"
    )
    (tmp_path / "judge.py").write_text(judge)
    code, said = rrr("tasks", "new", sums, "--yes", "--check", "python", "-o", "python=judge.py:score")
    assert (code, said["check"]) == (0, {"kind": "python", "python": "judge.py:score"})
    assert (Path(said["folder"]) / "judge.py").read_text() == judge
    (tmp_path / "judge.py").unlink()
    _, tested = rrr("tasks", "test", "sums", "--problem", "1")
    assert tested["replies"]["canonical"]["judged"] == 1


def test_a_broken_checker_is_found_out(rrr: Any, tmp_path: Path, sums: str) -> None:
    (tmp_path / "judge.py").write_text("def score(completions, **columns):\n    return [1.0]\n")
    rrr("tasks", "new", sums, "--yes", "--check", "python", "-o", "python=judge.py:score")
    code, said = rrr("tasks", "test", "sums", "--problem", "3")
    assert (code, said["holds"]) == (1, False)
    assert {wrong["name"] for wrong in said["wrong"]} >= {"empty"}
    (tmp_path / "judge.py").write_text("def score(completions, **columns):\n    raise ValueError('no')\n")
    rrr("tasks", "new", sums, "--yes", "--replace", "--check", "python", "-o", "python=judge.py:score")
    code, said = rrr("tasks", "test", "sums", "--problem", "3")
    assert (code, {wrong["verdict"] for wrong in said["wrong"]}) == (1, {"error"})


def test_a_disk_that_fills_up_leaves_the_old_task_and_nothing_else(
    sums: str, data_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    create(propose(Path(sums)))

    def full(path: Path, mode: str | None = None) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(new, "_sync", full)
    with pytest.raises(OSError, match="No space left"):
        create(propose(Path(sums), Wanted(said=Said(kind="contains", answer="answer"))), over=True)
    assert new_folder() == ["sums"]
    task = find_task("sums")
    assert isinstance(task, FileTask) and task.manifest.check["kind"] == "number"


def test_a_link_in_the_place_of_a_task_is_replaced_and_not_followed(
    sums: str, data_folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "kept").write_text("x")
    (paths.tasks_folder() / "sums").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UsageError, match="already"):
        create(propose(Path(sums)))
    create(propose(Path(sums)), over=True)
    assert not (paths.tasks_folder() / "sums").is_symlink()
    assert (tmp_path / "elsewhere" / "kept").read_text() == "x"


def test_a_file_of_function_calls_becomes_a_task_of_them(rrr: Any, tmp_path: Path) -> None:
    tool = {"name": "weather", "description": "", "parameters": {"city": {"type": "str", "description": ""}}}
    rows = [
        {
            "id": n,
            "query": f"Weather in city {n}?",
            "tools": json.dumps([tool]),
            "answers": json.dumps([{"name": "weather", "arguments": {"city": f"city {n}"}}]),
        }
        for n in range(8)
    ]
    (tmp_path / "calls.json").write_text(json.dumps(rows))
    code, said = rrr("tasks", "new", str(tmp_path / "calls.json"), "--yes")
    assert (code, said["train"] + said["eval"], said["guessed"]) == (0, 8, ["the file has the layout of xLAM"])
    assert isinstance(find_task("calls"), FunctionCalling)
    code, tested = rrr("tasks", "test", "calls")
    assert (code, tested["replies"]["canonical"]["right"]) == (0, 8)
    (tmp_path / "calls.json").write_text(json.dumps([*rows, {**rows[0], "id": 99, "answers": "[{"}]))
    code, lines = rrr("tasks", "new", str(tmp_path / "calls.json"), "--yes", "--name", "more")
    assert (code, lines[0].startswith("item 9: ")) == (2, True)


# --- the bench ----------------------------------------------------------------------------------------------------


def test_one_reply_is_judged_by_the_number_of_its_problem(rrr: Any, sums: str) -> None:
    rrr("tasks", "new", sums, "--yes")
    first = rrr("tasks", "show", "sums")[1]["examples"][0]["info"]
    code, said = rrr("tasks", "test", "sums", "--problem", "1", "--reply", f"It is {first['answer']}.")
    assert (code, said["schema"], said["verdict"]) == (0, "rrr.verdict/1", "pass")
    code, said = rrr("tasks", "test", "sums", "--problem", json.dumps(first), "--reply", "It is 1000.")
    assert (code, said["verdict"]) == (0, "fail")
    assert rrr("tasks", "test", "sums", "--reply", "x")[0] == 2
    assert rrr("tasks", "test", "sums", "--problem", "99", "--reply", "x")[0] == 6
    assert rrr("tasks", "test", "sums", "--problem", "0")[0] == 6
    assert rrr("tasks", "test", "question")[0] == 6


@pytest.mark.parametrize("name", ["countdown", "function-calling"])
def test_the_bundled_checkers_hold_on_their_own_problems(name: str, data_folder: Path) -> None:
    task = find_task(name)
    tried = [trial for problem in list(task.problems(Split.EVAL))[:40] for trial in trials(task, problem)]
    assert [trial for trial in tried if not trial.holds] == []
    assert {trial.name for trial in tried} == {"canonical", "changed", "empty"}


@pytest.mark.parametrize(
    ("check", "rows"),
    [
        ({"kind": "exact", "answer": "a"}, [{"q": "Q?", "a": "Paris"}, {"q": "Q2?", "a": "7"}]),
        ({"kind": "number", "answer": "a", "tolerance": 5, "relative": 0.5}, [{"q": "Q?", "a": "-3"}, {"q": "Q2?", "a": 0}]),
        ({"kind": "contains", "answer": "a"}, [{"q": "Q?", "a": ["salt", "pepper"]}, {"q": "Q2?", "a": "salt"}]),
        (
            {"kind": "multiple-choice", "answer": "a", "choices": "c"},
            [{"q": f"Q{n}?", "a": a, "c": ["one", "two"]} for n, a in enumerate(("B", "one", 1))],
        ),
        ({"kind": "countdown", "numbers": "n", "target": "t"}, [{"q": "Q?", "n": "3, 7, 18", "t": "39"}, {"q": "Q2?", "n": [1, 2], "t": 3}]),
        ({"kind": "json-schema", "schema": {"type": "object"}, "answer": "a"}, [{"q": "Q?", "a": {"b": [1, 2]}}]),
        ({"kind": "regex", "pattern": "[0-9]+"}, [{"q": "Q?", "a": "7"}]),
    ],
    ids=lambda value: value["kind"] if isinstance(value, dict) else "",
)  # fmt: skip
def test_every_kind_of_check_stands_its_own_test(
    tmp_path: Path, check: dict[str, Any], rows: list[dict[str, Any]]
) -> None:
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    options = {key: value for key, value in check.items() if key != "kind"}
    said = Said(prompt="q", kind=check["kind"], answer=options.pop("answer", None), options=options)
    proposal = propose(tmp_path / "rows.jsonl", Wanted(said=said))
    tried = [trial for problem in proposal.examples for trial in trials(proposal.task, problem)]
    assert [(trial.name, trial.reply, trial.verdict) for trial in tried if not trial.holds] == []
    assert len(tried) == len(rows) * (1 if check["kind"] == "regex" else 3)


def test_a_number_puzzle_is_solved_where_it_can_be() -> None:
    assert solve([3, 7, 18], "39") is not None
    assert solve([1, 1], "5") is None
    assert solve([1] * 9, "9") is None


def test_a_changed_answer_is_another_one(data_folder: Path) -> None:
    task = find_task("countdown")
    problem = task.problems(Split.EVAL)[0]
    right = canonical(task, problem)
    assert right is not None
    assert tagged(changed(task, problem, right)) != tagged(right)
