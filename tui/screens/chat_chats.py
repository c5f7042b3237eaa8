"""The chat screen's actions around a conversation: chats, tasks, models, settings, files, the engine."""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from textual.app import SuspendNotSupported

from rrr_local import paths
from rrr_local.actions import Place
from rrr_local.chat import commands
from rrr_local.config import show
from rrr_local.errors import UsageError
from rrr_local.store import queries
from rrr_local.tasks.find import known_tasks
from tui.screens.chat_base import Asking, ChatBase
from tui.widgets.act import Act
from tui.widgets.dialog import Read
from tui.widgets.pick import Pick
from tui.widgets.prompt import Completions
from tui.widgets.prose import first_line

MANY = 50
"""Chats and runs that are offered."""
EDITORS = ("VISUAL", "EDITOR")


class ChatsPart(ChatBase):
    """What can be done around the turns."""

    # Asking

    async def ask_prompt(self, text: str, fit: bool = False) -> None:
        """Ask at the end of the conversation."""
        await self._say_toy()
        asking = Asking(text, partial(self.session.ask, text, fit=True))
        await self.ask(asking, partial(self.session.ask, text, fit=fit))

    async def _say_toy(self) -> None:
        """Free text to the embedded model: say once that it is a toy; the next question takes the notice away."""
        await self.drop_notice("toy")
        ready, settings = self.services.engine.ready, self.services.settings
        if ready is None or not ready.embedded or self.session.task is not None or settings.remembered("toy"):
            return
        settings.remember("toy", "said")
        cause = "This model is a toy: it was made for countdown, to try the app with."
        way_out = "To anything else it answers nonsense. /model FOLDER takes another one, /task countdown fits it."
        await self.notice("toy", cause, way_out, Act("[ok]", "dismiss", "toy"))

    async def do_fit(self, argument: str = "") -> None:
        """Send what did not fit, without the oldest turns."""
        asking = self.overflowed
        if asking is None or asking.again is None:
            raise UsageError("nothing waits to be sent", "type a question")
        self.prompt.take()
        await self.ask(asking, asking.again)

    async def do_stop(self, argument: str = "") -> None:
        """Stop writing; else close the list, leave the edit, leave the box, in this order."""
        completions = self.query_one(Completions)
        if self.writing is not None:
            await self.session.stop()
        elif completions.offered:
            completions.offer([])
        elif self.editing:
            self.editing = 0
            self.prompt.take()
            await self.drop_notice("editing")
        elif self.focused is self.prompt:
            self.set_focus(self.conversation.last)
        else:
            self.set_focus(self.prompt)

    def do_editor(self, argument: str = "") -> None:
        """Write the prompt in the person's own editor."""
        editor = next((os.environ[name] for name in EDITORS if os.environ.get(name)), "vi")
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "prompt.md"
            file.write_text(self.prompt.text, encoding="utf-8")
            try:
                with self.app.suspend():
                    code = subprocess.run([*shlex.split(editor), str(file)], check=False).returncode
            except (SuspendNotSupported, OSError, ValueError) as error:
                raise UsageError(f"the editor {editor} cannot be started here ({error})", "set EDITOR") from error
            if code == 0:
                self.put(file.read_text(encoding="utf-8", errors="replace").removesuffix("\n"))

    # Chats

    async def do_new(self, argument: str = "") -> None:
        """Begin another chat."""
        self.must_be_idle()
        self.keep_draft()
        self.session.new()
        await self.show_chat_of_session()

    async def do_open(self, argument: str = "") -> None:
        """Go on with an earlier chat; without its id there is a list."""
        self.must_be_idle()
        if argument:
            await self.show_chat(argument)
            return
        rows = [
            (chat.id, f"{first_line(chat.title or chat.first_prompt or '(without a prompt)', 60)}   {chat.turns} turns")
            for chat in self.session.chats(MANY)
        ]
        self.pick("Go on with", rows, "there is no earlier chat", "open")

    async def show_chat(self, conversation: str) -> None:
        """Go on with a chat. Raises `NotFoundError`."""
        self.must_be_idle()
        self.keep_draft()
        self.session.open(conversation)
        await self.show_chat_of_session()

    async def show_chat_of_session(self) -> None:
        """Another conversation: its turns, its draft."""
        self.editing = 0
        for notice in ("overflow", "editing"):
            await self.drop_notice(notice)
        self.info.forget()
        self.prompt.history_lines = tuple(turn.prompt for turn in self.session.turns if turn.prompt)
        self.prompt.put(self.session.draft)
        await self.show_path()
        await self.show_empty()
        self.set_focus(self.prompt)

    def do_rename(self, argument: str = "") -> None:
        """Give the chat a title."""
        if not argument:
            self.put("/rename ")
            return
        self.session.rename(argument)
        self.rrr.say("renamed")

    def do_export(self, argument: str = "") -> None:
        """Save the branch that is shown."""
        form = argument or "md"
        text = self.session.export(form)
        folder = paths.data_folder() / "exports"
        folder.mkdir(mode=0o700, exist_ok=True)
        file = folder / f"chat-{self.session.conversation or 'empty'}.{form}"
        file.write_text(text, encoding="utf-8", errors="backslashreplace")
        self.rrr.say(f"saved as {file}")

    # Tasks, models, settings

    async def do_task(self, argument: str = "") -> None:
        """Take up a task and put its first problem into the box; `none` leaves it."""
        if not argument:
            rows = [
                *((name, first_line(f"{name}: {about}", 100)) for name, about in known_tasks().items()),
                ("none", "none: your own questions"),
            ]
            self.pick("Chat about", rows, "there are no tasks", "task")
            return
        self.session.task = None if argument == "none" else argument
        self.look()
        if self.session.task is not None:
            self.do_problem()

    def do_problem(self, argument: str = "") -> None:
        """Put the next problem of the task into the box."""
        self.put(self.session.problem())

    async def do_example(self, argument: str = "") -> None:
        """An example of the empty chat was clicked: it is asked at once."""
        task, _, problem = argument.partition("\n")
        self.session.task = task
        await self.ask_prompt(problem)

    async def do_model(self, argument: str = "") -> None:
        """Chat with another model; without one the Models page opens."""
        self.must_be_idle()
        if argument:
            self.run_worker(self.rrr.load(argument, None), group="load")
        else:
            await self.rrr.go(Place.MODELS)

    async def do_adapter(self, argument: str = "") -> None:
        """Chat with a run's adapter, or with the bare model; without an argument there is a list."""
        self.must_be_idle()
        if argument:
            model = str(self.services.settings.get("chat.model"))
            self.run_worker(self.rrr.load(model, None if argument == "none" else argument), group="load")
            return
        runs = queries.runs(self.services.store.reader(), MANY)
        rows = [
            ("none", "none: the bare model"),
            *((run.name, f"{first_line(run.name, 60)}   {run.status}") for run in runs),
        ]
        self.pick("Chat with the adapter of", rows, "there is no run", "adapter")

    def do_set(self, argument: str = "") -> None:
        """Change a setting of the chat or of the screen."""
        name, _, value = argument.partition(" ")
        if not value.strip():
            self.put(f"/set {name} " if name else "/set ")
            return
        key = commands.setting_key(name)
        if self.rrr.set_setting(key, value.strip()):
            self.rrr.say(f"{key} is {show(self.services.settings.get(key))}")

    # The engine

    async def do_restart(self, argument: str = "") -> None:
        """Start the engine again, with what it had last."""
        await self.services.engine.restart()

    def do_details(self, argument: str = "") -> None:
        """The end of the engine's log."""
        error, log = self.services.engine.error, paths.log_path("engine")
        said = f"{error.cause}\n{error.way_out}\n\n" if error is not None else ""
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-200:] if log.is_file() else ["(empty)"]
        self.app.push_screen(Read("The engine", f"{said}{log}\n\n" + "\n".join(lines)))

    async def do_dismiss(self, argument: str = "") -> None:
        """A notice was read."""
        await self.drop_notice(argument)

    async def do_older(self, argument: str = "") -> None:
        """Earlier turns were asked for."""
        await self.conversation.older()

    # Helpers

    def arguments(self) -> Mapping[str, Sequence[str]]:
        """What may follow a command, for the list under it."""
        runs = [run.name for run in queries.runs(self.services.store.reader(), MANY)]
        return {"task": [*known_tasks(), "none"], "adapter": [*runs, "none"], "model": ["tiny"]}

    def keep_draft(self) -> None:
        """Keep what is typed, for this chat."""
        if not self.rrr.read_only and not self.editing:
            self.session.draft = self.prompt.text

    def pick(self, question: str, rows: Sequence[tuple[str, str]], nothing: str, action: str) -> None:
        """Have the person choose, then do the action with what was chosen."""
        if not rows:
            self.rrr.say(nothing)
            return

        async def chosen(value: str | None) -> None:
            if value is not None:
                await self.perform(action, value)

        self.app.push_screen(Pick(question, rows), chosen)
