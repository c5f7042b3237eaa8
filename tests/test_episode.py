"""The token tree: a path is what the model saw, and a node that cannot exist is refused."""

from __future__ import annotations

import gc
import weakref

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rrr_local.episode import SAMPLED, FinishReason, Node, Span, Verdict, VerdictKind
from rrr_local.seeds import derive

TOKENS = st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=6).map(tuple)


def node(span: Span, parent: Node | None, tokens: tuple[int, ...] = (1,)) -> Node:
    finish = FinishReason.STOP if span in SAMPLED else None
    return Node(span, parent, tokens, "text", (-1.0,) * len(tokens) if finish else None, finish)


@given(st.lists(TOKENS, min_size=6, max_size=6))
def test_a_path_put_together_is_what_the_model_saw(parts: list[tuple[int, ...]]) -> None:
    last: Node | None = None
    nodes = []
    for span, tokens in zip(Span, parts, strict=True):
        last = node(span, last, tokens)
        nodes.append(last)
    assert last is not None
    assert last.path() == nodes
    assert last.context() == [t for tokens in parts for t in tokens]
    assert nodes[2].context() == [t for tokens in parts[:3] for t in tokens]


def test_samples_with_equal_tokens_are_two_nodes() -> None:
    root = node(Span.PROBLEM, None)
    one, other = node(Span.ATTEMPT, root), node(Span.ATTEMPT, root)
    assert one != other and len({one, other}) == 2


def test_a_node_can_be_forgotten() -> None:
    """Backends keep KV by weak reference: it goes when the episode does."""
    root = node(Span.PROBLEM, None)
    seen = weakref.ref(root)
    del root
    gc.collect()
    assert seen() is None


def test_nodes_that_cannot_be_are_refused() -> None:
    root = node(Span.PROBLEM, None)
    with pytest.raises(ValueError, match="adds no token"):
        node(Span.ATTEMPT, root, ())
    with pytest.raises(ValueError, match="2 tokens with 1 log-probs"):
        Node(Span.ATTEMPT, root, (1, 2), "x", (-1.0,), FinishReason.STOP)
    for span in Span:
        with pytest.raises(ValueError, match="only attempt, reflection, retry are sampled"):
            Node(span, root, (1,), "x", finish=None if span in SAMPLED else FinishReason.STOP)


def test_only_what_reached_its_limit_is_truncated() -> None:
    for finish in FinishReason:
        assert Node(Span.RETRY, None, (1,), "x", finish=finish).truncated == (finish is FinishReason.LENGTH)


def test_a_verdict_scores_one_zero_or_nothing() -> None:
    scores = {kind: Verdict(kind, "why").score for kind in VerdictKind}
    assert scores == {
        VerdictKind.PASS: 1.0,
        VerdictKind.FAIL: 0.0,
        VerdictKind.UNPARSED: 0.0,
        VerdictKind.TIMEOUT: 0.0,
        VerdictKind.ERROR: None,
    }
    assert [kind for kind in VerdictKind if Verdict(kind, "why").passed] == [VerdictKind.PASS]


NAMES = st.lists(st.one_of(st.integers(), st.text(alphabet="abc", max_size=3)), min_size=1, max_size=4)


@given(NAMES)
def test_a_seed_fits_the_log_and_is_the_same_each_time(name: list[int | str]) -> None:
    assert 0 <= derive(*name) < 2**63
    assert derive(*name) == derive(*name)


def test_a_seed_depends_on_every_part_of_its_name() -> None:
    names = [(1, "step", 2), (1, "step", 3), (2, "step", 2), (1, "pets", 2), (1, "step"), (1, "step", 2, 0)]
    assert len({derive(*name) for name in names}) == len(names)
    assert derive(1, "step", 2) == 537222460303233396, "resumed runs need the seeds they started with"
