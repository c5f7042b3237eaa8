"""`rrr models`: what is on this machine, what could be, and getting, taking in, checking, measuring and removing it."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import click

from rrr_local.cli import model_words as words
from rrr_local.cli.options import BACKEND, common
from rrr_local.cli.output import Output
from rrr_local.cli.progress import Report, progress
from rrr_local.cli.signals import Stop, at_boundaries
from rrr_local.engine.machine import memory_bytes
from rrr_local.errors import ExitCode, UsageError
from rrr_local.models import scan
from rrr_local.models.find import find_model
from rrr_local.models.hub_errors import Cancelled
from rrr_local.models.suggestions import SUGGESTIONS

YES = click.option("--yes", is_flag=True, help="Do not ask.")


@click.group("models", invoke_without_command=True)
@common
@click.pass_context
def command(context: click.Context) -> None:
    """Models: which are here, which would suit. Without a subcommand: list them.

    Only `fetch` uses the network, and only after it was told to.
    """
    if context.invoked_subcommand is None:
        context.invoke(list_models)


@command.command("list")
@common
@click.pass_obj
def list_models(output: Output) -> None:
    """List the embedded model and those that were fetched or imported."""
    words.print_rows(output, scan.installed(), memory_bytes())
    if not output.json:
        output.note("`rrr models scan` looks for more on this machine, `rrr models suggest` names some to get")


@command.command("scan")
@click.argument("folders", nargs=-1, type=click.Path(exists=True, file_okay=False, path_type=Path))
@common
@click.pass_obj
def scan_models(output: Output, folders: tuple[Path, ...]) -> None:
    """Look for models of other programs (Hugging Face cache, LM Studio), and in FOLDERS. Changes nothing."""
    rows = scan.found(folders)
    words.print_rows(output, rows, memory_bytes())
    if not output.json and any(row.fault is None for row in rows):
        output.note("`--model NAME` uses one as it is; `rrr models import NAME` also records what its files are")


@command.command("suggest")
@common
@click.pass_obj
def suggest(output: Output) -> None:
    """Models to begin with, by machine. Nothing is fetched or asked for."""
    words.print_suggestions(output, SUGGESTIONS, memory_bytes())


@command.command("fetch")
@click.argument("repo")
@click.option("--revision", metavar="COMMIT", help="A commit, tag or branch; its commit is what is kept.")
@click.option("--dry-run", is_flag=True, help="Say what would be fetched, and end.")
@YES
@common
@click.pass_obj
def fetch(output: Output, repo: str, revision: str | None, dry_run: bool, yes: bool) -> int:
    """Get the model REPO (organisation/name) from the hub, after showing what that takes.

    The files go to the Hugging Face cache, where other programs find them too; each is compared with the hub's hash.
    """
    from rrr_local.models import hub

    plan = hub.plan(repo, revision)
    if dry_run:
        words.print_plan(output, plan, memory_bytes(), document=True)
        return ExitCode.OK
    if not output.json:
        words.print_plan(output, plan, memory_bytes(), document=False)
    if not _agreed(yes, "Fetch it?"):
        return ExitCode.FAILED
    with at_boundaries("cancelling; what has come whole stays in the cache") as stop, progress(output) as report:
        try:
            record = hub.fetch(plan, _megabytes(report, "fetch"), lambda: stop.requested)
        except Cancelled:
            return _cancelled(output, stop)
    words.print_record(output, record)
    return ExitCode.OK


@command.command("import")
@click.argument("source")
@click.option("--name", help="What to call it; by default the folder's own name.")
@common
@click.pass_obj
def import_(output: Output, source: str, name: str | None) -> None:
    """Take in SOURCE: a model's folder, or a repository that is in the Hugging Face cache. Nothing is copied."""
    from rrr_local.models.imports import import_model

    with progress(output) as report:
        record = import_model(source, name, _megabytes(report, "hash"))
    words.print_record(output, record)


@command.command("verify")
@click.argument("name")
@common
@click.pass_obj
def verify(output: Output, name: str) -> int:
    """Read every file of NAME again and compare it with what was recorded. Exit code 1 where one differs."""
    from rrr_local.models.verify import State
    from rrr_local.models.verify import verify as compare

    with progress(output) as report:
        files = compare(name, lambda done, total: report("verify", done, total, "files"))
    same = all(file.state is State.SAME for file in files)
    if output.json:
        output.document("rrr.model-check/1", name=name, same=same, files=[asdict(file) for file in files])
    else:
        output.table(*((file.state.value, file.name) for file in files))
        output.text(
            f"{name} is {'as it was' if same else 'damaged: `rrr models fetch` or `import` makes it whole again'}"
        )
    return ExitCode.OK if same else ExitCode.FAILED


@command.command("bench")
@click.argument("name")
@BACKEND
@common
@click.pass_obj
def bench(output: Output, name: str, backend: str) -> None:
    """Load NAME and measure how fast it reads and writes here. Takes seconds; nothing is kept."""
    from rrr_local.backends.bench import measure
    from rrr_local.backends.find import open_backend

    model = find_model(name)
    with progress(output) as report:
        report("load", 0, 1)
        start = time.perf_counter()
        loaded = open_backend(backend, model)
        seconds = time.perf_counter() - start
        report("load", 1, 1)
        report("measure", 0, 1)
        speed = measure(loaded)
        report("measure", 1, 1)
    words.print_speed(output, name, loaded.name, seconds, speed)


@command.command("rm")
@click.argument("name")
@click.option("--keep-files", is_flag=True, help="Forget it, and leave its files in the Hugging Face cache.")
@YES
@common
@click.pass_obj
def rm(output: Output, name: str, keep_files: bool, yes: bool) -> int:
    """Remove NAME: a fetched model's files from the Hugging Face cache; of an imported one only the record."""
    from rrr_local.models import remove

    what = remove.removal(name, files=not keep_files)
    if not output.json:
        words.print_removal(output, what)
    if not _agreed(yes, "Remove it?"):
        return ExitCode.FAILED
    remove.remove(what)
    if output.json:
        output.document("rrr.model-removed/1", name=name, files=len(what.files), freed_bytes=what.size)
    else:
        output.text(f"{name} is removed")
    return ExitCode.OK


def _agreed(yes: bool, question: str) -> bool:
    """Whether the person agrees. Raises `UsageError` where nobody can be asked."""
    if yes:
        return True
    if not (sys.stdin and sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError("nothing was done: there is nobody to ask", "add --yes")
    return click.confirm(question, err=True)


def _megabytes(report: Report, stage: str) -> Callable[[int, int], None]:
    """Bytes as a stage in whole megabytes; a program gets the bytes as well."""

    def told(done: int, total: int) -> None:
        whole = -(-total // 10**6)
        report(stage, whole if done >= total else done // 10**6, whole, "MB", bytes=done, bytes_total=total)

    return told


def _cancelled(output: Output, stop: Stop) -> int:
    output.note("cancelled: nothing was recorded; `rrr models fetch` goes on with the files that are missing")
    return stop.exit_code
