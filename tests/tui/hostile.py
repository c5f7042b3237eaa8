"""Strings that attack a terminal or Textual's markup, and what to look for afterwards.

Each holds `MARK` right behind every control character and inside every sequence, in a shape the app itself never writes. So a raw
control that reached the terminal is told from the app's own by what follows it.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pysqlite3

from rrr_local.text import storable

MARK = "QZQ"
"""Upper case: no escape sequence of ours ends in Q."""

CONTROLS = [chr(code) for code in (*range(0x20), *range(0x7F, 0xA0)) if chr(code) not in "\n\r\t"]
SEQUENCES = (
    f"\x1b[31;{MARK}m",
    f"\x1b]0;{MARK}\x07",
    f"\x1b]52;c;{MARK}\x07",
    f"\x1b]8;;http://{MARK}\x1b\\link\x1b]8;;\x1b\\",
    f"\x1bP{MARK}\x1b\\",
    f"\x1b_{MARK}\x1b\\",
    f"\x9b31;{MARK}m",
    f"\x9d52;c;{MARK}\x9c",
    f"\x1b[?{MARK}h",
    f"\x1b{MARK}",
    f"\r\r{MARK}",
)
MARKUP = (
    "[/b]",
    "[b",
    "[@click=app.quit]x[/]",
    "[@click=screen.perform('quit')]x[/]",
    "[link=file:///etc/passwd]x[/link]",
    "[$error]x[/$error]",
    "[[",
    "[/]",
    "\\[",
    "[red on blue]",
    "[a](javascript:x)",
    "[x](http://a.b)",
    "![x](y)",
    "&#27;",
    "&#x9b;",
    "&#8238;",
    "`" * 4,
    "<think>",
    "</think>",
    "|a|b|\n|-|-|\n|c|d|",
    "> " * 7,
    "# ",
    "---",
    "{}",
    "%s{0}",
)
ODD = (
    "\u202eabc\u202c",
    "\u2066x\u2069",
    "\u200b",
    "\u200d",
    "\ufeff",
    "\u2028",
    "\U000e0041\U000e007f",
    "\ud800",
    "\udc9b",
    "e\u0301\u0301\u0301",
    "漢字" * 5,
    "👩‍👩‍👧",
    "\u1160",
    "\t",
    "\r\n",
    "\n",
    "x" * 300,
    "",
)

HIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u200b\ufeff\ud800-\udfff]")
"""What may not be in any text on the screen."""
RAW = re.compile(
    rb"[\x00-\x09\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f]QZQ"  # a control character in front of the mark
    rb"|\x1b(?:\[[0-9;:?]*|\][0-9a-z;:/]*|[PX^_])?QZQ"  # within a sequence; a whole one in front of the mark may be the app's
    rb"|\xc2[\x80-\x9f]"  # C1, in UTF-8
    rb"|\xe2\x80[\xaa-\xae]|\xe2\x81[\xa6-\xa9]"  # bidi overrides and isolates
    rb"|\xed[\xa0-\xbf][\x80-\xbf]"  # surrogates
)
"""What may not be in the bytes that the terminal receives."""


def strings(count: int, seed: int = 1) -> Iterator[str]:
    """That many, the same ones every time; no two are equal."""
    rng = random.Random(seed)
    kinds = (CONTROLS, SEQUENCES, MARKUP, ODD)
    for number in range(count):
        pieces = []
        for _ in range(rng.randint(1, 5)):
            piece = rng.choice(rng.choice(kinds))
            pieces.append(piece + MARK if piece in CONTROLS else piece)
        yield f"h{number} " + rng.choice(["", " ", "a"]).join(pieces)


TEXTS = (
    ("attempts", "text", 3),
    ("attempts", "answer", 1),
    ("reflections", "text", 2),
    ("outcomes", "detail", 1),
    ("problems", "prompt", 1),
    ("sessions", "title", 1),
    ("train_runs", "name", 1),
    ("train_runs", "note", 1),
    ("train_runs", "error", 1),
    ("train_runs", "host", 1),
    ("adapters", "name", 1),
    ("evals", "error", 1),
    ("eval_items", "error", 1),
    ("rollout_groups", "skip_reason", 1),
    ("models", "repo_id", 1),
    ("tasks", "name", 1),
)
"""Every column of the log that holds what somebody wrote, and how many strings a value gets."""


def poison(folder: Path) -> int:
    """Replace every text in the log of a data folder by hostile ones; how many there are."""
    attack = strings(1_000_000, seed=2)
    count = 0
    connection = pysqlite3.connect(folder / "rrr.db")
    # What the store does too: SQLite takes neither NUL nor lone surrogates.
    connection.create_function("evil", 1, lambda many: storable("\n".join(islice(attack, many))))
    with connection:
        for table, column, many in TEXTS:
            changed = connection.execute(f"UPDATE {table} SET {column} = evil({many}) WHERE {column} IS NOT NULL")
            count += many * changed.rowcount
        connection.execute(
            "INSERT OR REPLACE INTO settings(key, value, updated_at) VALUES ('ui.theme', ?, '2026-01-01T00:00:00.000Z')",
            (f"\x1b]0;{MARK}\x07[/b]",),
        )
    connection.close()
    return count
