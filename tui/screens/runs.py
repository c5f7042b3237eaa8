"""Runs: all of them with what they brought, their curves over each other, the same problems before and after, and the lessons."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import ContentSwitcher, Static

from rrr_local import paths
from rrr_local.actions import Place
from rrr_local.engine.detached import Ask
from rrr_local.errors import ModelError, RrrError
from rrr_local.evaluation.card import card
from rrr_local.models.find import find_model
from rrr_local.store import queries
from rrr_local.store.queries import Run
from rrr_local.store.runs_read import lessons
from rrr_local.text import sanitize
from tui.doors import loadable
from tui.files import save
from tui.guard import Guard
from tui.place import PlaceScreen
from tui.widgets import gain_words
from tui.widgets.act import Act
from tui.widgets.comparison import Comparison
from tui.widgets.dialog import Choose, Type
from tui.widgets.pager import Pager
from tui.widgets.problems import Problems, Which
from tui.widgets.raster import chosen_marks
from tui.widgets.run_rows import COLUMNS, RunRows
from tui.widgets.status import KeyBar, Number, TopBar

LESSONS = 50
EMPTY = "No runs yet.\nA run trains an adapter on failures, and is measured before and after on problems it never trains on.\n2 or F3 starts one."
COMPARING = ("only-changed", "newly-broken", "previous-problem", "next-problem")


class RunsScreen(PlaceScreen):
    """The list with the chosen run below it; two pages behind it: compare, and lessons."""

    PLACE = Place.RUNS
    CSS_PATH = "runs.tcss"

    @property
    def pager(self) -> Pager:
        return self.query_one(Pager)

    def __init__(self) -> None:
        super().__init__()
        self.rows = RunRows(self.services.store, self.services.trainers, self.rrr.symbols)
        self._guard = Guard(self.rrr)

    def compose(self) -> ComposeResult:
        yield TopBar()
        with ContentSwitcher(initial="list"):
            with Vertical(id="list"):
                yield Pager(COLUMNS, self.rows.fetch)
                with VerticalScroll(id="summary"):
                    yield Number("held-out", id="facts")
            yield Comparison(id="compare")
            with VerticalScroll(id="lessons"):
                yield Static(id="told", markup=False)
        yield KeyBar()

    def on_mount(self) -> None:
        self.rrr.runs_changed.subscribe(self, lambda _: self.reload())
        self.rrr.settings_changed.subscribe(self, lambda _: self.reload())
        self.query_one("#summary").can_focus = False

    def on_screen_resume(self) -> None:
        self.reload()
        self.pager.focus()

    def reload(self) -> None:
        """Read the list again, if somebody looks at it."""
        if self.rrr.current_mode != self.PLACE:
            return
        with self._guard():
            self._reload()

    def _reload(self) -> None:
        settings = self.services.settings
        self.rows.symbols = self.rrr.symbols
        self.rows.in_use = settings.get("chat.adapter")
        self.pager.reload()

    def show_run(self, name: str) -> None:
        """Put the cursor on a run. Raises `NotFoundError`."""
        run = queries.run(self.services.store.reader(), name)
        self.do_back()
        self.pager.reload(first=True)
        while not self.pager.go_to(run.summary.id) and self.pager.has_more:
            self.pager.turn(1)

    def chosen(self) -> Run | None:
        """The run with the cursor."""
        key = self.pager.key
        return None if key is None else queries.run(self.services.store.reader(), str(key))

    # Drawing

    def on_pager_chosen(self) -> None:
        with self._guard():
            self._show_chosen()

    def _show_chosen(self) -> None:
        run = self.chosen()
        self.pager.display = run is not None
        self.query_one("#summary").set_class(run is None, "-alone")
        self.query_one("#facts", Static).update(Content(EMPTY) if run is None else self._facts(run))
        if run is not None and self._page == "compare":
            self._compare(run)
        self.refresh_bindings()

    def on_pager_opened(self) -> None:
        self.do_compare()

    @property
    def _page(self) -> str | None:
        return self.query_one(ContentSwitcher).current

    def _facts(self, run: Run) -> Content:
        held_out, replay, everyday = self.rows.gains(run.summary)
        symbols, summary = self.rrr.symbols, run.summary
        lines = [
            Content.assemble(
                (sanitize(summary.name), "bold"), f"  {sanitize(summary.task)}, seed {run.seed}, {_where(run)}"
            ),
            Content.styled(f"note: {sanitize(run.note, 300)}", "$text-accent") if run.note else Content(""),
            Content.styled(f"error: {sanitize(summary.error, 300)}", "$text-error") if summary.error else Content(""),
            Content.styled(f"{symbols.broken} {missing}", "$text-warning")
            if (missing := _missing(run))
            else Content(""),
            gain_words.gain_lines("Held-out problems", held_out, symbols),
            gain_words.yours_line(replay, symbols),
            gain_words.gain_lines("Everyday questions: did it forget anything?", everyday, symbols)
            if everyday
            else Content(""),
        ]
        return Content("\n").join([line for line in lines if line.plain])

    def _compare(self, run: Run) -> None:
        connection = self.services.store.reader()
        marked = [queries.run(connection, run_id) for run_id in self.rows.marked]
        gains = [found for found in self.rows.gains(run.summary) if found is not None]
        marks = chosen_marks(self.services.settings)
        self.query_one(Comparison).show(connection, run, marked, gains, self.rrr.symbols, marks)

    # Actions

    def do_mark(self, argument: str = "") -> None:
        """Mark or unmark; up to three."""
        if self.pager.key is not None:
            self.rows.toggle(str(self.pager.key))
            self.reload()

    def do_compare(self, argument: str = "") -> None:
        """The page with curves and problems."""
        run = self.chosen()
        if run is not None:
            self.query_one(ContentSwitcher).current = "compare"
            self._compare(run)
            self.query_one("#before").focus()
            self.refresh_bindings()

    def do_lessons(self, argument: str = "") -> None:
        """The reflections that helped most often."""
        run = self.chosen()
        if run is not None:
            found = lessons(self.services.store.reader(), run.summary.id, LESSONS)
            title = Content.styled(f"What {sanitize(run.summary.name)} learned to tell itself\n", "bold")
            self.query_one("#told", Static).update(
                Content.assemble(title, gain_words.lesson_lines(found, self.rrr.symbols))
            )
            self.query_one(ContentSwitcher).current = "lessons"
            self.query_one("#lessons").focus()
            self.refresh_bindings()

    def do_back(self, argument: str = "") -> None:
        """Back to the list."""
        self.query_one(ContentSwitcher).current = "list"
        self.pager.focus()
        self.refresh_bindings()

    async def do_use(self, argument: str = "") -> None:
        """Chat with this run's adapter, now and from now on."""
        run = self.chosen()
        if run is None:
            return
        model = loadable(run)
        if self.rrr.set_setting("chat.model", model) and self.rrr.set_setting("chat.adapter", run.summary.name):
            self.rrr.say(f"the chat uses {run.summary.name} from now on")
            self.run_worker(self.rrr.load(model, run.summary.name), group="load", exclusive=True)

    def do_export(self, argument: str = "") -> None:
        """Copy the path of the adapter."""
        run = self.chosen()
        if run is not None and run.last_checkpoint is not None:
            self.rrr.copy(str(paths.data_folder() / run.last_checkpoint))

    def do_report(self, argument: str = "") -> None:
        """Write the card."""
        run = self.chosen()
        if run is not None:
            text = card(self.services.store.reader(), run.summary.id)
            save(self.rrr, f"{run.summary.name}.md", text)

    def do_note(self, argument: str = "") -> None:
        """Write a note."""
        run = self.chosen()
        if run is not None:
            self.app.push_screen(
                Type(f"Note on {run.summary.name}", run.note or ""), lambda text: self._noted(run, text)
            )

    def _noted(self, run: Run, text: str | None) -> None:
        if text is not None:
            self._change(lambda: self.services.store.update_run(run.summary.id, note=text.strip() or None))

    def do_discard(self, argument: str = "") -> None:
        """Ask, then delete the adapters."""
        run = self.chosen()
        if run is not None:
            question = (
                f"Delete what {run.summary.name} has learned? Its steps, samples and measurements stay in the log."
            )
            answers = (("d", "delete its adapters"), ("k", "keep them"))
            self.app.push_screen(Choose(question, answers), lambda answer: self._discarded(run, answer))

    def _discarded(self, run: Run, answer: str | None) -> None:
        if answer == "d":
            self._change(lambda: self.services.trainers.request(run.summary.name, Ask.DISCARD))

    def _change(self, change: object) -> None:
        assert callable(change)
        try:
            change()
        except RrrError as error:
            self.rrr.show_error(error)
        self.reload()

    def do_only_changed(self, argument: str = "") -> None:
        self.query_one(Problems).toggle(Which.CHANGED)

    def do_newly_broken(self, argument: str = "") -> None:
        self.query_one(Problems).toggle(Which.BROKEN)

    def do_previous_problem(self, argument: str = "") -> None:
        self.query_one(Problems).move(-1)

    def do_next_problem(self, argument: str = "") -> None:
        self.query_one(Problems).move(1)

    def on_act_clicked(self, event: Act.Clicked) -> None:
        """A key in brackets was clicked."""
        self.call_later(self.perform, event.act.action, event.act.argument)

    def can(self, name: str) -> bool | None:
        if name == "back":
            return self._page != "list"
        if name in COMPARING:
            return self._page == "compare"
        if name in ("mark", "compare") and self._page == "compare":
            return False
        if name in ("mark", "compare", "lessons", "report"):
            return self.pager.key is not None
        if name in ("use", "export", "discard", "note"):
            return self._can_use(name)
        return True

    def _can_use(self, name: str) -> bool | None:
        run = self.chosen()
        if run is None or (name != "export" and self.rrr.read_only):
            return False
        return True if name == "note" or run.last_checkpoint is not None else None


def _where(run: Run) -> str:
    return "its adapter is kept" if run.last_checkpoint else "no adapter"


def _missing(run: Run) -> str:
    """What is said when the base model is gone; empty while it is there."""
    try:
        find_model(run.summary.model or "")
    except ModelError:
        return f"its model {sanitize(run.summary.model or '', 100)} is not on this machine: it can be looked at, but not used"
    return ""
