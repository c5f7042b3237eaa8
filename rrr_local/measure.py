"""Measure a model on problems, and keep every episode of it in the log. `rrr eval`, the demo and the screens share it."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from rrr_local import journal
from rrr_local.episode import Problem
from rrr_local.evaluation.protocol import Arm, Item, evaluate
from rrr_local.loop import Limits, Loop
from rrr_local.seeds import derive
from rrr_local.store.records import EvalItemRecord, EvalRecord, EvalStatus, SessionKind
from rrr_local.tasks.base import content_hash
from rrr_local.training.patience import Patience
from rrr_local.workbench import Workbench


class EvalSet(StrEnum):
    """Which problems an evaluation is of."""

    HELD_OUT = "held-out"
    """Of the task's split for evaluating, which is never trained on."""
    REPLAY = "replay"
    """Those whose failures a run trains on."""
    EVERYDAY = "everyday"
    """Of the task of that name, which has nothing to do with what is trained: did the model forget anything?"""


@dataclass(frozen=True, slots=True)
class Measurement:
    """What is measured, besides the model."""

    problems: Sequence[Problem]
    arm: Arm = Arm.REFLECT
    temperature: float = 1.0
    seed: int = 0
    set: EvalSet = EvalSet.HELD_OUT
    limits: Limits | None = None
    """How long the spans may get; None: as suits the model."""
    run_id: str | None = None
    """The run that it is part of; None for one that a person asked for."""

    @property
    def config(self) -> dict[str, str | float | None]:
        """As the log keeps it. Set and run are named only in a run's own: any other is no point of its curve."""
        config: dict[str, str | float | None] = {"arm": self.arm, "temperature": self.temperature}
        return config if self.run_id is None else config | {"set": self.set, "run": self.run_id}


@dataclass(frozen=True, slots=True)
class Measured:
    """An evaluation that is done."""

    eval_id: str
    items: list[Item]


def measure(bench: Workbench, what: Measurement, adapter_id: int | None) -> Generator[int | Measured]:
    """Evaluate the model as it is, logging each batch; yields how many problems are done, and the evaluation last.

    `adapter_id` is the adapter it carries. The evaluation's status in the log is right however this ends. Raises `BrokenVerifier`.
    """
    ids = bench.registered
    loop = Loop(bench.backend, bench.task, what.temperature, what.limits or bench.limits)
    what = replace(what, problems=loop.fitting(what.problems))
    eval_id = bench.store.start_eval(
        EvalRecord(
            task_id=ids.task_id,
            model_id=ids.model_id,
            adapter_id=adapter_id,
            config=what.config,
            problems_sha256=content_hash([problem.sha256 for problem in what.problems]),
            n=len(what.problems),
            seed=what.seed,
        )
    )
    items: list[Item] = []
    try:
        for batch in _logged(bench, loop, eval_id, what, adapter_id):
            items += batch
            yield len(items)
    except (KeyboardInterrupt, SystemExit, GeneratorExit):
        bench.store.finish_eval(eval_id, EvalStatus.STOPPED)
        raise
    except BaseException as error:
        bench.store.finish_eval(eval_id, EvalStatus.FAILED, str(error))
        raise
    bench.store.finish_eval(eval_id, EvalStatus.DONE)
    yield Measured(eval_id, items)


def _logged(
    bench: Workbench, loop: Loop, eval_id: str, what: Measurement, adapter_id: int | None
) -> Iterator[list[Item]]:
    """Batches of items, each in the log by the time it is yielded."""
    ids, store = bench.registered, bench.store
    session = store.start_session(
        SessionKind.EVAL, model_id=ids.model_id, task_id=ids.task_id, adapter_id=adapter_id, eval_id=eval_id
    )
    problem_ids = journal.log_problems(store, ids.task_id, what.problems)
    patience = Patience(bench.task.name)
    for batch in evaluate(loop, what.problems, derive(what.seed, "eval"), what.arm):
        of = [problem_ids[item.first.problem.sha256] for item in batch]
        records = [journal.episode_record(p, i.first, i.reflection, i.retry) for p, i in zip(of, batch, strict=True)]
        attempts = store.log_episodes(session, records)
        store.log_eval_items(eval_id, [_item_record(*row) for row in zip(of, attempts, batch, strict=True)])
        yield batch
        patience.look(made for item in batch for made in (item.first, item.retry) if made is not None)
    patience.end()
    store.end_session(session)


def _item_record(problem_id: int, attempt_id: int, item: Item) -> EvalItemRecord:
    """One result; None where a verifier broke, which is neither a pass nor a fail."""
    broken = next((t for t in (item.first, item.retry) if t is not None and t.verdict.score is None), None)
    return EvalItemRecord(
        problem_id=problem_id,
        first_attempt_id=attempt_id,
        first_pass=None if broken is item.first else item.first_pass,
        final_pass=None if broken is not None else item.second_pass,
        error=None if broken is None else broken.verdict.reason,
    )
