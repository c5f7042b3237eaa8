"""How fast a model is here: tokens a second into it (prefill) and out of it (decode), one reply at a time."""

from __future__ import annotations

import time
from dataclasses import dataclass

from rrr_local.backends.base import Backend, Request
from rrr_local.episode import Node, Opening, Span

SENTENCE = (
    "Using the numbers 3, 7 and 18, each at most once, and plus, minus, times, find an expression that makes 39. "
)
PROMPT = 512
"""Tokens of the prompt, or half of what the model takes in where that is less."""
REPLY = 64
"""Tokens to decode; models that end their replies sooner are asked again."""
MOST_REPLIES = 16


@dataclass(frozen=True, slots=True)
class Speed:
    """What was measured."""

    prompt_tokens: int
    prefill_tokens_per_s: float
    reply_tokens: int
    decode_tokens_per_s: float
    peak_memory: int
    """Bytes, of the computation alone."""


def measure(backend: Backend) -> Speed:
    """Measure a loaded model; takes seconds."""
    prompt = _prompt(backend)
    backend.sample([Request(_root(prompt), Span.ATTEMPT, 0, 2)], temperature=1.0)  # what is compiled or fetched lazily
    backend.forget()
    backend.peak_memory()
    prefill, replied, decode = 0.0, 0, 0.0
    for seed in range(1, MOST_REPLIES + 1):
        first, tokens, seconds = _reply(backend, prompt, seed, REPLY - replied + 1)
        prefill, replied, decode = max(prefill, len(prompt) / first), replied + tokens, decode + seconds
        if replied >= REPLY:
            break
    return Speed(len(prompt), prefill, replied, replied / decode if decode else 0.0, backend.peak_memory())


def _prompt(backend: Backend) -> tuple[int, ...]:
    """A question as long as wanted, and no longer than the model takes in."""
    wanted = min(PROMPT, backend.context // 2)
    times = 1
    while len(backend.chat.opening(Opening(SENTENCE * (times * 2)))) <= wanted:
        times *= 2
    return tuple(backend.chat.opening(Opening(SENTENCE * times)))


def _reply(backend: Backend, prompt: tuple[int, ...], seed: int, limit: int) -> tuple[float, int, float]:
    """Seconds to the first token, then tokens after it and their seconds."""
    start = time.perf_counter()
    stamps = [
        time.perf_counter()
        for part in backend.stream(Request(_root(prompt), Span.ATTEMPT, seed, limit), temperature=1.0)
        if isinstance(part, str)
    ]
    backend.forget()
    return stamps[0] - start, len(stamps) - 1, stamps[-1] - stamps[0]


def _root(prompt: tuple[int, ...]) -> Node:
    """A node of its own, so that nothing is known of it from before."""
    return Node(Span.PROBLEM, None, prompt, SENTENCE)
