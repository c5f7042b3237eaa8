"""A folder that is no usable model is a `ModelError` with its cause, not a traceback."""

from __future__ import annotations

import gc
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlx.core as mx
import pytest

from rrr_local.backends.find import BACKENDS, open_backend
from rrr_local.backends.mlx import mlxlm
from rrr_local.backends.mlx.backend import MlxBackend
from rrr_local.errors import ModelError, UsageError
from rrr_local.models.find import Model

from .tiny_models import flat, write_model

Folder = Callable[[str], Path]


@pytest.fixture
def copied(model_folder: Folder, tmp_path: Path) -> Path:
    return shutil.copytree(model_folder("llama"), tmp_path / "model")


def rewrite(folder: Path, **changes: Any) -> None:
    config = json.loads((folder / "config.json").read_text())
    changed = {k: v for k, v in {**config, **changes}.items() if v is not None}
    (folder / "config.json").write_text(json.dumps(changed))


def test_a_folder_without_a_model_is_said(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "absent"):
        with pytest.raises(ModelError, match="no model in"):
            MlxBackend(folder)


@pytest.mark.parametrize("file", ["model.safetensors", "tokenizer.json", "chat_template.jinja"])
def test_a_missing_file_is_said(copied: Path, file: str) -> None:
    (copied / file).unlink()
    with pytest.raises(ModelError):
        MlxBackend(copied)


@pytest.mark.parametrize("file", ["model.safetensors", "tokenizer.json", "config.json"])
@pytest.mark.parametrize("keep", [0, 100])
def test_a_cut_off_file_is_said(copied: Path, file: str, keep: int) -> None:
    (copied / file).write_bytes((copied / file).read_bytes()[:keep])
    with pytest.raises(ModelError):
        MlxBackend(copied)


@pytest.mark.parametrize(
    "changes",
    [
        {"model_type": "no-such-architecture"},
        {"model_type": None},
        {"hidden_size": None},
        {"hidden_size": 32},
        {"num_hidden_layers": 3},
        {"num_hidden_layers": 1},
        {"hidden_size": "wide"},
        {"max_position_embeddings": "long"},
    ],
    ids=str,
)
def test_a_configuration_that_does_not_fit_is_said(copied: Path, changes: dict[str, Any]) -> None:
    rewrite(copied, **changes)
    with pytest.raises(ModelError, match="cannot be loaded") as raised:
        MlxBackend(copied)
    assert "\n" not in raised.value.cause


@pytest.mark.parametrize("kind", mlxlm.MIXED_UP)
def test_a_model_that_mlx_lm_batches_wrongly_is_refused(copied: Path, kind: str) -> None:
    rewrite(copied, model_type=kind)
    with pytest.raises(ModelError, match=f"{kind} cannot be batched"):
        MlxBackend(copied)


def test_weights_are_read_and_widened_array_by_array(tmp_path: Path) -> None:
    """Not all of them are held twice, by MLX's cache neither."""
    folder = write_model(tmp_path / "half", "llama", dtype=mx.bfloat16, intermediate_size=20_000, num_hidden_layers=8)
    gc.collect()
    mx.clear_cache()
    before = mx.get_active_memory()
    mx.reset_peak_memory()
    backend = MlxBackend(folder)
    held = sum(array.nbytes for array in flat(backend._model.parameters()).values())
    assert mx.get_peak_memory() - before < 1.1 * held
    assert mx.get_cache_memory() < 0.1 * held


@pytest.mark.parametrize("dtype", [mx.float16, mx.bfloat16])
def test_a_half_precision_model_is_computed_in_float32_on_a_cpu(tmp_path: Path, dtype: mx.Dtype) -> None:
    backend = MlxBackend(write_model(tmp_path / "half", "llama", dtype=dtype))
    expected = mx.float32 if backend.name == "mlx-cpu" else dtype
    assert backend._model.model.norm.weight.dtype == expected


def test_backends_are_chosen_by_name(model_folder: Folder) -> None:
    model = Model("llama", model_folder("llama"))
    for name in BACKENDS:
        assert open_backend(name, model).name.startswith("mlx-")
    with pytest.raises(UsageError, match="there is no backend 'jax'"):
        open_backend("jax", model)
