"""The chat screen's actions on a turn: rate, check, retry, branch, compare, look closer."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import aclosing

from rrr_local.chat.session import Events
from rrr_local.engine.protocol import Failed
from rrr_local.errors import RrrError, UsageError
from rrr_local.store.chats import Turn
from tui.screens.chat_base import Asking, ChatBase
from tui.widgets.dialog import Read
from tui.widgets.reason import ReasonField
from tui.widgets.turn import TurnView
from tui.widgets.versus import Side, VersusView

TRACES = ("fail", "always", "never")


class TurnsPart(ChatBase):
    """What can be done with an answer."""

    # Rating

    async def do_good(self, argument: str = "") -> None:
        """Right; a second time takes that back."""
        if await self._rate_side(True):
            return
        turn = self.target_turn()
        rated = self.session.good(turn.id)
        await self.redraw(turn.id)
        self.rrr.say("rated good" if rated else "the rating is taken back")
        expected = self.session.expected_from(self.session.turn(turn.id))
        if rated and expected is not None and not self.prompt.text.strip():
            self.put(f"/check {expected}")
            self.rrr.say("enter makes this the right answer: then the prompt can be checked and trained on")

    async def do_wrong(self, argument: str = "") -> None:
        """Wrong: ask why, then reflect and retry. Pressed again it does not ask."""
        if await self._rate_side(False, argument):
            return
        asking = self.query(ReasonField)
        if asking:
            asking.first().give()
        elif self.writing is not None:
            self.run_worker(self._stop_and_wrong(argument), group="wrong", exclusive=True)
        else:
            await self._wrong(argument)

    async def _stop_and_wrong(self, argument: str) -> None:
        await self.session.stop()
        await self.finished.wait()
        try:
            await self._wrong(argument)
        except RrrError as error:
            self.rrr.show_error(error)

    async def _wrong(self, argument: str) -> None:
        turn = self.target_turn()
        if argument:
            await self.reflect_on(turn.id, argument)
            return
        view = await self.conversation.reveal(turn.id)
        if view is not None:
            await view.mount(ReasonField(turn.id, self.manner.wrong))
            view.query_one(ReasonField).scroll_visible(animate=False)

    async def _rate_side(self, good: bool, reason: str = "") -> bool:
        """Rate the side of a comparison that has the focus; whether there is one."""
        around = () if self.focused is None else self.focused.ancestors_with_self
        side = next((node for node in around if isinstance(node, Side)), None)
        if side is None or side.attempt is None:
            return False
        self.session.rate(side.attempt, good, reason)
        await side.rate(good)
        return True

    async def reflect_on(self, turn_id: int, reason: str) -> None:
        """Rate a turn wrong, reflect, retry."""
        await self.write_into(turn_id, lambda: self.session.wrong(turn_id, reason))

    async def do_retry(self, argument: str = "") -> None:
        """Reflect once more."""
        turn_id = self.target_turn().id
        await self.write_into(turn_id, lambda: self.session.retry(turn_id))

    async def do_check(self, argument: str = "") -> None:
        """Give the right answer; without one the command is put into the box."""
        turn_id = self.target_turn().id
        if argument:
            await self.write_into(turn_id, lambda: self.session.check(turn_id, argument))
        else:
            self.put("/check ")

    async def do_undo(self, argument: str = "") -> None:
        """Take the last rating back."""
        turn = self.target_turn()
        self.session.undo(turn.id)
        await self.redraw(turn.id)
        self.rrr.say("the rating is taken back")

    # Branches

    async def do_again(self, argument: str = "") -> None:
        """Answer the same prompt again."""
        turn = self.target_turn()
        if self.session.repeats:
            self.rrr.say("at temperature 0 the answer will be the same")
        await self._instead(turn, turn.prompt or "", lambda fit: self.session.again(turn.id, fit=fit))

    async def do_edit(self, argument: str = "") -> None:
        """Ask again in other words; without any the old ones are put into the box."""
        turn = self.target_turn()
        if argument:
            await self.edit_turn(turn.id, argument)
            return
        self.editing = turn.id
        self.put(turn.prompt or "")
        what = "Enter asks this in the place of the old prompt, which stays as a branch."
        await self.notice("editing", "Editing a prompt.", f"{what} Esc leaves it as it was.")

    async def edit_turn(self, turn_id: int, text: str) -> None:
        """Ask something else in a turn's place."""
        await self.drop_notice("editing")
        self.editing = 0
        await self._instead(self.session.turn(turn_id), text, lambda fit: self.session.edit(turn_id, text, fit=fit))

    async def _instead(self, turn: Turn, text: str, make: Callable[[bool], Events]) -> None:
        asking = Asking(text, lambda: make(True), instead=turn.id)
        await self.ask(asking, lambda: make(False))

    async def do_branch(self, argument: str = "") -> None:
        """Go to another branch of the last turn that has some."""
        forks = [turn for turn in self.session.turns if self.session.branches(turn.id)[1] > 1]
        if not forks:
            raise UsageError("this chat has no branches", "/again and /edit make one")
        await self._go_branch(forks[-1].id, -1 if argument == "previous" else 1)

    async def do_previous_branch(self, argument: str = "") -> None:
        await self._go_branch(self.target_turn().id, -1)

    async def do_next_branch(self, argument: str = "") -> None:
        await self._go_branch(self.target_turn().id, 1)

    async def _go_branch(self, turn_id: int, step: int) -> None:
        self.must_be_idle()
        in_box = self.focused is self.prompt
        shown = self.session.show_branch(turn_id, step)
        await self.show_path()
        view = self.conversation.view(shown)
        if view is not None and not in_box:
            self.set_focus(view)

    # Side by side

    async def do_ab(self, argument: str = "") -> None:
        """Answer by the bare model and by the adapter."""
        self.must_be_able()
        ready = self.services.engine.ready
        if ready is None or ready.adapter is None:
            raise UsageError("there is no adapter to compare with", "load one with /adapter RUN")
        text = argument or self.target_turn().prompt or ""
        view = VersusView(text, ready.adapter, self.manner)
        await self.conversation.add(view)
        self.begin_writing(view)
        self.run_worker(self._compare(text, view), group="turn")

    async def _compare(self, text: str, view: VersusView) -> None:
        try:
            async with aclosing(self.session.versus(text)) as events:
                async for event in events:
                    await view.take(event)
                    if isinstance(event, Failed):
                        view.say(f"{event.cause}: {event.way_out}")
        except RrrError as error:
            view.say(str(error))
        await self.end_writing()

    # Looking

    async def do_why(self, argument: str = "") -> None:
        """What really happened."""
        self.app.push_screen(
            Read("What really happened", "\n".join(self.session.why(self.target_turn())), at_end=False)
        )

    def do_copy(self, argument: str = "") -> None:
        """Copy the answer of the turn, or of one further back."""
        back = int(argument) if argument.isdecimal() else 0
        views = self.conversation.views
        if back >= len(views):
            raise UsageError(f"there are only {len(views)} turns on the screen", "take a smaller number")
        view = views[-1 - back] if back else self.target
        made = None if view is None else view.last_try
        if made is None:
            raise UsageError("there is no answer to copy", "ask something first")
        self.rrr.copy(made.text)

    async def do_fold(self, argument: str = "") -> None:
        """Unfold the turn's trace, or fold it."""
        if self.target is not None:
            await self.target.fold_all()

    async def do_trace(self, argument: str = "") -> None:
        """When traces are shown unfolded; without an argument the next way."""
        now = str(self.services.settings.get("chat.trace"))
        wanted = argument or TRACES[(TRACES.index(now) + 1) % len(TRACES)]
        if self.rrr.set_setting("chat.trace", wanted):
            self.rrr.say(f"traces are unfolded: {wanted}")

    async def do_hide(self, argument: str = "") -> None:
        """Hide the turn, or show it again."""
        turn = self.target_turn()
        hidden = self.session.hide(turn.id)
        await self.redraw(turn.id)
        self.rrr.say("hidden; the log and the model's context keep it" if hidden else "shown again")

    def do_previous_turn(self, argument: str = "") -> None:
        self._move(-1)

    def do_next_turn(self, argument: str = "") -> None:
        self._move(1)

    def _move(self, step: int) -> None:
        """The focus goes to another turn; beyond the last one is the box."""
        views = self.conversation.views
        at = views.index(self.target) if self.target in views and self.focused is not self.prompt else len(views)
        wanted = max(at + step, 0)
        self.set_focus(views[wanted] if wanted < len(views) else self.prompt)

    async def do_find(self, argument: str = "") -> None:
        """Go to the next turn that holds a text, the newest first."""
        if not argument:
            self.put("/find ")
            return
        found = [turn.id for turn in reversed(self.session.find(argument))]
        if not found:
            self.rrr.say("nothing in this chat holds that; the History page (4) searches all of them")
            return
        text, last = self.found
        at = (found.index(last) + 1) % len(found) if text == argument and last in found else 0
        self.found = (argument, found[at])
        view = await self.conversation.reveal(found[at])
        if view is not None:
            await self._point_out(view, argument)
        self.rrr.say(f"{at + 1} of {len(found)} turns")

    async def _point_out(self, view: TurnView, text: str) -> None:
        for step in view.steps:
            if text.casefold() in step.shown.text.casefold():
                step.by_hand = True
                await step.fold(True)
        self.set_focus(view)
        view.scroll_visible(animate=False, top=True)
