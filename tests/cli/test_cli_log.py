"""`rrr config`, `rrr history`, `rrr rate`: what is in the log, without any model."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from rrr_local.config import SCHEMA
from rrr_local.episode import VerdictKind
from rrr_local.errors import ExitCode
from rrr_local.store import history
from rrr_local.store.records import EpisodeRecord, ModelRecord, ReflectionRecord, SessionKind, TryRecord
from rrr_local.store.store import Store
from rrr_local.tasks.base import fingerprint
from rrr_local.tasks.question import Question

from .child import Say

FORMULA = '=HYPERLINK("http://example.org")'


@pytest.fixture
def episodes(home: Path) -> list[int]:
    """Three problems: passed, fixed by a retry, failed; their ids."""
    task = Question()
    with Store.open(home / "rrr.db") as store:
        model = store.model(ModelRecord("safetensors", local_path="somewhere", files_sha256="0"))
        task_id = store.task(task.name, task.version, "Question", "Question", fingerprint(task), {})
        problems = [task.parse_problem({"prompt": text, "expect": "6"}) for text in ("1 + 5?", "2 * 3?", FORMULA)]
        ids = store.problems(task_id, problems)
        wrong, right = TryRecord("It is 7.", VerdictKind.FAIL, "7"), TryRecord("It is 6.", VerdictKind.PASS, "6")
        reflection = ReflectionRecord(0, "I added, I should multiply ```", retry=right)
        made = [(right, ()), (wrong, (reflection,)), (wrong, ())]
        session = store.start_session(SessionKind.CHAT, model_id=model, task_id=task_id)
        return store.log_episodes(
            session,
            [
                EpisodeRecord(ids[problem.sha256], attempt, reflections)
                for problem, (attempt, reflections) in zip(problems, made, strict=True)
            ],
        )


def document(said: tuple[int, str, str]) -> dict[str, Any]:
    code, out, err = said
    assert (code, err) == (0, "")
    loaded: dict[str, Any] = json.loads(out)
    return loaded


def test_settings_are_listed_without_making_a_log(say: Say, home: Path) -> None:
    said = document(say("config", "--json"))
    assert said["schema"] == "rrr.config/1" and [row["key"] for row in said["settings"]] == [s.key for s in SCHEMA]
    assert said["settings"][0].keys() == {"key", "value", "from", "default", "takes", "help", "env"}
    assert all(row["from"] == "default" for row in said["settings"])
    assert say("config", "get", "chat.tries") == (0, "2\n", "")
    assert not (home / "rrr.db").exists()
    assert say("config", "path") == (0, f"{home / 'rrr.db'}\n", "")


def test_a_setting_is_set_read_and_unset(say: Say, monkeypatch: pytest.MonkeyPatch) -> None:
    assert say("config", "set", "ui.ascii", "yes") == (0, "ui.ascii = on (log)\n", "")
    assert say("config", "get", "ui.ascii")[1] == "on\n"
    monkeypatch.setenv("RRR_UI__ASCII", "0")
    assert say("config", "set", "ui.ascii", "on")[1] == "ui.ascii = off (env)\n"
    monkeypatch.delenv("RRR_UI__ASCII")
    assert say("config", "unset", "ui.ascii") == (0, "ui.ascii = off (default)\n", "")
    assert "ui.ascii" in say("config")[1]


def test_what_is_wrong_with_a_setting_is_said_with_what_was_meant(say: Say, home: Path) -> None:
    code, out, err = say("config", "set", "ui.chart", "brail")
    assert (
        (code, out) == (ExitCode.USAGE, "") and "ui.chart cannot be 'brail'" in err and "did you mean braille?" in err
    )
    code, _, err = say("config", "get", "ui.chrt")
    assert code == ExitCode.USAGE and "did you mean ui.chart?" in err
    with Store.open(home / "rrr.db") as store:
        store.set_setting("chat.tries", "many")
        store.set_setting("gone", "1")
    code, out, err = say("config", "list")
    assert code == 0 and "chat.tries cannot be 'many'" in err and "there is no setting 'gone'" in err
    assert say("config", "unset", "gone") == (0, "", "") and "gone" not in say("config", "list")[2]


def test_history_is_listed_filtered_and_counted(say: Say, episodes: list[int]) -> None:
    said = document(say("history", "list", "--json"))
    assert said["schema"] == "rrr.history/1"
    assert [(each["id"], each["outcome"]) for each in said["episodes"]] == [
        (episodes[2], "failed"),
        (episodes[1], "fixed"),
        (episodes[0], "passed"),
    ]
    assert said["totals"] == {"episodes": 3, "first_try": 1, "fixed": 1, "failed": 1, "unchecked": 0}
    fixed = document(say("history", "list", "outcome:fixed", "multiply", "--json"))
    assert [each["id"] for each in fixed["episodes"]] == [episodes[1]]
    older = document(say("history", "list", "--before", str(episodes[1]), "-n", "1", "--json"))
    assert [each["id"] for each in older["episodes"]] == [episodes[0]]
    assert "2 * 3?" in say("history")[1] and "nothing matches" in say("history", "list", "nowhere")[1]
    code, _, err = say("history", "list", "outcome:fixd")
    assert code == ExitCode.USAGE and "did you mean outcome:fixed?" in err


def test_an_episode_is_shown_in_full(say: Say, episodes: list[int]) -> None:
    said = document(say("history", "show", str(episodes[1]), "--json"))
    assert said["schema"] == "rrr.history-episode/1" and said["prompt"] == "2 * 3?"
    assert said["attempt"]["text"] == "It is 7." and said["reflections"][0]["retry"]["verdict"] == "pass"
    text = say("history", "show", str(episodes[1]))[1]
    assert "````\nI added, I should multiply ```\n````" in text and "### Retry: pass (6)" in text
    assert say("history", "show", "99")[0] == ExitCode.NOT_FOUND


def test_texts_are_searched(say: Say, episodes: list[int]) -> None:
    said = document(say("history", "search", "MULTIPLY", "--json"))
    assert [(hit["kind"], hit["episode_id"]) for hit in said["hits"]] == [("reflection", episodes[1])]
    assert "I added" in say("history", "search", "multiply")[1]
    assert "nothing matches" in say("history", "search", "nowhere")[1]


def test_an_export_holds_everything_and_no_formula(say: Say, episodes: list[int]) -> None:
    lines = [json.loads(line) for line in say("history", "export")[1].splitlines()]
    assert [each["id"] for each in lines] == episodes[::-1]
    assert lines[1]["reflections"][0]["retry"]["text"] == "It is 6."
    rows = list(csv.DictReader(io.StringIO(say("history", "export", "-f", "csv")[1])))
    assert [int(row["id"]) for row in rows] == episodes[::-1]
    assert [row["prompt"] for row in rows] == [f"'{FORMULA}", "2 * 3?", "1 + 5?"]
    markdown = say("history", "export", "outcome:passed", "-f", "md")[1]
    assert markdown.count("\n### Attempt: pass (6)\n") == 1 and "1 + 5?" in markdown


def test_a_reply_is_rated(say: Say, home: Path, episodes: list[int]) -> None:
    said = document(say("rate", str(episodes[0]), "wrong", "-m", "it is VI", "--json"))
    assert said == {"schema": "rrr.rating/1", "attempt": episodes[0], "verdict": "fail", "reason": "it is VI"}
    assert say("rate", str(episodes[2]), "good") == (0, f"attempt {episodes[2]}: good\n", "")
    with Store.open(home / "rrr.db", readonly=True) as store:
        rated = history.episode(store.reader(), episodes[0]).attempt
    assert (rated.verdict, rated.by_user, rated.reason) == (VerdictKind.FAIL, True, "it is VI")
    assert say("rate", "99", "good")[0] == ExitCode.NOT_FOUND
    assert say("rate", "1", "great")[0] == ExitCode.USAGE


@pytest.mark.parametrize("arguments", [("history",), ("history", "show", "1"), ("rate", "1", "good")])
def test_without_a_log_it_is_said_where_none_is(say: Say, arguments: tuple[str, ...], home: Path) -> None:
    code, out, err = say(*arguments)
    assert (code, out) == (ExitCode.NOT_FOUND, "") and f"there is no log at {home / 'rrr.db'}" in err
