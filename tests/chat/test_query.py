"""The filter line: pairs narrow, everything else is text, and what is wrong is named."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rrr_local.chat.query import CHIPS, next_chip, parse
from rrr_local.store.history import ANY, EpisodeFilter, Judge, Outcome
from rrr_local.store.records import SessionKind


@pytest.mark.parametrize(
    ("line", "which"),
    [
        ("", ANY),
        ("  product 24 ", EpisodeFilter(text="product 24")),
        ("outcome:fixed", EpisodeFilter(outcome=Outcome.FIXED)),
        ("OUTCOME:Fixed", EpisodeFilter(outcome=Outcome.FIXED)),
        (
            "a task:countdown judge:user b kind:chat run:run-8 excluded:yes",
            EpisodeFilter("a b", None, "countdown", SessionKind.CHAT, Judge.USER, "run-8", True),
        ),
        ("excluded:no", EpisodeFilter(excluded=False)),
        ("outcome:fixed outcome:failed", EpisodeFilter(outcome=Outcome.FAILED)),
        ("http://x 3:4 subtask:1", EpisodeFilter(text="http://x 3:4 subtask:1")),
        ("task:", ANY),
    ],
)
def test_a_line_is_read_as_it_is_meant(line: str, which: EpisodeFilter) -> None:
    query = parse(line)
    assert query.which == which
    assert query.problems == ()
    assert query.narrows == (which != ANY)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("outcome:fixd", "outcome cannot be fixd; did you mean outcome:fixed?"),
        ("kind:zzz", "kind cannot be zzz; choose chat, train, eval, collect"),
    ],
)
def test_a_value_that_does_not_exist_is_named_and_does_not_narrow(line: str, problem: str) -> None:
    assert parse(line).problems == (problem,)
    assert not parse(line).narrows


@given(st.text())
def test_no_line_breaks_it(line: str) -> None:
    parse(line)
    next_chip(line)


def test_chips_follow_each_other_keep_the_words_and_end_with_none() -> None:
    line, seen = "sum", []
    for _ in range(len(CHIPS) + 1):
        line = next_chip(line)
        seen.append(line)
    assert seen == [*(f"{chip} sum" for chip in CHIPS), "sum"]
    assert all(parse(chip).problems == () for chip in CHIPS)
