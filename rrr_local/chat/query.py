"""The filter a person types: words to find, and `key:value` pairs that narrow.

    outcome:fixed task:countdown judge:user kind:chat run:run-8 excluded:yes   product  24

Pairs are read from anywhere in the line; what is not a known pair is text, so that `http://x` and `3:4` find themselves. The last
of two pairs with one key counts.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rrr_local.store.history import EpisodeFilter, Judge, Outcome
from rrr_local.store.records import SessionKind

_CHOICES: Mapping[str, Mapping[str, Any]] = {
    "outcome": {outcome.value: outcome for outcome in Outcome},
    "judge": {judge.value: judge for judge in Judge},
    "kind": {kind.value: kind for kind in SessionKind},
    "excluded": {"yes": True, "no": False},
}
"""What each key takes, and what it means."""
_FREE = ("task", "run")
"""Keys whose value is a name."""
KEYS = (*_CHOICES, *_FREE)
_PAIR = re.compile(rf"(?:^|(?<=\s))({'|'.join(KEYS)}):(\S*)(?:\s+|$)", re.IGNORECASE)

CHIPS = (
    "outcome:passed",
    "outcome:fixed",
    "outcome:failed",
    "outcome:unchecked",
    "kind:chat",
    "judge:user",
    "excluded:yes",
)
"""Filters offered one after the other."""


@dataclass(frozen=True, slots=True)
class Query:
    """What a line asks for."""

    which: EpisodeFilter
    problems: tuple[str, ...] = ()
    """What was not understood, one sentence each; those pairs do not narrow."""

    @property
    def narrows(self) -> bool:
        """Whether anything is left out."""
        return self.which != EpisodeFilter()


def parse(line: str) -> Query:
    """Read a line. Never fails: what it does not understand it names."""
    found: dict[str, Any] = {}
    problems = []
    for match in _PAIR.finditer(line):
        key, value = match[1].lower(), match[2]
        choices = _CHOICES.get(key)
        if not value:
            continue  # still being typed
        if choices is None:
            found[key] = value
        elif value.lower() in choices:
            found[key] = choices[value.lower()]
        else:
            problems.append(_unknown(key, value, choices))
    return Query(EpisodeFilter(text=" ".join(_PAIR.sub(" ", line).split()), **found), tuple(problems))


def next_chip(line: str) -> str:
    """The line with the next of `CHIPS` in place of the one it has; after the last one, without any."""
    words = line.split()
    here = next((CHIPS.index(word) for word in words if word in CHIPS), -1)
    rest = [word for word in words if word not in CHIPS]
    return " ".join([*CHIPS[here + 1 : here + 2], *rest])


def _unknown(key: str, value: str, choices: Mapping[str, object]) -> str:
    close = difflib.get_close_matches(value.lower(), list(choices), n=1)
    hint = f"did you mean {key}:{close[0]}?" if close else f"choose {', '.join(choices)}"
    return f"{key} cannot be {value[:40]}; {hint}"
