"""What flows into the log: frozen records without ids of their own, which the store assigns.

An episode is logged as a whole:

    EpisodeRecord ── attempt: TryRecord
                  ├─ reflections: ReflectionRecord ── retry: TryRecord
                  └─ plain_retry: TryRecord

In training the failed attempt is in the log already, so a GroupRecord names it and carries only what is new.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from rrr_local.episode import FinishReason, VerdictKind

Json = Mapping[str, object]
"""A JSON object."""
Metric = str | int | float | None


class SessionKind(StrEnum):
    """What a sitting was for."""

    CHAT = "chat"
    """A person asked (`rrr ask`, the chat screen)."""
    TRAIN = "train"
    """The retries of a run."""
    EVAL = "eval"
    COLLECT = "collect"
    """First attempts, to find the failures a run learns from."""


class RunStatus(StrEnum):
    """Where a run stands."""

    QUEUED = "queued"
    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"
    """Stopped by a person; can be resumed."""
    DONE = "done"
    FAILED = "failed"
    """Ended by an error, which `error` holds."""
    LOST = "lost"
    """Its process died without a word; can be resumed."""


ENDED = (RunStatus.STOPPED, RunStatus.DONE, RunStatus.FAILED, RunStatus.LOST)
"""The statuses in which no process works on the run."""


class RunPhase(StrEnum):
    """What a run is at; 100 % of its steps is not the end of it."""

    PREPARING = "preparing"
    """Loading the model, and the newest checkpoint of a resumed run."""
    MEASURING = "measuring"
    """Evaluating before training."""
    COLLECTING = "collecting"
    """Attempting problems until enough have failed."""
    TRAINING = "training"
    EVALUATING = "evaluating"
    SAVING = "saving"
    DONE = "done"


class RunRequest(StrEnum):
    """What a person asks of a run's trainer, which looks between two steps or batches."""

    PAUSE = "pause"
    """Write a checkpoint and end, to go on later."""
    STOP = "stop"
    """Write a checkpoint and end."""
    DISCARD = "discard"
    """End, and remove the run's adapters."""


class AdapterKind(StrEnum):
    """Where an adapter comes from."""

    CHECKPOINT = "checkpoint"
    FINAL = "final"
    """The last of its run."""
    IMPORTED = "imported"


class EvalStatus(StrEnum):
    """Where an evaluation stands."""

    RUNNING = "running"
    STOPPED = "stopped"
    """Stopped by a person; goes on after the items it has."""
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class TryRecord:
    """One reply of the model to a problem, and its verdict."""

    text: str
    verdict: VerdictKind
    reason: str
    """Why, as a person reads it."""
    answer: str | None = None
    """The answer that was judged; None when none was found."""
    finish_reason: FinishReason | None = None
    prompt_sha256: str | None = None
    """Hash of the prompt's token ids: proves that a rebuilt prompt is what the model saw."""
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    duration_ms: int | None = None
    """Time to sample it."""
    seed: int | None = None
    """The seed it was sampled from, below 2**63."""
    token_ids: bytes | None = None
    """The reply's ids as `pack_ids` gives them.

    Kept for first attempts that did not pass, since training needs them as sampled, and for every reply of a chat, since the
    conversation goes on from them.
    """
    verify_ms: int | None = None


@dataclass(frozen=True, slots=True)
class ReflectionRecord:
    """One reflection on a failed attempt, and the retry made with it."""

    sample_no: int
    """Its number among the reflections of the same attempt, from 0."""
    text: str
    tokens: int | None = None
    """How many tokens were sampled."""
    finish_reason: FinishReason | None = None
    seed: int | None = None
    """The seed it was sampled from, below 2**63."""
    reward: float | None = None
    """1 when the retry passed, else 0; None outside training and where the verifier broke."""
    advantage: float | None = None
    retry: TryRecord | None = None
    """None where the reflection was cancelled."""
    prompt: str | None = None
    """The user message that asked for it, in a chat: a person's reason may be part of it."""
    token_ids: bytes | None = None
    """Its ids as `pack_ids` gives them. Kept in a chat, since the conversation goes on from them."""


@dataclass(frozen=True, slots=True)
class EpisodeRecord:
    """One problem's first attempt and everything that followed."""

    problem_id: int | None
    """None in a chat without a task."""
    attempt: TryRecord
    reflections: tuple[ReflectionRecord, ...] = ()
    plain_retry: TryRecord | None = None
    """The retry without a reflection: the control."""


@dataclass(frozen=True, slots=True)
class GroupRecord:
    """The reflections of one failure at one step of a run."""

    problem_id: int
    first_attempt_id: int
    """The failed attempt, in the log since the failures were collected."""
    size: int
    """How many reflections were asked for."""
    reward_mean: float | None
    reward_std: float | None
    used: bool
    """Whether the step's update learnt from it."""
    skip_reason: str | None
    """Why it was not used, such as a dead group."""
    reflections: tuple[ReflectionRecord, ...]


@dataclass(frozen=True, slots=True)
class StepRecord:
    """The numbers of one training step.

    A NaN or an infinity is stored as NULL with `not_finite` = 1 and named in `extra`.
    """

    step: int
    """From 1."""
    loss: float | None = None
    reward_mean: float | None = None
    reward_std: float | None = None
    kl: float | None = None
    grad_norm: float | None = None
    lr: float | None = None
    groups: int | None = None
    """Failures reflected on."""
    groups_used: int | None = None
    """Groups that were not dead."""
    first_try_rate: float | None = None
    """Pass rate of the first attempts made for this step, where any were."""
    retry_rate: float | None = None
    """Pass rate of the retries."""
    reflection_tokens: float | None = None
    """Mean length of the reflections."""
    tokens: int | None = None
    """Tokens sampled."""
    tok_per_s: float | None = None
    seconds: float | None = None
    peak_mem_mb: float | None = None
    extra: Mapping[str, Metric] = field(default_factory=dict)
    """Every other metric by name."""


@dataclass(frozen=True, slots=True)
class ModelRecord:
    """A model.

    It is the same as one in the log with equal `repo_id` and `revision`; without a `repo_id`, with equal
    `files_sha256`.
    """

    format: str
    """How the weights are stored, such as `safetensors`."""
    repo_id: str | None = None
    revision: str | None = None
    """A commit hash, never a branch."""
    local_path: str | None = None
    quant: str | None = None
    params: int | None = None
    size_bytes: int | None = None
    license: str | None = None
    gated: bool = False
    files_sha256: str | None = None
    """One hash over all files."""
    has_chat_template: bool | None = None


@dataclass(frozen=True, slots=True)
class AdapterRecord:
    """A LoRA adapter in the data folder."""

    name: str
    model_id: int
    path: str
    """Relative to the data folder."""
    sha256: str
    kind: AdapterKind
    train_run_id: str | None = None
    step: int | None = None
    size_bytes: int | None = None
    rank: int | None = None
    config: Json | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A run, before its first step."""

    name: str
    model_id: int
    task_id: int
    backend: str
    seed: int
    config: Json
    """The recipe, whole."""
    total_steps: int
    base_adapter_id: int | None = None
    """The adapter it starts from; None for the bare model."""
    failures_session_id: str | None = None
    """The collect session its failures come from."""
    env: Json | None = None
    """Versions of what computes: Python, the backend's libraries, the machine."""


@dataclass(frozen=True, slots=True)
class EvalRecord:
    """An evaluation, before its first item."""

    task_id: int
    model_id: int
    config: Json
    problems_sha256: str
    """Hash of the problems in order: two evaluations with equal hashes may be compared pairwise."""
    n: int
    """How many problems."""
    adapter_id: int | None = None
    epochs: int = 1
    """Samples per problem."""
    seed: int | None = None


@dataclass(frozen=True, slots=True)
class EvalItemRecord:
    """One problem's result in an evaluation."""

    problem_id: int
    first_attempt_id: int | None
    """None where `error` says why there is no attempt. The retry with a reflection is found through it."""
    first_pass: bool | None
    final_pass: bool | None
    """Whether the first attempt or the retry passed."""
    epoch: int = 0
    error: str | None = None


def pack_ids(token_ids: Sequence[int]) -> bytes:
    """Token ids as the log keeps them: uint32, little-endian."""
    return struct.pack(f"<{len(token_ids)}I", *token_ids)


def unpack_ids(packed: bytes) -> tuple[int, ...]:
    """The ids that `pack_ids` packed."""
    return struct.unpack(f"<{len(packed) // 4}I", packed)
