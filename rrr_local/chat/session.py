"""A chat without a screen: what a person does in it, over one engine and one log. Both front ends are made of this.

Whatever makes the model write is an async generator of the engine's events (`rrr_local.engine.protocol`), of which the last is
`Done`, `Overflow` or `Failed`; afterwards `turns` is what is in the log. Several requests in a row (a question and a further
retry) are one such stream.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from rrr_local.chat import turns
from rrr_local.chat.feedback import FAILED
from rrr_local.chat.problems import Asked, Problems, as_asked
from rrr_local.chat.shown import Shown
from rrr_local.config import Settings
from rrr_local.engine.client import Engine
from rrr_local.engine.protocol import Ask, Done, Event, Judged, Load, Reflect, Request, Started, Versus
from rrr_local.episode import FinishReason, Span, Verdict, VerdictKind
from rrr_local.errors import ModelError, RrrError, UsageError
from rrr_local.models.find import find_model
from rrr_local.seeds import derive
from rrr_local.store import queries
from rrr_local.store.chats import Turn
from rrr_local.store.ready import failures_ready
from rrr_local.store.store import Store
from rrr_local.tasks.base import fingerprint
from rrr_local.tasks.question import NAME as QUESTION
from rrr_local.tasks.question import Question
from rrr_local.verifiers.arithmetic import last_answer
from rrr_local.verifiers.text import judge_text

Events = AsyncGenerator[Event, None]
SHORT = 80
"""Characters of an answer that is offered as the right one."""


class ChatSession(Shown):
    """One conversation at a time."""

    def __init__(self, store: Store, engine: Engine, settings: Settings) -> None:
        super().__init__(store, settings)
        self.engine = engine
        self._problems: Problems | None = None
        try:
            self.task = settings.get("chat.task") or None
        except RrrError as error:
            settings.problems.append(f"{error.cause} (chat.task); {error.way_out}")

    # --- the task -----------------------------------------------------------------------------------------------

    @property
    def task(self) -> str | None:
        """The task whose problems are asked and checked; None for questions in the person's own words."""
        return None if self._problems is None else self._problems.name

    @task.setter
    def task(self, name: str | None) -> None:
        """Raises `NotFoundError` when there is no such task, or it has no problems of its own."""
        self._problems = None if name is None else Problems(name)

    def problem(self) -> str:
        """The task's next problem, as its text; no problem comes twice before all were there. Raises `UsageError`."""
        if self._problems is None:
            raise UsageError("no task was chosen", "choose one with /task, for example /task countdown")
        key = f"next.{self._problems.name}"
        index = int(self.settings.remembered(key) or 0)
        self.settings.remember(key, str(index + 1))
        return self._problems.number(index)

    # --- what makes the model write -----------------------------------------------------------------------------

    def ask(self, prompt: str, *, fit: bool = False) -> Events:
        """Answer a prompt; where it can be checked, reflect on a failure and retry. `fit` leaves the oldest turns out.

        Raises `UsageError` for JSON that is no problem of the task.
        """
        after = self.turns[-1].id if self._turns else None
        return self._answer(self._asked(prompt), after, fit)

    def again(self, turn_id: int, *, fit: bool = False) -> Events:
        """Answer a turn's prompt again, in a branch of its own."""
        turn = self.turn(turn_id)
        return self._answer(as_asked(turn), turn.parent_id, fit)

    def edit(self, turn_id: int, prompt: str, *, fit: bool = False) -> Events:
        """Ask something else in a turn's place, in a branch of its own."""
        turn = self.turn(turn_id)
        same = prompt.strip() == (turn.prompt or "").strip()
        return self._answer(as_asked(turn) if same else self._asked(prompt), turn.parent_id, fit)

    def wrong(self, turn_id: int, reason: str = "") -> Events:
        """Rate the answer that stands as wrong, reflect on the attempt with what the person says, and retry."""
        self.rate(turns.last_try(self.turn(turn_id)).id, False, reason)
        self._read(turn_id)
        return self._reflect(turn_id, reason)

    def retry(self, turn_id: int) -> Events:
        """Reflect on a turn's attempt once more and retry. Raises `UsageError` where nothing says that it failed."""
        turn = self.turn(turn_id)
        if turns.judged(turn, turn.episode.attempt) not in FAILED:
            raise UsageError("nothing says that this attempt is wrong", "say so with /wrong, or /check ANSWER")
        return self._reflect(turn_id, "")

    async def check(self, turn_id: int, expected: str) -> Events:
        """Give a question its right answer: judge what is there, and where all of it is wrong reflect and retry.

        Raises `UsageError` for a task's problem, or without an answer.
        """
        verdict, passed = self._judge(self.turn(turn_id), expected)
        turn = self._read(turn_id)
        yield _as_event(turn, verdict)
        if verdict.score == 0.0 and not passed and self._reflects:
            async with aclosing(self._reflect(turn_id, "")) as events:
                async for event in events:
                    yield event
        else:
            yield Done(0, turn_id)

    def versus(self, prompt: str) -> Events:
        """Answer a prompt by the bare model and by the adapter; the answers are no turns, `rate` rates them."""
        asked = self._asked(prompt)
        seed = self._seed(asked.prompt)
        return self._run(
            lambda id_: Versus(id_, asked.prompt, self.conversation, asked.task, asked.info, self._temperature, seed)
        )

    def load(self, model: str, adapter: str | None) -> Events:
        """Chat with another model or adapter from now on; `Ready` says what is loaded."""
        return self._run(lambda id_: Load(id_, model, adapter))

    async def stop(self) -> None:
        """Stop what is being written; it is kept."""
        await self.engine.cancel()

    # --- what the front ends say about it -----------------------------------------------------------------------

    @property
    def repeats(self) -> bool:
        """Whether asking again must give the same answer."""
        return self._temperature == 0.0

    def expected_from(self, turn: Turn) -> str | None:
        """The answer to offer as the right one: a retry's that the person rated good, where nothing checks it yet."""
        made = turns.last_try(turn)
        good = made.by_user and made.verdict is VerdictKind.PASS
        if turns.checkable(turn) or not good or not turn.episode.reflections:
            return None
        lines = made.text.strip().splitlines()
        answer = last_answer(made.text) or (lines[-1] if lines else "")
        passes = judge_text(made.text, answer.strip()).passed
        return answer.strip() if passes and 0 < len(answer.strip()) <= SHORT else None

    def failures_ready(self) -> int:
        """How many failures a run could learn from now: of the task chosen, else of own questions, and of this model."""
        try:
            folder = find_model(self.engine.model or self.settings.get("chat.model")).folder
        except ModelError:  # it is gone
            return 0
        return failures_ready(self.store.reader(), self.task or QUESTION, str(folder))

    # --- inside -------------------------------------------------------------------------------------------------

    @property
    def _temperature(self) -> float:
        return float(self.settings.get("chat.temperature"))

    @property
    def _reflects(self) -> bool:
        return bool(self.settings.get("chat.reflect") == "auto" and self.settings.get("chat.tries") > 1)

    def _seed(self, prompt: str) -> int:
        """Another one each time, since the log has grown; the same one for the same log."""
        return derive(self.settings.get("chat.seed"), queries.last_attempt(self.store.reader()), prompt)

    def _asked(self, prompt: str) -> Asked:
        found = None if self._problems is None else self._problems.asked(prompt)
        return found or Asked(prompt)

    async def _answer(self, asked: Asked, after: int | None, fit: bool) -> Events:
        """A turn, with as many retries as the settings allow."""
        seed = self._seed(asked.prompt)

        def ask(id_: int) -> Request:
            return Ask(
                id_,
                asked.prompt,
                self.conversation,
                after,
                asked.task,
                asked.info,
                temperature=self._temperature,
                seed=seed,
                reflect=self._reflects,
                fit=fit,
            )

        events, done = self._run(ask), None
        while True:
            async with aclosing(events):
                async for event in events:
                    if isinstance(event, Done):
                        done = event
                    else:
                        yield event
            if done is None or done.stopped or not done.turn or not self._tries_left(done.turn):
                break
            events, done = self._reflect(done.turn, ""), None
        if done is not None:
            yield done

    def _tries_left(self, turn_id: int) -> bool:
        """Whether a turn failed and may be tried once more."""
        turn = self.turn(turn_id)
        made = turns.last_try(turn)
        failed = turns.checkable(turn) and not turns.stopped(made) and made.verdict in FAILED
        return failed and self._reflects and len(turns.tries(turn)) < self.settings.get("chat.tries")

    def _reflect(self, turn_id: int, reason: str) -> Events:
        seed = self._seed(f"reflect {turn_id}")

        def reflect(id_: int) -> Request:
            return Reflect(id_, str(self.conversation), turn_id, reason, temperature=self._temperature, seed=seed)

        return self._run(reflect)

    async def _run(self, make: Callable[[int], Request]) -> Events:
        """One request; what it has put into the log is read before its event is passed on."""
        async with aclosing(self.engine.request(make)) as events:
            async for event in events:
                if isinstance(event, Started):
                    self.conversation = event.conversation
                elif isinstance(event, Judged | Done) and event.turn:
                    self._read(event.turn)
                yield event

    def _judge(self, turn: Turn, expected: str) -> tuple[Verdict, bool]:
        """Judge a turn's tries against an answer given now, and log that; the attempt's verdict, and whether any passes."""
        if turns.stopped(turn.episode.attempt):
            raise UsageError("this answer was stopped before its end", "ask again with /again, then check it")
        if turns.of_task(turn):
            raise UsageError(f"the task {turn.task} checks this one already", "rate it with /good or /wrong instead")
        if not expected.strip():
            raise UsageError("there is no answer to check against", "type it too, for example /check 24")
        task = Question()
        problem = task.parse_problem({"prompt": turn.prompt, "expect": expected.strip()})
        kind = type(task).__name__
        task_id = self.store.task(task.name, task.version, kind, kind, fingerprint(task), {"source": task.source})
        problem_id = self.store.problems(task_id, [problem])[problem.sha256]
        first, *rest = turns.tries(turn)
        verdict = task.verify(problem, first.text)
        retries = {made.id: task.verify(problem, made.text) for made in rest}
        self.store.check_turn(turn.id, problem_id, verdict, retries)
        return verdict, verdict.passed or any(each.passed for each in retries.values())


def _as_event(turn: Turn, verdict: Verdict) -> Judged:
    """The attempt as it was judged now; `id` is 0, since no request made it."""
    made = turn.episode.attempt
    return Judged(
        id=0,
        span=Span.ATTEMPT,
        turn=turn.id,
        attempt=made.id,
        text=made.text,
        verdict=verdict.kind,
        reason=verdict.reason,
        tokens=made.completion_tokens or 0,
        seconds=(made.duration_ms or 0) / 1000,
        finish=made.finish_reason or FinishReason.STOP,
        used=(made.prompt_tokens or 0) + (made.completion_tokens or 0),
    )
