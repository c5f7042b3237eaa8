"""The shell's parts by themselves: crash report, clipboard, symbols, help texts, estimates, the models list."""

from __future__ import annotations

import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest
from rich.segment import Segment
from textual.color import Color
from textual.worker import WorkerFailed

from rrr_local.actions import ACTIONS, Place
from rrr_local.episode import VerdictKind
from rrr_local.errors import ModelError, UsageError
from rrr_local.models.find import EMBEDDED, find_model
from rrr_local.models.memory import Fit, Shape, estimate, fit, of
from tui import clipboard, crash, helptext, keys
from tui.symbols import ASCII, UNICODE, AsciiFilter, symbols
from tui.terminal import HarmlessFilter

SECRET = "my prompt about a wedding"


def raised(error: Exception) -> Exception:
    """The error with frames and local variables that hold a prompt."""
    prompt = SECRET
    try:
        try:
            raise ValueError(f"cannot parse {prompt}")
        except ValueError as cause:
            raise error from cause
    except Exception as caught:
        return caught


def test_a_crash_report_names_places_and_types_and_nothing_that_was_written() -> None:
    report = crash.report(raised(KeyError(SECRET)), datetime(2026, 3, 14, tzinfo=UTC))
    assert "builtins.KeyError" in report
    assert "builtins.ValueError" in report
    assert "tests/tui/test_shell_parts.py:" in report
    assert " in raised" in report
    assert "wedding" not in report


def test_a_crash_report_keeps_the_words_of_our_own_errors() -> None:
    report = crash.report(raised(UsageError("no such run", "look")), datetime(2026, 3, 14, tzinfo=UTC))
    assert "no such run: look" in report


def test_a_crash_in_a_worker_is_reported_as_what_it_was(data_folder: Path) -> None:
    error = raised(ZeroDivisionError(SECRET))
    path = crash.write(WorkerFailed(error), datetime(2026, 3, 14, 1, 2, 3, tzinfo=UTC))
    assert path == data_folder / "logs" / "crash-20260314-010203.log"
    text = path.read_text()
    assert "ZeroDivisionError" in text
    assert "WorkerFailed" not in text
    assert "ZeroDivisionError" in crash.farewell(WorkerFailed(error), path)


def test_causes_that_go_in_circles_end() -> None:
    first, second = ValueError("a"), ValueError("b")
    first.__cause__, second.__cause__ = second, first
    assert crash.report(first, datetime(2026, 3, 14, tzinfo=UTC)).count("ValueError") == 2


def tool_in(folder: Path, name: str, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program of this name, the only one that is found."""
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


def test_the_clipboard_tool_gets_the_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = tmp_path / "taken"
    tool_in(tmp_path, "wl-copy", f"cat > {taken}", monkeypatch)
    command = clipboard.tool({"WAYLAND_DISPLAY": "wayland-0"})
    assert command == ("wl-copy",)
    assert clipboard.copy_with(command, "a\ud800b")
    assert taken.read_bytes() == b"a\xef\xbf\xbdb"
    assert "copied (3 characters)" in clipboard.said(True, "a\ud800b")


def test_a_clipboard_tool_that_fails_or_hangs_is_not_said_to_have_worked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clipboard, "PATIENCE_S", 0.2)
    tool_in(tmp_path, "xclip", "exit 1", monkeypatch)
    command = clipboard.tool({"DISPLAY": ":0"})
    assert command is not None
    assert not clipboard.copy_with(command, "a")
    tool_in(tmp_path, "xclip", "exec sleep 5", monkeypatch)
    assert not clipboard.copy_with(command, "a")
    assert not clipboard.copy_with(("no-such-program",), "a")
    assert "sent to the terminal" in clipboard.said(False, "a")


@pytest.mark.parametrize("variable", clipboard.REMOTE)
def test_over_ssh_only_the_terminal_is_asked(variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool_in(tmp_path, "wl-copy", "true", monkeypatch)
    assert clipboard.tool({"WAYLAND_DISPLAY": "wayland-0", variable: "1"}) is None


def test_every_symbol_has_a_twin_in_ascii() -> None:
    for name in ASCII.__dataclass_fields__:
        assert getattr(ASCII, name).isascii()
    assert symbols(True) is ASCII
    assert symbols(False) is UNICODE


@pytest.mark.parametrize("table", [ASCII, UNICODE])
def test_verdicts_are_told_apart_by_their_symbols(table: object) -> None:
    assert table in (ASCII, UNICODE)
    chosen = ASCII if table is ASCII else UNICODE
    kinds = [None, VerdictKind.PASS, VerdictKind.FAIL, VerdictKind.ERROR]
    assert len({chosen.verdict(kind) for kind in kinds}) == len(kinds)
    assert chosen.verdict(VerdictKind.TIMEOUT) == chosen.failed


def test_the_filter_replaces_what_widgets_draw_and_leaves_letters() -> None:
    drawn = [Segment("╭─ Überschrift ─╮│▁█ ✓…")]
    [segment] = AsciiFilter().apply(drawn, Color(0, 0, 0))
    assert segment.text == "+- Überschrift -+|-# +."


def test_help_has_a_page_for_each_place_that_names_its_keys() -> None:
    for place in Place:
        assert len(helptext.page(place)) > 300
        assert helptext.actions(place)


def test_every_number_has_a_meaning_and_unknown_ones_are_an_error() -> None:
    assert len(helptext.numbers()) > 30
    assert all(len(meaning) > 30 for meaning in helptext.numbers().values())
    assert "P(retry passes" in helptext.meaning("rescue rate")
    with pytest.raises(KeyError):
        helptext.meaning("no such number")


def test_keys_are_shown_as_on_the_keyboard() -> None:
    assert [keys.shown(key) for key in ("ctrl+g", "question_mark", "f1", "escape", "alt+up", "left_square_bracket")] == [
        "^g", "?", "F1", "esc", "alt+up", "["
    ]  # fmt: skip
    assert keys.of("help", {}) == ("f1", "question_mark")
    assert keys.of("help", {"help": "f9, h"}) == ("f9", "h")
    assert keys.of("retry", {"history.retry": "f9"}, Place.HISTORY) == ("f9",)
    assert keys.of("retry", {"history.retry": "f9"}, Place.CHAT) == ("t",)  # another action with the same name
    for action in ACTIONS:
        for place in action.places:
            assert keys.of(action.name, {}, place) == action.keys


def test_memory_is_estimated_from_the_shape() -> None:
    shape = Shape(100, 2, 4, 2, 25, 300, 1000, 8192)
    found = of(shape, 10**6)
    cache = 2 * 2 * 2 * 25 * 4096 * 4
    assert found.chat == 10**6 + 300 * 2**20 + cache
    attention = (100 + 100) + 2 * (100 + 50) + (100 + 100)  # q, k and v, o
    mlp = 2 * (100 + 300) + (300 + 100)  # gate and up, down
    adapter = 16 * (attention + mlp) * 2
    activations = 1024 * 2 * (10 * 100 + 3 * 300)
    logits = 3 * 1024 * 1000
    assert found.training == 10**6 + 300 * 2**20 + 4 * (4 * adapter + activations + logits)


def test_the_embedded_model_fits_anywhere() -> None:
    found = estimate(find_model(EMBEDDED))
    assert found.chat < found.training < 2**30
    assert [fit(n, 1000) for n in (500, 501, 901)] == [Fit.FITS, Fit.TIGHT, Fit.NO]


@pytest.mark.parametrize(
    "config", ["", "[]", "{}", '{"hidden_size": "x"}', '{"hidden_size": 8, "num_attention_heads": 0}']
)
def test_a_model_whose_config_says_nothing_is_an_error(config: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(config)
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(ModelError):
        estimate(find_model(str(tmp_path)))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\u202eb\u202c", "ab"),
        ("\x1b[31m", "[31m"),
        ("\x9b\x7f\ud800", ""),
        ("می\u200cخواهم 👩\u200d👧\t\n", "می\u200cخواهم 👩\u200d👧\t\n"),
    ],
)
def test_nothing_reaches_the_terminal_that_would_act_on_it(text: str, shown: str) -> None:
    segments = HarmlessFilter().apply([Segment(text)], Color.parse("black"))
    assert "".join(segment.text for segment in segments) == shown
