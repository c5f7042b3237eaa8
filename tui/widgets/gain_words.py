"""What a run brought, in lines: rates before and after, the difference with its interval, and the word that it allows."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content

from rrr_local.evaluation.gains import RunGain, word
from rrr_local.evaluation.statistics import PairedDifference
from rrr_local.store.runs_read import Lesson
from rrr_local.text import sanitize
from tui.symbols import Symbols
from tui.widgets.episode import first_sentence

_STYLES = {"clear gain": "$text-success", "worse": "$text-error", "not clear": "$text-warning"}


def gain_lines(title: str, found: RunGain | None, symbols: Symbols) -> Content:
    """Three lines: what was measured, the first try, and the try after a retry."""
    if found is None:
        return Content.assemble((title, "bold"), ("  not measured before and after", "$foreground-muted"))
    before, after = found.before, found.after
    return Content("\n").join(
        [
            Content.assemble((title, "bold"), (f"  n {found.first_try.n}, intervals are 95 %", "$foreground-muted")),
            _line("first try", before.first_try, after.first_try, found.first_try, symbols),
            _line("after retry", before.final_rate, after.final_rate, found.second_try, symbols),
        ]
    )


def _line(name: str, before: float | None, after: float | None, change: PairedDifference, symbols: Symbols) -> Content:
    if before is None or after is None:
        return Content(f"  {name:11} unknown")
    rates = f"{100 * before:.0f} {symbols.arrow} {100 * after:.0f} %"
    interval = f"{100 * change.diff:+.0f} ({100 * change.low:+.0f} to {100 * change.high:+.0f})"
    said = word(change)
    return Content.assemble(
        f"  {name:11} {rates:11} {interval:18} ",
        (f"{said:10}", _STYLES[said]),
        (f"  {change.fixed} fixed, {change.broken} broken", "$foreground-muted"),
    )


def yours_line(replay: RunGain | None, symbols: Symbols) -> Content:
    """How many of the failures it was trained on pass now."""
    if replay is None:
        return Content("")
    n = replay.second_try.n
    before, after = round((replay.before.final_rate or 0.0) * n), round((replay.after.final_rate or 0.0) * n)
    return Content.assemble((f"{after} of {n} of your failures pass now", "bold"), f", {before} did before")


def lesson_lines(lessons: Sequence[Lesson], symbols: Symbols) -> Content:
    """The reflections that helped most often."""
    if not lessons:
        return Content.styled("no reflection was rewarded yet", "$foreground-muted")
    blocks = []
    for lesson in lessons:
        often = f"{lesson.passed} of {lesson.times} retries passed"
        blocks.append(Content.assemble((f"{symbols.reflection} ", "$text-warning"), (often, "bold")))
        blocks.append(Content("\n".join(f"  {line}" for line in sanitize(lesson.text, 1_000).strip().split("\n"))))
        blocks.append(Content.styled(f"  about: {first_sentence(lesson.prompt)}", "$foreground-muted"))
    return Content("\n").join(blocks)
