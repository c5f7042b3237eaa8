"""What columns are for: guessed from layouts people have, with a reason each, and never silently where it is not clear."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rrr_local.errors import UsageError
from rrr_local.tasks.files.guess import Guess, Said, guess
from rrr_local.tasks.files.rows import Row, Table

USER = {"role": "user", "content": "What is 3 * 7?"}
REPLY = {"role": "assistant", "content": "21"}


def guessed(*rows: dict[str, Any], **said: Any) -> Guess:
    columns = tuple(dict.fromkeys(name for row in rows for name in row))
    table = Table(Path("rows.jsonl"), columns, [Row(number, row) for number, row in enumerate(rows, start=1)])
    return guess(table, Said(**said))


def column(*values: Any, **others: Any) -> list[dict[str, Any]]:
    """Rows of a question and an answer."""
    return [
        {"question": f"Which one is it, for {number}?", "answer": value, **others}
        for number, value in enumerate(values)
    ]


@pytest.mark.parametrize(
    ("rows", "prompt", "check"),
    [
        # plain prompt,answer CSV
        ([{"prompt": "3 * 7?", "answer": "21"}, {"prompt": "2 * 7?", "answer": "14"}], "{prompt}", {"kind": "number", "answer": "answer"}),
        ([{"Question": "Tall?", "Solution": "giraffe"}], "{Question}", {"kind": "exact", "answer": "Solution", "ignore_case": True}),
        # TRL's standard prompt-only rows
        ([{"prompt": "Name the capital.", "ground_truth": "Paris"}], "{prompt}", {"kind": "exact", "answer": "ground_truth", "ignore_case": True}),
        # reasoning-gym
        (
            [{"question": "3 + 4?", "answer": "7", "metadata": {"source_dataset": "chain_sum", "difficulty": {}}}],
            "{question}",
            {"kind": "number", "answer": "answer"},
        ),
        # numbers as JSON, and with a unit
        (column(1, 2.5, -3), "{question}", {"kind": "number", "answer": "answer"}),
        (column("1,000 km", "24 km"), "{question}", {"kind": "number", "answer": "answer"}),
        (column("Apollo 11", "Apollo 13"), "{question}", {"kind": "exact", "answer": "answer", "ignore_case": True}),
        (column("3 little pigs"), "{question}", {"kind": "exact", "answer": "answer", "ignore_case": True}),
        (column(True, False), "{question}", {"kind": "exact", "answer": "answer", "ignore_case": True}),
        # the only column left, though its name says nothing; ids and counters are nobody's answer
        (
            [{"no": n, "clue": f"a long clue, number {n}", "zug": "word"} for n in range(5)],
            "{clue}",
            {"kind": "exact", "answer": "zug", "ignore_case": True},
        ),
        ([{"id": 7, "question": "3 * 7?", "xyz": 21, "difficulty": 1}], "{question}", {"kind": "number", "answer": "xyz"}),
        # choices, in a list and in columns
        (
            column("Paris", "Rome", choices=["Paris", "Rome"]),
            "{question}\n\n{choices}",
            {"kind": "multiple-choice", "answer": "answer", "choices": "choices"},
        ),
        (
            column("A", "B", A="Paris", B="Rome", C="Bonn", D="Bern"),
            "{question}\n\nA) {A}\nB) {B}\nC) {C}\nD) {D}",
            {"kind": "multiple-choice", "answer": "answer", "choices": ["A", "B", "C", "D"]},
        ),
        # number puzzles: JSON, and in words
        (
            [{"nums": [3, 7, 18], "target": 39, "question": "Reach 39 with 3, 7, 18."}],
            "{question}",
            {"kind": "countdown", "numbers": "nums", "target": "target"},
        ),
    ],
)  # fmt: skip
def test_a_layout_is_recognised(rows: list[dict[str, Any]], prompt: str, check: dict[str, Any]) -> None:
    found = guessed(*rows)
    assert (found.prompt, found.messages, found.check, found.doubts) == (prompt, None, check, [])
    assert found.reasons


@pytest.mark.parametrize("cards", ["3, 7, 18", "3 7 18", "3;7;18"])
def test_number_puzzles_in_ones_own_words_are_asked_as_countdown_asks(cards: str) -> None:
    found = guessed(*({"no": n, "cards": cards, "goal": str(39 - n % 2)} for n in range(1, 5)))
    assert found.check == {"kind": "countdown", "numbers": "cards", "target": "goal"}
    assert found.prompt is not None and "numbers [{cards}], create an equation that equals {goal}." in found.prompt
    assert any("countdown" in reason for reason in found.reasons)


@pytest.mark.parametrize("name", ["prompt", "messages", "conversation"])
def test_a_conversation_is_recognised_by_what_it_is(name: str) -> None:
    found = guessed({name: [USER], "answer": "21"})
    assert (found.prompt, found.messages, found.check) == (None, name, {"kind": "number", "answer": "answer"})


def test_the_assistants_last_turn_is_the_answer() -> None:
    found = guessed({"messages": [USER, REPLY], "source": "somewhere"})
    assert (found.messages, found.check) == ("messages", {"kind": "exact", "answer": "answer", "ignore_case": True})
    assert "the answer is the assistant's last turn" in found.reasons


def test_a_split_column_is_used_where_it_holds_nothing_else() -> None:
    assert guessed(*column(1, 2, split="train")).split == "split"
    assert guessed(*column(1, 2, split="banana")).split is None


def test_what_a_person_says_goes_before_any_guess() -> None:
    rows = [{"a": "How many?", "b": "What else?", "c": "5", "d": "6"}]
    found = guessed(*rows, prompt="Say: {b}", answer="d", kind="contains", options={"match": "any"})
    assert (found.prompt, found.check) == ("Say: {b}", {"kind": "contains", "answer": "d", "match": "any"})
    assert guessed(*rows, prompt="a", answer="c").prompt == "{a}"
    assert guessed(*rows, prompt="a", kind="python", options={"python": "judge.py:f"}).check == {
        "kind": "python",
        "python": "judge.py:f",
    }


@pytest.mark.parametrize(
    ("rows", "said", "cause"),
    [
        ([{"question": "Q?", "a": "x", "b": "y"}], {}, "it is not clear which column holds the answer: one of a, b"),
        ([{"question": "Q?"}], {}, "it is not clear which column holds the answer: none is left"),
        ([{"a": 1, "b": 2}], {}, "it is not clear what to ask"),
        ([{"question": "Q?", "a": "x"}], {"answer": "c"}, "there is no column 'c'"),
        ([], {}, "rows.jsonl has no rows"),
    ],
)
def test_what_is_not_clear_is_asked(rows: list[dict[str, Any]], said: dict[str, Any], cause: str) -> None:
    with pytest.raises(UsageError) as error:
        guessed(*rows, **said)
    assert error.value.cause == cause
    assert error.value.way_out


@pytest.mark.parametrize(
    ("rows", "doubt"),
    [
        (
            [{"left": "some words here", "right": "other words", "answer": "5"}],
            "the prompt may be another column than 'left'",
        ),
        (
            column("a very long answer " * 10),
            "'answer' holds more than short answers; check exact will hardly ever pass",
        ),
        (column({"a": 1}), "'answer' holds more than short answers; check exact will hardly ever pass"),
    ],
)
def test_a_guess_that_may_be_wrong_is_a_doubt(rows: list[dict[str, Any]], doubt: str) -> None:
    assert doubt in guessed(*rows).doubts
