"""Recipes: what is sampled, how it is credited, and how the adapter moves. Presets are functions; any field can be overridden."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from rrr_local.backends.base import AdamConfig, LoraConfig
from rrr_local.errors import UsageError
from rrr_local.loop import Limits
from rrr_local.tasks.base import content_hash
from rrr_local.training.objective import Advantage, Correction, GrpoObjective, Normaliser


class Schedule(StrEnum):
    """How the learning rate moves after the warm-up."""

    CONSTANT = "constant"
    COSINE = "cosine"
    """Down to 0 at the last step."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that decides a run, given model, task and seed."""

    name: str
    """The preset it started from."""
    steps: int = 100
    failures_per_step: int = 8
    """Groups of a step."""
    group_size: int = 8
    """Reflections of one failure, each with one retry."""
    temperature: float = 1.0
    """Of everything that is sampled."""
    limits: Limits = field(default_factory=Limits)
    failures: int = 256
    """How many failures are collected before the first step."""
    attempts_per_problem: int = 8
    """The most attempts at one problem while collecting; the paper takes up to 64."""
    refresh_every: int = 0
    """Steps after which failures are collected anew with the adapter as it is; 0 freezes them."""
    advantage: Advantage = Advantage.CENTRE
    normaliser: Normaliser = Normaliser.CONSTANT
    correction: Correction = Correction.TRUNCATE
    cap: float = 2.0
    """Largest importance weight to the sampler."""
    beta: float = 0.0
    """Weight of the KL to the base model; 0 saves the reference pass."""
    mask_truncated: bool = False
    """Leave reflections that were cut off at the limit out of the loss (their rewards still count in the group)."""
    learning_rate: float = 2e-5
    warmup_steps: int = 5
    schedule: Schedule = Schedule.CONSTANT
    lora: LoraConfig = field(default_factory=LoraConfig)
    adam: AdamConfig = field(default_factory=AdamConfig)
    checkpoint_every: int = 10
    failures_from: str = ""
    """Where the failures come from: a session of the log, or `pool:<attempt>`, all that were in it up to that attempt; empty: the
    run collects its own."""
    evaluate: int = 0
    """Held-out problems that are measured before, at every checkpoint, and after; 0 measures nothing."""
    replay: int = 0
    """Of the failures trained on, how many are tried again before and after; 0 tries none."""
    everyday: int = 0
    """Questions of the task `everyday` that are asked before and after, to see what was forgotten; 0 asks none."""

    @property
    def objective(self) -> GrpoObjective:
        return GrpoObjective(self.advantage, self.normaliser, self.correction, self.cap, self.beta, self.temperature)

    def learning_rate_at(self, step: int) -> float:
        """The rate of a step, counted from 1."""
        warm = min(1.0, step / max(1, self.warmup_steps))
        if self.schedule is Schedule.CONSTANT:
            return self.learning_rate * warm
        return self.learning_rate * warm * 0.5 * (1 + math.cos(math.pi * (step - 1) / self.steps))

    def to_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    @property
    def sha256(self) -> str:
        return content_hash(self.to_json())


def rrr() -> Recipe:
    """Ours: centred advantage, constant normaliser, importance weight to the sampler, no KL, failures refreshed."""
    return Recipe("rrr", refresh_every=20)


def paper() -> Recipe:
    """2505.24726 as far as it is known, on LoRA: z-scored advantage, KL 0.001, frozen failures, cosine.

    Its 5e-7 was for full fine-tuning; LoRA wants about ten times that. Its batch of 256 failures is left to the machine.
    """
    return Recipe(
        "paper",
        advantage=Advantage.GROUP,
        normaliser=Normaliser.TOKENS,
        correction=Correction.OFF,
        beta=0.001,
        learning_rate=5e-6,
        schedule=Schedule.COSINE,
    )


def trl() -> Recipe:
    """TRL 1.16's defaults, for side-by-side measurements."""
    return Recipe(
        "trl",
        advantage=Advantage.GROUP,
        normaliser=Normaliser.TOKENS,
        correction=Correction.OFF,
        learning_rate=1e-6,
        warmup_steps=0,
        adam=AdamConfig(beta2=0.999),
    )


def tiny() -> Recipe:
    """`rrr` for the embedded model: 3.5M parameters want larger steps, and two minutes are enough.

    Settled on three seeds, where all gain. With a constant rate, no clip and groups of 16 on half as many failures, one of
    them gained next to nothing; which of the changes mattered was not measured apart.
    """
    return dataclasses.replace(
        rrr(),
        name="tiny",
        steps=40,
        failures_per_step=16,
        failures=256,
        attempts_per_problem=2,
        refresh_every=0,
        limits=Limits(attempt=64, reflection=48, retry=64),
        learning_rate=1.3e-3,
        warmup_steps=3,
        schedule=Schedule.COSINE,
        adam=AdamConfig(max_grad_norm=0.01),
    )


PRESETS = {"rrr": rrr, "paper": paper, "trl": trl, "tiny": tiny}


def preset(name: str, **overrides: Any) -> Recipe:
    """A preset with some fields changed. Raises `UsageError` for a name that does not exist."""
    if name not in PRESETS:
        raise UsageError(f"there is no recipe {name!r}", f"choose one of {', '.join(PRESETS)}")
    return dataclasses.replace(PRESETS[name](), **overrides)


def from_json(values: Mapping[str, Any]) -> Recipe:
    """The recipe that `to_json` gave."""
    raw = dict(values)
    return Recipe(
        **{
            **raw,
            "limits": Limits(**raw["limits"]),
            "advantage": Advantage(raw["advantage"]),
            "normaliser": Normaliser(raw["normaliser"]),
            "correction": Correction(raw["correction"]),
            "schedule": Schedule(raw["schedule"]),
            "lora": LoraConfig(**raw["lora"]),
            "adam": AdamConfig(**raw["adam"]),
        }
    )
