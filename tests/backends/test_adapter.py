"""Adapters: switched off they leave the base bit for bit; saved they are what mlx-lm itself loads; unfit ones are refused."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
import pytest
from mlx_lm.utils import load as mlx_lm_load

from rrr_local.backends.base import AdamConfig, LoraConfig, Request
from rrr_local.backends.mlx.backend import ADAPTER_FILE, MlxBackend
from rrr_local.backends.mlx.gradient import group_gradient
from rrr_local.episode import Node, Opening, Span
from rrr_local.errors import ModelError, ResourceError
from rrr_local.paths import bundled
from rrr_local.training.objective import GrpoObjective

from .tiny_models import ARCHITECTURES, MODELS, QUANTISED, UNTRAINABLE, flat, random_group, write_model

LORA = LoraConfig(rank=4, alpha=8.0)
ADAM = AdamConfig()
GROUPS = [random_group(seed, 4) for seed in (1, 2)]
Folder = Callable[[str], Path]


def trained(folder: Path, updates: int = 2, lora: LoraConfig = LORA) -> MlxBackend:
    """A backend whose adapter has moved far enough to be seen."""
    backend = MlxBackend(folder)
    backend.new_adapter(lora, seed=5)
    for _ in range(updates):
        assert backend.update(GROUPS, GrpoObjective(), 0.05, ADAM).applied
    return backend


def parameters(backend: MlxBackend) -> dict[str, np.ndarray[Any, Any]]:
    return {name: np.array(array) for name, array in flat(backend._model.trainable_parameters()).items()}


def optimizer(backend: MlxBackend) -> dict[str, np.ndarray[Any, Any]]:
    return {name: np.array(array) for name, array in flat(backend._optimizer.state).items()}


def equal(one: dict[str, np.ndarray[Any, Any]], other: dict[str, np.ndarray[Any, Any]]) -> bool:
    """Bit for bit, NaN included."""
    return one.keys() == other.keys() and all(one[k].tobytes() == other[k].tobytes() for k in one)


def logits(backend: MlxBackend) -> np.ndarray[Any, Any]:
    return np.array(backend._model(mx.array([GROUPS[0].context.context()])))


def base_logprobs(backend: MlxBackend) -> list[bytes]:
    found = backend.logprobs(GROUPS, temperature=0.7)
    return [row.tobytes() for group in found for row in group]


@pytest.mark.parametrize("name", MODELS)
def test_switched_off_it_leaves_the_base_bit_for_bit(model_folder: Folder, name: str) -> None:
    bare, backend = MlxBackend(model_folder(name)), trained(model_folder(name))
    expected = logits(bare)
    assert not np.array_equal(logits(backend), expected)
    with backend.adapter_off():
        assert np.array_equal(logits(backend), expected)
    assert not np.array_equal(logits(backend), expected)
    assert base_logprobs(backend) == base_logprobs(bare)


def test_what_was_computed_with_it_is_not_gone_on_with_while_it_is_off(model_folder: Folder) -> None:
    bare, backend = MlxBackend(model_folder("llama")), trained(model_folder("llama"))
    root = Node(Span.PROBLEM, None, tuple(range(20, 40)), "problem")
    (node,) = backend.sample([Request(root, Span.ATTEMPT, 1, 6)], temperature=1, keep=True)
    asked = Request(Node(Span.REFLECT_PROMPT, node, (50, 51), "why"), Span.REFLECTION, 1, 12)
    (expected,) = bare.sample([asked], temperature=0)
    with backend.adapter_off():
        (off,) = backend.sample([asked], temperature=0, keep=True)
        assert list(backend._kept) == [off]
    assert (off.tokens, off.logprobs) == (expected.tokens, expected.logprobs)
    assert list(backend._kept) == [node]


def test_it_is_switched_on_again_when_the_block_fails(model_folder: Folder) -> None:
    backend = trained(model_folder("llama"))
    before = logits(backend)
    with pytest.raises(KeyboardInterrupt), backend.adapter_off():
        raise KeyboardInterrupt
    assert np.array_equal(logits(backend), before)


@pytest.mark.parametrize("name", [*ARCHITECTURES, QUANTISED])
def test_a_fresh_one_changes_nothing(model_folder: Folder, name: str) -> None:
    backend = MlxBackend(model_folder(name))
    expected = logits(backend)
    backend.new_adapter(LORA, seed=1)
    assert np.array_equal(logits(backend), expected)


@pytest.mark.parametrize("name", UNTRAINABLE)
def test_a_model_that_cannot_be_trained_is_refused_before_anything_and_can_still_chat(
    tmp_path: Path, name: str
) -> None:
    backend = MlxBackend(write_model(tmp_path / "model", name))
    asked = [Request(Node(Span.PROBLEM, None, tuple(range(20, 20 + n)), ""), Span.ATTEMPT, n, 6) for n in (3, 31)]
    before = [node.tokens for node in backend.sample(asked, temperature=1)]
    alone = [backend.sample([each], temperature=1)[0].tokens for each in asked]
    assert before == alone
    with pytest.raises(ModelError, match=f"type {name} can chat here, but not be trained"):
        backend.new_adapter(LORA, seed=1)
    assert [node.tokens for node in backend.sample(asked, temperature=1)] == before
    with pytest.raises(ModelError, match="no adapter to save"):
        backend.save_adapter(tmp_path)


def test_only_the_adapter_is_trained_and_all_of_it(model_folder: Folder) -> None:
    backend = MlxBackend(model_folder(QUANTISED))
    backend.new_adapter(LORA, seed=5)
    base = {name: np.array(array) for name, array in flat(backend._model.parameters()).items()}
    start = parameters(backend)
    assert {name.rsplit(".", 1)[1] for name in start} == {"lora_a", "lora_b"}
    assert len(start) == 2 * 2 * 7  # a and b, two blocks, seven linear layers each
    for _ in range(2):
        backend.update(GROUPS, GrpoObjective(), 0.05, ADAM)
    now = {name: np.array(array) for name, array in flat(backend._model.parameters()).items()}
    assert {name for name in base if not np.array_equal(base[name], now[name])} == start.keys()


def test_the_same_seed_gives_the_same_adapter_also_on_a_model_that_carried_another(model_folder: Folder) -> None:
    backend = trained(model_folder("llama"), lora=LoraConfig(rank=2))
    backend.new_adapter(LORA, seed=9)
    fresh = MlxBackend(model_folder("llama"))
    fresh.new_adapter(LORA, seed=9)
    assert equal(parameters(backend), parameters(fresh))
    assert equal(optimizer(backend), optimizer(fresh))
    fresh.new_adapter(LORA, seed=10)
    assert not equal(parameters(backend), parameters(fresh))


def test_a_saved_one_comes_back_whole(model_folder: Folder, tmp_path: Path) -> None:
    backend = trained(model_folder("qwen3"))
    backend.save_adapter(tmp_path)
    backend.save_optimizer(tmp_path)
    other = MlxBackend(model_folder("qwen3"))
    other.load_adapter(tmp_path)
    other.load_optimizer(tmp_path)
    assert equal(parameters(other), parameters(backend))
    assert equal(optimizer(other), optimizer(backend))
    for each in (backend, other):
        each.update(GROUPS, GrpoObjective(), 0.02, ADAM)
    assert equal(parameters(other), parameters(backend))
    assert equal(optimizer(other), optimizer(backend))


def test_an_optimizer_that_never_stepped_comes_back_too(model_folder: Folder, tmp_path: Path) -> None:
    backend, other = trained(model_folder("llama"), updates=0), MlxBackend(model_folder("llama"))
    backend.save_adapter(tmp_path)
    backend.save_optimizer(tmp_path)
    other.load_adapter(tmp_path)
    other.load_optimizer(tmp_path)
    for each in (backend, other):
        each.update(GROUPS, GrpoObjective(), 0.02, ADAM)
    assert equal(parameters(other), parameters(backend))


def test_a_loaded_one_goes_on_as_a_base_for_sampling(model_folder: Folder, tmp_path: Path) -> None:
    backend, other = trained(model_folder("llama")), MlxBackend(model_folder("llama"))
    backend.save_adapter(tmp_path)
    other.load_adapter(tmp_path)
    wanted = [Request(GROUPS[0].context, Span.REFLECTION, seed, 12) for seed in range(3)]
    drawn = [each.sample(wanted, temperature=1) for each in (backend, other)]
    assert [(z.tokens, z.logprobs) for z in drawn[0]] == [(z.tokens, z.logprobs) for z in drawn[1]]


# --- what is refused --------------------------------------------------------------------------------------------------


def test_one_of_another_shape_is_refused(model_folder: Folder, tmp_path: Path) -> None:
    trained(model_folder("llama"), updates=1).save_adapter(tmp_path / "")
    wider = write_model(tmp_path / "wider", "llama", hidden_size=96)
    deeper = write_model(tmp_path / "deeper", "llama", num_hidden_layers=3)
    for folder in (wider, deeper):
        with pytest.raises(ModelError, match="made for another model"):
            MlxBackend(folder).load_adapter(tmp_path)


@pytest.mark.parametrize(
    "config",
    [
        "",
        "[]",
        "{}",
        '{"lora_parameters": {"rank": "many"}}',
        '{"lora_parameters": 3}',
        '{"lora_parameters": {"rank": 0, "scale": 2.0}}',
    ],
)
def test_an_unreadable_configuration_is_refused(model_folder: Folder, tmp_path: Path, config: str) -> None:
    trained(model_folder("llama"), updates=1).save_adapter(tmp_path)
    (tmp_path / "adapter_config.json").write_text(config)
    with pytest.raises(ModelError):
        MlxBackend(model_folder("llama")).load_adapter(tmp_path)


def test_another_rank_than_it_says_is_refused(model_folder: Folder, tmp_path: Path) -> None:
    trained(model_folder("llama"), updates=1).save_adapter(tmp_path)
    config = json.loads((tmp_path / "adapter_config.json").read_text())
    config["lora_parameters"]["rank"] = 8
    (tmp_path / "adapter_config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match="made for another model"):
        MlxBackend(model_folder("llama")).load_adapter(tmp_path)


def test_a_folder_without_one_or_with_a_cut_file_is_refused(model_folder: Folder, tmp_path: Path) -> None:
    backend = MlxBackend(model_folder("llama"))
    with pytest.raises(ModelError, match="no usable adapter"):
        backend.load_adapter(tmp_path)
    trained(model_folder("llama"), updates=1).save_adapter(tmp_path)
    file = tmp_path / ADAPTER_FILE
    file.write_bytes(file.read_bytes()[:-10])
    with pytest.raises(ModelError, match="no usable adapter"):
        backend.load_adapter(tmp_path)


def test_there_has_to_be_one_to_save(model_folder: Folder, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no adapter"):
        MlxBackend(model_folder("llama")).save_adapter(tmp_path)


def test_a_folder_that_cannot_be_written_is_said(model_folder: Folder, tmp_path: Path) -> None:
    with pytest.raises((ResourceError, OSError)):
        trained(model_folder("llama"), updates=1).save_adapter(tmp_path / "absent")


# --- updates ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("broken", ["log-prob", "advantage", "weight"])
def test_an_update_that_is_not_finite_is_never_applied(model_folder: Folder, broken: str) -> None:
    backend = trained(model_folder("llama"))
    before, state = parameters(backend), optimizer(backend)
    group = GROUPS[0]
    first = group.reflections[0]
    match broken:
        case "log-prob":
            bad = replace(first, logprobs=(float("nan"),) * len(first.tokens))
            group = replace(group, reflections=(bad, *group.reflections[1:]))
        case "advantage":
            group = replace(group, advantages=(float("inf"), *group.advantages[1:]))
        case "weight":
            group = replace(group, weights=(float("nan"), *group.weights[1:]))
    update = backend.update([group, GROUPS[1]], GrpoObjective(), 0.05, ADAM)
    assert not update.applied
    assert not np.isfinite(update.grad_norm)
    assert equal(parameters(backend), before)
    assert equal(optimizer(backend), state)
    assert backend.update(GROUPS, GrpoObjective(), 0.05, ADAM).applied
    assert all(np.isfinite(array).all() for array in parameters(backend).values())


def test_a_first_update_that_is_not_finite_leaves_the_optimizer_new(model_folder: Folder) -> None:
    backend = trained(model_folder("llama"), updates=0)
    state = optimizer(backend)
    group = replace(GROUPS[0], advantages=(float("nan"),) * 4)
    assert not backend.update([group], GrpoObjective(), 0.05, ADAM).applied
    assert equal(optimizer(backend), state)


def test_an_update_is_adam_on_the_clipped_gradient(model_folder: Folder) -> None:
    """Against Adam with bias correction written out in float64, over two steps."""
    backend = trained(model_folder("llama"), updates=0)
    adam, rate = AdamConfig(beta1=0.8, beta2=0.9, epsilon=1e-7, max_grad_norm=0.01), 0.03
    moments = {name: (np.zeros(1), np.zeros(1)) for name in parameters(backend)}
    for step in (1, 2):
        start = {name: array.astype(np.float64) for name, array in parameters(backend).items()}
        gradient = recorded_gradient(backend)
        norm = np.sqrt(sum((g**2).sum() for g in gradient.values()))
        update = backend.update(GROUPS, GrpoObjective(), rate, adam)
        assert update.grad_norm == pytest.approx(norm, rel=1e-4)
        assert norm > adam.max_grad_norm
        for name, now in parameters(backend).items():
            g = gradient[name] * adam.max_grad_norm / norm
            m = adam.beta1 * moments[name][0] + (1 - adam.beta1) * g
            v = adam.beta2 * moments[name][1] + (1 - adam.beta2) * g**2
            moments[name] = (m, v)
            fraction = (m / (1 - adam.beta1**step)) / (np.sqrt(v / (1 - adam.beta2**step)) + adam.epsilon)
            large = np.abs(g) > 1e-6  # elsewhere epsilon decides, and float32 with it
            np.testing.assert_allclose(now[large], (start[name] - rate * fraction)[large], rtol=1e-3, atol=1e-4)


def recorded_gradient(backend: MlxBackend) -> dict[str, np.ndarray[Any, np.dtype[np.float64]]]:
    total: dict[str, np.ndarray[Any, np.dtype[np.float64]]] = {}
    for group in GROUPS:
        for name, array in flat(group_gradient(backend._model, group, GrpoObjective(), 16).gradient).items():
            total[name] = total.get(name, np.zeros(1)) + np.array(array, dtype=np.float64)
    return total


def test_an_update_forgets_kv_of_the_model_as_it_was(model_folder: Folder) -> None:
    backend = trained(model_folder("llama"))
    (node,) = backend.sample([Request(GROUPS[0].context, Span.REFLECTION, 1, 6)], temperature=1, keep=True)
    ask = Node(Span.RETRY_PROMPT, node, (7, 8, 9), "again")
    backend.update(GROUPS, GrpoObjective(), 0.05, ADAM)
    (kept,) = backend.sample([Request(ask, Span.RETRY, 1, 10)], temperature=1)
    backend.forget()
    assert backend.sample([Request(ask, Span.RETRY, 1, 10)], temperature=1)[0].tokens == kept.tokens


# --- mlx-lm's own loaders ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["llama", "gemma3_text", "phi3", "lfm2", QUANTISED])
def test_mlx_lm_loads_it(model_folder: Folder, tmp_path: Path, name: str) -> None:
    backend = trained(model_folder(name))
    backend.save_adapter(tmp_path)
    model, _ = mlx_lm_load(str(model_folder(name)), adapter_path=str(tmp_path))
    model.set_dtype(mx.float32)
    assert np.array_equal(np.array(model(mx.array([GROUPS[0].context.context()]))), logits(backend))


def test_mlx_lm_generates_with_it_from_the_command_line(tmp_path: Path) -> None:
    """The embedded model, in float32 so that mlx-lm computes what the backend does."""
    model = shutil.copytree(bundled("tiny"), tmp_path / "model")
    weights = mx.load(str(model / "model.safetensors"))
    assert isinstance(weights, dict)
    weights = {name: array.astype(mx.float32) for name, array in weights.items()}
    mx.eval(weights)
    mx.save_safetensors(str(model / "model.safetensors"), weights, {"format": "mlx"})
    backend, question = trained(model), "Reach 24 from 4, 2 and 3."
    backend.save_adapter(tmp_path)
    root = Node(Span.PROBLEM, None, tuple(backend.chat.opening(Opening(question))), question)
    attempt = Request(root, Span.ATTEMPT, 0, 12)
    (expected,) = backend.sample([attempt], temperature=0)
    (without,) = MlxBackend(model).sample([attempt], temperature=0)
    command = [sys.executable, "-m", "mlx_lm", "generate", "--model", str(model), "--adapter-path", str(tmp_path)]
    options = ["--prompt", question, "--max-tokens", "12", "--temp", "0", "--verbose", "F"]
    done = subprocess.run([*command, *options], capture_output=True, text=True, timeout=100, check=True)
    assert done.stdout.strip() == expected.text.strip() != without.text.strip()
