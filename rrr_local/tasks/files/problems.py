"""From rows to problems: what the model is shown, what makes two rows the same, and which part of the task a row belongs to.

opening     the prompt filled in, or the row's conversation without a last turn of the assistant's
sha256      of the opening and of what the check reads: an id or a note in another column makes no new problem
split       by the hash of the opening alone: it does not matter where a row stands or what else is in the file, and the same
            prompt is never in both parts. With two rows or more neither part is empty.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rrr_local.episode import Message, Opening, Problem, Split
from rrr_local.errors import UsageError
from rrr_local.tasks.base import content_hash
from rrr_local.tasks.files.columns import PARTS
from rrr_local.tasks.files.manifest import Manifest
from rrr_local.tasks.files.rows import MOST_SHOWN, BadRows, Row, Values, read_rows
from rrr_local.tasks.files.template import fill
from rrr_local.verifiers.checks import Check

LONGEST_PROMPT = 100_000
"""Characters of all that a model is shown of a problem."""
ANSWER = "answer"
"""Where a conversation's last turn of the assistant's goes, for the check to read."""
READS_ALL = ("python",)
"""Kinds of check that are handed the whole row."""
ROLES = ("system", "user", "assistant")


@dataclass(frozen=True, slots=True)
class Loaded:
    """All problems of a task."""

    train: tuple[Problem, ...]
    eval: tuple[Problem, ...]
    duplicates: tuple[str, ...]
    """Rows that were left out because they are there already: "line 17 is line 3 again"."""
    bad: tuple[str, ...]
    """Rows that were left out because they cannot be used; empty unless that was asked for."""

    def part(self, split: Split) -> tuple[Problem, ...]:
        return self.eval if split is Split.EVAL else self.train


@dataclass(frozen=True, slots=True)
class _Placed:
    """A problem with where it came from."""

    problem: Problem
    shown: str
    """Hash of its opening."""
    place: str
    given: Split | None
    """The part that the file puts it in."""


def make_problem(manifest: Manifest, check: Check, row: Mapping[str, object]) -> Problem:
    """The problem that a row is. Raises `UsageError` naming the column that is at fault."""
    return _made(manifest, check, row)[0]


def _made(manifest: Manifest, check: Check, row: Mapping[str, object]) -> tuple[Problem, str]:
    """The problem that a row is, and the hash of its opening. Raises `UsageError`."""
    values = _answered(manifest, row)
    opening = make_opening(manifest, values)
    turns = [*([message.role, message.content] for message in opening.before), ["user", opening.user]]
    length = sum(len(content) for _, content in turns)
    if length > LONGEST_PROMPT:
        raise UsageError(f"the prompt has {length:,} characters of at most {LONGEST_PROMPT:,}", "cut it down")
    check.check_row(values)
    shown = content_hash(turns)
    return Problem(opening.user, values, content_hash([shown, _read_by(check, values)])), shown


def make_opening(manifest: Manifest, values: Mapping[str, object]) -> Opening:
    """What the model is shown of a row. Raises `UsageError`."""
    before = () if manifest.system is None else (Message("system", manifest.system),)
    if manifest.messages is None:
        assert manifest.prompt is not None, "a manifest has one of the two"
        return Opening(fill(manifest.prompt, values), before)
    turns = _turns(manifest.messages, values)
    shown = turns[:-1] if turns[-1].role == "assistant" else turns
    if not shown or shown[-1].role != "user":
        raise UsageError(
            f"column {manifest.messages!r} has no user's message at its end", "a user's message comes last"
        )
    if before and shown[0].role == "system":
        before = ()  # the row's own instructions go before the task's
    return Opening(shown[-1].content, (*before, *shown[:-1]))


def load_problems(folder: Path, manifest: Manifest, check: Check, *, skip_bad: bool = False) -> Loaded:
    """All problems of a task. Raises `BadRows`, and `UsageError` for the same problem in both of its parts."""
    tables = [(read_rows(folder / name), name) for name in manifest.files]
    bad: list[str] = []
    placed: list[_Placed] = []
    for table, name in tables:
        where = f"{name} " if len(tables) > 1 else ""
        of_table = [where + line for line in table.bad]
        for row in table.rows:
            try:
                problem, shown = _made(manifest, check, row.values)
                given = _given(manifest, name, row)
            except UsageError as error:
                of_table.append(f"{where}{row.place}: {error.cause}")
                continue
            placed.append(_Placed(problem, shown, where + row.place, given))
        bad += sorted(of_table, key=_line)
    if bad and not skip_bad:
        raise BadRows(tables[0][0].path, bad)
    kept, duplicates = _distinct(placed)
    parts = _parts(manifest, kept)
    train, held_out = (
        tuple(replace(each.problem, split=split) for each in kept if parts[each.shown] is split)
        for split in (Split.TRAIN, Split.EVAL)
    )
    return Loaded(train, held_out, tuple(duplicates), tuple(bad))


def _line(report: str) -> int:
    """The line that a report is about: "rows.csv line 17: …" is 17."""
    return int(report.partition(":")[0].split()[-1])


# --- parts --------------------------------------------------------------------------------------------------------


def _distinct(placed: Sequence[_Placed]) -> tuple[list[_Placed], list[str]]:
    """Each problem of a part once, and a line for each that was there already."""
    first: dict[tuple[str, Split | None], _Placed] = {}
    duplicates = []
    for each in placed:
        known = first.setdefault((each.problem.sha256, each.given), each)
        if known is not each:
            duplicates.append(f"{each.place} is {known.place} again")
    return list(first.values()), duplicates


def _parts(manifest: Manifest, placed: Sequence[_Placed]) -> dict[str, Split]:
    """The part of each opening, by its hash. Raises `UsageError` where the files put one in both."""
    if not placed or placed[0].given is None:
        return by_hash({each.shown for each in placed}, manifest.eval_share)
    first: dict[str, _Placed] = {}
    leaks = []
    for each in placed:
        known = first.setdefault(each.shown, each)
        if known.given is not each.given:
            leaks.append(f"{each.place} ({each.given}) is {known.place} ({known.given})")
    if leaks:
        more = f"; and {len(leaks) - MOST_SHOWN} more" if len(leaks) > MOST_SHOWN else ""
        raise UsageError(
            f"the same prompt is in train and in eval: {'; '.join(leaks[:MOST_SHOWN])}{more}",
            "take it out of one of them: what was trained on measures nothing",
        )
    return {shown: each.given for shown, each in first.items() if each.given is not None}


def by_hash(shown: set[str], eval_share: float) -> dict[str, Split]:
    """A part for each hash: the lowest `eval_share` of all possible ones are held out."""
    parts = {each: Split.EVAL if int(each[:13], 16) < eval_share * 16**13 else Split.TRAIN for each in shown}
    if len(parts) > 1 and len(set(parts.values())) == 1:
        parts[min(parts)] = Split.EVAL
        parts[max(parts)] = Split.TRAIN
    return parts


def _given(manifest: Manifest, name: str, row: Row) -> Split | None:
    """The part that a file or a column puts a row in. Raises `UsageError`."""
    if manifest.train is not None:
        return Split.TRAIN if name == manifest.train else Split.EVAL
    if manifest.split is None:
        return None
    word = str(row.values.get(manifest.split, "")).strip().lower()
    if word not in PARTS:
        raise UsageError(f"column {manifest.split!r} says {word[:20]!r}", f"write one of {', '.join(PARTS)}")
    return PARTS[word]


# --- rows ---------------------------------------------------------------------------------------------------------


def _turns(column: str, values: Mapping[str, object]) -> list[Message]:
    """A row's conversation. Raises `UsageError`."""
    turns = values.get(column)
    if not isinstance(turns, list) or not turns or not all(map(_is_turn, turns)):
        raise UsageError(
            f"column {column!r} is no conversation",
            'give a list of {"role": "user", "content": "…"}; roles are system, user, assistant',
        )
    return [Message(turn["role"], turn["content"]) for turn in turns]


def _is_turn(turn: object) -> bool:
    return isinstance(turn, dict) and turn.get("role") in ROLES and isinstance(turn.get("content"), str)


def _answered(manifest: Manifest, row: Mapping[str, object]) -> Values:
    """The row, with the assistant's last turn as its answer where it has none of its own."""
    values = dict(row)
    if manifest.messages is not None and ANSWER not in values:
        last = _turns(manifest.messages, row)[-1]
        if last.role == "assistant":
            values[ANSWER] = last.content
    return values


def _read_by(check: Check, row: Values) -> Values:
    """What the check reads: the columns that its options name."""
    if check.kind in READS_ALL:
        return row
    named = set(_texts(check.configuration.values()))
    return {column: value for column, value in row.items() if column in named}


def _texts(values: Iterable[object]) -> Iterator[str]:
    for value in values:
        if isinstance(value, str):
            yield value
        elif isinstance(value, list | tuple):
            yield from _texts(value)
