"""Whether a model may be loaded: looked at before a library opens any of its files.

Its files are where they belong and as long as recorded, it asks for no code, every weight file has a sound header, and its chat template
comes to an end.
"""

from __future__ import annotations

from pathlib import Path

from rrr_local.errors import ModelError
from rrr_local.models import hub_cache, records
from rrr_local.models.about import fault
from rrr_local.models.find import Model
from rrr_local.models.headers import check_header
from rrr_local.models.records import Record
from rrr_local.models.template import check_templates


def vet(model: Model) -> None:
    """Raises `ModelError` when the model must not be loaded. The embedded one is ours."""
    if model.embedded:
        return
    vet_folder(model.name, model.folder)
    record = _record(model)
    if record is not None:
        check_sizes(record, model.folder)


def vet_folder(name: str, folder: Path) -> None:
    """The same for a folder that need not be known yet. Raises `ModelError`."""
    check_links(name, folder)
    found = fault(folder)
    if found is not None:
        raise ModelError(f"{name} cannot be used: {found}", "choose another model; `rrr models suggest` names some")
    for path in sorted(folder.glob("*.safetensors")):
        check_header(path)
    check_templates(folder)


def check_links(name: str, folder: Path) -> None:
    """Raises `ModelError` when a file of the Hugging Face cache links to somewhere else, or is no file."""
    home = hub_cache.cache().resolve() if hub_cache.identify(folder) else None
    for path in folder.iterdir():
        target = path.resolve()
        if home is not None and not target.is_relative_to(home):
            raise ModelError(f"{path.name} of {name} is a link out of the Hugging Face cache", "get the model again")
        if path.suffix in (".json", ".safetensors", ".jinja", ".model") and not target.is_file():
            raise ModelError(f"{path.name} of {name} is not a file", "get the model again")


def check_sizes(record: Record, folder: Path) -> None:
    """Raises `ModelError` when a recorded file is gone or has another size: contents are compared by `rrr models verify`."""
    for file, known in record.files.items():
        try:
            size = (folder / file).stat().st_size
        except OSError:
            size = -1
        if size != known.size:
            again = f"`rrr models {'fetch' if record.repo_id else 'import'}` makes it whole again"
            raise ModelError(f"{file} of {record.name} is {'gone' if size < 0 else 'not as it was'}", again)


def _record(model: Model) -> Record | None:
    """The record of the very files that are to be loaded."""
    record = records.read(model.name)
    return record if record is not None and record.folder.resolve() == model.folder else None
