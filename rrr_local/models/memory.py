"""How much memory a model will take: estimates from its `config.json`, before anything is loaded.

    chat      weights + cache of a full context + what the libraries take
    training  chat's weights and libraries + adapter with gradient and two moments + one micro-batch of activations and logits

A run measures one real step before it starts; these figures only say whether it is worth trying.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

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
LEFT_OUT: dict[object, dict[str, int]] = {
    "gemma3_text": {"num_attention_heads": 8, "num_key_value_heads": 4, "head_dim": 256, "vocab_size": 262_208}
}
"""What the config of a model that sees leaves to transformers' defaults, by the type of its language model."""
LARGEST = 10**8
"""More layers, tokens or numbers in a row than any model has: a mistake, or a trap."""


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
        inside = {**LEFT_OUT.get(str(inside.get("model_type")), {}), **inside}
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
    config = model.folder / "config.json"
    return of(shape_of(config), in_memory(config, model.size))


def in_memory(config: Path, stored: int) -> int:
    """Bytes that weights of so many bytes take once loaded: on a CPU, as on Linux, half precision becomes float32.

    Raises `ModelError` when the config cannot be read.
    """
    if sys.platform == "darwin":
        return stored
    known = _read(config)
    packed = known.get("quantization")
    bits, group = (packed.get(key) for key in ("bits", "group_size")) if isinstance(packed, dict) else (None, None)
    if isinstance(bits, int) and isinstance(group, int) and min(bits, group) > 0:
        return stored * (bits * group + 64) // (bits * group + 32)  # a scale and an offset a group
    inside = known.get("text_config")
    number = {**known, **(inside if isinstance(inside, dict) else {})}
    return stored * (1 if "float32" in (number.get("dtype"), number.get("torch_dtype")) else 2)


def shape_of(config: Path) -> Shape:
    """The shape that a `config.json` tells. Raises `ModelError` where it does not."""
    try:
        shape = Shape.of(_read(config))
        sizes = (shape.hidden, shape.layers, shape.heads, shape.kv_heads, shape.head_size, shape.vocabulary)
        if min(*sizes, shape.context) < 1 or max(sizes) > LARGEST:
            raise ValueError("a size that no model has")
        return shape
    except (ValueError, KeyError, TypeError, ZeroDivisionError, OverflowError) as error:
        raise ModelError("config.json does not say how large the model is", "is it complete?") from error


def _read(config: Path) -> dict[str, Any]:
    try:
        found = json.loads(config.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError("config.json does not say how large the model is", "is it complete?") from error
    return found if isinstance(found, dict) else {}


def of(shape: Shape, weights: int, *, cached: int = CONTEXT, step: int = STEP_TOKENS) -> Memory:
    """The formulas of the module's docstring; `weights` in bytes, `cached` tokens of chat, `step` tokens of a micro-batch."""
    cache = 2 * shape.layers * shape.kv_heads * shape.head_size * min(shape.context, cached) * FLOAT
    attention = 2 * shape.hidden + (shape.heads + shape.kv_heads) * shape.head_size
    linear = 2 * attention + 3 * (shape.hidden + shape.inner)  # in + out of q, k, v, o and of gate, up, down
    adapter = 4 * RANK * linear * shape.layers * FLOAT
    activations = step * shape.layers * (10 * shape.hidden + 3 * shape.inner) * FLOAT
    logits = 3 * step * shape.vocabulary * FLOAT
    base = weights + LIBRARIES
    return Memory(chat=base + cache, training=base + adapter + activations + logits)


def fit(needed: int, machine: int) -> Fit:
    """Whether so many bytes fit into a machine with so many."""
    if needed > 0.9 * machine:
        return Fit.NO
    return Fit.TIGHT if needed > 0.5 * machine else Fit.FITS
