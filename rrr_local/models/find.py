"""Models on this machine, by name. Nothing is ever fetched here.

    tiny                      the embedded one
    organisation/name         fetched (`rrr models fetch`), or in the Hugging Face cache by some other program's doing
    organisation/name@COMMIT  that commit of it, in the cache
    name                      imported (`rrr models import`)
    a folder                  in Hugging Face layout

What is recorded comes before a folder, and a folder before what merely is in the cache.
"""

from __future__ import annotations

import difflib
import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from rrr_local.errors import ModelError
from rrr_local.models import hub_cache, records
from rrr_local.models.digests import known_sha256
from rrr_local.models.hub_cache import COMMIT, REPO, Snapshot
from rrr_local.paths import bundled

EMBEDDED = "tiny"


@dataclass(frozen=True)
class Model:
    """A model folder."""

    name: str
    folder: Path
    """Absolute."""
    repo_id: str | None = None
    """The repository it is from, where that is known."""
    revision: str | None = None
    """The commit, where `repo_id` is known."""

    @property
    def embedded(self) -> bool:
        """Whether this is the model that ships with the package."""
        return self.folder == bundled(EMBEDDED).resolve()

    @cached_property
    def files(self) -> list[Path]:
        """The files that make up the model, by name."""
        kinds = (".json", ".safetensors", ".jinja", ".model")
        return sorted(path for path in self.folder.iterdir() if path.suffix in kinds and path.is_file())

    @property
    def size(self) -> int:
        """Bytes of the files that make up the model."""
        return sum(path.stat().st_size for path in self.files)

    @cached_property
    def sha256(self) -> str:
        """One hash over the names and contents of the files that make up the model."""
        total = hashlib.sha256()
        for path, hash_ in zip(self.files, known_sha256(self.files), strict=True):
            total.update(f"{path.name}\0{hash_}\n".encode())
        return total.hexdigest()


def find_model(name: str) -> Model:
    """The model of this name. Raises `ModelError` when there is none, or when its files are gone."""
    if name == EMBEDDED:
        return Model(EMBEDDED, bundled(EMBEDDED).resolve())
    record = records.read(name)
    if record is not None:
        return _recorded(record)
    folder = Path(name).expanduser().resolve()
    if folder.is_dir():
        return _in_folder(name, folder)
    found = _in_cache(name)
    if found is None:
        raise _unknown(name)
    return _checked(name, Model(found.repo_id, found.folder.resolve(), found.repo_id, found.revision))


def _recorded(record: records.Record) -> Model:
    folder = record.folder.expanduser()
    if not folder.is_dir():
        again = (
            f"rrr models fetch {record.name}" if record.repo_id else f"rrr models import FOLDER --name {record.name}"
        )
        raise ModelError(f"the files of {record.name} are not there any more ({folder})", f"`{again}`")
    return _checked(record.name, Model(record.name, folder.resolve(), record.repo_id, record.revision))


def _in_folder(name: str, folder: Path) -> Model:
    known = hub_cache.identify(folder)
    if known is not None:
        return _checked(name, Model(known.repo_id, folder, known.repo_id, known.revision))
    return _checked(name, Model(folder.name, folder))


def _in_cache(name: str) -> Snapshot | None:
    repo_id, _, revision = name.partition("@")
    if not REPO.fullmatch(repo_id) or (revision and not COMMIT.fullmatch(revision)):
        return None
    return hub_cache.snapshot(repo_id, revision or None)


def _checked(name: str, model: Model) -> Model:
    """The model, if its folder could be one."""
    if not (model.folder / "config.json").is_file() or not any(model.folder.glob("*.safetensors")):
        raise ModelError(f"{name} is not a model", "it needs config.json, *.safetensors and a tokenizer")
    return model


def _unknown(name: str) -> ModelError:
    repo_id = name.partition("@")[0]
    close = difflib.get_close_matches(name, records.names(), n=1)
    if close:
        return ModelError(f"there is no model {name} on this machine", f"did you mean {close[0]}?")
    if REPO.fullmatch(repo_id):
        return ModelError(f"there is no model {name} on this machine", f"`rrr models fetch {repo_id}` gets it")
    return ModelError(
        f"there is no model folder {name}", f"`rrr models list` shows those there are; {EMBEDDED!r} is always there"
    )
