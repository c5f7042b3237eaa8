"""How much memory a model will take: estimates from its `config.json`, before anything is loaded.

    chat      weights + cache of a full context + what the libraries take
    training  chat's weights and libraries + adapter with gradient and two moments + one micro-batch of activations and logits

A run measures one real step before it starts; these figures only say whether it is worth trying.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum

from rrr_local.errors import ModelError
from rrr_local.models.find import Model

LIBRARIES = 300 * 2**20
"""Bytes that the engine process takes before it has a model."""
CONTEXT = 4096
"""Tokens of cache that chat is reckoned with, where the model can take as many."""
STEP_TOKENS = 1024
"""Tokens of one micro-batch."""
RANK = 16
FLOAT = 4
"""Bytes of a number in a cache, a gradient or an activation."""


class Fit(StrEnum):
    """Whether something fits into this machine's memory."""

    FITS = "fits"
    TIGHT = "tight"
    """More than half of the memory: close other programs."""
    NO = "too large"


@dataclass(frozen=True, slots=True)
class Memory:
    """Estimated bytes."""

    chat: int
    training: int


@dataclass(frozen=True, slots=True)
class Shape:
    """What of a `config.json` decides about memory."""

    hidden: int
    layers: int
    heads: int
    kv_heads: int
    head_size: int
    inner: int
    vocabulary: int
    context: int

    @classmethod
    def of(cls, config: object) -> Shape:
        """Raises `KeyError`, `TypeError` or `ValueError` for a config that lacks them."""
        inside = (
            config.get("text_config", config) if isinstance(config, dict) else None
        )  # text_config: of models that see
        if not isinstance(inside, dict):
            raise TypeError("not a JSON object")
        hidden, heads = int(inside["hidden_size"]), int(inside["num_attention_heads"])
        return cls(
            hidden=hidden,
            layers=int(inside["num_hidden_layers"]),
            heads=heads,
            kv_heads=int(inside.get("num_key_value_heads", heads)),
            head_size=int(inside.get("head_dim") or hidden // heads),
            inner=int(inside["intermediate_size"]),
            vocabulary=int(inside["vocab_size"]),
            context=int(inside.get("max_position_embeddings", CONTEXT)),
        )


def estimate(model: Model) -> Memory:
    """What chat and training would take. Raises `ModelError` when the model's config does not say how large it is."""
    try:
        shape = Shape.of(json.loads((model.folder / "config.json").read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError, ZeroDivisionError) as error:
        raise ModelError(f"{model.name}: config.json does not say how large the model is", "is it complete?") from error
    return of(shape, model.size)


def of(shape: Shape, weights: int) -> Memory:
    """The formulas of the module's docstring; `weights` in bytes."""
    cache = 2 * shape.layers * shape.kv_heads * shape.head_size * min(shape.context, CONTEXT) * FLOAT
    attention = 2 * shape.hidden + (shape.heads + shape.kv_heads) * shape.head_size
    linear = 2 * attention + 3 * (shape.hidden + shape.inner)  # in + out of q, k, v, o and of gate, up, down
    adapter = 4 * RANK * linear * shape.layers * FLOAT
    activations = STEP_TOKENS * shape.layers * (10 * shape.hidden + 3 * shape.inner) * FLOAT
    logits = 3 * STEP_TOKENS * shape.vocabulary * FLOAT
    base = weights + LIBRARIES
    return Memory(chat=base + cache, training=base + adapter + activations + logits)


def fit(needed: int, machine: int) -> Fit:
    """Whether so many bytes fit into a machine with so many."""
    if needed > 0.9 * machine:
        return Fit.NO
    return Fit.TIGHT if needed > 0.5 * machine else Fit.FITS
