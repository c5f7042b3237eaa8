"""An empty chat: what happens here, three problems to click, and what to expect of the model."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Static

from rrr_local.chat.problems import Problems
from rrr_local.errors import RrrError
from rrr_local.tasks.find import BUNDLED
from tui.widgets.act import Act
from tui.widgets.prose import first_line

EXAMPLES = 3
TOY = "tiny is a toy: made for countdown, to try the app with. To anything else it answers nonsense."


class Empty(Vertical):
    """It goes away with the first question."""

    DEFAULT_CSS = """
    Empty { height: auto; padding: 0 2; color: $text-muted; }
    Empty .title { color: $text; text-style: bold; }
    Empty Act { margin: 0 0 0 2; width: 100%; text-wrap: nowrap; text-overflow: ellipsis; }
    Empty .toy { margin: 1 0 0 0; }
    """

    def __init__(self, *, toy: bool) -> None:
        """`toy`: whether the embedded model answers."""
        super().__init__()
        self.toy = toy

    def compose(self) -> ComposeResult:
        yield Static(
            Content("Ask, and say when it is wrong: it reflects, retries, and can be trained on what helped."),
            classes="title",
        )
        yield Static(Content("Problems that check themselves, to click:"))
        for number, (task, problem) in enumerate(examples(), 1):
            yield Act(f"{number}. {first_line(problem)}", "example", f"{task}\n{problem}")
        yield Static(Content("or type your own below. /task chooses a task, /open an earlier chat."))
        if self.toy:
            yield Static(Content(TOY), classes="toy")


def examples() -> list[tuple[str, str]]:
    """Task and text of the first problems of the first bundled task; of one task, since each costs the start as much as the screen does."""
    name = next(iter(BUNDLED))
    try:
        problems = Problems(name)
    except RrrError:  # the files of a bundled task are missing: the doctor says so
        return []
    return [(name, problems.number(number)) for number in range(EXAMPLES)]
