"""`rrr db`: the log as a file. `sqlite-utils` and `datasette` read it."""

from __future__ import annotations

import click

from rrr_local import paths
from rrr_local.cli.options import common
from rrr_local.cli.output import Output


@click.group("db")
@common
def command() -> None:
    """The log: one SQLite file with everything that happened."""


@command.command("path")
@common
@click.pass_obj
def path(output: Output) -> None:
    """Print where the log is; for example: datasette $(rrr db path)."""
    database = paths.database_path()
    if output.json:
        output.document("rrr.db/1", path=str(database), exists=database.exists())
    else:
        click.echo(database)  # as it is: a script uses it
