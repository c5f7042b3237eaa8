"""A new task out of a file of rows: what was guessed, three examples that were checked, and what may be changed before it is written.

Everything is `rrr_local.tasks.files.new`, as for `rrr tasks new`. Reading, checking and writing are done in a thread: a check of the
person's own may take its time.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from rrr_local.errors import RrrError
from rrr_local.tasks.bench import Trial, trials
from rrr_local.tasks.files.guess import Said
from rrr_local.tasks.files.new import Proposal, Wanted, create, propose
from rrr_local.tasks.files.rows import BadRows
from rrr_local.tasks.find import own_tasks
from rrr_local.text import sanitize
from rrr_local.verifiers.checks import KINDS
from tui.typed import app_of
from tui.widgets.dialog import Choose
from tui.widgets.episode import verdict_content

FIELDS = {
    "name": "name",
    "prompt": "prompt, with columns in braces",
    "answer": "column with the answer",
    "check": "check",
}
"""What a person may say; what is left empty is guessed."""
MOST_LINES = 100
"""Bad rows that are shown one by one."""


@dataclass(frozen=True, slots=True)
class Look:
    """What a file would be as a task."""

    proposal: Proposal
    judged: tuple[tuple[Trial, ...], ...]
    """For each example, replies with their verdicts."""


def look(file: Path, wanted: Wanted) -> Look:
    """Read the file and check the examples. Raises what `propose` does."""
    proposal = propose(file, wanted)
    return Look(proposal, tuple(tuple(trials(proposal.task, problem)) for problem in proposal.examples))


class NewTaskScreen(ModalScreen[str | None]):
    """Gives the name of the task that was written, or None."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "Leave", show=False),
        Binding("ctrl+s", "create", "Create", show=False, priority=True),
        Binding("ctrl+b", "skip_bad", "Skip bad rows", show=False, priority=True),
    ]
    DEFAULT_CSS = """
    NewTaskScreen {
        .row { height: 1; }
        .row Static { width: 32; color: $text-muted; }
        .row Input { width: 1fr; }
        VerticalScroll { height: 1fr; margin-top: 1; }
    }
    """

    def __init__(self, file: Path) -> None:
        super().__init__()
        self._file = file
        self._skip_bad = False
        self._look: Look | None = None
        """None while it is not clear what the file is."""

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog -large"):
            yield Static(Content(f"A task out of {sanitize(self._file.name, 80)}"), classes="title", markup=False)
            for name, label in FIELDS.items():
                with Horizontal(classes="row"):
                    yield Static(Content(label), markup=False)
                    yield Input(compact=True, id=name)
            with VerticalScroll():
                yield Static(id="shown", markup=False)
            hint = "enter looks again, ctrl+s writes the task, esc writes nothing"
            yield Static(Content(hint), classes="hint", markup=False)

    def on_mount(self) -> None:
        self._look_again()

    def on_input_submitted(self) -> None:
        self._look_again()

    def action_leave(self) -> None:
        self.dismiss(None)

    def action_skip_bad(self) -> None:
        """Leave rows out that cannot be used, or take that back."""
        self._skip_bad = not self._skip_bad
        self._look_again()

    @work(exclusive=True, group="look")
    async def _look_again(self) -> None:
        self._look = None
        self._show([Content.styled("reading the file", "$foreground-muted")])
        try:
            self._look = await asyncio.to_thread(look, self._file, self._wanted())
        except BadRows as error:
            self._show(_bad(error))
        except RrrError as error:
            self._show(
                [Content.styled(sanitize(error.cause, 500), "$text-error"), Content(sanitize(error.way_out, 500))]
            )
        else:
            self._guessed(self._look.proposal)
            self._show(list(self._words(self._look)))

    @work(exclusive=True, group="create")
    async def action_create(self) -> None:
        """Write what is shown."""
        if self._look is None:
            app_of(self).say("there is nothing to write yet", error=True)
            return
        proposal = self._look.proposal
        over = proposal.task.name in own_tasks()
        if over:
            question = f"There is a task {proposal.task.name} already."
            if await app_of(self).push_screen_wait(Choose(question, [("r", "replace it")])) is None:
                return
        try:
            await asyncio.to_thread(create, proposal, over=over)
        except RrrError as error:
            app_of(self).show_error(error)
            return
        self.dismiss(proposal.task.name)

    def _wanted(self) -> Wanted:
        said = {name: self.query_one(f"#{name}", Input).value.strip() or None for name in FIELDS}
        return Wanted(said["name"], said=Said(said["prompt"], said["answer"], said["check"]), skip_bad=self._skip_bad)

    def _guessed(self, proposal: Proposal) -> None:
        """Show in the fields what they are while they are empty."""
        answer = str(proposal.check.get("answer", "none"))
        values = (proposal.task.name, proposal.prompt, answer, str(proposal.check["kind"]))
        for name, value in zip(FIELDS, values, strict=True):
            self.query_one(f"#{name}", Input).placeholder = " ".join(sanitize(value, 300).split())

    def _show(self, lines: list[Content]) -> None:
        self.query_one("#shown", Static).update(Content("\n").join(lines))
        self.query_one(VerticalScroll).scroll_home(animate=False)

    def _words(self, found: Look) -> Iterator[Content]:
        proposal, loaded = found.proposal, found.proposal.loaded
        count = len(loaded.train) + len(loaded.eval)
        yield Content(f"{count} problems, {len(loaded.train)} to train on, {len(loaded.eval)} held out")
        yield Content(sanitize(f"columns: {', '.join(proposal.columns)}", 500))
        for line in proposal.reasons:
            yield Content(sanitize(f"guessed: {line}", 300))
        for line in proposal.doubts:
            yield Content.styled(sanitize(f"{app_of(self).symbols.broken} doubtful: {line}", 300), "$text-warning")
        for line in (*loaded.bad[:MOST_LINES], *loaded.duplicates[:MOST_LINES]):
            yield Content.styled(sanitize(f"left out: {line}", 300), "$foreground-muted")
        options = ", ".join(f"{key} = {json.dumps(value)}" for key, value in proposal.check.items())
        kind = KINDS.get(str(proposal.check["kind"]), "")
        yield Content(sanitize(f"check: {options}" + (f"  ({kind})" if kind else ""), 600))
        for number, (problem, judged) in enumerate(zip(proposal.examples, found.judged, strict=True), 1):
            yield Content.assemble((f"\nproblem {number}  ", "bold"), " ".join(sanitize(problem.prompt, 600).split()))
            for trial in judged:
                verdict = verdict_content(trial.verdict.kind, app_of(self).symbols, trial.verdict.reason)
                yield Content.assemble(f"  {sanitize(trial.reply, 200) or '(empty)'}  ", verdict)


def _bad(error: BadRows) -> list[Content]:
    lines = [Content.styled(f"{len(error.lines)} rows cannot be used", "$text-error")]
    lines += [Content(sanitize(line, 300)) for line in error.lines[:MOST_LINES]]
    return [*lines, Content("\nmend the file and press enter, or leave these rows out with ctrl+b")]
