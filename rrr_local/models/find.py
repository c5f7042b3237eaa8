"""Models on this machine: the embedded one, and plain folders in Hugging Face layout. Nothing is ever fetched here."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from rrr_local.errors import ModelError
from rrr_local.paths import bundled

EMBEDDED = "tiny"


@dataclass(frozen=True)
class Model:
    """A model folder."""

    name: str
    folder: Path
    """Absolute."""

    @property
    def embedded(self) -> bool:
        """Whether this is the model that ships with the package."""
        return self.folder == bundled(EMBEDDED).resolve()

    @cached_property
    def _files(self) -> list[Path]:
        return sorted(p for p in self.folder.iterdir() if p.suffix in (".json", ".safetensors", ".jinja", ".model"))

    @property
    def size(self) -> int:
        """Bytes of the files that make up the model."""
        return sum(path.stat().st_size for path in self._files)

    @cached_property
    def sha256(self) -> str:
        """One hash over the names and contents of the files that make up the model."""
        total = hashlib.sha256()
        for path in self._files:
            with path.open("rb") as file:
                total.update(f"{path.name}\0{hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
        return total.hexdigest()


def find_model(name: str) -> Model:
    """The embedded model (`tiny`) or the model in a folder. Raises `ModelError` when there is none."""
    if name == EMBEDDED:
        return Model(EMBEDDED, bundled(EMBEDDED).resolve())
    folder = Path(name).expanduser().resolve()
    if not folder.is_dir():
        raise ModelError(f"there is no model folder {name}", f"give a folder, or {EMBEDDED!r} for the embedded model")
    if not (folder / "config.json").is_file() or not any(folder.glob("*.safetensors")):
        raise ModelError(f"{name} is not a model", "it needs config.json, *.safetensors and a tokenizer")
    return Model(folder.name, folder)
