"""How a file gets the newest schema: each migration once, in order, in one transaction with the record of it.

Before a file with rows is changed, a whole copy of it goes to the folder `backups` beside it; afterwards SQLite checks
what came out. Several processes may do this at once: the lock of BEGIN IMMEDIATE lets one through, the others then find
nothing left to do.

`sqlite-utils migrate rrr.db migrations.py --list` shows what was applied. This module is imported only when there is
something to do, since sqlite-utils takes 0.4 s to import.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

from sqlite_utils import Database, Migrations
from sqlite_utils.db import Table

from rrr_local.errors import ResourceError
from rrr_local.store import schema_2
from rrr_local.store.schema import APPLICATION_ID, INDEXES, SCHEMA_VERSION, SEARCHABLE, TABLES, VIEWS
from rrr_local.store.sqlite import Connection, transaction

MIGRATIONS = Migrations("rrr_local")


@MIGRATIONS()
def m0001_initial(db: Database) -> None:
    """Everything of version 1.

    `enable_fts` rather than our own SQL: `sqlite-utils search` and Datasette find only its indexes.
    """
    db.executescript(TABLES + INDEXES + VIEWS)
    for table in SEARCHABLE:
        cast(Table, db[table]).enable_fts(["text"], create_triggers=True)
    db.executescript(f"PRAGMA application_id={APPLICATION_ID}; PRAGMA user_version=1;")


@MIGRATIONS()
def m0002_conversations(db: Database) -> None:
    """Everything of version 2; prompts can be searched now too."""
    db.executescript(schema_2.TABLES + schema_2.INDEXES + schema_2.VIEWS)
    cast(Table, db["problems"]).enable_fts(["prompt"], create_triggers=True)
    db.executescript("PRAGMA user_version=2;")


def migrate(connection: Connection, path: Path) -> None:
    """Bring the file at `path` to SCHEMA_VERSION.

    Raises `ResourceError` when it does not pass SQLite's checks afterwards.
    """
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    if version:  # a new file has nothing to lose
        _back_up(connection, path, version)
    with transaction(connection):
        # Which migrations are pending is read inside the lock: another process may have applied them by now.
        MIGRATIONS.apply(Database(connection, execute_plugins=False))
    _check(connection)


def _back_up(connection: Connection, path: Path, version: int) -> None:
    """A whole copy, which SQLite makes while other processes go on writing."""
    folder = path.parent / "backups"
    folder.mkdir(mode=0o700, exist_ok=True)
    time = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
    name = f"{path.stem}-version-{version:04}-before-{SCHEMA_VERSION:04}-{time}-{os.getpid()}.db"
    connection.execute("VACUUM INTO ?", (str(folder / name),))


def _check(connection: Connection) -> None:
    """SQLite's own checks of pages, references and full-text indexes."""
    problems = [row[0] for row in connection.execute("PRAGMA quick_check").fetchall() if row[0] != "ok"]
    problems += [f"{row[0]} row {row[1]}" for row in connection.execute("PRAGMA foreign_key_check").fetchall()]
    if problems:
        raise ResourceError(
            f"the log is damaged after its upgrade ({problems[0]})", "put the newest file of `backups` in its place"
        )
    indexes = connection.execute("SELECT name FROM sqlite_schema WHERE sql LIKE 'CREATE VIRTUAL TABLE%'").fetchall()
    for (index,) in indexes:
        connection.execute(f"INSERT INTO [{index}]([{index}], rank) VALUES ('integrity-check', 1)")
