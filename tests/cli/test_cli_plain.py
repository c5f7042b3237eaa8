"""Plain chat over a scripted engine: exact lines, and what the real engine cannot be made to do."""

from __future__ import annotations

from pathlib import Path

from rrr_local.cli.lines import Lines
from rrr_local.cli.plain import PlainChat
from rrr_local.errors import ExitCode
from tests.chat.room import Room, room_in, script

PROBLEM = '{"numbers": [3, 7, 18], "target": 39}'


def told(room: Room, *typed: str, task: str = "", quiet: bool = False) -> tuple[list[str], PlainChat]:
    """The lines that a chat answers with."""
    said: list[str] = []
    plain = PlainChat(room.chat(task=task), Lines(said.append, terminal=False, quiet=quiet), terminal=False)
    for line in typed:
        room.run(plain.carry_out(line))
    return said, plain


def test_the_method_in_plain_lines(tmp_path: Path) -> None:
    with room_in(tmp_path, script("happy")) as room:
        said, plain = told(room, PROBLEM, "", "/good", "/good", task="countdown")
    assert said == [
        "Attempt: 3 * 7 = 21. 21 + 19 = 40. <answer>3 * 7 + 19</answer>",
        "Verdict: fail: uses 19, which is not among the numbers (check)",
        "Reflection: I got 40, not 39. I should start with 3 * 7 = 21 and add 18.",
        "Retry: 3 * 7 = 21. 21 + 18 = 39. <answer>3 * 7 + 18</answer>",
        "Verdict: pass: the equation equals 39 (check)",
        "Note: +1 trainable",
        "Note: saved: good",
        "Note: +1 trainable",
        "Note: taken back",
        "Note: +1 trainable",
    ]
    assert plain.talk.exit_code == ExitCode.OK


def test_an_accepted_retry_is_offered_as_the_right_answer(tmp_path: Path) -> None:
    with room_in(tmp_path, script("happy")) as room:
        said, _ = told(room, "How do I get 39?", "/wrong", "/good", "/check 3 * 7 + 18", "/good", quiet=False)
        quiet, _ = told(room, "How do I get 39?", quiet=True)
    assert "Note: to use this as the right answer: /check 3 * 7 + 18" in said
    assert said[-1] == "Note: +1 trainable" and said.count("Note: saved: good") + said.count("Note: taken back") == 2
    assert {line.partition(":")[0] for line in quiet} == {"Attempt", "Verdict"}


def test_what_does_not_fit_is_asked_about_and_sent_with_fit(tmp_path: Path) -> None:
    with room_in(tmp_path, script("overflow")) as room:
        said, _ = told(room, "one", "/fit", "/fit")
    assert said[1].endswith("nothing was sent; /fit sends it without the 2 oldest turns")
    assert "Note: not in the model's context: the 2 oldest turns" in said
    assert said[-1].startswith("Note: nothing waits to be sent")


def test_a_dead_engine_is_said_in_a_line_and_can_be_restarted(tmp_path: Path) -> None:
    with room_in(tmp_path, script("crash")) as room:
        said, plain = told(room, PROBLEM, "/restart", task="countdown")
    assert any(line.startswith("Note: ") and line.endswith("; /restart starts the engine again") for line in said)
    assert said[-1].endswith("tokens of context")
    assert plain.talk.exit_code == ExitCode.MODEL


def test_too_little_memory_is_said_and_the_chat_goes_on(tmp_path: Path) -> None:
    with room_in(tmp_path, script("oom")) as room:
        said, plain = told(room, "one", "/quit")
    assert any("memory" in line for line in said) and plain.ended
    assert plain.talk.exit_code == ExitCode.OK


def test_hostile_text_stays_on_its_own_marked_lines(tmp_path: Path) -> None:
    with room_in(tmp_path, script("hostile")) as room:
        said, _ = told(room, "one")
    assert all(line.split(":")[0] in ("Attempt", "Verdict", "Note") for line in said)
    assert not any("\n" in line or "\ud800" in line for line in said)
