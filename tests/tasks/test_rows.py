"""Files of rows, the malformed ones above all: every bad row is named with its line, and no good one is lost."""

from __future__ import annotations

import csv
import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rrr_local.errors import NotFoundError, UsageError
from rrr_local.tasks.files import rows
from rrr_local.tasks.files.rows import LONGEST_LINE, BadRows, Table, read_rows

GOOD = b"question,answer\nOne?,1\nTwo?,2\n"
VALUES = [{"question": "One?", "answer": "1"}, {"question": "Two?", "answer": "2"}]


def read(folder: Path, name: str, content: bytes) -> Table:
    path = folder / name
    path.write_bytes(content)
    return read_rows(path)


def values(table: Table) -> list[object]:
    return [row.values for row in table.rows]


@pytest.mark.parametrize(
    "content",
    [
        GOOD,
        b"\xef\xbb\xbf" + GOOD,
        GOOD.replace(b"\n", b"\r\n"),
        b"\xef\xbb\xbf" + GOOD.replace(b"\n", b"\r\n"),
        GOOD.replace(b",", b";"),
        GOOD.replace(b",", b"\t"),
        GOOD.replace(b"\n", b"\n\n"),
        b"\n" + GOOD,
        GOOD.rstrip(b"\n"),
        b'"question","answer"\n"One?","1"\n"Two?","2"\n',
        b" question , answer \nOne?,1\nTwo?,2\n",
    ],
    ids=[
        "plain",
        "bom",
        "crlf",
        "both",
        "semicolon",
        "tab",
        "empty-lines",
        "empty-first",
        "no-last-end",
        "quoted",
        "spaces",
    ],
)
def test_csv_is_read_however_a_program_wrote_it(tmp_path: Path, content: bytes) -> None:
    table = read(tmp_path, "rows.csv", content)
    assert (table.columns, values(table), table.bad) == (("question", "answer"), VALUES, [])


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("rows.jsonl", b'{"question": "One?", "answer": "1"}\n{"question": "Two?", "answer": "2"}\n'),
        ("rows.jsonl", b'\xef\xbb\xbf{"question": "One?", "answer": "1"}\r\n\r\n{"question": "Two?", "answer": "2"}'),
        ("rows.json", json.dumps(VALUES, indent=2).encode()),
        ("rows.jsonl", b"\xef\xbb\xbf " + json.dumps(VALUES).encode()),
    ],
    ids=["lines", "bom-crlf", "list", "list-called-jsonl"],
)
def test_json_is_read_as_lines_or_as_one_list(tmp_path: Path, name: str, content: bytes) -> None:
    table = read(tmp_path, name, content)
    assert (table.columns, values(table), table.bad) == (("question", "answer"), VALUES, [])


def test_a_cell_may_hold_line_ends_quotes_and_commas_and_rows_keep_their_lines(tmp_path: Path) -> None:
    content = b'question,answer\n"One\r\nor ""two"",\nperhaps?",1\nTwo?,2,too many\nThree?,3\n'
    table = read(tmp_path, "rows.csv", content)
    assert [(row.line, row.values["question"]) for row in table.rows] == [
        (2, 'One\r\nor "two",\nperhaps?'),
        (6, "Three?"),
    ]
    assert table.bad == ["line 5: 3 cells, and there are 2 columns"]


@pytest.mark.parametrize(
    ("name", "content", "bad"),
    [
        ("r.csv", GOOD + b"Three?\n", "line 4: 1 cell, and there are 2 columns"),
        ("r.csv", GOOD + b"Three?,3,4\n", "line 4: 3 cells, and there are 2 columns"),
        ("r.csv", GOOD + b"Gr\xfc\xdfe?,3\n", "line 4: not UTF-8 (byte 0xfc at 3); save it as UTF-8"),
        ("r.csv", GOOD + b"Three\x00?,3\n", "line 4: holds a NUL or half a character, which no text may"),
        ("r.csv", GOOD + b'"Three?,3\n', "line 4: a quote is opened and never closed"),
        ("r.csv", GOOD + b'"Three"?,3\n', "line 4: something stands behind a closing quote; write a quote inside a cell twice"),
        ("r.csv", GOOD + b"Three\r?,3\n", "line 4: a line end stands inside a cell without quotes"),
        ("r.csv", GOOD + b'"' + b"x" * 200_000 + b'",3\n', "line 4: a cell has more than 131,072 characters; is a quote never closed?"),
        ("r.csv", GOOD + b"x" * (2 * LONGEST_LINE + 5) + b",3\n", "line 4: longer than 1,000,000 bytes"),
        ("r.csv", b"id,q\n7,One?\n8,Two?\n7,Three?\n", "line 4: its id 7 is that of line 2, too"),
        ("r.jsonl", b'{"a": 1}\n{"a": 2}\n\n{"a": 1, "a": 2}\n', "line 4: not JSON (a key is there twice)"),
        ("r.jsonl", b'{"a": 1}\n{"a": 2}\n\n{"a": NaN}\n', "line 4: not JSON (NaN is no JSON value)"),
        ("r.jsonl", b'{"a": 1}\n{"a": 2}\n\n{"a": 1e999}\n', "line 4: holds a number that is too large"),
        ("r.jsonl", b'{"a": 1}\n{"a": 2}\n\n[1, 2]\n', "line 4: not an object of column: value"),
        ("r.jsonl", b'{"a": 1}\n{"a": 2}\n\n{"a": "\\ud800"}\n', "line 4: holds a NUL or half a character, which no text may"),
        ("r.jsonl", b'{"a": 1}\n{"a": 2}\n\n{"a": {"b": ["\\u0000"]}}\n', "line 4: holds a NUL or half a character, which no text may"),
        ("r.jsonl", b'{"a": 1}\n{"a": 2}\n\n{"a": {"\\u0000": 1}}\n', "line 4: holds a NUL or half a character, which no text may"),
        ("r.jsonl", b'{"a": 1}\n{"a": 2}\n\n{"a": "\xff"}\n', "line 4: not UTF-8 (byte 0xff at 8); save it as UTF-8"),
        ("r.jsonl", b'{"a": 1}\n{"a": 2}\n\n{"a": ' + b"[" * 100 + b"]" * 100 + b"}\n", "line 4: nested too deep"),
        ("r.jsonl", b'{"a": 1}\n{"a": 2}\n\n{"id": 1, "a": 3}\n{"id": 1, "a": 4}\n', "line 5: its id 1 is that of line 4, too"),
        ("r.json", b'[{"a": 1}, {"a": 2}, 3]', "item 3: not an object of column: value"),
    ],
)  # fmt: skip
def test_a_bad_row_is_named_and_the_rest_goes_on(tmp_path: Path, name: str, content: bytes, bad: str) -> None:
    table = read(tmp_path, name, content)
    assert table.bad == [bad]
    assert len(table.rows) >= 2


def test_every_bad_row_is_named(tmp_path: Path) -> None:
    table = read(tmp_path, "r.csv", GOOD + b"Three?\n\xff,1\nFour?,4\nFive?,5,5\n")
    assert [line.split(":")[0] for line in table.bad] == ["line 4", "line 5", "line 7"]
    assert [row.line for row in table.rows] == [2, 3, 6]


@pytest.mark.parametrize("text", [b'{"a": ' + b"[" * 5000, b'{"a": ' + b"9" * 5000 + b"}", b"{'a': 1}", b"what?"])
def test_what_is_no_json_is_a_bad_line_and_no_crash(tmp_path: Path, text: bytes) -> None:
    table = read(tmp_path, "r.jsonl", b'{"a": 1}\n' + text + b"\n")
    assert len(table.bad) == 1 and table.bad[0].startswith("line 2: not JSON")


@pytest.mark.parametrize(
    ("name", "content", "cause"),
    [
        ("r.csv", b"", "r.csv is empty"),
        ("r.csv", b"\n\n", "r.csv is empty"),
        ("r.csv", b"a,b,a\n1,2,3\n", "line 1: two columns are named 'a'"),
        ("r.csv", b"1,2,3.5\n4,5,6\n", "line 1 holds numbers, and no names of columns"),
        ("r.csv", b"a\x00,b\n1,2\n", "line 1: a column's name holds a NUL"),
        ("r.csv", "question,answer\nOne?,1\n".encode("utf-16"), "line 1: not UTF-8 (byte 0xff at 1); save it as UTF-8"),
        ("r.csv", b"\xfcber,b\n1,2\n", "line 1: not UTF-8 (byte 0xfc at 1); save it as UTF-8"),
        ("r.json", b'[{"a": 1},', "r.json is not JSON"),
        ("r.xlsx", b"PK", "r.xlsx is no file of rows"),
    ],
)
def test_a_file_that_is_nothing_of_the_kind_is_refused(tmp_path: Path, name: str, content: bytes, cause: str) -> None:
    with pytest.raises(UsageError) as error:
        read(tmp_path, name, content)
    assert error.value.cause.startswith(cause)


def test_a_file_that_is_not_there_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        read_rows(tmp_path / "rows.csv")
    (tmp_path / "rows.csv").mkdir()
    with pytest.raises(UsageError, match="cannot be read"):
        read_rows(tmp_path / "rows.csv")


def test_columns_without_a_name_get_one(tmp_path: Path) -> None:
    assert read(tmp_path, "r.csv", b",question\n0,One?\n").columns == ("column 1", "question")


def test_more_rows_than_anybody_wants_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "MOST_ROWS", 3)
    assert len(read(tmp_path, "r.csv", b"a\n1\n2\n3\n".replace(b"a", b"name")).rows) == 3
    for name, content in (("r.csv", b"name\n1\n2\n3\n4\n"), ("r.jsonl", b'{"a": 1}\n' * 4)):
        with pytest.raises(UsageError, match="more than 3 rows"):
            read(tmp_path, name, content)


def test_a_huge_json_list_is_refused_unread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "LARGEST_LIST", 20)
    with pytest.raises(UsageError, match="write one object a line"):
        read(tmp_path, "r.json", json.dumps(VALUES).encode())


def test_an_error_names_the_first_bad_rows_and_knows_all() -> None:
    lines = [f"line {number}: what" for number in range(2, 9)]
    error = BadRows(Path("folder/rows.csv"), lines)
    assert error.cause.startswith("7 rows of rows.csv cannot be used: line 2: what; line 3: what;")
    assert error.cause.endswith("; and 2 more")
    assert "--skip-bad" in error.way_out
    assert error.lines == tuple(lines)


texts = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=30)


@given(st.lists(st.tuples(texts, texts).filter(lambda cells: any(cell.strip() for cell in cells)), max_size=20))
def test_what_the_csv_module_writes_is_read_back(cells: list[tuple[str, str]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.csv"
        with path.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file, quoting=csv.QUOTE_ALL).writerows([("left", "right"), *cells])
        table = read_rows(path)
    assert table.bad == []
    assert [(row.values["left"], row.values["right"]) for row in table.rows] == cells


@given(st.binary(max_size=300))
def test_any_bytes_end_in_rows_or_in_an_error_for_people(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for name in ("rows.csv", "rows.jsonl"):
            (Path(folder) / name).write_bytes(content)
            try:
                table = read_rows(Path(folder) / name)
            except UsageError:
                continue
            assert all(set(row.values) <= set(table.columns) for row in table.rows)
