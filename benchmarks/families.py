"""Which model families work: `python benchmarks/families.py [--json] [--only NAME] [--templates FOLDER]`.

Each family of `family_configs.py` is made with random weights in its own shape, with a small byte-level tokenizer that has the
family's control tokens at their own ids. Two processes a family, so that memory is measured cold: one writes the model (bfloat16, as
they are published), one opens it as `rrr` does, compares its chat format with `apply_chat_template`, samples, and trains one step (a
group of 4 reflections of 32 tokens after 200). The same again with a 4-bit copy of few layers, without figures.

Templates are their owners', so none is here: FOLDER has `<template>.jinja` files, and the columns stay empty without.
With --json one document: {"schema": "rrr.families/1", "families": [...], ...}; otherwise a Markdown table.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
from benchmarks.family_configs import FAMILIES, Family  # noqa: E402 (where this file lies is known only now)
from benchmarks.family_models import TEXTS, write_model  # noqa: E402 (likewise)


@dataclass(frozen=True, slots=True)
class Load:
    """What is sampled and trained on."""

    group: int
    reflection: int
    """Tokens of each reflection."""
    prefix: int
    """Tokens before them."""


FULL, SHORT = Load(4, 32, 200), Load(2, 8, 60)
"""For the figures, and for the 4-bit copy, which is slow on a CPU."""
QUESTION, REPLY, AGAIN, SYSTEM = TEXTS[0], "3 * 7 + 18", "Try again: what did you miss?", "Be brief."
TOOL = {
    "type": "function",
    "function": {"name": "add", "description": "Add.", "parameters": {"type": "object", "properties": {}}},
}
DATES = ("%d %b %Y", "%d %B %Y", "%B %d, %Y")
"""How templates write today."""
MIB = 2**20


@dataclass(frozen=True, slots=True)
class Row:
    """What was found of one family; None where it could not be looked at."""

    name: str
    layers: str
    """Made, of how many."""
    parameters: int = 0
    fault: str | None = None
    """Why it cannot be loaded, or cannot be trained."""
    template: str | None = None
    """How our ids compare with the template's."""
    system: str | None = None
    tools: str | None = None
    context: int | None = None
    lora: int | None = None
    """Parameters of the adapter."""
    chat_estimate: int | None = None
    """Bytes, of a context as long as the one that was sampled; likewise for training and its step."""
    chat_measured: int | None = None
    """Bytes of the process at its largest."""
    step_estimate: int | None = None
    step_measured: int | None = None
    step_s: float | None = None
    drift: float | None = None
    """The largest difference between a token's log-prob when it was sampled and in the step."""
    quantised: str | None = None


# --- what is measured -------------------------------------------------------------------------------------------------


def measure(family: Family, folder: Path, has_template: bool, load: Load) -> Row:
    """Open the model in `folder` and do what `rrr` does with it."""
    from rrr_local.backends.base import LoraConfig
    from rrr_local.backends.find import open_backend
    from rrr_local.engine.machine import peak_resident_bytes
    from rrr_local.errors import ModelError
    from rrr_local.models import memory
    from rrr_local.models.find import Model

    row = Row(family.name, f"{family.layers} of {family.of_layers}", parameters=weights_of(folder))
    model = Model(family.name, folder)
    try:
        shape = memory.shape_of(folder / "config.json")
        backend = open_backend("mlx", model)
    except ModelError as error:
        return replace(row, fault=error.cause)
    group = sampled_group(backend, load)
    expected = memory.of(
        shape,
        memory.in_memory(folder / "config.json", model.size),
        cached=load.prefix + load.reflection,
        step=load.prefix + load.group * load.reflection,
    )
    row = replace(row, context=backend.context, chat_estimate=expected.chat, chat_measured=peak_resident_bytes())
    if has_template:
        row = replace(row, **chat_format(backend.chat, folder))
    try:
        backend.new_adapter(LoraConfig(), seed=0)
    except ModelError as error:
        return replace(row, fault=error.cause)
    seconds, drift = step(backend, group)
    return replace(
        row, step_estimate=expected.training, step_measured=peak_resident_bytes(), step_s=seconds, drift=drift,
        lora=adapter_size(backend),
    )  # fmt: skip


def sampled_group(backend: Any, load: Load) -> Any:
    """A group of reflections after a prefix, sampled by the model."""
    from rrr_local.backends.base import Request, TrainGroup
    from rrr_local.episode import Node, Opening, Span

    prompt = backend.chat.opening(Opening(QUESTION * 20))[: load.prefix]
    context = Node(Span.REFLECT_PROMPT, Node(Span.PROBLEM, None, tuple(prompt[:-20]), ""), tuple(prompt[-20:]), "")
    wanted = [Request(context, Span.REFLECTION, seed, load.reflection) for seed in range(load.group)]
    nodes = backend.sample(wanted, temperature=1.0)
    backend.forget()
    advantages = tuple(1.0 - 2 * (i % 2) for i in range(load.group))
    return TrainGroup(context, tuple(nodes), advantages, (1 / (load.group * load.reflection),) * load.group)


def step(backend: Any, group: Any) -> tuple[float, float]:
    """Seconds of one training step, and how far its log-probs are from the sampler's."""
    from rrr_local.backends.base import AdamConfig
    from rrr_local.training.objective import GrpoObjective

    start = time.perf_counter()
    update = backend.update([group], GrpoObjective(), 1e-4, AdamConfig())
    seconds = time.perf_counter() - start
    if not update.applied or not update.grad_norm > 0:
        raise SystemExit(f"no step was made: gradient norm {update.grad_norm}")
    pairs = zip(group.reflections, update.logprobs[0], strict=True)
    return seconds, max(abs(float(a) - b) for node, row in pairs for a, b in zip(row, node.logprobs, strict=True))


def adapter_size(backend: Any) -> int:
    """Parameters of the adapter, from the file it is saved to."""
    with tempfile.TemporaryDirectory() as folder:
        backend.save_adapter(Path(folder))
        return weights_of(Path(folder))


def weights_of(folder: Path) -> int:
    """Numbers in the folder's safetensors files, packed ones counted as they are stored."""
    count = 0
    for path in folder.glob("*.safetensors"):
        with path.open("rb") as file:
            header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        for name, entry in header.items():
            if name != "__metadata__":
                size = 1
                for length in entry["shape"]:
                    size *= length
                count += size
    return count


def chat_format(chat: Any, folder: Path) -> dict[str, Any]:
    """Our ids against the template's own: a question, a later turn, a system message, tools."""
    from transformers import AutoTokenizer

    from rrr_local.backends.chat import WITHOUT_TOOLS
    from rrr_local.episode import Message, Opening

    tokenizer = AutoTokenizer.from_pretrained(folder)
    theirs = Theirs(tokenizer)
    user, system = {"role": "user", "content": QUESTION}, {"role": "system", "content": SYSTEM}
    later = [user, {"role": "assistant", "content": REPLY}, {"role": "user", "content": AGAIN}]
    differs = [] if chat.opening(Opening(QUESTION)) == theirs.ids([user]) else ["opening"]
    turn, whole = chat.turn(AGAIN, after_stop=False), theirs.ids(later)
    if whole is None or whole[-len(turn) :] != turn:  # what is before it may be rewritten: Qwen3 drops earlier thinking
        differs.append("turn")
    with_system = chat.opening(Opening(QUESTION, (Message("system", SYSTEM),)))
    shown = chat.decode(chat.opening(Opening(QUESTION, tools=(TOOL,))))
    return {
        "template": f"{' and '.join(differs)} differ" if differs else "equal",
        "system": "own" if with_system == theirs.ids([system, user]) else "in the user's message",
        "tools": "in the user's message" if WITHOUT_TOOLS[:20] in shown else "own",
    }


@dataclass(frozen=True, slots=True)
class Theirs:
    """What the template itself gives, on the day that ours are always rendered on."""

    tokenizer: Any

    def ids(self, messages: list[dict[str, str]]) -> list[int] | None:
        """None where it refuses."""
        from jinja2 import TemplateError

        from rrr_local.backends.chat import TODAY

        try:
            text = self.tokenizer.apply_chat_template(
                messages, tokenize=False, add_generation_prompt=True, enable_thinking=False
            )
        except TemplateError:
            return None
        for form in DATES:
            text = text.replace(datetime.now().strftime(form), TODAY.strftime(form))
        return list(self.tokenizer.encode(text, add_special_tokens=False))


# --- one process each -------------------------------------------------------------------------------------------------


def child(arguments: list[str]) -> str:
    """The last line of what this file says when it is called like that; the reason where it fails."""
    command = [sys.executable, str(Path(__file__).resolve()), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "HF_HUB_OFFLINE": "1"})
    if done.returncode:
        raise RuntimeError((done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1])
    return done.stdout.strip().splitlines()[-1] if done.stdout.strip() else ""


def tried(family: Family, templates: Path, quantised: bool) -> Row:
    """One family, written and measured, with nothing left on disk."""
    with tempfile.TemporaryDirectory() as folder:
        options = [
            family.name,
            "--templates",
            str(templates),
            "--folder",
            folder,
            *(["--quantised"] if quantised else []),
        ]
        child(["--write", *options])
        return Row(**json.loads(child(["--measure", *options])))


def few_layers(family: Family) -> Family:
    """The family with as few layers as show each kind."""
    config = dict(family.config)
    inside = config.get("text_config", config)
    small = {**inside, "num_hidden_layers": min(inside["num_hidden_layers"], 6)}
    for key in ("layer_types", "no_rope_layers"):
        if key in small:
            small[key] = small[key][: small["num_hidden_layers"]]
    return replace(family, config={**config, "text_config": small} if "text_config" in config else small)


def row(family: Family, templates: Path) -> Row:
    """One line of the report."""
    try:
        found = tried(family, templates, quantised=False)
    except RuntimeError as error:
        return Row(family.name, f"{family.layers} of {family.of_layers}", fault=str(error))
    if found.fault is not None:
        return found
    try:
        small = tried(family, templates, quantised=True)
    except RuntimeError as error:
        return replace(found, quantised=str(error))
    return replace(found, quantised=small.fault or "loads and trains")


# --- the report -------------------------------------------------------------------------------------------------------

HEAD = (
    "Model", "Layers", "Parameters", "Template", "System message", "Tools", "Context", "LoRA", "Chat, estimated / measured",
    "Step, estimated / measured", "Step", "Drift", "4-bit",
)  # fmt: skip


def table(rows: list[Row]) -> str:
    """Markdown."""
    lines = ["| " + " | ".join(HEAD) + " |", "|" + " --- |" * len(HEAD)]
    return "\n".join([*lines, *("| " + " | ".join(cells(each)) + " |" for each in rows)])


def cells(row: Row) -> list[str]:
    """One line's."""
    return [
        row.name, row.layers, f"{row.parameters / 1e6:.0f} M", row.template or "", row.system or "", row.tools or "",
        f"{row.context:,}" if row.context else "", f"{row.lora / 1e6:.1f} M" if row.lora else "",
        both(row.chat_estimate, row.chat_measured), both(row.step_estimate, row.step_measured),
        f"{row.step_s:.1f} s" if row.step_s is not None else row.fault or "",
        f"{row.drift:.0e}" if row.drift is not None else "", row.quantised or "",
    ]  # fmt: skip


def both(estimate: int | None, measured: int | None) -> str:
    """An estimate beside what was measured, MiB."""
    return "" if estimate is None or measured is None else f"{estimate // MIB:,} / {measured // MIB:,}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="one JSON document on standard output")
    parser.add_argument("--only", metavar="NAME", action="append", help="this family; may be given several times")
    parser.add_argument("--templates", type=Path, default=Path(), metavar="FOLDER", help="<template>.jinja files")
    parser.add_argument("--write", metavar="NAME", help=argparse.SUPPRESS)
    parser.add_argument("--measure", metavar="NAME", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--quantised", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    by_name = {family.name: family for family in FAMILIES}
    if given.write or given.measure:
        family = by_name[given.write or given.measure]
        family = few_layers(family) if given.quantised else family
        if given.write:
            return write_model(family, given.folder, given.templates, given.quantised)
        has_template = (given.templates / f"{family.template}.jinja").is_file()
        return print(
            json.dumps(asdict(measure(family, given.folder, has_template, SHORT if given.quantised else FULL)))
        )
    rows = []
    for name in given.only or by_name:
        rows.append(row(by_name[name], given.templates))
        print(f"{name}: {rows[-1].fault or 'done'}", file=sys.stderr)
    machine = {"machine": platform.machine(), "system": platform.system(), "cpus": os.cpu_count()}
    document = {"schema": "rrr.families/1", **machine, "families": [asdict(each) for each in rows]}
    print(json.dumps(document, indent=2) if given.json else table(rows))


if __name__ == "__main__":
    main()
