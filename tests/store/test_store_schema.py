"""The file itself: how it is made and upgraded, what it refuses, and that other people's tools read it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pysqlite3 as driver
import pytest
from sqlite_utils import Database, Migrations

from rrr_local.errors import ResourceError, RrrError, UsageError
from rrr_local.store import migrations
from rrr_local.store.schema import APPLICATION_ID, SCHEMA_VERSION
from rrr_local.store.sqlite import (
    WAL_SAFE_FROM,
    Connection,
    connect,
    explained,
    sqlite_version,
    transaction,
    wal_is_safe,
)
from rrr_local.store.store import Store

from .samples import Lab, episode

BIN = Path(sys.executable).parent


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    lab = Lab.at(tmp_path / "rrr.db")
    with lab.store:
        yield lab


def tool(*arguments: str) -> str:
    """The output of a program of this environment."""
    program, *rest = arguments
    done = subprocess.run([BIN / program, *rest], capture_output=True, text=True, check=True)
    return done.stdout


def test_the_sqlite_in_use_may_be_shared_by_two_processes() -> None:
    assert sqlite_version() >= WAL_SAFE_FROM and wal_is_safe()


def test_a_connection_is_set_up_to_lose_nothing(lab: Lab) -> None:
    assert lab.store._writer is not None
    expected = {
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
        "busy_timeout": 30000,
        "mmap_size": 0,
        "trusted_schema": 0,
        "application_id": APPLICATION_ID,
        "user_version": SCHEMA_VERSION,
    }
    connection = lab.store._writer.connection
    assert {name: connection.execute(f"PRAGMA {name}").fetchone()[0] for name in expected} == expected


def test_a_deferred_transaction_fails_where_ours_does_not(lab: Lab) -> None:
    """Why transactions are BEGIN IMMEDIATE: oracle for the reason given in `rrr_local.store.sqlite`."""
    with closing(connect(lab.store.path)) as mine:
        mine.execute("BEGIN")
        mine.execute("SELECT count(*) FROM settings").fetchall()
        lab.run("meanwhile")
        with pytest.raises(driver.OperationalError) as caught:
            mine.execute("INSERT INTO settings VALUES ('a', 'b', 'c')")
        assert caught.value.sqlite_errorname.startswith("SQLITE_BUSY"), "although nobody holds the lock"
        mine.execute("ROLLBACK")
        with transaction(mine):
            mine.execute("SELECT count(*) FROM settings").fetchall()
            mine.execute("INSERT INTO settings VALUES ('a', 'b', 'c')")
    assert lab.scalar("SELECT value FROM settings") == "b"


OPEN = """
import sys
from pathlib import Path
from rrr_local.store import migrations  # now, so that the processes then start level
from rrr_local.store.store import Store
print("ready", flush=True)
for line in sys.stdin:
    with Store.open(Path(line.strip())) as store:
        store.task("countdown", 1, "builtin", "arithmetic", "ab", {})
        print(store.reader().execute("SELECT count(*) FROM tasks").fetchone()[0], flush=True)
"""


def test_four_processes_may_open_a_new_log_at_once(tmp_path: Path) -> None:
    children = [
        subprocess.Popen([sys.executable, "-c", OPEN], stdin=-1, stdout=-1, stderr=-1, text=True) for _ in range(4)
    ]
    answers: list[list[str]] = [[child.stdout.readline() for child in children if child.stdout]]
    for round_ in range(10):
        for child in children:
            assert child.stdin is not None
            child.stdin.write(f"{tmp_path / str(round_)}.db\n")
            child.stdin.flush()
        answers.append([child.stdout.readline() for child in children if child.stdout])
    errors = [child.communicate()[1] for child in children]
    assert errors == [""] * 4
    assert answers == [["ready\n"] * 4] + [["1\n"] * 4] * 10
    assert [child.returncode for child in children] == [0] * 4


def test_sqlite_utils_is_imported_only_to_upgrade(lab: Lab) -> None:
    code = (
        "import sys; from pathlib import Path; from rrr_local.store.store import Store; "
        "Store.open(Path(sys.argv[1])).close(); print('sqlite_utils' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, lab.store.path], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_sqlite_utils_finds_what_was_written(lab: Lab) -> None:
    lab.store.log_episodes(lab.session_id, [episode(lab.problem_ids[0], "the zebra was late")])
    path = str(lab.store.path)
    assert [row["text"] for row in json.loads(tool("sqlite-utils", "search", path, "attempts", "zebra"))] == [
        "the zebra was late"
    ]
    assert len(json.loads(tool("sqlite-utils", "search", path, "reflections", "largest"))) == 1
    counts = {row["table"]: row["count"] for row in json.loads(tool("sqlite-utils", "tables", "--counts", path))}
    assert (counts["attempts"], counts["reflections"]) == (4, 2)


def test_datasette_serves_the_log(lab: Lab) -> None:
    lab.store.log_episodes(lab.session_id, [episode(lab.problem_ids[0], "the zebra was late")])
    served = tool("datasette", str(lab.store.path), "--get", "/rrr/attempts.json?_search=zebra&_shape=array")
    assert [row["text"] for row in json.loads(served)] == ["the zebra was late"]


@pytest.mark.parametrize("view", ["attempt_verdicts", "episodes", "run_summary", "eval_summary", "winning_reflections"])
def test_every_view_can_be_read(lab: Lab, view: str) -> None:
    lab.store.reader().execute(f"SELECT * FROM {view}").fetchall()


@pytest.mark.parametrize("view", ["episodes", "winning_reflections"])
def test_a_page_of_the_newest_does_not_read_the_whole_log(lab: Lab, view: str) -> None:
    sql = f"EXPLAIN QUERY PLAN SELECT * FROM {view} WHERE id < 1000 ORDER BY id DESC LIMIT 50"
    plan = " / ".join(row[3] for row in lab.store.reader().execute(sql))
    assert "INTEGER PRIMARY KEY (rowid<?)" in plan
    assert not [word for word in ("SCAN", "MATERIALIZE", "AUTOMATIC", "TEMP B-TREE") if word in plan], plan


BAD = {
    "a verdict we do not have": "INSERT INTO outcomes VALUES (9, 1, 'verifier', 'maybe', 0, '', '', 0, '')",
    "a source we do not have": "INSERT INTO outcomes VALUES (9, 1, 'oracle', 'pass', 0, '', '', 0, '')",
    "a split we do not have": "UPDATE problems SET split = 'test'",
    "a kind of session we do not have": "UPDATE sessions SET kind = 'nap'",
    "a first attempt that is a retry": "UPDATE attempts SET attempt_no = 2 WHERE id = 1",
    "a retry of nothing": "UPDATE attempts SET first_attempt_id = NULL WHERE id = 2",
    "a first attempt after a reflection": "UPDATE attempts SET reflection_id = 1 WHERE id = 1",
    "a third of a token id": "UPDATE attempts SET token_ids = x'010203' WHERE id = 1",
    "an attempt that is still referred to": "DELETE FROM attempts WHERE id = 1",
    "an unknown session": "UPDATE attempts SET session_id = 'x'",
    "text for a number": "UPDATE attempts SET seed = 'seven'",
}


@pytest.mark.parametrize("sql", BAD.values(), ids=BAD.keys())
def test_the_file_refuses(lab: Lab, sql: str) -> None:
    lab.store.log_episodes(lab.session_id, [episode(lab.problem_ids[0])])
    assert lab.store._writer is not None
    with pytest.raises(driver.IntegrityError):
        lab.store._writer.call(lambda connection: connection.execute(sql))


def set_version(path: Path, version: int) -> None:
    with closing(connect(path)) as connection:
        connection.execute(f"PRAGMA user_version={version}")


@pytest.mark.parametrize("readonly", [False, True])
def test_a_log_of_a_newer_version_is_refused_and_left_alone(tmp_path: Path, readonly: bool) -> None:
    path = tmp_path / "rrr.db"
    Lab.at(path).store.close()
    set_version(path, SCHEMA_VERSION + 1)
    before = path.read_bytes()
    with pytest.raises(RrrError, match="made by a newer rrr-local"):
        Store.open(path, readonly=readonly)
    assert path.read_bytes() == before
    assert not (tmp_path / "backups").exists()


@pytest.mark.parametrize("readonly", [False, True])
def test_somebody_elses_database_is_refused_and_left_alone(tmp_path: Path, readonly: bool) -> None:
    path = tmp_path / "theirs.db"
    with closing(driver.connect(path)) as connection:
        connection.execute("CREATE TABLE precious(x)")
    before = path.read_bytes()
    with pytest.raises(UsageError, match="not a log of rrr-local"):
        Store.open(path, readonly=readonly)
    assert path.read_bytes() == before


def upgraded(monkeypatch: pytest.MonkeyPatch, sql: str) -> None:
    """Pretend that there is a next version, made by `sql`."""
    newer, version = Migrations("rrr_local"), SCHEMA_VERSION + 1
    newer(name="m0001_initial")(migrations.m0001_initial)
    newer(name="m0002_conversations")(migrations.m0002_conversations)

    @newer()
    def m9999_more(db: Database) -> None:
        db.executescript(f"{sql}; PRAGMA user_version={version}")

    for module in ("migrations", "log"):
        monkeypatch.setattr(f"rrr_local.store.{module}.SCHEMA_VERSION", version)
    monkeypatch.setattr(migrations, "MIGRATIONS", newer)


def rows_of(connection: Connection) -> list[tuple[object, ...]]:
    return connection.execute("SELECT id, text FROM attempts ORDER BY id").fetchall()


def test_an_upgrade_keeps_everything_and_a_copy_from_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "rrr.db"
    lab = Lab.at(path)
    lab.store.log_episodes(lab.session_id, [episode(lab.problem_ids[0])])
    rows = rows_of(lab.store.reader())
    lab.store.close()
    upgraded(monkeypatch, "ALTER TABLE attempts ADD COLUMN mood TEXT")
    with pytest.raises(UsageError, match="older rrr-local"):
        Store.open(path, readonly=True)
    with Store.open(path) as store:
        assert rows_of(store.reader()) == rows
        assert store.reader().execute("SELECT mood FROM attempts").fetchone() == (None,)
    [copy] = (tmp_path / "backups").iterdir()
    with closing(driver.connect(copy)) as connection:
        assert rows_of(connection) == rows
        assert connection.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)


def test_a_failed_upgrade_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "rrr.db"
    Lab.at(path).store.close()
    with monkeypatch.context() as patch:
        upgraded(patch, "CREATE TABLE fresh(x); INSERT INTO nowhere VALUES (1)")
        with pytest.raises(driver.OperationalError, match="nowhere"):
            Store.open(path)
    with Store.open(path) as store:
        assert store.reader().execute("SELECT count(*) FROM sqlite_schema WHERE name = 'fresh'").fetchone() == (0,)


def test_an_upgrade_that_breaks_references_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "rrr.db"
    Lab.at(path).store.close()
    with closing(driver.connect(path)) as connection:
        connection.execute("UPDATE sessions SET task_id = 99")
        connection.commit()
    upgraded(monkeypatch, "CREATE TABLE fresh(x)")
    with pytest.raises(ResourceError, match="damaged after its upgrade \\(sessions row 1\\)"):
        Store.open(path)


def test_a_broken_constraint_is_a_bug_and_not_the_machines_fault(lab: Lab) -> None:
    assert explained(ValueError()) is None
    with closing(connect(lab.store.path)) as connection, pytest.raises(driver.Error) as caught:
        connection.execute("INSERT INTO settings VALUES (NULL, NULL, NULL)")
    assert explained(caught.value) is None
