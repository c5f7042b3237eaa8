"""Models worth beginning with, by machine. Nothing here is fetched or asked for; the shapes are from the models' own `config.json`.

The size on disk is reckoned from the shape: all matrices at their bits (a 4-bit group of 64 numbers carries a 16-bit scale and offset,
so 4.5 bits a number), embeddings counted once where they are tied.
"""

from __future__ import annotations

from dataclasses import dataclass

from rrr_local.models.memory import Memory, Shape, of

QUANTISED, HALF = 4.5, 16.0
"""Bits of a number: mlx-community's 4-bit models, and those as published."""


@dataclass(frozen=True, slots=True)
class Machine:
    """A kind of machine."""

    name: str
    memory: int
    """Bytes that a model can have of it."""


@dataclass(frozen=True, slots=True)
class Suggestion:
    """One model."""

    repo_id: str
    parameters: float
    """Billions."""
    license: str
    why: str
    machines: tuple[Machine, ...]
    """Where it suits, the smallest first."""
    shape: Shape
    bits: float
    tied: bool
    """Whether the output layer is the embedding."""

    @property
    def size(self) -> int:
        """Reckoned bytes of the weights."""
        s = self.shape
        attention = s.hidden * s.head_size * (2 * s.heads + 2 * s.kv_heads)
        numbers = s.layers * (attention + 3 * s.hidden * s.inner) + s.vocabulary * s.hidden * (1 if self.tied else 2)
        return round(numbers * self.bits / 8)

    @property
    def memory(self) -> Memory:
        """Estimated, as for a model that is here."""
        return of(self.shape, self.size)


GB = 2**30
MAC_8, MAC_16, MAC_32 = (Machine(f"Mac with {n} GB", n * GB) for n in (8, 16, 32))
CUDA_24 = Machine("CUDA card with 24 GB", 24 * GB)
MACHINES = (MAC_8, MAC_16, MAC_32, CUDA_24)


def _shape(
    hidden: int, layers: int, heads: int, kv_heads: int, inner: int, vocabulary: int, head_size: int = 0
) -> Shape:
    return Shape(hidden, layers, heads, kv_heads, head_size or hidden // heads, inner, vocabulary, 32_768)


QWEN_05B = _shape(896, 24, 14, 2, 4864, 151_936)
QWEN_15B = _shape(1536, 28, 12, 2, 8960, 151_936)
QWEN_7B = _shape(3584, 28, 28, 4, 18_944, 152_064)
QWEN3_17B = _shape(2048, 28, 16, 8, 6144, 151_936, 128)
LLAMA_3B = _shape(3072, 28, 24, 8, 8192, 128_256, 128)
SUGGESTIONS = (
    Suggestion(
        "mlx-community/Qwen2.5-0.5B-Instruct-4bit", 0.5, "apache-2.0",
        "trains on the smallest Mac; the paper dropped this size, as too weak to reflect", (MAC_8,), QWEN_05B, QUANTISED, True,
    ),
    Suggestion(
        "mlx-community/Qwen2.5-1.5B-Instruct-4bit", 1.5, "apache-2.0",
        "the paper's own size, with its largest gains; 8 GB are enough to chat, not to train", (MAC_8, MAC_16), QWEN_15B, QUANTISED, True,
    ),
    Suggestion(
        "mlx-community/Qwen3-1.7B-4bit", 1.7, "apache-2.0",
        "calls tools well for its size", (MAC_16,), QWEN3_17B, QUANTISED, True,
    ),
    Suggestion(
        "mlx-community/Llama-3.2-3B-Instruct-4bit", 3.2, "llama3.2",
        "another family, for comparison; in the paper it did not learn function calling", (MAC_16, MAC_32), LLAMA_3B, QUANTISED, True,
    ),
    Suggestion(
        "mlx-community/Qwen2.5-7B-Instruct-4bit", 7.6, "apache-2.0",
        "the largest worth training on a laptop", (MAC_32,), QWEN_7B, QUANTISED, False,
    ),
    Suggestion(
        "Qwen/Qwen2.5-1.5B-Instruct", 1.5, "apache-2.0",
        "as in the paper, in half precision", (CUDA_24,), QWEN_15B, HALF, True,
    ),
    Suggestion(
        "Qwen/Qwen3-1.7B", 1.7, "apache-2.0",
        "as published; calls tools well for its size", (CUDA_24,), QWEN3_17B, HALF, True,
    ),
)  # fmt: skip
