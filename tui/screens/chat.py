"""Chat: the conversation, the box below it, and what the engine is able to do right now."""

from __future__ import annotations

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.events import Key
from textual.widgets import Markdown, TextArea

from rrr_local.chat import commands
from rrr_local.engine.client import EngineState
from rrr_local.errors import RrrError
from tui.screens.chat_chats import ChatsPart
from tui.screens.chat_turns import TurnsPart
from tui.widgets.act import Act
from tui.widgets.chat_info import ChatInfo
from tui.widgets.conversation import Brief, Conversation
from tui.widgets.prompt import Completions, Prompt
from tui.widgets.reason import ReasonField
from tui.widgets.status import KeyBar, TopBar
from tui.widgets.turn import TurnView
from tui.widgets.versus import Side

HINT = "Ask anything.  / for commands, ctrl+j for a new line"
DRAFT_S = 0.5
"""A draft is kept when nothing was typed for so long."""


class ChatScreen(TurnsPart, ChatsPart):
    """The first place of the app."""

    CSS_PATH = "chat.tcss"

    def compose(self) -> ComposeResult:
        yield TopBar()
        yield Conversation(self.manner)
        yield Vertical(id="notices")
        completions = Completions()
        yield completions
        yield Prompt(completions, HINT)
        yield ChatInfo(self.session)
        yield KeyBar()

    async def on_mount(self) -> None:
        self._draft = self.set_timer(DRAFT_S, self.keep_draft)
        self.rrr.engine_changed.subscribe(self, lambda _: self.call_later(self.engine_changed))
        self.rrr.runs_changed.subscribe(self, self.info.refresh_facts)
        self.rrr.settings_changed.subscribe(self, lambda _: self.call_later(self.settings_changed))
        self.prompt.put(self.session.draft)
        await self.engine_changed()
        self.prompt.focus()

    # What happens elsewhere

    async def engine_changed(self) -> None:
        """Say what became of the engine, where something is to be done about it."""
        engine = self.services.engine
        reason = self.rrr.read_only
        self.prompt.read_only = bool(reason)
        self.prompt.placeholder = "Read-only." if reason else HINT
        if reason:
            await self.notice("read-only", "Read-only: you can look at everything here.", reason)
        if engine.state is EngineState.DEAD and engine.error is not None and not reason:
            acts = (Act("[restart]", "restart"), Act("[details]", "details"), Act("[models]", "go-models"))
            await self.notice("dead", f"Engine stopped: {engine.error.cause}", engine.error.way_out, *acts, bad=True)
        else:
            await self.drop_notice("dead")
        await self.show_empty()
        self.look()

    async def settings_changed(self) -> None:
        """Fold by the rule that counts now."""
        await self.conversation.refold(self.manner)
        self.look()

    # What a person does with the mouse and the box

    async def on_act_clicked(self, event: Act.Clicked) -> None:
        event.stop()
        around = next((node for node in event.act.ancestors if isinstance(node, TurnView | Side)), None)
        if around is not None:
            self.set_focus(around)
        await self.perform(event.act.action, event.act.argument)

    async def on_brief_clicked(self, event: Brief.Clicked) -> None:
        (await self.conversation.restore(event.brief)).focus()

    async def on_turn_view_chosen(self, event: TurnView.Chosen) -> None:
        await self.mark_target()
        self.refresh_bindings()

    def on_markdown_link_clicked(self, event: Markdown.LinkClicked) -> None:
        """A model may have made the address up, or something worse: it is never opened, only copied."""
        event.stop()
        self.rrr.copy(event.href)

    @on(TextArea.Changed)
    def typed(self) -> None:
        """Offer commands, and keep the draft when the typing rests."""
        line = self.prompt.text
        ways = commands.complete(line, self.arguments()) if line.startswith("/") and "\n" not in line else []
        whole = any(way.text.strip() == line.strip() for way in ways)
        self.query_one(Completions).offer([] if whole else ways, line)
        self._draft.stop()
        self._draft = self.set_timer(DRAFT_S, self.keep_draft)

    def on_completions_chosen(self, event: Completions.Chosen) -> None:
        self.prompt.put(event.text)
        self.prompt.focus()

    def on_prompt_cut(self, event: Prompt.Cut) -> None:
        self.rrr.say(f"that paste has {event.characters} characters; the box takes the first of them", error=True)

    def on_prompt_paged(self, event: Prompt.Paged) -> None:
        scroll = self.conversation.scroll_page_down if event.step > 0 else self.conversation.scroll_page_up
        scroll(animate=False)

    async def on_reason_field_given(self, event: ReasonField.Given) -> None:
        event.stop()
        self.prompt.focus()
        await self.reflect_on(event.turn, event.reason)

    def on_reason_field_dropped(self) -> None:
        self.prompt.focus()

    async def on_key(self, event: Key) -> None:
        """Outside the box, a letter that is no key of its own goes into the box; escape goes back, where it does not stop."""
        if event.key == "escape" and self.writing is None:
            event.stop()
            await self.do_stop()
            return
        typing = event.is_printable and event.character is not None and event.key not in self.active_bindings
        if (
            typing
            and not isinstance(self.focused, TextArea)
            and not self.query(ReasonField)
            and not self.prompt.read_only
        ):
            event.stop()
            self.prompt.focus()
            self.prompt.insert(event.character or "")

    # Sending

    async def do_send(self, argument: str = "") -> None:
        """Send what is in the box, or unfold the turn that has the focus."""
        if self.focused is not self.prompt and not argument:
            await self.do_fold()
            return
        text = argument or self.prompt.take()
        if not text.strip():
            return
        try:
            meant = commands.parse(text)
            if isinstance(meant, commands.Prompt):
                await self._ask(meant.text)
        except RrrError:
            self.put(text)
            raise
        self.prompt.history_lines += (text,)
        self.keep_draft()
        if isinstance(meant, commands.Command):
            await self.perform(meant.action.name, meant.argument)

    async def _ask(self, text: str) -> None:
        if self.editing:
            await self.edit_turn(self.editing, text)
        else:
            await self.ask_prompt(text)

    def do_newline(self, argument: str = "") -> None:
        """A new line in the box."""
        self.prompt.focus()
        self.prompt.action_newline()

    def can(self, name: str) -> bool | None:
        """What is possible right now."""
        if self.query_one_optional(Prompt) is None:
            return True
        in_box = self.focused is self.prompt
        if self.rrr.read_only and name in ASKING | SAYING:
            return False
        match name:
            case "stop":
                return self.writing is not None
            case "newline":
                return in_box
            case "wrong":  # it stops what is written first
                return True if self.target is not None else None
            case "good" | "again" | "retry" | "check" | "edit" | "hide" | "why" | "copy":
                return True if self.target is not None and self.writing is None else None
            case "fit":
                return True if self.overflowed is not None else None
            case _:
                return True


ASKING = {"send", "newline", "editor", "again", "edit", "ab", "retry", "fit", "task", "problem", "restart"}
SAYING = {"good", "wrong", "check", "undo", "hide", "new", "rename", "set"}
"""With `ASKING`, what cannot be done while another app has the engine and the log."""
