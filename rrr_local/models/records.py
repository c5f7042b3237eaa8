"""What we know of the models that were fetched or imported here: one small file each, beside nothing else.

    <data folder>/models/<name>/model.json      `organisation/name` has its folder under `organisation--name`

The weights stay where they are: a fetched model's in the Hugging Face cache, which other programs share, an imported one's in its own
folder. The record pins what they were: the commit, and each file's size and SHA-256. It is written last, whole, so that there is no
record of a model that is not all there.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rrr_local import paths
from rrr_local.errors import ModelError, NotFoundError, UsageError
from rrr_local.models import hub_cache
from rrr_local.models.hub_cache import COMMIT, PART, REPO

FILE = "model.json"
RESERVED = ("tiny",)


@dataclass(frozen=True, slots=True)
class FileRecord:
    """One file of a model."""

    size: int
    """Bytes."""
    sha256: str


@dataclass(frozen=True, slots=True)
class Record:
    """One model."""

    name: str
    """What `--model` takes: the repository, or the name given at import."""
    files: Mapping[str, FileRecord]
    """By file name; all that make up the model."""
    added_at: str
    """UTC, ISO 8601."""
    verified_at: str
    """When the files' contents were last compared with what is recorded here."""
    repo_id: str | None = None
    revision: str | None = None
    """The commit."""
    path: str | None = None
    """The folder of an imported model, absolute; None for one in the Hugging Face cache."""
    license: str | None = None
    gated: bool = False

    @property
    def folder(self) -> Path:
        """Where the files should be."""
        if self.repo_id is not None and self.revision is not None:
            return hub_cache.folder_of(self.repo_id, self.revision)
        return Path(self.path or "")


def check_name(name: str) -> None:
    """Raises `UsageError` when an imported model cannot be called this."""
    rule = "a name has letters, digits, '.', '_' and '-', at most 96 of them, and begins with a letter or digit"
    if not re.fullmatch(PART, name) or "--" in name:
        raise UsageError(f"a model cannot be called {name[:100]!r}", rule + "; two '-' in a row are taken")
    if name.casefold() in RESERVED:
        raise UsageError(f"a model cannot be called {name!r}", "that is the embedded model; choose another name")


def names() -> list[str]:
    """The names of all records, damaged ones too."""
    folders = (file.parent.name for file in paths.models_folder().glob(f"*/{FILE}"))
    found = (folder.replace("--", "/", 1) for folder in folders)
    return sorted(name for name in found if REPO.fullmatch(name) or re.fullmatch(PART, name))


def read(name: str) -> Record | None:
    """The record of this name; None where there is none. Raises `ModelError` for a damaged one."""
    if not (REPO.fullmatch(name) or re.fullmatch(PART, name)):
        return None
    try:
        return _parsed(name, json.loads(_file(name).read_text(encoding="utf-8")))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ModelError(f"the record of {name} is damaged", f"`rrr models rm {name}`, then add it again") from error


def write(record: Record) -> None:
    """Keep a record, in place of one of the same name. Raises `UsageError` for a name that differs only in its case."""
    close = [name for name in names() if name != record.name and name.casefold() == record.name.casefold()]
    if close:  # macOS would take both for one folder
        raise UsageError(f"there is a model {close[0]} already", "choose a name that differs by more than its case")
    file = _file(record.name)
    file.parent.mkdir(mode=0o700, exist_ok=True)
    partial = file.with_name(f"{FILE}.{os.getpid()}")
    with partial.open("w", encoding="utf-8") as out:
        json.dump(asdict(record), out, indent=2)
        out.flush()
        os.fsync(out.fileno())
    partial.replace(file)


def remove(name: str) -> None:
    """Forget a model; its weights are not touched. Raises `NotFoundError`."""
    if name not in names():
        raise NotFoundError(f"no model {name} was fetched or imported here", "`rrr models list` shows those there are")
    shutil.rmtree(_file(name).parent)


def now() -> str:
    """The time as a record has it."""
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _file(name: str) -> Path:
    return paths.models_folder() / name.replace("/", "--") / FILE


def _parsed(name: str, raw: Any) -> Record:
    files = {str(file): FileRecord(int(known["size"]), str(known["sha256"])) for file, known in raw["files"].items()}
    optional = {key: None if raw[key] is None else str(raw[key]) for key in ("repo_id", "revision", "path", "license")}
    record = Record(name, files, str(raw["added_at"]), str(raw["verified_at"]), **optional, gated=bool(raw["gated"]))
    in_cache = record.repo_id == name and REPO.fullmatch(name) and COMMIT.fullmatch(record.revision or "")
    if not in_cache and not (record.repo_id is None and record.path and Path(record.path).is_absolute()):
        raise ValueError("a record says where its files are")
    if not all(re.fullmatch(PART, file) for file in files):
        raise ValueError("a model's files are in one folder")
    return record
