"""A model in words, for the list and the pane beside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rrr_local.models.memory import fit
from rrr_local.models.scan import Place
from rrr_local.store.models import StoredAdapter
from rrr_local.text import sanitize
from tui.shelf import Shelved

GB, MB = 10**9, 10**6
"""Files are counted as shops and disks do; memory is sold in powers of two."""
WIDTH = 19
"""Of the names in front of facts."""


def size(number: int) -> str:
    """Bytes of files."""
    return f"{number / GB:.1f} GB" if number >= GB / 10 else f"{number / MB:.1f} MB"


def title(model: Shelved, adapter: StoredAdapter | None = None) -> str:
    """A model, or an adapter on it."""
    name = sanitize(model.title, 60)
    return name if adapter is None else f"{name} + {sanitize(adapter.run or adapter.name, 60)}"


def needs(model: Shelved, machine: int) -> tuple[str, str]:
    """Memory for chat and for training, and whether a machine with so many bytes has it."""
    if model.memory is None:
        return "cannot be told", "cannot be told"
    chat, training = (
        f"{needed / 2**30:.1f} GB and up, {fit(needed, machine)}"
        for needed in (model.memory.chat, model.memory.training)
    )
    return chat, training


def about(model: Shelved) -> str:
    """What it is, and what is wrong with it."""
    if model.embedded:
        return "Built in. A toy that knows one kind of number puzzle: for trying the app, not for real answers."
    if model.suggestion is not None:
        machines = ", ".join(machine.name for machine in model.suggestion.machines)
        return f"{model.suggestion.why}\nfor: {machines}\ng gets it from the hub, after showing what that takes"
    if not model.row.size:
        return f"{sanitize(model.name, 300)}: {sanitize(model.row.fault or '', 200)}.\nWhat was done with it is still in the log."
    if model.row.fault is not None:
        return f"it cannot be used: {sanitize(model.row.fault, 300)}"
    return ""


def facts(model: Shelved, adapter: StoredAdapter | None, speed: Mapping[str, object] | None) -> str:
    """Everything else that is known, a line each; `speed` is the document of `rrr models bench`."""
    lines = (
        [*_of_adapter(adapter)] if adapter is not None else [*_of_model(model), *_of_speed(speed), *_adapters(model)]
    )
    return "\n".join(f"{name:{WIDTH}}{sanitize(value, 300)}" for name, value in lines)


def _of_model(model: Shelved) -> Iterator[tuple[str, str]]:
    row, known = model.row, model.row.about
    if model.suggestion is not None:
        yield "numbers", f"{model.suggestion.parameters:g} billion parameters"
        yield "licence", model.suggestion.license
        return
    if known is not None:
        yield "numbers", known.quantisation + (f", {known.kind}" if known.kind else "")
        yield "context", "not said" if known.context is None else f"{known.context:,} tokens"
        yield "licence", known.license or "not said"
    yield "where", f"{row.place}: {row.folder or row.name}"
    if row.revision is not None:
        yield "commit", row.revision
    if row.place in (Place.FETCHED, Place.IMPORTED):
        yield "compared", "never" if row.verified_at is None else row.verified_at


def _of_speed(speed: Mapping[str, object] | None) -> Iterator[tuple[str, str]]:
    if speed is not None:
        yield "reads", f"{speed['prefill_tokens_per_s']:.0f} tokens/s"
        yield "writes", f"{speed['decode_tokens_per_s']:.0f} tokens/s"


def _adapters(model: Shelved) -> Iterator[tuple[str, str]]:
    if model.usable:
        yield "adapters", str(len(model.adapters)) if model.adapters else "none yet: train one (2)"


def _of_adapter(adapter: StoredAdapter) -> Iterator[tuple[str, str]]:
    step = "" if adapter.step is None else f" after step {adapter.step}"
    yield "adapter", ("?" if adapter.size_bytes is None else size(adapter.size_bytes)) + f", {adapter.kind}{step}"
    yield "folder", adapter.path
