"""Getting a model from the hub: the only code that talks to the network, and only when a person asks.

    plan     what a commit holds, what of it is missing here, what that takes; nothing is kept
    fetch    huggingface_hub downloads the missing files into its cache; every file is compared with the hash that the hub
             gives for it, a bad one is fetched once more; the record, without which there is no model, comes last

Files come from one commit, by its hash: a full cache then needs no network. No code is among them (`*.py`), nor weights that could run
some (`*.bin`, `*.pt`). huggingface_hub itself does not compare hashes over plain HTTP. Xet, its own protocol, is off: plain HTTP can be
cancelled at once, and what came is compared all the same.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

from rrr_local.errors import ModelError, ResourceError, UsageError
from rrr_local.models import hub_cache, records
from rrr_local.models.digests import git_sha1, sha256
from rrr_local.models.hub_cache import COMMIT, PART, REPO
from rrr_local.models.hub_errors import Cancelled, readable_errors
from rrr_local.models.memory import Memory, in_memory, of, shape_of
from rrr_local.models.records import FileRecord, Record
from rrr_local.models.remove import of_commit, remove_files
from rrr_local.models.vet import vet_folder

ENVIRONMENT = {"HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_UPDATE_CHECK": "1", "HF_HUB_DISABLE_XET": "1"}
"""Read when huggingface_hub is imported."""
WANTED = re.compile(
    r"model[A-Za-z0-9._-]*\.safetensors|[A-Za-z0-9._-]+\.(json|jinja|txt|tiktoken)|tokenizer\.model|README\.md|LICENSE[A-Za-z0-9._-]*"
)
"""Files in the repository's own folder, none of them code."""
SPARE = 10**9
"""Bytes that stay free on the disk."""
CHUNK = 2**18
"""Bytes between two looks at whether somebody has cancelled; the library's own 10 MB are a minute on a slow line."""
SMALL = 20 * 2**20
"""Bytes of a config.json that is looked at before the rest is fetched."""

Progress = Callable[[int, int], None]
"""What to call with the bytes that have come, out of all that will."""


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file of the commit."""

    name: str
    size: int
    """Bytes."""
    sha256: str | None
    """Of a large file."""
    git_sha1: str
    """Of a small one; for a large one it is of no use."""
    here: bool
    """Whether it is in the cache already."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a fetch would do."""

    repo_id: str
    revision: str
    """The commit."""
    host: str
    files: tuple[RemoteFile, ...]
    license: str | None
    gated: bool
    """Whether the author asks each person to accept conditions first."""
    free: int
    """Bytes free on the cache's disk."""
    memory: Memory | None
    """None where config.json does not tell."""

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)

    @property
    def download(self) -> int:
        """Bytes that are not here yet."""
        return sum(file.size for file in self.files if not file.here)


def plan(repo_id: str, revision: str | None = None) -> Plan:
    """Ask the hub what there is. Raises `UsageError`, `NotFoundError` and `ModelError`, by cause."""
    if not REPO.fullmatch(repo_id):
        raise UsageError(f"{repo_id[:100]!r} is not the name of a model", "it looks like organisation/name")
    hub = library()
    with readable_errors(repo_id, revision, lambda: (0, 0)):
        info = hub.HfApi().model_info(repo_id, revision=revision, files_metadata=True)
        files = _files(repo_id, info)
        memory = _memory(hub, repo_id, str(info.sha), files)
    license_ = info.card_data.license if info.card_data else None
    return Plan(
        repo_id=repo_id,
        revision=str(info.sha),
        host=re.sub(r"^https?://", "", hub.constants.ENDPOINT),
        files=files,
        license=str(license_)[:60] if license_ else None,
        gated=bool(info.gated),
        free=shutil.disk_usage(_standing(hub_cache.cache())).free,
        memory=memory,
    )


def fetch(plan: Plan, progress: Progress, cancelled: Callable[[], bool]) -> Record:
    """Get what is missing, compare everything, keep the record.

    Raises `Cancelled`, `ResourceError` where the disk is too small, and what `plan` raises; `ModelError` also where a file comes
    damaged twice, or the model must not be loaded.
    """
    if plan.download > max(plan.free - SPARE, 0):
        need, free = plan.download / 10**9, plan.free / 10**9
        raise ResourceError(
            f"{plan.repo_id} needs {need:.1f} GB of disk, {free:.1f} GB are free",
            "free some space; 1 GB has to stay free",
        )
    folder = _download(plan, progress, cancelled)
    damaged = _damaged(plan, folder)
    if damaged:
        _discard(folder, damaged)
        folder = _download(plan, progress, cancelled)
        damaged = _damaged(plan, folder)
    if damaged:
        _discard(folder, damaged)
        raise ModelError(
            f"{damaged[0]} of {plan.repo_id} came damaged twice, and was removed",
            "something between the hub and this machine changes files: try another network",
        )
    try:
        vet_folder(plan.repo_id, folder.resolve())
    except ModelError:
        if not any(file.here for file in plan.files):  # the whole commit came just now, and nobody can want it
            remove_files(of_commit(plan.repo_id, folder))
        raise
    record = _record(plan, folder)
    records.write(record)
    return record


def library() -> Any:
    """huggingface_hub, imported with what it reads at its import in place, and quiet."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    import huggingface_hub.utils

    hub: Any = huggingface_hub
    hub.utils.logging.set_verbosity_error()
    hub.constants.DOWNLOAD_CHUNK_SIZE = CHUNK
    return hub


def _files(repo_id: str, info: Any) -> tuple[RemoteFile, ...]:
    """The files of the commit that are wanted. Raises `ModelError` when they are no model, `ValueError` for an answer that is none."""
    if not COMMIT.fullmatch(str(info.sha)):
        raise ValueError("the answer names no commit")
    names = {str(sibling.rfilename) for sibling in info.siblings or ()}
    made = tuple(
        RemoteFile(
            name=sibling.rfilename,
            size=int(sibling.size),
            sha256=str(sibling.lfs.sha256) if sibling.lfs else None,
            git_sha1=str(sibling.blob_id),
            here=(hub_cache.folder_of(repo_id, info.sha) / sibling.rfilename).exists(),
        )
        for sibling in info.siblings or ()
        if WANTED.fullmatch(sibling.rfilename) and re.fullmatch(PART, sibling.rfilename)
    )
    if not any(file.name.endswith(".safetensors") for file in made):
        others = sorted({Path(name).suffix for name in names if Path(name).suffix in (".gguf", ".bin", ".pt", ".pth")})
        what = f" (only {', '.join(others)})" if others else ""
        raise ModelError(
            f"{repo_id} has no model*.safetensors{what}", "choose another model; only safetensors are loaded"
        )
    if "config.json" not in names:
        raise ModelError(f"{repo_id} has no config.json", "choose another model")
    return made


def _memory(hub: Any, repo_id: str, revision: str, files: Sequence[RemoteFile]) -> Memory | None:
    """What it would take, from its config.json, which is fetched for that alone. Getting it also shows whether we may."""
    config = next(file for file in files if file.name == "config.json")
    if config.size > SMALL:
        return None
    with tempfile.TemporaryDirectory(prefix="rrr-") as folder:
        path = Path(hub.hf_hub_download(repo_id, "config.json", revision=revision, cache_dir=folder))
        try:
            return of(shape_of(path), in_memory(path, sum(file.size for file in files)))
        except ModelError:
            return None


def _download(plan: Plan, progress: Progress, cancelled: Callable[[], bool]) -> Path:
    """All files of the plan in the cache; the folder of the commit."""
    hub, reached = library(), 0

    def told(done: int, total: int) -> None:
        nonlocal reached
        reached = done
        progress(done, total)

    with readable_errors(plan.repo_id, plan.revision, lambda: (reached, plan.download)):
        folder = hub.snapshot_download(
            plan.repo_id,
            revision=plan.revision,
            allow_patterns=[file.name for file in plan.files],
            tqdm_class=_bar(hub.utils.tqdm, plan.download, told, cancelled),
        )
    if cancelled():
        raise Cancelled
    return Path(folder)


def _bar(base: Any, total: int, progress: Progress, cancelled: Callable[[], bool]) -> Any:
    """A class of progress bars that draws nothing, reports bytes, and ends the download when a person cancels.

    The library makes one for the bytes that came, one for the bytes written, one for the files; the second is what is reported. They are
    updated from several threads, and an exception from an update is what ends the threads.
    """
    lock = Lock()

    class Bar(base):  # type: ignore[misc]  # the base is the library's, handed in: it is imported late
        def __init__(self, *args: Any, **options: Any) -> None:
            self.written = 0 if str(options.get("desc", "")).startswith("Reconstructing") else None
            super().__init__(*args, **{**options, "disable": True})

        def update(self, n: float | None = 1) -> None:
            if cancelled():
                raise Cancelled
            if self.written is not None:
                with lock:
                    self.written += int(n or 0)
                    progress(min(self.written, total), total)

    return Bar


def _damaged(plan: Plan, folder: Path) -> list[str]:
    """The files that are not what the hub says they are."""
    return [file.name for file in plan.files if not _sound(file, folder / file.name)]


def _sound(file: RemoteFile, path: Path) -> bool:
    try:
        if path.stat().st_size != file.size:
            return False
        return sha256(path) == file.sha256 if file.sha256 else git_sha1(path) == file.git_sha1
    except FileNotFoundError:
        return False


def _discard(folder: Path, names: Sequence[str]) -> None:
    """Remove files from the cache, with the blobs that they link to: else the same bytes would be taken from there again."""
    home = hub_cache.cache().resolve()
    for name in names:
        link = folder / name
        blob = link.resolve()
        link.unlink(missing_ok=True)
        if blob.is_relative_to(home):
            blob.unlink(missing_ok=True)


def _record(plan: Plan, folder: Path) -> Record:
    time = records.now()
    hashes: Mapping[str, FileRecord] = {
        file.name: FileRecord(file.size, file.sha256 or sha256(folder / file.name)) for file in plan.files
    }
    return Record(plan.repo_id, hashes, time, time, plan.repo_id, plan.revision, license=plan.license, gated=plan.gated)


def _standing(path: Path) -> Path:
    """The nearest folder above that exists."""
    return path if path.exists() else _standing(path.parent)
