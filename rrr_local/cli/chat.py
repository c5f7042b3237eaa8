"""`rrr chat`: the app's chat, or with --plain the same as lines of text, for pipes, screen readers and simple terminals."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import os
import sys
from collections.abc import Callable, Mapping
from typing import TextIO

import click

from rrr_local import config, paths
from rrr_local.actions import Place
from rrr_local.chat import settings as stored
from rrr_local.chat.session import ChatSession
from rrr_local.cli.lines import Lines, Mark
from rrr_local.cli.options import common
from rrr_local.cli.output import Output
from rrr_local.cli.plain import PlainChat
from rrr_local.engine.client import Engine, EngineState
from rrr_local.errors import NotFoundError
from rrr_local.store import chats
from rrr_local.store.store import Store
from rrr_local.tasks.find import find_task


@click.command("chat")
@click.option("--plain", is_flag=True, help="Lines of text instead of the app; so it is where there is no terminal.")
@click.option("--task", help="Chat about the problems of a task, which are checked.")
@click.option("--model", help="A folder, or tiny for the embedded model.  [default: the setting chat.model]")
@click.option("--adapter", help="A run, or the folder of a checkpoint.  [default: the setting chat.adapter]")
@click.option("-c", "--continue", "newest", is_flag=True, help="Go on with the newest chat.")
@click.option("--id", "chat", metavar="ID", help="Go on with this chat.")
@common
@click.pass_obj
def command(
    output: Output,
    plain: bool,
    task: str | None,
    model: str | None,
    adapter: str | None,
    newest: bool,
    chat: str | None,
) -> int:
    """Chat with the model, rate its answers, and have it reflect and retry.

    With --plain every line of standard input is a prompt or a slash command (/help lists them); it ends with the input.
    Exit code 0, or 1 when the last answer that was checked is wrong.
    """
    _settle({"chat.task": task, "chat.model": model, "chat.adapter": adapter})
    why = why_plain()
    if plain or output.json or why:
        if why and not plain and not output.json:
            output.note(f"{why}: this is the plain chat, as with --plain")
        return plain_chat(output, newest, chat)
    return open_app(Place.CHAT, _conversation(newest, chat))


def open_app(place: Place | None, conversation: str | None = None) -> int:
    """Open the app, at a chat if one is named. It lies above this package, hence the late import."""
    code: int = importlib.import_module("tui.app").main(place, conversation)
    return code


def why_plain() -> str:
    """Why the app cannot be drawn here; empty where it can."""
    why: str = importlib.import_module("tui.terminal").why_not()
    return why


def plain_chat(output: Output, newest: bool = False, chat: str | None = None) -> int:
    """The line chat, until the input ends. Raises why the engine did not start."""
    terminal = sys.stdout.isatty()
    stream = sys.stderr if output.json else sys.stdout
    lines = Lines(_writer(stream), terminal=stream.isatty(), quiet=output.quiet)
    typed = sys.stdin is not None and sys.stdin.isatty() and terminal and not output.json
    read = _typed if typed else _piped(lines)
    with Store.open(paths.database_path()) as store, asyncio.Runner() as runner:
        engine = Engine()
        session = ChatSession(store, engine, stored.load(store))
        plain = PlainChat(session, lines, terminal=typed)
        for problem in session.settings.problems:
            lines.note(problem)
        if conversation := _newest(store, newest, chat):
            plain.go_on_with(conversation)
        try:
            _converse(runner, plain, read, at_once=typed)
        finally:
            runner.run(engine.close())
        if output.json:
            click.echo(session.export("json"), nl=False)
        return plain.talk.exit_code


def _writer(stream: TextIO) -> Callable[[str], None]:
    """Writes lines as they are; `click.echo` would take out of a pipe what looks like colour."""

    def write(line: str) -> None:
        stream.write(f"{line}\n")
        stream.flush()

    return write


def _converse(runner: asyncio.Runner, plain: PlainChat, read: Callable[[], str | None], at_once: bool) -> None:
    """Line by line. The engine starts `at_once`, or with the first line; it is waited for when something is asked."""
    settings, engine = plain.session.settings, plain.session.engine
    line: str | None = ""
    while line is not None and not plain.ended:
        if engine.state is EngineState.OFF and (at_once or line):
            runner.run(engine.start(settings.get("chat.model"), settings.get("chat.adapter") or None))
        runner.run(plain.carry_out(line))
        line = None if plain.ended else read()


def _typed() -> str | None:
    """A line that a person types, with editing where Python has it; None at the end."""
    with contextlib.suppress(ImportError):  # where Python lacks it, the terminal's own editing has to do
        importlib.import_module("readline").parse_and_bind("set enable-bracketed-paste off")  # no escape sequences
    try:
        return input(f"{Mark.YOU}: ")
    except EOFError:
        click.echo()
        return None


def _piped(lines: Lines) -> Callable[[], str | None]:
    """Reads lines that nobody sees being typed, and so repeats them."""

    def read() -> str | None:
        raw = b"" if sys.stdin is None else sys.stdin.buffer.readline()
        if not raw:
            return None
        line = raw.decode("utf-8", errors="replace").rstrip("\r\n")
        if line.strip():
            lines.line(Mark.YOU, line)
        return line

    return read


def _settle(chosen: Mapping[str, str | None]) -> None:
    """Flags count before settings, for this process and the app. Raises `NotFoundError` for a task there is not."""
    task = chosen["chat.task"]
    if task:
        find_task(task)
    os.environ.update({config.find(key).env: value for key, value in chosen.items() if value is not None})


def _conversation(newest: bool, chat: str | None) -> str | None:
    """The chat to go on with. Raises `NotFoundError`."""
    if not newest and chat is None:
        return None
    with Store.open(paths.database_path(), readonly=True) as store:
        return _newest(store, newest, chat)


def _newest(store: Store, newest: bool, chat: str | None) -> str | None:
    if not newest or chat is not None:
        return chat
    found = chats.chats(store.reader(), limit=1)
    if not found:
        raise NotFoundError("there is no chat to go on with", "begin one with `rrr chat`")
    return found[0].id
