"""What the Models page has done by `rrr models ...`, each in a process of its own, with progress and a way to stop it.

get       fetch --dry-run, then a dialog with what it takes, then fetch --yes
import    import FOLDER: hashes the files, copies nothing
verify, bench, rm
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from typing import Any

from textual import work
from textual.worker import Worker

from rrr_local.actions import Place as Page
from rrr_local.engine.jobs import Step
from rrr_local.errors import RrrError
from rrr_local.models.remove import removal
from rrr_local.models.scan import Place
from rrr_local.text import sanitize
from tui.model_words import size, title
from tui.place import PlaceScreen
from tui.shelf import Section, Shelved
from tui.widgets.dialog import Choose, Type

OFFLINE = "HF_HUB_OFFLINE"
"""Set, the hub is not asked for anything."""


def is_offline() -> bool:
    """Whether the hub must not be asked."""
    return os.environ.get(OFFLINE, "").upper() in ("1", "ON", "YES", "TRUE")


class ModelsWork(PlaceScreen):
    """The page implements `chosen_model`, `reload` and `tell`."""

    PLACE = Page.MODELS

    def __init__(self) -> None:
        super().__init__()
        self.doing = ""
        """What is going on; empty: nothing."""
        self.speeds: dict[str, Mapping[str, Any]] = {}
        """What `b` measured, by model."""

    def chosen_model(self) -> Shelved | None:
        """The model with the cursor, or the one whose adapter has it."""
        raise NotImplementedError

    def reload(self, go_to: str | None = None) -> Worker[None] | None:
        """Look at this machine again; then the cursor goes to a model."""
        raise NotImplementedError

    def tell(self, words: str) -> None:
        """Show what is going on."""
        raise NotImplementedError

    # --- actions

    def do_stop(self, argument: str = "") -> None:
        """Stop what is going on; of a model that was on its way, the files that came whole stay."""
        self.workers.cancel_group(self, "job")
        self.rrr.say("stopped")

    @work(exclusive=True, group="job")
    async def do_get(self, argument: str = "") -> None:
        """Get a model from the hub, after showing what that takes."""
        model = self.chosen_model()
        repo: str | None = argument or (model.name if model is not None and model.section is Section.TO_GET else "")
        if not repo:
            question = "A model of the hub, as organisation/name"
            repo = await self.app.push_screen_wait(
                Type(question, "", "enter asks the hub what it takes; esc does nothing")
            )
        if not repo or not repo.strip():
            return
        repo = repo.strip()
        plan = await self._run(["fetch", repo, "--dry-run"], f"asking the hub about {repo}")
        if plan is None or await self.app.push_screen_wait(Choose(_plan_words(plan), [("g", "get it")])) is None:
            return
        arguments = ["fetch", repo, "--revision", str(plan["revision"]), "--yes"]
        if await self._run(arguments, f"getting {repo}") is not None:
            self.rrr.say(f"{repo} is here; enter loads it")
            self.reload(repo)

    @work(exclusive=True, group="job")
    async def do_import(self, argument: str = "") -> None:
        """Take in a folder, or a model that another program fetched."""
        model = self.chosen_model()
        value = argument or (
            model.name if model is not None and model.section is Section.FOUND and model.usable else ""
        )
        question = "A model's folder, with config.json, *.safetensors and a tokenizer"
        source = await self.app.push_screen_wait(Type(question, value, "nothing is copied; esc changes nothing"))
        if not source or not source.strip():
            return
        document = await self._run(["import", source.strip()], f"reading {source.strip()}")
        if document is not None:
            self.rrr.say(f"{document['name']} is installed; enter loads it")
            self.reload(str(document["name"]))

    @work(exclusive=True, group="job")
    async def do_verify(self, argument: str = "") -> None:
        """Compare a model's files with what was recorded."""
        model = self.chosen_model()
        if model is None or not model.recorded:
            return
        document = await self._run(["verify", model.name], f"reading the files of {title(model)}")
        if document is not None:
            same = bool(document["same"])
            words = "is as it was recorded" if same else "is damaged: get or import it again"
            self.rrr.say(f"{model.name} {words}", error=not same)
            self.reload(model.name)

    @work(exclusive=True, group="job")
    async def do_bench(self, argument: str = "") -> None:
        """Measure how fast a model is."""
        model = self.chosen_model()
        if model is None or not model.usable:
            return
        document = await self._run(["bench", model.name], f"measuring {title(model)}")
        if document is not None:
            self.speeds[model.name] = document
            self.reload(model.name)

    @work(exclusive=True, group="job")
    async def do_remove(self, argument: str = "") -> None:
        """Remove a model that was got or imported, after asking."""
        model = self.chosen_model()
        if model is None or not model.recorded:
            return
        try:
            what = await asyncio.to_thread(removal, model.name)
        except RrrError as error:
            self.rrr.show_error(error)
            return
        question = f"Forget {model.name}? Its files stay where they are."
        if model.row.place is Place.FETCHED and what.folder is not None:
            question = (
                f"Remove {model.name}, {size(what.size)} in {what.folder}?\n"
                "The Hugging Face cache is shared: other programs that use this model lose it too."
            )
        if await self.app.push_screen_wait(Choose(question, [("r", "remove it")])) is None:
            return
        if await self._run(["rm", model.name, "--yes"], f"removing {title(model)}") is not None:
            self.reload()

    # --- the process

    async def _run(self, arguments: Sequence[str], doing: str) -> Mapping[str, Any] | None:
        """The document of `rrr models <arguments>`; None when it failed, which is shown."""
        self.doing, document = sanitize(doing, 200), None
        self.tell(f"{self.doing}{self.rrr.symbols.ellipsis}")
        self.rrr.set_net(arguments[0] == "fetch")
        self.refresh_bindings()
        try:
            async with aclosing(self.services.jobs.run(["models", *arguments])) as events:
                async for event in events:
                    if isinstance(event, Step):
                        how_far = f"{event.stage} {event.done} of {event.total} {event.note}"
                        self.tell(f"{self.doing}: {sanitize(how_far, 100)}  (x stops it)")
                    else:
                        document = event.document
        except RrrError as error:
            self.rrr.show_error(error)
        finally:
            self.doing = ""
            self.rrr.set_net(False)
            self.tell("")
            self.refresh_bindings()
        return document


def _plan_words(plan: Mapping[str, Any]) -> str:
    """What getting a model takes."""
    download, free = int(plan["download_bytes"]), int(plan["free_bytes"])
    fits = plan["fits"] or {}
    lines = [
        f"Get {plan['name']} from {plan['host']}?",
        "",
        f"to fetch    {size(download)} of {size(int(plan['size_bytes']))}, {len(plan['files'])} files",
        f"disk        {size(free)} free, {size(max(0, free - download))} afterwards",
        f"licence     {plan['license'] or 'not said'}",
        f"memory      chat {fits.get('chat', '?')}, training {fits.get('training', '?')}",
        f"commit      {str(plan['revision'])[:12]}",
    ]
    if plan["gated"]:
        lines.append("its author asks you to accept conditions first")
    return "\n".join(lines)
