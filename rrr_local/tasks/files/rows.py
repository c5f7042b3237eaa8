"""Rows out of a person's file: CSV (or TSV), JSONL, or one JSON list of objects.

    file ── lines, each bounded and decoded for itself ── one object of column: value a row ── `Table`

Every row that cannot be read is reported with its line ("line 17: 3 cells, and there are 4 columns") and the rest goes on, so that one
look shows all there is to mend. Nobody uses half a file by accident: `Table.bad` is for the caller to refuse. Cells of a CSV file stay
text; what is in JSON stays what it is.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from io import BufferedReader
from pathlib import Path
from typing import Any

from rrr_local.errors import NotFoundError, UsageError
from rrr_local.text import storable

LONGEST_LINE = 1_000_000
"""Bytes a line may have."""
MOST_ROWS = 1_000_000
LARGEST_LIST = 256 * 2**20
"""Bytes of a JSON list, which has to be read whole."""
MOST_SHOWN = 5
"""Bad rows that an error names; all of them are in its `lines`."""
DEEPEST = 32
"""Lists and objects within each other."""
DELIMITERS = ",;\t|"
SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".json")

Values = dict[str, Any]
"""A row: JSON values by column."""


class BadRows(UsageError):
    """Rows that cannot be used.

    Attributes:
        lines: what is wrong with each, "line 17: …".
    """

    def __init__(self, path: Path, lines: Sequence[str]) -> None:
        self.lines = tuple(lines)
        more = f"; and {len(lines) - MOST_SHOWN} more" if len(lines) > MOST_SHOWN else ""
        count = "1 row" if len(lines) == 1 else f"{len(lines)} rows"
        shown = "; ".join(lines[:MOST_SHOWN])
        super().__init__(
            f"{count} of {path.name} cannot be used: {shown}{more}",
            "mend the file, or leave these rows out: `rrr tasks new FILE --skip-bad`",
        )


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a file."""

    line: int
    """Where it begins, counted from 1; in a JSON list its number there."""
    values: Values
    unit: str = "line"
    """What `line` counts."""

    @property
    def place(self) -> str:
        return f"{self.unit} {self.line}"


@dataclass(frozen=True, slots=True)
class Table:
    """What a file holds."""

    path: Path
    columns: tuple[str, ...]
    """In the file's order; of JSON rows, every name that occurs."""
    rows: list[Row]
    bad: list[str] = field(default_factory=list)
    """What is wrong with each row that was passed over."""


class _Unreadable(Exception):
    """A row is bad; the message is the reason."""


def read_rows(path: Path) -> Table:
    """Read a file. Raises `NotFoundError` without one, `UsageError` where it is nothing of the kind or too large."""
    if path.suffix.lower() not in SUFFIXES:
        raise UsageError(f"{path.name} is no file of rows", f"give one that ends in {', '.join(SUFFIXES)}")
    try:
        with path.open("rb") as file:
            return _READERS.get(path.suffix.lower(), _read_json)(path, file)
    except FileNotFoundError as error:
        raise NotFoundError(f"there is no file {path}", "give the path of a CSV or JSONL file") from error
    except OSError as error:
        raise UsageError(f"{path} cannot be read ({error.strerror})", "give a file that you may read") from error


# --- lines --------------------------------------------------------------------------------------------------------


def _lines(file: BufferedReader, bad: list[str]) -> Iterator[tuple[int, str]]:
    """Every line with its number, its end kept. Never holds more than `LONGEST_LINE` of one."""
    number = 0
    while line := file.readline(LONGEST_LINE):
        number += 1
        if len(line) == LONGEST_LINE and not line.endswith(b"\n"):
            while (rest := file.readline(LONGEST_LINE)) and not rest.endswith(b"\n"):
                pass
            bad.append(f"line {number}: longer than {LONGEST_LINE:,} bytes")
            continue
        try:
            text = line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            bad.append(
                f"line {number}: not UTF-8 (byte {line[error.start]:#04x} at {error.start + 1}); save it as UTF-8"
            )
            continue
        yield number, text


def _checked(row: Row, seen: dict[object, Row]) -> Row:
    """A row fit for the log, its `id` its own. Raises `_Unreadable`."""
    _check_values(row.values)
    identity = row.values.get("id")
    if isinstance(identity, str | int) and identity != "":
        first = seen.setdefault(identity, row)
        if first is not row:
            raise _Unreadable(f"its id {identity} is that of {first.place}, too")
    return row


def _check_values(row: Values) -> None:
    """Raises `_Unreadable` for what is no JSON value, cannot be text, or is nested too deep to be anything."""
    waiting: list[tuple[object, int]] = [(row, 0)]
    while waiting:
        value, depth = waiting.pop()
        if depth > DEEPEST:
            raise _Unreadable("nested too deep")
        match value:
            case str() if storable(value) != value:
                raise _Unreadable("holds a NUL or half a character, which no text may")
            case float() if not math.isfinite(value):
                raise _Unreadable("holds a number that is too large")
            case dict():
                waiting += ((part, depth + 1) for part in (*value, *value.values()))
            case list():
                waiting += ((part, depth + 1) for part in value)


def _counted(rows: list[Row]) -> None:
    """Raises `UsageError` when there are more than anybody could want."""
    if len(rows) > MOST_ROWS:
        raise UsageError(f"the file has more than {MOST_ROWS:,} rows", "take a part of it")


# --- CSV ----------------------------------------------------------------------------------------------------------


def _read_csv(path: Path, file: BufferedReader) -> Table:
    bad: list[str] = []
    lines = _lines(file, bad)
    number, header = next(((n, text) for n, text in lines if text.strip()), (0, ""))
    if bad or not header:
        raise UsageError(bad[0] if bad else f"{path.name} is empty", "the first line must name the columns, in UTF-8")
    delimiter = max(DELIMITERS, key=lambda sign: len(_cells(header, sign)))
    columns = _names(_cells(header, delimiter))
    rows: list[Row] = []
    seen: dict[object, Row] = {}
    for line, cells, wrong in _csv_rows(lines, delimiter, number):
        try:
            if wrong is not None:
                raise _Unreadable(wrong)
            if len(cells) != len(columns):
                raise _Unreadable(f"{_many(len(cells), 'cell')}, and there are {_many(len(columns), 'column')}")
            rows.append(_checked(Row(line, dict(zip(columns, cells, strict=True))), seen))
        except _Unreadable as reason:
            bad.append(f"line {line}: {reason}")
        _counted(rows)
    return Table(path, columns, rows, bad)


def _csv_rows(
    lines: Iterator[tuple[int, str]], delimiter: str, before: int
) -> Iterator[tuple[int, list[str], str | None]]:
    """The line each row begins in, its cells, and what is wrong with it; a row of quoted cells may span lines."""
    first = last = before

    def texts() -> Iterator[str]:
        nonlocal first, last
        for number, text in lines:
            first, last = first or number, number
            yield text

    reader = csv.reader(texts(), delimiter=delimiter, strict=True)
    while True:
        first = 0
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield first or last, [], _in_our_words(str(error))
            continue
        if any(cell.strip() for cell in cells):
            yield first, cells, None


def _in_our_words(error: str) -> str:
    """What the csv module says, as a person can use it."""
    if "unexpected end" in error:
        return "a quote is opened and never closed"
    if "expected after" in error:
        return "something stands behind a closing quote; write a quote inside a cell twice"
    if "field larger" in error:
        return "a cell has more than 131,072 characters; is a quote never closed?"
    return "a line end stands inside a cell without quotes"


def _cells(line: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=delimiter, strict=True), [])
    except csv.Error:
        return [line]


def _names(cells: list[str]) -> tuple[str, ...]:
    """The columns' names. Raises `UsageError` where the first line does not name them."""
    names = [cell.strip() or f"column {number}" for number, cell in enumerate(cells, start=1)]
    way_out = "give every column a name of its own in the first line"
    if any(storable(name) != name for name in names):
        raise UsageError("line 1: a column's name holds a NUL", way_out)
    twice = next((name for index, name in enumerate(names) if name in names[:index]), None)
    if twice is not None:
        raise UsageError(f"line 1: two columns are named {twice!r}", way_out)
    if all(_numeric(name) for name in names):
        raise UsageError("line 1 holds numbers, and no names of columns", way_out)
    return tuple(names)


def _numeric(text: str) -> bool:
    return text.removeprefix("-").replace(".", "", 1).isdecimal()


def _many(count: int, thing: str) -> str:
    return f"1 {thing}" if count == 1 else f"{count} {thing}s"


# --- JSON ---------------------------------------------------------------------------------------------------------


def _read_json(path: Path, file: BufferedReader) -> Table:
    """JSONL, or one list: whichever it begins as."""
    if file.peek(64).removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"["):
        return _read_list(path, file)
    bad: list[str] = []
    return _objects(path, "line", ((n, text) for n, text in _lines(file, bad) if text.strip()), _load, bad)


def _read_list(path: Path, file: BufferedReader) -> Table:
    text = file.read(LARGEST_LIST + 1)
    if len(text) > LARGEST_LIST:
        raise UsageError(f"{path.name} is a list of more than {LARGEST_LIST:,} bytes", "write one object a line: JSONL")
    try:
        items = _load(text.decode("utf-8-sig"))
    except (UnicodeDecodeError, _Unreadable) as error:
        raise UsageError(
            f"{path.name} is not JSON ({error})", "give a list of objects, or one object a line"
        ) from error
    return _objects(path, "item", enumerate(items, start=1), lambda item: item, [])


def _objects(
    path: Path, unit: str, items: Iterator[tuple[int, Any]], load: Callable[[Any], Any], bad: list[str]
) -> Table:
    rows: list[Row] = []
    seen: dict[object, Row] = {}
    columns: dict[str, None] = {}
    for number, item in items:
        try:
            values = load(item)
            if not isinstance(values, dict):
                raise _Unreadable("not an object of column: value")
            rows.append(_checked(Row(number, values, unit), seen))
        except _Unreadable as reason:
            bad.append(f"{unit} {number}: {reason}")
            continue
        columns |= dict.fromkeys(values)
        _counted(rows)
    return Table(path, tuple(columns), rows, bad)


def _load(text: str) -> Any:
    """Strict JSON: no key twice, no NaN. Raises `_Unreadable`."""
    try:
        return json.loads(text, object_pairs_hook=_object, parse_constant=_no_constant)
    except RecursionError:
        raise _Unreadable("not JSON that can be read: nested too deep") from None
    except ValueError as error:
        raise _Unreadable(f"not JSON ({error})") from None


def _object(pairs: list[tuple[str, Any]]) -> Values:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key is there twice")
    return found


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON value")


_READERS: dict[str, Callable[[Path, BufferedReader], Table]] = {".csv": _read_csv, ".tsv": _read_csv}
