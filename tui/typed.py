"""The app with its own type: Textual knows it only as some app."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from textual.message_pump import MessagePump

if TYPE_CHECKING:
    from tui.app import RrrApp


def app_of(node: MessagePump) -> RrrApp:
    """The app of a screen, a widget or a provider of commands."""
    return cast("RrrApp", node.app)
