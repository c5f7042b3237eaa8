"""The turns of a conversation as a tree, and which path of it is shown.

Asking again or in other words adds a sibling, so every fork is kept. One child is shown under each turn: the newest, until a
person goes to another. Only ids live here.
"""

from __future__ import annotations


class Tree:
    """Turn ids by parent; None stands for the beginning."""

    def __init__(self) -> None:
        self._children: dict[int | None, list[int]] = {}
        self._parents: dict[int, int | None] = {}
        self._shown: dict[int | None, int] = {}

    def add(self, turn: int, parent: int | None) -> None:
        """Add a turn and show it, with everything above it; one that is known stays where it is."""
        if turn not in self._parents:
            self._parents[turn] = parent
            self._children.setdefault(parent, []).append(turn)
            self._show(turn)

    def path(self) -> list[int]:
        """The turns shown, first to last."""
        found: list[int] = []
        at: int | None = None
        while (at := self._shown.get(at)) is not None:
            found.append(at)
        return found

    def siblings(self, turn: int) -> list[int]:
        """The turns that begin where this one does, itself included, oldest first."""
        return self._children[self._parents[turn]]

    def step(self, turn: int, by: int) -> int:
        """Show the sibling that many places further, round the end; its id."""
        siblings = self.siblings(turn)
        other = siblings[(siblings.index(turn) + by) % len(siblings)]
        self._show(other)
        return other

    def _show(self, turn: int) -> None:
        at: int | None = turn
        while at is not None:
            parent = self._parents[at]
            self._shown[parent] = at
            at = parent
