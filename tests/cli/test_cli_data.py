"""`rrr data`: what there is to train on, out of the log and into another one, left out, disputed."""

from __future__ import annotations

import csv
import io
import json
import shutil
import stat
from pathlib import Path
from typing import Any

import pytest

from rrr_local import paths
from rrr_local.episode import Split, VerdictKind
from rrr_local.errors import ExitCode
from rrr_local.store import history, queries
from rrr_local.store.records import EpisodeRecord, ModelRecord, ReflectionRecord, SessionKind, TryRecord, pack_ids
from rrr_local.store.store import Store
from rrr_local.tasks.base import fingerprint
from rrr_local.tasks.find import find_task
from rrr_local.tasks.question import Question

from .child import Say

FORMULA = "=1+1"
WRONG = TryRecord("It is 7.", VerdictKind.FAIL, "the last number is 7, not 6", "7", token_ids=pack_ids([1, 2]))
RIGHT = TryRecord("It is 6.", VerdictKind.PASS, "the last number is 6", "6")


@pytest.fixture
def ids(home: Path) -> list[int]:
    """Questions: passed, fixed by a retry, failed (a formula in a spreadsheet), and one that nobody checked."""
    task = Question()
    asked = [{"prompt": p, "expect": "6"} for p in ("1 + 5?", "2 * 3?", FORMULA)] + [{"prompt": "How are you?"}]
    problems = [task.parse_problem(info) for info in asked]
    fixed = ReflectionRecord(0, "I added, and should have multiplied.", retry=RIGHT)
    unchecked = TryRecord("Fine.", VerdictKind.ERROR, "there is nothing to check the reply against")
    made = [(RIGHT, ()), (WRONG, (fixed,)), (WRONG, ()), (unchecked, ())]
    with Store.open(home / "rrr.db") as store:
        model = store.model(ModelRecord("safetensors", local_path="somewhere", files_sha256="0"))
        task_id = store.task(task.name, 1, "Question", "Question", fingerprint(task), {"source": task.source})
        known = store.problems(task_id, problems)
        session = store.start_session(SessionKind.CHAT, model_id=model, task_id=task_id)
        records = [EpisodeRecord(known[p.sha256], a, r) for p, (a, r) in zip(problems, made, strict=True)]
        return store.log_episodes(session, records)


def stats(say: Say) -> dict[str, Any]:
    (found,) = json.loads(say("data", "stats", "--json")[1])["tasks"]
    return dict(found)


# --- how much there is ------------------------------------------------------------------------------------------------


def test_stats_count_what_a_run_could_take_and_what_is_missing(say: Say, ids: list[int]) -> None:
    assert stats(say) == {
        "task": "question",
        "attempts": 4,
        "failures": 2,
        "trainable": 2,
        "excluded": 0,
        "unchecked": 1,
        "disputed": 0,
        "used": 0,
        "runs": 0,
    }
    assert say("rate", str(ids[2]), "good")[0] == say("data", "exclude", str(ids[1]))[0] == ExitCode.OK
    assert {name: stats(say)[name] for name in ("trainable", "excluded", "disputed")} == {
        "trainable": 0,
        "excluded": 1,
        "disputed": 1,
    }
    text = say("data")[1].splitlines()
    assert text[0].split() == [
        "task",
        *list(stats(say))[1:3],
        "trainable",
        "excluded",
        "unchecked",
        "disputed",
        "used",
        "runs",
    ]


def test_the_count_of_what_is_trainable_is_what_a_run_takes(say: Say, ids: list[int], home: Path) -> None:
    with Store.open(home / "rrr.db", readonly=True) as store:
        assert stats(say)["trainable"] == queries.pool_size(store.reader(), 1, 1)


def test_a_task_that_the_log_does_not_know_is_an_error(say: Say, ids: list[int]) -> None:
    code, out, err = say("data", "stats", "--task", "sums")
    assert (code, out) == (ExitCode.NOT_FOUND, "")
    assert "question" in err


@pytest.mark.parametrize("command", ["stats", "export", "disputes"])
def test_without_a_log_that_is_said(say: Say, home: Path, command: str) -> None:
    assert say("data", command)[0] == ExitCode.NOT_FOUND


# --- leaving out --------------------------------------------------------------------------------------------------------


def test_episodes_are_excluded_and_taken_in_again_all_or_none(say: Say, ids: list[int]) -> None:
    assert say("data", "exclude", str(ids[1]), "9999")[0] == ExitCode.NOT_FOUND
    assert stats(say)["excluded"] == 0
    assert json.loads(say("data", "exclude", str(ids[1]), str(ids[2]), "--json")[1])["attempts"] == ids[1:3]
    assert stats(say)["excluded"] == 2
    assert say("data", "exclude", str(ids[1]), "--undo")[0] == ExitCode.OK
    assert stats(say)["excluded"] == 1


# --- disputes -----------------------------------------------------------------------------------------------------------


def test_disputes_name_both_verdicts_and_the_reason(say: Say, ids: list[int]) -> None:
    assert say("data", "disputes")[1] == "you and the verifiers agree\n"
    say("rate", str(ids[0]), "wrong", "-m", "it is \x1b[31m5")
    code, out, _ = say("data", "disputes", "--json")
    (found,) = json.loads(out)["disputes"]
    assert code == ExitCode.OK
    assert (found["task"], found["attempt_id"], found["verifier"], found["person"]) == (
        "question",
        ids[0],
        "pass",
        "fail",
    )
    shown = say("data", "disputes")[1]
    assert "it is ␛[31m5" in shown and "\x1b" not in shown


# --- out and in ---------------------------------------------------------------------------------------------------------


def without_ids(rows: str) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in rows.splitlines()]
    return [{name: value for name, value in row.items() if name != "id"} for row in found]


def test_what_is_exported_and_imported_into_another_log_is_the_same_there(
    say: Say, ids: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    say("rate", str(ids[0]), "wrong", "-m", "no")
    say("rate", str(ids[1] + 1), "good")
    say("data", "exclude", str(ids[2]))
    file = tmp_path / "rows.jsonl"
    assert json.loads(say("data", "export", "-o", str(file), "--json")[1])["rows"] == 4
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    here = without_ids(say("data", "export")[1])
    assert file.read_text() == say("data", "export")[1]
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.setenv(paths.OVERRIDE, str(elsewhere))
    done = json.loads(say("data", "import", str(file), "--json")[1])
    assert (done["added"], done["known"], done["bad"]) == (4, 0, [])
    there = without_ids(say("data", "export")[1])
    assert sorted(there, key=str) == sorted(here, key=str)
    assert stats(say)["trainable"] == 0  # their token ids are not known here
    again = json.loads(say("data", "import", str(file), "--json")[1])
    assert (again["added"], again["known"], again["session"]) == (0, 4, None)
    assert stats(say)["attempts"] == 4


def test_a_table_can_be_read_by_a_spreadsheet_and_imported_again(
    say: Say, ids: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    say("rate", str(ids[2]), "wrong", "-m", "+A1")
    file = tmp_path / "rows.csv"
    say("data", "export", "--format", "csv", "-o", str(file))
    cells = [cell for row in csv.reader(io.StringIO(file.read_text())) for cell in row]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "@"))] and f"'{FORMULA}" in cells
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.setenv(paths.OVERRIDE, str(elsewhere))
    assert say("data", "import", str(file))[1] == "4 replies are in the log, 0 were there already\n"
    with Store.open(elsewhere / "rrr.db", readonly=True) as store:
        found = {each.prompt: each for each in history.episodes(store.reader())}
    assert found[FORMULA].by_user and found[FORMULA].reason == "+A1"
    assert set(found) == {"1 + 5?", "2 * 3?", FORMULA, "How are you?"}


def test_failures_go_out_as_prompts_and_winning_retries_as_conversations(say: Say, ids: list[int]) -> None:
    prompts = [json.loads(line) for line in say("data", "export", "--format", "trl")[1].splitlines()]
    user = [{"role": "user", "content": text} for text in (FORMULA, "2 * 3?")]
    assert prompts == [{"prompt": [message], "expect": "6"} for message in user]
    (won,) = [json.loads(line) for line in say("data", "export", "--format", "messages")[1].splitlines()]
    assert won == {"messages": [user[1], {"role": "assistant", "content": "It is 6."}]}


def test_an_exported_file_is_never_written_over(say: Say, ids: list[int], tmp_path: Path) -> None:
    file = tmp_path / "precious.jsonl"
    file.write_text("mine")
    code, _, err = say("data", "export", "-o", str(file))
    assert (code, file.read_text()) == (ExitCode.USAGE, "mine") and "there already" in err
    assert say("data", "export", "-o", str(tmp_path / "no" / "such" / "folder.jsonl"))[0] == ExitCode.USAGE


def test_bad_rows_are_named_by_their_line_and_nothing_is_imported_without_skip_bad(say: Say, tmp_path: Path) -> None:
    rows = [
        '{"prompt": "2 * 3?", "expect": "6", "reply": "It is 7.", "person": "wrong", "comment": "no"}',
        '{"expect": "6", "reply": "7"}',
        '{"prompt": "2 * 3?", "expect": 6}',
        "{not json",
        '{"prompt": "?", "expect": "6", "reply": "7", "person": "perhaps"}',
        '{"prompt": "?", "reply": ["7"]}',
        '{"question": "3 * 3?", "answer": 9, "completion": "9"}',
        '{"prompt": "?", "reply": "7", "reflections": [{"text": 1}]}',
    ]
    file = tmp_path / "rows.jsonl"
    file.write_text("\n".join(rows))
    code, out, err = say("data", "import", str(file))
    assert (code, out) == (ExitCode.USAGE, "")
    assert all(f"line {number}: " in err for number in (2, 3, 4, 5)) and "and 1 more" in err
    assert "it has no prompt" in err and "rrr tasks new FILE" in err and "--skip-bad" in err
    assert not (Path(str(paths.database_path()))).exists()
    done = json.loads(say("data", "import", str(file), "--skip-bad", "--json")[1])
    assert (done["added"], len(done["bad"])) == (2, 6)
    rows_there = without_ids(say("data", "export")[1])
    assert {(row["prompt"], row["verifier"]["verdict"]) for row in rows_there} == {
        ("2 * 3?", "fail"),
        ("3 * 3?", "pass"),
    }
    assert next(row["person"] for row in rows_there if row["prompt"] == "2 * 3?") == {"verdict": "fail", "reason": "no"}


def test_what_a_task_holds_out_stays_held_out_when_it_comes_from_a_file(say: Say, tmp_path: Path) -> None:
    held_out, train = (find_task("countdown").problems(split)[0] for split in (Split.EVAL, Split.TRAIN))
    file = tmp_path / "rows.jsonl"
    file.write_text("\n".join(json.dumps({**p.info, "reply": "<answer>1</answer>"}) for p in (held_out, train)))
    assert say("data", "import", str(file), "--task", "countdown")[0] == ExitCode.OK
    splits = {row["prompt"]: row["split"] for row in without_ids(say("data", "export")[1])}
    assert (splits[held_out.prompt], splits[train.prompt]) == ("eval", "practice")


def test_rows_for_a_task_in_a_folder_are_found_by_the_name_that_the_log_has(say: Say, tmp_path: Path) -> None:
    sums = Path(shutil.copytree(paths.bundled("countdown"), tmp_path / "sums"))
    file = tmp_path / "rows.jsonl"
    file.write_text('{"numbers": [1, 2, 3], "target": 6, "reply": "<answer>1 + 2 + 3</answer>"}\n')
    assert say("data", "import", str(file), "--task", str(sums))[0] == ExitCode.OK
    file.write_text('{"numbers": [1, 2, 4], "target": 7, "reply": "<answer>1 + 2</answer>"}\n')
    assert say("data", "import", str(file), "--task", "sums")[0] == ExitCode.OK
    assert stats(say)["attempts"] == 2
    assert len(say("data", "export", "--task", str(sums))[1].splitlines()) == 2
