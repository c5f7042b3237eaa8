"""Rows of a file as episodes of a task: what `rrr data import` reads, with "line 17: …" for each row it cannot use.

    of a question       prompt (or question), expect (or answer, expected), reply (or response, completion)
    of another task     info (the problem's JSON), or the problem's own columns beside these; reply
    where there is any  person (good, wrong, pass or fail), comment, reflections, excluded, as `rrr data export` writes them

A reply is judged anew by the task as it is here: what a file says of a verifier is not taken for granted. What it says of a person is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from rrr_local.chat.dataset import unquoted
from rrr_local.episode import Problem, Split, Verdict, VerdictKind
from rrr_local.errors import NotFoundError, UsageError
from rrr_local.store.exchange import Coming
from rrr_local.store.records import EpisodeRecord, ReflectionRecord, TryRecord
from rrr_local.tasks.base import Task
from rrr_local.tasks.files.rows import Row, Table
from rrr_local.tasks.question import NAME as QUESTION

REPLY = ("reply", "response", "completion")
PROMPT = ("prompt", "question")
EXPECT = ("expect", "expected", "answer")
OURS = (
    *REPLY,
    "id",
    "schema",
    "task",
    "split",
    "verdict",
    "reason",
    "verifier",
    "person",
    "comment",
    "reflections",
    "excluded",
)
"""Columns that are not the problem's."""
SAID = {"good": VerdictKind.PASS, "pass": VerdictKind.PASS, "wrong": VerdictKind.FAIL, "fail": VerdictKind.FAIL}
YES = (True, "yes", "true", "1")


def episodes(table: Table, task: Task) -> tuple[list[Coming], list[str]]:
    """The episodes of a file, and what is wrong with each row that is none."""
    held_out = _held_out(task)
    found: list[Coming] = []
    bad = list(table.bad)
    from_cells = table.path.suffix.lower() in (".csv", ".tsv")
    for row in table.rows:
        try:
            found.append(_episode(_plain(row, from_cells), task, held_out))
        except UsageError as error:
            bad.append(f"{row.place}: {error.cause}")
    return found, bad


def _plain(row: Row, from_cells: bool) -> Mapping[str, object]:
    """Empty cells are no values."""
    if not from_cells:
        return {name: value for name, value in row.values.items() if value is not None}
    return {name: unquoted(text) for name, text in row.values.items() if text.strip()}


def _held_out(task: Task) -> frozenset[str]:
    """The problems that nothing may be learnt from, even where they come in from a file."""
    try:
        return frozenset(problem.sha256 for problem in task.problems(Split.EVAL))
    except NotFoundError:
        return frozenset()


def _episode(row: Mapping[str, object], task: Task, held_out: frozenset[str]) -> Coming:
    problem = _problem(row, task)
    if problem.sha256 in held_out:
        problem = replace(problem, split=Split.EVAL)
    reply = _text(row, REPLY)
    if reply is None:
        raise _bad("it has no reply; rows that are only problems become a task with `rrr tasks new FILE`")
    reflections, said = _reflections(row.get("reflections", []), task, problem)
    people = (_person(row.get("person"), row.get("comment")), *said)
    record = EpisodeRecord(None, _judged(task, problem, reply), tuple(reflections))
    return Coming(problem, record, people, excluded=row.get("excluded") in YES)


def _problem(row: Mapping[str, object], task: Task) -> Problem:
    info = row.get("info")
    if isinstance(info, Mapping):
        return task.parse_problem(info)
    if task.name != QUESTION:
        return task.parse_problem({name: value for name, value in row.items() if name not in OURS})
    prompt, expect = _text(row, PROMPT), _text(row, EXPECT)
    if prompt is None:
        raise _bad(f"it has no {PROMPT[0]}")
    return task.parse_problem({"prompt": prompt} | ({} if expect is None else {"expect": expect}))


def _text(row: Mapping[str, object], names: tuple[str, ...]) -> str | None:
    """The first of these columns that there is; a number is taken for its text."""
    name = next((name for name in names if name in row), None)
    if name is None:
        return None
    value = row[name]
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        return str(value)
    raise _bad(f"its {name} is no text")


def _person(said: object, comment: object) -> Verdict | None:
    """As a word with a comment beside it, or as an export has it."""
    if isinstance(said, Mapping):
        return _person(said.get("verdict"), said.get("reason"))
    if said is None:
        return None
    kind = SAID.get(str(said).strip().lower())
    if kind is None:
        raise _bad(f"person must be one of {', '.join(SAID)}")
    return Verdict(kind, str(comment or ""))


def _reflections(value: object, task: Task, problem: Problem) -> tuple[list[ReflectionRecord], list[Verdict | None]]:
    """With their retries, and what a person said of each retry."""
    records: list[ReflectionRecord] = []
    people: list[Verdict | None] = []
    for number, each in enumerate(value if isinstance(value, list) else [None]):
        found = each if isinstance(each, Mapping) else {}
        text, retry = found.get("text"), found.get("retry")
        if not isinstance(text, str) or not (retry is None or isinstance(retry, Mapping)):
            raise _bad('its reflections are not as `rrr data export` writes them: {"text": …, "retry": {"reply": …}}')
        reply = None if retry is None else _text(retry, REPLY)
        made = None if reply is None else _judged(task, problem, reply)
        records.append(ReflectionRecord(number, text, retry=made))
        people.append(None if retry is None else _person(retry.get("person"), None))
    return records, people


def _judged(task: Task, problem: Problem, reply: str) -> TryRecord:
    verdict = task.verify(problem, reply)
    return TryRecord(reply, verdict.kind, verdict.reason, verdict.answer)


def _bad(cause: str) -> UsageError:
    return UsageError(cause, "mend the row")
