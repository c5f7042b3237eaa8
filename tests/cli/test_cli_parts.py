"""The small parts of the command line: recipe settings, streaming, progress, words."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rrr_local.cli.demo import verdict
from rrr_local.cli.progress import EVERY_S, JSON_EVERY_S, json_lines, lines
from rrr_local.cli.stream import Typewriter
from rrr_local.demo import Result
from rrr_local.episode import Node, Problem, Span, Verdict, VerdictKind
from rrr_local.errors import UsageError
from rrr_local.evaluation.comparison import AtBest, BestGain, Gain
from rrr_local.evaluation.gains import word
from rrr_local.evaluation.protocol import Item, Rates
from rrr_local.evaluation.statistics import PairedDifference
from rrr_local.loop import Try
from rrr_local.text import sanitize
from rrr_local.training.objective import Advantage
from rrr_local.training.overrides import overridden
from rrr_local.training.recipes import rrr


def test_settings_change_fields_and_parts_of_them_in_order() -> None:
    settings = ["steps=5", "lora.rank=4", "advantage=group", "learning_rate=1e-4", "mask_truncated=true", "steps=7"]
    changed = overridden(rrr(), settings)
    wanted = replace(
        rrr(),
        steps=7,
        lora=replace(rrr().lora, rank=4),
        advantage=Advantage.GROUP,
        learning_rate=1e-4,
        mask_truncated=True,
    )
    assert changed == wanted
    assert overridden(rrr(), []) == rrr()


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("steps", "write key=value"),
        ("stepz=5", "did you mean steps"),
        ("rank=5", "did you mean lora.rank"),
        ("name=x", "choose one of|did you mean"),
        ("lora=5", "did you mean lora"),
        ("steps.x=5", "did you mean steps"),
        ("steps=0", "at least 1"),
        ("refresh_every=-1", "at least 0"),
        ("steps=five", "a whole number"),
        ("learning_rate=nan", "a number, 0 or more"),
        ("beta=-1", "a number, 0 or more"),
        ("mask_truncated=1", "true or false"),
        ("schedule=linear", "constant or cosine"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_with_what_can(setting: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        overridden(rrr(), [setting])


@given(st.text(st.characters(codec="utf-8") | st.sampled_from("\r\n\ufffd\x1b"), max_size=30), st.data())
def test_a_streamed_text_is_the_whole_text_made_safe(text: str, data: st.DataObject) -> None:
    written: list[str] = []
    typewriter = Typewriter(written.append)
    for end in sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=5))):
        # What is decoded half way may end in a character that is not whole yet.
        typewriter.grow(text[:end] + data.draw(st.sampled_from(["", "\ufffd"])) * (end < len(text)))
    typewriter.end(text)
    assert "".join(written) == sanitize(text)


def test_progress_without_a_terminal_is_a_line_now_and_then(capfd: pytest.CaptureFixture[str]) -> None:
    time = 0.0
    report = lines(lambda: time)
    for step in range(1, 11):
        time += EVERY_S * 0.4
        report("train", step, 10, "")
    said = capfd.readouterr()
    assert said.out == ""
    assert said.err.splitlines() == ["train 3/10", "train 6/10", "train 9/10", "train 10/10"]


def test_progress_for_a_program_is_json_not_too_often_and_never_without_the_last_of_a_stage(
    capfd: pytest.CaptureFixture[str],
) -> None:
    time = 0.0
    with json_lines(lambda: time) as report:
        for done in range(1, 31):
            time += JSON_EVERY_S * 0.3
            report("collect", done, 0)
        for done in range(1, 4):
            report("train", done, 3, "a note", reward=0.5)
        report("after", 1, 9)
    said = capfd.readouterr()
    assert said.out == ""
    events = [json.loads(line) for line in said.err.splitlines()]
    collect = [event["done"] for event in events if event["stage"] == "collect"]
    assert collect == [1, 5, 9, 13, 17, 21, 25, 29, 30]
    note = {"ev": "progress", "stage": "train", "done": 3, "total": 3, "note": "a note", "data": {"reward": 0.5}}
    assert events[9:] == [note, {**note, "stage": "after", "done": 1, "total": 9, "note": "", "data": {}}]


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [(0.01, 0.2, "clear gain"), (-0.2, -0.01, "worse"), (-0.1, 0.1, "not clear"), (0, 0.1, "not clear")],
)
def test_only_an_interval_off_zero_is_a_claim(low: float, high: float, said: str) -> None:
    assert word(PairedDifference((low + high) / 2, low, high, 1, 1, 1.0, 10)) == said


@pytest.mark.parametrize(
    ("sampled", "best", "said"),
    [
        (0.1, 0.1, "second try at temperature 1: clear gain; each at its best temperature: clear gain"),
        (0.1, 0.0, "sharpened"),
        (0.1, -0.3, "sharpened"),
        (0.0, 0.1, "second try at temperature 1: not clear; each at its best temperature: clear gain"),
    ],
)
def test_a_gain_at_temperature_1_alone_is_called_sharpening(sampled: float, best: float, said: str) -> None:
    assert verdict(result(sampled, best)).startswith(said)


def result(sampled: float, best: float) -> Result:
    """A demo whose second try changed by these, both give or take 0.05."""
    rates = Rates(10, 0.5, 0.5, None)
    problem = Problem("?", {}, "0")
    item = Item(Try(problem, Node(Span.PROBLEM, None, (1,), "?"), Verdict(VerdictKind.PASS, ""), 0.0))
    at_best = AtBest(0.0, rates)
    return Result("run-1", 1, rates, rates, gain(sampled), BestGain(at_best, at_best, gain(best)), item, item, {})


def gain(diff: float) -> Gain:
    change = PairedDifference(diff, diff - 0.05, diff + 0.05, 1, 1, 1.0, 10)
    return Gain(change, change)
