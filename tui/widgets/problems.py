"""The same problems before and after, one at a time: what was written then, and what is written now, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import Static

from rrr_local.evaluation.gains import RunGain
from rrr_local.store import history
from rrr_local.store.evaluations import Changed, changes
from rrr_local.store.sqlite import Connection
from rrr_local.text import sanitize
from tui.symbols import Symbols
from tui.widgets.episode import episode_content
from tui.widgets.status import Number

MOST = 2_000
"""Problems of a set that can be looked through."""


class Which(StrEnum):
    """Which problems are shown."""

    ALL = "all"
    CHANGED = "only those that changed"
    BROKEN = "only newly broken"


class Problems(Vertical):
    """Shows what `show` was given, problem by problem."""

    DEFAULT_CSS = """
    Problems {
        height: 1fr;
        #place { height: 1; padding: 0 1; text-wrap: nowrap; text-overflow: ellipsis; }
        #prompt { height: auto; max-height: 2; padding: 0 1; color: $text-muted; }
        VerticalScroll { width: 1fr; border: round $border-blurred; border-title-color: $text; padding: 0 1; }
        VerticalScroll:focus { border: round $border; }
    }
    """

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id)
        self._all: list[tuple[str, Changed]] = []
        self._connection: Connection | None = None
        self._symbols: Symbols | None = None
        self.which = Which.ALL
        self.index = 0

    def compose(self) -> ComposeResult:
        yield Number("newly broken", id="place")
        yield Static(id="prompt", markup=False)
        with Horizontal():
            for side in ("before", "after"):
                with VerticalScroll(id=side):
                    yield Static(markup=False)

    @property
    def shown(self) -> list[tuple[str, Changed]]:
        """The problems that `which` leaves, each with the set it is of."""
        if self.which is Which.ALL:
            return self._all
        return [
            (set_, each)
            for set_, each in self._all
            if is_broken(each) or (self.which is Which.CHANGED and is_fixed(each))
        ]

    def show(self, connection: Connection, gains: Sequence[RunGain], symbols: Symbols) -> None:
        """Show the problems of these measurements, from the first one."""
        self._connection, self._symbols = connection, symbols
        self._all = [
            (found.set, each)
            for found in gains
            for each in changes(connection, found.before.eval_id, found.after.eval_id, limit=MOST)
        ]
        self.index = 0
        self._draw()

    def toggle(self, which: Which) -> None:
        """Show only these, or all again."""
        self.which = Which.ALL if self.which is which else which
        self.index = 0
        self._draw()

    def move(self, by: int) -> None:
        """Go on to another problem; after the last one comes the first."""
        if self.shown:
            self.index = (self.index + by) % len(self.shown)
            self._draw()

    def _draw(self) -> None:
        assert self._symbols is not None, "shown first"
        shown, place = self.shown, self.query_one("#place", Static)
        fixed, broken = (sum(test(each) for _, each in self._all) for test in (is_fixed, is_broken))
        counts = f"{fixed} fixed, {broken} newly broken, {len(self._all)} in all"
        if not shown:
            nothing = f"no such problem ({self.which})" if self._all else "no problems were measured before and after"
            place.update(Content(f"{nothing}; {counts}"))
            self._show_sides(None)
            return
        set_, here = shown[self.index]
        place.update(
            Content.assemble(
                (f"problem {self.index + 1} of {len(shown)}", "bold"),
                f"  {set_}  ",
                _became(here, self._symbols),
                (f"  {counts}" if self.which is Which.ALL else f"  {self.which}: {counts}", "$foreground-muted"),
            )
        )
        self._show_sides(here)

    def _show_sides(self, here: Changed | None) -> None:
        self.query_one("#prompt", Static).update(Content(sanitize(here.prompt, 600) if here else ""))
        sides = (
            ("before", None if here is None else here.before_attempt_id),
            ("after", None if here is None else here.after_attempt_id),
        )
        for side, attempt_id in sides:
            box = self.query_one(f"#{side}", VerticalScroll)
            box.border_title = side
            box.query_one(Static).update(self._episode(attempt_id))
            box.scroll_home(animate=False)

    def _episode(self, attempt_id: int | None) -> Content:
        if attempt_id is None or self._connection is None or self._symbols is None:
            return Content.styled("nothing was logged", "$foreground-muted")
        return episode_content(history.episode(self._connection, attempt_id), self._symbols, with_problem=False)


def is_fixed(each: Changed) -> bool:
    """Failed before, passes now."""
    return each.final_before is False and each.final_after is True


def is_broken(each: Changed) -> bool:
    """Passed before, fails now."""
    return each.final_before is True and each.final_after is False


def _became(each: Changed, symbols: Symbols) -> Content:
    marks = {None: symbols.unchecked, True: symbols.passed, False: symbols.failed}
    words = f"was {marks[each.final_before]} now {marks[each.final_after]}"
    style = "$text-success" if is_fixed(each) else "$text-error" if is_broken(each) else "$foreground-muted"
    return Content.styled(words, style)
