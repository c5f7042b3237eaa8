"""What commands print: JSON documents with fixed keys, text without escape sequences, and help at once."""

from __future__ import annotations

import json
import os
import pty
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rrr_local import paths
from rrr_local.cli.main import COMMANDS, run
from rrr_local.errors import ExitCode
from rrr_local.store import history, queries
from rrr_local.store.records import ModelRecord, RunRecord, RunStatus
from rrr_local.store.store import Store
from rrr_local.training.recipes import tiny

from .child import RRR, call, environment

PROBLEM = '{"numbers": [3, 7, 18], "target": 39}'
CHANGE = {"diff", "low", "high", "fixed", "broken"}


@pytest.fixture
def document(lived_in: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Any:
    """Runs a command in the folder where something was trained; its exit code and its JSON document."""
    monkeypatch.setenv(paths.OVERRIDE, str(lived_in))

    def print_document(*arguments: str) -> tuple[int, dict[str, Any]]:
        code = run([*arguments, "--json", "-q"])
        out, err = capfd.readouterr()
        assert err == ""
        (line,) = out.splitlines()
        return code, json.loads(line)

    return print_document


def keys(document: object, *path: str) -> set[str]:
    for name in path:
        assert isinstance(document, dict)
        document = document[name]
    assert isinstance(document, dict)
    return set(document)


def test_the_demo_prints_its_document(document: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    smaller = replace(tiny(), failures=8, failures_per_step=2, group_size=2, attempts_per_problem=1)
    monkeypatch.setattr("rrr_local.cli.demo.tiny", lambda: smaller)
    code, said = document("demo", "--steps", "1", "--problems", "4")
    assert code == 0
    assert keys(said) == {"schema", "n", "before", "after", "gain", "best", "steps", "seconds", "run"}
    assert (said["schema"], said["n"], said["steps"]) == ("rrr.demo/1", 4, 1)
    for when in ("before", "after"):
        assert keys(said, when) == {"first_try", "second_try", "rescue"}
        assert keys(said, "best", when) == {"temperature", "first_try", "second_try"}
    for place in ((), ("best",)):
        assert keys(said, *place, "gain") == {"first_try", "second_try"}
        assert keys(said, *place, "gain", "first_try") == keys(said, *place, "gain", "second_try") == CHANGE
    assert keys(said, "seconds") == {"before", "collect", "train", "after"}


def test_asking_prints_an_episode_and_its_exit_code_is_the_verdict(document: Any) -> None:
    code, said = document("ask", "--problem", PROBLEM, "--adapter", "run-1")
    assert keys(said) == {"schema", "verdict", "attempts", "reflections"}
    assert said["schema"] == "rrr.episode/1"
    assert code == (ExitCode.OK if said["verdict"] == "pass" else ExitCode.FAILED)
    assert said["verdict"] == said["attempts"][-1]["verdict"]
    assert len(said["attempts"]) == 1 + len(said["reflections"])
    assert all(each.keys() == {"text", "verdict", "reason", "tokens"} for each in said["attempts"])
    assert all(each.keys() == {"text", "tokens"} for each in said["reflections"])


def test_a_question_is_checked_only_where_an_answer_is_expected(document: Any) -> None:
    code, said = document("ask", "What is 3 * 7?")
    assert (code, said["verdict"], len(said["attempts"]), said["reflections"]) == (0, None, 1, [])
    code, said = document("ask", "What is 3 * 7?", "--expect", "no such answer")
    assert (code, said["verdict"], len(said["attempts"]), len(said["reflections"])) == (1, "fail", 2, 1)


def test_what_was_asked_is_in_the_log(document: Any, lived_in: Path) -> None:
    _, said = document("ask", "Is this kept?", "--expect", "no such answer", "--adapter", "run-1")
    with Store.open(paths.database_path(), readonly=True) as store:
        newest = history.episodes(store.reader(), limit=1)[0]
        kept = history.episode(store.reader(), newest.id)
        adapter = store.reader().execute(
            "SELECT d.name FROM attempts a JOIN adapters d ON d.id = a.adapter_id WHERE a.id = ?", (newest.id,)
        )
        assert adapter.fetchone() == ("run-1",)
    assert kept.problem is not None and kept.problem.prompt == "Is this kept?"
    assert kept.attempt.text == said["attempts"][0]["text"]
    assert kept.reflections[0].text == said["reflections"][0]["text"]


def test_evaluations_are_kept_and_compared(document: Any) -> None:
    measured = []
    for arguments in (("--arm", "plain"), ("--adapter", "run-1")):
        code, said = document("eval", "-n", "8", "--temperature", "0", *arguments)
        assert (code, said["schema"], said["n"]) == (0, "rrr.eval/1", 8)
        assert keys(said) == {
            *("schema", "eval", "task", "model", "adapter", "arm", "temperature", "seed", "n"),
            *("first_try", "second_try", "rescue", "min_detectable", "seconds"),
        }
        assert keys(said, "first_try") == {"rate", "low", "high", "n"}
        assert said["first_try"]["low"] <= said["first_try"]["rate"] <= said["first_try"]["high"]
        measured.append(said)
    _, listed = document("eval", "list")
    assert listed["schema"] == "rrr.evals/1"
    assert [(e["id"], e["adapter"], e["status"], e["items"]) for e in listed["evals"][:2]] == [
        (measured[1]["eval"], "run-1", "done", 8),
        (measured[0]["eval"], None, "done", 8),
    ]
    assert listed["evals"][1]["final_rate"] == measured[0]["second_try"]["rate"]
    _, compared = document("eval", "compare", *(each["eval"] for each in measured))
    assert keys(compared) == {"schema", "before", "after", "n", "gain"}
    for name in ("first_try", "second_try"):
        assert keys(compared, "gain", name) == CHANGE
        assert compared["gain"][name]["diff"] == measured[1][name]["rate"] - measured[0][name]["rate"]


def test_collecting_names_a_session_that_can_be_trained_on(document: Any) -> None:
    code, said = document("collect", "-n", "4", "--problems", "32")
    assert code == 0
    assert keys(said) == {"schema", "session", "task", "temperature", "attempts", "failures"}
    settings = ("-o", "failures_per_step=1", "-o", "group_size=2")
    code, trained = document("train", "--failures", said["session"], "--steps", "1", *settings)
    assert (code, trained["status"], trained["groups"]) == (0, "done", 1)
    assert keys(trained) == {
        *("schema", "run", "status", "step", "steps", "first_reward", "last_reward", "groups", "groups_used"),
        *("seconds", "adapter"),
    }
    assert (Path(trained["adapter"]) / "adapters.safetensors").is_file()


def test_what_a_run_gained_is_listed_where_it_was_measured(document: Any) -> None:
    settings = ("-o", "failures=4", "-o", "failures_per_step=1", "-o", "group_size=2", "--steps", "1")
    _, trained = document("train", *settings, "--evaluate", "6", "--replay", "2")
    _, listed = document("runs")
    assert listed["runs"][0]["gain"].keys() == {"held-out", "replay"} and listed["runs"][-1]["gain"] == {}
    _, shown = document("runs", "show", trained["run"])
    gain = shown["run"]["gain"]["held-out"]
    assert keys(gain) == {"n", "step", "before", "after", "first_try", "second_try"}
    assert (gain["n"], gain["step"]) == (6, 1)
    assert keys(gain, "before") == keys(gain, "after") == {"eval", "first_try", "second_try"}
    assert keys(gain, "second_try") == CHANGE | {"word"}
    measured = gain["after"]["second_try"] - gain["before"]["second_try"]
    assert gain["second_try"]["diff"] == pytest.approx(measured)
    assert gain["second_try"]["word"] in ("clear gain", "not clear", "worse")
    compared = document("eval", "compare", gain["before"]["eval"], gain["after"]["eval"])[1]
    assert compared["gain"]["second_try"] == {k: v for k, v in gain["second_try"].items() if k != "word"}


def test_runs_are_listed_and_shown(document: Any) -> None:
    _, listed = document("runs")
    assert listed == document("runs", "list")[1]
    assert (listed["schema"], listed["runs"][-1]["name"], listed["runs"][-1]["status"]) == (
        "rrr.runs/1",
        "run-1",
        "done",
    )
    _, shown = document("runs", "show", "run-1")
    assert keys(shown) == {
        *("schema", "run", "recipe", "adapter", "last_step", "seconds_by_phase", "winning_reflections"),
    }
    assert (shown["schema"], shown["last_step"]["step"], shown["recipe"]["failures"]) == ("rrr.run/1", 4, 16)
    assert {"reflect", "retry", "verify", "other"} <= keys(shown, "seconds_by_phase")
    mean = sum(shown["seconds_by_phase"].values())
    assert mean == pytest.approx(shown["run"]["seconds"] / 4, rel=0.01)


def test_tasks_are_listed_and_replies_judged(document: Any) -> None:
    _, listed = document("tasks")
    assert listed["schema"] == "rrr.tasks/1"
    assert all(task.keys() == {"name", "description", "train", "eval"} for task in listed["tasks"])
    judged = ("tasks", "check", "countdown", "--problem", PROBLEM, "--reply")
    assert document(*judged, "<answer>18 + 3 * 7</answer>") == (
        0,
        {"schema": "rrr.verdict/1", "verdict": "pass", "score": 1.0, "reason": "equals 39"},
    )
    assert document(*judged, "<answer>18 + 3 + 7</answer>")[1]["reason"] == "equals 28, not 39"
    assert document(*judged, "I do not know")[1]["verdict"] == "unparsed"


def test_the_doctor_and_the_log(document: Any, lived_in: Path) -> None:
    code, said = document("doctor")
    assert (code, said["schema"], said["healthy"]) == (0, "rrr.doctor/1", True)
    names = {check["name"] for check in said["checks"]}
    assert names >= {"python", "platform", "sqlite", "data", "disk", "blas", "backend", "model", "log"}
    assert document("db", "path")[1] == {"schema": "rrr.db/1", "path": str(lived_in / "rrr.db"), "exists": True}


def test_a_sick_installation_fails_its_check_up(
    home: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (home / "file").write_text("")
    monkeypatch.setenv(paths.OVERRIDE, str(home / "file" / "inside"))
    assert run(["doctor", "--json"]) == 1
    said = json.loads(capfd.readouterr().out)
    failed = {check["name"]: check["detail"] for check in said["checks"] if check["health"] == "fail"}
    assert failed.keys() == {"data", "log"}
    assert "cannot create the folder" in failed["data"]


def test_the_doctor_marks_what_a_crash_left_behind(
    home: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(paths.OVERRIDE, str(home))
    with Store.open(home / "rrr.db") as store:
        model = store.model(ModelRecord("safetensors", local_path="somewhere", files_sha256="0"))
        task = store.task("t", 1, "T", "T", "0", {})
        record = RunRecord("run-1", model_id=model, task_id=task, backend="mlx-cpu", seed=0, config={}, total_steps=5)
        run_id = store.create_run(record)
        store.update_run(run_id, status=RunStatus.RUNNING)
    assert run(["doctor"]) == 0
    assert "marked as lost: run-1" in capfd.readouterr().out
    with Store.open(home / "rrr.db", readonly=True) as store:
        assert queries.run(store.reader(), "run-1").summary.status is RunStatus.LOST


TEXTS = [("runs",), ("runs", "show", "run-1"), ("tasks",), ("eval", "list"), ("ask", "--problem", PROBLEM)]


@pytest.mark.parametrize("arguments", TEXTS, ids=[" ".join(each[:2]) for each in TEXTS])
def test_text_for_a_pipe_has_no_escape_sequence(
    lived_in: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
) -> None:
    monkeypatch.setenv(paths.OVERRIDE, str(lived_in))
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert run([*arguments, "--quiet"]) in (0, 1)
    out, err = capfd.readouterr()
    assert out != "" and "\x1b" not in out
    assert err == ""


def test_a_terminal_sees_an_episode_as_it_is_written(lived_in: Path) -> None:
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [*RRR, "ask", "What is 3 * 7?", "--expect", "no such answer", "-q"],
        stdout=follower,
        env=environment(lived_in),
    )
    os.close(follower)
    seen = b""
    while chunk := read(leader):
        seen += chunk
    os.close(leader)
    assert process.wait(60) == 1
    text = seen.decode().replace("\r\n", "\n")
    places = [text.index(mark) for mark in ("attempt:\n", "-> ", "reflection:\n", "retry:\n")]
    assert places == sorted(places) and places[0] == 0
    assert text.count("\n-> fail: ") + text.count("\n-> unparsed: ") == 2
    assert "\x1b" not in text


def read(descriptor: int) -> bytes:
    """What a terminal shows next; empty once nobody writes to it (Linux says so with an error)."""
    try:
        return os.read(descriptor, 4096)
    except OSError:
        return b""


def test_every_command_has_help_and_the_common_flags(capfd: pytest.CaptureFixture[str]) -> None:
    for name in COMMANDS:
        assert run([name, "-h"]) == 0
        said = capfd.readouterr().out
        assert all(flag in said for flag in ("--json", "--quiet", "--verbose", "--data-dir", "--help"))


def test_there_is_help_and_a_version(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    said = capfd.readouterr().out
    assert all(f"  {name} " in said for name in COMMANDS)
    assert run(["--version"]) == 0
    assert capfd.readouterr().out.startswith("rrr, version ")


def test_help_costs_less_than_a_third_of_a_second(home: Path) -> None:
    assert min(cpu_seconds(home, "--help") for _ in range(3)) < 0.3


def cpu_seconds(home: Path, *arguments: str) -> float:
    before = os.times()
    assert call(home, *arguments).returncode == 0
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system
