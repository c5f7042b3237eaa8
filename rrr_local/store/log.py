"""An open log: the file found or made, its one writer, and a read-only connection for every thread that asks.

`rrr_local.store.store.Store` says what may be written.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from rrr_local.errors import NotFoundError, UsageError
from rrr_local.store.schema import APPLICATION_ID, SCHEMA_VERSION
from rrr_local.store.sqlite import Connection, connect, connect_readonly, readable_errors, use_wal
from rrr_local.store.writer import Writer

T = TypeVar("T")


class OpenLog:
    """One open log. Methods may be called from any thread; never fork a process that has one open."""

    def __init__(self, path: Path, writer: Writer | None) -> None:
        self.path = path
        self._writer = writer
        self._local = threading.local()
        self._readers: list[Connection] = []

    @classmethod
    def open(cls, path: Path, *, readonly: bool = False) -> Self:
        """Open the log at `path`; create or upgrade it unless `readonly`.

        Raises `NotFoundError` (read-only and no file), `UsageError` (not ours, or made by another version),
        `ResourceError`.
        """
        with readable_errors():
            if not readonly:
                return cls(path, Writer(_open_to_write(path)))
            if not path.exists():
                raise NotFoundError(f"there is no log at {path} yet", "try something first, for example `rrr demo`")
            return cls._open_to_read(path)

    @classmethod
    def _open_to_read(cls, path: Path) -> Self:
        store = cls(path, None)
        try:
            if _version(store.reader(), path) < SCHEMA_VERSION:
                raise UsageError(f"{path} was made by an older rrr-local", "open it with a command that writes to it")
        except BaseException:
            store.close()
            raise
        return store

    def close(self) -> None:
        """Write what is queued and close every connection. Raises what `flush` raises, after closing."""
        try:
            if self._writer is not None:
                self._writer.close()
        finally:
            while self._readers:
                self._readers.pop().close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def reader(self) -> Connection:
        """This thread's read-only connection; it sees everything that is committed."""
        connection: Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            with readable_errors():
                connection = connect_readonly(self.path)
            self._local.connection = connection
            self._readers.append(connection)
        return connection

    def flush(self) -> None:
        """Wait until everything queued is committed.

        Raises `ResourceError` or `BusyError` when it cannot be; it stays queued then, for the next flush.
        """
        self._writing().flush()

    def _write(self, write: Callable[[Connection], T]) -> T:
        return self._writing().call(write)

    def _writing(self) -> Writer:
        if self._writer is None:
            raise ValueError("the log was opened to be read only")
        return self._writer


def _open_to_write(path: Path) -> Connection:
    """A connection to a file that is ours and has the newest schema."""
    connection = connect(path)
    try:
        version = _version(connection, path)
        use_wal(connection)
        if version < SCHEMA_VERSION:
            from rrr_local.store.migrations import migrate  # here, since it imports sqlite-utils: 0.4 s

            migrate(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def _version(connection: Connection, path: Path) -> int:
    """The schema version of the file, 0 when it is new.

    Raises `UsageError` when it is not ours or newer than this program.
    """
    # One statement, hence one snapshot: another process may be creating the file right now.
    tables = "(SELECT count(*) FROM sqlite_schema)"
    sql = f"SELECT application_id, user_version, {tables} FROM pragma_application_id, pragma_user_version"
    application, version, objects = connection.execute(sql).fetchone()
    if application != APPLICATION_ID and objects:
        raise UsageError(f"{path} is not a log of rrr-local", "choose another folder with RRR_DATA_DIR")
    if version > SCHEMA_VERSION:
        raise UsageError(f"{path} was made by a newer rrr-local", "upgrade with `pip install --upgrade rrr-local`")
    return int(version)
