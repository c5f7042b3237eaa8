"""Doctor: the checks of `rrr doctor` as they come, this terminal, and the settings."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from textual import work
from textual.app import ComposeResult
from textual.containers import Container, VerticalScroll
from textual.content import Content
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from rrr_local.actions import ACTIONS, Place
from rrr_local.config import SCHEMA, Setting, Source, find, show
from rrr_local.engine.jobs import Result
from rrr_local.errors import RrrError
from rrr_local.text import sanitize
from tui import clipboard, keys
from tui.place import PlaceScreen
from tui.widgets.dialog import Choose, Type
from tui.widgets.status import KeyBar, TopBar

Check = Mapping[str, str]
"""`name`, `health` (ok, warn, fail) and `detail`, as `rrr doctor --json` has them."""


class DoctorScreen(PlaceScreen):
    """Checks above or on the left, settings below or on the right."""

    PLACE = Place.DOCTOR
    CSS_PATH = "doctor.tcss"

    def __init__(self) -> None:
        super().__init__()
        self._checks: list[Check] = []
        self._state = ""
        self._report = Static(markup=False)
        self._line = Static(classes="info", markup=False)

    def compose(self) -> ComposeResult:
        yield TopBar()
        with Container(id="body"):
            with VerticalScroll(id="checks", can_focus=True):
                yield self._report
            yield OptionList(id="settings", markup=False)
        yield self._line
        yield KeyBar()

    def on_mount(self) -> None:
        self.query_one("#checks").border_title = Content("Checks")
        self.query_one("#settings").border_title = Content("Settings")
        self.rrr.settings_changed.subscribe(self, self._redraw)
        self._show_settings()
        self.query_one("#settings").focus()
        self.do_again()

    def _redraw(self, key: str) -> None:
        """A setting was changed."""
        self._checks[0] = self._terminal()
        self._show_settings()
        self._show_checks()

    # --- checks

    def do_again(self, argument: str = "") -> None:
        """Run the checks again."""
        self._checks, self._state = [self._terminal()], f"checking{self.rrr.symbols.ellipsis}"
        self._show_checks()
        self._run_checks()

    def do_copy(self, argument: str = "") -> None:
        """Copy the report."""
        self.rrr.copy("\n".join(f"{check['health']:4} {check['name']:10} {check['detail']}" for check in self._checks))

    def do_settings(self, argument: str = "") -> None:
        """Go to the settings."""
        self.query_one("#settings").focus()

    @work(exclusive=True, group="doctor")
    async def _run_checks(self) -> None:
        try:
            async for event in self.services.jobs.run(["doctor"]):
                if isinstance(event, Result):
                    self._checks += _checks(event.document)
            bad = sum(check["health"] != "ok" for check in self._checks)
            self._state = "all is well" if not bad else f"{bad} of {len(self._checks)} checks want attention"
        except RrrError as error:
            self._state = f"the checks could not be made: {sanitize(error.cause, 200)}; {sanitize(error.way_out, 200)}"
        self._show_checks()

    def _terminal(self) -> Check:
        """What only the app itself can see."""
        tool = clipboard.tool()
        route = "the terminal (OSC 52) only" if tool is None else f"{tool[0]} and the terminal (OSC 52)"
        colours = "no colours" if self.app.no_color else f"{self.app.console.color_system or 'no'} colours"
        size = f"{self.app.size.width}x{self.app.size.height}"
        shapes = "" if self.services.settings.get("ui.ascii") else "; braille ⡏⠉⢹ blocks ▁▄█"
        detail = f"{os.environ.get('TERM', '?')}, {colours}, {size}; clipboard by {route}{shapes}"
        return {"name": "terminal", "health": "ok", "detail": detail}

    def _show_checks(self) -> None:
        symbols = self.rrr.symbols
        marks = {"ok": (symbols.passed, "$text-success"), "warn": (symbols.broken, "$text-warning")}
        lines = []
        for check in sorted(self._checks, key=lambda check: check["health"] == "ok"):
            mark, style = marks.get(check["health"], (symbols.failed, "$text-error"))
            word = "" if check["health"] == "ok" else f"{check['health'].upper()} "
            lines.append(
                Content.assemble(
                    (mark, style),
                    (f" {sanitize(check['name'], 20)}  ", "bold"),
                    (word, style),
                    sanitize(check["detail"], 500),
                )
            )
        self._report.update(Content("\n").join(lines))
        self._show_info()

    def _show_info(self) -> None:
        """What is wrong, or what the chosen setting means."""
        listing = self.query_one("#settings", OptionList)
        chosen = listing.highlighted_option
        meaning = "" if chosen is None or chosen.id is None else find(chosen.id).help
        parts = [self.rrr.read_only or self._state, meaning if listing.has_focus else ""]
        self._line.update(Content(f" {self.rrr.symbols.dot} ".join(part for part in parts if part)))

    # --- settings

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        if event.option.id is not None:
            self._edit(find(event.option.id))

    def on_option_list_option_highlighted(self) -> None:
        self._show_info()

    def on_descendant_focus(self) -> None:
        self._show_info()

    @work(exclusive=True, group="edit")
    async def _edit(self, setting: Setting) -> None:
        value = self.services.settings.get(setting.key)
        choices = sorted(self.app.available_themes) if setting.key == "ui.theme" else setting.choices
        if self.rrr.read_only or self.services.settings.source(setting.key) is Source.ENV:
            self.rrr.say(
                self.rrr.read_only or f"{setting.env} is set in the environment and counts before this", error=True
            )
            return
        if isinstance(value, bool):
            self.rrr.set_setting(setting.key, not value)
            return
        if choices:
            answer = await self.app.push_screen_wait(Choose(setting.key, [(choice, "") for choice in choices]))
        else:
            question = f"{setting.key}: {setting.help} It takes {setting.takes}."
            answer = await self.app.push_screen_wait(
                Type(question, show(value), "enter keeps it; empty: the default; esc")
            )
        if answer == "":
            self.services.settings.unset(setting.key)
            self.rrr.apply_setting(setting.key)
        elif answer is not None:
            self.rrr.set_setting(setting.key, answer)

    def _show_settings(self) -> None:
        listing = self.query_one("#settings", OptionList)
        chosen = listing.highlighted
        listing.set_options([Option(self._row(setting), id=setting.key) for setting in SCHEMA])
        listing.highlighted = chosen if chosen is not None else 0

    def _row(self, setting: Setting) -> Content:
        settings = self.services.settings
        source = settings.source(setting.key)
        value = sanitize(show(settings.get(setting.key)), 40) or _registered_keys(setting) or "-"
        return Content.assemble(
            (setting.key.ljust(WIDTH), "bold"),
            (f" {value.ljust(12)}", "$text-primary"),
            (f" {source.value.ljust(8)}", "" if source is Source.DEFAULT else "$text-warning"),
            (setting.help, "$foreground-muted"),
        )


WIDTH = max(len(setting.key) for setting in SCHEMA)


def _registered_keys(setting: Setting) -> str:
    """The keys of an action that has none of the person's own."""
    registered = (key for action in ACTIONS if f"keys.{action.id}" == setting.key for key in action.keys)
    return " ".join(map(keys.shown, registered))


def _checks(document: Mapping[str, Any]) -> list[Check]:
    """The checks of the command's document; its texts are not ours. Its terminal is a pipe: what counts is the app's."""
    found = [{key: str(check.get(key, "?")) for key in ("name", "health", "detail")} for check in document["checks"]]
    return [check for check in found if check["name"] != "terminal"]
