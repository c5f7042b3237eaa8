"""Models in words and in documents: rows of lists, plans, records, speeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rrr_local.cli.output import Output
from rrr_local.models.hub import Plan
from rrr_local.models.memory import Memory, fit
from rrr_local.models.records import Record
from rrr_local.models.remove import Removal
from rrr_local.models.scan import Row
from rrr_local.models.suggestions import Suggestion

if TYPE_CHECKING:  # it brings numpy, which a list of models has no use for
    from rrr_local.backends.bench import Speed


def size(number: int) -> str:
    """Bytes for a person."""
    return f"{number / 10**9:.1f} GB" if number >= 10**8 else f"{number / 10**6:.1f} MB"


def memory(number: int) -> str:
    """Bytes of memory for a person, in the units that memory is sold in."""
    return f"{number / 2**30:.1f} GB"


def print_rows(output: Output, rows: Sequence[Row], machine: int) -> None:
    """Models; `machine` is this machine's memory in bytes."""
    if output.json:
        output.document("rrr.models/1", memory_bytes=machine, models=[_row(row, machine) for row in rows])
        return
    if not rows:
        output.text("none")
        return
    titles = ("model", "size", "numbers", "context", "chat", "training", "licence", "")
    output.table(titles, *(_cells(row, machine) for row in rows))


def print_suggestions(output: Output, suggestions: Sequence[Suggestion], machine: int) -> None:
    """Models to get."""
    if output.json:
        output.document(
            "rrr.model-suggestions/1", memory_bytes=machine, models=[_suggestion(each, machine) for each in suggestions]
        )
        return
    titles = ("model", "about", "chat", "training", "licence", "for", "why")
    rows = (
        (each.repo_id, size(each.size), *_fits(each.memory, machine), each.license, _machines(each), each.why)
        for each in suggestions
    )
    output.table(titles, *rows)
    output.note("chat and training: reckoned memory, and whether it fits here; get one with `rrr models fetch MODEL`")


def print_plan(output: Output, plan: Plan, machine: int, *, document: bool) -> None:
    """What a fetch would do; to standard error where that is no document of its own, so that standard output stays the result's."""
    if document and output.json:
        output.document("rrr.model-plan/1", **_plan(plan, machine))
        return
    say = output.text if document else output.note
    chat, training = _fits(plan.memory, machine)
    say(f"{plan.repo_id} at {plan.revision[:12]} from {plan.host}")
    say(
        f"  to fetch   {size(plan.download)} of {size(plan.size)}, {len(plan.files)} files; {size(plan.free)} of disk are free"
    )
    say(
        f"  licence    {plan.license or 'not said'}{'; its author asks you to accept conditions' if plan.gated else ''}"
    )
    say(f"  memory     chat {chat}, training {training}")


def print_record(output: Output, record: Record) -> None:
    """A model that was fetched or imported."""
    total = sum(file.size for file in record.files.values())
    if output.json:
        values = {key: value for key, value in asdict(record).items() if key != "path"}
        output.document("rrr.model/1", **values, folder=str(record.folder), size_bytes=total)
        return
    output.text(
        f"{record.name}: {len(record.files)} files, {size(total)}, all compared; use it with --model {record.name}"
    )


def print_speed(output: Output, name: str, backend: str, load_s: float, speed: Speed) -> None:
    """How fast a model is."""
    if output.json:
        output.document("rrr.model-bench/1", name=name, backend=backend, load_s=load_s, **asdict(speed))
        return
    output.text(f"{name} on {backend}, loaded in {load_s:.1f} s")
    output.table(
        ("reads", f"{speed.prefill_tokens_per_s:.0f} tokens/s", f"a prompt of {speed.prompt_tokens}"),
        ("writes", f"{speed.decode_tokens_per_s:.0f} tokens/s", f"{speed.reply_tokens} one after the other"),
        ("memory", memory(speed.peak_memory), "at most, of the computation"),
    )


def print_removal(output: Output, what: Removal) -> None:
    """What would go."""
    if what.folder is None:
        output.note(f"{what.name} is forgotten; its files stay where they are")
        return
    output.note(f"{what.name}: {size(what.size)} in {what.folder}")
    output.note("the Hugging Face cache is shared: other programs that use this model lose it too")


def _cells(row: Row, machine: int) -> tuple[str, ...]:
    about = row.about
    known = ("?", "?", "?") if about is None else (about.quantisation, str(about.context or "?"), about.license or "?")
    state = f"cannot be used: {row.fault}" if row.fault else str(row.place)
    return (row.name, size(row.size), *known[:2], *_fits(row.memory, machine), known[2], state)


def _fits(needed: Memory | None, machine: int) -> tuple[str, str]:
    if needed is None:
        return "?", "?"
    return _fit(needed.chat, machine), _fit(needed.training, machine)


def _fit(needed: int, machine: int) -> str:
    return f"{memory(needed)}, {fit(needed, machine)}"


def _memory(needed: Memory | None, machine: int) -> dict[str, Any]:
    if needed is None:
        return {"memory": None, "fits": None}
    return {
        "memory": asdict(needed),
        "fits": {"chat": fit(needed.chat, machine), "training": fit(needed.training, machine)},
    }


def _row(row: Row, machine: int) -> dict[str, Any]:
    about = row.about
    return {
        "name": row.name,
        "place": row.place,
        "folder": row.folder,
        "size_bytes": row.size,
        "fault": row.fault,
        "kind": about.kind if about else None,
        "quantisation": about.quantisation if about else None,
        "context": about.context if about else None,
        "license": about.license if about else None,
        **_memory(row.memory, machine),
        "repo_id": row.repo_id,
        "revision": row.revision,
        "verified_at": row.verified_at,
    }


def _suggestion(each: Suggestion, machine: int) -> dict[str, Any]:
    return {
        "name": each.repo_id,
        "parameters_billions": each.parameters,
        "size_bytes": each.size,
        "license": each.license,
        "machines": [machine.name for machine in each.machines],
        "why": each.why,
        **_memory(each.memory, machine),
    }


def _plan(plan: Plan, machine: int) -> dict[str, Any]:
    return {
        "name": plan.repo_id,
        "revision": plan.revision,
        "host": plan.host,
        "size_bytes": plan.size,
        "download_bytes": plan.download,
        "free_bytes": plan.free,
        "license": plan.license,
        "gated": plan.gated,
        **_memory(plan.memory, machine),
        "files": [asdict(file) for file in plan.files],
    }


def _machines(each: Suggestion) -> str:
    return ", ".join(machine.name for machine in each.machines)
