"""What happened, as the log keeps it: episodes of `rrr_local.loop` as records of `rrr_local.store`, and back."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rrr_local.episode import FinishReason, Node, Problem, Span, Verdict
from rrr_local.errors import UsageError
from rrr_local.loop import Loop, Try
from rrr_local.models.about import about
from rrr_local.models.find import Model
from rrr_local.store.queries import Failure
from rrr_local.store.records import EpisodeRecord, ModelRecord, ReflectionRecord, TryRecord, pack_ids
from rrr_local.store.store import Store
from rrr_local.tasks.base import Task, fingerprint


@dataclass(frozen=True, slots=True)
class Registered:
    """The log's ids of what is being worked with."""

    model_id: int
    task_id: int


def register(store: Store, model: Model, task: Task) -> Registered:
    """Note the model and the task in the log, once each."""
    said = about(model.folder)
    record = ModelRecord(
        "safetensors",
        repo_id=model.repo_id,
        revision=model.revision,
        local_path=str(model.folder),
        quant=said.quantisation,
        size_bytes=model.size,
        license=said.license,
        files_sha256=model.sha256,
    )
    kind = type(task).__name__
    return Registered(
        store.model(record), store.task(task.name, task.version, kind, kind, fingerprint(task), {"source": task.source})
    )


def log_problems(store: Store, task_id: int, problems: Sequence[Problem]) -> dict[str, int]:
    """The log's ids of problems, by content hash."""
    return store.problems(task_id, problems)


def try_record(made: Try, *, keep_ids: bool = False) -> TryRecord:
    """An attempt or a retry; `keep_ids` for failures, which training needs as sampled."""
    node = made.node
    context = node.parent.context() if node.parent else []
    return TryRecord(
        text=node.text,
        verdict=made.verdict.kind,
        reason=made.verdict.reason,
        answer=made.verdict.answer,
        finish_reason=node.finish,
        prompt_sha256=ids_hash(context),
        prompt_tokens=len(context),
        completion_tokens=len(node.tokens),
        duration_ms=round(made.seconds * 1000),
        seed=node.seed,
        token_ids=pack_ids(node.tokens) if keep_ids else None,
    )


def reflection_record(
    number: int,
    node: Node,
    retry: Try | None,
    reward: float | None = None,
    advantage: float | None = None,
    *,
    keep_ids: bool = False,
) -> ReflectionRecord:
    """A reflection with the retry made after it; `keep_ids` in a chat, which goes on from them."""
    return ReflectionRecord(
        sample_no=number,
        text=node.text,
        tokens=len(node.tokens),
        finish_reason=node.finish,
        seed=node.seed,
        reward=reward,
        advantage=advantage,
        retry=None if retry is None else try_record(retry, keep_ids=keep_ids),
        prompt=node.parent.text if keep_ids and node.parent else None,
        token_ids=pack_ids(node.tokens) if keep_ids else None,
    )


def episode_record(
    problem_id: int | None, attempt: Try, reflection: Node | None = None, retry: Try | None = None
) -> EpisodeRecord:
    """One first try and what followed it. A retry without a reflection is the plain-retry control."""
    if reflection is None:
        plain = None if retry is None else try_record(retry)
        return EpisodeRecord(problem_id, try_record(attempt, keep_ids=not attempt.verdict.passed), plain_retry=plain)
    return EpisodeRecord(
        problem_id,
        try_record(attempt, keep_ids=not attempt.verdict.passed),
        (reflection_record(0, reflection, retry),),
    )


def failure_from(stored: Failure, loop: Loop) -> Try:
    """A logged failure, token for token as it was sampled.

    Raises `UsageError` when it was made by another model or chat template: its ids would mean something else.
    """
    root = loop.root(stored.problem)
    if stored.token_ids is None or stored.prompt_sha256 != ids_hash(root.context()):
        raise UsageError(
            "the collected failures were made with another model or prompt", "collect again with `rrr collect`"
        )
    node = Node(
        span=Span.ATTEMPT,
        parent=root,
        tokens=stored.token_ids,
        text=stored.reply,
        finish=stored.finish_reason or FinishReason.STOP,
        seed=stored.seed,
    )
    return Try(stored.problem, node, Verdict(stored.verdict, stored.reason), 0.0)


def ids_hash(tokens: Sequence[int]) -> str:
    """SHA-256 of token ids: proves that a rebuilt prompt is what the model saw."""
    return hashlib.sha256(pack_ids(tokens)).hexdigest()


def relative(path: Path, data_folder: Path) -> str:
    """A path as the log keeps it: the data folder may move."""
    return str(path.relative_to(data_folder))
