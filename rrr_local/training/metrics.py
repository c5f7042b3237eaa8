"""The numbers of one step. Names known from TRL are used where the meaning is the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from rrr_local.backends.base import TrainGroup, Update
from rrr_local.meter import Meter, Phase
from rrr_local.store.records import Metric, StepRecord
from rrr_local.training.credit import Credit
from rrr_local.training.objective import k3
from rrr_local.training.recipes import Recipe


def step_record(
    step: int,
    recipe: Recipe,
    credits: Sequence[Credit],
    batch: Sequence[TrainGroup],
    update: Update | None,
    meter: Meter,
    seconds: float,
    peak_memory: int,
) -> StepRecord:
    """Everything that is known about a step. `update` is None when every group was dead."""
    groups = [credit.group for credit in credits]
    rewards = [r for group in groups for r in group.rewards if r is not None]
    reflections = [z for group in groups for z in group.reflections]
    lengths = [len(z.tokens) for z in reflections]
    sampled = sum(meter.tokens[phase] for phase in (Phase.ATTEMPT, Phase.REFLECT, Phase.RETRY))
    extra: dict[str, Metric] = {
        "frac_reward_zero_std": sum(c.skip_reason is not None for c in credits) / len(credits),
        "reflections_truncated": sum(z.truncated for z in reflections),
        "retries_truncated": sum(y.node.truncated for group in groups for y in group.retries),
        "verifier_errors": sum(r is None for group in groups for r in group.rewards),
        "answer_leaks": sum(group.leaks for group in groups),
        "reflection_tokens_p95": float(np.quantile(lengths, 0.95)),
        "distinct_reflections": len({z.tokens for z in reflections}) / len(reflections),
        **{f"seconds_{phase}": round(value, 4) for phase, value in meter.seconds.items()},
        **{f"tokens_{phase}": value for phase, value in meter.tokens.items()},
    }
    learned = _update_metrics(recipe, batch, update) if update else {}
    return StepRecord(
        step=step,
        loss=learned.pop("loss", None),
        reward_mean=float(np.mean(rewards)) if rewards else None,
        reward_std=float(np.std(rewards)) if rewards else None,
        kl=learned.pop("kl", None),
        grad_norm=update.grad_norm if update else 0.0,
        lr=recipe.learning_rate_at(step),
        groups=len(groups),
        groups_used=len(batch),
        retry_rate=float(np.mean([y.verdict.passed for group in groups for y in group.retries])),
        reflection_tokens=float(np.mean(lengths)),
        tokens=sampled,
        tok_per_s=sampled / seconds,
        seconds=seconds,
        peak_mem_mb=peak_memory / 2**20,
        extra={**extra, **learned},
    )


def _update_metrics(recipe: Recipe, batch: Sequence[TrainGroup], update: Update) -> dict[str, Any]:
    """Loss, entropy and divergences over the reflection tokens that were trained on."""
    objective = recipe.objective
    rows = [
        (lp, np.array(z.logprobs), a, w, None if g.reference is None else g.reference[i])
        for g, logprobs in zip(batch, update.logprobs, strict=True)
        for i, (lp, z, a, w) in enumerate(zip(logprobs, g.reflections, g.advantages, g.weights, strict=True))
    ]
    ratio = np.concatenate([sampler - lp for lp, sampler, *_ in rows])
    metrics: dict[str, Any] = {
        "loss": sum(w * objective.loss(lp, sampler, a, reference) for lp, sampler, a, w, reference in rows),
        "entropy": update.entropy,
        "kl_sample_train": float(ratio.mean()),
        "max_abs_log_ratio": float(np.abs(ratio).max()),
        "update_applied": int(update.applied),
    }
    if recipe.beta:
        metrics["kl"] = float(np.concatenate([k3(lp, ref) for lp, _, _, _, ref in rows if ref is not None]).mean())
    return metrics
