"""What a backend promises. Nothing outside this package knows what a tensor is.

A backend owns one model: its weights, one LoRA adapter, its caches. It is handed nodes of the episode tree (`rrr_local.episode`)
and may keep their keys and values (KV), so that a continuation prefills only what is new, and G samples of one node fork it.
Log-probs cross this border as float32 numpy arrays, everything else as plain Python values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from rrr_local.episode import Node, Opening, Span

Logprobs = NDArray[np.float32]
"""(tokens of one reflection,)"""


def never() -> bool:
    """Nobody cancels."""
    return False


@dataclass(frozen=True, slots=True)
class Request:
    """One span to sample."""

    context: Node
    """The model continues after this node's last token."""
    span: Span
    seed: int
    """The span's draws depend on this alone."""
    limit: int
    """The most tokens to sample, the stop token included."""


@dataclass(frozen=True, slots=True)
class LoraConfig:
    """A LoRA adapter on every linear layer inside the transformer blocks: W x + (alpha / rank) B A x."""

    rank: int = 16
    alpha: float = 32.0

    @property
    def scale(self) -> float:
        return self.alpha / self.rank


@dataclass(frozen=True, slots=True)
class AdamConfig:
    """Adam without weight decay; gradients are clipped to a global norm first."""

    beta1: float = 0.9
    beta2: float = 0.95
    epsilon: float = 1e-8
    max_grad_norm: float = 1.0


@dataclass(frozen=True, slots=True)
class TrainGroup:
    """The reflections of one failure, with what the objective needs. They share one prefix: `context`."""

    context: Node
    """The reflect prompt, and with its path the failed attempt and the problem."""
    reflections: tuple[Node, ...]
    advantages: tuple[float, ...]
    weights: tuple[float, ...]
    """What one token of each reflection counts in the loss: 1 / normaliser, 0 where the reflection is masked."""
    reference: tuple[Logprobs, ...] | None = None
    """The base model's log-probs of each reflection; None where no KL term is asked for."""


class Objective(Protocol):
    """The gradient of the loss with respect to each log-prob; see `rrr_local.training.objective`."""

    @property
    def temperature(self) -> float:
        """Logits are divided by it before log-probs are taken, as they were when sampling."""
        ...

    def coefficients(self, xp: Any, logprobs: Any, sampler: Any, advantages: Any, reference: Any | None) -> Any:
        """dL/dlogprob before weighting, elementwise over (G, R); `xp` is numpy, mlx.core or torch."""
        ...


@dataclass(frozen=True, slots=True)
class Update:
    """What one optimizer step did."""

    applied: bool
    """False when the loss or a gradient was not finite: weights and optimizer are as before."""
    grad_norm: float
    """Global norm of the gradient before clipping."""
    logprobs: tuple[tuple[Logprobs, ...], ...]
    """Per group and reflection, from the training pass, before the update."""
    entropy: float
    """Mean entropy of the predictive distribution at reflection tokens, nats."""


class Chat(Protocol):
    """Turns of a conversation as token ids, in the model's own chat format."""

    def opening(self, opening: Opening) -> list[int]:
        """The start of a conversation, up to where the assistant speaks. Raises `ModelError` where the format cannot hold it."""
        ...

    def turn(self, user: str, *, after_stop: bool) -> list[int]:
        """A later user message, from the end of the assistant's last token on. `after_stop` is False when that was cut off."""
        ...

    def decode(self, tokens: Sequence[int]) -> str:
        """Text for people and verifiers; the stop token is left out."""
        ...


class Backend(Protocol):
    """One model with one adapter."""

    @property
    def name(self) -> str:
        """`mlx` or `torch`, and where it runs, for the record."""
        ...

    @property
    def chat(self) -> Chat: ...

    @property
    def width(self) -> int:
        """Rows that decode together: how many problems are worth handing over at once."""
        ...

    @property
    def context(self) -> int:
        """Tokens the model can take in, the ones it writes included."""
        ...

    def sample(self, requests: Sequence[Request], *, temperature: float, keep: bool = False) -> list[Node]:
        """One sampled node per request, in their order. Temperature 0 is greedy.

        `keep` keeps the KV of the sampled nodes for continuations until `forget` or the next update.
        """
        ...

    def stream(
        self, request: Request, *, temperature: float, cancelled: Callable[[], bool] = never
    ) -> Iterator[str | Node]:
        """One span as it is written: its text so far after each token, then its node, with its KV kept.

        `cancelled` is asked after each token; when it says yes the node comes next, `FinishReason.CANCELLED`, without KV.
        Raises `MemoryError`.
        """
        ...

    def forget(self, keep: Node | None = None) -> None:
        """Free all kept KV, but for what a continuation of the node `keep` would start from."""
        ...

    def adapter_off(self) -> AbstractContextManager[None]:
        """The base model, bit for bit, for as long as the block lasts. Nodes sampled inside leave no KV outside."""
        ...

    def logprobs(self, groups: Sequence[TrainGroup], *, temperature: float) -> list[tuple[Logprobs, ...]]:
        """Log-probs of the reflections under the *base* model (adapter off), per group."""
        ...

    def new_adapter(self, config: LoraConfig, seed: int) -> None:
        """Attach a fresh adapter (its output is zero) and a fresh optimizer."""
        ...

    def update(
        self, groups: Sequence[TrainGroup], objective: Objective, learning_rate: float, adam: AdamConfig
    ) -> Update:
        """One optimizer step on the adapter."""
        ...

    def save_adapter(self, folder: Path) -> None:
        """Write the adapter in the layout its own ecosystem loads."""
        ...

    def load_adapter(self, folder: Path) -> None:
        """Attach an adapter. Raises `ModelError` when it does not fit this model."""
        ...

    def save_optimizer(self, folder: Path) -> None: ...

    def load_optimizer(self, folder: Path) -> None: ...

    def peak_memory(self) -> int:
        """Bytes, since the last call."""
        ...
