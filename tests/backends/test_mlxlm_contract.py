"""What `backends/mlx/mlxlm.py` relies on in mlx-lm beyond its documented commands. A new release that breaks it fails here first."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import mlx.core as mx
import mlx.nn as nn
import numpy as np
import pytest
from mlx_lm.models.cache import (
    ArraysCache,
    BatchKVCache,
    BatchRotatingKVCache,
    ConcatenateKVCache,
    KVCache,
    QuantizedKVCache,
    RotatingKVCache,
    create_attention_mask,
)
from mlx_lm.tuner.lora import LoRALinear

from rrr_local.backends.base import LoraConfig
from rrr_local.backends.mlx import mlxlm
from rrr_local.errors import ModelError

from .tiny_models import ARCHITECTURES, MODELS, WINDOW, flat, random_tokens

Folder = Callable[[str], Path]
BATCHED = ["llama", "gemma3_text"]
"""One model with plain caches, one with sliding windows too."""


def load(folder: Path) -> nn.Module:
    return mlxlm.load(folder)[0]


def rows(*lengths: int) -> list[list[int]]:
    return [list(random_tokens(np.random.default_rng(n), n)) for n in lengths]


def fed(model: nn.Module, tokens: list[int]) -> list[Any]:
    """Caches of one row that was fed alone."""
    caches = mlxlm.empty_caches(model)
    model(mx.array([tokens]), cache=caches)
    return caches


def next_logits(
    model: nn.Module, caches: list[Any], tokens: list[int]
) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    return np.array(model(mx.array(tokens)[:, None], cache=caches)[:, -1])


def alone(model: nn.Module, tokens: list[int]) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    return np.array(model(mx.array([tokens]))[0, -1])


def close(one: Any, other: Any) -> None:
    np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)


def test_the_release_is_the_one_this_was_written_for() -> None:
    assert version("mlx-lm").startswith("0.32.")


def test_loading_runs_no_code_from_the_folder_and_reports_the_stop_tokens(model_folder: Folder, tmp_path: Path) -> None:
    model, tokenizer, stop = mlxlm.load(model_folder("llama"))
    assert not model.training
    assert stop == {0}
    assert tokenizer.decode([0]) == "<|end|>"
    folder = model_folder("llama")
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "evil.py").write_text("raise SystemExit('code from the folder ran')")
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "model_file": "evil.py"}))
    with pytest.raises(ValueError, match="trust_remote_code"):
        mlxlm.load(tmp_path)


@pytest.mark.parametrize(
    ("config", "tokenizer_limit", "size"),
    [
        ({"max_position_embeddings": 1024}, 10**30, 1024),
        ({"max_position_embeddings": 32768}, 8192, 8192),
        ({"text_config": {"max_position_embeddings": 2048}}, None, 2048),
        ({}, 10**30, mlxlm.UNKNOWN_CONTEXT),
        ({"max_position_embeddings": None}, 512, 512),
    ],
)
def test_the_context_is_what_both_model_and_tokenizer_can_take(
    tmp_path: Path, config: dict[str, Any], tokenizer_limit: int | None, size: int
) -> None:
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert mlxlm.context_size(tmp_path, SimpleNamespace(model_max_length=tokenizer_limit)) == size


@pytest.mark.parametrize(
    "message", ["[metal::malloc] Attempting to allocate 9 bytes", "[METAL] Command buffer: Insufficient Memory"]
)
def test_too_little_memory_is_pythons_own_error(message: str) -> None:
    with pytest.raises(MemoryError, match=r"allocate|Memory"), mlxlm.memory_errors():
        raise RuntimeError(message)
    with pytest.raises(RuntimeError, match="shape"), mlxlm.memory_errors():
        raise RuntimeError("a wrong shape")


@pytest.mark.parametrize("name", MODELS)
def test_a_model_has_its_blocks_and_takes_one_cache_for_each(model_folder: Folder, name: str) -> None:
    model = load(model_folder(name))
    kinds = [type(cache) for cache in mlxlm.empty_caches(model)]
    assert len(kinds) == len(model.layers)
    assert kinds == [{"gemma3_text": RotatingKVCache, "lfm2": ArraysCache}.get(name, KVCache), KVCache]


def test_a_cache_that_cannot_be_batched_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert callable(ArraysCache.merge)
    monkeypatch.setattr(mlxlm, "make_prompt_cache", lambda model: [QuantizedKVCache()])
    with pytest.raises(ModelError, match="QuantizedKVCache"):
        mlxlm.empty_caches(nn.Module())


@pytest.mark.parametrize("name", BATCHED)
def test_merged_rows_go_on_as_they_would_alone_and_are_not_touched(model_folder: Folder, name: str) -> None:
    model, contexts = load(model_folder(name)), rows(3, 40, 26)
    own = [fed(model, row) for row in contexts]
    before = [mx.array(cache.keys) for row in own for cache in row]
    merged = mlxlm.merge_caches(own)
    assert {type(cache) for cache in merged} <= {BatchKVCache, BatchRotatingKVCache}
    found = next_logits(model, merged, [7, 8, 9])
    for row, token, logits in zip(contexts, (7, 8, 9), found, strict=True):
        close(logits, alone(model, [*row, token]))
    assert all(mx.array_equal(a, c.keys) for a, c in zip(before, (c for row in own for c in row), strict=True))


@pytest.mark.parametrize("name", BATCHED)
def test_empty_rows_may_be_merged_with_full_ones(model_folder: Folder, name: str) -> None:
    model, context = load(model_folder(name)), rows(31)[0]
    merged = mlxlm.merge_caches([mlxlm.empty_caches(model), fed(model, context)])
    mlxlm.right_padded_forward(model, merged, [[5, 6, 7], [8]], 512)
    found = next_logits(model, merged, [9, 10])
    close(found[0], alone(model, [5, 6, 7, 9]))
    close(found[1], alone(model, [*context, 8, 10]))


@pytest.mark.parametrize("name", BATCHED)
@pytest.mark.parametrize("chunk", [1000, 16, 13, 4])
def test_unequal_rows_are_fed_with_their_padding_moved_out_of_the_way(
    model_folder: Folder, name: str, chunk: int
) -> None:
    model, contexts = load(model_folder(name)), rows(1, 17, 40, 33)
    caches = mlxlm.merge_caches([mlxlm.empty_caches(model) for _ in contexts])
    mlxlm.right_padded_forward(model, caches, contexts, chunk)
    found = next_logits(model, caches, [7, 8, 9, 10])
    for row, token, logits in zip(contexts, (7, 8, 9, 10), found, strict=True):
        close(logits, alone(model, [*row, token]))


@pytest.mark.parametrize("name", BATCHED)
def test_taking_rows_forks_reorders_and_drops(model_folder: Folder, name: str) -> None:
    model, contexts = load(model_folder(name)), rows(30, 4, 12)
    caches = mlxlm.merge_caches([fed(model, row) for row in contexts])
    next_logits(model, caches, [1, 1, 1])
    taken = mlxlm.take_rows(caches, [2, 1, 1])
    found = next_logits(model, taken, [7, 8, 9])
    for row, token, logits in zip((contexts[2], contexts[1], contexts[1]), (7, 8, 9), found, strict=True):
        close(logits, alone(model, [*row, 1, token]))


@pytest.mark.parametrize("name", BATCHED)
@pytest.mark.parametrize("steps", [1, 30])
def test_an_extracted_row_is_a_cache_of_its_own(model_folder: Folder, name: str, steps: int) -> None:
    """Also after more steps than the window is long, when the buffer has gone round."""
    model, contexts = load(model_folder(name)), rows(9, 20)
    caches = mlxlm.merge_caches([fed(model, row) for row in contexts])
    for _ in range(steps):
        next_logits(model, caches, [7, 8])
    extracted = [mlxlm.extract_row(caches, i) for i in range(2)]
    next_logits(model, caches, [11, 12])
    for row, token, own in zip(contexts, (7, 8), extracted, strict=True):
        assert [type(cache) for cache in own] == [type(cache) for cache in mlxlm.empty_caches(model)]
        expected = alone(model, [*row, *([token] * steps), 5])
        close(next_logits(model, mlxlm.merge_caches([own]), [5])[0], expected)


@pytest.mark.parametrize("name", BATCHED)
def test_a_batch_takes_in_another(model_folder: Folder, name: str) -> None:
    model, contexts = load(model_folder(name)), rows(5, 28, 50)
    first = mlxlm.merge_caches([fed(model, contexts[0])])
    for _ in range(26):
        next_logits(model, first, [3])
    second = mlxlm.merge_caches([fed(model, row) for row in contexts[1:]])
    for mine, theirs in zip(first, second, strict=True):
        mine.extend(theirs)
    found = next_logits(model, first, [7, 8, 9])
    close(found[0], alone(model, [*contexts[0], *[3] * 26, 7]))
    for row, token, logits in zip(contexts[1:], (8, 9), found[1:], strict=True):
        close(logits, alone(model, [*row, token]))


def test_spare_room_of_a_batch_cache_is_cut_to_what_it_holds(model_folder: Folder) -> None:
    model = load(model_folder("llama"))
    caches = mlxlm.merge_caches([mlxlm.empty_caches(model) for _ in range(2)])
    mlxlm.right_padded_forward(model, caches, rows(4, 9), 512)
    next_logits(model, caches, [5, 6])
    assert caches[0].keys.shape[2] > 10
    assert mlxlm.take_rows(caches, [1])[0].keys.shape[2] == caches[0].size() == 10


def test_the_prefix_cache_and_mask_of_the_training_pass() -> None:
    cache = ConcatenateKVCache()
    keys = mx.arange(24.0).reshape(1, 2, 3, 4)
    cache.update_and_fetch(keys, -keys)
    assert (cache.offset, cache.keys.shape, cache.values.shape) == (3, (1, 2, 3, 4), (1, 2, 3, 4))
    prefix = mlxlm.PrefixKV(cache.keys, cache.values)
    own = mx.ones((5, 2, 2, 4))
    joined, values = prefix.update_and_fetch(own, own)
    assert joined.shape == values.shape == (5, 2, 5, 4)
    assert mx.array_equal(joined[3, :, :3], keys[0])
    assert prefix.make_mask(2) == "causal"
    assert prefix.make_mask(1) is None
    window = np.array(prefix.make_mask(2, window_size=2))
    assert window.tolist() == [[False, False, True, True, False], [False, False, False, True, True]]
    assert np.array(prefix.make_mask(1, window_size=2)).tolist() == [[False, False, True, True]]
    assert list(inspect.signature(create_attention_mask).parameters) == ["N", "offset", "return_array", "window_size"]


@pytest.mark.parametrize("name", list(ARCHITECTURES))
def test_lora_goes_on_every_linear_layer_of_the_blocks_and_comes_off(model_folder: Folder, name: str) -> None:
    model = load(model_folder(name))
    bare = set(flat(model.parameters()))
    linear = [path for path, m in model.named_modules() if isinstance(m, nn.Linear) and ".layers." in f".{path}"]
    mlxlm.attach_lora(model, LoraConfig(rank=3, alpha=6.0))
    carriers = mlxlm.lora_modules(model)
    assert len(carriers) == len(linear) == {"phi3": 8, "lfm2": 12}.get(name, 14)
    assert all(isinstance(m, LoRALinear) and m.scale == 2.0 for m in carriers)
    shapes = {path: array.shape for path, array in flat(model.trainable_parameters()).items()}
    projection, width = ("qkv_proj", 128) if name == "phi3" else ("q_proj", 64)
    assert shapes[f"model.layers.1.self_attn.{projection}.lora_a"] == (64, 3)
    assert shapes[f"model.layers.1.self_attn.{projection}.lora_b"] == (3, width)
    assert all(array.dtype == mx.float32 for array in flat(model.trainable_parameters()).values())
    mlxlm.detach_lora(model)
    assert set(flat(model.parameters())) == bare
    assert mlxlm.lora_modules(model) == []


def test_the_adapter_configuration_has_the_keys_that_the_loader_reads(tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text(mlxlm.lora_config_json(LoraConfig(rank=6, alpha=9.0)))
    assert json.loads((tmp_path / "adapter_config.json").read_text()) == {
        "fine_tune_type": "lora",
        "num_layers": -1,
        "lora_parameters": {"rank": 6, "scale": 1.5, "dropout": 0.0},
    }
    assert mlxlm.read_lora_config(tmp_path) == LoraConfig(rank=6, alpha=9.0)


def test_the_window_is_shorter_than_what_is_fed_here() -> None:
    assert WINDOW < 26
