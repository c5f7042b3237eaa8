"""Whole runs on a random model and a toy task: real MLX, real SQLite, real checkpoints."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from rrr_local import journal, paths
from rrr_local.backends.base import LoraConfig
from rrr_local.backends.mlx.backend import ADAPTER_FILE, OPTIMIZER_FILE, MlxBackend
from rrr_local.loop import Limits, Loop
from rrr_local.models.find import Model
from rrr_local.store.records import StepRecord
from rrr_local.store.store import Store
from rrr_local.tasks.base import Task
from rrr_local.training import checkpoint, run
from rrr_local.training.recipes import Recipe
from rrr_local.training.trainer import Job, Trainer

from ..toy import Toy

SMALL = Recipe(
    "small",
    steps=5,
    failures_per_step=3,
    group_size=4,
    limits=Limits(attempt=8, reflection=6, retry=8),
    failures=10,
    attempts_per_problem=2,
    learning_rate=0.02,
    warmup_steps=2,
    lora=LoraConfig(rank=4, alpha=8.0),
    checkpoint_every=2,
)
SEED = 11


class Killed(BaseException):
    """The process died here."""


@dataclass
class Lab:
    """A log and a model folder; every call loads the model anew, as a new process would."""

    store: Store
    model: Path
    task: Task = field(default_factory=Toy)

    def backend(self) -> MlxBackend:
        return MlxBackend(self.model)

    def create(self, recipe: Recipe = SMALL, backend: MlxBackend | None = None, name: str | None = None) -> Job:
        return run.create(self.store, self.registered(), backend or self.backend(), recipe, SEED, name)

    def registered(self) -> journal.Registered:
        return journal.register(self.store, Model("llama", self.model), self.task)

    @contextmanager
    def trainer(self, job: Job, backend: MlxBackend) -> Iterator[Trainer]:
        """A trainer that is ready to run: fresh, or resumed from the newest checkpoint."""
        with run.training(job, backend, self.task, self.store) as trainer:
            loop = Loop(backend, self.task, job.recipe.temperature, job.recipe.limits)
            for _ in run.prepare(job, trainer, loop, self.store):
                pass
            yield trainer

    def train(self, job: Job, *, backend: MlxBackend | None = None, kill_after: int | None = None) -> list[StepRecord]:
        """Train to the end, or until the process dies after a step; returns the steps of this sitting."""
        records = []
        with self.trainer(job, backend or self.backend()) as trainer:
            for record in trainer.run():
                records.append(record)
                if record.step == kill_after:
                    raise Killed
        return records

    def resume(self, name: str) -> list[StepRecord]:
        return self.train(run.reopen(self.store, self.registered(), name))


def result(name: str) -> tuple[bytes, bytes]:
    """The adapter and the optimizer that a run has come to."""
    found = checkpoint.newest(paths.runs_folder() / name).checkpoint
    assert found is not None
    return (found.path / ADAPTER_FILE).read_bytes(), (found.path / OPTIMIZER_FILE).read_bytes()
