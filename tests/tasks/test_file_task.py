"""A folder with a `task.toml` as a task: its prompts, its parts, its leaks, and what a change of it changes."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rrr_local import paths
from rrr_local.episode import Message, Opening, Problem, Split, VerdictKind
from rrr_local.errors import NotFoundError, RrrError, UsageError
from rrr_local.store.store import Store
from rrr_local.tasks.base import Prompts, fingerprint
from rrr_local.tasks.countdown import PROMPTS, Countdown
from rrr_local.tasks.files.manifest import Manifest, manifest_text, parse_manifest
from rrr_local.tasks.files.problems import load_problems
from rrr_local.tasks.files.rows import BadRows
from rrr_local.tasks.files.task import FileTask
from rrr_local.tasks.files.template import check_columns, fill
from rrr_local.tasks.find import find_task, known_tasks

BOTH = (Split.TRAIN, Split.EVAL)
QUESTION = 'name = "sums"\nprompt = "{question}"\nrows = "rows.jsonl"\n'
NUMBER = '[check]\nkind = "number"\n'
TALK = 'name = "talk"\nmessages = "messages"\nrows = "rows.jsonl"\n'


def jsonl(rows: Sequence[object]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def sums(*numbers: int) -> list[dict[str, Any]]:
    return [{"question": f"What is {n} + 1?", "answer": n + 1} for n in numbers]


def write(folder: Path, text: str, **files: str) -> Path:
    """A task's folder; a file `rows_jsonl` is rows.jsonl."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "task.toml").write_text(text, encoding="utf-8")
    for name, content in files.items():
        (folder / name.replace("_", ".")).write_text(content, encoding="utf-8")
    return folder


def split(task: FileTask) -> dict[str, Split]:
    return {problem.prompt: part for part in BOTH for problem in task.problems(part)}


def everything(task: FileTask) -> list[Problem]:
    return [problem for part in BOTH for problem in task.problems(part)]


# --- prompts ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("template", "row", "prompt"),
    [
        ("Reach {goal} with {cards}.", {"goal": "24", "cards": "3, 4"}, "Reach 24 with 3, 4."),
        ("{n}{n} {m}", {"n": 3, "m": [1, 2]}, "33 [1, 2]"),
        ("{a}", {"a": "{b} {{x}} {0.__class__} %s"}, "{b} {{x}} {0.__class__} %s"),
        ("{{a}} {a}", {"a": "x"}, "{a} x"),
        ("{ price (USD) }!", {"price (USD)": 2.5}, "2.5!"),
        ("{a.b}", {"a.b": True}, "true"),
        ("{a}", {"a": ["Paris", "Rome"]}, "A) Paris\nB) Rome"),
        ("{a}", {"a": {"ä": None}}, '{"ä": null}'),
        ("none", {}, "none"),
    ],
)
def test_a_prompt_is_filled_in_and_what_is_filled_in_is_data(template: str, row: dict[str, Any], prompt: str) -> None:
    assert fill(template, row) == prompt


@pytest.mark.parametrize("row", [{}, {"a": None}, {"a": ""}, {"a": []}])
def test_a_prompt_without_its_value_is_refused(row: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="column 'a' is empty"):
        fill("Say {a}.", row)


def test_a_column_that_is_not_there_is_named_with_a_close_one() -> None:
    with pytest.raises(UsageError) as error:
        check_columns("Reach {gaol}.", ["goal", "cards"])
    assert error.value.cause == "the prompt names {gaol}, and there is no such column"
    assert error.value.way_out.startswith("did you mean {goal}?")


@pytest.mark.parametrize("template", ["a { b", "a } b", "{a", "a}"])
def test_a_lone_brace_is_refused(template: str) -> None:
    with pytest.raises(UsageError, match=r"single [{}]"):
        check_columns(template, ["a"])


@given(st.dictionaries(st.sampled_from("abc"), st.text(min_size=1).map(str.strip).filter(bool), min_size=3))
def test_no_value_changes_what_another_puts_in(row: dict[str, str]) -> None:
    assert fill("{a}|{b}|{c}", row) == f"{row['a']}|{row['b']}|{row['c']}"


# --- rows in layouts people have ----------------------------------------------------------------------------------

USER, REPLY, SYSTEM = (
    {"role": role, "content": text} for role, text in (("user", "3 * 7?"), ("assistant", "21"), ("system", "Be short."))
)


@pytest.mark.parametrize(
    ("row", "opening"),
    [
        ({"messages": [USER], "answer": 21}, Opening("3 * 7?")),
        ({"messages": [USER, REPLY]}, Opening("3 * 7?")),
        ({"messages": [SYSTEM, USER, REPLY]}, Opening("3 * 7?", (Message("system", "Be short."),))),
        (
            {"messages": [USER, REPLY, USER], "answer": 21},
            Opening("3 * 7?", (Message("user", "3 * 7?"), Message("assistant", "21"))),
        ),
    ],
    ids=["prompt-only", "answered", "system", "longer"],
)
def test_a_conversation_is_shown_without_its_answer(tmp_path: Path, row: dict[str, Any], opening: Opening) -> None:
    task = FileTask.load(write(tmp_path / "talk", TALK + NUMBER, rows_jsonl=jsonl([row])))
    (problem,) = everything(task)
    assert task.opening(problem) == opening
    assert problem.prompt == "3 * 7?"
    assert task.verify(problem, "It is 21.").passed
    assert task.verify(problem, "It is 22.").kind is VerdictKind.FAIL
    again = task.parse_problem(json.loads(json.dumps(problem.info)))
    assert (again.sha256, task.opening(again)) == (problem.sha256, opening)


@pytest.mark.parametrize(
    "messages",
    [
        *(None, [], "3 * 7?", [{"role": "user"}], [{"role": "tool", "content": "x"}], [REPLY], [USER, SYSTEM], [USER, REPLY, REPLY]),
        [{"role": "user", "content": [{"type": "text"}]}],
    ],
)  # fmt: skip
def test_what_is_no_conversation_is_a_bad_row(tmp_path: Path, messages: object) -> None:
    rows = jsonl([{"messages": [USER], "answer": 21}, {"messages": messages, "answer": 21}])
    with pytest.raises(BadRows, match=r"line 2: column 'messages'"):
        everything(FileTask.load(write(tmp_path / "talk", TALK + NUMBER, rows_jsonl=rows)))


def test_instructions_of_the_task_stand_before_every_problem_that_has_none(tmp_path: Path) -> None:
    rows = jsonl([{"messages": [USER], "answer": 21}, {"messages": [SYSTEM, USER], "answer": 21}])
    text = TALK + 'system = "Answer with a number."\n' + NUMBER
    task = FileTask.load(write(tmp_path / "talk", text, rows_jsonl=rows))
    assert {task.opening(problem).before for problem in everything(task)} == {
        (Message("system", "Answer with a number."),),
        (Message("system", "Be short."),),
    }


def test_every_row_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    rows = [
        *sums(1, 2),
        {"question": "", "answer": 1},
        {"question": "Why?", "answer": "because"},
        {"question": "x" * 100_001, "answer": 1},
    ]
    task = FileTask.load(write(tmp_path / "sums", QUESTION + NUMBER, rows_jsonl=jsonl(rows)))  # fmt: skip
    with pytest.raises(BadRows) as error:
        task.problems(Split.TRAIN)
    assert [line.split(": ")[0] for line in error.value.lines] == ["line 3", "line 4", "line 5"]
    assert "'question' is empty" in error.value.lines[0]
    assert "answer" in error.value.lines[1]
    assert "100,001 characters" in error.value.lines[2]
    kept = load_problems(task.folder, task.manifest, task.check, skip_bad=True)
    assert len(kept.train) + len(kept.eval) == 2
    assert kept.bad == error.value.lines


# --- parts --------------------------------------------------------------------------------------------------------


def task_of(folder: Path, rows: Sequence[object], share: float = 0.2) -> FileTask:
    text = f"{QUESTION}eval_share = {share}\n{NUMBER}"
    return FileTask.load(write(folder, text, rows_jsonl=jsonl(rows)))


@given(st.data(), st.sets(st.integers(0, 10**6), min_size=20, max_size=40))
def test_neither_order_nor_company_changes_the_part_of_a_row(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, numbers: set[int]
) -> None:
    folder = tmp_path_factory.mktemp("task")
    order = data.draw(st.permutations(sorted(numbers)))
    before = split(task_of(folder / "a", sums(*sorted(numbers))))
    assert split(task_of(folder / "b", sums(*order))) == before
    assert len(before) == len(numbers)
    if set(before.values()) == set(BOTH):
        more = split(task_of(folder / "c", sums(*order, 10**7, 10**7 + 1)))
        moved = {prompt for prompt, part in before.items() if more[prompt] is not part}
        assert len(moved) <= 1  # the one that was held out because no other was


@pytest.mark.parametrize("share", [0.01, 0.2, 0.5, 0.99])
def test_two_rows_are_enough_for_both_parts_and_the_share_is_about_right(tmp_path: Path, share: float) -> None:
    for count in (2, 3, 5):
        assert set(split(task_of(tmp_path / str(count), sums(*range(count)), share)).values()) == set(BOTH)
    many = split(task_of(tmp_path / "many", sums(*range(2000)), share))
    assert abs(sum(part is Split.EVAL for part in many.values()) / 2000 - share) < 0.05
    assert list(split(task_of(tmp_path / "one", sums(1), share))) == ["What is 1 + 1?"]


def test_the_same_prompt_is_never_in_both_parts_whatever_its_answer(tmp_path: Path) -> None:
    rows = [{"question": f"What is {n}?", "answer": answer} for n in range(50) for answer in (1, 2)]
    task = task_of(tmp_path / "sums", rows, 0.5)
    parts = [{problem.prompt for problem in task.problems(part)} for part in BOTH]
    assert parts[0].isdisjoint(parts[1])
    assert all(parts)
    assert len(everything(task)) == 100


def test_a_row_that_is_there_twice_is_kept_once_and_reported(tmp_path: Path) -> None:
    rows = [*sums(1, 2), {"note": "the same, with a note", **sums(1)[0]}]
    task = task_of(tmp_path / "sums", rows)
    assert len(everything(task)) == 2
    assert task.loaded().duplicates == ("line 3 is line 1 again",)


def test_files_and_a_column_say_which_part_a_row_is_in(tmp_path: Path) -> None:
    text = 'name = "sums"\nprompt = "{question}"\ntrain = "train.jsonl"\neval = "eval.jsonl"\n' + NUMBER
    files = FileTask.load(write(tmp_path / "files", text, train_jsonl=jsonl(sums(1, 2)), eval_jsonl=jsonl(sums(3))))
    words = ("train", "TRAIN ", "test")
    rows = jsonl([{**row, "part": word} for row, word in zip(sums(1, 2, 3), words, strict=True)])
    column = FileTask.load(write(tmp_path / "column", QUESTION + 'split = "part"\n' + NUMBER, rows_jsonl=rows))
    expected = {"What is 1 + 1?": Split.TRAIN, "What is 2 + 1?": Split.TRAIN, "What is 3 + 1?": Split.EVAL}
    assert split(files) == split(column) == expected


def test_the_same_problem_in_both_parts_is_refused_with_its_lines(tmp_path: Path) -> None:
    text = 'name = "sums"\nprompt = "{question}"\ntrain = "train.jsonl"\neval = "eval.jsonl"\n' + NUMBER
    folder = write(tmp_path / "files", text, train_jsonl=jsonl(sums(1, 2, 3)), eval_jsonl=jsonl(sums(4, 2)))
    with pytest.raises(UsageError) as error:
        FileTask.load(folder).problems(Split.EVAL)
    assert error.value.cause == (
        "the same prompt is in train and in eval: eval.jsonl line 2 (eval) is train.jsonl line 2 (train)"
    )
    rows = jsonl([{**sums(1)[0], "part": "train"}, {**sums(1)[0], "part": "eval", "answer": 3}])
    folder = write(tmp_path / "column", QUESTION + 'split = "part"\n' + NUMBER, rows_jsonl=rows)
    with pytest.raises(UsageError, match=r"line 2 \(eval\) is line 1 \(train\)"):
        FileTask.load(folder).problems(Split.TRAIN)


def test_a_part_that_is_none_is_a_bad_row(tmp_path: Path) -> None:
    rows = jsonl([{**sums(1)[0], "part": "train"}, {**sums(2)[0], "part": "banana"}, sums(3)[0]])
    folder = write(tmp_path / "column", QUESTION + 'split = "part"\n' + NUMBER, rows_jsonl=rows)
    with pytest.raises(BadRows, match=r"line 2: column 'part' says 'banana'; line 3: column 'part' says ''"):
        FileTask.load(folder).problems(Split.TRAIN)


# --- task.toml ----------------------------------------------------------------------------------------------------

BEGIN = 'name = "a"\nrows = "rows.csv"\n'


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("name = ", "task.toml is not TOML"),
        ("", "task.toml has no name"),
        (BEGIN + 'prompt = "x"', "task.toml has no check"),
        (BEGIN + 'prompt = "x"\neval_shar = 0.3\n[check]', "task.toml has an unknown key: eval_shar"),
        (
            BEGIN + 'prompt = "x"\neval_share = "0.3"\n[check]',
            "eval_share in task.toml is not a number between 0 and 1",
        ),
        (BEGIN + 'prompt = "x"\neval_share = 1\n[check]', "eval_share in task.toml is not between 0 and 1"),
        (BEGIN + 'prompt = "x"\nversion = 0\n[check]', "version in task.toml is not 1 or more"),
        (BEGIN + 'prompt = "x"\nversion = true\n[check]', "version in task.toml is not a whole number"),
        (BEGIN + 'prompt = "x"\nversion = 1.5\n[check]', "version in task.toml is not a whole number"),
        (BEGIN + 'prompt = "x"\ncheck = "number"', "check in task.toml is not a table: [check]"),
        (BEGIN + "[check]", "task.toml needs either a prompt or messages"),
        (BEGIN + 'prompt = "x"\nmessages = "y"\n[check]', "task.toml needs either a prompt or messages"),
        (BEGIN + 'prompt = "{"\n[check]', "the prompt has a single {"),
        (BEGIN + 'prompt = "x"\n[check]\n[prompts]\nrefect = "x"', "task.toml has an unknown key: prompts.refect"),
        (BEGIN + 'prompt = "x"\n[check]\n[prompts]\nreflect = ""', "prompts.reflect in task.toml is no text"),
        (BEGIN + 'prompt = "x"\ntrain = "t.csv"\n[check]', "task.toml needs either rows, or train and eval"),
        ('name = "a"\nprompt = "x"\ntrain = "t.csv"\n[check]', "task.toml needs either rows, or train and eval"),
        ('name = "a"\nprompt = "x"\n[check]', "task.toml needs either rows, or train and eval"),
        *(
            (f'name = "a"\nprompt = "x"\nrows = {json.dumps(path)}\n[check]', "task.toml names a file elsewhere")
            for path in ("../rows.csv", "/etc/passwd", "a/b.csv", "..", "", "C:\\x.csv", "C:x.csv", "\\\\host\\x.csv")
        ),
        *(
            (
                f'name = {json.dumps(name)}\nprompt = "x"\nrows = "r.csv"\n[check]',
                f"{name[:80]!r} cannot be a task's name",
            )
            for name in (
                "",
                "../../x",
                "a/b",
                "CON",
                "Puzzles",
                ".hidden",
                "x" * 65,
                "p\u0443zzles",
                "a b",
                "a\n",
                "-a",
            )
        ),
    ],
)
def test_a_manifest_that_is_wrong_says_what(text: str, cause: str) -> None:
    with pytest.raises(UsageError) as error:
        parse_manifest(text)
    assert error.value.cause.startswith(cause)
    assert error.value.way_out


def test_an_unknown_key_comes_with_a_close_one() -> None:
    with pytest.raises(UsageError) as error:
        parse_manifest(BEGIN + 'prompt = "x"\neval_shar = 0.3\n[check]')
    assert error.value.way_out == "did you mean eval_share?"


words = st.text(st.characters(codec="utf-8"), max_size=20)
options = st.dictionaries(
    words,
    st.recursive(
        words | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False, allow_infinity=False),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
        max_leaves=5,
    ),
    max_size=4,
)


@given(words, words.map(lambda text: text.replace("{", "{{").replace("}", "}}")), options, words)
def test_a_manifest_that_was_written_is_read_back(about: str, prompt: str, check: dict[str, Any], ask: str) -> None:
    manifest = Manifest(
        name="a.b-c_1",
        check=check,
        version=3,
        description=about,
        prompt=prompt or "x",
        rows="rows.csv",
        eval_share=0.35,
        prompts=Prompts(reflect=f"Why? {ask}", retry=PROMPTS.retry, plain_retry=PROMPTS.plain_retry),
    )
    assert parse_manifest(manifest_text(manifest)) == manifest


# --- what a change changes ----------------------------------------------------------------------------------------


def test_new_rows_are_read_and_the_fingerprint_stays(tmp_path: Path) -> None:
    folder = write(tmp_path / "sums", QUESTION + NUMBER, rows_jsonl=jsonl(sums(1, 2)))
    task = FileTask.load(folder)
    first, mark = split(task), fingerprint(task)
    write(folder, QUESTION + NUMBER, rows_jsonl=jsonl(sums(1, 2, 3)))
    os.utime(folder / "rows.jsonl", (1, 1))
    assert len(split(task)) == len(first) + 1
    assert fingerprint(FileTask.load(folder)) == mark


@pytest.mark.parametrize(
    "text",
    [
        QUESTION + NUMBER + "tolerance = 1\n",
        QUESTION.replace("{question}", "Say: {question}") + NUMBER,
        QUESTION + 'system = "Be short."\n' + NUMBER,
        QUESTION + NUMBER + '[prompts]\nretry = "Again."\n',
        QUESTION + "version = 2\n" + NUMBER,
        QUESTION + '[check]\nkind = "exact"\n',
    ],
    ids=["option", "prompt", "system", "prompts", "version", "kind"],
)
def test_another_check_or_prompt_is_another_verifier(tmp_path: Path, text: str) -> None:
    before = FileTask.load(write(tmp_path / "sums", QUESTION + NUMBER, rows_jsonl=jsonl(sums(1))))
    after = FileTask.load(write(tmp_path / "sums", text))
    assert fingerprint(before) != fingerprint(after)


def test_the_log_refuses_a_changed_check_and_says_where_the_version_is(tmp_path: Path, data_folder: Path) -> None:
    place = data_folder / "tasks" / "sums"
    task = FileTask.load(write(place, QUESTION + NUMBER, rows_jsonl=jsonl(sums(1))))
    changed = FileTask.load(write(place, QUESTION + NUMBER + "tolerance = 1\n"))
    raised = FileTask.load(write(place, QUESTION + "version = 2\n" + NUMBER + "tolerance = 1\n"))
    with Store.open(paths.database_path()) as store:
        kind, source = "FileTask", {"source": "sums"}
        first = store.task(task.name, task.version, kind, kind, fingerprint(task), source)
        with pytest.raises(UsageError) as error:
            store.task(changed.name, changed.version, kind, kind, fingerprint(changed), source)
        assert "version 1 of task sums" in error.value.cause
        assert "task.toml" in error.value.way_out
        assert store.task(raised.name, raised.version, kind, kind, fingerprint(raised), source) != first


def test_a_changed_python_file_is_another_verifier(tmp_path: Path) -> None:
    judge = "def score(completions, answer, **columns):\n    return [1.0]\n"
    text = QUESTION + '[check]\npython = "judge.py:score"\n'
    folder = write(tmp_path / "own", text, rows_jsonl=jsonl(sums(1, 2)), judge_py=judge)
    before = FileTask.load(folder)
    (problem,) = before.problems(Split.TRAIN)
    assert before.verify(problem, "anything").passed
    write(folder, text, judge_py=judge.replace("1.0", "0.00"))
    after = FileTask.load(folder)
    assert fingerprint(before) != fingerprint(after)
    assert after.verify(problem, "anything").kind is VerdictKind.FAIL


# --- finding ------------------------------------------------------------------------------------------------------


def test_an_own_task_is_found_by_its_name_and_any_folder_by_its_path(tmp_path: Path, data_folder: Path) -> None:
    write(data_folder / "tasks" / "sums", QUESTION + 'description = "adding"\n' + NUMBER, rows_jsonl=jsonl(sums(1, 2)))
    elsewhere = write(tmp_path / "elsewhere", QUESTION + NUMBER, rows_jsonl=jsonl(sums(1, 2)))
    own, other = find_task("sums"), find_task(str(elsewhere))
    assert (own.name, own.source) == ("sums", "sums")
    assert (other.name, other.source) == ("sums", str(elsewhere.resolve()))
    assert find_task(other.source) == other
    assert known_tasks()["sums"] == "adding"


def test_a_folder_with_two_files_of_puzzles_is_still_a_countdown_task(tmp_path: Path) -> None:
    for part in BOTH:
        (tmp_path / f"{part}.jsonl").write_text('{"numbers": [3, 7, 18], "target": 39}\n')
    assert isinstance(find_task(str(tmp_path)), Countdown)


def test_a_bare_file_is_a_task_where_nothing_is_unclear(tmp_path: Path, data_folder: Path) -> None:
    clear, unclear = tmp_path / "My sums!.jsonl", tmp_path / "unclear.jsonl"
    clear.write_text(jsonl(sums(1, 2, 3)))
    unclear.write_text(jsonl([{"question": "Which?", "a": "x", "b": "y"}]))
    task = find_task(str(clear))
    assert (task.name, task.source) == ("my-sums", str(clear.resolve()))
    assert sum(len(task.problems(part)) for part in BOTH) == 3
    with pytest.raises(UsageError) as error:
        find_task(str(unclear))
    assert "rrr tasks new unclear.jsonl" in error.value.way_out


@pytest.mark.parametrize(
    "name", ["../../x", "a/b", "CON", "x" * 300, "p\u0443zzles", "", "\0", "~no-such-user/x", "gym"]
)
def test_a_name_that_leads_nowhere_is_not_found(name: str, data_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(data_folder)
    with pytest.raises(NotFoundError):
        find_task(name)


def test_a_link_out_of_the_tasks_folder_is_refused(tmp_path: Path, data_folder: Path) -> None:
    elsewhere = write(tmp_path / "elsewhere", QUESTION + NUMBER, rows_jsonl=jsonl(sums(1)))
    (paths.tasks_folder() / "sums").symlink_to(elsewhere)
    with pytest.raises(UsageError, match="is a link to"):
        find_task("sums")


def test_a_copied_task_needs_a_name_of_its_own(data_folder: Path) -> None:
    write(data_folder / "tasks" / "copy", QUESTION + NUMBER, rows_jsonl=jsonl(sums(1)))
    with pytest.raises(UsageError) as error:
        find_task("copy")
    assert error.value.cause == "task.toml of the task copy calls it sums"
    assert 'name = "copy"' in error.value.way_out


def test_a_misspelt_name_comes_with_a_close_one(data_folder: Path) -> None:
    with pytest.raises(NotFoundError) as error:
        find_task("cuontdown")
    assert error.value.way_out.startswith("did you mean countdown?")


def test_a_broken_own_task_is_listed_with_what_is_wrong(data_folder: Path) -> None:
    write(data_folder / "tasks" / "broken", "name = ")
    write(data_folder / "tasks" / ".new-123", QUESTION + NUMBER)
    assert known_tasks()["broken"].startswith("cannot be used: task.toml is not TOML")
    assert ".new-123" not in known_tasks()
    with pytest.raises(RrrError):
        find_task("broken")
