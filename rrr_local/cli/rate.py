"""`rrr rate`: a person's verdict on a reply, from a script."""

from __future__ import annotations

import click

from rrr_local import paths
from rrr_local.cli.options import common
from rrr_local.cli.output import Output
from rrr_local.episode import VerdictKind
from rrr_local.errors import NotFoundError
from rrr_local.store.store import Store

VERDICTS = {"good": VerdictKind.PASS, "wrong": VerdictKind.FAIL}


@click.command("rate")
@click.argument("attempt", metavar="ID", type=click.IntRange(1))
@click.argument("verdict", type=click.Choice(list(VERDICTS)))
@click.option("-m", "--message", default="", metavar="WHY", help="What is wrong with it.")
@common
@click.pass_obj
def command(output: Output, attempt: int, verdict: str, message: str) -> None:
    """Rate a reply by its ID, which `rrr history list` shows. Your verdict counts instead of the check's; both are kept."""
    database = paths.database_path()
    if not database.exists():
        raise NotFoundError(f"there is no log at {database} yet", "ask something first, for example with `rrr chat`")
    with Store.open(database) as store:
        store.log_user_verdict(attempt, VERDICTS[verdict], message)
    if output.json:
        output.document("rrr.rating/1", attempt=attempt, verdict=VERDICTS[verdict], reason=message)
    else:
        output.text(f"attempt {attempt}: {verdict}")
