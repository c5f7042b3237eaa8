"""Model families as they are published: the numbers of their `config.json`, their control tokens, their stop tokens.

Weights are random and chat templates are not here: `families.py` takes them from a folder.
Where `layers` is below `of_layers`, fewer layers are made than the model has, so that it fits; everything else is as published.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Family:
    """One model."""

    name: str
    source: str
    """Where its config was read: repository@revision on huggingface.co, often another's copy of it."""
    template: str
    """Its template's file name without `.jinja`."""
    config: Mapping[str, Any]
    special: Mapping[str, int]
    """Control tokens and their ids."""
    bos: str
    eos: str
    of_layers: int
    """Layers of the published model."""
    words: Mapping[str, int] | None = None
    """Added tokens that are not special."""
    stop: tuple[int, ...] | None = None
    """What `generation_config.json` says ends a turn, where it says more than `config.json`."""

    @property
    def layers(self) -> int:
        """Layers that are made."""
        return int(self.config.get("text_config", self.config)["num_hidden_layers"])


def _config(
    kind: str, hidden: int, layers: int, heads: int, kv_heads: int, inner: int, vocabulary: int, eos: int, **more: Any
) -> dict[str, Any]:
    """What all of them have; `more` in the words of `config.json`."""
    shape = {
        "hidden_size": hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": kv_heads,
        "intermediate_size": inner,
        "vocab_size": vocabulary,
    }
    return {"model_type": kind, "torch_dtype": "bfloat16", **shape, "eos_token_id": eos, **more}


QWEN = {"<|endoftext|>": 151643, "<|im_start|>": 151644, "<|im_end|>": 151645}
QWEN_TOOLS = {"<tool_call>": 151657, "</tool_call>": 151658}
QWEN3_WORDS = QWEN_TOOLS | {
    "<tool_response>": 151665, "</tool_response>": 151666, "<think>": 151667, "</think>": 151668,
}  # fmt: skip
SMOLLM2 = {"<|endoftext|>": 0, "<|im_start|>": 1, "<|im_end|>": 2}
GEMMA3 = {"<pad>": 0, "<eos>": 1, "<bos>": 2, "<start_of_turn>": 105, "<end_of_turn>": 106}
LLAMA3 = {
    "<|begin_of_text|>": 128000, "<|end_of_text|>": 128001, "<|start_header_id|>": 128006, "<|end_header_id|>": 128007,
    "<|eom_id|>": 128008, "<|eot_id|>": 128009, "<|python_tag|>": 128010,
}  # fmt: skip
LLAMA3_ROPE = {
    "factor": 32.0, "high_freq_factor": 4.0, "low_freq_factor": 1.0, "original_max_position_embeddings": 8192,
    "rope_type": "llama3",
}  # fmt: skip
SMOLLM3 = {"<|begin_of_text|>": 128000, "<|end_of_text|>": 128001, "<|im_start|>": 128011, "<|im_end|>": 128012}
MISTRAL = {
    "<unk>": 0, "<s>": 1, "</s>": 2, "[INST]": 3, "[/INST]": 4, "[TOOL_CALLS]": 5, "[AVAILABLE_TOOLS]": 6,
    "[/AVAILABLE_TOOLS]": 7, "[TOOL_RESULTS]": 8, "[/TOOL_RESULTS]": 9,
}  # fmt: skip
PHI3 = {
    "<s>": 1, "</s>": 2, "<|endoftext|>": 32000, "<|assistant|>": 32001, "<|system|>": 32006, "<|end|>": 32007,
    "<|user|>": 32010,
}  # fmt: skip
PHI3_LONG = [
    1.08, 1.11, 1.14, 1.34, 1.59, 1.6, 1.62, 2.62, 3.23, 3.23, 4.79, 7.4, 7.7, 9.09, 12.2, 17.67, 24.46, 28.57, 30.42,
    30.84, 32.59, 32.93, 42.32, 44.96, 50.34,
]  # fmt: skip
"""The first 25 of 48 factors, rounded; the last is repeated for the others, which the source cuts off."""
LFM2 = {
    "<|pad|>": 0, "<|startoftext|>": 1, "<|endoftext|>": 2, "<|im_start|>": 6, "<|im_end|>": 7, "<|tool_list_start|>": 8,
    "<|tool_list_end|>": 9, "<|tool_call_start|>": 10, "<|tool_call_end|>": 11, "<|tool_response_start|>": 12,
    "<|tool_response_end|>": 13,
}  # fmt: skip
LFM2_ATTENTION = (2, 5, 8, 10, 12, 14)
QWEN35 = {"<|endoftext|>": 248044, "<|im_start|>": 248045, "<|im_end|>": 248046}

FAMILIES = (
    Family(
        "Qwen2.5-0.5B-Instruct", "unsloth/Qwen2.5-0.5B-Instruct@00bafb7cd8d700177637919923d0e579fe0cfa5f",
        "qwen2.5",
        _config("qwen2", 896, 24, 14, 2, 4864, 151936, 151645, max_position_embeddings=32768, rms_norm_eps=1e-6,
                rope_theta=1e6, tie_word_embeddings=True),
        QWEN, "<|endoftext|>", "<|im_end|>", 24, QWEN_TOOLS, (151645, 151643),
    ),
    Family(
        "Qwen3-0.6B", "TensorStack/TextEncoder@main", "qwen3",
        _config("qwen3", 1024, 28, 16, 8, 3072, 151936, 151645, head_dim=128, max_position_embeddings=40960,
                rms_norm_eps=1e-6, rope_theta=1000000, tie_word_embeddings=True),
        QWEN, "<|endoftext|>", "<|im_end|>", 28, QWEN3_WORDS, (151645, 151643),
    ),
    Family(
        "Qwen3.5-0.8B", "oopere/Qwen3.5-0.65B-Base-Rearchitected@main", "qwen3.5",
        {"model_type": "qwen3_5", "eos_token_id": 248046, "tie_word_embeddings": True, "text_config": _config(
            "qwen3_5_text", 1024, 4, 8, 2, 3584, 248320, 248046, head_dim=256, full_attention_interval=4,
            linear_conv_kernel_dim=4, linear_key_head_dim=128, linear_num_key_heads=16, linear_num_value_heads=16,
            linear_value_head_dim=128, max_position_embeddings=262144, rms_norm_eps=1e-6, tie_word_embeddings=True,
        )},
        QWEN35, "<|endoftext|>", "<|im_end|>", 24,
    ),
    Family(
        "Llama-3.2-1B-Instruct", "task-aware/Llama_3.2_1B_Instruct@main", "llama-3.2",
        _config("llama", 2048, 16, 32, 8, 8192, 128256, 128009, head_dim=64, max_position_embeddings=131072,
                rms_norm_eps=1e-5, rope_theta=500000.0, rope_scaling=LLAMA3_ROPE, tie_word_embeddings=True),
        LLAMA3, "<|begin_of_text|>", "<|eot_id|>", 16, stop=(128001, 128008, 128009),
    ),
    Family(
        "SmolLM2-135M-Instruct", "thatupiso/SmolLM2-FT-DPO2@82a39892c4a819fa6093b523130b534a133952f1",
        "smollm2",
        _config("llama", 576, 30, 9, 3, 1536, 49152, 2, head_dim=64, max_position_embeddings=8192, rms_norm_eps=1e-5,
                rope_theta=100000, tie_word_embeddings=True),
        SMOLLM2, "<|im_start|>", "<|im_end|>", 30,
    ),
    Family(
        "SmolLM2-360M-Instruct", "prithivMLmods/SmolLM2-360M-Grpo-r999@bb56f3025a4287dbd44a8750ac63d686916c4e2b",
        "smollm2",
        _config("llama", 960, 32, 15, 5, 2560, 49152, 2, head_dim=64, max_position_embeddings=8192, rms_norm_eps=1e-5,
                rope_theta=100000, tie_word_embeddings=True),
        SMOLLM2, "<|im_start|>", "<|im_end|>", 32,
    ),
    Family(
        "SmolLM3-3B", "koutch/0.json_train_grpo_v1_dev@main", "smollm3",
        _config("smollm3", 2048, 4, 16, 4, 11008, 128256, 128012, max_position_embeddings=65536, rms_norm_eps=1e-6,
                rope_theta=5000000.0, no_rope_layer_interval=4, no_rope_layers=[1, 1, 1, 0], tie_word_embeddings=True),
        SMOLLM3, "<|begin_of_text|>", "<|im_end|>", 36, {"<think>": 128002, "</think>": 128003},
    ),
    Family(
        "gemma-3-270m-it", "Codingstark/gemma3-270m-leetcode@main", "gemma-3",
        _config("gemma3_text", 640, 18, 4, 1, 2048, 262144, 106, head_dim=256, max_position_embeddings=32768,
                rms_norm_eps=1e-6, query_pre_attn_scalar=256, rope_local_base_freq=10000.0, rope_theta=1000000.0,
                sliding_window=512),
        GEMMA3, "<bos>", "<eos>", 18, stop=(1, 106),
    ),
    Family(
        "gemma-3-1b-it", "MatanBT/mia-target-model@main", "gemma-3",
        _config("gemma3_text", 1152, 26, 4, 1, 6912, 262144, 106, head_dim=256, max_position_embeddings=32768,
                rms_norm_eps=1e-6, query_pre_attn_scalar=256, rope_local_base_freq=10000, rope_theta=1000000,
                sliding_window=512),
        GEMMA3, "<bos>", "<eos>", 26, stop=(1, 106),
    ),
    Family(
        "gemma-2-2b-it", "mlx-community/gemma-2-2b-it-fp16@a596df5735f02e85b4886db48c3ade255dcae7dd",
        "gemma-2",
        _config("gemma2", 2304, 1, 8, 4, 9216, 256000, 1, head_dim=256, max_position_embeddings=8192, rms_norm_eps=1e-6,
                query_pre_attn_scalar=256, rope_theta=10000.0, attn_logit_softcapping=50.0,
                final_logit_softcapping=30.0, sliding_window=4096),
        {"<pad>": 0, "<eos>": 1, "<bos>": 2, "<start_of_turn>": 106, "<end_of_turn>": 107}, "<bos>", "<eos>", 26,
        stop=(1, 107),
    ),
    Family(
        "Mistral-7B-Instruct-v0.3", "mistralai/Mistral-7B-Instruct-v0.3@c170c708c41dac9275d15a8fff4eca08d52bab71",
        "mistral",
        _config("mistral", 4096, 2, 32, 8, 14336, 32768, 2, max_position_embeddings=32768, rms_norm_eps=1e-5,
                rope_theta=1000000.0, sliding_window=None, tie_word_embeddings=False),
        MISTRAL, "<s>", "</s>", 32,
    ),
    Family(
        "Phi-3.5-mini-instruct", "anakin87/Phi-3.5-mini-ITA@6da365c0eb7cbcc767df3f9d04881d1cca49453d",
        "phi-3.5",
        _config("phi3", 3072, 3, 32, 32, 8192, 32064, 32000, max_position_embeddings=131072,
                original_max_position_embeddings=4096, rms_norm_eps=1e-5, rope_theta=10000.0, tie_word_embeddings=False,
                rope_scaling={"type": "longrope", "long_factor": PHI3_LONG + PHI3_LONG[-1:] * 23, "short_factor": [1.0] * 48},
                pad_token_id=32000, bos_token_id=1),
        PHI3, "<s>", "<|endoftext|>", 32, stop=(32007, 32001, 32000),
    ),
    Family(
        "OLMo-2-0425-1B-Instruct", "CodeAtCMU/OLMo-2-0425-1B_full_sft_code_data_120K_remove_comments@c6680f4de4e31053621101e683811f3e8ce9f879",
        "olmo2",
        _config("olmo2", 2048, 8, 16, 16, 8192, 100352, 100257, max_position_embeddings=4096, rms_norm_eps=1e-6,
                rope_theta=500000, tie_word_embeddings=False, pad_token_id=100277),
        {"<|endoftext|>": 100257, "<|pad|>": 100277}, "<|endoftext|>", "<|endoftext|>", 16,
    ),
    Family(
        "LFM2-350M", "Thorge-AI/lfm2-web-runtime-weights@main", "lfm2",
        _config("lfm2", 1024, 16, 16, 8, 6656, 65536, 7, max_position_embeddings=128000, norm_eps=1e-5, conv_bias=False,
                conv_L_cache=3, block_dim=1024, block_ff_dim=6656, block_multiple_of=256, block_ffn_dim_multiplier=1.0,
                block_auto_adjust_ff_dim=True, rope_theta=1000000.0,
                layer_types=["full_attention" if i in LFM2_ATTENTION else "conv" for i in range(16)]),
        LFM2, "<|startoftext|>", "<|im_end|>", 16,
    ),
    Family(
        "granite-3.2-2b-instruct", "unsloth/granite-3.2-2b-instruct@918d2374b981d0ec5c1a0ae560cc9c60d0001353",
        "granite-3.3",
        _config("granite", 2048, 8, 32, 8, 8192, 49155, 0, max_position_embeddings=131072, rms_norm_eps=1e-5,
                rope_theta=5000000.0, attention_bias=False, mlp_bias=False, attention_multiplier=0.015625,
                embedding_multiplier=12.0, logits_scaling=8.0, residual_multiplier=0.22, tie_word_embeddings=True),
        {"<|end_of_text|>": 0, "<|start_of_role|>": 49152, "<|end_of_role|>": 49153, "<|tool_call|>": 49154},
        "<|end_of_text|>", "<|end_of_text|>", 40,
    ),
)  # fmt: skip
"""In the order of the report. Qwen3.5's source is a 0.8B with fewer layers; Granite 3.2 is given 3.3's template, Mistral 7B Nemo's."""
