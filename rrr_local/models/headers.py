"""The header of a safetensors file, read strictly before any library maps the file.

    8 bytes     length n of the header, unsigned, little-endian
    n bytes     JSON: {"<tensor>": {"dtype", "shape", "data_offsets": [begin, end]}, ..., "__metadata__": {text: text}}
    the rest    the tensors, one after the other

Libraries differ in what they let through (MLX takes tensors that overlap). Here every byte after the header belongs to exactly one tensor
and every tensor is as long as its shape says.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rrr_local.errors import ModelError

LONGEST = 100 * 10**6
"""Bytes of a header; the reference library takes no more either."""
MOST_DIMENSIONS = 16
BITS = {
    "BOOL": 8, "U8": 8, "I8": 8, "F8_E4M3": 8, "F8_E5M2": 8, "F8_E8M0": 8, "I16": 16, "U16": 16, "F16": 16, "BF16": 16,
    "I32": 32, "U32": 32, "F32": 32, "I64": 64, "U64": 64, "F64": 64, "C64": 64,
    "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6,
}  # fmt: skip
"""Bits of one number, by what the format calls its type."""


def check_header(path: Path) -> None:
    """Raises `ModelError` when the file's header is not what the format asks for, or the file is not as long as it says."""
    try:
        _check(path)
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        said = str(error).partition("\n")[0][:200]
        raise ModelError(
            f"{path.name} is not a sound safetensors file ({said})", "get the model again, or choose another one"
        ) from error


def _check(path: Path) -> None:
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(8)
        length = int.from_bytes(start, "little")
        if len(start) < 8 or length > size - 8:
            raise ValueError("it ends before its header does")
        if length > LONGEST:
            raise ValueError(f"a header of {length} bytes")
        header = json.loads(file.read(length).decode("utf-8"), object_pairs_hook=_once, parse_constant=_no_constant)
    if not isinstance(header, dict):
        raise TypeError("its header is no JSON object")
    _check_metadata(header.pop("__metadata__", {}))
    if not header:
        raise ValueError("it holds no tensors")
    _check_spans(sorted(_span(name, about) for name, about in header.items()), size - 8 - length)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose keys differ."""
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("its header names something twice")
    return made


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} in its header")


def _check_metadata(metadata: object) -> None:
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise TypeError("its metadata is not text")


def _span(name: str, about: Any) -> tuple[int, int]:
    """Where a tensor's bytes are: as many as its shape and type need."""
    if not isinstance(about, dict) or about.keys() != {"dtype", "shape", "data_offsets"}:
        raise TypeError(f"tensor {name[:60]!r} is not described as the format asks")
    bits = BITS.get(about["dtype"]) if isinstance(about["dtype"], str) else None
    if bits is None:
        raise ValueError(f"tensor {name[:60]!r} has an unknown type")
    shape, offsets = _counts(name, about["shape"]), _counts(name, about["data_offsets"])
    if len(offsets) != 2 or len(shape) > MOST_DIMENSIONS:
        raise ValueError(f"tensor {name[:60]!r} has a wrong shape or place")
    begin, end = offsets
    if end < begin or math.prod(shape) * bits != (end - begin) * 8:
        raise ValueError(f"tensor {name[:60]!r} is not as long as its shape says")
    return begin, end


def _counts(name: str, numbers: object) -> Sequence[int]:
    if not isinstance(numbers, list) or not all(type(n) is int and 0 <= n < 2**63 for n in numbers):
        raise TypeError(f"tensor {name[:60]!r} has a size that is no count")
    return numbers


def _check_spans(spans: Sequence[tuple[int, int]], room: int) -> None:
    """The tensors fill the file: no gap, no overlap, nothing behind them."""
    at = 0
    for begin, end in spans:
        if begin != at:
            raise ValueError("its tensors overlap, or leave a gap")
        at = end
    if at != room:
        raise ValueError(f"it holds {room} bytes of tensors, its header speaks of {at}")
