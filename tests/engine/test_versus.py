"""The same problem for the bare model and for the adapter."""

from __future__ import annotations

from pathlib import Path

import pytest

from rrr_local.backends.base import LoraConfig
from rrr_local.backends.mlx.backend import MlxBackend
from rrr_local.engine.protocol import (
    Arm,
    Done,
    Grew,
    Judged,
    Overflow,
    Started,
    Versus,
)
from rrr_local.errors import UsageError
from rrr_local.paths import bundled
from rrr_local.store import queries

from .talk import PROBLEM, Chat, first, opened, shape

# --- with and without the adapter ------------------------------------------------------------------------------------


@pytest.fixture
def adapter(tmp_path: Path) -> str:
    """An adapter that changes what the embedded model says."""
    import mlx.core as mx

    backend = MlxBackend(bundled("tiny").resolve())
    backend.new_adapter(LoraConfig(), seed=3)
    weights = {name: mx.random.normal(array.shape) * 0.3 for name, array in backend._adapter_arrays().items()}
    backend._model.load_weights(list(weights.items()), strict=False)
    folder = tmp_path / "adapter"
    folder.mkdir()
    backend.save_adapter(folder)
    return str(folder)


def test_both_arms_answer_and_the_base_arm_is_the_bare_model(data_folder: Path, adapter: str) -> None:
    with opened() as chat:
        bare = first(chat.ask("x", task="countdown", info=PROBLEM), Judged)
    with opened(adapter=adapter) as chat:
        with_it = first(chat.ask("x", task="countdown", info=PROBLEM, reflect=False), Judged)
        versus = Versus(50, "x", chat.session, "countdown", PROBLEM)
        events = list(chat.conversation.versus(versus))
        assert shape(events) == ["Started", "Judged", "Judged", "Done"]
        base, tuned = (e for e in events if isinstance(e, Judged))
        assert (base.arm, tuned.arm, base.turn, tuned.turn) == (Arm.BASE, Arm.ADAPTER, 0, 0)
        assert {e.arm for e in events if isinstance(e, Grew)} == {Arm.BASE, Arm.ADAPTER}
        assert (base.text, base.verdict) == (bare.text, bare.verdict)
        assert tuned.text == with_it.text != base.text
        sql = "SELECT id, adapter_id, session_id FROM attempts ORDER BY id DESC LIMIT 3"
        logged = queries.fetch(chat.bench.store.reader(), sql)
        ours, session = chat.bench.adapter_id, chat.session
        assert logged == [
            (tuned.attempt, ours, session),
            (base.attempt, None, session),
            (with_it.attempt, ours, session),
        ]
        # The chat itself still has the adapter, and its context.
        assert first(chat.ask("x", task="countdown", info=PROBLEM), Judged).text == with_it.text


def test_without_an_adapter_there_is_nothing_to_compare(chat: Chat) -> None:
    with pytest.raises(UsageError, match="no adapter"):
        list(chat.conversation.versus(Versus(1, "Hello.")))


def test_a_comparison_may_begin_a_conversation_and_may_be_too_long(data_folder: Path, adapter: str) -> None:
    with opened(adapter=adapter) as chat:
        (overflow,) = chat.conversation.versus(Versus(1, "word " * 2000))
        assert isinstance(overflow, Overflow)
        started, *_, done = chat.conversation.versus(Versus(2, "Hello."))
        assert isinstance(started, Started) and isinstance(done, Done)
        sql = "SELECT session_id FROM attempts"
        assert queries.fetch(chat.bench.store.reader(), sql) == [(started.conversation,)] * 2
