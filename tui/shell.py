"""The app without its places: what it says, how it looks, what it copies, and how it ends when there is a bug."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from pathlib import Path

from rich.text import Text
from textual.app import App
from textual.binding import Binding
from textual.events import Event, Resize
from textual.filter import LineFilter
from textual.geometry import Size
from textual.signal import Signal
from textual.worker import Worker

from rrr_local import config
from rrr_local.engine.client import EngineState
from rrr_local.errors import ExitCode, RrrError
from rrr_local.text import sanitize, storable
from tui import clipboard, crash
from tui.screens.too_small import TooSmallScreen, is_too_small
from tui.services import Services
from tui.symbols import AsciiFilter, Symbols, symbols
from tui.terminal import HarmlessFilter
from tui.theme import DARK, THEMES
from tui.typeahead import TypeAhead

READ_ONLY = "another rrr has this data folder open: this one only shows; quit the other, then start this one again"

log = logging.getLogger(__name__)


class Shell(App[None]):
    """What every page and dialog may ask for."""

    TITLE = "rrr"
    CSS_PATH = Path(__file__).with_name("app.tcss")
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-wide")]  # noqa: RUF012  as Textual declares it
    VERTICAL_BREAKPOINTS = [(0, "-low"), (32, "-tall")]  # noqa: RUF012

    def __init__(self, services: Services) -> None:
        super().__init__()
        self.services = services
        self.settings_changed: Signal[str] = Signal(self, "settings")
        """Published with the key of a setting that was changed."""
        self._harmless = HarmlessFilter()
        self._ascii = AsciiFilter(enabled=bool(services.settings.get("ui.ascii")))
        self._begun = False
        self._ahead = TypeAhead(self, super().on_event)
        for theme in THEMES:
            self.register_theme(theme)
        self.theme = self._theme_setting()
        self.set_class(self._ascii.enabled, "-ascii")
        self.set_keymap(services.settings.keymap())

    @property
    def symbols(self) -> Symbols:
        """The symbols of this setting of `ui.ascii`."""
        return symbols(self._ascii.enabled)

    @property
    def read_only(self) -> str:
        """Why nothing can be changed here; empty where it can."""
        return READ_ONLY if self.services.read_only or self.services.engine.state is EngineState.TAKEN else ""

    def say(self, text: str, error: bool = False) -> None:
        """Show a short note for a moment; the text may come from anywhere."""
        self.notify(sanitize(text, 500), severity="error" if error else "information", markup=False)

    def show_error(self, error: RrrError) -> None:
        """Say what went wrong and what to do about it."""
        log.warning("%s", sanitize(str(error)))
        cause, way_out = sanitize(error.cause, 300), sanitize(error.way_out, 500)
        self.notify(f"{cause}\n{way_out}", severity="error", timeout=10, markup=False)

    def copy(self, text: str) -> Worker[None]:
        """Put a text on the clipboard, and say what is known about whether that worked."""
        return self.run_worker(self._copy(text), group="copy", exclusive=True)

    async def _copy(self, text: str) -> None:
        self.copy_to_clipboard(storable(text))  # by OSC 52, which works over SSH
        command = clipboard.tool()
        copied = command is not None and await asyncio.to_thread(clipboard.copy_with, command, text)
        self.say(clipboard.said(copied, text))

    def set_setting(self, key: str, value: config.Value) -> bool:
        """Keep a setting and act on it; whether it was taken. What is wrong with it is shown."""
        try:
            self.services.settings.set(key, value)
        except RrrError as error:
            self.show_error(error)
            return False
        self.apply_setting(key)
        return True

    def apply_setting(self, key: str) -> None:
        """A setting has changed: act on it, and tell the screens."""
        settings = self.services.settings
        self.theme = self._theme_setting()
        self._ascii.enabled = bool(settings.get("ui.ascii"))
        self.set_class(self._ascii.enabled, "-ascii")
        self.set_keymap(settings.keymap())
        self.refresh(layout=True)
        self.settings_changed.publish(key)

    def set_theme(self, name: str) -> None:
        """Change the colours, for good where settings can be kept."""
        if self.read_only or not self.set_setting("ui.theme", name):
            self.theme = name

    async def on_event(self, event: Event) -> None:
        if self._ahead.takes(event):
            await self._ahead.put(event)
        else:
            await super().on_event(event)

    def on_resize(self, event: Resize) -> None:
        self._check_size(event.size)

    def _check_size(self, size: Size) -> None:
        """A window in which nothing fits shows one line, until it is larger."""
        too_small = is_too_small(size)
        if too_small and not isinstance(self.screen, TooSmallScreen):
            self.push_screen(TooSmallScreen())
        elif not too_small and isinstance(self.screen, TooSmallScreen):
            self.pop_screen()

    def get_key_display(self, binding: Binding) -> str:
        shown = super().get_key_display(binding)
        return shown.replace("⏎", "enter") if self._ascii.enabled else shown

    def get_line_filters(self) -> Sequence[LineFilter]:
        return [*super().get_line_filters(), self._harmless, *([self._ascii] if self._ascii.enabled else [])]

    def _theme_setting(self) -> str:
        name = self.services.settings.get("ui.theme")
        if name in self.available_themes:
            return str(name)
        self.services.settings.problems.append(f"there is no theme {name}; {DARK.name} is used")
        return DARK.name

    def _handle_exception(self, error: Exception) -> None:
        """A bug: leave a report that holds nothing anybody wrote, and end. Textual's own report shows local variables."""
        if self._exit or (self._begun and not self._running):
            # Everything is being torn down: a worker may find its screen gone (Textual's issue 5325).
            log.info("while ending: %s", crash.title(crash.cause(error)))
            return
        self._return_code = ExitCode.INTERNAL
        if self._exception is None:  # so that a test gets it
            self._exception = error
            self._exception_event.set()
        path = crash.write(error, self.services.clock())
        self.panic(Text(sanitize(crash.farewell(error, path))))
