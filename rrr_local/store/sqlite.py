"""SQLite connections: which SQLite, how one is set up, how a transaction starts, what an error means to a person.

SQLite below 3.51.3 can corrupt a WAL file that two processes write and checkpoint ("WAL-reset"), and the interface and
the trainer are two such processes. So `pysqlite3`, which bundles a newer one, goes before the standard library's
`sqlite3`.

Transactions start with BEGIN IMMEDIATE. A deferred one that reads and then writes fails at once with
SQLITE_BUSY_SNAPSHOT when another process has committed in between, however long the busy timeout is.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rrr_local.errors import BusyError, ResourceError, RrrError

if TYPE_CHECKING:
    import sqlite3 as driver
else:
    try:
        import pysqlite3 as driver
    except ImportError:
        import sqlite3 as driver

Connection = driver.Connection
"""A connection of whichever driver is in use."""

WAL_SAFE_FROM = (3, 51, 3)
BUSY_TIMEOUT_S = 30.0
"""How long a statement waits for another process to release the file."""

PRAGMAS = {
    "synchronous": "FULL",  # a commit outlives a power cut; 0.5 ms instead of 0.01 ms, at a few commits a second
    "foreign_keys": "ON",
    "cache_size": "-32000",
    "temp_store": "MEMORY",
    "mmap_size": "0",
    "journal_size_limit": "67108864",
    "trusted_schema": "OFF",
    "fullfsync": "ON",  # macOS: fsync alone leaves data in the drive's cache; no effect elsewhere
    "checkpoint_fullfsync": "ON",
}

_CAUSES = {
    7: ("there is not enough memory for the log", "close other programs, then try again"),
    8: ("the data folder is read-only", "make it writable, or choose another folder with RRR_DATA_DIR"),
    10: ("the disk cannot be written or read", "check the disk and its limits, then try again"),
    11: ("the log is damaged", "move it away, or put the newest file of the folder `backups` in its place"),
    13: ("the disk is full", "free some space, then try again"),
    14: (
        "the log cannot be opened",
        "check that its folder exists and may be written, or choose another with RRR_DATA_DIR",
    ),
    26: ("the log is not an SQLite file", "move it away, or put the newest file of the folder `backups` in its place"),
}
"""Primary result code -> cause and way out: the errors that are the machine's, not a statement's."""
_BUSY = (5, 6)


def sqlite_version() -> tuple[int, ...]:
    """The version of the SQLite library in use, such as (3, 53, 4)."""
    return tuple(int(part) for part in driver.sqlite_version.split("."))


def wal_is_safe() -> bool:
    """Whether two processes may write one WAL file with this SQLite."""
    return sqlite_version() >= WAL_SAFE_FROM


def connect(path: Path) -> Connection:
    """A connection that reads and writes; creates the file. May be used from any thread, by one at a time.

    Raises `ResourceError` when the folder is read-only. `use_wal` is a step of its own, for files known to be ours.
    """
    if path.parent.is_dir() and not os.access(path.parent, os.W_OK):
        raise ResourceError(*_CAUSES[8])
    connection = driver.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
    for name, value in PRAGMAS.items():
        connection.execute(f"PRAGMA {name}={value}")
    return connection


def connect_readonly(path: Path) -> Connection:
    """A connection that cannot write and never creates a file.

    In a read-only folder SQLite cannot make the index of a WAL file. Where no WAL is left over, the file itself is
    complete and nobody can change it, so it is opened as immutable.
    """
    uri = f"{path.absolute().as_uri()}?mode=ro"
    if not os.access(path.parent, os.W_OK) and not path.with_name(path.name + "-wal").exists():
        uri += "&immutable=1"
    connection = driver.connect(uri, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False, uri=True)
    connection.execute("PRAGMA trusted_schema=OFF")
    return connection


def use_wal(connection: Connection) -> None:
    """Switch the file to WAL.

    SQLite does not wait for its lock here when several processes open a new file, so we do.
    """
    deadline = time.monotonic() + BUSY_TIMEOUT_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL").fetchall()
            return
        except driver.OperationalError as error:
            if _primary_code(error) not in _BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


@contextmanager
def transaction(connection: Connection) -> Iterator[None]:
    """One write transaction: everything inside is committed together, or not at all."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # some errors, a full disk among them, have rolled back already
            connection.execute("ROLLBACK")
        raise


def explained(error: Exception) -> RrrError | None:
    """What a person should read when the machine is at fault: disk, memory, another process. It may work later.

    None for every other error: a statement that breaks a constraint is a bug.
    """
    code = _primary_code(error)
    if code in _BUSY:
        return BusyError("another program is writing to the log", "close it, then try again")
    return ResourceError(*_CAUSES[code]) if code in _CAUSES else None


@contextmanager
def readable_errors() -> Iterator[None]:
    """Turn SQLite's errors inside into ours where `explained` knows them."""
    try:
        yield
    except driver.Error as error:
        readable = explained(error)
        if readable is None:
            raise
        raise readable from error


def _primary_code(error: Exception) -> int:
    """SQLite's result code without its extension; 0 when the error is not SQLite's."""
    code: int = getattr(error, "sqlite_errorcode", 0) if isinstance(error, driver.Error) else 0
    return code & 0xFF
