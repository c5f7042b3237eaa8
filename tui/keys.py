"""Keys as a person reads them."""

from __future__ import annotations

from collections.abc import Mapping

from rrr_local.actions import Place, at

NAMES = {
    "question_mark": "?",
    "slash": "/",
    "left_square_bracket": "[",
    "right_square_bracket": "]",
    "escape": "esc",
    "delete": "del",
    "plus": "+",
    "minus": "-",
    "full_stop": ".",
    "comma": ",",
}


def shown(key: str) -> str:
    """`ctrl+g` is `^g`, `question_mark` is `?`."""
    *modifiers, name = key.split("+")
    name = NAMES.get(name, name.upper() if name.startswith("f") and name[1:].isdigit() else name)
    return "".join("^" if modifier == "ctrl" else f"{modifier}+" for modifier in modifiers) + name


def of(name: str, keymap: Mapping[str, str], place: Place = Place.CHAT) -> tuple[str, ...]:
    """The keys of an action of a place: the person's own, or the registered ones. Raises `StopIteration` where the place has none such."""
    action = next(action for action in at(place) if action.name == name)
    chosen = keymap.get(action.id)
    return action.keys if chosen is None else tuple(key.strip() for key in chosen.split(","))
