"""What commands that look at the log share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rrr_local import paths
from rrr_local.store.sqlite import Connection
from rrr_local.store.store import Store


@contextmanager
def reading() -> Iterator[Connection]:
    """The log, to read. Raises `NotFoundError` when there is none."""
    with Store.open(paths.database_path(), readonly=True) as store:
        yield store.reader()


def one_line(text: str, width: int) -> str:
    """Text for a column of a table, cut to `width` characters."""
    line = " ".join(text.split())
    return line if len(line) <= width else f"{line[: width - 1]}…"
