"""The app with two keys more, for what it cannot be made to do otherwise: `python -m tests.tui.odd_app`.

f11   a bug in a handler, with the prompt in a local variable and in the message
f12   a trainer is started: 200 small steps
"""

from __future__ import annotations

import sys
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.widgets import TextArea

from rrr_local.engine.plan import Plan
from tui import terminal
from tui.app import RrrApp
from tui.services import opened

SMALL = ("failures=16", "failures_per_step=2", "group_size=4", "checkpoint_every=5")


class OddApp(RrrApp):
    """For tests."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f11", "bug", show=False, priority=True),
        Binding("f12", "train", show=False, priority=True),
    ]

    def action_bug(self) -> None:
        prompt = self.screen.query_one(TextArea).text
        raise RuntimeError(f"cannot digest {prompt}")

    def action_train(self) -> None:
        self.services.trainers.start(Plan(name="run-9", model="tiny", task="countdown", steps=200, settings=SMALL))


def main() -> int:
    with terminal.logging_to_file(), opened() as services:
        app = OddApp(services)
        app.run()
        return app.return_code or 0


if __name__ == "__main__":
    sys.exit(main())
