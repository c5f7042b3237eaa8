"""The registry of actions: one key does one thing in a place, and every key arrives."""

from __future__ import annotations

import pytest
from textual.binding import Binding
from textual.widgets import Input, TextArea

from rrr_local.actions import ACTIONS, Place, at, by_slash

SAME_AS = {"ctrl+i": "tab", "ctrl+m": "enter", "ctrl+h": "backspace"}
"""Keys that a terminal cannot tell from another one."""
TMUX = "ctrl+b"
"""Whoever works in tmux never gets this one through."""
OWN_KEYS = ("enter", "ctrl+j", "f6", "f7")
"""Keys of a text field that the chat's prompt handles itself, or gives up."""


def taken_by_text_fields() -> set[str]:
    bindings = [*Input.BINDINGS, *TextArea.BINDINGS]
    return {key for each in bindings if isinstance(each, Binding) for key in each.key.split(",")}


@pytest.mark.parametrize("place", Place)
def test_no_key_and_no_name_is_there_twice_in_a_place(place: Place) -> None:
    keys = [key for action in at(place) for key in action.keys]
    assert len(keys) == len(set(keys))
    names = [action.name for action in at(place)]
    assert len(names) == len(set(names))


def test_no_slash_command_is_there_twice() -> None:
    names = [action.slash for action in ACTIONS if action.slash]
    assert len(names) == len(set(names))
    assert all(by_slash(name) is not None for name in names)
    assert by_slash("nothing") is None


def test_keys_reach_the_app_also_while_somebody_types() -> None:
    every = {key for action in ACTIONS for key in action.keys}
    assert every.isdisjoint(SAME_AS) and TMUX not in every
    # Letters and digits act only outside a field; what must act inside it must not be the field's own.
    inside = {key for key in every if key.startswith("ctrl+") or (key[0] == "f" and key[1:].isdigit())}
    assert inside - set(OWN_KEYS) != set()
    assert (inside - set(OWN_KEYS)).isdisjoint(taken_by_text_fields())


def test_every_action_explains_itself() -> None:
    for action in ACTIONS:
        assert action.help.endswith(".") and action.title and action.places
        assert action.name.replace("-", "_").isidentifier()
        assert action.slash is not None or action.keys, action.name


@pytest.mark.parametrize("place", Place)
def test_every_place_can_be_gone_to_from_everywhere(place: Place) -> None:
    for here in Place:
        go = next(action for action in at(here) if action.name == f"go-{place}")
        assert go.keys == (str(place.number), f"f{place.number + 1}")
        assert go.slash == place.value and go.title == place.label
