"""Sampling: a continuation is what a fresh start would have given, a row depends on its own seed alone, and the numbers are right."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from rrr_local.backends.base import Request
from rrr_local.backends.mlx import decode, mlxlm
from rrr_local.backends.mlx.backend import MlxBackend
from rrr_local.backends.mlx.decode import row_uniforms
from rrr_local.backends.mlx.logits import log_softmax_at, token_logprobs
from rrr_local.episode import FinishReason, Node, Span

from .tiny_models import MODELS, STOP, VOCABULARY, WINDOW, random_tokens, reflection

Backends = Callable[[str], MlxBackend]


def problem(seed: int, length: int) -> Node:
    return Node(Span.PROBLEM, None, random_tokens(np.random.default_rng(seed), length), "problem")


def prompt(after: Node, seed: int, length: int) -> Node:
    """The user's next message."""
    span = Span.REFLECT_PROMPT if after.span is Span.ATTEMPT else Span.RETRY_PROMPT
    return Node(span, after, random_tokens(np.random.default_rng(seed), length), "prompt")


def sampled_span(context: Node) -> Span:
    return {
        Span.PROBLEM: Span.ATTEMPT,
        Span.REFLECT_PROMPT: Span.REFLECTION,
        Span.RETRY_PROMPT: Span.RETRY,
    }[context.span]


def request(context: Node, seed: int = 0, limit: int = 8) -> Request:
    return Request(context, sampled_span(context), seed, limit)


def tokens(nodes: Sequence[Node]) -> list[tuple[int, ...]]:
    return [node.tokens for node in nodes]


def plain_logits(backend: MlxBackend, context: Sequence[int]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """(T, V) one forward pass over everything, without any cache."""
    return np.array(backend._model(mx.array([list(context)]))[0].astype(mx.float32), dtype=np.float64)


def greedy_oracle(backend: MlxBackend, context: Sequence[int], limit: int) -> tuple[int, ...]:
    """The most likely continuation, each token from a fresh pass over everything before it."""
    seen, start = list(context), len(context)
    while len(seen) < start + limit:
        seen.append(int(plain_logits(backend, seen)[-1].argmax()))
        if seen[-1] == STOP:
            break
    return tuple(seen[start:])


def logprobs_oracle(backend: MlxBackend, node: Node, temperature: float) -> np.ndarray[Any, np.dtype[np.float64]]:
    """The log-prob of each token of a node by a plain pass and a float64 log-softmax."""
    logits = plain_logits(backend, node.context())[-len(node.tokens) - 1 : -1] / temperature
    logits -= logits.max(-1, keepdims=True)
    picked: np.ndarray[Any, np.dtype[np.float64]] = (logits - np.log(np.exp(logits).sum(-1, keepdims=True)))[
        range(len(node.tokens)), node.tokens
    ]
    return picked


# --- continuation ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("lengths", [(5, 4), (30, 12), (61, 3), (WINDOW, 1)], ids=str)
def test_an_episode_continued_on_its_kv_is_what_fresh_passes_give(
    backend: Backends, name: str, lengths: tuple[int, int]
) -> None:
    """Attempt, reflections, retries of three problems of unequal length, beyond gemma's window, against no cache at all."""
    model = backend(name)
    roots = [problem(i, lengths[0] + 3 * i) for i in range(3)]
    attempts = model.sample([request(r, limit=9 + i) for i, r in enumerate(roots)], temperature=0, keep=True)
    asks = [prompt(node, 10 + i, lengths[1] + i) for i, node in enumerate(attempts)]
    reflections = model.sample([request(a, limit=11) for a in asks for _ in range(2)], temperature=0, keep=True)
    again = [prompt(node, 20 + i, lengths[1] + i % 2) for i, node in enumerate(reflections)]
    retries = model.sample([request(a, limit=7) for a in again], temperature=0)
    for node in (*attempts, *reflections, *retries):
        assert node.parent is not None
        assert node.tokens == greedy_oracle(model, node.parent.context(), len(node.tokens))
        assert node.tokens[-1] == STOP or node.finish is FinishReason.LENGTH
    model.forget()
    assert tokens(model.sample([request(a, limit=7) for a in again], temperature=0)) == tokens(retries)


@pytest.mark.parametrize("name", MODELS)
def test_log_probs_of_a_continuation_are_those_of_a_plain_forward(backend: Backends, name: str) -> None:
    model = backend(name)
    (attempt,) = model.sample([request(problem(1, 40), 5, 12)], temperature=0.8, keep=True)
    ask = prompt(attempt, 2, 9)
    nodes = [attempt, *model.sample([request(ask, s, 15) for s in range(4)], temperature=0.8)]
    for node in nodes:
        assert node.logprobs is not None
        assert np.array(node.logprobs, dtype=np.float32).tolist() == list(node.logprobs)
        np.testing.assert_allclose(node.logprobs, logprobs_oracle(model, node, 0.8), rtol=1e-4, atol=1e-4)
    model.forget()


@pytest.mark.parametrize("name", ["llama", "gemma3_text", "lfm2"])
@settings(max_examples=12, deadline=None)
@given(data=st.data())
def test_rows_of_any_shape_sampled_together_are_what_they_are_alone(
    backend: Backends, name: str, data: st.DataObject
) -> None:
    """Continuous admission, forks, finished rows leaving, kept contexts beside fresh ones: none of it reaches a row."""
    model = backend(name)
    width = data.draw(st.sampled_from([1, 2, 3, 5, 16]))
    kept = model.sample([request(problem(7, n), n, 6) for n in (3, 28, 50)], temperature=1, keep=True)
    fresh = [problem(8 + n, n) for n in (2, 3, 26, 45)]
    contexts = [*fresh, *(prompt(node, 5, n) for node, n in zip(kept, (1, 4, 30), strict=True))]
    chosen = data.draw(st.lists(st.tuples(st.integers(0, 6), st.integers(1, 4), st.integers(1, 40)), min_size=1))
    wanted = [
        request(contexts[at], 100 * i + k, limit) for i, (at, size, limit) in enumerate(chosen) for k in range(size)
    ]
    together = with_width(model, width).sample(wanted, temperature=1.0)
    for each, node in zip(wanted, together, strict=True):
        assert node.logprobs is not None
        np.testing.assert_allclose(node.logprobs, logprobs_oracle(model, node, 1.0), rtol=1e-3, atol=1e-3)
        assert node.parent is each.context
    some = data.draw(st.integers(0, len(wanted) - 1))
    assert tokens(model.sample([wanted[some]], temperature=1.0)) == [together[some].tokens]
    model.forget()


def with_width(model: MlxBackend, width: int) -> MlxBackend:
    """The same loaded model and kept KV behind a batch of another width."""
    other = object.__new__(MlxBackend)
    other.__dict__.update(model.__dict__)
    other._decoder = decode.Decoder(model._model, model.chat.stop_tokens, width)
    return other


@pytest.mark.parametrize("name", MODELS)
def test_forked_rows_equal_separate_rows(backend: Backends, name: str) -> None:
    model = backend(name)
    (attempt,) = model.sample([request(problem(1, 33), 5, 9)], temperature=1, keep=True)
    ask = prompt(attempt, 2, 7)
    forked = model.sample([request(ask, s, 20) for s in range(6)], temperature=1)
    apart = [model.sample([request(ask, s, 20)], temperature=1)[0] for s in range(6)]
    assert tokens(forked) == tokens(apart)
    assert len(set(tokens(forked))) == 6
    model.forget()


def test_a_prefill_in_chunks_equals_one_piece(backend: Backends, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the last chunk is a single token, which takes another path in sliding-window caches."""
    for name in ("llama", "gemma3_text", "lfm2"):
        wanted = [request(problem(n, n), n, 6) for n in (2, 9, 18, 34, 50)]
        expected = tokens(backend(name).sample(wanted, temperature=0))
        for chunk in (3, 7, 16, 48):
            monkeypatch.setattr(decode, "PREFILL_CHUNK", chunk)
            assert tokens(backend(name).sample(wanted, temperature=0)) == expected
        monkeypatch.undo()


@pytest.mark.parametrize("width", [1, 2, 3, 5, 7])
def test_a_narrow_batch_gives_the_same_tokens(
    backend: Backends, model_folder: Callable[[str], Path], width: int
) -> None:
    """Also where a group is wider than the batch, or fits only once most of the rows before it are done."""
    contexts = [problem(i, 5 + 7 * i) for i in range(4)]
    wanted = [request(c, 10 * i + k, 3 + 4 * k) for i, c in enumerate(contexts) for k in range(3)]
    narrow = MlxBackend(model_folder("llama"), width=width)
    assert narrow.width == width
    assert tokens(narrow.sample(wanted, temperature=1)) == tokens(backend("llama").sample(wanted, temperature=1))


def test_many_rounds_of_admission_keep_a_sliding_window_right(model_folder: Callable[[str], Path]) -> None:
    narrow = MlxBackend(model_folder("gemma3_text"), width=4)
    wanted = [request(problem(i, 3 + 11 * i), i, 5 + 9 * (i % 4)) for i in range(9)]
    for node in narrow.sample(wanted, temperature=0):
        assert node.parent is not None
        assert node.tokens == greedy_oracle(narrow, node.parent.context(), len(node.tokens))


def test_kept_kv_is_what_continuations_start_from(backend: Backends, monkeypatch: pytest.MonkeyPatch) -> None:
    """What an earlier phase computed is not computed again: only the last sampled token and the new turn are fed."""
    fed: list[int] = []
    forward = mlxlm.right_padded_forward

    def counted(model: Any, caches: list[Any], rows: list[list[int]], chunk: int) -> None:
        fed.append(sum(map(len, rows)))
        forward(model, caches, rows, chunk)

    monkeypatch.setattr(mlxlm, "right_padded_forward", counted)
    model = backend("qwen3")
    (attempt,) = model.sample([request(problem(1, 40))], temperature=0, keep=True)
    ask = prompt(attempt, 2, 9)
    model.sample([request(ask, s) for s in range(8)], temperature=1)
    model.forget()
    model.sample([request(ask)], temperature=1)
    assert fed == [39, 9, 40 + len(attempt.tokens) + 8]


# --- how a row ends ---------------------------------------------------------------------------------------------------


def test_a_stop_token_ends_a_row_and_stays_in_it(backend: Backends) -> None:
    model = backend("llama")
    ended = model.sample([request(problem(1, 10), s, 500) for s in range(12)], temperature=3.0)
    assert any(node.finish is FinishReason.STOP for node in ended)
    for node in ended:
        assert (node.finish is FinishReason.STOP) == (node.tokens[-1] == STOP)
        assert STOP not in node.tokens[:-1]
        assert node.truncated == (node.finish is FinishReason.LENGTH)
        assert node.truncated == (len(node.tokens) == 500 and node.tokens[-1] != STOP)
        assert "<|end|>" not in node.text
        assert node.text == model.chat.decode(node.tokens)


def test_a_limit_of_one_samples_one_token(backend: Backends) -> None:
    nodes = backend("llama").sample([request(problem(1, 10), s, 1) for s in range(4)], temperature=1)
    assert all(len(node.tokens) == 1 and node.finish is FinishReason.LENGTH for node in nodes)


def test_nothing_asked_is_nothing_sampled(backend: Backends) -> None:
    assert backend("llama").sample([], temperature=1) == []


def test_a_stream_writes_the_same_span_as_a_batch(backend: Backends) -> None:
    model = backend("qwen2")
    wanted = request(problem(3, 12), 4, 10)
    *texts, node = model.stream(wanted, temperature=1)
    (expected,) = model.sample([wanted], temperature=1)
    assert isinstance(node, Node)
    assert (node.tokens, node.logprobs, node.finish, node.text, node.seed) == (
        expected.tokens,
        expected.logprobs,
        expected.finish,
        expected.text,
        4,
    )
    assert texts == [model.chat.decode(node.tokens[: i + 1]) for i in range(len(node.tokens))]
    assert node in model._kept
    model.forget()


@pytest.mark.parametrize("after", [1, 4])
def test_a_stopped_stream_is_the_start_of_the_whole_one(backend: Backends, after: int) -> None:
    model = backend("qwen2")
    wanted = request(problem(3, 12), 5, 10)
    *_, whole = model.stream(wanted, temperature=1)
    assert isinstance(whole, Node) and len(whole.tokens) == 10
    answers = iter([False] * (after - 1) + [True])
    *texts, node = model.stream(wanted, temperature=1, cancelled=lambda: next(answers))
    assert isinstance(node, Node)
    assert (node.tokens, node.finish) == (whole.tokens[:after], FinishReason.CANCELLED)
    assert len(texts) == after and texts[-1] == node.text
    assert node not in model._kept
    (further,) = model.sample([request(prompt(node, 5, 6))], temperature=0)
    assert further.tokens == greedy_oracle(model, [*node.context(), *prompt(node, 5, 6).tokens], 8)
    model.forget()


def test_a_stream_that_has_ended_cannot_be_stopped(backend: Backends) -> None:
    model = backend("qwen2")
    *_, node = model.stream(request(problem(3, 12), 5, 2), temperature=1, cancelled=iter([False, True]).__next__)
    assert isinstance(node, Node) and node.finish is FinishReason.LENGTH
    model.forget()


def test_all_is_forgotten_but_what_a_continuation_starts_from(backend: Backends) -> None:
    model = backend("llama")
    one, other = model.sample([request(problem(s, 12), s) for s in (1, 2)], temperature=1, keep=True)
    (two,) = model.sample([request(prompt(one, 5, 6))], temperature=1, keep=True)
    unkept = prompt(two, 6, 3)
    assert len(model._kept) == 3
    model.forget(keep=unkept)
    assert list(model._kept) == [two]
    model.forget(keep=other)
    assert list(model._kept) == []


# --- draws ------------------------------------------------------------------------------------------------------------


def test_greedy_takes_the_most_likely_token(backend: Backends) -> None:
    model, root = backend("llama"), problem(4, 17)
    (node,) = model.sample([request(root, limit=1)], temperature=0)
    assert node.tokens == (int(plain_logits(model, root.tokens)[-1].argmax()),)


@pytest.mark.parametrize("temperature", [0.6, 1.0])
def test_draws_follow_the_softmax(backend: Backends, temperature: float) -> None:
    model, root, draws = backend("llama"), problem(4, 17), 6000
    nodes = model.sample([request(root, seed, 1) for seed in range(draws)], temperature=temperature)
    logits = plain_logits(model, root.tokens)[-1] / temperature
    expected = np.exp(logits - logits.max())
    expected *= draws / expected.sum()
    counts = np.bincount([node.tokens[0] for node in nodes], minlength=VOCABULARY)
    common = expected >= 5
    assert common.sum() > 10
    observed = [*counts[common], counts[~common].sum()]
    assert chisquare(observed, [*expected[common], expected[~common].sum()]).pvalue > 1e-3


@settings(max_examples=200, deadline=None)
@given(
    logits=st.lists(st.floats(-40, 40, width=32), min_size=1, max_size=60),
    draw=st.one_of(st.floats(0, 1, exclude_max=True, width=32), st.just(1 - 2**-24)),
)
def test_a_draw_finds_the_token_at_which_the_cumulative_distribution_passes_it(
    logits: list[float], draw: float
) -> None:
    probabilities = np.exp(np.array(logits) - max(logits))
    cumulative = np.cumsum(probabilities / probabilities.sum())
    (found,) = np.array(decode._invert(log_softmax_at(mx.array([logits]), 1.0), mx.array([draw]))).tolist()
    below = 0.0 if found == 0 else cumulative[found - 1]
    assert below - 1e-5 <= draw <= cumulative[found] + 1e-5
    assert probabilities[found] > 0


def test_the_draws_of_a_seed_are_fixed() -> None:
    """A run that is resumed with a newer version of the program has to draw the same."""
    assert row_uniforms(1, 8)[:3].tolist() == [0.4585343599319458, 0.3035680055618286, 0.7294625043869019]
    assert row_uniforms(0, 2).tolist() != row_uniforms(1, 2).tolist()
    many = row_uniforms(2**63 - 1, 20_000)
    assert many.dtype == np.float32
    assert 0 <= many.min() < 0.01 and 0.99 < many.max() < 1


@pytest.mark.parametrize("dtype", [mx.bfloat16, mx.float16])
def test_log_probs_are_float32_whatever_the_model_is_in(dtype: mx.Dtype) -> None:
    mx.random.seed(1)
    logits = (12 * mx.random.normal((2, 3, 400))).astype(dtype)
    exact = np.array(logits.astype(mx.float32), dtype=np.float64) / 0.7
    expected = exact - np.log(np.exp(exact).sum(-1, keepdims=True))
    found = log_softmax_at(logits, 0.7)
    assert found.dtype == mx.float32
    np.testing.assert_allclose(np.array(found), expected, rtol=1e-5, atol=1e-5)
    chosen = mx.array([[1, 2, 3], [4, 5, 399]])
    picked, entropy = token_logprobs(logits, chosen, 0.7)
    assert picked.dtype == entropy.dtype == mx.float32
    np.testing.assert_allclose(
        np.array(picked), np.take_along_axis(expected, np.array(chosen)[..., None], -1)[..., 0], rtol=1e-5, atol=1e-5
    )
    np.testing.assert_allclose(np.array(entropy), -(np.exp(expected) * expected).sum(-1), rtol=1e-4, atol=1e-4)


def test_a_half_precision_model_gives_the_float32_log_probs_of_its_own_logits(
    model_folder: Callable[[str], Path],
) -> None:
    model = MlxBackend(model_folder("qwen3"))
    model._model.set_dtype(mx.bfloat16)
    root = problem(5, 20)
    (node,) = model.sample([request(root, 3, 1)], temperature=0.5)
    caches = mlxlm.merge_caches([mlxlm.empty_caches(model._model)])
    model._model(mx.array([root.tokens[:-1]]), cache=caches)
    logits = model._model(mx.array([root.tokens[-1:]]), cache=caches)[0, -1]
    assert logits.dtype == mx.bfloat16
    exact = np.array(logits.astype(mx.float32), dtype=np.float64) / 0.5
    assert node.logprobs is not None
    assert node.logprobs[0] == pytest.approx(exact[node.tokens[0]] - np.log(np.exp(exact).sum()), abs=1e-4)


def test_wired_memory_is_left_alone(model_folder: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the proven ingredient of macOS kernel panics; mlx-lm's own generators set it silently."""
    calls: list[object] = []
    monkeypatch.setattr(mx, "set_wired_limit", lambda *args: calls.append(args))
    model = MlxBackend(model_folder("llama"))
    (node,) = model.sample([request(problem(1, 10))], temperature=1, keep=True)
    list(model.stream(request(prompt(node, 2, 4)), temperature=1))
    model.forget()
    assert calls == []


def test_a_reflection_put_after_another_prompt_is_read_as_it_stands(backend: Backends) -> None:
    """The shuffled control: a reflection that this backend never sampled there, on a prompt whose attempt it kept."""
    model = backend("qwen3")
    (attempt,) = model.sample([request(problem(1, 30))], temperature=0, keep=True)
    foreign = reflection(prompt(attempt, 2, 5), random_tokens(np.random.default_rng(3), 6), (0.0,) * 6)
    ask = prompt(foreign, 4, 5)
    (retry,) = model.sample([request(ask)], temperature=0)
    assert retry.tokens == greedy_oracle(model, ask.context(), len(retry.tokens))
    model.forget()
