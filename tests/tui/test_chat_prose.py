"""A model's text on the screen: Markdown that hides nothing, and plain text where Markdown would freeze the page."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui.widgets.prompt import CUT, LONGEST, editable
from tui.widgets.prose import first_line, is_simple, parser, parts


def drawn(text: str) -> str:
    """What a person reads, marks taken out."""
    made = parser()
    pieces: list[str] = []
    for token in made.parse(text):
        for child in token.children or [token]:
            pieces.append("\n" if child.type in ("softbreak", "hardbreak") else child.content)
    return "".join(pieces)


@pytest.mark.parametrize(
    "text",
    [
        "3*7 and 4*5",
        "(3+4)*5-6*(2+1)",
        "2*3*4*5",
        "<answer>(3 + 4) * 5</answer>",
        "call __init__ and a_b_c",
        "&#8238;evil&rlm; &amp;",
        "\\(x\\) and \\[y\\]",
    ],
)
def test_nothing_of_what_was_written_vanishes(text: str) -> None:
    assert drawn(text) == text


def test_words_can_be_bold_and_lines_end_where_they_end() -> None:
    tokens = parser().parse("**so**, *it* is\n3 * 7 = 21.\n21 + 3 = 24.")[1].children or []
    kinds = [token.type for token in tokens]
    assert kinds.count("strong_open") == 1 and kinds.count("em_open") == 1
    assert kinds.count("hardbreak") == 2 and "softbreak" not in kinds


@given(st.lists(st.sampled_from(["3", "7", "12", "*", "+", "(", ")", " ", "="]), max_size=40).map("".join))
def test_no_sum_loses_a_star_that_stands_between_two_numbers(text: str) -> None:
    wanted = len(re.findall(r"(?<=\d)\*(?=\d)", text))
    assert len(re.findall(r"(?<=\d)\*(?=\d)", drawn(text))) >= wanted


@pytest.mark.parametrize(
    ("text", "thought", "said"),
    [
        ("<think>hm\n</think>\n24", "hm", "24"),
        ("so</think>24", "so", "24"),
        ("a<think>b</think>c<think>d", "b\nd", "ac"),
        ("<answer>24</answer>", "", "<answer>24</answer>"),
        ("", "", ""),
    ],
)
def test_thoughts_are_kept_apart(text: str, thought: str, said: str) -> None:
    assert parts(text) == (thought, said)


def test_half_a_tag_waits_for_its_other_half() -> None:
    assert parts("24 <thi", live=True) == ("", "24 ")
    assert parts("<think>a</th", live=True) == ("a", "")
    assert parts("24 <thi") == ("", "24 <thi")


@given(st.text(max_size=200))
def test_a_live_text_never_shows_what_the_finished_one_hides(text: str) -> None:
    """Apart from what is held back, the pieces of a live text are those of the finished one."""
    thought, said = parts(text)
    live_thought, live_said = parts(text, live=True)
    assert thought.startswith(live_thought.rstrip("\n")) and said.startswith(live_said)


@pytest.mark.parametrize("text", ["# a\n" * 500, "|a" * 500, "> " * 500, "x" * 10_000, "- " * 500, "a\n" * 500])
def test_what_would_take_hundreds_of_widgets_is_shown_plain(text: str) -> None:
    assert not is_simple(text)


def test_an_answer_of_a_usual_size_is_markdown() -> None:
    assert is_simple("# Answer\n\n" + "- one\n- two\n" * 20 + "```python\nprint(3 * 7)\n```\n" + "words " * 300)


def test_a_title_is_one_line() -> None:
    assert first_line("a\n\n b\tc" + "x" * 1000, 20) == "a b c" + "x" * 15


@given(st.text(max_size=300))
def test_what_is_put_into_the_box_holds_no_control_character(text: str) -> None:
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]", editable(text))


def test_what_is_put_into_the_box_keeps_letters_lines_and_tabs() -> None:
    text = "नमस्ते \u200d می\u200cخواهم\n\tx"
    assert editable(text) == text
    assert editable("a\r\nb\rc") == "a\nb\nc"


def test_what_is_too_long_for_the_box_is_cut_with_a_note() -> None:
    cut = editable("y" * 5_000_000)
    assert len(cut) == LONGEST and cut.endswith(CUT)
