"""One row at a time: the plain inserts and updates that everything written to the log goes through.

They run inside a transaction that somebody else opened. Text is cleaned once, here: NUL and lone surrogates, which
SQLite cannot hold, become U+FFFD. A NaN, which SQLite would turn into NULL without a word, is refused.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from rrr_local.errors import NotFoundError
from rrr_local.store.records import Json
from rrr_local.store.sqlite import Connection
from rrr_local.text import storable

Value = str | int | float | bytes | None
"""What a column holds."""


def now() -> str:
    """The time as the log writes it: UTC, milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def to_json(value: Json) -> str:
    """Canonical JSON, so that equal objects have equal text. Raises `ValueError` for NaN and infinities."""
    return storable(json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False))


def cleaned(value: Value) -> Value:
    """A value as SQLite holds it without loss. Raises `ValueError` for NaN and infinities."""
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{value} cannot be stored")
    return storable(value) if isinstance(value, str) else value


def insert(connection: Connection, table: str, values: Mapping[str, Value]) -> None:
    """Add one row."""
    connection.execute(_insert_sql(table, values), [cleaned(value) for value in values.values()])


def insert_for_id(connection: Connection, table: str, values: Mapping[str, Value]) -> int:
    """Add one row and return its id. RETURNING, since the triggers of the full-text index have ids of their own."""
    sql = f"{_insert_sql(table, values)} RETURNING id"
    return _only(connection.execute(sql, [cleaned(value) for value in values.values()]).fetchall())


def update(connection: Connection, table: str, key: int | str, values: Mapping[str, Value]) -> None:
    """Change the row with this id. Raises `NotFoundError` when there is none."""
    assignments = ", ".join(f"{column} = ?" for column in values)
    sql = f"UPDATE {table} SET {assignments} WHERE id = ?"
    if connection.execute(sql, [*(cleaned(value) for value in values.values()), key]).rowcount != 1:
        raise NotFoundError(f"the log has no row {key} in {table}", "look at `rrr runs list`")


def set_setting(connection: Connection, key: str, value: str | None) -> None:
    """Keep a setting; None forgets it."""
    if value is None:
        connection.execute("DELETE FROM settings WHERE key = ?", (key,))
        return
    sql = (
        "INSERT INTO settings VALUES (?, ?, ?) "
        "ON CONFLICT(key) DO UPDATE SET value = excluded.value, updated_at = excluded.updated_at"
    )
    connection.execute(sql, (cleaned(key), cleaned(value), now()))


def _insert_sql(table: str, values: Mapping[str, Value]) -> str:
    marks = ", ".join("?" * len(values))
    return f"INSERT INTO {table}({', '.join(values)}) VALUES ({marks})"


def _only(rows: Sequence[tuple[int]]) -> int:
    """The one id that RETURNING gave. All rows are fetched: an open statement would hold up the commit."""
    return rows[0][0]
