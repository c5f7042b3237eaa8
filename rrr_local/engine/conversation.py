"""The engine's side of a chat: requests carried out as generators of events, everything logged as it happens.

    Ask      attempt ──> logged, a turn ──fail──> reflection ──> retry ──> both logged
    Reflect  the same from the reflection on, at a turn that is in the log
    Versus   two attempts at one problem: adapter off, adapter on

A try is logged the moment it is judged, a reflection the moment it is written. What a person stopped is logged as far as it got, with the
verdict `error` ("stopped"): it is never trained on. A conversation's session has no adapter of its own; every attempt has.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TypeVar

from rrr_local import journal
from rrr_local.engine import memory, prompts
from rrr_local.engine.protocol import Arm, Ask, Done, Event, Grew, Judged, Overflow, Reflect, Reflected, Started, Versus
from rrr_local.engine.turns import Turn, Turns
from rrr_local.episode import FinishReason, Node, Problem, Verdict, VerdictKind
from rrr_local.errors import NotFoundError, UsageError
from rrr_local.loop import Loop, Try, Writing
from rrr_local.store.records import EpisodeRecord, SessionKind
from rrr_local.store.spans import LoggedTurn, chat_model, logged_turn
from rrr_local.tasks.base import Task
from rrr_local.tasks.find import find_task
from rrr_local.workbench import Workbench

T = TypeVar("T")

BETWEEN_S = 0.05
"""Least time between two `Grew`."""
HALF = "\ufffd"
"""A character of which not all bytes are there yet is decoded as this."""


class TooLong(Exception):
    """A prompt does not fit."""

    def __init__(self, needed: int, drop: int) -> None:
        super().__init__(needed, drop)
        self.needed = needed
        self.drop = drop


@dataclass(frozen=True, slots=True)
class Sitting:
    """What one request works with."""

    id: int
    """Of the request."""
    session: str
    loop: Loop
    seed: int
    arm: Arm = Arm.CURRENT

    @property
    def stopped(self) -> bool:
        return self.loop.cancelled()


class Conversation:
    """Carries out requests, one after another. It belongs to one loaded model."""

    def __init__(self, bench: Workbench, cancelled: Callable[[int], bool]) -> None:
        """`cancelled` is asked between two tokens whether the request with this id is to end."""
        self._bench = bench
        self._cancelled = cancelled
        self._session: str | None = None
        self._turns = Turns(bench.store, bench.backend.chat)
        self._begun: set[str] = set()
        self._tasks: dict[tuple[str, int], journal.Registered] = {}

    def close(self) -> None:
        """Note the end of the conversations held, and free the memory of their contexts."""
        self._enter(None)
        for session in self._begun:
            self._bench.store.end_session(session)
        self._begun.clear()

    # --- requests -----------------------------------------------------------------------------------------------

    def ask(self, ask: Ask) -> Iterator[Event]:
        """An attempt, and after a failed check a reflection and a retry. Raises `RrrError`."""
        task, problem = prompts.asked(ask.prompt, ask.task, ask.info)
        self._enter_at(ask.conversation, ask.after)
        try:
            node, left_out = self._placed(ask, task, problem)
        except TooLong as too:
            yield Overflow(ask.id, too.needed, self._bench.backend.context, too.drop)
            return
        sitting = self._sitting(ask, task, ask.conversation)
        yield Started(ask.id, sitting.session, len(node.context()), self._bench.backend.context, left_out)
        attempt = yield from self._written(sitting, sitting.loop.write_attempt(problem, ask.seed, node))
        attempt_id = self._log_attempt(sitting, attempt, self._bench.adapter_id)
        follows = ask.after if node.parent is not None else None
        turn_id = self._bench.store.add_turn(sitting.session, attempt_id, ask.after, follows)
        turn = Turn([attempt.node], left_out if node.parent is not None else 0)
        self._turns.add(turn_id, turn)
        yield self._judged(sitting, attempt, turn_id, attempt_id)
        if ask.reflect and attempt.verdict.score == 0.0 and not sitting.stopped:
            yield from self._second_try(sitting, turn, turn_id, attempt_id, attempt, 0, task.prompts.reflect)
        yield self._done(sitting, turn_id, turn)

    def reflect(self, reflect: Reflect) -> Iterator[Event]:
        """A reflection on a turn's attempt, whatever its verdict, and a retry. Raises `RrrError`."""
        self._enter(reflect.conversation)
        logged = self._own(logged_turn(self._bench.store.reader(), reflect.turn), reflect.conversation)
        task, turn = find_task(logged.source), self._turns.get(reflect.turn)
        prompt, note = prompts.reflect_prompt(self._bench.backend.chat, task, reflect.reason)
        context, limit = turn.attempt.context(), self._bench.backend.context
        needed = len(context) + self._second_room(task, prompt)
        if needed > limit:
            yield Overflow(reflect.id, needed, limit, -1)
            return
        sitting = self._sitting(reflect, task, reflect.conversation)
        yield Started(reflect.id, sitting.session, len(context), limit, turn.left_out, note)
        attempt = Try(logged.problem, turn.attempt, Verdict(VerdictKind.FAIL, reflect.reason), 0.0)
        number = len(logged.reflections)
        yield from self._second_try(sitting, turn, logged.id, logged.attempt.id, attempt, number, prompt)
        yield self._done(sitting, logged.id, turn)

    def versus(self, versus: Versus) -> Iterator[Event]:
        """The same problem for the bare model and for the adapter; neither reflects. Raises `RrrError`."""
        if self._bench.adapter_id is None:
            raise UsageError("there is no adapter to compare the model with", "load one first")
        task, problem = prompts.asked(versus.prompt, versus.task, versus.info)
        self._enter(versus.conversation)
        opening, limit = self._bench.backend.chat.opening(task.opening(problem)), self._bench.backend.context
        if len(opening) + self._bench.limits.attempt > limit:
            yield Overflow(versus.id, len(opening) + self._bench.limits.attempt, limit, -1)
            return
        session = versus.conversation
        for arm in (Arm.BASE, Arm.ADAPTER):
            if self._cancelled(versus.id):
                break
            sitting = self._sitting(versus, task, session, arm)
            session = sitting.session
            if arm is Arm.BASE:
                yield Started(versus.id, session, len(opening), limit)
            base = arm is Arm.BASE
            with self._bench.backend.adapter_off() if base else nullcontext():
                attempt = yield from self._written(sitting, sitting.loop.write_attempt(problem, versus.seed))
            attempt_id = self._log_attempt(sitting, attempt, None if base else self._bench.adapter_id)
            yield self._judged(sitting, attempt, 0, attempt_id)
        yield Done(versus.id, 0, self._cancelled(versus.id), memory.resident_mb())

    def _second_try(
        self, sitting: Sitting, turn: Turn, turn_id: int, attempt_id: int, attempt: Try, number: int, prompt: str
    ) -> Generator[Event, None, None]:
        """Reflection number `number` on an attempt, and the retry after it."""
        loop, store = sitting.loop, self._bench.store
        written = loop.write_reflection(attempt, sitting.seed, number, prompt)
        reflection, seconds = yield from self._written(sitting, written)
        record = journal.reflection_record(number, reflection, None, keep_ids=True)
        reflection_id, _ = store.log_reflection(sitting.session, attempt_id, record, self._bench.adapter_id)
        finish = reflection.finish or FinishReason.STOP
        yield Reflected(sitting.id, turn_id, reflection.text, len(reflection.tokens), seconds, finish)
        if sitting.stopped:
            return
        retry = yield from self._written(sitting, loop.write_retry(attempt.problem, reflection))
        made = journal.try_record(retry, keep_ids=True)
        retry_id = store.log_retry(sitting.session, reflection_id, made, self._bench.adapter_id)
        turn.replies.append(retry.node)
        yield self._judged(sitting, retry, turn_id, retry_id)

    # --- where a prompt goes ------------------------------------------------------------------------------------

    def _enter_at(self, conversation: str | None, after: int | None) -> None:
        """Work on a conversation, where a prompt is to follow a turn of it. Raises `UsageError`, `NotFoundError`."""
        self._enter(conversation)
        if after is None:
            return
        if conversation is None:
            raise UsageError(f"turn {after} is in no conversation that was named", "name its conversation")
        self._own(logged_turn(self._bench.store.reader(), after), conversation)

    def _enter(self, conversation: str | None) -> None:
        """Work on a conversation from now on; the contexts of another one are freed."""
        if conversation is not None:
            if chat_model(self._bench.store.reader(), conversation) != self._bench.registered.model_id:
                raise UsageError("this conversation was held with another model", "begin a new one, or load that model")
            self._begun.add(conversation)
        if conversation is None or conversation != self._session:
            self._session = conversation
            self._turns = Turns(self._bench.store, self._bench.backend.chat)
            self._bench.backend.forget()

    @staticmethod
    def _own(turn: LoggedTurn, conversation: str) -> LoggedTurn:
        if turn.session_id != conversation:
            raise NotFoundError(f"turn {turn.id} is not in this conversation", "go on from a turn that is")
        return turn

    def _placed(self, ask: Ask, task: Task, problem: Problem) -> tuple[Node, int]:
        """The problem's node, and how many turns are left out of its context. Raises `TooLong`."""
        alone = prompts.checked(task, problem)
        room = self._bench.limits.attempt
        if alone and ask.reflect:
            room += self._second_room(task, task.prompts.reflect)
        before = None if alone or ask.after is None else self._turns.get(ask.after)
        first_needed = 0
        for node, left_out in self._turns.behind(before, task.opening(problem)):
            needed = len(node.context()) + room
            first_needed = first_needed or needed
            if needed <= self._bench.backend.context:
                if before is not None and left_out > before.left_out and not ask.fit:
                    raise TooLong(first_needed, left_out)
                return node, left_out
        raise TooLong(first_needed, -1)

    def _second_room(self, task: Task, prompt: str) -> int:
        return prompts.second_room(self._bench.backend.chat, self._bench.limits, task, prompt)

    # --- what all requests share --------------------------------------------------------------------------------

    def _sitting(
        self, request: Ask | Reflect | Versus, task: Task, session: str | None, arm: Arm = Arm.CURRENT
    ) -> Sitting:
        """A loop that can be cancelled, in a session that exists."""
        bench = self._bench
        loop = Loop(
            bench.backend, task, request.temperature, bench.limits, cancelled=lambda: self._cancelled(request.id)
        )
        if session is None:
            ids = self._registered(task)
            session = bench.store.start_session(SessionKind.CHAT, model_id=ids.model_id, task_id=ids.task_id)
            self._session = session
            self._begun.add(session)
        return Sitting(request.id, session, loop, request.seed, arm)

    def _written(self, sitting: Sitting, writing: Generator[Writing, None, T]) -> Generator[Event, None, T]:
        """Hand on a span as it grows, at most 20 times a second; text that may still change waits."""
        shown, tokens, last = "", 0, 0.0
        while True:
            try:
                grown = next(writing)
            except StopIteration as end:
                value: T = end.value
                return value
            tokens += 1
            text = grown.text.rstrip(HALF)
            now = time.monotonic()
            if now - last >= BETWEEN_S and len(text) > len(shown) and text.startswith(shown):
                yield Grew(sitting.id, grown.span, text[len(shown) :], tokens, sitting.arm)
                shown, last = text, now

    def _log_attempt(self, sitting: Sitting, attempt: Try, adapter_id: int | None) -> int:
        store = self._bench.store
        task_id = self._registered(sitting.loop.task).task_id
        problem_id = journal.log_problems(store, task_id, [attempt.problem])[attempt.problem.sha256]
        record = EpisodeRecord(problem_id, journal.try_record(attempt, keep_ids=True))
        return store.log_episodes(sitting.session, [record], adapter_id)[0]

    def _registered(self, task: Task) -> journal.Registered:
        """The log's ids of the model and a task."""
        if (task.name, task.version) not in self._tasks:
            self._tasks[task.name, task.version] = journal.register(self._bench.store, self._bench.model, task)
        return self._tasks[task.name, task.version]

    def _judged(self, sitting: Sitting, made: Try, turn_id: int, attempt_id: int) -> Judged:
        node, cut = made.node, made.node.finish is FinishReason.CANCELLED
        judged = prompts.checked(sitting.loop.task, made.problem) and not cut
        return Judged(
            id=sitting.id,
            span=node.span,
            turn=turn_id,
            attempt=attempt_id,
            text=node.text,
            verdict=made.verdict.kind if judged else None,
            reason=made.verdict.reason,
            tokens=len(node.tokens),
            seconds=made.seconds,
            finish=node.finish or FinishReason.STOP,
            used=len(node.context()),
            arm=sitting.arm,
        )

    def _done(self, sitting: Sitting, turn_id: int, turn: Turn) -> Done:
        self._bench.backend.forget(keep=turn.final)
        return Done(sitting.id, turn_id, sitting.stopped, memory.resident_mb())
