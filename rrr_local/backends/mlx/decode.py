"""Batched sampling with continuous batching over mlx-lm's batch caches.

Our own loop instead of mlx-lm's `BatchGenerator`, for three things it cannot do in one batched call: draws that depend on a row's
own seed alone, float32 log-probs of the sampled tokens only, and a fork of one context into G rows by index, without a copy of the
prefill. Rows are admitted in the order given whenever enough have finished; finished rows leave the batch.

A row's draws are uniform numbers made on the host from its seed (`row_uniforms`), turned into tokens by inverting the cumulative
distribution. So they are the same for every backend, and what else is in the batch does not matter.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import mlx.core as mx
import mlx.nn as nn
import numpy as np
from numpy.typing import NDArray

from rrr_local.backends.mlx import mlxlm
from rrr_local.backends.mlx.logits import log_softmax_at
from rrr_local.episode import FinishReason

PREFILL_CHUNK = 512
"""Tokens of each row in one prefill call; bounds the memory of long prompts."""
COMPACT_BELOW = 0.7
"""Finished rows are taken out of a batch when this share of its rows is left."""


@dataclass(frozen=True, slots=True)
class Fork:
    """Rows that continue the same context."""

    tokens: list[int]
    """What the caches do not hold yet of the context; never empty, its last token starts the decoding."""
    caches: list[Any]
    """Per-layer caches of the context before `tokens`; read, never written."""
    rows: list[Row]


@dataclass(slots=True)
class Row:
    """One sequence being decoded."""

    index: int
    """Which request it answers."""
    limit: int
    uniforms: NDArray[np.float32]
    """(limit,) draws in [0, 1)."""
    tokens: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    finish: FinishReason | None = None
    caches: list[Any] | None = None
    """Per-layer caches of everything but the last sampled token, if they were asked for."""

    def draw(self) -> float:
        """The draw of the next token; finished rows idle on 0."""
        return 0.0 if self.finish else float(self.uniforms[len(self.tokens)])

    def append(self, token: int, logprob: float, stop: frozenset[int]) -> None:
        """Add a token, which may finish the row."""
        self.tokens.append(token)
        self.logprobs.append(logprob)
        if token in stop:
            self.finish = FinishReason.STOP
        elif len(self.tokens) == self.limit:
            self.finish = FinishReason.LENGTH


def row_uniforms(seed: int, limit: int) -> NDArray[np.float32]:
    """The draws of one row, from its seed alone."""
    return np.random.Generator(np.random.Philox(key=seed)).random(limit, dtype=np.float32)


class Decoder:
    """Decodes forks of contexts with one model."""

    def __init__(self, model: nn.Module, stop_tokens: frozenset[int], width: int) -> None:
        """`width` is the most rows that decode together."""
        self._model = model
        self._stop = stop_tokens
        self.width = width

    def run(self, forks: Sequence[Fork], *, temperature: float, keep: bool) -> Iterator[list[Row]]:
        """After each token, yield the rows that have just got one; those that finished with it have `finish` set."""
        waiting = deque(_fit(forks, self.width))
        batch = _Batch()
        while waiting or batch.live:
            room = self.width - batch.live
            if waiting and room >= max(len(waiting[0].rows), (self.width + 1) // 2):
                batch.compact()
                batch.join(self._prefill(_take(waiting, room)))
            elif batch.live <= COMPACT_BELOW * len(batch.rows):
                batch.compact()
            grown = self._step(batch, temperature)
            if keep:
                batch.extract([i for i in grown if batch.rows[i].finish])
            yield [batch.rows[i] for i in grown]

    def _prefill(self, forks: list[Fork]) -> _Batch:
        """Bring all forks' contexts up to their last token in one right-padded batch, then repeat each for its rows."""
        caches = mlxlm.merge_caches([fork.caches for fork in forks])
        if any(len(fork.tokens) > 1 for fork in forks):
            mlxlm.right_padded_forward(self._model, caches, [fork.tokens[:-1] for fork in forks], PREFILL_CHUNK)
        spread = [i for i, fork in enumerate(forks) for _ in fork.rows]
        if spread != list(range(len(forks))):
            caches = mlxlm.take_rows(caches, spread)
        last = mx.array([forks[i].tokens[-1] for i in spread])
        return _Batch([row for fork in forks for row in fork.rows], caches, last)

    def _step(self, batch: _Batch, temperature: float) -> list[int]:
        """Sample one token for every live row; returns their positions."""
        logits = self._model(batch.last[:, None], cache=batch.caches)[:, -1, :]
        logprobs = log_softmax_at(logits, temperature or 1.0)
        chosen = mx.argmax(logprobs, axis=-1) if temperature == 0 else _invert(logprobs, batch.draws())
        picked = mx.take_along_axis(logprobs, chosen[:, None], axis=-1)[:, 0]
        mx.eval(chosen, picked)
        batch.last = chosen
        live = [i for i, row in enumerate(batch.rows) if row.finish is None]
        tokens, values = np.array(chosen), np.array(picked)
        for i in live:
            batch.rows[i].append(int(tokens[i]), float(values[i]), self._stop)
        batch.live = sum(batch.rows[i].finish is None for i in live)
        return live


class _Batch:
    """The rows that decode together: row i of every cache belongs to `rows[i]`.

    Finished rows stay, idle, until `compact`: taking a row out copies the keys and values of all others.
    """

    def __init__(
        self, rows: list[Row] | None = None, caches: list[Any] | None = None, last: mx.array | None = None
    ) -> None:
        self.rows = rows or []
        self.caches = caches or []
        self.last = last if last is not None else mx.array([], dtype=mx.uint32)
        self.live = len(self.rows)

    def draws(self) -> mx.array:
        """(B,) the next draw of each row."""
        return mx.array([row.draw() for row in self.rows])

    def join(self, other: _Batch) -> None:
        """Take in another batch; this one must be compact."""
        if self.rows:
            for mine, theirs in zip(self.caches, other.caches, strict=True):
                mine.extend(theirs)
            self.rows = self.rows + other.rows
            self.last = mx.concatenate([self.last.astype(mx.uint32), other.last.astype(mx.uint32)])
        else:
            self.rows, self.caches, self.last = other.rows, other.caches, other.last
        self.live += other.live

    def extract(self, finished: list[int]) -> None:
        """Give finished rows a copy of their caches."""
        for i in finished:
            self.rows[i].caches = mlxlm.extract_row(self.caches, i)
        mx.eval([cache.state for i in finished for cache in self.rows[i].caches or ()])

    def compact(self) -> None:
        """Take the finished rows out."""
        live = [i for i, row in enumerate(self.rows) if row.finish is None]
        if len(live) == len(self.rows):
            return
        self.rows = [self.rows[i] for i in live]
        self.caches = mlxlm.take_rows(self.caches, live) if live else []
        self.last = self.last[mx.array(live)] if live else self.last


def _invert(logprobs: mx.array, draws: mx.array) -> mx.array:
    """The token at which the cumulative distribution (B, V) passes each draw (B,)."""
    cumulative = mx.cumsum(mx.exp(logprobs), axis=-1)
    # Rounding leaves the total beside 1: scaling the draw by it keeps every draw inside the distribution.
    return mx.argmax(cumulative > draws[:, None] * cumulative[:, -1:], axis=-1)


def _fit(forks: Sequence[Fork], width: int) -> Iterator[Fork]:
    """Cut forks that have more rows than the batch is wide."""
    for fork in forks:
        for start in range(0, len(fork.rows), width):
            yield Fork(fork.tokens, fork.caches, fork.rows[start : start + width])


def _take(waiting: deque[Fork], room: int) -> list[Fork]:
    """The next forks whose rows fit."""
    taken: list[Fork] = []
    while waiting and len(waiting[0].rows) <= room:
        room -= len(waiting[0].rows)
        taken.append(waiting.popleft())
    return taken
