"""What a file's columns are for, guessed from their names and from what stands in them; and why, in words.

    conversation    a column of lists of {role, content}: TRL's prompt-only rows, or `messages`
    countdown       a column of number lists and one of whole numbers
    prompt          a column's name (question, prompt, …), else the one with the longest texts
    answer          a column's name (answer, solution, …), else the only column that is left
    check           choices -> multiple-choice, numbers -> number, anything else -> exact

What a person says goes before any guess. A guess that may well be wrong is a *doubt*: `rrr tasks new` shows it, and a bare file with
doubts is not used as a task.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rrr_local.errors import UsageError
from rrr_local.tasks.countdown import PROMPT as COUNTDOWN
from rrr_local.tasks.files.columns import Columns, is_conversation, is_number, is_number_list, is_text, is_whole
from rrr_local.tasks.files.rows import Table
from rrr_local.tasks.files.template import columns_of

PROMPTS = ("prompt", "question", "problem", "query", "instruction", "request", "input", "task", "text")
ANSWERS = (
    *("answer", "answers", "solution", "target", "expected", "correct", "correct_answer", "ground_truth"),
    *("gold", "label", "output", "result", "response", "completion", "reply"),
)
CHOICES = ("choices", "options")
LETTERS = tuple("ABCDEFGH")
SAMPLE = 1000
"""Rows that are looked at."""
LONG_ANSWER = 80
"""Characters from which on nobody writes an answer letter for letter."""
NO_ANSWER_NEEDED = ("countdown", "python", "code", "regex", "json-schema")
"""Kinds of check that have columns or options of their own."""


@dataclass(frozen=True, slots=True)
class Said:
    """What a person said about a file; the rest is guessed."""

    prompt: str | None = None
    """A template, or a column's name."""
    answer: str | None = None
    """A column's name."""
    kind: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    """Of the check."""


@dataclass(slots=True)
class Guess:
    """How rows become problems."""

    prompt: str | None = None
    messages: str | None = None
    split: str | None = None
    check: dict[str, Any] = field(default_factory=dict)
    reasons: list[str] = field(default_factory=list)
    """What was guessed and why, a line each."""
    doubts: list[str] = field(default_factory=list)


def guess(table: Table, said: Said) -> Guess:
    """How the rows of a table become problems. Raises `UsageError` where that cannot even be guessed."""
    rows = [row.values for row in table.rows[:SAMPLE]]
    if not rows:
        raise UsageError(f"{table.path.name} has no rows", "put at least two rows into it")
    columns = Columns(table.columns, rows)
    found = Guess()
    found.split = columns.split()
    if found.split is not None:
        found.reasons.append(f"column {found.split!r} says which rows are held out")
    game = _countdown(columns) if said.kind in (None, "countdown") and said.answer is None else None
    if game is not None:
        _play(found, said, columns, *game)
    else:
        _prompt(found, said, columns)
        _check(found, said, columns)
    found.check |= said.options
    return found


# --- Countdown ----------------------------------------------------------------------------------------------------


def _countdown(columns: Columns) -> tuple[str, str] | None:
    """The columns of the numbers and of the target; None unless there is exactly one of each."""
    lists = [name for name in columns.names if columns.every(name, is_number_list)]
    targets = [
        name
        for name in columns.names
        if name not in lists and not columns.aside(name) and columns.every(name, is_whole)
    ]
    if len(lists) != 1 or not targets:
        return None
    target = (
        targets[0]
        if len(targets) == 1
        else next((name for name in targets if name.casefold() in ("target", "goal")), None)
    )
    return None if target is None else (lists[0], target)


def _play(found: Guess, said: Said, columns: Columns, numbers: str, target: str) -> None:
    found.check |= {"kind": "countdown", "numbers": numbers, "target": target}
    found.reasons.append(f"columns {numbers!r} and {target!r} hold lists of numbers and whole numbers: check countdown")
    asked = columns.named(PROMPTS)
    if said.prompt is not None:
        found.prompt = _template(said.prompt, columns)
    elif asked is not None and asked not in (numbers, target):
        found.prompt = f"{{{asked}}}"
        found.reasons.append(f"the prompt is column {asked!r}, by its name")
    else:
        bare = all(isinstance(value, str) and not value.lstrip().startswith("[") for value in columns.values(numbers))
        shown = f"[{{{numbers}}}]" if bare else f"{{{numbers}}}"
        found.prompt = COUNTDOWN.replace("{numbers}", shown).replace("{target}", f"{{{target}}}")
        found.reasons.append("the prompt is that of the task countdown, since no column holds one")


# --- the prompt ---------------------------------------------------------------------------------------------------


def _prompt(found: Guess, said: Said, columns: Columns) -> None:
    if said.prompt is not None:
        found.prompt = _template(said.prompt, columns)
        return
    talks = [name for name in columns.names if columns.every(name, is_conversation)]
    if talks:
        found.messages = talks[0]
        found.reasons.append(f"column {talks[0]!r} holds conversations")
        return
    name = columns.named(PROMPTS)
    texts = [each for each in columns.names if each != said.answer and columns.every(each, is_text)]
    if name is not None and name != said.answer:
        found.reasons.append(f"the prompt is column {name!r}, by its name")
    elif texts:
        lengths = {each: sum(map(len, columns.values(each))) for each in texts}
        name = max(lengths, key=lambda each: lengths[each])
        found.reasons.append(f"the prompt is column {name!r}, which has the longest texts")
        if any(2 * length > lengths[name] for each, length in lengths.items() if each != name):
            found.doubts.append(f"the prompt may be another column than {name!r}")
    else:
        raise UsageError(
            "it is not clear what to ask",
            f'say it: --prompt "… {{{columns.names[0]}}} …"; columns: {", ".join(columns.names)}',
        )
    found.prompt = f"{{{name}}}"


def _template(prompt: str, columns: Columns) -> str:
    """A template; a bare column's name is one, too."""
    return f"{{{prompt}}}" if prompt in columns.names else prompt


# --- the check ----------------------------------------------------------------------------------------------------


def _check(found: Guess, said: Said, columns: Columns) -> None:
    if said.kind in NO_ANSWER_NEEDED and said.answer is None:
        found.check["kind"] = said.kind
        return
    answer = said.answer or _answer(found, columns)
    if answer not in columns.names and not _replies(found, columns):
        raise UsageError(f"there is no column {answer!r}", f"there are: {', '.join(columns.names)}")
    found.check |= {"kind": said.kind, "answer": answer} if said.kind else _kind(found, columns, answer)
    if said.kind == "multiple-choice":
        found.check |= _offered(found, columns) or {}


def _answer(found: Guess, columns: Columns) -> str:
    """The column of the right answers. Raises `UsageError`."""
    used = set(columns_of(found.prompt or "")) | {found.messages}
    left = [name for name in columns.names if name not in used and not columns.aside(name)]
    named = columns.named([name for name in ANSWERS if name not in used])
    if named is not None and named not in used:
        found.reasons.append(f"the answer is column {named!r}, by its name")
        return named
    if _replies(found, columns):
        found.reasons.append("the answer is the assistant's last turn")
        return "answer"
    if len(left) == 1:
        found.reasons.append(f"the answer is column {left[0]!r}, the only one left")
        return left[0]
    which = f"one of {', '.join(left)}" if left else "none is left"
    raise UsageError(
        f"it is not clear which column holds the answer: {which}", "say it: --answer COLUMN, or choose --check"
    )


def _replies(found: Guess, columns: Columns) -> bool:
    """Whether every conversation ends with the assistant's turn."""
    name = found.messages
    return name is not None and columns.every(name, lambda turns: turns[-1].get("role") == "assistant")


def _kind(found: Guess, columns: Columns, answer: str) -> dict[str, Any]:
    """The check that suits a column of answers."""
    offered = _offered(found, columns)
    if offered is not None:
        found.reasons.append("every row has answers to choose from: check multiple-choice")
        return {"kind": "multiple-choice", "answer": answer} | offered
    values = columns.values(answer)
    if columns.every(answer, is_number):
        found.reasons.append(f"every {answer!r} is a number: check number")
        return {"kind": "number", "answer": answer}
    different = len({json.dumps(value) for value in values})
    longest = max((len(value) if isinstance(value, str) else 0 for value in values), default=0)
    if longest > LONG_ANSWER or not all(isinstance(value, str | int | float) for value in values):
        found.doubts.append(f"{answer!r} holds more than short answers; check exact will hardly ever pass")
    found.reasons.append(
        f"{different} different answers in {len(values)} rows are no numbers: check exact, capitals aside"
    )
    return {"kind": "exact", "answer": answer, "ignore_case": True}


def _offered(found: Guess, columns: Columns) -> dict[str, Any] | None:
    """The choices of every row, and the prompt grown by them; None where there are none."""
    lists = columns.named(CHOICES)
    if lists is not None and columns.every(lists, lambda value: isinstance(value, list) and len(value) > 1):
        _show(found, lists, f"{{{lists}}}")
        return {"choices": lists}
    letters = [
        name for letter in LETTERS if (name := columns.named((letter.lower(), f"option_{letter.lower()}"))) is not None
    ]
    if len(letters) < 2:
        return None
    lines = "\n".join(f"{letter}) {{{name}}}" for letter, name in zip(LETTERS, letters, strict=False))
    _show(found, letters[0], lines)
    return {"choices": letters}


def _show(found: Guess, column: str, lines: str) -> None:
    """Put the choices below the prompt, unless it shows them."""
    if found.prompt is not None and column not in columns_of(found.prompt):
        found.prompt = f"{found.prompt}\n\n{lines}"
