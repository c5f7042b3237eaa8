"""Episodes as files: every form holds every episode, and none harms who opens it."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from rrr_local.chat.episodes import FORMS, SCHEMA, export
from rrr_local.store.history import EpisodeFilter, Outcome
from rrr_local.store.store import Store
from tests.store.samples import Lab, episode

TEXT = '=1+1 "quoted"\n```\x1b[31m# no heading'


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    made = Lab.at(tmp_path / "rrr.db")
    made.store.log_episodes(made.session_id, [episode(made.problem_ids[0], TEXT), episode(made.problem_ids[1])])
    return made


def written(store: Store, form: str, which: EpisodeFilter | None = None) -> str:
    return "".join(export(store.reader(), form, which or EpisodeFilter()))


def test_json_lines_hold_everything_as_it_was_written(lab: Lab) -> None:
    newer, older = (json.loads(line) for line in written(lab.store, "jsonl").splitlines())
    assert (older["schema"], older["attempt"]["text"]) == (SCHEMA, TEXT)
    assert newer["id"] > older["id"] and (newer["outcome"], newer["judge"]) == ("fixed", "verifier")
    assert [each["retry"]["verdict"] for each in older["reflections"]] == ["pass", "fail"]
    assert len(older["plain_retries"]) == 1


def test_a_table_has_a_row_each_and_no_formula(lab: Lab) -> None:
    rows = list(csv.DictReader(io.StringIO(written(lab.store, "csv"))))
    assert [row["attempt"] for row in rows] == ["I got 29.", f"'{TEXT}"]
    assert {row["outcome"] for row in rows} == {"fixed"}


def test_markdown_keeps_texts_inside_their_fences(lab: Lab) -> None:
    text = written(lab.store, "md")
    assert "\x1b" not in text
    assert "````\n=1+1" in text


@pytest.mark.parametrize("form", FORMS)
def test_a_filter_narrows_the_file(lab: Lab, form: str) -> None:
    assert TEXT[:5] not in written(lab.store, form, EpisodeFilter(outcome=Outcome.PASSED))


def test_an_unknown_form_is_refused(lab: Lab) -> None:
    with pytest.raises(ValueError, match="no form"):
        export(lab.store.reader(), "xls")
