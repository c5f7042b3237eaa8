"""Checkpoints: folders that are either whole or not there.

    runs/<run>/step-0000120/
        adapters.safetensors, adapter_config.json    what mlx-lm loads with --adapter-path
        optimizer.safetensors
        state.json                                   what the trainer needs besides tensors
        manifest.json                                step, and size and SHA-256 of each file above

A checkpoint is written as `.tmp-<pid>-<step>`, every file is forced to disk, and one rename makes it visible; so a process killed
at any moment leaves either the old set or the old set and one more. The manifest is there for what a rename cannot promise: a
flipped bit or the zeroed tail that a power cut leaves load without complaint in safetensors. Only a checkpoint whose manifest
verifies is ever used. One writer per run is assumed: hold `lock.RunLock` around everything here but `newest`.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from rrr_local.errors import ResourceError

FILLED_IN = ("adapters.safetensors", "adapter_config.json", "optimizer.safetensors")
"""What the caller of `save` writes; it may write more."""
STATE, MANIFEST = "state.json", "manifest.json"
RESERVE = 100 * 2**20
"""Bytes that stay free on the disk after a save: the log grows too."""
NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_NAME = re.compile(r"step-(\d{7,})")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint whose every byte was verified."""

    step: int
    path: Path
    state: Mapping[str, object]
    """What was given to `save`."""


@dataclass(frozen=True, slots=True)
class Damaged:
    """A checkpoint that must not be loaded."""

    step: int
    path: Path
    reason: str
    """The file that is damaged."""


@dataclass(frozen=True, slots=True)
class Newest:
    """The newest checkpoint that can be trusted, and what had to be passed over to find it."""

    checkpoint: Checkpoint | None
    damaged: tuple[Damaged, ...] = ()
    """Newest first, all newer than `checkpoint`."""

    @property
    def notice(self) -> str | None:
        """One line for a person; None when nothing is damaged."""
        if not self.damaged:
            return None
        steps = ", ".join(f"step {bad.step} is damaged ({bad.reason})" for bad in self.damaged)
        return f"{steps}, continued from {f'step {self.checkpoint.step}' if self.checkpoint else 'the beginning'}"


def save(run_folder: Path, step: int, write: Callable[[Path], None], state: Mapping[str, object]) -> Path:
    """Write the checkpoint of `step`; once this returns it survives a crash and a power cut.

    `write` is handed an empty folder and puts the `FILLED_IN` files there. `state` holds JSON values only. A step that is already
    saved is left as it is: a resumed run computes the same one again. Raises `ResourceError` when the disk is full; whatever
    goes wrong, earlier checkpoints are untouched and nothing of this one stays.
    """
    target = run_folder / _name(step)
    if target.exists():
        if isinstance(_verified(step, target), Checkpoint):
            return target
        _delete(target)
    folder = run_folder / f".tmp-{os.getpid()}-{step}"
    try:
        run_folder.mkdir(parents=True, exist_ok=True)
        _check_free_space(run_folder)
        folder.mkdir()
        write(folder)
        (folder / STATE).write_text(json.dumps(dict(state), indent=1, allow_nan=False), encoding="utf-8")
        _seal(folder, step)
        folder.rename(target)
        _force_to_disk(run_folder)
    except OSError as error:
        raise _as_resource_error(error, step) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return target


def newest(run_folder: Path) -> Newest:
    """The newest checkpoint that verifies. Reads only, so it may run beside a trainer."""
    damaged: list[Damaged] = []
    for step, path in _steps(run_folder):
        match _verified(step, path):
            case Checkpoint() as checkpoint:
                return Newest(checkpoint, tuple(damaged))
            case Damaged() as bad:
                damaged.append(bad)
    return Newest(None, tuple(damaged))


def recover(run_folder: Path) -> Newest:
    """What a starting trainer does: remove what dead writers left, set damaged checkpoints aside, and say where to continue.

    Damaged ones are renamed to `damaged-step-0000120`, so that they neither count as kept nor stand in the way of a new one.
    """
    for leftover in run_folder.glob(".tmp-*"):
        shutil.rmtree(leftover)
    found = newest(run_folder)
    for bad in found.damaged:
        aside = run_folder / f"damaged-{bad.path.name}"
        if aside.exists():
            _delete(aside)
        bad.path.rename(aside)
    return found


def prune(run_folder: Path, keep_last: int = 3, keep_every: int = 100) -> list[int]:
    """Delete all but the last `keep_last` checkpoints and those of every `keep_every`-th step; returns the deleted steps."""
    if keep_last < 1 or keep_every < 1:
        raise ValueError(f"keep_last={keep_last} and keep_every={keep_every} must both be at least 1")
    old = [(step, path) for step, path in _steps(run_folder)[keep_last:] if step % keep_every]
    for _, path in old:
        _delete(path)
    return [step for step, _ in old]


def remove_all(run_folder: Path) -> None:
    """Delete every checkpoint, damaged ones too."""
    for path in [*(path for _, path in _steps(run_folder)), *run_folder.glob("damaged-step-*")]:
        _delete(path)


def _name(step: int) -> str:
    return f"step-{step:07d}"


def _steps(run_folder: Path) -> list[tuple[int, Path]]:
    """All visible checkpoints, whole or not, newest first."""
    found = ((_NAME.fullmatch(path.name), path) for path in run_folder.glob("step-*"))
    return sorted(((int(match[1]), path) for match, path in found if match), reverse=True)


def _seal(folder: Path, step: int) -> None:
    """Force every file to disk, then list them in the manifest, then force that and the folder."""
    absent = sorted({*FILLED_IN} - {path.name for path in folder.iterdir()})
    if absent:
        raise ValueError(f"the checkpoint of step {step} was written without {', '.join(absent)}")
    files = {path.name: _fingerprint(path) for path in sorted(folder.iterdir())}
    for name in files:
        _force_to_disk(folder / name)
    manifest = folder / MANIFEST
    manifest.write_text(json.dumps({"step": step, "files": files}, indent=1), encoding="utf-8")
    _force_to_disk(manifest)
    _force_to_disk(folder)


def _force_to_disk(path: Path) -> None:
    """Return only when the file or folder has reached the disk itself.

    On macOS `fsync` stops at the drive's own cache and F_FULLFSYNC goes on; file systems without it get the `fsync`.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        if sys.platform == "darwin":
            with suppress(OSError):
                fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
                return
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _fingerprint(path: Path) -> dict[str, object]:
    with path.open("rb") as file:
        return {"bytes": path.stat().st_size, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}


def _verified(step: int, path: Path) -> Checkpoint | Damaged:
    """Check every byte of a checkpoint against its manifest."""
    try:
        bad = next(_unlike_manifest(step, path), None)
        if bad is None:
            return Checkpoint(step, path, json.loads((path / STATE).read_bytes()))
    except OSError as error:
        bad = f"{Path(error.filename or path).name}: {error.strerror}"
    return Damaged(step, path, bad)


def _unlike_manifest(step: int, path: Path) -> Iterator[str]:
    """The names of the files that are not what the manifest says."""
    try:
        manifest = json.loads((path / MANIFEST).read_bytes())
        files = dict(manifest["files"])
        whole = manifest["step"] == step and files.keys() >= {*FILLED_IN, STATE}
    except FileNotFoundError:
        yield f"{MANIFEST} is missing"
        return
    except (ValueError, KeyError, TypeError):
        whole = False
    if not whole:
        yield MANIFEST
        return
    for name, expected in files.items():
        try:
            if _fingerprint(path / name) != expected:
                yield name
        except FileNotFoundError:
            yield f"{name} is missing"


def _delete(path: Path) -> None:
    """Out of sight first, so that a process killed half way leaves no checkpoint with files missing."""
    doomed = path.with_name(f".tmp-del-{path.name}")
    if doomed.exists():
        shutil.rmtree(doomed)
    path.rename(doomed)
    shutil.rmtree(doomed)


def _check_free_space(run_folder: Path) -> None:
    """Room for twice the last checkpoint and the reserve; the first one's size is not known yet."""
    last = next((path for _, path in _steps(run_folder)), None)
    size = sum(file.stat().st_size for file in last.iterdir()) if last else 0
    needed, free = 2 * size + RESERVE, shutil.disk_usage(run_folder).free
    if free < needed:
        cause = f"a checkpoint needs {needed // 2**20} MB of free disk space and {free // 2**20} MB are left"
        raise ResourceError(cause, "free some disk space, then resume the run")


def _as_resource_error(error: OSError, step: int) -> ResourceError:
    reason = "the disk is full" if error.errno in NO_SPACE else error.strerror or str(error)
    cause = f"the checkpoint of step {step} could not be written ({reason})"
    return ResourceError(cause, "earlier checkpoints are untouched; make room or check the folder, then resume the run")
