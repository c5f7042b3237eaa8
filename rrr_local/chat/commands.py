"""The line under the prompt: what `/` commands there are, what a typed line means, and how one is completed.

/wrong it used 4 twice      the action `wrong` with an argument
What is 3 * 7?              a prompt
//etc is a folder           a prompt that begins with one slash
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rrr_local.actions import ACTIONS, Action, by_slash
from rrr_local.config import SCHEMA
from rrr_local.errors import UsageError

COMMAND = re.compile(r"/([A-Za-z][A-Za-z-]*)(?:\s+(.*))?", re.DOTALL)
"""A slash and a word, then nothing or a space: `/usr/bin` is text."""
SLASHES: tuple[Action, ...] = tuple(action for action in ACTIONS if action.slash is not None)
SETTABLE: tuple[str, ...] = tuple(
    setting.key for setting in SCHEMA if setting.group in ("chat", "ui") and setting.key != "ui.welcomed"
)
FIXED: Mapping[str, tuple[str, ...]] = {
    "trace": ("fail", "always", "never"),
    "export": ("md", "json"),
    "branch": ("next", "previous"),
    "set": tuple(key.partition(".")[2] for key in SETTABLE),
}
"""What may follow a command, where that is always the same."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """Something to ask the model."""

    text: str


@dataclass(frozen=True, slots=True)
class Command:
    """An action to carry out."""

    action: Action
    argument: str
    """What followed it, without the spaces around; may be empty."""


@dataclass(frozen=True, slots=True)
class Completion:
    """One way to go on with a half typed line."""

    text: str
    """The whole line as it would be."""
    label: str
    """What it is listed as."""
    hint: str
    """What it does, for a person."""


def parse(line: str) -> Prompt | Command:
    """What a typed line means. Raises `UsageError` for an unknown command, with close matches."""
    if line.startswith("//"):
        return Prompt(line[1:])
    match = COMMAND.fullmatch(line.strip())
    if match is None:
        return Prompt(line)
    action = by_slash(match[1].lower())
    if action is None:
        close = difflib.get_close_matches(match[1].lower(), [each.slash or "" for each in SLASHES], n=3, cutoff=0.5)
        meant = f"did you mean {', '.join('/' + name for name in close)}? " if close else ""
        raise UsageError(f"there is no command /{match[1]}", f"{meant}/help lists them; // begins a text with a slash")
    return Command(action, (match[2] or "").strip())


def complete(line: str, arguments: Mapping[str, Sequence[str]] | None = None) -> list[Completion]:
    """How a line that begins with a slash can go on, best first; empty for a prompt.

    `arguments` are what may follow a command, by its name, besides what is in `FIXED`.
    """
    if not line.startswith("/") or line.startswith("//"):
        return []
    command, space, rest = line[1:].partition(" ")
    if not space:
        return _commands(command.lower())
    action = by_slash(command.lower())
    known = {**FIXED, **(arguments or {})}.get(command.lower(), ())
    if action is None:
        return []
    ranked = _ranked(rest, [(each, each) for each in known])
    return [Completion(f"/{command} {each}", each, action.help) for each in ranked]


def _commands(typed: str) -> list[Completion]:
    actions = {action.slash or "": action for action in SLASHES}
    names = _ranked(typed, [(name, f"{name} {action.title}".lower()) for name, action in actions.items()])
    return [_completion(actions[name]) for name in names]


def _completion(action: Action) -> Completion:
    text = f"/{action.slash}"
    return Completion(f"{text} " if action.argument else text, f"{text} {action.argument}".rstrip(), action.help)


def _ranked(typed: str, among: Sequence[tuple[str, str]]) -> list[str]:
    """The names whose text holds the typed letters in order; the closest first, equals in their own order."""
    found = [
        (score, index, name) for index, (name, text) in enumerate(among) if (score := fuzzy(typed, text)) is not None
    ]
    return [name for _, _, name in sorted(found)]


def fuzzy(typed: str, text: str) -> tuple[int, int] | None:
    """How far `text` is from what was typed, smaller is closer; None where it lacks one of its letters in order.

    First come texts that begin with it, then those that hold it in one piece, then those with its letters apart.
    """
    typed, text = typed.casefold(), text.casefold()
    if text.startswith(typed):
        return 0, len(text)
    if typed in text:
        return 1, text.index(typed)
    at, gaps = -1, 0
    for letter in typed:
        found = text.find(letter, at + 1)
        if found < 0:
            return None
        gaps += found - at - 1
        at = found
    return 2, gaps


def setting_key(name: str) -> str:
    """The setting that a person calls `name`: `temp` is `chat.temperature`. Raises `UsageError`."""
    name = name.strip()
    if name in SETTABLE:
        return name
    for fits in (str.__eq__, str.startswith):
        found = [key for key in SETTABLE if fits(key.partition(".")[2], name)]
        if len(found) == 1 and name:
            return found[0]
    raise UsageError(f"there is no setting {name!r} to set here", f"one of {', '.join(FIXED['set'])}")
