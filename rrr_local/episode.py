"""The domain types, and the token tree that an episode is.

An episode is a tree of token spans. Each `Node` owns only the tokens it *adds*; the path from the root to a node, concatenated, is
what the model saw, token for token:

    problem ── attempt ── reflect prompt ─┬─ reflection 1 ── retry prompt ── retry
                                          ├─ reflection 2 ── retry prompt ── retry
                                          └─ ...

Sampled spans keep their ids as sampled, the stop token included, with the sampler's log-probs. Text is decoded for people and
verifiers; ids are never rebuilt from text. Prefix sharing, loss masks and token-in/token-out hold by construction.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum


class Split(StrEnum):
    """Which part of a task a problem belongs to; the parts are disjoint by content hash."""

    TRAIN = "train"
    EVAL = "eval"
    PRACTICE = "practice"
    """Made on the spot by a person (`rrr ask`): neither trained on nor counted."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing to solve."""

    prompt: str
    """What the model is shown as the first user message."""
    info: Mapping[str, object]
    """What the verifier needs: JSON values only, in the shape `Task.parse_problem` reads."""
    sha256: str
    """Content hash: equal for the same problem however it is presented; guards against train/eval leaks."""
    split: Split = Split.PRACTICE


@dataclass(frozen=True, slots=True)
class Message:
    """A message of a conversation that a problem brings with it."""

    role: str
    """`system`, `user` or `assistant`."""
    content: str


@dataclass(frozen=True, slots=True)
class Opening:
    """What the model is shown before it speaks for the first time."""

    user: str
    """The last message, a user's."""
    before: tuple[Message, ...] = ()
    """What stands before it: instructions, examples, earlier turns."""
    tools: tuple[Mapping[str, object], ...] = ()
    """JSON schemas of functions the model may call, in OpenAI's layout: {"type": "function", "function": {"name": …}}."""


class VerdictKind(StrEnum):
    """The outcome of checking one reply."""

    PASS = "pass"
    FAIL = "fail"
    """The answer is readable and wrong."""
    UNPARSED = "unparsed"
    """The reply has no readable answer; rewarded like `FAIL`, counted apart."""
    TIMEOUT = "timeout"
    """The candidate used up its time; rewarded like `FAIL`."""
    ERROR = "error"
    """The *verifier* broke. Never rewarded, never trained on."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """A verdict and the reason a person reads."""

    kind: VerdictKind
    reason: str
    answer: str | None = None
    """The answer that was judged, as written; None when none was found."""

    @property
    def passed(self) -> bool:
        return self.kind is VerdictKind.PASS

    @property
    def score(self) -> float | None:
        """1.0 or 0.0; None when the verifier broke and there is nothing to score."""
        return None if self.kind is VerdictKind.ERROR else float(self.passed)


class Span(StrEnum):
    """What a node is in its episode."""

    PROBLEM = "problem"
    """Chat opening, problem, and the start of the assistant's turn; the root."""
    ATTEMPT = "attempt"
    REFLECT_PROMPT = "reflect_prompt"
    REFLECTION = "reflection"
    RETRY_PROMPT = "retry_prompt"
    RETRY = "retry"


class FinishReason(StrEnum):
    """Why sampling ended."""

    STOP = "stop"
    """The model ended its turn; the stop token is the span's last token."""
    LENGTH = "length"
    """The token limit was reached; the span has no stop token."""
    CANCELLED = "cancelled"
    """A person stopped it."""


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Node:
    """One span of tokens in an episode. Compared and hashed by identity: two samples may have equal tokens."""

    span: Span
    parent: Node | None
    tokens: tuple[int, ...]
    """The ids this node adds, never empty."""
    text: str
    """The tokens decoded, without the stop token."""
    logprobs: tuple[float, ...] | None = None
    """The sampler's float32 log-prob of each token at the sampling temperature; None where nothing was sampled."""
    finish: FinishReason | None = None
    """Why sampling ended; None where nothing was sampled."""
    seed: int | None = None
    """The seed this span was sampled from."""

    def __post_init__(self) -> None:
        if not self.tokens:
            raise ValueError(f"a {self.span} node adds no token")
        if self.logprobs is not None and len(self.logprobs) != len(self.tokens):
            raise ValueError(f"{len(self.tokens)} tokens with {len(self.logprobs)} log-probs")
        if self.sampled != (self.span in SAMPLED):
            raise ValueError(f"only {', '.join(SAMPLED)} are sampled, not {self.span}")

    @property
    def sampled(self) -> bool:
        return self.finish is not None

    @property
    def truncated(self) -> bool:
        return self.finish is FinishReason.LENGTH

    def path(self) -> list[Node]:
        """The nodes from the root to this one."""
        return list(self._ancestry())[::-1]

    def context(self) -> list[int]:
        """Every token from the root up to and including this node: what the model has seen after it."""
        return [token for node in self.path() for token in node.tokens]

    def _ancestry(self) -> Iterator[Node]:
        node: Node | None = self
        while node is not None:
            yield node
            node = node.parent


SAMPLED = (Span.ATTEMPT, Span.REFLECTION, Span.RETRY)
"""The spans the model writes."""
