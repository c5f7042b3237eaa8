"""What a command prints: one JSON document, or text for a person. Notes go to standard error.

Text for a person goes through `sanitize`, since much of it was written by a model. JSON is pure ASCII, so it cannot harm a
terminal either, and keeps what was written exactly.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import click

from rrr_local.text import sanitize


@dataclass(slots=True)
class Output:
    """How this command speaks; set by the common flags while click parses, read-only afterwards."""

    json: bool = False
    """Print one JSON document instead of text."""
    quiet: bool = False
    """No notes and no progress."""
    verbose: bool = False
    """Say what is being used, and show the traceback of an error."""
    progress_json: bool = False
    """Progress as JSON lines on standard error, for a program."""

    def document(self, schema: str, **values: object) -> None:
        """Print the JSON document of the command."""
        click.echo(json.dumps({"schema": schema, **values}))

    def text(self, text: str = "") -> None:
        """Print for a person."""
        click.echo(sanitize(text))

    def note(self, text: str) -> None:
        """Say something on standard error."""
        if not self.quiet:
            click.echo(sanitize(text), err=True)

    def detail(self, text: str) -> None:
        """Say something on standard error if asked to be verbose."""
        if self.verbose:
            click.echo(sanitize(text), err=True)

    def table(self, *rows: Sequence[str]) -> None:
        """Print columns as wide as what is in them; the first row may be their names."""
        shown = [[sanitize(cell).replace("\n", " ") for cell in row] for row in rows]
        widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
        for row in shown:
            cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            click.echo("  ".join(cells).rstrip())
