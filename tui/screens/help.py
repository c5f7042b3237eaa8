"""Help: what this place is for, its keys as they are now, and what the numbers mean."""

from __future__ import annotations

from typing import ClassVar

from markdown_it import MarkdownIt
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Footer, Markdown, Static, TabbedContent, TabPane

from rrr_local.actions import Place
from tui import helptext, keys
from tui.typed import app_of


def parser() -> MarkdownIt:
    """Markdown without HTML: a tag is shown and not swallowed."""
    return MarkdownIt("gfm-like", {"html": False})


class HelpScreen(ModalScreen[None]):
    """Three tabs: this place, its keys, the numbers."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,f1,question_mark,q", "dismiss", "Close"),
    ]
    DEFAULT_CSS = """
    HelpScreen {
        TabPane { padding: 0; }
        Markdown { padding: 0 1; background: $surface; }
        .keys { padding: 1 1; width: 1fr; }
    }
    """

    def __init__(self, place: Place) -> None:
        super().__init__()
        self._place = place

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog -large"), TabbedContent():
            with TabPane(self._place.label), VerticalScroll():
                yield Markdown(helptext.page(self._place), parser_factory=parser)
            with TabPane("Keys"), VerticalScroll():
                yield Static(self._keys(), classes="keys")
            with TabPane("Numbers"), VerticalScroll():
                yield Static(self._numbers(), classes="keys")
        yield Footer(show_command_palette=False, compact=True)

    def _keys(self) -> Content:
        """Key, slash command, title and sentence of every action; the keys are the person's own where chosen."""
        keymap = app_of(self).services.settings.keymap()
        rows = [
            (
                " ".join(keys.shown(key) for key in keys.of(action.name, keymap, self._place)),
                f"/{action.slash}" if action.slash else "",
                action.help,
            )
            for action in helptext.actions(self._place)
        ]
        widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
        lines = [
            Content.assemble((key.ljust(widths[0]), "bold $text-primary"), f"  {slash.ljust(widths[1])}  ", text)
            for key, slash, text in rows
        ]
        return Content("\n").join(lines)

    @staticmethod
    def _numbers() -> Content:
        """As plain text: so many headings would take Markdown a second."""
        found = helptext.numbers().items()
        return Content("\n\n").join(Content.assemble((term, "bold $text-primary"), f"\n{text}") for term, text in found)


class ExplainScreen(ModalScreen[None]):
    """What one number means."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,enter,question_mark,q", "dismiss", "Close")]

    def __init__(self, term: str) -> None:
        super().__init__()
        self._term, self._meaning = term, helptext.meaning(term)

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Static(Content(self._term), classes="title")
            yield Static(Content(self._meaning))
            yield Static(Content("esc close    F1 Numbers: all of them"), classes="hint")
        yield Footer(show_command_palette=False, compact=True)

    def on_click(self) -> None:
        self.dismiss()
