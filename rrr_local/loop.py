"""The method: attempt, verify, reflect on a failure, retry with the reflection in context.

`Loop` has it twice, over the same requests and the same verifier: phase by phase over many problems at once (evaluation, training),
and as a generator of events for one problem, written out token by token (chat, `rrr ask`). Every sample's seed is derived from the
caller's seed, the problem and what the sample is, so it does not matter what else is sampled beside it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field

from rrr_local.backends.base import Backend, Request, never
from rrr_local.episode import FinishReason, Node, Opening, Problem, Span, Verdict, VerdictKind
from rrr_local.errors import UsageError
from rrr_local.meter import Meter, Phase
from rrr_local.seeds import derive
from rrr_local.tasks.base import Task


@dataclass(frozen=True, slots=True)
class Limits:
    """The most tokens of each span, the stop token included."""

    attempt: int = 512
    reflection: int = 256
    retry: int = 512


@dataclass(frozen=True, slots=True)
class Try:
    """An attempt or a retry with its verdict."""

    problem: Problem
    node: Node
    verdict: Verdict
    seconds: float
    """Share of the batch's sampling time."""


@dataclass(frozen=True, slots=True)
class Writing:
    """A span grew by one token; `text` is all of it so far."""

    span: Span
    text: str


@dataclass(frozen=True, slots=True)
class Attempted:
    """The first try was judged."""

    attempt: Try


@dataclass(frozen=True, slots=True)
class Reflected:
    """A reflection was written."""

    node: Node


@dataclass(frozen=True, slots=True)
class Retried:
    """The retry was judged."""

    retry: Try


Event = Writing | Attempted | Reflected | Retried

STOPPED = Verdict(VerdictKind.ERROR, "stopped")
"""Of a try that a person cut off: nobody judges half a reply, nothing is learnt from it."""


@dataclass(frozen=True)
class Loop:
    """One model on one task at one temperature."""

    backend: Backend
    task: Task
    temperature: float = 1.0
    limits: Limits = field(default_factory=Limits)
    meter: Meter = field(default_factory=Meter)
    cancelled: Callable[[], bool] = never
    """Asked between two tokens of what is written out."""

    def fitting(self, problems: Sequence[Problem]) -> list[Problem]:
        """The problems whose whole episode the model's context can hold. Raises `UsageError` where there are some, and none fits."""
        chat, prompts, limits = self.backend.chat, self.task.prompts, self.limits
        asked = sum(len(chat.turn(text, after_stop=False)) for text in (prompts.reflect, prompts.retry))
        room = self.backend.context - asked - limits.attempt - limits.reflection - limits.retry
        frame = len(chat.opening(Opening("")))
        fits = [problem for problem in problems if self._fits(self.task.opening(problem), frame, room)]
        if problems and not fits:
            raise UsageError(
                f"the model's context of {self.backend.context} tokens holds no problem of {self.task.name} with two tries",
                "take a model with a longer context, or shorter problems",
            )
        return fits

    def _fits(self, opening: Opening, frame: int, room: int) -> bool:
        """Nothing is encoded where it is plain: no token is shorter than a byte. `frame`: tokens around an empty message."""
        plain = not opening.before and not opening.tools
        if plain and frame + len(opening.user.encode("utf-8", "surrogatepass")) <= room:
            return True
        return len(self.backend.chat.opening(opening)) <= room

    # --- many problems, phase by phase --------------------------------------------------------------------------

    def attempt(self, problems: Sequence[Problem], seed: int, *, sample: int = 0, keep: bool = True) -> list[Try]:
        """A first try at each problem; `sample` numbers the tries at one problem. `keep` if reflections follow."""
        requests = [self._attempt(problem, seed, sample) for problem in problems]
        return self._judged(Phase.ATTEMPT, problems, requests, keep=keep)

    def reflect(self, failures: Sequence[Try], seed: int, group_size: int = 1) -> list[list[Node]]:
        """`group_size` reflections on each failure; they share one reflect prompt node."""
        prompts = [self._ask(failure.node, Span.REFLECT_PROMPT, self.task.prompts.reflect) for failure in failures]
        requests = [
            self._reflection(prompt, failure.problem, seed, k)
            for prompt, failure in zip(prompts, failures, strict=True)
            for k in range(group_size)
        ]
        nodes = self._sampled(Phase.REFLECT, requests, keep=True)
        return [nodes[i : i + group_size] for i in range(0, len(nodes), group_size)]

    def retry(self, problems: Sequence[Problem], reflections: Sequence[Node]) -> list[Try]:
        """A retry after each reflection; its seed is derived from the reflection's."""
        requests = [self._retry(node) for node in reflections]
        return self._judged(Phase.RETRY, problems, requests, keep=False)

    def plain_retry(self, failures: Sequence[Try], seed: int) -> list[Try]:
        """The control: a retry that was told of the failure, without a reflection."""
        requests = [
            Request(
                self._ask(failure.node, Span.RETRY_PROMPT, self.task.prompts.plain_retry),
                Span.RETRY,
                derive(seed, "plain retry", failure.problem.sha256),
                self.limits.retry,
            )
            for failure in failures
        ]
        return self._judged(Phase.RETRY, [failure.problem for failure in failures], requests, keep=False)

    # --- one problem, as it is written --------------------------------------------------------------------------

    def episode(self, problem: Problem, seed: int) -> Iterator[Event]:
        """The whole method on one problem. A verdict of `error` ends it: there is nothing to reflect on."""
        attempt = yield from self.write_attempt(problem, seed)
        yield Attempted(attempt)
        if attempt.verdict.score != 0.0:
            return
        reflection, _ = yield from self.write_reflection(attempt, seed)
        yield Reflected(reflection)
        yield Retried((yield from self.write_retry(problem, reflection)))

    def write_attempt(self, problem: Problem, seed: int, context: Node | None = None) -> Generator[Writing, None, Try]:
        """A first try; `context` is the problem's node where it stands behind other turns."""
        node, seconds = yield from self._written(self._attempt(problem, seed, 0, context))
        return self._judge(problem, node, seconds)

    def write_reflection(
        self, failure: Try, seed: int, k: int = 0, prompt: str | None = None
    ) -> Generator[Writing, None, tuple[Node, float]]:
        """The k-th reflection on a failure and the seconds it took; `prompt` asks for it in place of the task's own."""
        asked = self._ask(failure.node, Span.REFLECT_PROMPT, prompt or self.task.prompts.reflect)
        return (yield from self._written(self._reflection(asked, failure.problem, seed, k)))

    def write_retry(self, problem: Problem, reflection: Node) -> Generator[Writing, None, Try]:
        """The retry after a reflection."""
        node, seconds = yield from self._written(self._retry(reflection))
        return self._judge(problem, node, seconds)

    def _written(self, request: Request) -> Generator[Writing, None, tuple[Node, float]]:
        """Yield a span as it grows; returns its node and the seconds it took."""
        start = time.perf_counter()
        for partial in self.backend.stream(request, temperature=self.temperature, cancelled=self.cancelled):
            if isinstance(partial, Node):
                return partial, time.perf_counter() - start
            yield Writing(request.span, partial)
        raise AssertionError("a stream ends with its node")

    # --- what both share ----------------------------------------------------------------------------------------

    def root(self, problem: Problem) -> Node:
        """The problem as the model sees it."""
        tokens = self.backend.chat.opening(self.task.opening(problem))
        return Node(Span.PROBLEM, None, tuple(tokens), problem.prompt)

    def _ask(self, after: Node, span: Span, text: str) -> Node:
        """A user message after what the model wrote."""
        tokens = self.backend.chat.turn(text, after_stop=after.finish is FinishReason.STOP)
        return Node(span, after, tuple(tokens), text)

    def _attempt(self, problem: Problem, seed: int, sample: int, context: Node | None = None) -> Request:
        seed = derive(seed, Span.ATTEMPT, problem.sha256, sample)
        return Request(context or self.root(problem), Span.ATTEMPT, seed, self.limits.attempt)

    def _reflection(self, prompt: Node, problem: Problem, seed: int, k: int) -> Request:
        seed = derive(seed, Span.REFLECTION, problem.sha256, k)
        return Request(prompt, Span.REFLECTION, seed, self.limits.reflection)

    def _retry(self, reflection: Node) -> Request:
        prompt = self._ask(reflection, Span.RETRY_PROMPT, self.task.prompts.retry)
        return Request(prompt, Span.RETRY, derive(reflection.seed or 0, Span.RETRY), self.limits.retry)

    def _sampled(self, phase: Phase, requests: Sequence[Request], keep: bool) -> list[Node]:
        with self.meter.phase(phase):
            nodes = self.backend.sample(requests, temperature=self.temperature, keep=keep)
        self.meter.count(phase, sum(len(node.tokens) for node in nodes))
        return nodes

    def _judged(self, phase: Phase, problems: Sequence[Problem], requests: Sequence[Request], keep: bool) -> list[Try]:
        start = time.perf_counter()
        nodes = self._sampled(phase, requests, keep)
        share = (time.perf_counter() - start) / max(1, len(nodes))
        return [self._judge(problem, node, share) for problem, node in zip(problems, nodes, strict=True)]

    def _judge(self, problem: Problem, node: Node, seconds: float) -> Try:
        if node.finish is FinishReason.CANCELLED:
            return Try(problem, node, STOPPED, seconds)
        with self.meter.phase(Phase.VERIFY):
            verdict = self.task.verify(problem, node.text)
        return Try(problem, node, verdict, seconds)
