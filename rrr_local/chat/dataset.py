"""The log as rows for other programs, and for another log.

    jsonl      an episode a line with both verdicts of every reply: what `rrr data import` reads, too
    csv        an attempt a line: a table for a person; `rrr data import` reads it, without reflections and retries
    trl        the problems that failed, once each, as TRL takes them: {"prompt": [{"role": "user", …}], …the problem's own columns}
    messages   problem and winning retry as a conversation of two messages, for supervised fine-tuning

Texts are as they were written. A table's cell that a spreadsheet would run gets a quote in front; importing takes it off again.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping

from rrr_local.episode import Problem, Verdict
from rrr_local.store import exchange, history
from rrr_local.store.exchange import Both
from rrr_local.store.history import EpisodeFilter, EpisodeSummary, Outcome
from rrr_local.store.sqlite import Connection

SCHEMA = "rrr.data-row/1"
FORMS = ("jsonl", "csv", "trl", "messages")
COLUMNS = ("id", "task", "split", "prompt", "expect", "reply", "verdict", "reason", "person", "comment", "excluded")
PAGE = 200
_RUNNABLE = re.compile(r"'*[=+\-@\t\r]")
"""What a spreadsheet takes for the beginning of a formula, with quotes before it or not."""
_NUMBER = re.compile(r"[-+]?[0-9][0-9.,]*")


def export(connection: Connection, form: str, task: str | None) -> Iterator[str]:
    """The file's text, line by line, newest episode first; of one task or all. `form` is one of FORMS."""
    match form:
        case "jsonl":
            return (_line(_document(connection, each)) for each in _all(connection, EpisodeFilter(task=task)))
        case "csv":
            return _table(connection, task)
        case "trl":
            return _problems(connection, task)
        case "messages":
            return _conversations(connection, task)
    raise ValueError(f"there is no form {form}")


def unquoted(text: str) -> str:
    """A cell as it was before it was made harmless."""
    return text[1:] if text.startswith("'") and _RUNNABLE.match(text) else text


def _all(connection: Connection, which: EpisodeFilter) -> Iterator[EpisodeSummary]:
    before = None
    while page := history.episodes(connection, PAGE, before, which):
        yield from (each for each in page if each.problem_id is not None)
        before = page[-1].id


def _line(document: Mapping[str, object]) -> str:
    return json.dumps(document) + "\n"


# --- jsonl --------------------------------------------------------------------------------------------------------


def _document(connection: Connection, summary: EpisodeSummary) -> dict[str, object]:
    found, said = history.episode(connection, summary.id), exchange.verdicts(connection, summary.id)
    problem = _problem(found)
    return {
        "schema": SCHEMA,
        "id": summary.id,
        "task": summary.task,
        "split": summary.split,
        "prompt": problem.prompt,
        "info": dict(problem.info),
        **_reply(found.attempt, said),
        "reflections": [
            {"text": each.text, "retry": None if each.retry is None else _reply(each.retry, said)}
            for each in found.reflections
        ],
        "excluded": summary.excluded,
    }


def _problem(found: history.Episode) -> Problem:
    assert found.problem is not None, "only episodes with a problem are listed"
    return found.problem


def _reply(made: history.Try, said: Mapping[int, Both]) -> dict[str, object]:
    both = said[made.id]
    return {"reply": made.text, "verifier": _said(both.verifier), "person": _said(both.person)}


def _said(verdict: Verdict | None) -> dict[str, str] | None:
    return None if verdict is None else {"verdict": verdict.kind, "reason": verdict.reason}


# --- the other forms ----------------------------------------------------------------------------------------------


def _table(connection: Connection, task: str | None) -> Iterator[str]:
    yield _row(COLUMNS)
    for each in _all(connection, EpisodeFilter(task=task)):
        problem, both = _problem(history.episode(connection, each.id)), exchange.verdicts(connection, each.id)[each.id]
        verifier, person = both.verifier, both.person
        yield _row(
            (
                each.id,
                each.task,
                each.split,
                problem.prompt,
                problem.info.get("expect"),
                each.attempt,
                verifier and verifier.kind,
                verifier and verifier.reason,
                person and person.kind,
                person and person.reason,
                "yes" if each.excluded else "",
            )
        )


def _row(values: tuple[object, ...]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow("" if value is None else _harmless(str(value)) for value in values)
    return line.getvalue()


def _harmless(text: str) -> str:
    """A cell that no spreadsheet runs."""
    return f"'{text}" if _RUNNABLE.match(text) and not _NUMBER.fullmatch(text) else text


def _problems(connection: Connection, task: str | None) -> Iterator[str]:
    """Of what failed and is not held out or excluded."""
    seen: set[str] = set()
    for outcome in (Outcome.FAILED, Outcome.FIXED):
        for each in _all(connection, EpisodeFilter(task=task, outcome=outcome, excluded=False)):
            problem = _problem(history.episode(connection, each.id))
            if each.split == "eval" or problem.sha256 in seen:
                continue
            seen.add(problem.sha256)
            columns = {name: value for name, value in problem.info.items() if name != "prompt"}
            yield _line({"prompt": [_message("user", problem.prompt)], **columns})


def _conversations(connection: Connection, task: str | None) -> Iterator[str]:
    """Of the first retry of an episode that passed."""
    for each in _all(connection, EpisodeFilter(task=task, outcome=Outcome.FIXED, excluded=False)):
        found = history.episode(connection, each.id)
        retries = [one.retry for one in found.reflections if one.retry is not None] + list(found.plain_retries)
        won = next(retry for retry in retries if retry.verdict == "pass")
        if each.split != "eval":
            problem = _problem(found)
            yield _line({"messages": [_message("user", problem.prompt), _message("assistant", won.text)]})


def _message(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}
