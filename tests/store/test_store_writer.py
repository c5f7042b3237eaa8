"""The writer thread: order, batches, and that no error stays unheard."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import pysqlite3 as driver
import pytest

from rrr_local.errors import BusyError, ResourceError
from rrr_local.store import writer as writer_module
from rrr_local.store.records import EvalItemRecord
from rrr_local.store.sqlite import Connection, connect
from rrr_local.store.writer import Writer

from .samples import Lab, episode


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    lab = Lab.at(tmp_path / "rrr.db")
    with lab.store:
        yield lab


def writer_of(lab: Lab) -> Writer:
    assert lab.store._writer is not None
    return lab.store._writer


def add_setting(key: str, connection: Connection) -> None:
    connection.execute("INSERT INTO settings VALUES (?, 'v', 't')", (key,))


def keys(lab: Lab) -> list[str]:
    return [row[0] for row in lab.store.reader().execute("SELECT key FROM settings ORDER BY key")]


def test_what_nobody_waits_for_is_written_all_the_same(lab: Lab) -> None:
    written = threading.Event()
    writer_of(lab).submit(lambda connection: written.set())
    assert written.wait(10)


def test_500_rows_are_written_before_the_time_is_up(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer_module, "FLUSH_AFTER_S", 1000)
    written = threading.Event()
    writer_of(lab).submit(lambda connection: written.set(), rows=499)
    assert not written.is_set()
    writer_of(lab).submit(lambda connection: None, rows=1)
    assert written.wait(10)


def test_many_writes_share_one_commit_and_keep_their_order(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer_module, "FLUSH_AFTER_S", 1000)
    order: list[int] = []

    def noted(number: int, connection: Connection) -> None:
        order.append(number)

    statements: list[str] = []
    writer_of(lab).connection.set_trace_callback(statements.append)
    for number in range(100):
        writer_of(lab).submit(partial(noted, number))
    lab.store.flush()
    assert order == list(range(100))
    assert [each for each in statements if each in ("BEGIN IMMEDIATE", "COMMIT")] == ["BEGIN IMMEDIATE", "COMMIT"]


def test_a_write_that_breaks_a_constraint_is_rejected_alone(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer_module, "FLUSH_AFTER_S", 1000)
    for key in ("a", "b", "a", "c"):
        writer_of(lab).submit(partial(add_setting, key))
    with pytest.raises(driver.IntegrityError):
        lab.store.flush()
    assert keys(lab) == ["a", "b", "c"]
    lab.store.flush()


def half_done(connection: Connection) -> None:
    add_setting("half", connection)
    raise ValueError("a bug")


def test_what_is_rejected_leaves_nothing_and_its_caller_gets_the_error(lab: Lab) -> None:
    with pytest.raises(ValueError, match="a bug"):
        writer_of(lab).call(half_done)
    assert keys(lab) == []


def test_a_rejection_nobody_waited_for_surfaces_at_the_next_call(lab: Lab) -> None:
    rejected = threading.Event()

    def reject(connection: Connection) -> None:
        rejected.set()
        half_done(connection)

    writer_of(lab).submit(reject)
    assert rejected.wait(10)
    with pytest.raises(ValueError, match="a bug"):
        for _ in range(2):  # the first may come before the commit that rejects, and then waits for it
            lab.store.log_episodes(lab.session_id, [])


def test_a_rejection_surfaces_at_close_at_the_latest(tmp_path: Path) -> None:
    lab = Lab.at(tmp_path / "rrr.db")
    lab.store.log_eval_items("no such evaluation", [EvalItemRecord(lab.problem_ids[0], None, None, None)])
    with pytest.raises(driver.IntegrityError):
        lab.store.close()


def test_a_closed_log_takes_nothing_more(tmp_path: Path) -> None:
    lab = Lab.at(tmp_path / "rrr.db")
    lab.store.close()
    lab.store.close()
    with pytest.raises(ValueError, match="closed"):
        lab.store.end_session(lab.session_id)


def limit_pages(lab: Lab, more: int) -> None:
    """Make the disk of this connection full after `more` further pages: SQLite itself then reports SQLITE_FULL."""
    lab.store.flush()
    connection = writer_of(lab).connection  # nobody uses it now: everything is flushed
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count={pages + more}").fetchall()


def fill(lab: Lab) -> list[int]:
    """Log episodes until the disk is full; the acknowledged ones."""
    acknowledged: list[int] = []
    with pytest.raises(ResourceError, match="the disk is full"):
        while True:
            acknowledged += lab.store.log_episodes(lab.session_id, [episode(lab.problem_ids[0], "x" * 5000)])
    return acknowledged


def logged(lab: Lab) -> list[int]:
    rows = lab.store.reader().execute("SELECT id FROM attempts WHERE attempt_no = 1 ORDER BY id").fetchall()
    return [row[0] for row in rows]


def test_a_full_disk_loses_nothing_acknowledged_and_writes_nothing_half(lab: Lab) -> None:
    limit_pages(lab, 40)
    acknowledged = fill(lab)
    assert acknowledged and logged(lab) == acknowledged
    assert lab.scalar("PRAGMA quick_check") == "ok"
    assert lab.scalar("SELECT count(*) FROM attempts") == 4 * len(acknowledged)


def test_after_a_full_disk_the_same_call_may_be_made_again(lab: Lab) -> None:
    limit_pages(lab, 20)
    acknowledged = fill(lab)
    writer_of(lab).connection.execute("PRAGMA max_page_count=1000000").fetchall()
    acknowledged += lab.store.log_episodes(lab.session_id, [episode(lab.problem_ids[0])])
    assert logged(lab) == acknowledged


def big(connection: Connection) -> None:
    connection.execute("INSERT INTO settings VALUES ('big', ?, 't')", ("x" * 1_000_000,))


def test_queued_rows_wait_for_the_disk_and_every_call_says_so(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer_module, "FLUSH_AFTER_S", 1000)
    limit_pages(lab, 2)
    writer_of(lab).submit(big)
    for _ in range(2):
        with pytest.raises(ResourceError, match="the disk is full"):
            lab.store.flush()
    with pytest.raises(ResourceError, match="the disk is full"):
        lab.store.end_session(lab.session_id)
    with pytest.raises(ResourceError, match="the disk is full"):
        lab.run()
    assert keys(lab) == []
    writer_of(lab).connection.execute("PRAGMA max_page_count=1000000").fetchall()
    lab.store.flush()
    assert keys(lab) == ["big"]
    assert lab.scalar("SELECT ended_at FROM sessions") is None, "its caller was told that it failed"
    assert lab.scalar("SELECT count(*) FROM train_runs") == 0
    lab.store.end_session(lab.session_id)
    lab.store.flush()
    assert lab.scalar("SELECT ended_at FROM sessions") is not None


def test_closing_on_a_full_disk_says_so(tmp_path: Path) -> None:
    lab = Lab.at(tmp_path / "rrr.db")
    limit_pages(lab, 2)
    writer_of(lab).submit(big)
    with pytest.raises(ResourceError, match="the disk is full"):
        lab.store.close()
    assert not writer_of(lab)._thread.is_alive()


def test_a_locked_log_is_named_and_its_rows_wait(lab: Lab) -> None:
    lab.store.flush()
    writer_of(lab).connection.execute("PRAGMA busy_timeout=20").fetchall()
    with closing(connect(lab.store.path)) as other:
        other.execute("BEGIN IMMEDIATE")
        writer_of(lab).submit(partial(add_setting, "queued"))
        with pytest.raises(BusyError, match="another program is writing to the log"):
            lab.store.flush()
        other.execute("ROLLBACK")
    lab.store.flush()
    assert keys(lab) == ["queued"]
