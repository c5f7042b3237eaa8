"""Models: installed, found on this machine, to get; with the adapters trained on each. Load one, or begin with it from now on."""

from __future__ import annotations

import asyncio

from textual import work
from textual.app import ComposeResult
from textual.containers import Container, VerticalScroll
from textual.content import Content
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from rrr_local.engine.machine import memory_bytes
from rrr_local.models.memory import fit
from rrr_local.store.models import StoredAdapter, newest_adapters
from tui import model_words as words
from tui.guard import Guard
from tui.screens.models_work import ModelsWork, is_offline
from tui.shelf import Section, Shelved, shelf
from tui.widgets.listing import Listing
from tui.widgets.prose import first_line
from tui.widgets.status import KeyBar, Number, TopBar

Line = tuple[Shelved, StoredAdapter | None]


class ModelsScreen(ModelsWork):
    """A list of models and adapters, and what is known about the chosen one."""

    CSS_PATH = "models.tcss"

    def __init__(self) -> None:
        super().__init__()
        self._lines: list[Line | Section] = []
        self._adapters: list[StoredAdapter] = []
        self._guard = Guard(self.rrr)
        self._about, self._more = Static(markup=False, id="about"), Static(markup=False)
        self._info = Static(classes="info", markup=False)

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
        yield self._info
        yield KeyBar()

    def on_mount(self) -> None:
        self.query_one("#models").border_title = Content("Models")
        self.rrr.engine_changed.subscribe(self, lambda _: self._relabel())
        self.rrr.runs_changed.subscribe(self, lambda _: self._runs_changed())
        self.rrr.settings_changed.subscribe(self, lambda _: self._relabel())
        self.tell("")
        self.query_one("#models").focus()

    def on_screen_resume(self) -> None:
        self.reload()

    # --- what is there

    @work(exclusive=True, group="shelf")
    async def reload(self, go_to: str | None = None) -> None:
        with self._guard():
            models = await asyncio.to_thread(shelf, self.services.store)
            chosen = self._chosen()
            self._adapters = newest_adapters(self.services.store.reader())
            self._lines = [line for section in Section for line in _section(section, models)]
            wanted = self._line_of(go_to, None) if go_to else self._line_of(*_key(chosen))
            listing = self.query_one("#models", OptionList)
            listing.set_options(Option(self._label(line), disabled=isinstance(line, Section)) for line in self._lines)
            listing.highlighted = wanted
            self._show_detail()

    def _runs_changed(self) -> None:
        """A run may have left a new adapter; nothing else on this machine changes with runs."""
        with self._guard():
            if newest_adapters(self.services.store.reader()) != self._adapters:
                self.reload()

    def chosen_model(self) -> Shelved | None:
        line = self._chosen()
        return None if line is None else line[0]

    def _chosen(self) -> Line | None:
        index = self.query_one("#models", OptionList).highlighted
        line = self._lines[index] if index is not None and index < len(self._lines) else None
        return None if isinstance(line, Section) else line

    def _line_of(self, name: str | None, run: str | None) -> int:
        """Where a model or an adapter is in the list; the first model where it is not."""
        keys = [("", "") if isinstance(line, Section) else _key(line) for line in self._lines]
        return keys.index((name, run)) if (name, run) in keys else 1

    # --- actions

    @work(exclusive=True, group="load")
    async def do_load(self, argument: str = "") -> None:
        """Chat with the chosen model or adapter."""
        line = self._chosen()
        if line is None or not self.can("load"):
            return
        model, adapter = line
        self.rrr.say(f"loading {words.title(model, adapter)}")
        if await self.rrr.load(model.name, None if adapter is None else adapter.run or adapter.path):
            self.rrr.say(f"{words.title(model, adapter)} answers the chat now")

    def do_default(self, argument: str = "") -> None:
        """Begin with the chosen one from now on."""
        line = self._chosen()
        if line is None:
            return
        model, adapter = line
        named = "" if adapter is None else adapter.run or adapter.path
        if self.rrr.set_setting("chat.model", model.name) and self.rrr.set_setting("chat.adapter", named):
            self.rrr.say(f"rrr begins with {words.title(model, adapter)} from now on")

    def can(self, name: str) -> bool | None:
        model = self.chosen_model()
        if name in CHANGING and self.rrr.read_only:
            return False
        match name:
            case "stop":
                return bool(self.doing)
            case "get" | "import":
                return not self.doing and not (name == "get" and is_offline())
            case "load" | "default":
                return model is not None and model.usable
            case "bench":
                return model is not None and model.usable and not self.doing
            case "verify" | "remove":
                return model is not None and model.recorded and not self.doing
            case _:
                return True

    def on_option_list_option_selected(self) -> None:
        if self.can("load"):
            self.do_load()
        elif self.can("get"):
            self.do_get()

    def on_option_list_option_highlighted(self) -> None:
        self._show_detail()

    # --- what is shown

    def tell(self, said: str) -> None:
        """Show what is going on."""
        resting = self.rrr.read_only or "memory: at least, from the size of the model; before a run it is measured"
        self._info.update(Content(said or self.doing or resting))

    def _relabel(self) -> None:
        listing = self.query_one("#models", OptionList)
        for index, line in enumerate(self._lines):
            listing.replace_option_prompt_at_index(index, self._label(line))
        self._show_detail()

    def _label(self, line: Line | Section) -> Content:
        offline = is_offline()
        if isinstance(line, Section):
            quiet = "  offline: HF_HUB_OFFLINE is set" if line is Section.TO_GET and offline else ""
            return Content.assemble((line.value, "bold $text-primary"), (quiet, "$foreground-muted"))
        model, adapter = line
        symbols, loaded = self.rrr.symbols, self._is_loaded(model, adapter)
        mark = f"{symbols.in_use} " if loaded else " " * (len(symbols.in_use) + 1)
        parts: list[str | tuple[str, str]] = [(mark, "$text-success")]
        if adapter is not None:
            parts.append(f"  + {words.title(model, adapter).partition(' + ')[2]}")
            parts.append((f"  step {adapter.step}" if adapter.step is not None else "", "$foreground-muted"))
        else:
            style = "$foreground-muted" if not model.usable and (model.suggestion is None or offline) else "bold"
            name = words.title(model)
            # Whose repository it is, is in the pane beside: here the size would not fit.
            shown = name if model.suggestion is None else name.rpartition("/")[2]
            parts += [(shown, style), (f"  {self._fact(model)}", "$foreground-muted")]
        if loaded:
            parts.append(("  in use", "$text-success"))
        if self._is_default(model, adapter):
            parts.append(("  default", "$foreground-muted"))
        return Content.assemble(*parts)

    def _fact(self, model: Shelved) -> str:
        if model.row.fault is not None:
            return "not there any more" if not model.row.size else "cannot be used"
        facts = ["" if model.suggestion is None else "~"]
        facts[0] += words.size(model.size)
        if model.row.about is not None:
            facts.append(first_line(model.row.about.quantisation, 20))
        if model.memory is not None:
            facts.append(str(fit(model.memory.chat, memory_bytes())))
        return ", ".join(facts)

    def _is_default(self, model: Shelved, adapter: StoredAdapter | None) -> bool:
        settings, named = self.services.settings, "" if adapter is None else adapter.run or adapter.path
        return bool(settings.get("chat.model") == model.name and settings.get("chat.adapter") == named)

    def _is_loaded(self, model: Shelved, adapter: StoredAdapter | None) -> bool:
        ready = self.services.engine.ready
        if ready is None or not model.usable:
            return False
        same = ready.embedded if model.embedded else ready.model in (model.name, model.title, model.row.folder)
        return same and (ready.adapter or None) == (None if adapter is None else adapter.run or adapter.path)

    def _show_detail(self) -> None:
        line = self._chosen()
        if line is None:
            return
        model, adapter = line
        self.query_one("#detail").border_title = Content(words.title(model, adapter))
        about = words.about(model)
        self._about.update(Content(about))
        self._about.display = bool(about)
        reckoned = "" if model.suggestion is None else ", reckoned"
        shown = words.size(model.size) if model.size else "?"
        self.query_one("#size", Number).update(Content("size on disk".ljust(words.WIDTH) + shown + reckoned))
        for name, needed in zip(("chat", "training"), words.needs(model, memory_bytes()), strict=True):
            self.query_one(f"#{name}-memory", Number).update(Content(f"{name} needs".ljust(words.WIDTH) + needed))
        self._more.update(Content("\n" + words.facts(model, adapter, self.speeds.get(model.name))))
        self.refresh_bindings()


CHANGING = {"load", "default", "get", "import", "verify", "bench", "remove"}
"""What is not done while another app has this data folder open."""


def _section(section: Section, models: list[Shelved]) -> list[Line | Section]:
    """Its heading and what is in it; nothing where it is empty."""
    lines: list[Line | Section] = [
        (model, adapter) for model in models if model.section is section for adapter in (None, *model.adapters)
    ]
    return [section, *lines] if lines else []


def _key(line: Line | None) -> tuple[str | None, str | None]:
    """What finds a line again after the list was read anew."""
    if line is None:
        return None, None
    model, adapter = line
    return model.name, None if adapter is None else adapter.run or adapter.path
