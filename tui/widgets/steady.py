"""Containers that are laid out once when they grow.

A container whose content has become larger asks for a layout of the whole page, in Textual in general because bars to scroll with may have
to appear. Here the layout in which it grew is the one that is asked for: without bars of its own nothing would come out of a second one.
"""

from __future__ import annotations

from textual.geometry import Size
from textual.reactive import Reactive
from textual.widget import Widget


class Steady(Widget):
    """To inherit from behind a container or a text (Textual takes the sheet of the first base). Bars to scroll with ask for a layout of
    their own when they come or go."""

    virtual_size: Reactive[Size] = Reactive(Size(0, 0))
