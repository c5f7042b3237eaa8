"""A chat over the real engine and the embedded model: what is said, what is in the log, and what can be trained on afterwards."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from rrr_local import paths
from rrr_local.chat import export, turns
from rrr_local.chat.session import ChatSession
from rrr_local.chat.settings import load
from rrr_local.engine.client import Engine, EngineState
from rrr_local.engine.protocol import Done, Event, Failed, Grew, Judged, Overflow, Started
from rrr_local.episode import FinishReason, Span, VerdictKind
from rrr_local.errors import NotFoundError, UsageError
from rrr_local.store import queries
from rrr_local.store.store import Store
from tests.chat.room import Room, every, room_in, script


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    with room_in(tmp_path_factory.mktemp("room")) as room:
        yield room


async def ask_until(session: ChatSession, outcome: VerdictKind) -> int:
    """Ask the task's problems until the first attempt at one comes out so; its turn."""
    for _ in range(40):
        await every(session.ask(session.problem()))
        if session.last.episode.attempt.verdict is outcome:
            return session.last.id
    raise AssertionError(f"no attempt of 40 came out as {outcome}")


def kinds(events: list[Event]) -> list[str]:
    """What came, without how the text grew."""
    return [type(event).__name__ for event in events if not isinstance(event, Grew)]


def in_pool(session: ChatSession, task: str = "%") -> set[int]:
    """The attempts that a run would learn from, of any task or of one."""
    reader = session.store.reader()
    pairs = reader.execute("SELECT t.id, m.id FROM tasks t, models m WHERE t.name LIKE ?", (task,)).fetchall()
    return {failure.attempt_id for task_id, model in pairs for failure in queries.pool(reader, task_id, model)}


def test_a_failed_problem_is_reflected_on_retried_and_can_be_trained_on(room: Room) -> None:
    session = room.chat(task="countdown")

    async def story() -> None:
        failed = await ask_until(session, VerdictKind.FAIL)
        turn = session.turn(failed)
        assert turns.checkable(turn) and turns.of_task(turn) and turn.context_id is None
        assert len(turns.tries(turn)) == 2 and turn.episode.reflections[0].text
        assert session.trainable(turn).yes and turn.attempt_id in in_pool(session)
        assert session.failures_ready() == len(in_pool(session, "countdown")) > 0

        passed = session.turn(await ask_until(session, VerdictKind.PASS))
        assert len(turns.tries(passed)) == 1 and not session.trainable(passed).yes
        assert passed.attempt_id not in in_pool(session)

    room.run(story())


def test_what_is_trainable_is_what_a_run_would_find(room: Room) -> None:
    session = room.chat(task="countdown")

    async def story() -> None:
        failed, passed = await ask_until(session, VerdictKind.FAIL), await ask_until(session, VerdictKind.PASS)
        await every(session.wrong(passed))
        session.task = None
        for prompt, expected in (("What is 3 * 7?", "no such answer"), ("And 4 * 4?", "neither")):
            session.new()
            await every(session.ask(prompt))
            await every(session.check(session.last.id, expected))
        await every(session.ask("And then?"))
        await every(session.check(session.last.id, "nothing"))
        session.store.exclude(session.turns[0].attempt_id, True)
        session.hide(session.turns[0].id)
        seen = 0
        for chat in session.chats():
            session.open(chat.id)
            for turn in session.turns:
                seen += 1
                assert session.trainable(turn).yes == (turn.attempt_id in in_pool(session)), session.trainable(turn)
        assert seen >= 5 and failed != passed

    room.run(story())


def test_a_question_is_rated_reflected_on_and_checked(room: Room) -> None:
    session = room.chat()

    async def story() -> None:
        said = await every(session.ask("What is 3 * 7?"))
        assert kinds(said) == ["Started", "Judged", "Done"]
        turn = session.last
        assert session.conversation and turn.prompt == "What is 3 * 7?"
        assert session.trainable(turn).missing == "/check" and not turns.checkable(turn)

        said = await every(session.wrong(turn.id, "it is 21"))
        assert kinds(said) == ["Started", "Reflected", "Judged", "Done"]
        turn = session.turn(turn.id)
        assert turn.episode.attempt.by_user and turn.episode.attempt.reason == "it is 21"
        assert "What was wrong: it is 21" in "\n".join(session.why(turn))
        assert "/check" in session.trainable(turn).why

        assert session.good(turn.id) and turns.last_try(session.last).by_user
        assert not session.good(turn.id) and not turns.last_try(session.last).by_user

        said = await every(session.check(turn.id, "no such answer"))
        assert kinds(said) == ["Judged", "Started", "Reflected", "Judged", "Done"]
        assert isinstance(said[0], Judged) and said[0].verdict is not VerdictKind.PASS
        turn = session.turn(turn.id)
        assert session.trainable(turn).yes and turn.attempt_id in in_pool(session, "question")
        assert session.failures_ready() == len(in_pool(session, "question"))
        assert [made.verdict for made in turns.tries(turn)][-1] is not VerdictKind.PASS

    room.run(story())


def test_an_answer_that_is_accepted_for_a_retry_is_not_reflected_on_again(tmp_path: Path) -> None:
    with room_in(tmp_path, script("happy")) as room:
        session = room.chat()

        async def story() -> None:
            await every(session.ask("What is 3 * 7 + 18?"))
            assert session.expected_from(session.last) is None
            await every(session.wrong(session.last.id))
            session.good(session.last.id)
            assert session.expected_from(session.last) == "3 * 7 + 18"
            said = await every(session.check(session.last.id, "3 * 7 + 18"))
            assert kinds(said) == ["Judged", "Done"]
            assert [made.verdict for made in turns.tries(session.last)][1:] == [VerdictKind.PASS]
            assert session.trainable(session.last).yes and session.expected_from(session.last) is None

        room.run(story())


def test_ratings_are_taken_back_and_disagreement_is_said(room: Room) -> None:
    session = room.chat(task="countdown", reflect="off")

    async def story() -> None:
        passed = await ask_until(session, VerdictKind.PASS)
        with pytest.raises(UsageError, match="you have not rated"):
            session.undo(passed)
        session.rate(session.turn(passed).attempt_id, False, "I do not like it")
        session.open(str(session.conversation))
        assert "disputed" in session.trainable(session.turn(passed)).why
        session.undo(passed)
        assert "nothing to learn" in session.trainable(session.turn(passed)).why
        with pytest.raises(UsageError, match="nothing says that this attempt is wrong"):
            session.retry(passed)
        with pytest.raises(UsageError, match="the task countdown checks this one"):
            await every(session.check(passed, "24"))
        failed = await ask_until(session, VerdictKind.FAIL)
        assert len(turns.tries(session.turn(failed))) == 1
        assert "Reflected" in kinds(await every(session.retry(failed)))

    room.run(story())


def test_asking_again_and_editing_begin_branches_that_are_kept(room: Room) -> None:
    session = room.chat(temperature=1.0)

    async def story() -> None:
        await every(session.ask("Say one"))
        await every(session.ask("Say two"))
        one, two = session.turns
        assert two.parent_id == two.context_id == one.id
        await every(session.check(two.id, "no such answer"))
        assert "depends on the turns before it" in session.trainable(session.turn(two.id)).why
        two = session.turn(two.id)
        await every(session.again(two.id))
        again = session.last
        assert (again.prompt, again.parent_id, again.context_id) == ("Say two", one.id, None)
        assert again.episode.attempt.seed != two.episode.attempt.seed
        assert session.branches(again.id) == (2, 2)
        assert session.show_branch(again.id, -1) == two.id and session.turns == [one, two]
        await every(session.edit(one.id, "Say three"))
        assert [turn.prompt for turn in session.turns] == ["Say three"]
        assert session.branches(session.last.id) == (2, 2)

        kept, chat = session.turns, str(session.conversation)
        session.new()
        assert session.turns == [] and session.conversation is None
        with pytest.raises(UsageError, match="nothing was asked yet"):
            session.last  # noqa: B018
        session.open(chat)
        assert session.turns == kept
        session.show_branch(session.last.id, 1)
        assert [turn.prompt for turn in session.find("SAY")] == ["Say one", "Say two"]
        assert session.find("") == [] and session.find("nowhere in here") == []
        with pytest.raises(NotFoundError):
            session.open("no such chat")

    room.run(story())


def test_a_chat_is_listed_renamed_exported_and_keeps_its_draft(room: Room) -> None:
    session = room.chat(task="countdown")

    async def story() -> None:
        with pytest.raises(UsageError, match="title once there is something"):
            session.rename("Sums")
        session.draft = "half a thou"
        await ask_until(session, VerdictKind.FAIL)
        session.rename("Sums")
        session.draft = "in this one"
        chat = str(session.conversation)
        assert (chat, "Sums") == (session.chats(1)[0].id, session.chats(1)[0].title)
        session.new()
        assert session.draft == "half a thou"
        session.open(chat)
        assert session.draft == "in this one"

        said = json.loads(session.export("json"))
        assert (said["schema"], said["chat"]) == ("rrr.chat/1", chat)
        assert [turn["prompt"] for turn in said["turns"]] == [turn.prompt for turn in session.turns]
        last = said["turns"][-1]
        assert last["attempt"]["verdict"] == "fail" and last["attempt"]["by"] == "check"
        assert last["reflections"][0]["retry"]["text"] == turns.last_try(session.last).text
        assert session.turns[-1].episode.attempt.text in session.export("md")
        with pytest.raises(UsageError, match="choose md or json"):
            session.export("pdf")

    room.run(story())


def test_more_tries_are_made_as_the_settings_allow(room: Room) -> None:
    session = room.chat(task="countdown", tries=4)

    async def story() -> None:
        for _ in range(20):
            said = await every(session.ask(session.problem()))
            made = turns.tries(session.last)
            assert sum(isinstance(event, Done) for event in said) == 1 and isinstance(said[-1], Done)
            assert [each.verdict is VerdictKind.PASS for each in made[:-1]] == [False] * (len(made) - 1)
            if len(made) == 4:
                return
        raise AssertionError("20 problems were all solved in three tries")

    room.run(story())


def test_a_problem_is_taken_as_its_text_or_as_json(room: Room) -> None:
    session = room.chat(task="countdown")

    async def story() -> None:
        await every(session.ask('{"numbers": [3, 7, 18], "target": 39}'))
        assert session.last.info == {"numbers": [3, 7, 18], "target": 39}
        assert session.last.prompt and "39" in session.last.prompt
        for wrong in ("{", "{}", '{"numbers": 3}'):
            with pytest.raises(UsageError):
                session.ask(wrong)
        first, second = session.problem(), session.problem()
        assert first != second
        await every(session.ask("hello"))
        assert not turns.checkable(session.last)
        with pytest.raises(NotFoundError):
            session.task = "no such task"
        assert session.task == "countdown"
        session.task = None
        with pytest.raises(UsageError, match="no task was chosen"):
            session.problem()

    room.run(story())


def test_what_does_not_fit_is_said_before_anything_is_written(room: Room) -> None:
    session = room.chat()

    async def story() -> None:
        for _ in range(60):
            before = len(session.turns)
            said = await every(session.ask("Tell me a long story about numbers, and do not stop."))
            if isinstance(said[-1], Overflow):
                break
        assert kinds(said) == ["Overflow"] and len(session.turns) == before
        overflow = said[-1]
        assert isinstance(overflow, Overflow) and overflow.needed > overflow.limit and overflow.drop > 0
        said = await every(session.ask("Tell me a long story about numbers, and do not stop.", fit=True))
        assert isinstance(said[0], Started) and said[0].dropped == overflow.drop
        assert isinstance(said[-1], Done) and len(session.turns) == before + 1

    room.run(story())


def test_what_is_stopped_is_kept_and_not_trainable(tmp_path: Path) -> None:
    with room_in(tmp_path, script("slow")) as room:
        session = room.chat()

        async def story() -> None:
            said: list[Event] = []
            async for event in session.ask("What is 3 * 7?"):
                said.append(event)
                if isinstance(event, Grew):
                    await session.stop()
            assert isinstance(said[-1], Done) and said[-1].stopped
            turn = session.last
            assert turn.episode.attempt.finish_reason is FinishReason.CANCELLED
            assert "stopped" in session.trainable(turn).why
            assert export.verdict_line(turn, turn.episode.attempt) == "stopped"
            with pytest.raises(UsageError, match="stopped before its end"):
                await every(session.check(turn.id, "21"))

        room.run(story())


def test_a_dead_engine_is_an_event_and_the_chat_goes_on_after_a_restart(room: Room) -> None:
    session = room.chat()

    async def story() -> None:
        await every(session.ask("What is 3 * 7?"))
        pid = session.engine.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        while session.engine.state is not EngineState.DEAD:
            await asyncio.sleep(0.01)
        said = await every(session.ask("And 3 * 8?"))
        assert isinstance(said[-1], Failed) and said[-1].dead
        assert len(session.turns) == 1
        await session.engine.restart()
        said = await every(session.ask("And 3 * 8?"))
        assert isinstance(said[-1], Done)
        assert session.turns[1].context_id == session.turns[0].id

    room.run(story())


def test_equal_logs_give_equal_answers(tmp_path: Path) -> None:
    def told(room: Room) -> list[str]:
        session = room.chat(task="countdown", temperature=1.0)

        async def story() -> list[str]:
            for _ in range(3):
                await every(session.ask(session.problem()))
            await every(session.again(session.last.id))
            return [text for turn in session.turns for text in turns.texts(turn)]

        return room.run(story())

    with room_in(tmp_path / "one") as one, room_in(tmp_path / "two") as two:
        first, second = told(one), told(two)
    assert first == second and len(first) >= 6


def test_a_task_that_is_gone_from_the_settings_is_said_and_not_fatal(data_folder: Path) -> None:
    with Store.open(paths.database_path()) as store:
        settings = load(store)
        settings.set("chat.task", "no-such-task")
        session = ChatSession(store, Engine(), settings)
        assert session.task is None
        assert "there is no task 'no-such-task' (chat.task)" in settings.problems[0]


def test_spans_come_in_the_order_of_the_method(room: Room) -> None:
    session = room.chat(task="countdown")

    async def story() -> None:
        said = await every(session.ask('{"numbers": [1, 1, 1], "target": 100}'))
        spans = [event.span for event in said if isinstance(event, Grew | Judged)]
        order = [Span.ATTEMPT, Span.REFLECTION, Span.RETRY]
        assert [span for index, span in enumerate(spans) if index == 0 or spans[index - 1] is not span] == order
        assert kinds(said) == ["Started", "Judged", "Reflected", "Judged", "Done"]

    room.run(story())
