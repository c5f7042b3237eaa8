"""The models page's list: what was installed, what other programs have on this machine, what could be got; each with its adapters.

Installed and found are `rrr_local.models.scan`, as in `rrr models list|scan`; to these come folders that the log knows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from rrr_local.models import scan
from rrr_local.models.find import EMBEDDED, find_model
from rrr_local.models.memory import Memory
from rrr_local.models.scan import Place, Row
from rrr_local.models.suggestions import SUGGESTIONS, Suggestion
from rrr_local.store import models as stored
from rrr_local.store.models import StoredAdapter, StoredModel
from rrr_local.store.store import Store

RECORDED = (Place.FETCHED, Place.IMPORTED)
"""What can be verified and removed."""


class Section(StrEnum):
    """A part of the list; the value is its heading."""

    INSTALLED = "Installed"
    FOUND = "Found on this machine"
    TO_GET = "To get"


@dataclass(frozen=True, slots=True)
class Shelved:
    """A model on this machine, one that is gone, or one to get."""

    section: Section
    row: Row
    """Of a suggestion only its name says something."""
    adapters: tuple[StoredAdapter, ...] = ()
    suggestion: Suggestion | None = None

    @property
    def name(self) -> str:
        """What the engine loads it by; a repository where it is one to get."""
        return self.row.name

    @property
    def title(self) -> str:
        """Its name, or the last part of its folder."""
        return Path(self.name).name if self.row.place in (Place.FOLDER, Place.LM_STUDIO) else self.name

    @property
    def embedded(self) -> bool:
        return self.name == EMBEDDED

    @property
    def usable(self) -> bool:
        """Whether it can be loaded."""
        return self.suggestion is None and self.row.fault is None

    @property
    def recorded(self) -> bool:
        """Whether its files were recorded here."""
        return self.suggestion is None and self.section is Section.INSTALLED and self.row.place in RECORDED

    @property
    def size(self) -> int:
        """Bytes of its files; of one to get, reckoned."""
        return self.row.size if self.suggestion is None else self.suggestion.size

    @property
    def memory(self) -> Memory | None:
        """None where it cannot be told."""
        return self.row.memory if self.suggestion is None else self.suggestion.memory


def shelf(store: Store) -> list[Shelved]:
    """Everything there is and could be, by section. Reads folders: not for the thread that draws."""
    connection = store.reader()
    known, adapters = stored.models(connection), stored.newest_adapters(connection)
    installed, found = scan.installed(), scan.found()
    logged = list(_logged(known, [*installed, *found]))
    here = [(Section.INSTALLED, row) for row in installed] + [(Section.FOUND, row) for row in (*found, *logged)]
    shelved = [Shelved(section, row, _adapters(row, known, adapters)) for section, row in here]
    names = {row.repo_id for _, row in here} | {row.name for _, row in here}
    return [*shelved, *(_to_get(each) for each in SUGGESTIONS if each.repo_id not in names)]


def _logged(known: Sequence[StoredModel], rows: Sequence[Row]) -> Iterator[Row]:
    """Folders that something was done with and that are in no list; some are not there any more."""
    seen = {row.folder for row in rows}
    for path in dict.fromkeys(model.local_path for model in known if model.local_path is not None):
        folder = Path(path)
        if path in seen or str(folder.resolve()) in seen or (folder.is_dir() and find_model(path).embedded):
            continue
        if folder.is_dir():
            yield scan.row(path, Place.FOLDER, folder)
        else:
            yield Row(path, Place.FOLDER, path, 0, "it is not there any more", None, None)


def _adapters(row: Row, known: Sequence[StoredModel], adapters: Sequence[StoredAdapter]) -> tuple[StoredAdapter, ...]:
    hashes = {find_model(EMBEDDED).sha256} if row.name == EMBEDDED else set()  # others: too large to hash for a list
    places = {row.name, row.folder}
    ids = {model.id for model in known if model.local_path in places or model.files_sha256 in hashes}
    return tuple(adapter for adapter in adapters if adapter.model_id in ids)


def _to_get(suggestion: Suggestion) -> Shelved:
    row = Row(suggestion.repo_id, Place.FETCHED, "", 0, None, None, None, suggestion.repo_id)
    return Shelved(Section.TO_GET, row, (), suggestion)
