"""A file of version 1 becomes one of version 2 and keeps every row."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
from sqlite_utils import Database, Migrations

from rrr_local.episode import VerdictKind
from rrr_local.errors import UsageError
from rrr_local.store import history, migrations, queries, search
from rrr_local.store.schema import SCHEMA_VERSION
from rrr_local.store.sqlite import Connection, connect, transaction
from rrr_local.store.store import Store

T = "2026-01-02T03:04:05.678Z"
ROWS_OF_VERSION_1 = f"""
INSERT INTO models VALUES (1, NULL, NULL, 'tiny', 'safetensors', NULL, 3, 9, NULL, 0, 'cd', 1, NULL, '{T}');
INSERT INTO tasks VALUES (1, 'countdown', 1, 'Countdown', 'Countdown', 'ef', '{{}}', '{T}');
INSERT INTO problems VALUES (1, 1, 'train', 'aa', 'Reach 24 from a zebra', NULL, '{{"target":24}}', NULL),
  (2, 1, 'eval', 'bb', 'Reach 25', NULL, '{{"target":25}}', NULL);
INSERT INTO templates VALUES (1, 'cc', 'chat', 'hello');
INSERT INTO sessions VALUES ('s1', 'collect', NULL, 1, NULL, 1, NULL, NULL, '0.1', '{T}', NULL),
  ('s2', 'eval', NULL, 1, NULL, 1, NULL, 'e1', '0.1', '{T}', '{T}'),
  ('s3', 'chat', 'a title', 1, NULL, 1, NULL, NULL, '0.1', '{T}', '{T}');
INSERT INTO train_runs VALUES ('r1', 'run-1', 'done', 1, 1, NULL, 's1', 'mlx', 7, '{{}}', 'dd', 10, 2, 1, 'runs/run-1',
  12, 'here', '{T}', NULL, '0.1', '{{}}', '{T}', '{T}', '{T}'),
  ('r2', 'run-2', 'queued', 1, 1, NULL, NULL, 'mlx', 7, '{{}}', 'dd', 10, 0, 0, NULL, NULL, NULL, NULL, NULL, '0.1', NULL, NULL,
  NULL, '{T}');
INSERT INTO adapters VALUES (1, 'run-1', 1, 'r1', 2, 'runs/run-1', 'ab', 9, 8, '{{}}', 'final', NULL, '{T}', NULL);
INSERT INTO attempts VALUES (1, 's1', 1, NULL, NULL, NULL, 1, 'I got a giraffe', '29', 'stop', 'ee', NULL, 4, 2, 7, 9, x'0100000002000000', '{T}'),
  (2, 's1', 1, NULL, 1, 1, 2, 'then 24', '24', 'stop', 'ff', NULL, 9, 2, 7, 9, NULL, '{T}'),
  (3, 's2', 2, 1, NULL, NULL, 1, 'twenty-five', NULL, 'length', NULL, 1, NULL, NULL, NULL, NULL, NULL, '{T}');
INSERT INTO rollout_groups VALUES (1, 'r1', 1, 0, 1, 1, 1, 1.0, 0.0, 1, NULL);
INSERT INTO reflections VALUES (1, 1, 1, 0, 'use a lion', 3, 1.0, 0.5, 'stop', 9, '{T}');
INSERT INTO outcomes VALUES (1, 1, 'verifier', 'fail', 0.0, 'got 29', 'ef', 1, '{T}'),
  (2, 2, 'verifier', 'pass', 1.0, '', 'ef', 1, '{T}'), (3, 3, 'verifier', 'pass', 1.0, '', 'ef', 1, '{T}'),
  (4, 3, 'user', 'fail', 0.0, 'no', NULL, NULL, '{T}');
INSERT INTO train_steps(run_id, step, segment, loss, groups, groups_used, seconds, extra, created_at)
  VALUES ('r1', 1, 0, 0.5, 4, 1, 1.5, '{{"clip":0.1}}', '{T}'), ('r1', 2, 1, 0.25, 4, NULL, 2.0, NULL, '{T}');
INSERT INTO evals VALUES ('e1', 1, 1, 1, 'done', 1, 1, 0, '{{}}', 'gg', 1.0, 1.0, 0, NULL, '{T}', '{T}');
INSERT INTO eval_items VALUES ('e1', 2, 0, 3, NULL, 1, 1, NULL);
INSERT INTO settings VALUES ('ui.theme', 'dark', '{T}');
"""
TABLES = (
    *("models", "tasks", "problems", "templates", "sessions", "train_runs", "adapters", "attempts", "reflections"),
    *("outcomes", "rollout_groups", "train_steps", "evals", "eval_items", "settings"),
)


def contents(connection: Connection) -> dict[str, list[tuple[object, ...]]]:
    return {table: connection.execute(f"SELECT * FROM {table}").fetchall() for table in TABLES}


@pytest.fixture
def first(tmp_path: Path) -> Path:
    """A log as version 1 left it, with a row or more in every table."""
    path = tmp_path / "rrr.db"
    version_1 = Migrations("rrr_local")
    version_1(name="m0001_initial")(migrations.m0001_initial)
    with closing(connect(path)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        with transaction(connection):
            version_1.apply(Database(connection, execute_plugins=False))
        connection.executescript(f"BEGIN; PRAGMA defer_foreign_keys=ON; {ROWS_OF_VERSION_1} COMMIT;")
        assert all(contents(connection).values())
        assert connection.execute("PRAGMA user_version").fetchone() == (1,)
    return path


def test_every_row_of_version_1_is_kept(first: Path) -> None:
    with closing(connect(first)) as connection:
        before = contents(connection)
    with Store.open(first) as store:
        after = contents(store.reader())
        assert store.reader().execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)
    assert {table: len(rows) for table, rows in after.items()} == {table: len(rows) for table, rows in before.items()}
    for table, rows in before.items():
        assert [new[: len(old)] for old, new in zip(rows, after[table], strict=True)] == rows, table
    [copy] = (first.parent / "backups").iterdir()
    with closing(connect(copy)) as connection:
        assert contents(connection) == before


def test_what_version_1_wrote_is_read_as_ever(first: Path) -> None:
    with Store.open(first) as store:
        reader = store.reader()
        newest, oldest = history.episodes(reader)
        assert (newest.verdict, newest.by_user, newest.run) == (VerdictKind.FAIL, True, None)
        assert (oldest.outcome, oldest.run, oldest.excluded) == (history.Outcome.FIXED, "run-1", False)
        assert [f.token_ids for f in queries.pool(reader, 1, 1)] == [(1, 2)]
        run = queries.run(reader, "run-1")
        assert (run.phase, run.request, run.note, run.segment) == (None, None, None, 1)
        assert queries.settings(reader) == {"ui.theme": "dark"}


def test_the_sums_of_a_run_are_made_up_for_the_steps_it_has(first: Path) -> None:
    with Store.open(first) as store:
        done, queued = queries.run(store.reader(), "run-1").summary, queries.run(store.reader(), "run-2").summary
    assert (done.groups, done.groups_used, done.seconds) == (8, 1, 3.5)
    assert (queued.groups, queued.groups_used, queued.seconds) == (None, None, None)


def test_old_prompts_can_be_searched_and_old_indexes_still_grow(first: Path) -> None:
    with Store.open(first) as store:
        reader = store.reader()
        assert [e.id for e in history.episodes(reader, which=history.EpisodeFilter("zebra"))] == [1]
        assert [hit.id for hit in search.search(reader, "giraffe")] == [1]
        store.set_setting("ui.theme", None)
        assert store._writer is not None
        sql = "INSERT INTO attempts(session_id, attempt_no, text, created_at) VALUES ('s3', 1, 'an okapi', '')"
        store._writer.call(lambda connection: connection.execute(sql))
        assert [e.id for e in history.episodes(reader, which=history.EpisodeFilter("okapi"))] == [4]


def test_an_upgraded_file_is_like_a_new_one(first: Path, tmp_path: Path) -> None:
    def schema(path: Path) -> set[tuple[str, ...]]:
        with Store.open(path) as store:
            sql = "SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%'"
            return set(store.reader().execute(sql).fetchall())

    assert schema(first) == schema(tmp_path / "new.db")


def test_an_upgraded_file_is_not_upgraded_again(first: Path) -> None:
    for _ in range(2):
        Store.open(first).close()
    assert len(list((first.parent / "backups").iterdir())) == 1


def test_a_reader_does_not_upgrade(first: Path) -> None:
    with pytest.raises(UsageError, match="older rrr-local"):
        Store.open(first, readonly=True)
