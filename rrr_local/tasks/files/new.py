"""From a file to a task: a proposal that shows what it guessed and three checked examples, then a folder that holds it.

    tasks/<name>/
      task.toml        what was guessed, to be changed by hand
      rows.csv         a copy of the file; rows.jsonl with the rows that can be used, where bad ones were left out
      judge.py         what the check needs

A file of function calls becomes train.jsonl and eval.jsonl in the form of `rrr_local.tasks.function_calling`, without a task.toml.
The folder is written beside its place and renamed: it is there whole, or not at all.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path

from rrr_local.episode import Problem, Split
from rrr_local.errors import BusyError, NotFoundError, UsageError
from rrr_local.paths import tasks_folder
from rrr_local.tasks.base import fingerprint
from rrr_local.tasks.files.guess import Said, guess
from rrr_local.tasks.files.manifest import EVAL_SHARE, FILE, Manifest, check_name, manifest_text
from rrr_local.tasks.files.problems import Loaded, by_hash, load_problems
from rrr_local.tasks.files.rows import BadRows, read_rows
from rrr_local.tasks.files.task import FileTask, check_files
from rrr_local.tasks.files.template import check_columns
from rrr_local.tasks.find import BUNDLED
from rrr_local.tasks.function_calling import FunctionCalling
from rrr_local.tasks.question import NAME as QUESTION
from rrr_local.tasks.tool_files import ToolFile
from rrr_local.tasks.tool_files import read as read_calls

EXAMPLES = 3
SHIPPED = (*BUNDLED, QUESTION)
CSV = (".csv", ".tsv")
"""Files whose cells are text, in which no function call has its form."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a person wants of a new task; the rest is guessed."""

    name: str | None = None
    description: str = ""
    said: Said = field(default_factory=Said)
    system: str | None = None
    eval_share: float = EVAL_SHARE
    skip_bad: bool = False
    """Leave rows out that cannot be used."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """A task that could be made of a file."""

    file: Path
    columns: tuple[str, ...]
    task: FileTask | FunctionCalling
    """Over the file itself."""
    loaded: Loaded
    prompt: str
    """What the model is shown of a row: the template, or in words."""
    check: Mapping[str, object]
    """How replies are judged: the kind and its options."""
    reasons: tuple[str, ...]
    """What was guessed and why."""
    doubts: tuple[str, ...]
    """What may well have been guessed wrong."""

    @property
    def examples(self) -> tuple[Problem, ...]:
        """The problems a person is shown before they say yes."""
        return (*self.loaded.train, *self.loaded.eval)[:EXAMPLES]


def propose(file: Path, wanted: Wanted | None = None) -> Proposal:
    """What a file would be as a task. Writes nothing.

    Raises `NotFoundError`, `BadRows` for rows that cannot be used, `UsageError` where it is not clear what the columns are for.
    """
    wanted = wanted or Wanted()
    name = check_name(wanted.name or name_of(file))
    if name in SHIPPED:
        raise UsageError(f"{name} is the name of a task that ships", "choose another: --name")
    calls = read_calls(file) if wanted.said == Said() and file.suffix.lower() not in CSV else None
    if calls is not None:
        return _of_calls(file, wanted, name, calls)
    table = read_rows(file)
    found = guess(table, wanted.said)
    manifest = Manifest(
        name=name,
        check=found.check,
        description=wanted.description,
        prompt=found.prompt,
        messages=found.messages,
        system=wanted.system,
        rows=file.name,
        eval_share=wanted.eval_share,
        split=found.split,
    )
    task = FileTask.from_text(file.parent, manifest_text(manifest), str(file.resolve()))
    if manifest.prompt is not None:
        check_columns(manifest.prompt, table.columns)
    return Proposal(
        file,
        table.columns,
        task,
        load_problems(file.parent, task.manifest, task.check, skip_bad=wanted.skip_bad),
        manifest.prompt or f"the conversation in column {manifest.messages!r}",
        manifest.check,
        tuple(found.reasons),
        tuple(found.doubts),
    )


def _of_calls(file: Path, wanted: Wanted, name: str, calls: ToolFile) -> Proposal:
    """A file of function calls as a task. Raises `BadRows`."""
    if calls.errors and not wanted.skip_bad:
        raise BadRows(file, calls.errors)
    task = FunctionCalling(name, file.parent, str(file.resolve()))
    problems = {problem.sha256: problem for problem in map(task.parse_problem, calls.problems)}
    parts = by_hash(set(problems), wanted.eval_share)
    train, held_out = (
        tuple(replace(problem, split=split) for sha256, problem in problems.items() if parts[sha256] is split)
        for split in (Split.TRAIN, Split.EVAL)
    )
    return Proposal(
        file,
        ("request", "tools", "calls"),
        task,
        Loaded(train, held_out, (), tuple(calls.errors)),
        "the request, with the tools that are offered",
        {"kind": "calls"},
        (f"the file has the layout of {calls.layout}",),
        (),
    )


def from_file(file: Path) -> FileTask:
    """A bare file as a task, without anything being written. Raises `UsageError` where a person has to say what is what."""
    status = file.stat()
    return _from_file(file, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=4)
def _from_file(file: Path, modified: int, size: int) -> FileTask:
    """Kept until the file changes, since all of it is read for the guess."""
    way_out = f"make a task of it: `rrr tasks new {file.name}`"
    try:
        proposal = propose(file)
    except UsageError as error:
        raise UsageError(error.cause, f"{error.way_out}; or {way_out}") from error
    if proposal.doubts:
        raise UsageError(f"{file.name} can be read in several ways: {proposal.doubts[0]}", f"say which, and {way_out}")
    if not isinstance(proposal.task, FileTask):
        raise UsageError(f"{file.name} has to be converted first", way_out)
    return proposal.task


def name_of(file: Path) -> str:
    """A task's name out of a file's."""
    name = re.sub(r"[^a-z0-9._-]+", "-", file.stem.lower(), flags=re.ASCII).strip("-._")
    return name[:64] or "task"


def create(proposal: Proposal, *, over: bool = False) -> Path:
    """Write the task into the tasks folder; returns its folder. `over` replaces one of that name.

    A check or prompts that differ from the replaced task's get the next version. Raises `UsageError` where there is one.
    """
    name = proposal.task.name
    place = tasks_folder() / name
    known = place.exists() or place.is_symlink()
    if known and not over:
        raise UsageError(f"there is a task {name} already", "choose another --name, or replace it with --replace")
    stage = Path(tempfile.mkdtemp(prefix=".new-", dir=tasks_folder()))
    try:
        if isinstance(proposal.task, FileTask):
            _write(proposal, proposal.task, stage, place)
            FileTask.load(stage).loaded()  # what was written is what was proposed, or there is no task
        else:
            for split in (Split.TRAIN, Split.EVAL):
                _write_rows(stage / f"{split}.jsonl", (problem.info for problem in proposal.loaded.part(split)))
        for written in stage.iterdir():
            _sync(written)
        _put(stage, place)
    except BaseException:
        shutil.rmtree(stage, ignore_errors=True)
        raise
    return place


def remove(name: str) -> None:
    """Remove a task of a person's own; what the log has of it stays. Raises `NotFoundError`."""
    place = tasks_folder() / check_name(name)
    if not place.is_dir() or place.is_symlink():
        raise NotFoundError(f"there is no task of your own called {name}", "`rrr tasks` lists them")
    _put(None, place)


def _next_version(place: Path, task: FileTask) -> int:
    """The version of a task that takes the place of another, or of none."""
    try:
        before = FileTask.load(place)
    except (NotFoundError, UsageError):
        return 1
    same = fingerprint(_as_version(task, before.version)) == fingerprint(before)
    return before.version if same else before.version + 1


def _as_version(task: FileTask, version: int) -> FileTask:
    """The task as it would be if it were called that version."""
    return replace(task, manifest=replace(task.manifest, version=version))


def _write(proposal: Proposal, task: FileTask, stage: Path, place: Path) -> None:
    """Everything of a task that has a `task.toml`, into the folder `stage`; it will replace what is at `place`."""
    rows = "rows.jsonl" if proposal.loaded.bad else f"rows{proposal.file.suffix.lower()}"
    if proposal.loaded.bad:
        _write_rows(stage / rows, _usable(proposal, task))
    else:
        shutil.copyfile(proposal.file, stage / rows)
    for name in check_files(task.manifest):
        if (task.folder / name).is_file():
            shutil.copyfile(task.folder / name, stage / name)
    manifest = replace(task.manifest, rows=rows, version=_next_version(place, task))
    (stage / FILE).write_text(manifest_text(manifest), encoding="utf-8")


def _write_rows(path: Path, rows: Iterable[Mapping[str, object]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def _usable(proposal: Proposal, task: FileTask) -> Iterator[Mapping[str, object]]:
    """The rows that can be used, as they stand in the file."""
    used = {problem.sha256 for problem in (*proposal.loaded.train, *proposal.loaded.eval)}
    for row in read_rows(proposal.file).rows:
        try:
            problem = task.parse_problem(row.values)
        except UsageError:
            continue
        if problem.sha256 in used:
            yield row.values


def _put(stage: Path | None, place: Path) -> None:
    """Put a new folder, or nothing, in a task's place. What was there goes out of sight first: half of it is never found."""
    away = Path(tempfile.mkdtemp(prefix=".old-", dir=place.parent))
    old = away / place.name
    if place.exists() or place.is_symlink():
        place.rename(old)
    try:
        if stage is not None:
            stage.rename(place)
    except OSError as error:
        if old.exists() or old.is_symlink():
            old.rename(place)
        raise BusyError(f"{place} cannot be put in its place ({error.strerror})", "try again") from error
    finally:
        shutil.rmtree(away)
    _sync(place.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
