"""One conversation of the log as it is shown: its turns, their branches, and what a person says about them.

Everything here reads or writes the log and comes back at once; what makes the model write is in `rrr_local.chat.session`.
"""

from __future__ import annotations

from dataclasses import replace

from rrr_local.chat import export, feedback, turns, why
from rrr_local.chat.branches import Tree
from rrr_local.chat.feedback import Trainable
from rrr_local.config import Settings
from rrr_local.episode import VerdictKind
from rrr_local.errors import NotFoundError, UsageError
from rrr_local.store import chats, history
from rrr_local.store.chats import Chat, Turn
from rrr_local.store.spans import logged_turn
from rrr_local.store.store import Store


class Shown:
    """A conversation, or a new one that is still empty."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self.store = store
        self.settings = settings
        self.conversation: str | None = None
        """The log's session; None until something was asked."""
        self._tree = Tree()
        self._turns: dict[int, Turn] = {}

    # --- turns --------------------------------------------------------------------------------------------------

    @property
    def turns(self) -> list[Turn]:
        """The turns of the branch that is shown, first to last; hidden ones too."""
        return [self._turns[id_] for id_ in self._tree.path()]

    @property
    def last(self) -> Turn:
        """The last turn shown. Raises `UsageError` in an empty chat."""
        if not self._turns:
            raise UsageError("nothing was asked yet", "type a question first")
        return self.turns[-1]

    def turn(self, turn_id: int) -> Turn:
        """A turn of this conversation, shown or not. Raises `NotFoundError`."""
        if turn_id not in self._turns:
            raise NotFoundError(f"this chat has no turn {turn_id}", "take one that it shows")
        return self._turns[turn_id]

    def branches(self, turn_id: int) -> tuple[int, int]:
        """Which branch a turn begins, from 1, and how many there are."""
        siblings = self._tree.siblings(self.turn(turn_id).id)
        return siblings.index(turn_id) + 1, len(siblings)

    def show_branch(self, turn_id: int, step: int) -> int:
        """Show the branch `step` places after this turn's, round the end; the turn that begins it."""
        return self._tree.step(self.turn(turn_id).id, step)

    def find(self, text: str) -> list[Turn]:
        """The turns shown that hold a text, in any case."""
        wanted = text.casefold()
        return [turn for turn in self.turns if wanted and any(wanted in each.casefold() for each in turns.texts(turn))]

    def trainable(self, turn: Turn) -> Trainable:
        """Whether a run can learn from a turn, and why or why not."""
        summary = history.episodes(self.store.reader(), 1, turn.attempt_id + 1)
        excluded = any(each.excluded for each in summary if each.id == turn.attempt_id)
        return feedback.trainable(replace(turns.case(turn), excluded=excluded))

    def why(self, turn: Turn) -> list[str]:
        """What really happened in a turn, one fact a line."""
        asked = [each.prompt for each in logged_turn(self.store.reader(), turn.id).reflections]
        return why.report(turn, asked, self.trainable(turn))

    # --- what a person says -------------------------------------------------------------------------------------

    def good(self, turn_id: int) -> bool:
        """Rate the answer that stands as right, or take that back; whether it is rated now."""
        made = turns.last_try(self.turn(turn_id))
        if made.by_user and made.verdict is VerdictKind.PASS:
            self.store.retract_user_verdict(made.id)
        else:
            self.rate(made.id, True)
        made = turns.last_try(self._read(turn_id))
        return made.by_user and made.verdict is VerdictKind.PASS

    def undo(self, turn_id: int) -> None:
        """Take back the newest rating of a turn. Raises `UsageError` when it has none."""
        rated = [made for made in turns.tries(self.turn(turn_id)) if made.by_user]
        if not rated:
            raise UsageError("you have not rated this turn", "rate it with /good or /wrong")
        self.store.retract_user_verdict(rated[-1].id)
        self._read(turn_id)

    def rate(self, attempt_id: int, good: bool, reason: str = "") -> None:
        """Rate any one reply, such as one of two that stand side by side."""
        self.store.log_user_verdict(attempt_id, VerdictKind.PASS if good else VerdictKind.FAIL, reason)

    def hide(self, turn_id: int) -> bool:
        """Hide a turn, or show it again; whether it is hidden now. The log and the model's context keep it."""
        self.store.hide_turn(turn_id, not self.turn(turn_id).hidden)
        return self._read(turn_id).hidden

    # --- chats --------------------------------------------------------------------------------------------------

    def chats(self, limit: int = 50) -> list[Chat]:
        """The newest chats."""
        return chats.chats(self.store.reader(), limit)

    def new(self) -> None:
        """Begin another chat; this one is kept."""
        self.conversation, self._tree, self._turns = None, Tree(), {}

    def open(self, conversation: str) -> None:
        """Go on with an earlier chat. Raises `NotFoundError` when there is none with this id."""
        found = chats.turns(self.store.reader(), conversation)
        if not found:
            raise NotFoundError(f"there is no chat {conversation}", "`/open` lists the newest")
        self.new()
        self.conversation = conversation
        for turn in found:
            self._add(turn)

    def rename(self, title: str) -> None:
        """Give this chat a title. Raises `UsageError` in an empty chat."""
        if self.conversation is None:
            raise UsageError("nothing was asked yet", "a chat can have a title once there is something in it")
        self.store.rename_session(self.conversation, title)

    def export(self, form: str) -> str:
        """The branch that is shown as `md` or `json`. Raises `UsageError` for another form."""
        return export.export(form, self.conversation, self.turns)

    @property
    def draft(self) -> str:
        """What was typed and not sent; kept for each chat."""
        return self.settings.remembered(f"draft.{self.conversation or 'new'}")

    @draft.setter
    def draft(self, text: str) -> None:
        self.settings.remember(f"draft.{self.conversation or 'new'}", text)

    # --- reading ------------------------------------------------------------------------------------------------

    def _read(self, turn_id: int) -> Turn:
        """Read a turn that is new or has changed from the log."""
        return self._add(chats.turn(self.store.reader(), turn_id))

    def _add(self, turn: Turn) -> Turn:
        self._turns[turn.id] = turn
        self._tree.add(turn.id, turn.parent_id)
        return turn
