"""What runs in a cell: lock the process up, say so, then do the candidate's or the judge's part.

Started as `python -I -S` with nothing in its environment. Everything the part needs is imported before the door closes. The line
{"held": true} goes out only when this process has seen for itself that a folder which it has no business in is closed to it.
"""

from __future__ import annotations

import math
import os
import resource
import signal
import sys

from rrr_local.verifiers.sandbox import judge, landlock, seccomp
from rrr_local.verifiers.sandbox.candidate import Candidate
from rrr_local.verifiers.sandbox.wire import Wire

READABLE = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/share/zoneinfo")
"""What Python reads besides its own library."""
CLOSED = "/etc"
"""A folder that exists everywhere and that no cell may list."""
DESCRIPTORS = 32


def main() -> None:
    """`argv`: the package's parent folder, the part, two descriptors, seconds, megabytes, and 1 to lock up or 0."""
    package, part, requests, answers, seconds, memory_mb, locked = sys.argv[1:]
    sys.path.remove(package)
    wire = Wire(int(requests), int(answers))
    quiet = os.open(os.devnull, os.O_RDWR)
    _limit(math.ceil(float(seconds)), int(memory_mb) * 2**20)
    if locked == "1":
        _lock()
    wire.send({"held": _closed()})
    os.dup2(quiet, sys.stderr.fileno())  # until here it tells our parent why a cell does not start
    if part == "judge":
        judge.main(wire)
    else:
        Candidate(wire).serve()


def _limit(seconds: int, memory: int) -> None:
    """No file is written, no core dumped; processor time and, on Linux, memory are bounded. macOS ignores the bound on memory."""
    limits = {
        resource.RLIMIT_CPU: seconds,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_NOFILE: DESCRIPTORS,
        resource.RLIMIT_CORE: 0,
    }
    if sys.platform == "linux":
        limits[resource.RLIMIT_AS] = memory
    for what, most in limits.items():
        resource.setrlimit(what, (most, most))
    signal.setitimer(signal.ITIMER_REAL, seconds)  # its signal ends the process, should nobody be left to do so


def _lock() -> None:
    """Close the doors on Linux; on macOS `sandbox-exec` has closed them before Python started."""
    if sys.platform == "linux":
        landlock.end_with_parent()
        landlock.restrict([*sys.path, *READABLE])
        seccomp.restrict()


def _closed() -> bool:
    try:
        os.listdir(CLOSED)
    except PermissionError:
        return True
    return False
