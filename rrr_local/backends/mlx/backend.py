"""The MLX backend: one mlx-lm model, one LoRA adapter, the KV of live episodes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import mlx.core as mx
import mlx.optimizers as optim
from huggingface_hub.errors import StrictDataclassError
from mlx.utils import tree_flatten, tree_map, tree_unflatten

from rrr_local.backends.base import (
    AdamConfig,
    Logprobs,
    LoraConfig,
    Objective,
    Request,
    TrainGroup,
    Update,
    never,
)
from rrr_local.backends.chat import ChatTemplate
from rrr_local.backends.mlx import mlxlm
from rrr_local.backends.mlx.decode import Decoder, Fork, Row, row_uniforms
from rrr_local.backends.mlx.gradient import group_gradient, row_logprobs
from rrr_local.episode import FinishReason, Node
from rrr_local.errors import ModelError, ResourceError

ADAPTER_FILE, ADAPTER_CONFIG, OPTIMIZER_FILE = "adapters.safetensors", "adapter_config.json", "optimizer.safetensors"
LARGE_BUFFER_CACHE = 2 * 2**30
"""Bytes of freed buffers MLX may keep; its default is the whole memory."""


class MlxBackend:
    """Implements `backends.base.Backend`. Use from one thread only: MLX objects never cross threads."""

    def __init__(self, folder: Path, *, width: int | None = None, micro_batch: int = 16) -> None:
        """Load the model in `folder` (absolute). Nothing is fetched and no code from the folder is run.

        Args:
            folder: Hugging Face layout, safetensors.
            width: rows that decode together; by default what suits the device.
            micro_batch: reflections whose activations are held at once in training.

        Raises:
            ModelError: the folder holds no usable model.
        """
        self._gpu = mx.default_device().type == mx.DeviceType.gpu
        mx.set_cache_limit(LARGE_BUFFER_CACHE)
        mx.clear_cache()  # what an earlier model left behind
        # Half precision is emulated on a CPU: 30 times slower.
        self._model, tokenizer, stop_tokens = _load(folder, float32=not self._gpu)
        self.chat = ChatTemplate(tokenizer, stop_tokens)
        self.context = mlxlm.context_size(folder, tokenizer)
        self._decoder = Decoder(self._model, stop_tokens, width or (32 if self._gpu else 256))
        self._micro_batch = micro_batch
        self._kept: WeakKeyDictionary[Node, list[Any]] = WeakKeyDictionary()
        self._lora: LoraConfig | None = None
        self._optimizer = optim.Adam(learning_rate=0.0)

    @property
    def name(self) -> str:
        return f"mlx-{'gpu' if self._gpu else 'cpu'}"

    # --- sampling ---------------------------------------------------------------------------------------------

    @property
    def width(self) -> int:
        return self._decoder.width

    def sample(self, requests: Sequence[Request], *, temperature: float, keep: bool = False) -> list[Node]:
        nodes: dict[int, Node] = {}
        for rows in self._decoder.run(self._forks(requests), temperature=temperature, keep=keep):
            for row in rows:
                if row.finish is not None:
                    nodes[row.index] = self._node(requests[row.index], row)
        return [nodes[i] for i in range(len(requests))]

    def stream(
        self, request: Request, *, temperature: float, cancelled: Callable[[], bool] = never
    ) -> Iterator[str | Node]:
        with mlxlm.memory_errors():
            for (row,) in self._decoder.run(self._forks([request]), temperature=temperature, keep=True):
                yield self.chat.decode(row.tokens)
                if row.finish is None and cancelled():
                    row.finish = FinishReason.CANCELLED
                    break
        yield self._node(request, row)

    def forget(self, keep: Node | None = None) -> None:
        ancestry = [] if keep is None else keep.path()
        known = next((node for node in reversed(ancestry) if node in self._kept), None)
        kept = [] if known is None else [(known, self._kept[known])]
        self._kept = WeakKeyDictionary(kept)
        mx.clear_cache()

    def _forks(self, requests: Sequence[Request]) -> list[Fork]:
        """Requests by context; a context's KV is taken from its nearest ancestor that has some."""
        forks = []
        for _, same in groupby(enumerate(requests), key=lambda item: id(item[1].context)):
            rows = [(i, r) for i, r in same]
            context = rows[0][1].context
            caches, tokens = self._known(context)
            forks.append(Fork(tokens, caches, [Row(i, r.limit, row_uniforms(r.seed, r.limit)) for i, r in rows]))
        return forks

    def _known(self, context: Node) -> tuple[list[Any], list[int]]:
        """The caches of the nearest kept ancestor, and the context's tokens they do not hold."""
        fresh: list[int] = []
        for node in reversed(context.path()):
            if node in self._kept:
                # The last sampled token was never fed to the model, so the cache ends one token before the node does.
                return self._kept[node], [node.tokens[-1], *fresh]
            fresh = [*node.tokens, *fresh]
        return mlxlm.empty_caches(self._model), fresh

    def _node(self, request: Request, row: Row) -> Node:
        node = Node(
            span=request.span,
            parent=request.context,
            tokens=tuple(row.tokens),
            text=self.chat.decode(row.tokens),
            logprobs=tuple(row.logprobs),
            finish=row.finish,
            seed=request.seed,
        )
        if row.caches is not None:
            self._kept[node] = row.caches
        return node

    # --- training ---------------------------------------------------------------------------------------------

    def logprobs(self, groups: Sequence[TrainGroup], *, temperature: float) -> list[tuple[Logprobs, ...]]:
        with self.adapter_off():
            return [tuple(row_logprobs(self._model, group, temperature)) for group in groups]

    def update(
        self, groups: Sequence[TrainGroup], objective: Objective, learning_rate: float, adam: AdamConfig
    ) -> Update:
        self.forget()
        total, logprobs, entropies = None, [], []
        for group in groups:
            part = group_gradient(self._model, group, objective, self._micro_batch)
            total = part.gradient if total is None else tree_map(mx.add, total, part.gradient)
            mx.eval(total)
            logprobs.append(tuple(part.logprobs))
            entropies += part.entropies
        clipped, norm = optim.clip_grad_norm(total, adam.max_grad_norm)
        applied = bool(mx.isfinite(norm).item())
        if applied:
            self._step(clipped, learning_rate, adam)
        mx.clear_cache()
        return Update(applied, float(norm.item()), tuple(logprobs), sum(entropies) / len(entropies))

    def _step(self, gradient: Any, learning_rate: float, adam: AdamConfig) -> None:
        optimizer = self._optimizer
        optimizer.betas, optimizer.eps = [adam.beta1, adam.beta2], adam.epsilon
        optimizer.learning_rate = learning_rate
        optimizer.update(self._model, gradient)
        mx.eval(self._model.trainable_parameters(), optimizer.state)

    @contextmanager
    def adapter_off(self) -> Iterator[None]:
        modules = mlxlm.lora_modules(self._model)
        scales, kept = [module.scale for module in modules], self._kept
        self._kept = WeakKeyDictionary()  # the adapter's keys and values are not the base model's
        for module in modules:
            module.scale = 0.0  # bit-equal to no adapter at all
        try:
            yield
        finally:
            self._kept = kept
            for module, scale in zip(modules, scales, strict=True):
                module.scale = scale

    # --- adapters ---------------------------------------------------------------------------------------------

    def new_adapter(self, config: LoraConfig, seed: int) -> None:
        self.forget()
        if self._lora is not None:
            mlxlm.detach_lora(self._model)
        mx.random.seed(seed)
        mlxlm.attach_lora(self._model, config)
        self._lora = config
        self._optimizer = optim.Adam(learning_rate=0.0, bias_correction=True)
        mx.eval(self._model.parameters())

    def save_adapter(self, folder: Path) -> None:
        if self._lora is None:
            raise ModelError("there is no adapter to save", "train one or load one first")
        _save(folder / ADAPTER_FILE, self._adapter_arrays())
        (folder / ADAPTER_CONFIG).write_text(mlxlm.lora_config_json(self._lora), encoding="utf-8")

    def _adapter_arrays(self) -> dict[str, mx.array]:
        return dict(tree_flatten(self._model.trainable_parameters()))

    def load_adapter(self, folder: Path) -> None:
        try:
            config = mlxlm.read_lora_config(folder)
            weights = _load_arrays(folder / ADAPTER_FILE)
        except (OSError, KeyError, TypeError, ValueError, RuntimeError) as error:
            raise ModelError(f"no usable adapter in {folder} ({error})", "give the folder of a checkpoint") from error
        self.new_adapter(config, seed=0)
        expected = {name: array.shape for name, array in self._adapter_arrays().items()}
        if expected != {name: array.shape for name, array in weights.items()}:
            raise ModelError(
                f"the adapter in {folder} was made for another model", "choose the model it was trained on"
            )
        self._model.load_weights(list(weights.items()), strict=False)
        mx.eval(self._model.parameters())

    def save_optimizer(self, folder: Path) -> None:
        _save(folder / OPTIMIZER_FILE, dict(tree_flatten(self._optimizer.state)))

    def load_optimizer(self, folder: Path) -> None:
        self._optimizer.state = tree_unflatten(list(_load_arrays(folder / OPTIMIZER_FILE).items()))

    def peak_memory(self) -> int:
        peak = mx.get_peak_memory()
        mx.reset_peak_memory()
        return int(peak)


def _load(folder: Path, *, float32: bool) -> tuple[Any, Any, frozenset[int]]:
    if not (folder / "config.json").is_file():
        raise ModelError(f"no model in {folder}", "give a folder with config.json, *.safetensors and a tokenizer")
    try:
        return mlxlm.load(folder.resolve(), float32=float32)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, StrictDataclassError) as error:
        reason = str(error).partition("\n")[0]
        raise ModelError(
            f"the model in {folder} cannot be loaded ({reason})", "check that its files are complete"
        ) from error


def _load_arrays(path: Path) -> dict[str, mx.array]:
    arrays = mx.load(str(path))
    assert isinstance(arrays, dict), "a safetensors file is a dictionary of arrays"
    return arrays


def _save(path: Path, arrays: dict[str, mx.array]) -> None:
    try:
        mx.save_safetensors(str(path), dict(sorted(arrays.items())))  # equal contents give equal files
    except RuntimeError as error:
        raise ResourceError(f"cannot write {path.name} ({error})", "free some disk space and resume") from error
