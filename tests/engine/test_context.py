"""Going on in a conversation: what stands in the model's context, after a restart too, and what does not fit into it."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import pytest

from rrr_local.engine import turns
from rrr_local.engine.conversation import Conversation
from rrr_local.engine.protocol import (
    Ask,
    Judged,
    Overflow,
    Reflect,
    Reflected,
    Started,
)
from rrr_local.episode import FinishReason, Opening
from rrr_local.errors import NotFoundError, UsageError
from rrr_local.paths import bundled
from rrr_local.store import queries
from rrr_local.workbench import workbench

from .talk import LONG, PROBLEM, Chat, first, nobody, opened, turn_of

# --- going on --------------------------------------------------------------------------------------------------------


def test_a_free_question_continues_the_last_reply_of_the_turn_before(chat: Chat) -> None:
    one = turn_of(chat.ask("x", task="countdown", info=PROBLEM))
    events = chat.ask("Why?", one)
    started, judged = events[0], first(events, Judged)
    assert isinstance(started, Started)
    turn, before = chat.logged(turn_of(events)), chat.logged(one)
    assert turn.context_id == one
    retry = before.reflections[0].retry
    assert retry is not None and retry.token_ids is not None and turn.attempt.token_ids is not None
    asked = chat.backend.chat.turn("Why?", after_stop=retry.finish is FinishReason.STOP)
    assert judged.used == started.used + len(turn.attempt.token_ids)
    assert started.used > len(retry.token_ids) + len(asked) + len(
        chat.backend.chat.opening(Opening(before.problem.prompt))
    )


@pytest.mark.parametrize("kept", [turns.MOST, 1])
def test_after_a_restart_the_conversation_goes_on_as_it_would_have(
    data_folder: Path, kept: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "MOST", kept)
    with opened() as chat:
        one = turn_of(chat.ask("x", task="countdown", info=PROBLEM))
        two = turn_of(chat.ask("Use 3, 5 and 8 to make 24.", one, temperature=1.0, seed=1))
        chat.reflect(two, "too short")
        three = turn_of(chat.ask("And now 25?", two))
        unbroken = [chat.ask("And 26?", turn) for turn in (three, two, one)]
        session = chat.session
    with opened(session) as chat:
        again = [chat.ask("And 26?", turn) for turn in (three, two, one)]
    for before, after in zip(unbroken, again, strict=True):
        assert isinstance(before[0], Started) and isinstance(after[0], Started)
        assert after[0].used == before[0].used
        assert first(after, Judged).text == first(before, Judged).text


def test_a_turn_is_found_again_behind_the_reply_it_followed(data_folder: Path) -> None:
    """A reply that was added to the turn before afterwards does not get in between."""
    with opened() as chat:
        one = turn_of(chat.ask("Use 3, 5 and 8 to make 24."))
        two = turn_of(chat.ask("And 25?", one))
        chat.reflect(one)
        unbroken = chat.ask("And 26?", two)
        session = chat.session
    with opened(session) as chat:
        again = chat.ask("And 26?", two)
        newer = chat.ask("And 26?", one)
    used = [events[0].used for events in (unbroken, again, newer) if isinstance(events[0], Started)]
    assert used[0] == used[1] != used[2]
    assert first(again, Judged).text == first(unbroken, Judged).text


def test_only_the_newest_context_keeps_its_keys_and_values(chat: Chat) -> None:
    after = None
    for n in range(4):
        after = turn_of(chat.ask(f"Use {n + 2}, 5 and 8 to make 24.", after))
        assert len(chat.backend._kept) == 1
    chat.ask("x", task="countdown", info=PROBLEM)
    assert len(chat.backend._kept) == 1
    chat.conversation.close()
    assert len(chat.backend._kept) == 0


def test_a_conversation_held_with_another_model_is_not_gone_on_with(data_folder: Path, tmp_path: Path) -> None:
    with opened() as chat:
        turn_id, session = turn_of(chat.ask("Hello.")), chat.session
    other = tmp_path / "other"
    other.mkdir()
    for file in bundled("tiny").iterdir():
        (other / file.name).write_bytes(file.read_bytes())
    (other / "generation_config.json").write_text("{}")
    with workbench(model=str(other), task="question") as bench:
        with pytest.raises(UsageError, match="another model"):
            list(Conversation(bench, nobody).ask(Ask(1, "And?", session, turn_id)))
        with pytest.raises(UsageError, match="another model"):
            list(Conversation(bench, nobody).reflect(Reflect(1, str(session), turn_id)))


def test_turns_of_other_conversations_and_none_are_refused(chat: Chat) -> None:
    elsewhere = turn_of(chat.ask("Hello."))
    chat.session = None
    with pytest.raises(UsageError, match="no conversation"):
        chat.ask("And?", elsewhere)
    chat.ask("Hello again.")
    for turn in (elsewhere, 999):
        with pytest.raises(NotFoundError, match="turn"):
            chat.ask("And?", turn)
        with pytest.raises(NotFoundError, match="turn"):
            chat.reflect(turn)
    chat.session = "nowhere"
    with pytest.raises(NotFoundError, match="no conversation nowhere"):
        chat.ask("And?")


def test_the_end_of_a_conversation_is_logged(data_folder: Path) -> None:
    sql = "SELECT kind, adapter_id, ended_at IS NULL FROM sessions"
    with opened() as chat:
        chat.ask("Hello.")
        assert queries.fetch(chat.bench.store.reader(), sql) == [("chat", None, 1)]
        chat.conversation.close()
        chat.bench.store.flush()
        assert queries.fetch(chat.bench.store.reader(), sql) == [("chat", None, 0)]


# --- too long --------------------------------------------------------------------------------------------------------


def test_what_does_not_fit_is_said_before_anything_is_sampled_and_fits_without_the_oldest_turns(
    data_folder: Path,
) -> None:
    with opened() as chat:
        path: list[int] = []
        while True:
            events = chat.ask(f"{len(path)} {LONG}", path[-1] if path else None)
            if isinstance(events[0], Overflow):
                break
            path.append(turn_of(events))
        (overflow,) = events
        assert isinstance(overflow, Overflow)
        limit = chat.bench.backend.context
        assert overflow.needed > limit == overflow.limit == 1024
        assert 0 < overflow.drop < len(path)
        assert queries.fetch(chat.bench.store.reader(), "SELECT count(*) FROM turns") == [(len(path),)]
        fitted = chat.ask(f"{len(path)} {LONG}", path[-1], fit=True)
        started = fitted[0]
        assert isinstance(started, Started)
        assert started.dropped == overflow.drop
        assert started.used + chat.bench.limits.attempt <= limit
        assert chat.logged(turn_of(fitted)).context_id == path[-1]
        unbroken, session = chat.ask("Go on.", turn_of(fitted), fit=True), chat.session
    with opened(session) as chat:
        again = chat.ask("Go on.", turn_of(fitted), fit=True)
    assert isinstance(unbroken[0], Started) and isinstance(again[0], Started)
    assert (again[0].used, again[0].dropped) == (unbroken[0].used, unbroken[0].dropped)
    assert first(again, Judged).text == first(unbroken, Judged).text


def test_a_prompt_that_never_fits_is_refused_with_and_without_fit(chat: Chat) -> None:
    before = turn_of(chat.ask("Hello."))
    for fit in (False, True):
        (overflow,) = chat.ask("word " * 30_000, before, fit=fit)
        assert isinstance(overflow, Overflow)
        assert overflow.drop == -1 and overflow.needed > 30_000


def test_a_turn_that_fits_only_alone_has_no_context(chat: Chat) -> None:
    one = turn_of(chat.ask(LONG))
    longest = LONG * 2
    room = chat.bench.limits.attempt
    assert len(chat.backend.chat.opening(Opening(longest))) + room < 1024
    events = chat.ask(longest, one, fit=True)
    assert isinstance(events[0], Started) and events[0].dropped == 1
    assert chat.logged(turn_of(events)).context_id is None
    chat.ask("Short.", turn_of(events), fit=True)


def test_room_for_the_reflection_and_the_retry_is_asked_for_too(chat: Chat) -> None:
    prompt, info = LONG * 2, {"expect": "no"}
    (overflow,) = chat.ask(prompt, info=info)
    assert isinstance(overflow, Overflow) and overflow.drop == -1
    events = chat.ask(prompt, info=info, reflect=False)
    (refused,) = chat.reflect(turn_of(events))
    assert isinstance(refused, Overflow) and refused.drop == -1


def test_a_reflection_is_in_the_log_before_its_retry_is_written_and_the_conversation_goes_on_without_that(
    data_folder: Path,
) -> None:
    with opened() as chat:
        events = chat.conversation.ask(
            Ask(1, "ignored", None, None, task="countdown", info=PROBLEM, temperature=0.0, reflect=True)
        )
        written = next(event for event in events if isinstance(event, Reflected))
        assert isinstance(events, Generator)
        events.close()  # as the engine's end would: nothing after this is carried out
        (kept,) = chat.logged(written.turn).reflections
        assert (kept.span.text, kept.retry) == (written.text, None)
        session = queries.fetch(chat.bench.store.reader(), "SELECT session_id FROM turns")[0][0]
    with opened(session) as chat:
        again = chat.reflect(written.turn)
        assert [type(event) for event in again if isinstance(event, Reflected | Judged)] == [Reflected, Judged]
        first_made, second_made = chat.logged(written.turn).reflections
        assert first_made.retry is None and second_made.retry is not None
