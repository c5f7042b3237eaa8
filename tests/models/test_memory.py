"""Estimates count weights as they lie in memory, not as they lie on disk."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from rrr_local.errors import ModelError
from rrr_local.models.find import EMBEDDED, find_model
from rrr_local.models.memory import Shape, estimate, in_memory, of


@pytest.mark.parametrize(
    ("config", "on_a_cpu"),
    [
        ({"torch_dtype": "bfloat16"}, 9000 * 2),
        ({"dtype": "float16"}, 9000 * 2),
        ({"torch_dtype": "float32"}, 9000),
        ({"text_config": {"dtype": "float32"}}, 9000),
        ({}, 9000 * 2),
        ({"torch_dtype": "bfloat16", "quantization": {"bits": 4, "group_size": 64}}, 9000 * 10 // 9),  # 4.5 bits -> 5
        ({"quantization": {"bits": 8, "group_size": 32}}, 9000 * 10 // 9),  # 9 bits -> 10
        ({"quantization": {"bits": "four", "group_size": None}}, 9000 * 2),
        ({"quantization": {"bits": 0, "group_size": 0}}, 9000 * 2),
        ({"text_config": "none"}, 9000 * 2),
    ],
    ids=str,
)
def test_half_precision_becomes_float32_where_there_is_no_gpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, config: dict[str, Any], on_a_cpu: int
) -> None:
    (tmp_path / "config.json").write_text(json.dumps(config))
    monkeypatch.setattr(sys, "platform", "linux")
    assert in_memory(tmp_path / "config.json", 9000) == on_a_cpu
    monkeypatch.setattr(sys, "platform", "darwin")
    assert in_memory(tmp_path / "config.json", 9000) == 9000


def test_a_config_that_cannot_be_read_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    with pytest.raises(ModelError, match="how large the model is"):
        in_memory(tmp_path / "config.json", 1)


def test_a_models_estimate_is_of_its_weights_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    wide = estimate(find_model(EMBEDDED))
    monkeypatch.setattr(sys, "platform", "darwin")
    narrow = estimate(find_model(EMBEDDED))
    size = find_model(EMBEDDED).size
    assert (wide.chat - narrow.chat, wide.training - narrow.training) == (size, size)


def test_fewer_tokens_take_less() -> None:
    shape = Shape(100, 2, 4, 2, 25, 300, 1000, 8192)
    whole, part = of(shape, 10**6), of(shape, 10**6, cached=100, step=200)
    assert whole.chat - part.chat == 2 * 2 * 2 * 25 * (4096 - 100) * 4
    assert whole.training > part.training


def test_what_the_config_of_gemma_3_leaves_out_is_known() -> None:
    text = {"model_type": "gemma3_text", "hidden_size": 2560, "intermediate_size": 10240, "num_hidden_layers": 34}
    shape = Shape.of({"model_type": "gemma3", "text_config": text})
    assert (shape.heads, shape.kv_heads, shape.head_size, shape.vocabulary) == (8, 4, 256, 262_208)
    assert Shape.of({"text_config": {**text, "num_key_value_heads": 2, "vocab_size": 99}}).vocabulary == 99
    with pytest.raises(KeyError):
        Shape.of({"text_config": {**text, "model_type": "another"}})
