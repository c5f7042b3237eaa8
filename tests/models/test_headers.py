"""Headers of weight files: what is not exactly what the format asks for ends in a ModelError, before any library sees it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rrr_local.errors import ModelError
from rrr_local.models.headers import check_header
from rrr_local.paths import bundled


def tensor(begin: int, end: int, shape: object = None, dtype: object = "F32") -> dict[str, object]:
    return {"dtype": dtype, "shape": [(end - begin) // 4] if shape is None else shape, "data_offsets": [begin, end]}


def packed(header: object, data: int, *, length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return (len(text) if length is None else length).to_bytes(8, "little") + text + b"\0" * data


HOSTILE = {
    "empty file": b"",
    "shorter than a length": b"\0\0\0",
    "length of 2^60": packed({"a": tensor(0, 8)}, 8, length=2**60),
    "length of 2^64 - 1": packed({"a": tensor(0, 8)}, 8, length=2**64 - 1),
    "length past the end": packed({"a": tensor(0, 8)}, 8, length=400),
    "no JSON": packed(b"{'a': 1}", 0),
    "no UTF-8": packed(b'{"\xff": 1}', 0),
    "a list": packed([1, 2], 0),
    "deep JSON": packed(b"[" * 200_000 + b"]" * 200_000, 0),
    "deep JSON in a tensor": packed(b'{"a":' * 100_000 + b"1" + b"}" * 100_000, 0),
    "no tensors": packed({}, 0),
    "metadata alone": packed({"__metadata__": {"format": "mlx"}}, 0),
    "metadata that is a number": packed({"__metadata__": {"n": 1}, "a": tensor(0, 8)}, 8),
    "the same name twice": packed(b'{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"a":{}}', 8),
    "unknown type": packed({"a": tensor(0, 8, dtype="PICKLE")}, 8),
    "type that is a list": packed({"a": tensor(0, 8, dtype=["F32"])}, 8),
    "negative shape": packed({"a": tensor(0, 8, shape=[-2])}, 8),
    "shape that overflows": packed({"a": tensor(0, 8, shape=[2**32, 2**32, 2])}, 8),
    "shape of 2^63": packed({"a": tensor(0, 0, shape=[0, 2**63])}, 0),
    "shape of true": packed({"a": tensor(0, 4, shape=[True])}, 4),
    "shape of floats": packed({"a": tensor(0, 8, shape=[2.0])}, 8),
    "shape of NaN": packed(b'{"a":{"dtype":"F32","shape":[NaN],"data_offsets":[0,8]}}', 8),
    "shape of ten thousand ones": packed({"a": tensor(0, 4, shape=[1] * 10_000)}, 4),
    "longer than its shape": packed({"a": tensor(0, 8, shape=[1])}, 8),
    "begins after its end": packed({"a": {**tensor(8, 8), "data_offsets": [8, 0]}}, 8),
    "one offset": packed({"a": {**tensor(0, 8), "data_offsets": [0]}}, 8),
    "overlap": packed({"a": tensor(0, 8), "b": tensor(4, 12)}, 12),
    "gap": packed({"a": tensor(0, 8), "b": tensor(12, 16)}, 16),
    "past the end": packed({"a": tensor(0, 800)}, 8),
    "bytes behind the last": packed({"a": tensor(0, 8)}, 12),
    "a key too many": packed({"a": {**tensor(0, 8), "code": "import os"}}, 8),
    "tensor that is text": packed({"a": "F32"}, 0),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_header_is_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(HOSTILE[kind])
    with pytest.raises(ModelError, match=r"model\.safetensors is not a sound safetensors file"):
        check_header(path)


def test_a_header_of_gigabytes_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    with path.open("wb") as file:
        file.write((2**33).to_bytes(8, "little"))
        os.truncate(path, 2**34)  # sparse: it takes no disk
    with pytest.raises(ModelError, match="a header of 8589934592 bytes"):
        check_header(path)


@pytest.mark.parametrize(
    "content",
    [
        packed({"a": tensor(0, 8), "b": tensor(8, 16)}, 16),
        packed({"b": tensor(8, 16), "a": tensor(0, 8)}, 16),
        packed({"__metadata__": {"format": "mlx"}, "a": tensor(0, 8, [2, 2], "BF16"), "none": tensor(8, 8, [0])}, 8),
        packed({"scalar": tensor(0, 4, [])}, 4),
        packed({"packed": tensor(0, 2, [4], "F4")}, 2),
    ],
)
def test_a_sound_header_passes(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    check_header(path)


def test_the_embedded_models_header_passes_and_no_shorter_file_does(tmp_path: Path) -> None:
    whole = (bundled("tiny") / "model.safetensors").read_bytes()
    check_header(bundled("tiny") / "model.safetensors")
    path = tmp_path / "model.safetensors"
    for length in (7, 8, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(ModelError):
            check_header(path)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=200), length=st.integers(0, 300))
def test_no_bytes_raise_anything_but_a_model_error(tmp_path: Path, content: bytes, length: int) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(length.to_bytes(8, "little") + content)
    with pytest.raises(ModelError):
        check_header(path)
