"""The line on top of every place, with the tabs and what is going on, and the line of keys at the bottom."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content
from textual.events import Click, Resize
from textual.widgets import Footer, Static

from rrr_local.actions import ACTIONS, Place
from rrr_local.engine.client import EngineState
from rrr_local.engine.machine import memory_bytes
from rrr_local.store.queries import RunSummary
from rrr_local.text import sanitize
from tui.helptext import meaning
from tui.place import PlaceScreen
from tui.typed import app_of

if TYPE_CHECKING:
    from tui.app import RrrApp


BAD = (EngineState.DEAD, EngineState.TAKEN)
"""Nothing can be asked, and it will not mend itself."""


class PlaceTab(Static):
    """One place of the seven; a click goes there."""

    def __init__(self, place: Place, here: bool) -> None:
        name = f"{place.number} {place.label}"
        super().__init__(Content.styled(name, "bold reverse") if here else Content(name), markup=False)
        self.set_class(here, "-here")
        self.place = place
        self.tooltip = Content(next(a.help for a in ACTIONS if a.name == f"go-{place}"))

    def on_click(self, event: Click) -> None:
        event.stop()
        app_of(self).go(self.place)


class Number(Static):
    """A figure that answers `?`: its tooltip and a click explain it."""

    def __init__(self, term: str, content: Content | str = "", *, id: str | None = None, classes: str = "") -> None:
        """`term`: a heading of tui/help/numbers.md. Raises `KeyError` for another one."""
        super().__init__(content, id=id, classes=classes, markup=False)
        self.term = term
        self.tooltip = Content(meaning(term))

    def on_click(self, event: Click) -> None:
        event.stop()
        app_of(self).explain(self.term)


class Fact(Number):
    """One fact at the right of the top line."""


class TopBar(Horizontal):
    """Tabs on the left; on the right as many facts as there is room for, the most important first."""

    DEFAULT_CSS = """
    TopBar {
        height: 1; dock: top; padding-left: 1; background: $panel; color: $foreground;
        PlaceTab { width: auto; padding: 0 1 0 0; color: $text-muted; }
        PlaceTab:hover { color: $text-primary; text-style: underline; }
        PlaceTab.-here { color: $text-primary; }
        .space { width: 1fr; height: 1; }
        Fact { width: auto; padding: 0 1 0 1; color: $text-muted; }
        Fact:hover { text-style: underline; }
        Fact#training { color: $text-success; text-style: bold; }
        Fact.-bad { color: $text-error; text-style: bold; }
    }
    """
    FACTS: ClassVar[tuple[tuple[str, str], ...]] = (
        ("training", "training"),
        ("model", "model and adapter"),
        ("device", "device"),
        ("memory", "memory"),
        ("net", "net off"),
    )
    """Id and term, from left to right."""
    BY_WEIGHT = ("training", "model", "net", "memory", "device")
    """The most important first: where there is no room for all, the last ones are left out."""

    def compose(self) -> ComposeResult:
        here = self.screen.PLACE if isinstance(self.screen, PlaceScreen) else None
        for place in Place:
            yield PlaceTab(place, place is here)
        yield Static(classes="space")
        for name, term in self.FACTS:
            yield Fact(term, id=name)

    def on_mount(self) -> None:
        app = app_of(self)
        app.engine_changed.subscribe(self, self.refresh_facts)
        app.runs_changed.subscribe(self, self.refresh_facts)
        app.net_changed.subscribe(self, self.refresh_facts)
        self.refresh_facts(None)

    def on_resize(self, event: Resize) -> None:
        self.refresh_facts(None)

    def refresh_facts(self, _: object) -> None:
        """Show what is true now."""
        texts = facts(app_of(self))
        room = self.size.width - sum(len(place.label) + 3 for place in Place) - 1
        for name in self.BY_WEIGHT:
            fact = self.query_one(f"#{name}", Fact)
            text = next((text for text in texts[name] if len(text) + 2 <= room), "")
            fact.display = bool(text)
            fact.set_class(name == "model" and app_of(self).services.engine.state in BAD, "-bad")
            if text:
                fact.update(Content(text))
                room -= len(text) + 2


class KeyBar(Footer):
    """The keys that do something right now, from the registry; a click does it too."""

    def __init__(self) -> None:
        super().__init__(compact=True)


def facts(app: RrrApp) -> dict[str, tuple[str, ...]]:
    """The facts of the top line by id, the longest form first; none where there is nothing to say."""
    ready, run = app.services.engine.ready, app.training
    mark = app.symbols.running
    short = "" if run is None else f"{mark} {sanitize(run.name, 12)} {percent(run)}%"
    return {
        "training": () if run is None else (f"{mark} {training_words(run)}", short),
        "model": (engine_words(app),),
        "net": ("net in use" if app.net_in_use else "net off",),
        "memory": () if ready is None else (f"{ready.memory_mb * 1e6 / 2**30:.1f}/{machine_gb():.0f} GB",),
        "device": () if ready is None else (sanitize(ready.backend, 20),),
    }


def training_words(run: RunSummary) -> str:
    """`run-8 46/120 38%`."""
    return f"{sanitize(run.name, 20)} {run.last_step}/{run.total_steps} {percent(run)}%"


def percent(run: RunSummary) -> int:
    """Of its steps, how many are done."""
    return 100 * run.last_step // max(run.total_steps, 1)


def engine_words(app: RrrApp) -> str:
    """The model and what the engine does, such as `tiny + run-8`."""
    engine = app.services.engine
    match EngineState.TAKEN if app.services.read_only else engine.state:
        case EngineState.READY | EngineState.BUSY if engine.ready is not None:
            adapter = f" + {sanitize(engine.ready.adapter, 20)}" if engine.ready.adapter else ""
            return f"{sanitize(engine.ready.model, 24)}{adapter}"
        case EngineState.DEAD:
            return f"{app.symbols.failed} engine stopped"
        case EngineState.TAKEN:
            return f"{app.symbols.broken} read-only"
        case EngineState.OFF:
            return "engine off"
        case _:
            return f"loading{app.symbols.ellipsis}"


def machine_gb() -> float:
    """Memory of this machine in GiB."""
    return memory_bytes() / 2**30
