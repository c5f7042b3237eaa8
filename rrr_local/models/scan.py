"""Every model on this machine, as rows for a list: pure reading of folders, for the app's process too.

    embedded                                                          the toy that ships
    models/<name>/model.json                                          fetched and imported here
    ~/.cache/huggingface/hub                                          put there by any program
    ~/.lmstudio/models, ~/.cache/lm-studio/models                     LM Studio's: <publisher>/<model>/
    folders that a person names                                       the folder itself, or models up to two levels below it

A model that cannot be used is listed with the reason. Parts of one (a download under way, a tokenizer alone) are no model.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from rrr_local.errors import ModelError, RrrError
from rrr_local.models import hub_cache, records
from rrr_local.models.about import CODE_FORMATS, About, about, fault
from rrr_local.models.find import EMBEDDED, Model, find_model
from rrr_local.models.memory import Memory, estimate

LM_STUDIO = ("~/.lmstudio/models", "~/.cache/lm-studio/models")
WEIGHTS = (".safetensors", ".gguf", *CODE_FORMATS)
MOST_FOLDERS = 5000
"""A person may name their home folder; the search ends somewhere."""
DEPTH = 2


class Place(StrEnum):
    """Where a model was found."""

    EMBEDDED = "embedded"
    """It ships with rrr."""
    FETCHED = "fetched"
    """`rrr models fetch` got it and recorded its files."""
    IMPORTED = "imported"
    """`rrr models import` recorded its files."""
    HUB_CACHE = "hugging face cache"
    LM_STUDIO = "lm studio"
    FOLDER = "folder"


@dataclass(frozen=True, slots=True)
class Row:
    """One model."""

    name: str
    """What `--model` takes."""
    place: Place
    folder: str
    size: int
    """Bytes of the files that make up the model; 0 when they are gone."""
    fault: str | None
    """Why it cannot be used; None when it can."""
    about: About | None
    """None when its files are gone."""
    memory: Memory | None
    """None where it cannot be told."""
    repo_id: str | None = None
    revision: str | None = None
    verified_at: str | None = None
    """When its files were last compared with what was recorded; None for what is not recorded."""


def installed() -> list[Row]:
    """The embedded model, and what was fetched or imported here."""
    return [row(EMBEDDED, Place.EMBEDDED, find_model(EMBEDDED).folder), *map(_recorded, records.names())]


def found(folders: Sequence[Path] = ()) -> list[Row]:
    """What else is on this machine, and in the folders that are named."""
    known = {entry.folder for entry in installed()}
    seen: dict[str, Row] = {}
    for entry in (*_in_cache(), *_below([Path(path).expanduser() for path in LM_STUDIO], Place.LM_STUDIO)):
        seen.setdefault(entry.folder, entry)
    for entry in _below(folders, Place.FOLDER):
        seen.setdefault(entry.folder, entry)
    return [entry for folder, entry in seen.items() if folder not in known]


def row(name: str, place: Place, folder: Path) -> Row:
    """The row of a folder that is there."""
    folder = folder.resolve()
    known = hub_cache.identify(folder)
    model = Model(name, folder)
    try:
        memory = estimate(model)
    except ModelError:
        memory = None
    return Row(
        name=name,
        place=place,
        folder=str(folder),
        size=model.size,
        fault=fault(folder),
        about=about(folder),
        memory=memory,
        repo_id=known.repo_id if known else None,
        revision=known.revision if known else None,
    )


def _recorded(name: str) -> Row:
    try:
        record = records.read(name)
        assert record is not None, "a name with a record"
        model = find_model(name)
    except RrrError as error:
        return Row(name, Place.FETCHED if "/" in name else Place.IMPORTED, "", 0, error.cause, None, None)
    made = row(name, Place.FETCHED if record.repo_id else Place.IMPORTED, model.folder)
    said = made.about
    if said is not None and said.license is None:  # the hub may know what the card in the folder does not say
        said = replace(said, license=record.license)
    return replace(made, about=said, repo_id=record.repo_id, revision=record.revision, verified_at=record.verified_at)


def _in_cache() -> Iterator[Row]:
    """Commits with weights. The one that `main` stands for goes by the repository's name alone."""
    for snapshot in hub_cache.snapshots():
        if any(file.suffix in WEIGHTS for file in _files(snapshot.folder)):
            newest = hub_cache.snapshot(snapshot.repo_id)
            alone = newest is not None and newest.revision == snapshot.revision and not _is_name(snapshot.repo_id)
            name = snapshot.repo_id if alone else f"{snapshot.repo_id}@{snapshot.revision}"
            yield row(name, Place.HUB_CACHE, snapshot.folder)


def _is_name(repo_id: str) -> bool:
    """Whether the repository's name alone already means the commit that was fetched here."""
    return repo_id in records.names()


def _below(folders: Sequence[Path], place: Place) -> Iterator[Row]:
    left = MOST_FOLDERS
    level = [folder for folder in folders if folder.is_dir()]
    for _ in range(DEPTH + 1):
        deeper: list[Path] = []
        for folder in level[:left]:
            if any(file.suffix in WEIGHTS for file in _files(folder)):
                yield row(str(folder.resolve()), place, folder)
            else:
                deeper += _folders(folder)
        left -= len(level)
        if left <= 0:
            return
        level = deeper


def _files(folder: Path) -> list[Path]:
    try:
        return [path for path in folder.iterdir() if path.is_file()]
    except OSError:
        return []


def _folders(folder: Path) -> list[Path]:
    """The folders inside, links left out: they may lead in a circle."""
    try:
        return sorted(path for path in folder.iterdir() if path.is_dir() and not path.is_symlink())
    except OSError:
        return []
