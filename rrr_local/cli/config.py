"""`rrr config`: the settings, where each value comes from, and changing them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click

from rrr_local import paths
from rrr_local.chat import settings as stored
from rrr_local.cli.options import common
from rrr_local.cli.output import Output
from rrr_local.config import SCHEMA, Setting, Settings, find, show
from rrr_local.store.store import Store

SCHEMA_NAME = "rrr.config/1"


@click.group("config", invoke_without_command=True)
@common
@click.pass_context
def command(context: click.Context) -> None:
    """Settings. Without a subcommand: list them."""
    if context.invoked_subcommand is None:
        context.invoke(list_settings)


@command.command("list")
@common
@click.pass_obj
def list_settings(output: Output) -> None:
    """List all settings, their values, and where those come from: default, log, or env (RRR_CHAT__MODEL and so on)."""
    with _opened(writing=False) as settings:
        if output.json:
            rows = [_as_json(settings, setting) for setting in SCHEMA]
            output.document(SCHEMA_NAME, settings=rows, problems=settings.problems)
            return
        rows_shown = [(s.key, show(settings.get(s.key)), settings.source(s.key), s.help) for s in SCHEMA]
        output.table(("setting", "value", "from", ""), *rows_shown)
        for problem in settings.problems:
            output.note(problem)


@command.command("get")
@click.argument("key")
@common
@click.pass_obj
def get(output: Output, key: str) -> None:
    """Print one value."""
    setting = find(key)
    with _opened(writing=False) as settings:
        if output.json:
            output.document(SCHEMA_NAME, **_as_json(settings, setting))
        else:
            output.text(show(settings.get(key)))


@command.command("set")
@click.argument("key")
@click.argument("value")
@common
@click.pass_obj
def set_(output: Output, key: str, value: str) -> None:
    """Keep a value in the log."""
    with _opened(writing=True) as settings:
        settings.set(key, value)
        _say(output, settings, find(key))


@command.command("unset")
@click.argument("key")
@common
@click.pass_obj
def unset(output: Output, key: str) -> None:
    """Go back to the default."""
    with _opened(writing=True) as settings:
        settings.unset(key)
        if key in {setting.key for setting in SCHEMA}:
            _say(output, settings, find(key))


@command.command("path")
@common
@click.pass_obj
def path(output: Output) -> None:
    """Print where the settings are: in the log, with everything else."""
    if output.json:
        output.document(SCHEMA_NAME, path=str(paths.database_path()))
    else:
        click.echo(paths.database_path())


def _say(output: Output, settings: Settings, setting: Setting) -> None:
    """What counts now, which need not be what was set: the environment goes before."""
    if output.json:
        output.document(SCHEMA_NAME, **_as_json(settings, setting))
    else:
        output.text(f"{setting.key} = {show(settings.get(setting.key))} ({settings.source(setting.key)})")


def _as_json(settings: Settings, setting: Setting) -> dict[str, object]:
    return {
        "key": setting.key,
        "value": settings.get(setting.key),
        "from": settings.source(setting.key),
        "default": setting.default,
        "takes": setting.takes,
        "help": setting.help,
        "env": setting.env,
    }


@contextmanager
def _opened(*, writing: bool) -> Iterator[Settings]:
    """The settings of the log; where there is none yet, reading one does not make it."""
    database = paths.database_path()
    if not writing and not database.exists():
        yield stored.without_log()
        return
    with Store.open(database, readonly=not writing) as store:
        yield stored.load(store, read_only=not writing)
