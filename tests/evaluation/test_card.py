"""The card of a run says what was measured with its right to say so, and takes nothing for markup."""

from __future__ import annotations

from pathlib import Path

import pysqlite3
import pytest

from rrr_local.errors import NotFoundError
from rrr_local.evaluation.card import card
from rrr_local.store import queries
from rrr_local.store.store import Store
from tests.store.samples import Lab
from tests.tui.sample import sample_store


def test_a_finished_run_has_both_measurements_with_intervals_and_words(tmp_path: Path) -> None:
    sample_store(tmp_path)
    with Store.open(tmp_path / "rrr.db") as store:
        text = card(store.reader(), "run-1")
    assert (
        "| first try | 21.9 % (14 to 33) | 40.6 % (29 to 53) | +18.8 points (+9 to +28) | clear gain | 12 | 0 |" in text
    )
    assert "## Its own failures, tried again" in text
    assert "## Newly broken\n\nNone of the held-out problems that it solved before." in text
    assert "## What it learned to tell itself" in text and "retries passed)" in text


def test_what_it_solved_before_and_fails_now_is_listed(tmp_path: Path) -> None:
    sample_store(tmp_path)
    connection = pysqlite3.connect(tmp_path / "rrr.db")
    with connection:  # the last evaluation on held-out problems is turned round: all that passed has failed
        of = (
            "SELECT id FROM evals WHERE adapter_id IS NOT NULL AND config LIKE '%held-out%' ORDER BY rowid DESC LIMIT 1"
        )
        connection.execute(f"UPDATE eval_items SET first_pass = 0, final_pass = 0 WHERE eval_id = ({of})")
    connection.close()
    with Store.open(tmp_path / "rrr.db") as store:
        assert "## Newly broken\n\n- Using the numbers" in card(store.reader(), "run-1")


def test_a_run_that_was_not_measured_says_so_and_its_texts_stay_text(tmp_path: Path) -> None:
    lab = Lab.at(tmp_path / "rrr.db")
    run_id = lab.run()
    lab.store.update_run(run_id, note="# big\n[x](http://x) <b>\x1b[0m")
    text = card(lab.store.reader(), queries.run(lab.store.reader(), run_id).summary.name)
    assert "Not measured before and after." in text
    assert "\\# big \\[x\\](http://x) \\<b\\>␛\\[0m" in text
    assert "## Newly broken" not in text


def test_a_card_of_no_run_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        card(Lab.at(tmp_path / "rrr.db").store.reader(), "run-9")
