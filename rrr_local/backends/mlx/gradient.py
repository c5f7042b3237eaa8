"""Exact prefix-shared gradients: the prefix once, the reflections of its group over it.

    L(theta) = sum over reflections i and tokens t of  weight_i * c_it * logprob_it,      c = objective.coefficients(...), detached

The prefix of P tokens goes through the model as one row; G reflections attend to its keys and values through `PrefixKV`, so a group
costs P + G R token positions, not G (P + R), and logits exist at reflection positions only (MLX is lazy: the prefix's logits are
never computed). When the rows of a group do not fit in one micro-batch the backward runs in two stages: prefix forward, rows in
micro-batches accumulating gradients of the weights and of the prefix's keys and values, then one prefix VJP. Both are exact.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import mlx.core as mx
import mlx.nn as nn
import numpy as np
from mlx.utils import tree_map

from rrr_local.backends.base import Logprobs, Objective, TrainGroup
from rrr_local.backends.mlx import mlxlm
from rrr_local.backends.mlx.logits import token_logprobs

Parameters = Any
"""A tree of arrays, as `model.trainable_parameters()` gives it."""
PrefixState = list[list[mx.array]]
"""What each layer keeps of a prefix: its keys and values, where it is attention."""


@dataclass(slots=True)
class GroupGradient:
    """What one group adds to a step."""

    gradient: Parameters
    logprobs: list[Logprobs]
    """Of each reflection, before the update."""
    entropies: list[float]
    """Of every reflection token, nats."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Reflections as right-padded arrays; G rows, R tokens in the longest."""

    tokens: mx.array
    """(G, R)"""
    lengths: list[int]
    mask: mx.array
    """(G, R) 1 at reflection tokens, 0 at padding."""
    sampler: mx.array
    """(G, R) the sampler's log-probs."""
    advantages: mx.array
    """(G, 1)"""
    weights: mx.array
    """(G, 1)"""
    reference: mx.array | None
    """(G, R) the base model's log-probs."""


Seen = tuple[Rows, tuple[mx.array, mx.array]]
"""Rows with their log-probs and entropies, both (G, R)."""


def group_gradient(model: nn.Module, group: TrainGroup, objective: Objective, micro_batch: int) -> GroupGradient:
    """The gradient of the loss with respect to the model's trainable parameters, over one group."""
    prefix = mx.array(group.context.context())[None]
    parameters = model.trainable_parameters()
    if len(group.reflections) <= micro_batch:
        rows = pack(group, slice(None))

        def whole(p: Parameters) -> tuple[mx.array, tuple[mx.array, mx.array]]:
            model.update(p)
            return _rows_loss(model, _prefix_kv(model, prefix), prefix, rows, objective)

        (_, seen), gradient = mx.value_and_grad(whole)(parameters)
        parts = [(rows, seen)]
    else:
        gradient, parts = _two_stage(model, parameters, prefix, group, objective, micro_batch)
    model.update(parameters)  # tracing left its own arrays in the model
    return _result(gradient, parts)


def _two_stage(
    model: nn.Module,
    parameters: Parameters,
    prefix: mx.array,
    group: TrainGroup,
    objective: Objective,
    micro_batch: int,
) -> tuple[Parameters, list[Seen]]:
    """The same gradient, holding the activations of `micro_batch` rows at a time."""
    kv = _prefix_kv(model, prefix)
    mx.eval(kv)

    def part(p: Parameters, kv: PrefixState, rows: Rows) -> tuple[mx.array, tuple[mx.array, mx.array]]:
        model.update(p)
        return _rows_loss(model, kv, prefix, rows, objective)

    total: tuple[Parameters, PrefixState] | None = None
    parts: list[Seen] = []
    for start in range(0, len(group.reflections), micro_batch):
        rows = pack(group, slice(start, start + micro_batch))
        (_, seen), gradients = mx.value_and_grad(part, argnums=(0, 1))(parameters, kv, rows)
        total = gradients if total is None else tree_map(mx.add, total, gradients)
        mx.eval(total, seen)
        parts.append((rows, seen))
    assert total is not None, "a group has at least one reflection"
    return tree_map(mx.add, total[0], _prefix_vjp(model, parameters, prefix, total[1])), parts


def _prefix_vjp(model: nn.Module, parameters: Parameters, prefix: mx.array, cotangents: PrefixState) -> Parameters:
    """Pull the gradient of the prefix's keys and values back to the parameters."""

    def surrogate(p: Parameters) -> mx.array:
        model.update(p)
        products = tree_map(lambda kv, ct: (kv * ct).sum(), _prefix_kv(model, prefix), cotangents)
        return sum((each for layer in products for each in layer), mx.array(0.0))

    return mx.grad(surrogate)(parameters)


def row_logprobs(model: nn.Module, group: TrainGroup, temperature: float) -> list[Logprobs]:
    """Log-probs of a group's reflections with the model as it is, without gradients."""
    prefix = mx.array(group.context.context())[None]
    rows = pack(group, slice(None))
    logits = _rows_logits(model, _prefix_kv(model, prefix), prefix, rows)
    return _unpad(token_logprobs(logits, rows.tokens, temperature)[0], rows)


def _prefix_kv(model: nn.Module, prefix: mx.array) -> PrefixState:
    """Keys and values of all prefix tokens but the last; logits are never evaluated."""
    caches = mlxlm.prefix_caches(model)
    model(prefix[:, :-1], cache=caches)
    return [mlxlm.cache_arrays(cache) for cache in caches]


def _rows_logits(model: nn.Module, kv: PrefixState, prefix: mx.array, rows: Rows) -> mx.array:
    """(G, R, V): row inputs are the prefix's last token, then the reflection without its last."""
    count = rows.tokens.shape[0]
    caches = [mlxlm.rows_cache(kind, each, count) for kind, each in zip(mlxlm.prefix_caches(model), kv, strict=True)]
    first = mx.broadcast_to(prefix[:, -1:], (count, 1))
    logits: mx.array = model(mx.concatenate([first, rows.tokens[:, :-1]], axis=1), cache=caches)
    return logits


def _rows_loss(
    model: nn.Module, kv: PrefixState, prefix: mx.array, rows: Rows, objective: Objective
) -> tuple[mx.array, tuple[mx.array, mx.array]]:
    logits = _rows_logits(model, kv, prefix, rows)
    logprobs, entropy = token_logprobs(logits, rows.tokens, objective.temperature)
    detached = mx.stop_gradient(logprobs)
    coefficients = objective.coefficients(mx, detached, rows.sampler, rows.advantages, rows.reference)
    loss = (rows.mask * rows.weights * coefficients * logprobs).sum()
    return loss, (detached, entropy)


def pack(group: TrainGroup, part: slice) -> Rows:
    """Some reflections of a group as padded arrays."""
    nodes = group.reflections[part]
    lengths = [len(node.tokens) for node in nodes]
    width = max(lengths)
    reference = None if group.reference is None else _padded(group.reference[part], width)
    return Rows(
        tokens=_padded([node.tokens for node in nodes], width, np.int32),
        lengths=lengths,
        mask=_padded([np.ones(n) for n in lengths], width),
        sampler=_padded([node.logprobs or () for node in nodes], width),
        advantages=mx.array(group.advantages[part])[:, None],
        weights=mx.array(group.weights[part])[:, None],
        reference=reference,
    )


def _padded(rows: Sequence[Any], width: int, dtype: type[np.generic] = np.float32) -> mx.array:
    array = np.zeros((len(rows), width), dtype=dtype)
    for i, row in enumerate(rows):
        array[i, : len(row)] = row
    return mx.array(array)


def _unpad(array: mx.array, rows: Rows) -> list[Logprobs]:
    values = np.array(array, dtype=np.float32)
    return [values[i, :n] for i, n in enumerate(rows.lengths)]


def _result(gradient: Parameters, parts: list[Seen]) -> GroupGradient:
    mx.eval(gradient, [seen for _, seen in parts])
    logprobs = [row for rows, (lp, _) in parts for row in _unpad(lp, rows)]
    entropies = [float(e) for rows, (_, entropy) in parts for row in _unpad(entropy, rows) for e in row]
    return GroupGradient(gradient, logprobs, entropies)
