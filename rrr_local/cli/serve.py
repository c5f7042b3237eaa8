"""`rrr serve`: the terminal app in a browser on this machine, for nobody else."""

from __future__ import annotations

import errno

import click

from rrr_local.cli.options import common
from rrr_local.cli.output import Output
from rrr_local.errors import ExitCode, UsageError


@click.command("serve")
@click.option("--port", type=click.IntRange(1024, 65535), default=8000, show_default=True, help="On 127.0.0.1.")
@common
@click.pass_obj
def command(output: Output, port: int) -> int:
    """Open the app in a browser on this machine. Only this machine reaches it, and only with the address that is printed.

    Every tab is an app of its own; the first has the engine, the others only show. Ctrl-C ends it.
    """
    try:
        from rrr_local.cli.web.server import LocalServer
    except ModuleNotFoundError as error:
        raise UsageError(
            f"the browser needs a package that is not installed ({error.name})", "pip install 'rrr-local[web]'"
        ) from error
    server = LocalServer(port)
    output.note(f"rrr is at {server.address}   (Ctrl-C ends it)")
    try:
        server.serve()
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        raise UsageError(f"port {port} is taken", "choose another with --port") from error
    return ExitCode.OK
