"""The slash commands of a plain chat: everything the chat screen can do, in words."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from pathlib import Path

import click

from rrr_local.actions import Place
from rrr_local.chat import commands
from rrr_local.chat.commands import SETTABLE, SLASHES, Command, Prompt
from rrr_local.chat.session import ChatSession
from rrr_local.cli.lines import Lines, Mark
from rrr_local.cli.talk import Talk
from rrr_local.config import Source, find, show
from rrr_local.engine.client import EngineState
from rrr_local.engine.protocol import Arm
from rrr_local.errors import NotFoundError, RrrError, UsageError
from rrr_local.store import queries
from rrr_local.store.chats import Chat, Turn
from rrr_local.tasks.find import known_tasks
from rrr_local.tasks.question import NAME as QUESTION

ELSEWHERE: Mapping[Place, str] = {
    Place.CHAT: "this is the chat",
    Place.TRAIN: "rrr train --failures pool --task TASK; rrr train watch follows it",
    Place.RUNS: "rrr runs list; rrr runs show RUN",
    Place.HISTORY: "rrr history list; rrr history show ID; rrr history search WORDS",
    Place.TASKS: "rrr tasks; rrr collect --task TASK",
    Place.MODELS: "rrr runs list shows the adapters; /model and /adapter load one here",
    Place.DOCTOR: "rrr doctor; rrr config list",
}
"""What does the work of the app's other places in a shell."""


class PlainChat:
    """Carries out one typed line after the other."""

    def __init__(self, session: ChatSession, lines: Lines, *, terminal: bool) -> None:
        """`terminal`: whether a person types, so that an editor can be opened."""
        self.session = session
        self.lines = lines
        self.talk = Talk(session, lines)
        self.ended = False
        """Whether /quit was typed."""
        self._terminal = terminal
        self._listed: list[Chat] = []
        self._handlers: Mapping[str, Callable[[str], Awaitable[None]]] = {
            **{f"go-{place}": partial(self._elsewhere, place) for place in Place},
            **{
                action.name: getattr(self, f"_{action.name}") for action in SLASHES if not action.name.startswith("go-")
            },
        }

    async def carry_out(self, line: str) -> None:
        """Ask, or do what a slash command says. What cannot be done is said; raises why the engine did not start."""
        if not line.strip():
            return
        try:
            match commands.parse(line):
                case Prompt(text):
                    await self._ask(text)
                case Command(action, argument):
                    await self._handlers[action.name](argument)
        except RrrError as error:
            if self.session.engine.state in (EngineState.DEAD, EngineState.TAKEN) and not self.session.turns:
                raise
            self.lines.note(f"{error.cause}; {error.way_out}")

    # --- asking -------------------------------------------------------------------------------------------------

    async def _ask(self, text: str) -> None:
        if self.session.task is None:
            await self._ready()
            self.talk.warn_of_toy()
        await self.talk.show(self.session.ask(text), fit=lambda: self.session.ask(text, fit=True))

    async def _problem(self, _: str) -> None:
        text = self.session.problem()
        self.lines.say(Mark.YOU, text)
        await self._ask(text)

    async def _again(self, _: str) -> None:
        turn_id = self.session.last.id
        if self.session.repeats:
            self.lines.note("the temperature is 0: the same model answers the same; /set temperature 0.7 changes that")
        again = self.session.again
        await self.talk.show(again(turn_id), fit=lambda: again(turn_id, fit=True))

    async def _edit(self, text: str) -> None:
        if not text:
            raise UsageError("there is no new prompt", "type it too, for example /edit What is 3 * 8?")
        turn_id, edit = self.session.last.id, self.session.edit
        await self.talk.show(edit(turn_id, text), fit=lambda: edit(turn_id, text, fit=True))

    async def _editor(self, _: str) -> None:
        if not self._terminal:
            raise UsageError("an editor needs a terminal", "write the prompt in a line")
        text = (click.edit(self.session.draft) or "").strip()
        if text:
            self.lines.say(Mark.YOU, text)
            await self._ask(text)

    async def _fit(self, _: str) -> None:
        if self.talk.fit is None:
            raise UsageError("nothing waits to be sent without the oldest turns", "ask something")
        await self.talk.show(self.talk.fit())

    async def _ab(self, text: str) -> None:
        await self._ready()
        if self.session.engine.ready is not None and self.session.engine.ready.adapter is None:
            raise UsageError("no adapter is loaded to compare with", "load one, for example /adapter run-1")
        self.talk.answers.clear()
        await self.talk.show(self.session.versus(text or self.session.last.prompt or ""))
        self.lines.note("/good base or /good adapter rates one of them, and so does /wrong")

    # --- judging ------------------------------------------------------------------------------------------------

    async def _good(self, which: str) -> None:
        if which:
            return self._rate_one(which, True, "")
        turn = self.session.last
        self.lines.note("saved: good" if self.session.good(turn.id) else "taken back")
        turn = self.session.turn(turn.id)
        answer = self.session.expected_from(turn)
        if answer is not None:
            self.lines.note(f"to use this as the right answer: /check {answer}")
        self._say_trainable(turn)

    async def _wrong(self, reason: str) -> None:
        which, _, rest = reason.partition(" ")
        if self.talk.answers and which in self.talk.answers:
            return self._rate_one(which, False, rest)
        await self.talk.show(self.session.wrong(self.session.last.id, reason))

    def _rate_one(self, which: str, good: bool, reason: str) -> None:
        """Rate one of two answers that stand side by side."""
        if which not in self.talk.answers:
            raise UsageError(
                f"there is no answer {which!r} to rate", "compare with /ab first, then /good base or adapter"
            )
        self.session.rate(self.talk.answers[Arm(which)], good, reason)
        self.lines.note(f"saved: {which} is {'good' if good else 'wrong'}")

    async def _check(self, expected: str) -> None:
        await self.talk.show(self.session.check(self.session.last.id, expected))

    async def _retry(self, _: str) -> None:
        await self.talk.show(self.session.retry(self.session.last.id))

    async def _undo(self, _: str) -> None:
        turn_id = self.session.last.id
        self.session.undo(turn_id)
        self.lines.note("the rating was taken back")
        self._say_trainable(self.session.turn(turn_id))

    def _say_trainable(self, turn: Turn) -> None:
        self.lines.note(self.session.trainable(turn).why)

    # --- looking ------------------------------------------------------------------------------------------------

    async def _branch(self, which: str) -> None:
        step = {"": 1, "next": 1, "previous": -1}.get(which)
        if step is None:
            raise UsageError(f"there is no branch {which!r}", "/branch next, or /branch previous")
        forks = [turn.id for turn in self.session.turns if self.session.branches(turn.id)[1] > 1]
        if not forks:
            raise UsageError("this chat has no branches", "/again and /edit begin one")
        begins = self.session.show_branch(forks[-1], step)
        index, count = self.session.branches(begins)
        self.lines.note(f"branch {index} of {count}")
        shown = self.session.turns
        for turn in shown[shown.index(self.session.turn(begins)) :]:
            self.talk.turn(turn)

    async def _why(self, _: str) -> None:
        for line in self.session.why(self.session.last):
            self.lines.note(line)

    async def _find(self, text: str) -> None:
        if not text:
            raise UsageError("there is nothing to find", "type it too, for example /find product")
        found = self.session.find(text)
        self.lines.note(f"{len(found)} of {len(self.session.turns)} turns hold it")
        for turn in found:
            self.talk.turn(turn)

    async def _trace(self, when: str) -> None:
        if when:
            self.session.settings.set("chat.trace", when)
        self.lines.note(f"reflections are shown: {self.session.settings.get('chat.trace')}")

    async def _hide(self, _: str) -> None:
        hidden = self.session.hide(self.session.last.id)
        self.lines.note("hidden; the log keeps it" if hidden else "shown again")

    async def _copy(self, _: str) -> None:
        raise UsageError("there is no clipboard in plain mode", "/export writes the chat to a file")

    async def _export(self, form: str) -> None:
        text = self.session.export(form or "md")
        path = _free(Path.cwd() / f"chat-{self.session.conversation or 'empty'}.{form or 'md'}")
        path.write_text(text, encoding="utf-8", errors="replace")
        self.lines.note(f"written to {path}")

    # --- chats --------------------------------------------------------------------------------------------------

    async def _new(self, _: str) -> None:
        self.session.new()
        self.lines.note("a new chat")

    async def _open(self, which: str) -> None:
        if not which:
            self._listed = self.session.chats(20)
            for number, chat in enumerate(self._listed, 1):
                title = (chat.title or chat.first_prompt or "").partition("\n")[0][:60]
                self.lines.note(f"{number}  {chat.started_at[:16]}  {chat.turns} turns  {title}")
            self.lines.note("/open NUMBER goes on with one" if self._listed else "there is no chat yet")
            return
        self.go_on_with(self._listed[int(which) - 1].id if self._is_number(which) else which)

    def go_on_with(self, conversation: str) -> None:
        """Open a chat and show its last turn. Raises `NotFoundError`."""
        self.session.open(conversation)
        self.lines.note(f"chat {conversation}, {len(self.session.turns)} turns; the last one:")
        self.talk.turn(self.session.last)

    def _is_number(self, which: str) -> bool:
        return which.isascii() and which.isdigit() and 1 <= int(which) <= len(self._listed)

    async def _rename(self, title: str) -> None:
        if not title:
            raise UsageError("there is no title", "type it too, for example /rename Sums")
        self.session.rename(title)
        self.lines.note(f"this chat is now {title}")

    # --- what it works with -------------------------------------------------------------------------------------

    async def _task(self, name: str) -> None:
        if name:
            self.session.task = None if name == "none" else name
        chosen = self.session.task
        own = "none: your own questions, not checked unless you /check them"
        self.lines.note(f"task: {own if chosen is None else f'{chosen}; /problem asks the next of its problems'}")
        if not name:
            self.lines.note(f"there are: {', '.join(known_tasks())}")

    async def _model(self, name: str) -> None:
        await self._load(name, None)

    async def _adapter(self, name: str) -> None:
        if not name:
            names = [run.name for run in queries.runs(self.session.store.reader(), 20)]
            self.lines.note(f"runs: {', '.join(names) or 'none yet'}")
        await self._load((self.session.engine.model or "") if name else "", None if name == "none" else name)

    async def _load(self, model: str, adapter: str | None) -> None:
        """Load something, or without a name say what is loaded."""
        await self._ready()
        ready = self.session.engine.ready
        if model:
            await self.talk.show(self.session.load(model, adapter))
        elif ready is not None:
            self.talk.ready(ready)

    async def _set(self, text: str) -> None:
        name, _, value = text.partition(" ")
        if value.strip():
            self.session.settings.set(commands.setting_key(name), value)
        keys = [commands.setting_key(name)] if name else SETTABLE
        for key in keys:
            fixed = self.session.settings.source(key) is Source.ENV
            why = f"  (set by {find(key).env} or a flag)" if fixed else ""
            self.lines.note(f"{key.partition('.')[2]} = {show(self.session.settings.get(key))}{why}")

    async def _restart(self, _: str) -> None:
        await self.session.engine.restart()
        await self._ready()
        if self.session.engine.ready is not None:
            self.talk.ready(self.session.engine.ready)

    async def _ready(self) -> None:
        await self.session.engine.until_ready()

    # --- the rest -----------------------------------------------------------------------------------------------

    async def _elsewhere(self, place: Place, _: str) -> None:
        self.lines.note(ELSEWHERE[place].replace("TASK", self.session.task or QUESTION))

    async def _help(self, _: str) -> None:
        self.lines.note(
            "any line is a prompt; one that begins with a slash is a command, // begins a prompt with a slash"
        )
        for action in SLASHES:
            self.lines.note(f"/{action.slash} {action.argument}".rstrip() + f": {action.help}")

    async def _quit(self, _: str) -> None:
        self.ended = True


def _free(path: Path) -> Path:
    """The path, with a number where there is such a file already. Raises `NotFoundError` where the folder is gone."""
    if not path.parent.is_dir():
        raise NotFoundError(f"there is no folder {path.parent}", "go to another one")
    paths = [path, *(path.with_stem(f"{path.stem}-{n}") for n in range(2, 1000))]
    return next(each for each in paths if not each.exists())
