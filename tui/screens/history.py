"""History: everything that happened, page by page; searched, filtered, excluded, exported, taken up again."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from functools import partial

from textual import work
from textual.app import ComposeResult
from textual.containers import Container, Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.timer import Timer
from textual.widgets import Input, Static

from rrr_local.actions import Place
from rrr_local.chat import episodes as files
from rrr_local.chat.query import Query, next_chip, parse
from rrr_local.chat.session import ChatSession
from rrr_local.engine.protocol import Judged
from rrr_local.errors import RrrError
from rrr_local.store import chats, history
from rrr_local.store.history import Day, EpisodeFilter, EpisodeSummary, Totals
from rrr_local.store.records import SessionKind
from rrr_local.store.tasks_read import source_of
from rrr_local.tasks.question import NAME as QUESTION
from tui.doors import take_to_chat
from tui.files import save
from tui.guard import Guard
from tui.place import PlaceScreen
from tui.widgets.dialog import Choose, Type
from tui.widgets.episode import WORDS, episode_content
from tui.widgets.episode_rows import COLUMNS, days_line, episode_row, totals_words
from tui.widgets.pager import Key, Pager, Row
from tui.widgets.status import KeyBar, Number, TopBar

HINT = "/ words, outcome:fixed task:countdown"
TYPING_S = 0.2
"""The list follows the filter this long after the last key."""
NOTHING = "Nothing yet.\nEvery question, every attempt at a problem and every retry is kept here. 1 or F2 goes to the chat; 5 or F6 to the tasks."
NO_MATCH = "No match.\nc clears the filter."


class HistoryScreen(PlaceScreen):
    """A filter, a list, and the chosen episode in full."""

    PLACE = Place.HISTORY
    CSS_PATH = "history.tcss"

    def __init__(self) -> None:
        super().__init__()
        self.query_now = Query(history.ANY)
        self._summaries: dict[Key, EpisodeSummary] = {}
        self._typing: Timer | None = None
        self._guard = Guard(self.rrr)

    @property
    def pager(self) -> Pager:
        return self.query_one(Pager)

    @property
    def line(self) -> Input:
        return self.query_one(Input)

    def compose(self) -> ComposeResult:
        yield TopBar()
        with Horizontal(id="search"):
            yield Input(placeholder=HINT, compact=True)
            yield Static(id="days", markup=False)
        yield Number("pass rate", id="totals")
        with Container(id="body"):
            with Vertical(id="left"):
                yield Pager(COLUMNS, self._fetch)
                yield Static(id="nothing", markup=False)
            with VerticalScroll(id="detail"):
                yield Static(id="episode", markup=False)
        yield KeyBar()

    def on_mount(self) -> None:
        self.rrr.settings_changed.subscribe(self, lambda _: self.reload())

    def on_screen_resume(self) -> None:
        self.reload()
        self.pager.focus()

    def reload(self, *, first: bool = False) -> None:
        """Read the list and the totals again."""
        if self.rrr.current_mode == self.PLACE:
            with self._guard():
                self._summaries.clear()
                self.pager.reload(first=first)
                self._count()

    def show_episode(self, attempt_id: int) -> None:
        """Put the cursor on an episode, whatever the filter is. Raises `NotFoundError`."""
        first_id = history.episode(self.services.store.reader(), attempt_id).attempt.id
        self.line.value = ""
        self._filter()
        # The page that begins with it: nobody wants to leaf through a hundred thousand rows.
        self.pager.begin_after(first_id + 1)

    def _fetch(self, after: Key | None, limit: int) -> Sequence[Row]:
        before = None if after is None else int(after)
        found = history.episodes(self.services.store.reader(), limit, before, self.query_now.which)
        self._summaries |= {each.id: each for each in found}
        return [episode_row(each, self.rrr.symbols) for each in found]

    @work(exclusive=True, group="totals")
    async def _count(self) -> None:
        """Totals read every episode: not in the app's own thread."""
        which, symbols = self.query_now.which, self.rrr.symbols
        try:
            totals, days = await asyncio.to_thread(self._counted, which)
        except RrrError as error:
            self.rrr.show_error(error)
            return
        problems = "; ".join(self.query_now.problems)
        said = Content.styled(problems, "$text-error") if problems else Content(totals_words(totals, symbols))
        self.query_one("#totals", Static).update(said)
        self.query_one("#days", Static).update(Content(days_line(days, symbols)))

    def _counted(self, which: EpisodeFilter) -> tuple[Totals, list[Day]]:
        reader = self.services.store.reader()
        return history.totals(reader, which), history.daily(reader)

    def chosen(self) -> EpisodeSummary | None:
        """The episode with the cursor."""
        return None if self.pager.key is None else self._summaries.get(self.pager.key)

    # The list

    def on_pager_chosen(self) -> None:
        with self._guard():
            self._show_chosen()

    def _show_chosen(self) -> None:
        summary, nothing = self.chosen(), self.query_one("#nothing", Static)
        self.pager.display, nothing.display = summary is not None, summary is None
        self.query_one("#detail").display = summary is not None
        nothing.update(Content(NO_MATCH if self.query_now.narrows else NOTHING))
        self._show(summary)
        self.refresh_bindings()

    def _show(self, summary: EpisodeSummary | None) -> None:
        text = Content("")
        if summary is not None:
            text = episode_content(history.episode(self.services.store.reader(), summary.id), self.rrr.symbols)
        self.query_one("#episode", Static).update(text)
        self.query_one("#detail").scroll_home(animate=False)

    def on_pager_opened(self) -> None:
        self.query_one("#detail").focus()
        self.refresh_bindings()

    def on_input_changed(self) -> None:
        if self._typing is not None:
            self._typing.stop()
        self._typing = self.set_timer(TYPING_S, self._filter)

    def on_input_submitted(self) -> None:
        self._filter()
        self.pager.focus()

    def _filter(self) -> None:
        if self._typing is not None:
            self._typing.stop()
            self._typing = None
        query = parse(self.line.value)
        if query != self.query_now:
            self.query_now = query
            self.reload(first=True)

    # Actions

    def do_search(self, argument: str = "") -> None:
        """To the filter's line."""
        self.line.focus()

    def do_filter(self, argument: str = "") -> None:
        """The next ready filter."""
        self.line.value = next_chip(self.line.value)
        self._filter()

    def do_clear(self, argument: str = "") -> None:
        """No filter."""
        self.line.value = ""
        self._filter()
        self.pager.focus()

    def do_back(self, argument: str = "") -> None:
        """To the list."""
        self.pager.focus()

    def do_exclude(self, argument: str = "") -> None:
        """Never train on it, or allow it again."""
        summary = self.chosen()
        if summary is not None:
            self.services.store.exclude(summary.id, not summary.excluded)
            self.rrr.say("may be trained on again" if summary.excluded else "will not be trained on; x takes that back")
            self.reload()

    def do_answer(self, argument: str = "") -> None:
        """Ask for the right answer of a question of one's own."""
        summary = self.chosen()
        if summary is not None:
            question = "The right answer, such as 24 or Paris"
            self.app.push_screen(Type(question), partial(self._answered, summary))

    def _answered(self, summary: EpisodeSummary, expected: str | None) -> None:
        if expected is not None and expected.strip():
            self._answer(summary, expected)

    @work(group="answer")
    async def _answer(self, summary: EpisodeSummary, expected: str) -> None:
        """Judge it by the answer, as /check in the chat does; the first event says so, what follows belongs to the chat."""
        session = ChatSession(self.services.store, self.services.engine, self.services.settings)
        try:
            session.open(summary.session_id)
            turns = chats.turns(self.services.store.reader(), summary.session_id)
            turn = next(turn.id for turn in turns if turn.attempt_id == summary.id)
            async with aclosing(session.check(turn, expected)) as events:
                judged = await anext(events)
            if isinstance(judged, Judged):
                self.rrr.say(f"{WORDS[judged.verdict]}: {judged.reason}")
        except RrrError as error:
            self.rrr.show_error(error)
        self.reload()

    async def do_retry(self, argument: str = "") -> None:
        """Take the problem to the chat."""
        summary = self.chosen()
        found = None if summary is None else history.episode(self.services.store.reader(), summary.id)
        if summary is not None and found is not None and found.problem is not None:
            task = None if summary.task is None else source_of(self.services.store.reader(), summary.task)
            await take_to_chat(self.rrr, task, found.problem)

    def do_export(self, argument: str = "") -> None:
        """Ask for the form, then save what the filter leaves."""
        answers = (("j", "JSON lines: everything"), ("c", "CSV: a row each"), ("m", "Markdown: to read"))
        self.app.push_screen(Choose("Save what is listed as", answers), self._exported)

    def _exported(self, answer: str | None) -> None:
        form = {"j": "jsonl", "c": "csv", "m": "md"}.get(answer or "")
        if form is not None:
            text = "".join(files.export(self.services.store.reader(), form, self.query_now.which))
            save(self.rrr, f"episodes.{form}", text)

    async def do_open(self, argument: str = "") -> None:
        """Open its chat."""
        summary = self.chosen()
        if summary is not None:
            await self.rrr.open_chat(summary.session_id)

    def can(self, name: str) -> bool | None:
        summary = self.chosen()
        match name:
            case "back":
                return not self.pager.has_focus
            case "clear":
                return bool(self.line.value)
            case "exclude":
                return summary is not None and not self.rrr.read_only
            case "answer":
                return summary is not None and not self.rrr.read_only and _in_chat(summary) and summary.task == QUESTION
            case "open":
                return summary is not None and _in_chat(summary)
            case "retry":
                return summary is not None and summary.prompt is not None
            case "export":
                return summary is not None
            case _:
                return True


def _in_chat(summary: EpisodeSummary) -> bool:
    return summary.kind is SessionKind.CHAT
