"""The help texts: one page per place, and what each number means, from the Markdown files in tui/help/."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

from rrr_local.actions import Action, Place, at

FOLDER = Path(__file__).parent / "help"


def page(place: Place) -> str:
    """The page of a place, in Markdown, without its heading."""
    return _read(place)


@cache
def numbers() -> Mapping[str, str]:
    """What each number means, by its name as the screens show it."""
    sections = _read("numbers").split("\n## ")[1:]
    pairs = (section.split("\n", 1) for section in sections)
    return {name.strip(): " ".join(text.split()) for name, text in pairs}


def meaning(term: str) -> str:
    """What a number means, in a few sentences. Raises `KeyError` when nothing is written about it."""
    return numbers()[term]


def actions(place: Place) -> tuple[Action, ...]:
    """Every action of a place that has a key or a slash command."""
    return tuple(action for action in at(place) if action.keys or action.slash)


def _read(name: str) -> str:
    return (FOLDER / f"{name}.md").read_text(encoding="utf-8").split("\n", 1)[1].strip()
