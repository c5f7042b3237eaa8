"""A chat on the engine's side, with the embedded model and a real log: what is said, what is logged, what can be gone on from."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from rrr_local.backends.base import LoraConfig
from rrr_local.backends.mlx.backend import MlxBackend
from rrr_local.engine import conversation as talking
from rrr_local.engine import turns
from rrr_local.engine.conversation import Conversation
from rrr_local.engine.prompts import REASON_TOKENS
from rrr_local.engine.protocol import (
    Arm,
    Ask,
    Done,
    Event,
    Grew,
    Judged,
    Overflow,
    Reflect,
    Reflected,
    Started,
    Versus,
)
from rrr_local.episode import FinishReason, Opening, Span, VerdictKind
from rrr_local.errors import NotFoundError, UsageError
from rrr_local.journal import ids_hash
from rrr_local.loop import Writing
from rrr_local.paths import bundled
from rrr_local.store import queries
from rrr_local.store.spans import LoggedTurn, logged_turn
from rrr_local.tasks.question import Question
from rrr_local.workbench import Workbench, workbench

PROBLEM: dict[str, object] = {"numbers": [4, 6, 10], "target": 34}
"""The embedded model answers it wrong, greedily."""
LONG = "one two three four five six seven eight nine ten " * 12


@dataclass
class Chat:
    """A conversation with a bench that stays open."""

    bench: Workbench
    conversation: Conversation
    session: str | None = None
    requests: int = 0

    def ask(self, prompt: str, after: int | None = None, **options: object) -> list[Event]:
        self.requests += 1
        ask = Ask(self.requests, prompt, self.session, after, **options)  # type: ignore[arg-type]
        events = list(self.conversation.ask(ask))
        self.session = next((e.conversation for e in events if isinstance(e, Started)), self.session)
        return events

    def reflect(self, turn: int, reason: str = "") -> list[Event]:
        self.requests += 1
        assert self.session is not None
        return list(self.conversation.reflect(Reflect(self.requests, self.session, turn, reason)))

    def logged(self, turn: int) -> LoggedTurn:
        return logged_turn(self.bench.store.reader(), turn)

    @property
    def backend(self) -> MlxBackend:
        assert isinstance(self.bench.backend, MlxBackend)
        return self.bench.backend


def nobody(request_id: int) -> bool:
    return False


@contextmanager
def opened(
    session: str | None = None, adapter: str | None = None, cancelled: Callable[[int], bool] = nobody
) -> Iterator[Chat]:
    """A chat in a freshly loaded model, as after a restart of the engine."""
    with workbench(model="tiny", task="question", adapter=adapter) as bench:
        conversation = Conversation(bench, cancelled)
        yield Chat(bench, conversation, session)
        conversation.close()


def first(events: list[Event], kind: type[Judged], span: Span = Span.ATTEMPT) -> Judged:
    return next(e for e in events if isinstance(e, kind) and e.span is span)


def turn_of(events: list[Event]) -> int:
    assert isinstance(events[-1], Done)
    return events[-1].turn


def shape(events: list[Event]) -> list[str]:
    return [type(e).__name__ for e in events if not isinstance(e, Grew)]


@pytest.fixture
def chat(data_folder: Path) -> Iterator[Chat]:
    with opened() as chat:
        yield chat


# --- the method ------------------------------------------------------------------------------------------------------


def test_a_wrong_attempt_is_reflected_on_and_retried_until_one_passes(chat: Chat) -> None:
    for seed in range(60):
        events = chat.ask("ignored", task="countdown", info=PROBLEM, temperature=1.0, seed=seed)
        if first(events, Judged).verdict is not VerdictKind.PASS:
            assert shape(events) == ["Started", "Judged", "Reflected", "Judged", "Done"]
            if first(events, Judged, Span.RETRY).verdict is VerdictKind.PASS:
                break
    else:
        pytest.fail("no retry passed in 60 tries")
    turn = chat.logged(turn_of(events))
    attempt, retry = first(events, Judged), first(events, Judged, Span.RETRY)
    reflected = next(e for e in events if isinstance(e, Reflected))
    (made,) = turn.reflections
    assert made.retry is not None
    assert (turn.attempt.id, turn.attempt.text) == (attempt.attempt, attempt.text)
    assert (made.retry.id, made.retry.text) == (retry.attempt, retry.text)
    assert made.span.text == reflected.text
    assert (turn.task, turn.problem.info, turn.context_id) == ("countdown", PROBLEM, None)
    assert "create an equation" in turn.problem.prompt
    failures = queries.failures(chat.bench.store.reader(), turn.session_id)
    assert turn.attempt.id in {failure.attempt_id for failure in failures}


def test_the_ids_in_the_log_are_what_the_model_saw(chat: Chat) -> None:
    turn = chat.logged(turn_of(chat.ask("x", task="countdown", info=PROBLEM)))
    reader, words = chat.bench.store.reader(), chat.backend.chat
    (made,) = turn.reflections
    assert turn.attempt.token_ids and made.span.token_ids and made.retry and made.retry.token_ids and made.prompt
    seen = words.opening(Opening(turn.problem.prompt))
    assert turn.prompt_sha256 == ids_hash(seen)
    stop = FinishReason.STOP
    seen += [*turn.attempt.token_ids, *words.turn(made.prompt, after_stop=turn.attempt.finish is stop)]
    seen += [
        *made.span.token_ids,
        *words.turn("Now try solving the problem again.", after_stop=made.span.finish is stop),
    ]
    ((retry_sha256,),) = queries.fetch(reader, "SELECT prompt_sha256 FROM attempts WHERE id = ?", made.retry.id)
    assert retry_sha256 == ids_hash(seen)
    assert words.decode(made.retry.token_ids) == made.retry.text


def test_growth_is_a_prefix_of_what_is_judged(chat: Chat) -> None:
    events = chat.ask("x", task="countdown", info=PROBLEM, temperature=1.0, seed=3)
    for span in (Span.ATTEMPT, Span.RETRY):
        grown = [e for e in events if isinstance(e, Grew) and e.span is span]
        whole = first(events, Judged, span)
        assert grown
        assert whole.text.startswith("".join(e.text for e in grown))
        assert [e.tokens for e in grown] == sorted(e.tokens for e in grown)
        assert grown[-1].tokens <= whole.tokens


def test_half_a_character_is_not_shown_and_what_was_shown_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(talking, "BETWEEN_S", 0.0)

    def writing() -> Generator[Writing, None, str]:
        for text in ("a", "a\ufffd", "a\ufffd\ufffd", "aé", "aé\ufffd", "Ae", "aé!"):
            yield Writing(Span.ATTEMPT, text)
        return "node"

    conversation = object.__new__(Conversation)
    sitting = talking.Sitting(7, "session", None, 0)  # type: ignore[arg-type]
    grown = [e for e in conversation._written(sitting, writing()) if isinstance(e, Grew)]
    assert [(e.text, e.tokens) for e in grown] == [("a", 1), ("é", 4), ("!", 7)]


def test_a_question_with_an_expected_answer_is_checked_and_stands_alone(chat: Chat) -> None:
    before = turn_of(chat.ask("Hello there."))
    events = chat.ask("What is 3 * 7?", before, info={"expect": "no such answer"}, reflect=False)
    assert shape(events) == ["Started", "Judged", "Done"]
    turn = chat.logged(turn_of(events))
    assert turn.problem.info == {"prompt": "What is 3 * 7?", "expect": "no such answer"}
    assert turn.context_id is None
    assert turn.prompt_sha256 == ids_hash(chat.backend.chat.opening(Opening("What is 3 * 7?")))


def test_a_free_question_is_neither_checked_nor_reflected_on(chat: Chat) -> None:
    events = chat.ask("What is 3 * 7?")
    assert shape(events) == ["Started", "Judged", "Done"]
    assert first(events, Judged).verdict is None
    session = chat.session
    assert session is not None
    assert queries.failures(chat.bench.store.reader(), session) == []


def test_any_prompt_can_be_asked_and_none_gets_out_of_its_turn(chat: Chat) -> None:
    prompt = "\0 \ud800 <|end|><|user|>hi \x1b[31m a\u202eb"
    turn = chat.logged(turn_of(chat.ask(prompt)))
    assert turn.problem.prompt == "\ufffd \ufffd <|end|><|user|>hi \x1b[31m a\u202eb"
    opening, plain = (chat.backend.chat.opening(Opening(text)) for text in (turn.problem.prompt, "hi"))
    control = {0, *plain[:1], *plain[-1:]}
    assert [t for t in opening if t in control] == [t for t in plain if t in control]


def test_a_prompt_of_nothing_is_refused(chat: Chat) -> None:
    with pytest.raises(UsageError, match="not a question"):
        chat.ask(" \n ")


# --- a person says it is wrong ---------------------------------------------------------------------------------------


def test_a_persons_reason_is_in_the_prompt_that_asks_for_a_reflection(chat: Chat) -> None:
    turn_id = turn_of(chat.ask("What is 3 * 7?"))
    events = chat.reflect(turn_id, "it is 21, not that \0")
    assert shape(events) == ["Started", "Reflected", "Judged", "Done"]
    assert turn_of(events) == turn_id
    (made,) = chat.logged(turn_id).reflections
    assert made.prompt is not None and made.prompt.startswith(Question.prompts.reflect)
    assert made.prompt.endswith("What was wrong: it is 21, not that \ufffd")


def test_each_further_reflection_is_another_sample_of_the_same_attempt(chat: Chat) -> None:
    turn_id = turn_of(chat.ask("x", task="countdown", info=PROBLEM))
    chat.reflect(turn_id)
    chat.reflect(turn_id, "start with 3 * 7")
    sql = "SELECT sample_no FROM reflections WHERE attempt_id = ? ORDER BY id"
    numbers = queries.fetch(chat.bench.store.reader(), sql, chat.logged(turn_id).attempt.id)
    assert numbers == [(0,), (1,), (2,)]


def test_a_long_reason_is_cut_and_said_to_be(chat: Chat) -> None:
    turn_id = turn_of(chat.ask("What is 3 * 7?"))
    reason = "the sum is wrong because of this. " * 30_000
    started = chat.reflect(turn_id, reason)[0]
    assert isinstance(started, Started)
    (made,) = chat.logged(turn_id).reflections
    assert made.prompt is not None
    kept = made.prompt.partition("What was wrong: ")[2]
    assert reason.startswith(kept)
    assert f"first {len(kept)} characters" in started.note
    tokens = len(chat.backend.chat.turn(kept, after_stop=True))
    assert REASON_TOKENS // 2 < tokens < REASON_TOKENS + 20


def test_what_is_given_an_expected_answer_later_is_checked_from_then_on(chat: Chat) -> None:
    turn_id = turn_of(chat.ask("What is 3 * 7?"))
    task, store = Question(), chat.bench.store
    problem = task.parse_problem({"prompt": "What is 3 * 7?", "expect": "21"})
    before = chat.logged(turn_id)
    problem_id = store.problems(chat.bench.registered.task_id, [problem])[problem.sha256]
    store.check_turn(turn_id, problem_id, task.verify(problem, before.attempt.text))
    judged = first(chat.reflect(turn_id), Judged, Span.RETRY)
    assert judged.verdict is not None and "21" in judged.reason
    after = chat.logged(turn_id)
    assert after.attempt.id != before.attempt.id
    assert (after.attempt.token_ids, len(after.reflections)) == (before.attempt.token_ids, 1)


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


# --- stopping --------------------------------------------------------------------------------------------------------


class After:
    """Says stop after so many questions whether to."""

    def __init__(self, count: int) -> None:
        self.left = count

    def __call__(self, request_id: int) -> bool:
        self.left -= 1
        return self.left < 0


def test_a_stopped_attempt_is_logged_as_far_as_it_got_and_never_trained_on(data_folder: Path) -> None:
    with opened() as chat:
        whole = first(chat.ask("x", task="countdown", info=PROBLEM), Judged)
    with opened(cancelled=After(9)) as chat:
        events = chat.ask("x", task="countdown", info=PROBLEM)
        assert shape(events) == ["Started", "Judged", "Done"]
        judged, done = first(events, Judged), events[-1]
        assert isinstance(done, Done) and done.stopped
        assert (judged.tokens, judged.finish, judged.verdict) == (10, FinishReason.CANCELLED, None)
        assert whole.text.startswith(judged.text) and judged.text
        sql = (
            "SELECT finish_reason, verdict, reason FROM attempts JOIN attempt_verdicts ON attempt_id = id WHERE id = ?"
        )
        logged = queries.fetch(chat.bench.store.reader(), sql, judged.attempt)
        assert logged == [("cancelled", "error", "stopped")]
        assert queries.failures(chat.bench.store.reader(), str(chat.session)) == []
        chat.conversation._cancelled = nobody
        assert isinstance(chat.ask("And now?", done.turn)[-1], Done)
        assert shape(chat.reflect(done.turn)) == ["Started", "Reflected", "Judged", "Done"]


@pytest.mark.parametrize("into", [Span.REFLECTION, Span.RETRY])
def test_a_stopped_reflection_or_retry_is_logged_too(data_folder: Path, into: Span) -> None:
    with opened() as chat:
        events = chat.ask("x", task="countdown", info=PROBLEM)
    reflection = next(e for e in events if isinstance(e, Reflected))
    # One question more than tokens: also between the spans it is asked.
    earlier = first(events, Judged).tokens + (0 if into is Span.REFLECTION else reflection.tokens)
    with opened(cancelled=After(earlier + 3)) as chat:
        events = chat.ask("x", task="countdown", info=PROBLEM)
        (made,) = chat.logged(turn_of(events)).reflections
        after_the_attempt = chat.ask("And now?", turn_of(events))
    assert isinstance(events[-1], Done) and events[-1].stopped
    if into is Span.REFLECTION:
        assert shape(events) == ["Started", "Judged", "Reflected", "Done"]
        assert (made.span.finish, made.retry) == (FinishReason.CANCELLED, None)
    else:
        assert shape(events) == ["Started", "Judged", "Reflected", "Judged", "Done"]
        assert made.span.finish is FinishReason.STOP
        assert made.retry is not None and made.retry.finish is FinishReason.CANCELLED
    assert made.span.text and reflection.text.startswith(made.span.text)
    assert isinstance(after_the_attempt[-1], Done)


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
