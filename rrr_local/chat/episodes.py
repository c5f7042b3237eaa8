"""Episodes as a file: JSON lines with everything, a table with one row each, or Markdown to read.

JSON and CSV hold texts as they were written; Markdown is for a person's eyes and goes through `sanitize`.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import asdict

from rrr_local.chat.export import fenced
from rrr_local.store import history
from rrr_local.store.history import ANY, EpisodeFilter, EpisodeSummary, Reflection, Try, episodes
from rrr_local.store.sqlite import Connection
from rrr_local.text import sanitize

SCHEMA = "rrr.history-episode/1"
FORMS = ("jsonl", "md", "csv")
PAGE = 200
COLUMNS = (
    "id",
    "created_at",
    "kind",
    "task",
    "split",
    "prompt",
    "attempt",
    "verdict",
    "reason",
    "outcome",
    "judge",
    "run",
)
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for the beginning of a formula."""


def export(connection: Connection, form: str, which: EpisodeFilter = ANY) -> Iterator[str]:
    """The file's text, piece by piece, newest episode first. `form` is one of FORMS."""
    match form:
        case "jsonl":
            return (json.dumps(document(connection, each)) + "\n" for each in _all(connection, which))
        case "csv":
            return _table(connection, which)
        case "md":
            return (markdown(connection, each) for each in _all(connection, which))
    raise ValueError(f"there is no form {form}")


def document(connection: Connection, summary: EpisodeSummary) -> dict[str, object]:
    """One episode as JSON."""
    found = history.episode(connection, summary.id)
    return {
        "schema": SCHEMA,
        **{name: value for name, value in zip(COLUMNS, _values(summary), strict=True) if name != "attempt"},
        "excluded": summary.excluded,
        "info": None if found.problem is None else dict(found.problem.info),
        "attempt": _try(found.attempt),
        "reflections": [_reflection(each) for each in found.reflections],
        "plain_retries": [_try(each) for each in found.plain_retries],
    }


def _all(connection: Connection, which: EpisodeFilter) -> Iterator[EpisodeSummary]:
    """Every episode, page by page."""
    before = None
    while page := episodes(connection, PAGE, before, which):
        yield from page
        before = page[-1].id


def _values(summary: EpisodeSummary) -> tuple[object, ...]:
    judge = None if summary.verdict is None else "user" if summary.by_user else "verifier"
    return (
        summary.id,
        summary.created_at,
        summary.kind,
        summary.task,
        summary.split,
        summary.prompt,
        summary.attempt,
        summary.verdict,
        summary.reason,
        summary.outcome,
        judge,
        summary.run,
    )


def _try(made: Try) -> dict[str, object]:
    return asdict(made)


def _reflection(each: Reflection) -> dict[str, object]:
    retry = None if each.retry is None else _try(each.retry)
    return {**asdict(each), "retry": retry}


def _table(connection: Connection, which: EpisodeFilter) -> Iterator[str]:
    yield _row(COLUMNS)
    for summary in _all(connection, which):
        yield _row(_values(summary))


def _row(values: tuple[object, ...]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow("" if value is None else _harmless(str(value)) for value in values)
    return line.getvalue()


def _harmless(text: str) -> str:
    """A cell that no spreadsheet runs."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def markdown(connection: Connection, summary: EpisodeSummary) -> str:
    """One episode to read."""
    found = history.episode(connection, summary.id)
    parts = [f"## Episode {summary.id}: {summary.outcome}\n\n{summary.created_at}, {summary.kind}\n"]
    parts += [_text("Problem", found.problem.prompt)] if found.problem is not None else []
    parts += [_text(f"Attempt: {_verdict(found.attempt)}", found.attempt.text)]
    for each in found.reflections:
        parts.append(_text("Reflection", each.text))
        if each.retry is not None:
            parts.append(_text(f"Retry: {_verdict(each.retry)}", each.retry.text))
    for plain in found.plain_retries:
        parts.append(_text(f"Retry without reflection: {_verdict(plain)}", plain.text))
    return "\n".join(parts) + "\n"


def _text(title: str, text: str) -> str:
    return f"### {sanitize(title, 300)}\n\n{fenced(sanitize(text, 200_000))}\n"


def _verdict(made: Try) -> str:
    reason = " ".join((made.reason or "").split())
    return f"{made.verdict or 'not checked'}{f' ({reason})' if reason else ''}"
