"""A task that is a folder: `task.toml`, rows, and what the check needs. A change of any of them is seen at the next look."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from rrr_local.episode import Opening, Problem, Split, Verdict
from rrr_local.errors import NotFoundError, UsageError
from rrr_local.tasks.base import Prompts
from rrr_local.tasks.files.manifest import FILE, Manifest, parse_manifest, plain_name
from rrr_local.tasks.files.problems import Loaded, load_problems, make_opening, make_problem
from rrr_local.verifiers.checks import Check, make_check

Stamp = tuple[tuple[str, int, int], ...]
"""Name, time of the last change in nanoseconds and size of files: what is kept of them holds until it changes."""


@dataclass(frozen=True, slots=True)
class FileTask:
    """Rows, a prompt and a check under one name."""

    folder: Path
    text: str
    """What `task.toml` says, or would say."""
    manifest: Manifest
    check: Check
    source: str

    @classmethod
    def load(cls, folder: Path, source: str | None = None) -> FileTask:
        """The task in a folder; its rows are read when they are asked for. Raises `NotFoundError`, `UsageError`."""
        try:
            text = (folder / FILE).read_text(encoding="utf-8")
        except FileNotFoundError as error:
            raise NotFoundError(f"{folder} has no {FILE}", "make one with `rrr tasks new FILE`") from error
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"{folder / FILE} cannot be read ({error})", "it must be a file of UTF-8 text") from error
        return cls.from_text(folder, text, source or str(folder.resolve()))

    @classmethod
    def from_text(cls, folder: Path, text: str, source: str) -> FileTask:
        """The task that a `task.toml` of this text would be in a folder. Raises `UsageError`."""
        manifest = parse_manifest(text)
        return cls(folder, text, manifest, _check(folder, text, _stamp(folder, check_files(manifest))), source)

    @property
    def name(self) -> str:
        return self.manifest.name

    @property
    def version(self) -> int:
        return self.manifest.version

    @property
    def configuration(self) -> Mapping[str, object]:
        """What the check is, and how a row is put to the model."""
        shown = {key: getattr(self.manifest, key) for key in ("prompt", "messages", "system")}
        return {
            "check": dict(self.check.configuration),
            **{key: text for key, text in shown.items() if text is not None},
        }

    @property
    def prompts(self) -> Prompts:
        return self.manifest.prompts

    def problems(self, split: Split) -> tuple[Problem, ...]:
        """Raises `BadRows`, and `UsageError` where the same problem is in both parts."""
        return self.loaded().part(split)

    def loaded(self) -> Loaded:
        """All problems, and what was left out. Raises as `problems` does."""
        return _loaded(self.folder, self.text, _stamp(self.folder, (*self.manifest.files, *check_files(self.manifest))))

    def parse_problem(self, info: Mapping[str, object]) -> Problem:
        return make_problem(self.manifest, self.check, info)

    def opening(self, problem: Problem) -> Opening:
        return make_opening(self.manifest, problem.info)

    def verify(self, problem: Problem, reply: str) -> Verdict:
        return self.check.judge(reply, problem.info)


@lru_cache(maxsize=16)
def _check(folder: Path, text: str, stamp: Stamp) -> Check:
    """Kept, since a check of the person's own has a process behind it."""
    return make_check(parse_manifest(text).check, folder)


@lru_cache(maxsize=4)
def _loaded(folder: Path, text: str, stamp: Stamp) -> Loaded:
    """Kept, since screens ask again and again."""
    manifest = parse_manifest(text)
    return load_problems(folder, manifest, _check(folder, text, _stamp(folder, check_files(manifest))))


def check_files(manifest: Manifest) -> tuple[str, ...]:
    """What the check's options name that may be a file beside it: "judge.py:score" is judge.py."""
    words = (value for value in manifest.check.values() if isinstance(value, str))
    names = (word.rpartition(":")[0] or word for word in words)
    return tuple(name for name in names if plain_name(name))


def _stamp(folder: Path, names: tuple[str, ...]) -> Stamp:
    found = []
    for name in names:
        try:
            status = (folder / name).stat()
        except (OSError, ValueError):
            continue  # no file: an option in words, or rows that are missed when they are read
        found.append((name, status.st_mtime_ns, status.st_size))
    return tuple(found)
