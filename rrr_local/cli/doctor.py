"""`rrr doctor`: what is installed, whether it works, and what a crash left behind."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict

import click

from rrr_local import __version__, paths
from rrr_local.backends.find import open_backend
from rrr_local.backends.mlx import blas
from rrr_local.cli.options import common
from rrr_local.cli.output import Output
from rrr_local.engine.checks import Check, Health
from rrr_local.errors import ExitCode, RrrError
from rrr_local.models.find import EMBEDDED, find_model
from rrr_local.store import queries, sqlite
from rrr_local.store.records import RunStatus
from rrr_local.store.store import Store
from rrr_local.training import lock

LITTLE, TOO_LITTLE = 2 * 2**30, 200 * 2**20
"""Bytes of free disk below which is warned, and below which training is refused."""


@click.command("doctor")
@common
@click.pass_obj
def command(output: Output) -> int:
    """Check this installation. Exit code 1 when something does not work.

    Runs that a crash left as running are marked lost; `rrr train --resume` goes on with them.
    """
    checks = [check for make in CHECKS for check in _checked(make)]
    healthy = all(check.health is not Health.FAIL for check in checks)
    if output.json:
        output.document("rrr.doctor/1", healthy=healthy, checks=[asdict(check) for check in checks])
    else:
        output.table(*((check.health, check.name, check.detail) for check in checks))
    return ExitCode.OK if healthy else ExitCode.FAILED


def _checked(make: Callable[[], Iterator[Check]]) -> Iterator[Check]:
    """A check that cannot be made has failed."""
    try:
        yield from make()
    except RrrError as error:
        yield Check(make.__name__.strip("_"), Health.FAIL, f"{error.cause}; {error.way_out}")


def _python() -> Iterator[Check]:
    new_enough = sys.version_info >= (3, 11)
    health = Health.OK if new_enough else Health.FAIL
    yield Check("python", health, f"{platform.python_version()}, rrr-local {__version__}")
    yield Check("platform", Health.OK, f"{platform.platform()}, {os.cpu_count()} cores")


def _sqlite() -> Iterator[Check]:
    version = ".".join(map(str, sqlite.sqlite_version()))
    if sqlite.wal_is_safe():
        yield Check("sqlite", Health.OK, version)
    else:
        needed = ".".join(map(str, sqlite.WAL_SAFE_FROM))
        yield Check("sqlite", Health.WARN, f"{version} can damage a log that two processes write; {needed} or newer")


def _data() -> Iterator[Check]:
    folder = paths.data_folder()
    free = shutil.disk_usage(folder).free
    health = Health.OK if free >= LITTLE else Health.WARN if free >= TOO_LITTLE else Health.FAIL
    yield Check("data", Health.OK, str(folder))
    yield Check("disk", health, f"{free / 2**30:.1f} GB free")


def _model() -> Iterator[Check]:
    report = blas.preload()
    expected = report.active or sys.platform != "linux"
    yield Check("blas", Health.OK if expected else Health.WARN, report.detail)
    model = find_model(EMBEDDED)
    backend = open_backend("auto", model)
    yield Check("backend", Health.OK, f"{backend.name}, chosen by auto")
    yield Check("model", Health.OK, f"{EMBEDDED} loads, {model.size / 2**20:.1f} MB in {model.folder}")


def _log() -> Iterator[Check]:
    path = paths.database_path()
    if not path.exists():
        yield Check("log", Health.OK, f"{path} (nothing in it yet)")
        return
    with Store.open(path) as store:
        found = asdict(queries.counts(store.reader()))
        size = found.pop("size_bytes")
        counts = ", ".join(f"{number} {name}" for name, number in found.items())
        yield Check("log", Health.OK, f"{path}: {counts}; {size / 2**20:.1f} MB")
        lost = _mark_lost(store)
    yield from _backup()
    if lost:
        yield Check(
            "runs", Health.WARN, f"marked as lost: {', '.join(lost)}; go on with `rrr train --resume {lost[0]}`"
        )


def _backup() -> Iterator[Check]:
    """Whether a whole copy of the log is at hand; every upgrade makes one."""
    copies = [file.stat().st_mtime for file in (paths.data_folder() / "backups").glob("*.db")]
    if copies:
        days = (time.time() - max(copies)) / 86_400
        yield Check(
            "backup", Health.OK, f"{len(copies)} whole copies of the log, the newest {max(days, 0):.0f} days old"
        )


def _terminal() -> Iterator[Check]:
    """What the terminal says of itself; it is believed."""
    kind = os.environ.get("TERM", "")
    if kind in ("", "dumb"):
        yield Check(
            "terminal", Health.WARN, "no terminal, or a dumb one: use `rrr chat --plain` and `rrr train watch --plain`"
        )
        return
    colours = "no colours, as NO_COLOR asks" if os.environ.get("NO_COLOR") else _colours(kind)
    size = shutil.get_terminal_size()
    yield Check("terminal", Health.OK, f"{kind}, {colours}, {size.columns}x{size.lines}")


def _colours(kind: str) -> str:
    if os.environ.get("COLORTERM") in ("truecolor", "24bit"):
        return "16 million colours"
    return "256 colours" if "256" in kind else "16 colours"


def _mark_lost(store: Store) -> list[str]:
    """Runs that say they are running, but that no process holds."""
    lost = [
        run
        for run in queries.runs(store.reader(), limit=10_000)
        if run.status is RunStatus.RUNNING and not lock.is_held(paths.runs_folder() / run.name)
    ]
    for run in lost:
        store.update_run(run.id, status=RunStatus.LOST)
    return [run.name for run in lost]


CHECKS = (_python, _sqlite, _data, _model, _log, _terminal)
