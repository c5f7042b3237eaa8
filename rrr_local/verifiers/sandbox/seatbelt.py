"""The walls of a cell on macOS: a Seatbelt profile for `sandbox-exec`, and its memory by looking.

`sandbox-exec` is marked deprecated since 2016 and is what browsers and coding agents still use. The profile forbids everything, then
allows reading Python's own library and what the system needs to start a process. Forking is not allowed, so nothing survives the cell.
Written from the profiles that macOS ships and not yet tried on a Mac: `inside.py` checks that the walls stand before any code runs.
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from collections.abc import Sequence

SYSTEM = (
    "/usr/lib",
    "/System/Library",
    "/System/Volumes/Preboot/Cryptexes",
    "/private/var/db/dyld",
    "/Library/Apple/System",
)
DEVICES = ("/dev/null", "/dev/urandom", "/dev/random")


def command() -> list[str]:
    """What stands before a command so that it runs in a cell."""
    folders = {os.path.realpath(path) for path in (sys.base_prefix, sysconfig.get_path("stdlib"), package()) if path}
    programs = {sys.executable, os.path.realpath(sys.executable)}
    return ["/usr/bin/sandbox-exec", "-p", profile(sorted(folders), sorted(programs))]


def package() -> str:
    """The folder with our own code."""
    return os.path.dirname(os.path.dirname(os.path.dirname(__file__)))


def profile(folders: Sequence[str], programs: Sequence[str]) -> str:
    """The profile: `folders` may be read, and only the `programs` may be started, without a fork."""
    readable = " ".join(f"(subpath {_quoted(path)})" for path in (*SYSTEM, *folders))
    literal = " ".join(f"(literal {_quoted(path)})" for path in (*DEVICES, *programs, "/"))
    started = " ".join(f"(literal {_quoted(path)})" for path in programs)
    inside = " ".join(f"(subpath {_quoted(path)})" for path in folders)
    return "\n".join(
        (
            "(version 1)",
            "(deny default)",
            "(deny network*)",
            "(deny process-fork)",
            f"(allow process-exec {started} {inside})",
            "(allow file-read-metadata)",
            f"(allow file-read* {readable} {literal})",
            '(allow file-write-data (literal "/dev/null"))',
            "(allow sysctl-read)",
            "(allow signal (target self))",
        )
    )


def resident(pid: int) -> int:
    """Bytes of memory a process holds; 0 when it has ended."""
    done = subprocess.run(["ps", "-o", "rss=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return int(done.stdout.strip() or 0) * 1024


def _quoted(path: str) -> str:
    escaped = path.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
