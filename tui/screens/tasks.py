"""Tasks: problems with a verifier. How well they go, what they look like, where person and verifier disagree; try, collect, test."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import aclosing
from pathlib import Path

from textual import work
from textual.app import ComposeResult
from textual.containers import Container, VerticalScroll
from textual.content import Content
from textual.widgets import Static

from rrr_local.actions import Place
from rrr_local.engine.jobs import Result, Step
from rrr_local.episode import Problem, Split
from rrr_local.errors import RrrError
from rrr_local.store import queries
from rrr_local.store.tasks_read import Dispute, disputes
from rrr_local.tasks.files.new import remove
from rrr_local.tasks.question import NAME as QUESTION
from rrr_local.text import sanitize
from tui.doors import take_to_chat
from tui.guard import Guard
from tui.place import PlaceScreen
from tui.screens.new_task import NewTaskScreen
from tui.task_rows import COLUMNS, TaskRow, as_row, task_rows
from tui.widgets.bench import Bench
from tui.widgets.dialog import Choose, Type
from tui.widgets.episode import WORDS, first_sentence
from tui.widgets.pager import Key, Pager, Row
from tui.widgets.status import KeyBar, TopBar

COLLECTED = 30
EXAMPLES = 3
DISPUTES = 20


class TasksScreen(PlaceScreen):
    """A list, and what is known about the chosen task."""

    PLACE = Place.TASKS
    CSS_PATH = "tasks.tcss"

    def __init__(self) -> None:
        super().__init__()
        self._rows: dict[str, TaskRow] = {}
        self._next: dict[str, int] = {}
        """Which problem of each task is taken to the chat next."""
        self._collecting = False
        self._guard = Guard(self.rrr)

    @property
    def pager(self) -> Pager:
        return self.query_one(Pager)

    def compose(self) -> ComposeResult:
        yield TopBar()
        yield Pager(COLUMNS, self._fetch)
        with Container(id="body"):
            with VerticalScroll(id="detail"):
                yield Static(id="about", markup=False)
            yield Bench(self.rrr.symbols)
        yield Static(id="progress", classes="info", markup=False)
        yield KeyBar()

    def on_mount(self) -> None:
        self.query_one(Bench).display = False
        self.rrr.settings_changed.subscribe(self, lambda _: self.reload())

    def on_screen_resume(self) -> None:
        self.reload()
        self.pager.focus()

    def reload(self) -> None:
        """Read the list again, if somebody looks at it."""
        if self.rrr.current_mode == self.PLACE:
            self.query_one(Bench).symbols = self.rrr.symbols
            self._load()

    @work(exclusive=True, group="rows")
    async def _load(self, go_to: str | None = None) -> None:
        with self._guard():
            rows = await asyncio.to_thread(task_rows, self.services.store)
            self._rows = {row.name: row for row in rows}
            self.pager.reload()
            if go_to is not None:
                self.pager.go_to(go_to)

    def _fetch(self, after: Key | None, limit: int) -> Sequence[Row]:
        rows = list(self._rows.values())
        start = 0 if after is None else next((i + 1 for i, row in enumerate(rows) if row.name == after), len(rows))
        return [as_row(row) for row in rows[start : start + limit]]

    def chosen(self) -> TaskRow | None:
        """The task with the cursor."""
        return self._rows.get(str(self.pager.key))

    # Drawing

    def on_pager_chosen(self) -> None:
        with self._guard():
            self._show_chosen()

    def _show_chosen(self) -> None:
        row = self.chosen()
        if row is not None:
            self.query_one("#about", Static).update(Content("\n").join(list(self._about(row))))
            self.query_one("#detail").scroll_home(animate=False)
            if row.task is not None:
                self.query_one(Bench).show(row.task, self._problem(row))
        self.refresh_bindings()

    def _about(self, row: TaskRow) -> Iterator[Content]:
        yield Content.assemble((sanitize(row.name, 100), "bold"), f"  {row.about}")
        if row.problem:
            yield Content.styled(
                f"{self.rrr.symbols.failed} it cannot be used: {sanitize(row.problem, 400)}", "$text-error"
            )
            return
        yield Content.assemble(("verifier  ", "$foreground-muted"), " ".join(row.verifier.split()))
        for number, problem in enumerate(self._examples(row)):
            words = first_sentence(problem.prompt) if number else " ".join(sanitize(problem.prompt, 600).split())
            yield Content.assemble(("example   ", "$foreground-muted"), words)
        found = disputes(self.services.store.reader(), row.name, DISPUTES)
        if found:
            yield Content.styled(f"\n{self.rrr.symbols.broken} you and the verifier disagree", "$text-warning")
        for each in found:
            yield self._dispute(each)

    def _dispute(self, each: Dispute) -> Content:
        return Content.assemble(
            (f"  attempt {each.attempt_id}: ", "bold"),
            f"the verifier says {WORDS[each.verifier]} ({sanitize(each.reason, 200)}), you say {WORDS[each.person]}",
            (f"\n    {' '.join(sanitize(each.reply, 600).split())[:300]}", "$foreground-muted"),
        )

    def _examples(self, row: TaskRow) -> Sequence[Problem]:
        return row.task.problems(Split.TRAIN)[:EXAMPLES] if row.task is not None and row.name != QUESTION else ()

    def _problem(self, row: TaskRow) -> Problem | None:
        """The problem that comes next; None for a question of one's own."""
        if row.task is None or not row.train:
            return None
        return row.task.problems(Split.TRAIN)[self._next.get(row.name, 0) % row.train]

    # Actions

    async def on_pager_opened(self) -> None:
        if self.can("try"):
            await self.perform("try")

    async def do_try(self, argument: str = "") -> None:
        """Take one of its problems to the chat, another one each time."""
        row = self.chosen()
        problem = None if row is None else self._problem(row)
        if row is not None and problem is not None:
            self._next[row.name] = self._next.get(row.name, 0) + 1
            await take_to_chat(self.rrr, row.source, problem)

    def do_collect(self, argument: str = "") -> None:
        """Attempt problems until enough have failed; while it goes on, stop that."""
        row = self.chosen()
        if self._collecting:
            self.workers.cancel_group(self, "collect")
        elif row is not None:
            self._collect(row.source)

    @work(exclusive=True, group="collect")
    async def _collect(self, task: str) -> None:
        settings, progress = self.services.settings, self.query_one("#progress", Static)
        # Another seed each time: the same one would give the same failures again.
        seed = queries.last_attempt(self.services.store.reader())
        model = settings.get("chat.model")
        arguments = ["collect", "-n", str(COLLECTED), "--task", task, "--model", model, "--seed", str(seed)]
        self._collecting, said = True, "stopped; what had failed so far is kept"
        self.refresh_bindings()
        progress.update(Content(f"collecting failures of {task}: loading the model"))
        try:
            async with aclosing(self.services.jobs.run(arguments)) as events:
                async for event in events:
                    if isinstance(event, Step):
                        progress.update(Content(_step_words(task, event)))
                    else:
                        said = _result_words(event)
        except RrrError as error:
            said = f"{self.rrr.symbols.failed} {error.cause}: {error.way_out}"
        finally:
            self._collecting = False
            progress.update(Content(sanitize(said, 400)))
            self.reload()

    def do_bench(self, argument: str = "") -> None:
        """Open the bench, or close it."""
        bench = self.query_one(Bench)
        bench.display = not bench.display
        if bench.display:
            bench.query_one("TextArea").focus()
        else:
            self.pager.focus()

    @work(exclusive=True, group="new")
    async def do_new(self, argument: str = "") -> None:
        """Make a task out of a file of rows."""
        file: str | None = argument
        if not file:
            question, hint = "A file of rows: CSV, JSONL or a JSON list", "enter reads it; nothing is written yet"
            file = await self.app.push_screen_wait(Type(question, "", hint))
        if not file or not file.strip():
            return
        made = await self.app.push_screen_wait(NewTaskScreen(Path(file.strip()).expanduser()))
        if made is not None:
            self.rrr.say(f"the task {made} is written; b is the bench, c collects failures")
            self._load(made)

    @work(exclusive=True, group="new")
    async def do_remove(self, argument: str = "") -> None:
        """Remove a task of one's own."""
        row = self.chosen()
        if row is None:
            return
        question = f"Remove the task {row.name}? What was tried on it stays in the log."
        if await self.app.push_screen_wait(Choose(question, [("r", "remove it")])) is None:
            return
        try:
            await asyncio.to_thread(remove, row.name)
        except RrrError as error:
            self.rrr.show_error(error)
        self._load()

    def do_back(self, argument: str = "") -> None:
        """Back to the list."""
        self.query_one(Bench).display = False
        self.pager.focus()

    def can(self, name: str) -> bool | None:
        row = self.chosen()
        usable = row is not None and row.task is not None
        match name:
            case "try":
                return usable and bool(row and row.train)
            case "collect":
                return self._collecting or (usable and bool(row and row.train) and not self.rrr.read_only)
            case "bench":
                return usable
            case "new":
                return not self.rrr.read_only
            case "remove":
                return row is not None and row.own and not self.rrr.read_only
            case "back":
                return not self.pager.has_focus
            case _:
                return True


def _step_words(task: str, step: Step) -> str:
    return f"collecting failures of {sanitize(task, 60)}: {step.done} of {step.total}, {sanitize(step.note, 60)}  (c stops it)"


def _result_words(result: Result) -> str:
    document = result.document
    return f"{document['failures']} failures in {document['attempts']} attempts are kept; 2 or F3 trains on them"
