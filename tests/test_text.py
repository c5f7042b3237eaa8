"""The display edge and the storage edge of model text."""

from __future__ import annotations

import sqlite3
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rrr_local.text import CUT, sanitize, storable

ANYTHING = st.text(st.characters(codec=None, exclude_categories=()))


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "␛[31mred␛[0m"),
        ("\x1b]0;title\x07", "␛]0;title␇"),
        ("a\r\nb", "a\nb"),
        ("right\rwrong", "right␍wrong"),
        ("a\r\r\nb", "a␍\nb"),
        ("a\x08b\x7f", "a␈b␡"),
        ("a\x00b", "a␀b"),
        ("\x9b31m\x85", "\ufffd31m\ufffd"),
        ("\u202egnp.exe\u2066", "\ufffdgnp.exe\ufffd"),
        ("a\u200bb\u2060c\ufeff", "a\ufffdb\ufffdc\ufffd"),
        ("\U000e0041\U000e007f\U000e0101", "\ufffd\ufffd\ufffd"),
        ("\ud800x\udfff", "\ufffdx\ufffd"),
        ("a\u2028b\u2029c\x0bd", "a\ufffdb\ufffdc␋d"),
        ("x\ty\n", "x\ty\n"),
        ("3 × 4 ÷ 2 − 1 = 5, ¿qué? 数字 😀 ❤️ [bold]", "3 × 4 ÷ 2 − 1 = 5, ¿qué? 数字 😀 ❤️ [bold]"),
    ],
)
def test_hostile_text_becomes_visible(written: str, shown: str) -> None:
    assert sanitize(written) == shown


@given(ANYTHING)
def test_no_control_hidden_or_unencodable_character_survives(text: str) -> None:
    shown = sanitize(text)
    shown.encode()
    assert {c for c in shown if unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp")} <= {"\n", "\t"}
    assert not {c for c in shown if unicodedata.bidirectional(c) in {"LRE", "RLE", "PDF", "LRO", "RLO"}}
    assert len(shown.splitlines()) <= text.replace("\r\n", "\n").count("\n") + 1


def test_every_format_character_without_a_shape_is_replaced() -> None:
    shaped = "\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd"
    formats = (chr(code) for code in range(0x110000) if unicodedata.category(chr(code)) == "Cf")
    assert {c for c in formats if sanitize(c) == c} <= set(shaped)


@given(st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E) | st.sampled_from("\n\té×数😀❤️"), max_size=200))
def test_plain_text_is_unchanged(text: str) -> None:
    assert sanitize(text) == text
    assert storable(text) == text


@given(ANYTHING, st.integers(0, 40))
def test_sanitizing_twice_is_sanitizing_once(text: str, limit: int) -> None:
    once = sanitize(text, limit)
    assert sanitize(once, limit) == once
    assert len(once) <= limit


def test_long_text_is_cut_and_says_so() -> None:
    text = "x" * 20_000
    assert sanitize(text) == text
    assert sanitize(text + "x") == "x" * (20_000 - len(CUT)) + CUT
    assert sanitize("0123456789abcdef", limit=10) == "012" + CUT


@given(ANYTHING)
def test_what_is_storable_comes_back_from_sqlite_as_it_went_in(text: str) -> None:
    stored = storable(text)
    connection = sqlite3.connect(":memory:")
    try:
        ((back, length),) = connection.execute("SELECT ?1, length(?1)", (stored,)).fetchall()
    finally:
        connection.close()
    assert back == stored
    assert length == len(stored)


@given(ANYTHING)
def test_storing_changes_only_what_cannot_be_stored(text: str) -> None:
    stored = storable(text)
    assert len(stored) == len(text)
    for before, after in zip(text, stored, strict=True):
        assert after == ("\ufffd" if before == "\x00" or unicodedata.category(before) == "Cs" else before)
