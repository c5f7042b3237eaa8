"""Models: what is on this machine, with the adapters trained on each; load one, or begin with it from now on."""

from __future__ import annotations

from textual import work
from textual.app import ComposeResult
from textual.containers import Container, VerticalScroll
from textual.content import Content
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from rrr_local.actions import Place
from rrr_local.errors import RrrError
from rrr_local.models.find import EMBEDDED
from rrr_local.models.memory import fit
from rrr_local.store.models import StoredAdapter
from rrr_local.text import sanitize
from tui import shelf
from tui.place import PlaceScreen
from tui.shelf import Shelved
from tui.widgets.dialog import Type
from tui.widgets.listing import Listing
from tui.widgets.status import KeyBar, Number, TopBar, machine_gb

GB = 2**30


class ModelsScreen(PlaceScreen):
    """A list of models and adapters, and what is known about the chosen one."""

    PLACE = Place.MODELS
    CSS_PATH = "models.tcss"

    def __init__(self) -> None:
        super().__init__()
        self._rows: list[tuple[Shelved, StoredAdapter | None]] = []
        self._about, self._more = Static(markup=False, id="about"), Static(markup=False)
        self._line = Static(classes="info", markup=False)

    def compose(self) -> ComposeResult:
        yield TopBar()
        with Container(id="body"):
            yield Listing(id="models", markup=False)
            with VerticalScroll(id="detail"):
                yield self._about
                yield Number("size", id="size")
                yield Number("memory for chat", id="chat-memory")
                yield Number("memory for training", id="training-memory")
                yield self._more
        yield self._line
        yield KeyBar()

    def on_mount(self) -> None:
        self.query_one("#models").border_title = Content("On this machine")
        self.rrr.engine_changed.subscribe(self, lambda _: self._refresh())
        self.rrr.runs_changed.subscribe(self, lambda _: self._refresh())
        self.rrr.settings_changed.subscribe(self, lambda _: self._refresh())
        self._refresh()
        self.query_one("#models").focus()

    # --- actions

    @work(exclusive=True, group="load")
    async def do_load(self, argument: str = "") -> None:
        """Chat with the chosen model or adapter."""
        row = self._chosen()
        if row is None or not self._may():
            return
        model, adapter = row
        self.rrr.say(f"loading {_title(model, adapter)}")
        if await self.rrr.load(model.name, None if adapter is None else adapter.run or adapter.path):
            self.rrr.say(f"{_title(model, adapter)} answers the chat now")

    def do_default(self, argument: str = "") -> None:
        """Begin with the chosen one from now on."""
        row = self._chosen()
        if row is None or not self._may():
            return
        model, adapter = row
        named = "" if adapter is None else adapter.run or adapter.path
        if self.rrr.set_setting("chat.model", model.name) and self.rrr.set_setting("chat.adapter", named):
            self.rrr.say(f"rrr begins with {_title(model, adapter)} from now on")

    @work(exclusive=True, group="folder")
    async def do_folder(self, argument: str = "") -> None:
        """Add a model by its folder."""
        if not self._may():
            return
        question = "The model's folder, with config.json, *.safetensors and a tokenizer:"
        folder: str | None = argument
        if not folder:
            folder = await self.app.push_screen_wait(Type(question, "", "nothing is copied; esc changes nothing"))
        if not folder:
            return
        try:
            model = shelf.add(self.services.store, folder)
        except RrrError as error:
            self.rrr.show_error(error)
            return
        self._refresh()
        name = EMBEDDED if model.embedded else str(model.folder)
        listing = self.query_one("#models", OptionList)
        listing.highlighted = next(
            i for i, (row, adapter) in enumerate(self._rows) if row.name == name and adapter is None
        )

    def on_option_list_option_selected(self) -> None:
        self.do_load()

    def on_option_list_option_highlighted(self) -> None:
        self._show_detail()

    # --- what is shown

    def _refresh(self) -> None:
        models = shelf.shelf(self.services.store)
        rows = [(model, adapter) for model in models for adapter in (None, *model.adapters)]
        if rows == self._rows and self.query_one("#models", OptionList).option_count:
            self._relabel()
            return
        self._rows = rows
        listing = self.query_one("#models", OptionList)
        chosen = listing.highlighted or 0
        listing.set_options([Option(self._label(*row)) for row in rows])
        listing.highlighted = min(chosen, len(rows) - 1)
        self._show_detail()

    def _relabel(self) -> None:
        listing = self.query_one("#models", OptionList)
        for index, row in enumerate(self._rows):
            listing.replace_option_prompt_at_index(index, self._label(*row))
        self._show_detail()

    def _label(self, model: Shelved, adapter: StoredAdapter | None) -> Content:
        symbols, settings = self.rrr.symbols, self.services.settings
        named = "" if adapter is None else adapter.run or adapter.path
        default = settings.get("chat.model") == model.name and settings.get("chat.adapter") == named
        parts: list[str | tuple[str, str]] = [
            (
                f"{symbols.in_use} " if self._is_loaded(model, adapter) else " " * (len(symbols.in_use) + 1),
                "$text-success",
            )
        ]
        if adapter is None:
            parts.append((sanitize(model.title, 60), "bold"))
            parts.append(("  not there any more" if model.model is None else f"  {_size(model)}", "$foreground-muted"))
        else:
            parts.append(f"  + {sanitize(adapter.run or adapter.name, 60)}")
            parts.append((f"  step {adapter.step}" if adapter.step is not None else "", "$foreground-muted"))
        if self._is_loaded(model, adapter):
            parts.append(("  in use", "$text-success"))
        if default:
            parts.append(("  default", "$foreground-muted"))
        return Content.assemble(*parts)

    def _is_loaded(self, model: Shelved, adapter: StoredAdapter | None) -> bool:
        ready = self.services.engine.ready
        if ready is None:
            return False
        same = ready.embedded if model.embedded else ready.model in (model.name, model.title)
        return same and (ready.adapter or None) == (None if adapter is None else adapter.run or adapter.path)

    def _show_detail(self) -> None:
        row = self._chosen()
        if row is None:
            return
        model, adapter = row
        self.query_one("#detail").border_title = Content(_title(model, adapter))
        self._about.update(Content(_about(model)))
        self.query_one("#size", Number).update(Content(f"size on disk       {_size(model)}"))
        for name, needed in (
            ("chat", None if model.memory is None else model.memory.chat),
            ("training", None if model.memory is None else model.memory.training),
        ):
            words = (
                "cannot be told"
                if needed is None
                else f"{needed / GB:.1f} GB and up, {fit(needed, int(machine_gb() * GB))}"
            )
            self.query_one(f"#{name}-memory", Number).update(Content(f"{name} needs".ljust(19) + words))
        self._more.update(Content(_more(model, adapter)))
        self._line.update(Content(self._info()))

    def _info(self) -> str:
        return self.rrr.read_only or "memory: at least, from the size of the model; before a run it is measured"

    def _chosen(self) -> tuple[Shelved, StoredAdapter | None] | None:
        index = self.query_one("#models", OptionList).highlighted
        return self._rows[index] if index is not None and index < len(self._rows) else None

    def _may(self) -> bool:
        if self.rrr.read_only:
            self.rrr.say(self.rrr.read_only, error=True)
        return not self.rrr.read_only


def _title(model: Shelved, adapter: StoredAdapter | None) -> str:
    name = sanitize(model.title, 60)
    return name if adapter is None else f"{name} + {sanitize(adapter.run or adapter.name, 60)}"


def _size(model: Shelved) -> str:
    if model.model is None:
        return "?"
    size = model.model.size
    return f"{size / GB:.1f} GB" if size >= GB / 10 else f"{size / 2**20:.1f} MB"


def _about(model: Shelved) -> str:
    if model.embedded:
        return "Built in. A toy that knows one kind of number puzzle: for trying the app, not for real answers."
    if model.model is None:
        return (
            f"The folder {sanitize(model.name, 300)} is not there any more. What was done with it is still in the log."
        )
    return sanitize(str(model.model.folder), 300)


def _more(model: Shelved, adapter: StoredAdapter | None) -> str:
    if adapter is not None:
        size = "?" if adapter.size_bytes is None else f"{adapter.size_bytes / 2**20:.1f} MB"
        step = "" if adapter.step is None else f" after step {adapter.step}"
        return f"\nadapter            {size}, {adapter.kind}{step}\nfolder             {sanitize(adapter.path, 200)}"
    number = len(model.adapters)
    return f"\nadapters           {number}" if number else "\nno adapter yet: train one (2)"
