"""Random models of a few thousand parameters, saved like real ones, so that the backend loads them from disk.

Their weights are several times larger than a fresh layer's: so attention matters, the next token depends on the whole context, and a
wrong mask or position shows in the greedy continuation.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
from mlx.utils import tree_flatten, tree_map
from mlx_lm.models import gemma3_text, granite, lfm2, llama, olmo2, phi3, qwen2, qwen3, qwen3_5, smollm3
from mlx_lm.utils import quantize_model

from rrr_local.backends.base import TrainGroup
from rrr_local.episode import FinishReason, Node, Span
from rrr_local.paths import bundled

VOCABULARY, STOP = 543, 0
"""Of the embedded model's tokenizer, which all of them use."""
WINDOW = 24
"""The sliding window of the gemma3 model: shorter than every prefix here."""
SHAPE: dict[str, Any] = {
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "intermediate_size": 96,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "rms_norm_eps": 1e-6,
    "vocab_size": VOCABULARY,
}
ARCHITECTURES: dict[str, tuple[Any, dict[str, Any]]] = {
    "llama": (llama, {"tie_word_embeddings": True}),
    "qwen2": (qwen2, {}),
    "qwen3": (
        qwen3,
        {"max_position_embeddings": 2048, "head_dim": 16, "tie_word_embeddings": True, "rope_theta": 1e4},
    ),
    "gemma3_text": (
        gemma3_text,
        {"head_dim": 16, "query_pre_attn_scalar": 16, "sliding_window": WINDOW, "sliding_window_pattern": 2},
    ),
    "phi3": (phi3, {"rope_scaling": {"type": "longrope", "long_factor": [1.2] * 8, "short_factor": [1.0] * 8}}),
    "olmo2": (olmo2, {"tie_word_embeddings": False}),
    "granite": (
        granite,
        {"logits_scaling": 8.0, "attention_multiplier": 0.0625, "embedding_multiplier": 12.0}
        | {"residual_multiplier": 0.22, "max_position_embeddings": 2048, "attention_bias": False}
        | {"mlp_bias": False, "rope_theta": 1e4},
    ),
    "smollm3": (smollm3, {"no_rope_layer_interval": 2}),
    "lfm2": (
        lfm2,
        {"layer_types": ["conv", "full_attention"], "conv_L_cache": 3, "conv_bias": False, "norm_eps": 1e-6}
        | {"block_dim": 64, "block_multiple_of": 8, "block_ffn_dim_multiplier": 1.0}
        | {"block_auto_adjust_ff_dim": False, "max_position_embeddings": 2048},
    ),
}
UNTRAINABLE: dict[str, tuple[Any, dict[str, Any]]] = {
    "qwen3_5": (
        qwen3_5,
        {"head_dim": 16, "full_attention_interval": 2, "linear_conv_kernel_dim": 4, "linear_num_key_heads": 2}
        | {"linear_num_value_heads": 4, "linear_key_head_dim": 16, "linear_value_head_dim": 16},
    ),
}
"""It has a recurrent layer."""
QUANTISED = "llama-4bit"
MODELS = (*ARCHITECTURES, QUANTISED)


def write_model(folder: Path, name: str, *, seed: int = 0, dtype: mx.Dtype = mx.float32, **shape: Any) -> Path:
    """Save a random model of `MODELS` or `UNTRAINABLE` in Hugging Face layout; `shape` overrides what `SHAPE` says."""
    kind = name.removesuffix("-4bit")
    module, own = (ARCHITECTURES | UNTRAINABLE)[kind]
    args = module.ModelArgs.from_dict({"model_type": kind, **SHAPE, **own, **shape})
    mx.random.seed(seed)
    model = module.Model(args)
    model.update(tree_map(lambda p: (2.5 * p if p.ndim == 2 else p).astype(dtype), model.parameters()))
    config = {k: v for k, v in dataclasses.asdict(args).items() if v is not None} | {"eos_token_id": STOP}
    if name == QUANTISED:
        model, config = quantize_model(model, config, group_size=32, bits=4)
    folder.mkdir(parents=True)
    mx.save_safetensors(str(folder / "model.safetensors"), flat(model.parameters()), {"format": "mlx"})
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    for file in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        shutil.copy(bundled("tiny") / file, folder)
    return folder


def write_echo(folder: Path) -> Path:
    """Save a model of one block that looks at all of its context evenly and tends to repeat words of it."""
    write_model(folder, "llama", num_hidden_layers=1, num_key_value_heads=4)
    file, block = str(folder / "model.safetensors"), "model.layers.0"
    arrays = mx.load(file)
    assert isinstance(arrays, dict)
    arrays[f"{block}.self_attn.q_proj.weight"] *= 0
    arrays[f"{block}.self_attn.v_proj.weight"] = mx.eye(64)
    arrays[f"{block}.self_attn.o_proj.weight"] = 4 * mx.eye(64)
    arrays[f"{block}.mlp.down_proj.weight"] *= 0
    arrays["model.embed_tokens.weight"] *= 0.4
    mx.eval(arrays)
    mx.save_safetensors(file, arrays, {"format": "mlx"})
    return folder


def flat(tree: Any) -> dict[str, mx.array]:
    """A tree of arrays, such as a model's parameters, by name."""
    return dict(tree_flatten(tree))


def random_tokens(rng: np.random.Generator, count: int) -> tuple[int, ...]:
    """Ordinary tokens: no control token among them."""
    return tuple(int(t) for t in rng.integers(5, VOCABULARY, count))


def failed_attempt(rng: np.random.Generator, lengths: tuple[int, int, int] = (20, 12, 6)) -> Node:
    """A reflect prompt after a failed attempt at a problem, of random tokens; the attempt ended with a stop token."""
    root = Node(Span.PROBLEM, None, random_tokens(rng, lengths[0]), "problem")
    tokens = (*random_tokens(rng, lengths[1]), STOP)
    attempt = Node(Span.ATTEMPT, root, tokens, "attempt", finish=FinishReason.STOP)
    return Node(Span.REFLECT_PROMPT, attempt, random_tokens(rng, lengths[2]), "reflect")


def reflection(context: Node, tokens: tuple[int, ...], logprobs: tuple[float, ...]) -> Node:
    """A reflection that was sampled with these log-probs."""
    return Node(Span.REFLECTION, context, tokens, "reflection", logprobs, FinishReason.LENGTH, 1)


def random_group(seed: int, size: int, *, reference: bool = False, longest: int = 9) -> TrainGroup:
    """A group of reflections of 1 to `longest` tokens; advantages, weights and sampler log-probs are random too."""
    rng = np.random.default_rng(seed)
    context = failed_attempt(rng)
    lengths = [1, longest, *rng.integers(1, longest + 1, size)][:size]
    nodes = [
        reflection(context, random_tokens(rng, n), tuple(rng.normal(-7.0, 2.0, n).astype(np.float32).tolist()))
        for n in lengths
    ]
    return TrainGroup(
        context,
        tuple(nodes),
        tuple(rng.normal(size=size).tolist()),
        tuple(rng.uniform(0.005, 0.02, size).tolist()),
        tuple(rng.normal(-7.0, 1.0, n).astype(np.float32) for n in lengths) if reference else None,
    )
