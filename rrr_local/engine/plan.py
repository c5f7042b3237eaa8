"""What a run is made of, as a front end hands it to a trainer: everything `rrr train` takes."""

from __future__ import annotations

from dataclasses import dataclass

from rrr_local.models.find import EMBEDDED

POOL = "pool"
"""In place of a session of failures: all failures of the task and model that are in the log, chat included."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A run to be, or one to go on with; None where the default is to be taken."""

    resume: str | None = None
    """A run that was stopped, paused or lost; then only `model`, `task` and `backend` may be given besides."""
    model: str | None = None
    task: str | None = None
    backend: str = "auto"
    recipe: str | None = None
    steps: int | None = None
    settings: tuple[str, ...] = ()
    """`key=value` changes of the recipe."""
    seed: int | None = None
    name: str | None = None
    failures: str | None = None
    """A session of collected failures, or `POOL`; without it the run collects its own."""
    evaluate: int = 0
    """Held-out problems that are measured before, at every checkpoint, and after; 0 measures nothing."""
    replay: int = 0
    """Of the failures trained on, how many are tried again before and after; 0 tries none."""
    everyday: int = 0
    """Everyday questions that are asked before and after; 0 asks none."""

    def arguments(self) -> list[str]:
        """The plan as `rrr train` takes it."""
        flags: list[tuple[str, object]] = [
            ("--resume", self.resume),
            ("--model", self.model),
            ("--task", self.task),
            ("--backend", self.backend),
            ("--recipe", self.recipe),
            ("--steps", self.steps),
            *(("-o", setting) for setting in self.settings),
            ("--seed", self.seed),
            ("--name", self.name),
            ("--failures", self.failures),
            ("--evaluate", self.evaluate or None),
            ("--replay", self.replay or None),
            ("--everyday", self.everyday or None),
        ]
        return [part for flag, value in flags if value is not None for part in (flag, str(value))]


def default_recipe(model: str) -> str:
    """The recipe for a model where none is named."""
    return "tiny" if model == EMBEDDED else "rrr"
