"""The turns of a conversation as nodes of the episode tree.

    turn 1: problem ── attempt ── reflect prompt ── reflection ── retry prompt ── retry
                                                                                   └── turn 2: problem ── attempt
                                                                                                           └── ...

A problem with a check stands alone: its node is a root. A free question is a problem node behind the last reply of the turn it
follows. A path is cut into turns again at its problem nodes, so the oldest can be left out: the rest is put under a new root.

Nodes are kept in memory for the newest turns only. Others are built again from the log: what the model wrote from its token ids,
never from its text; what a person wrote by encoding it again. Which reply a turn was continued from, and how many old turns were
left out, is not in the log: it is found, and proved, by the hash of the context that is.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, replace

from rrr_local.backends.base import Chat
from rrr_local.episode import FinishReason, Node, Opening, Span
from rrr_local.errors import UsageError
from rrr_local.journal import ids_hash
from rrr_local.store.spans import LoggedReflection, LoggedSpan, LoggedTurn, logged_turn
from rrr_local.store.store import Store
from rrr_local.tasks.find import find_task

MOST = 64
"""Turns whose nodes are kept in memory."""


@dataclass(slots=True)
class Turn:
    """One turn in memory."""

    replies: list[Node]
    """The attempt, then every retry, in the order they were written."""
    left_out: int
    """Of the turns before it, how many are not in its context."""

    @property
    def attempt(self) -> Node:
        return self.replies[0]

    @property
    def final(self) -> Node:
        """What a following turn continues."""
        return self.replies[-1]


class Turns:
    """The turns of one conversation, by their ids in the log."""

    def __init__(self, store: Store, chat: Chat) -> None:
        self._store = store
        self._chat = chat
        self._known: OrderedDict[int, Turn] = OrderedDict()

    def add(self, turn_id: int, turn: Turn) -> None:
        """Remember a turn."""
        self._known[turn_id] = turn
        self._known.move_to_end(turn_id)
        while len(self._known) > MOST:
            self._known.popitem(last=False)

    def get(self, turn_id: int) -> Turn:
        """A turn, built from the log if need be.

        Raises `NotFoundError`, and `UsageError` when another model wrote it: its token ids would mean something else.
        """
        missing: list[LoggedTurn] = []
        wanted: int | None = turn_id
        while wanted is not None and wanted not in self._known:
            missing.append(logged_turn(self._store.reader(), wanted))
            wanted = missing[-1].context_id
        before = None if wanted is None else self._known[wanted]
        for logged in reversed(missing):
            before = self._rebuilt(logged, before)
            self.add(logged.id, before)
        assert before is not None
        return before

    def behind(self, before: Turn | None, opening: Opening) -> Iterator[tuple[Node, int]]:
        """A free question behind a turn, with all of its context, then with ever more of the oldest turns left out.

        Yields the question's node and how many turns are left out in all; the last one stands alone.
        """
        if before is None:
            yield self._root(opening), 0
            return
        own = _by_turn(before.final)
        behind = self._message(Span.PROBLEM, before.final, opening.user)  # encoded once: it may be a megabyte
        for left_out in range(len(own)):
            yield replace(behind, parent=self._joined(own[left_out:])), before.left_out + left_out
        yield self._root(opening), before.left_out + len(own)

    # --- nodes --------------------------------------------------------------------------------------------------

    def _root(self, opening: Opening) -> Node:
        return Node(Span.PROBLEM, None, tuple(self._chat.opening(opening)), opening.user)

    def _message(self, span: Span, after: Node, text: str) -> Node:
        tokens = self._chat.turn(text, after_stop=after.finish is FinishReason.STOP)
        return Node(span, after, tuple(tokens), text)

    def _joined(self, turns: list[list[Node]]) -> Node | None:
        """Turns one behind the other, the first at the root; None for none. Nodes that are in place already stay as they are."""
        leaf: Node | None = None
        for question, *rest in turns:
            if question.parent is leaf:
                leaf = rest[-1]
                continue
            leaf = self._root(Opening(question.text)) if leaf is None else replace(question, parent=leaf)
            for node in rest:
                leaf = replace(node, parent=leaf)
        return leaf

    # --- from the log -------------------------------------------------------------------------------------------

    def _rebuilt(self, logged: LoggedTurn, before: Turn | None) -> Turn:
        question, left_out = self._seen(logged, before)
        replies = [_sampled(Span.ATTEMPT, question, logged.attempt)]
        replies += [self._retry(replies[0], logged, each, each.retry) for each in logged.reflections if each.retry]
        return Turn(replies, left_out)

    def _seen(self, logged: LoggedTurn, before: Turn | None) -> tuple[Node, int]:
        """The question's node whose context is what the model saw, and how many turns it leaves out."""
        opening = find_task(logged.source).opening(logged.problem)
        for reply in [None] if before is None else reversed(before.replies):
            follows = None if before is None or reply is None else Turn([reply], before.left_out)
            for question, left_out in self.behind(follows, opening):
                if ids_hash(question.context()) == logged.prompt_sha256:
                    return question, left_out
        raise UsageError("this conversation was held with another model", "begin a new one, or load that model again")

    def _retry(self, attempt: Node, logged: LoggedTurn, made: LoggedReflection, retry: LoggedSpan) -> Node:
        prompts = find_task(logged.source).prompts
        asked = self._message(Span.REFLECT_PROMPT, attempt, made.prompt or prompts.reflect)
        reflection = _sampled(Span.REFLECTION, asked, made.span)
        return _sampled(Span.RETRY, self._message(Span.RETRY_PROMPT, reflection, prompts.retry), retry)


def _sampled(span: Span, parent: Node, logged: LoggedSpan) -> Node:
    """A node from its logged ids."""
    if not logged.token_ids:
        raise UsageError("this conversation's token ids were not kept", "begin a new one")
    return Node(span, parent, logged.token_ids, logged.text, None, logged.finish or FinishReason.STOP, logged.seed)


def _by_turn(leaf: Node) -> list[list[Node]]:
    """A path, cut before each problem node."""
    turns: list[list[Node]] = []
    for node in leaf.path():
        if node.span is Span.PROBLEM:
            turns.append([])
        turns[-1].append(node)
    return turns
