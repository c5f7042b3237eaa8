"""What a model's folder says of itself, without loading anything: pure reading of small files, every one of them a stranger's."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rrr_local.errors import ModelError
from rrr_local.models.template import templates

LARGEST = 20 * 2**20
"""Bytes of a file that is read whole."""
TOKENIZERS = ("tokenizer.json", "tokenizer.model", "vocab.json", "*.tiktoken")
CODE_FORMATS = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
"""Formats of weights that are unpickled, and so may run code."""


@dataclass(frozen=True, slots=True)
class About:
    """What is shown of a model."""

    kind: str | None
    """Its architecture's name, such as `qwen2`."""
    quantisation: str
    """Such as `4-bit`, or the type of the numbers where it is not quantised; `unknown` where nothing says."""
    context: int | None
    """Tokens it takes in."""
    license: str | None
    """As its card says; None where it says nothing."""


def about(folder: Path) -> About:
    """What the folder says; what it does not say, or says in a way that makes no sense, is left open."""
    config = read_json(folder / "config.json")
    inside = config.get("text_config")
    inner = {**config, **inside} if isinstance(inside, dict) else config
    context, kind = inner.get("max_position_embeddings"), config.get("model_type")
    return About(
        kind=kind if isinstance(kind, str) else None,
        quantisation=_quantisation(inner),
        context=context if type(context) is int and context > 0 else None,
        license=_license(folder / "README.md"),
    )


def fault(folder: Path) -> str | None:
    """Why the model in a folder cannot be used, in a few words; None when nothing is wrong with what can be seen from outside."""
    names = {path.name for path in folder.iterdir() if path.is_file()}
    weights = {name for name in names if name.endswith(".safetensors")}
    if not weights:
        return _other_weights(names)
    if "config.json" not in names:
        return "it has no config.json"
    config = read_json(folder / "config.json")
    if not config:
        return "its config.json cannot be read"
    if "model_file" in config:
        return "it asks for code of its own, which is never run"
    if missing := _missing(folder, weights):
        return missing
    if not any(any(folder.glob(pattern)) for pattern in TOKENIZERS):
        return "it has no tokenizer"
    return _template_fault(folder)


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file; an empty one for whatever else is there."""
    try:
        if path.stat().st_size > LARGEST:
            return {}
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _quantisation(config: dict[str, Any]) -> str:
    for key in ("quantization", "quantization_config"):
        found = config.get(key)
        if isinstance(found, dict):
            bits, method = found.get("bits"), found.get("mode") or found.get("quant_method")
            if type(bits) is int:
                return f"{bits}-bit"
            return str(method)[:20] if isinstance(method, str) else "quantised"
    number = config.get("dtype") or config.get("torch_dtype")
    return number[:20] if isinstance(number, str) else "unknown"


def _license(card: Path) -> str | None:
    """The licence in the front matter of a model card: `license: apache-2.0`, and `license_name:` where that is `other`."""
    try:
        with card.open(encoding="utf-8", errors="replace") as file:
            lines = file.read(20_000).splitlines()
    except OSError:
        return None
    if not lines or lines[0].strip() != "---":
        return None
    found: dict[str, str] = {}
    for line in lines[1:]:
        if line.strip() == "---":
            break
        key, colon, value = line.partition(":")
        if colon and key in ("license", "license_name"):
            found[key] = value.strip().strip("\"'")[:60]
    name = found.get("license")
    return found.get("license_name") or name if name == "other" else name or None


def _other_weights(names: set[str]) -> str:
    if any(name.endswith(".gguf") for name in names):
        return "its weights are GGUF; only safetensors are loaded"
    if any(name.endswith(CODE_FORMATS) for name in names):
        return "its weights are in a format that may run code; only safetensors are loaded"
    return "it has no *.safetensors"


def _missing(folder: Path, weights: set[str]) -> str | None:
    """What the index of a model in several files says of them."""
    if not any(name.startswith("model") for name in weights):
        return "its weights are not named model*.safetensors"
    if not (folder / "model.safetensors.index.json").exists():
        return None
    parts = read_json(folder / "model.safetensors.index.json").get("weight_map")
    if not isinstance(parts, dict) or not all(isinstance(part, str) for part in parts.values()):
        return "the index of its weights cannot be read"
    wanted = set(parts.values())
    gone = len(wanted - weights)
    return f"{gone} of its {len(wanted)} weight files are missing" if gone else None


def _template_fault(folder: Path) -> str | None:
    try:
        has_template = bool(templates(folder))
    except ModelError as error:
        return error.cause
    built_in = "chat_template_type" in read_json(folder / "tokenizer_config.json")  # one that ships with mlx-lm
    return None if has_template or built_in else "it has no chat template: a base model, which cannot chat"
