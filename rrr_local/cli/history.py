"""`rrr history`: what is in the log, to read, search and export."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict

import click

from rrr_local.chat import episodes as files
from rrr_local.chat import query
from rrr_local.cli.logged import one_line, reading
from rrr_local.cli.options import common
from rrr_local.cli.output import Output
from rrr_local.errors import UsageError
from rrr_local.store import history, search
from rrr_local.store.history import EpisodeFilter, EpisodeSummary

WIDTH = 48
"""Characters of a text in a table."""
FILTER = click.argument("words", nargs=-1, metavar="[FILTER]...")


@click.group("history", invoke_without_command=True)
@common
@click.pass_context
def command(context: click.Context) -> None:
    """What happened: every problem with its attempt, reflections and retries. Without a subcommand: list the newest."""
    if context.invoked_subcommand is None:
        context.invoke(list_episodes)


@command.command("list")
@FILTER
@click.option("-n", "--limit", type=click.IntRange(1), default=20, show_default=True, help="The most that are listed.")
@click.option("--before", type=click.IntRange(1), metavar="ID", help="Only those older than this one.")
@common
@click.pass_obj
def list_episodes(output: Output, words: tuple[str, ...], limit: int, before: int | None) -> None:
    """List episodes, newest first.

    FILTER is words they hold, and outcome:passed|fixed|failed|unchecked, task:NAME, kind:chat|collect|train|eval,
    judge:user|verifier, run:NAME, excluded:yes|no.
    """
    which = _filter(words)
    with reading() as connection:
        found = history.episodes(connection, limit, before, which)
        totals = history.totals(connection, which)
    if output.json:
        episodes = [{**asdict(each), "outcome": each.outcome} for each in found]
        output.document("rrr.history/1", episodes=episodes, totals=asdict(totals))
    elif not found:
        output.text("nothing matches" if which != history.ANY else "nothing yet; ask something with: rrr chat")
    else:
        output.table(("id", "when", "task", "outcome", "by", "reflections", "prompt"), *map(_row, found))
        output.text(
            f"{totals.episodes} problems: {totals.first_try} passed at the first try, {totals.fixed} fixed by a retry, "
            f"{totals.failed} failed, {totals.unchecked} not checked"
        )


@command.command("show")
@click.argument("attempt", metavar="ID", type=click.IntRange(1))
@common
@click.pass_obj
def show(output: Output, attempt: int) -> None:
    """Show one episode in full."""
    with reading() as connection:
        full = history.episode(connection, attempt)
        (summary,) = history.episodes(connection, 1, full.attempt.id + 1)
        if output.json:
            click.echo(json.dumps(files.document(connection, summary)))
        else:
            output.text(files.markdown(connection, summary).rstrip("\n"))


@command.command("search")
@click.argument("words", nargs=-1, required=True)
@click.option("-n", "--limit", type=click.IntRange(1), default=20, show_default=True, help="The most that are listed.")
@common
@click.pass_obj
def search_texts(output: Output, words: tuple[str, ...], limit: int) -> None:
    """Search attempts, retries and reflections for WORDS; all of them, whole, in any case."""
    with reading() as connection:
        hits = search.search(connection, " ".join(words), limit)
    if output.json:
        output.document("rrr.search/1", hits=[asdict(hit) for hit in hits])
    elif not hits:
        output.text("nothing matches")
    else:
        rows = [(str(hit.episode_id), hit.kind, hit.created_at[:16], one_line(hit.text, WIDTH)) for hit in hits]
        output.table(("episode", "in", "when", "text"), *rows)


@command.command("export")
@FILTER
@click.option("-f", "--format", "form", type=click.Choice(files.FORMS), default="jsonl", show_default=True)
@common
@click.pass_obj
def export(output: Output, words: tuple[str, ...], form: str) -> None:
    """Write episodes to standard output, newest first; FILTER as for list. The texts are as they were written."""
    with reading() as connection:
        for piece in files.export(connection, form, _filter(words)):
            if output.json or not sys.stdout.isatty():
                click.echo(piece.encode("utf-8", errors="replace"), nl=False)
            else:
                output.text(piece.removesuffix("\n"))


def _filter(words: tuple[str, ...]) -> EpisodeFilter:
    """Raises `UsageError` for a filter that cannot be read."""
    found = query.parse(" ".join(words))
    if found.problems:
        raise UsageError(found.problems[0], "`rrr history list --help` shows the filters")
    return found.which


def _row(each: EpisodeSummary) -> tuple[str, ...]:
    by = "-" if each.verdict is None else "you" if each.by_user else "check"
    prompt = one_line(each.prompt or each.attempt, WIDTH)
    return str(each.id), each.created_at[:16], each.task or "-", each.outcome, by, str(each.reflections), prompt
