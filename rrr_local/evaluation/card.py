"""The card of a run: one page of Markdown that says what was done, what came of it, and with which right that may be said."""

from __future__ import annotations

from collections.abc import Iterator

from rrr_local.evaluation.gains import EVERYDAY, HELD_OUT, REPLAY, RunGain, run_gains, word
from rrr_local.evaluation.statistics import PairedDifference, wilson
from rrr_local.store import queries
from rrr_local.store.evaluations import Change, changes
from rrr_local.store.queries import Run
from rrr_local.store.runs_read import lessons
from rrr_local.store.sqlite import Connection
from rrr_local.text import sanitize

LESSONS = 5
BROKEN = 5


def card(connection: Connection, name: str) -> str:
    """The card of a run. It quotes problems and reflections. Raises `NotFoundError`."""
    run = queries.run(connection, name)
    gains = {found.set: found for found in run_gains(connection, run.summary.id)}
    return "\n".join(
        [
            f"# {_line(run.summary.name)}",
            "",
            *_facts(run),
            "",
            *_measured("Held-out problems, never trained on", gains.get(HELD_OUT)),
            *_measured("Its own failures, tried again", gains.get(REPLAY)),
            *(_measured("Everyday questions: did it forget anything?", gains[EVERYDAY]) if EVERYDAY in gains else ()),
            *_broken(connection, gains.get(HELD_OUT)),
            *_lessons(connection, run.summary.id),
            *_recipe(run),
        ]
    )


def _facts(run: Run) -> Iterator[str]:
    summary = run.summary
    yield f"{summary.status}, step {summary.last_step} of {summary.total_steps}"
    yield ""
    yield f"- model: {_line(summary.model or 'unknown')}"
    yield f"- task: {_line(summary.task)}"
    yield f"- backend: {_line(summary.backend)}, seed {run.seed}"
    if summary.first_reward is not None and summary.last_reward is not None:
        yield f"- reward of the reflections: {summary.first_reward:.2f} at the first step, {summary.last_reward:.2f} at the last"
    if summary.groups:
        yield f"- groups with signal: {summary.groups_used} of {summary.groups}"
    if run.note:
        yield f"- note: {_line(run.note)}"
    if summary.error:
        yield f"- error: {_line(summary.error)}"


def _measured(title: str, found: RunGain | None) -> Iterator[str]:
    yield f"## {title}"
    yield ""
    if found is None:
        yield "Not measured before and after."
        yield ""
        return
    before, after = found.before, found.after
    yield f"n = {found.first_try.n}, before and after on the same problems; intervals are 95 %."
    yield ""
    yield "| | before | after | difference | | fixed | broken |"
    yield "|---|---|---|---|---|---|---|"
    yield _row("first try", before.first_try, after.first_try, found.first_try)
    yield _row("after retry", before.final_rate, after.final_rate, found.second_try)
    yield ""


def _row(name: str, before: float | None, after: float | None, change: PairedDifference) -> str:
    points = f"{100 * change.diff:+.1f} points ({100 * change.low:+.0f} to {100 * change.high:+.0f})"
    cells = (name, _rate(before, change.n), _rate(after, change.n), points, word(change), change.fixed, change.broken)
    return f"| {' | '.join(map(str, cells))} |"


def _rate(rate: float | None, n: int) -> str:
    if rate is None:
        return "unknown"
    interval = wilson(round(rate * n), n)
    return f"{100 * rate:.1f} % ({100 * interval.low:.0f} to {100 * interval.high:.0f})"


def _broken(connection: Connection, found: RunGain | None) -> Iterator[str]:
    if found is None:
        return
    broken = changes(connection, found.before.eval_id, found.after.eval_id, Change.BROKEN, BROKEN)
    yield "## Newly broken"
    yield ""
    if not broken:
        yield "None of the held-out problems that it solved before."
    for each in broken:
        yield f"- {_line(each.prompt)}"
    if found.second_try.broken > len(broken):
        yield f"- and {found.second_try.broken - len(broken)} more"
    yield ""


def _lessons(connection: Connection, run_id: str) -> Iterator[str]:
    found = lessons(connection, run_id, LESSONS)
    if found:
        yield "## What it learned to tell itself"
        yield ""
        for lesson in found:
            yield f"- {_line(lesson.text)} ({lesson.passed} of {lesson.times} retries passed)"
        yield ""


def _recipe(run: Run) -> Iterator[str]:
    yield "## Recipe"
    yield ""
    yield from (f"- {_line(str(key))}: {_line(str(value))}" for key, value in run.config.items())
    yield ""


def _line(text: str) -> str:
    """One line that Markdown takes for text: outside text must not become a heading, a table or a link."""
    line = " ".join(sanitize(text, 500).split())
    return "".join(f"\\{char}" if char in "\\`*_[]<>|#" else char for char in line)
