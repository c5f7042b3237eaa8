"""Everything we use of mlx-lm beyond its documented commands, in one place: it moves between releases.

`tests/backends/test_mlxlm_contract.py` holds what we rely on. Paths are absolute and repository code is never run.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx.nn as nn
from mlx.utils import tree_map
from mlx_lm.models.cache import (
    ArraysCache,
    BatchKVCache,
    ConcatenateKVCache,
    KVCache,
    RotatingKVCache,
    create_attention_mask,
    make_prompt_cache,
)
from mlx_lm.tokenizer_utils import load as load_tokenizer_wrapper
from mlx_lm.tuner.utils import linear_to_lora_layers, remove_lora_layers
from mlx_lm.utils import load_model

from rrr_local.backends.base import LoraConfig
from rrr_local.errors import ModelError

__all__ = [
    "PrefixKV",
    "attach_lora",
    "cache_arrays",
    "context_size",
    "detach_lora",
    "empty_caches",
    "extract_row",
    "load",
    "lora_config_json",
    "lora_modules",
    "memory_errors",
    "merge_caches",
    "prefix_caches",
    "read_lora_config",
    "right_padded_forward",
    "rows_cache",
    "take_rows",
]


SHORT_CONVOLUTIONS = ("lfm2",)
"""Model types whose `ArraysCache` layers remember a few tokens alone. Others carry a recurrent state, through which mlx-lm trains
token by token, at megabytes a token and layer."""
MIXED_UP = ("gemma2", "phi3small")
"""Model types whose attention in mlx-lm lays a batch's masks on the wrong axis: rows would see each other's padding."""
UNKNOWN_CONTEXT = 4096
ENDLESS = 10**9
"""Tokenizers without a limit give an enormous number."""


def load(folder: Path, *, float32: bool = False) -> tuple[nn.Module, Any, frozenset[int]]:
    """The model in evaluation mode, its Hugging Face tokenizer, and the ids that end a turn.

    Weights are read one by one, and with `float32` widened: never are more of them held than stay.

    Raises `ModelError` for a model that would be computed wrongly, and what mlx-lm raises.
    """
    kind = json.loads((folder / "config.json").read_text(encoding="utf-8")).get("model_type")
    if kind in MIXED_UP:
        raise ModelError(f"models of type {kind} cannot be batched", "choose another model, such as Gemma 3")
    model, config = load_model(folder, lazy=True, trust_remote_code=False)
    if float32:
        model.set_dtype(mx.float32)
    tree_map(_settle, model.parameters())
    safe = {"trust_remote_code": False}  # left out, transformers would ask the person at the terminal
    wrapper = load_tokenizer_wrapper(folder, safe, eos_token_ids=config.get("eos_token_id"))
    return model, wrapper._tokenizer, frozenset(wrapper.eos_token_ids)


def _settle(weights: mx.array) -> None:
    """Read an array, and give back the memory of what it was before it was widened."""
    mx.eval(weights)
    mx.clear_cache()


def context_size(folder: Path, tokenizer: Any) -> int:
    """The most tokens a model takes in, by its configuration and its tokenizer; UNKNOWN_CONTEXT where neither says."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    inner = config.get("text_config", {})
    sizes = (config.get("max_position_embeddings"), inner.get("max_position_embeddings"), tokenizer.model_max_length)
    known = [size for size in sizes if isinstance(size, int) and 0 < size < ENDLESS]
    return min(known, default=UNKNOWN_CONTEXT)


@contextmanager
def memory_errors() -> Iterator[None]:
    """MLX has no exception of its own for too little memory: raise Python's."""
    try:
        yield
    except RuntimeError as error:
        if any(words in str(error) for words in ("allocat", "Insufficient Memory")):
            raise MemoryError(str(error)) from error
        raise


def empty_caches(model: nn.Module) -> list[Any]:
    """One cache a layer, of the kind the layer wants. Raises `ModelError` for kinds that cannot be batched."""
    caches = make_prompt_cache(model)
    for cache in caches:
        if not callable(getattr(cache, "merge", None)):
            raise ModelError(f"this model's cache ({type(cache).__name__}) cannot be batched", "choose a dense model")
    return list(caches)


def merge_caches(rows: list[list[Any]]) -> list[Any]:
    """Per-row caches (rows x layers) as one left-padded batch cache a layer; the rows' own caches are copied, not touched."""
    return [column[0].merge(list(column)) for column in zip(*rows, strict=True)]


def take_rows(caches: list[Any], rows: list[int]) -> list[Any]:
    """The given rows of batch caches, in that order; a row may be taken several times (a fork)."""
    index = mx.array(rows)
    for cache in caches:
        _drop_spare_room(cache)
        cache.filter(index)
    mx.eval([cache.state for cache in caches])
    return caches


def extract_row(caches: list[Any], row: int) -> list[Any]:
    """One row of batch caches as per-layer caches of its own."""
    return [cache.extract(row) for cache in caches]


def right_padded_forward(model: nn.Module, caches: list[Any], rows: list[list[int]], chunk: int) -> None:
    """Feed rows of unequal length into batch caches, at most `chunk` tokens a call; afterwards the padding is on the left."""
    lengths = [len(row) for row in rows]
    width = max(lengths)
    if width % chunk == 1:
        width += 1  # one token alone is a decoding step to a sliding-window cache, which refuses padding then
    padding = [width - n for n in lengths]
    for cache in caches:
        cache.prepare(lengths=lengths, right_padding=padding)
    tokens = mx.array([row + [0] * pad for row, pad in zip(rows, padding, strict=True)])
    for start in range(0, width, chunk):
        model(tokens[:, start : start + chunk], cache=caches)
        mx.eval([cache.state for cache in caches])
    for (
        cache
    ) in caches:  # also without padding: an ArraysCache would mask what comes after the lengths it was prepared for
        if any(padding):
            _drop_spare_room(cache)
        cache.finalize()
    mx.eval([cache.state for cache in caches])


def _drop_spare_room(cache: Any) -> None:
    """Cut a batch cache's buffer to what it holds. Before an operation that copies it: spare room is most of a short buffer."""
    if isinstance(cache, BatchKVCache) and cache.keys is not None:
        cache.keys, cache.values = cache.keys_and_values()


def prefix_caches(model: nn.Module) -> list[Any]:
    """Empty caches for the prefix of a training step, one a layer, through which gradients pass.

    Raises `ModelError` for a model with a layer whose state rows cannot share in training.
    """
    caches: list[Any] = []
    for cache in make_prompt_cache(model):
        if isinstance(cache, KVCache | RotatingKVCache):
            caches.append(ConcatenateKVCache())
        elif isinstance(cache, ArraysCache) and model.model_type in SHORT_CONVOLUTIONS:
            caches.append(ArraysCache(len(cache.cache)))
        else:
            raise ModelError(
                f"models of type {model.model_type} can chat here, but not be trained (a layer keeps its state in an "
                f"{type(cache).__name__})",
                "choose a model whose layers are all attention, or LFM2; `rrr models suggest` names some",
            )
    return caches


def cache_arrays(cache: Any) -> list[mx.array]:
    """What one of `prefix_caches` holds after the prefix: keys and values, or a convolution's last inputs."""
    return list(cache.cache) if isinstance(cache, ArraysCache) else [cache.keys, cache.values]


def rows_cache(kind: Any, arrays: list[mx.array], rows: int) -> Any:
    """A cache of this kind for rows that follow a prefix with these arrays."""
    if not isinstance(kind, ArraysCache):
        return PrefixKV(*arrays)
    cache = ArraysCache(len(arrays))
    cache.cache = [mx.broadcast_to(array, (rows, *array.shape[1:])) for array in arrays]
    return cache


class PrefixKV:
    """One layer's keys and values of a prefix (1, heads, P, dim), shared by every row that is fed after it.

    Functional, so that gradients reach the prefix through it (a mutable cache under `mx.checkpoint` gives wrong ones).
    """

    def __init__(self, keys: mx.array, values: mx.array) -> None:
        self.keys, self.values, self.offset = keys, values, keys.shape[2]

    def update_and_fetch(self, keys: mx.array, values: mx.array) -> tuple[mx.array, mx.array]:
        return self._join(self.keys, keys), self._join(self.values, values)

    def make_mask(self, n: int, return_array: bool = False, window_size: int | None = None) -> Any:
        return create_attention_mask(n, self.offset, return_array, window_size)

    @staticmethod
    def _join(prefix: mx.array, own: mx.array) -> mx.array:
        shared = mx.broadcast_to(prefix, (own.shape[0], *prefix.shape[1:]))
        return mx.concatenate([shared, own], axis=2)


def attach_lora(model: nn.Module, config: LoraConfig) -> None:
    """Freeze the base and put LoRA on every linear layer inside the blocks. On a bare model only: LoRA would nest.

    Raises `ModelError` for a model that cannot be trained, and leaves it bare.
    """
    prefix_caches(model)
    model.freeze()
    linear_to_lora_layers(model, -1, {"rank": config.rank, "scale": config.scale, "dropout": 0.0})


def detach_lora(model: nn.Module) -> None:
    """Take LoRA off again."""
    remove_lora_layers(model)


def lora_modules(model: nn.Module) -> list[Any]:
    """Every module that carries LoRA matrices; its `scale` switches the adapter."""
    return [module for _, module in model.named_modules() if "lora_a" in module]


def read_lora_config(folder: Path) -> LoraConfig:
    """The LoRA settings of an adapter folder in mlx-lm's layout."""
    raw = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
    rank = int(raw["lora_parameters"]["rank"])
    if rank < 1:
        raise ValueError(f"a rank of {rank}")
    return LoraConfig(rank=rank, alpha=float(raw["lora_parameters"]["scale"]) * rank)


def lora_config_json(config: LoraConfig) -> str:
    """`adapter_config.json` as mlx-lm's loader reads it."""
    parameters = {"rank": config.rank, "scale": config.scale, "dropout": 0.0}
    return json.dumps({"fine_tune_type": "lora", "num_layers": -1, "lora_parameters": parameters}, indent=2)
