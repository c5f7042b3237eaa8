"""`rrr` as a child process in a data folder of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rrr_local.paths import OVERRIDE, cache_folder

Say = Callable[..., tuple[int, str, str]]
"""Runs a command in this process; its exit code, output and errors."""

ROOT = Path(__file__).parent.parent.parent
RRR = (sys.executable, "-m", "rrr_local")
SMALL = tuple(
    part
    for setting in ("steps=4", "failures=16", "failures_per_step=2", "group_size=4", "checkpoint_every=1")
    for part in ("-o", setting)
)
"""A run of a few seconds."""


def environment(home: Path) -> dict[str, str]:
    """Of a child whose data folder is `home`."""
    return {**os.environ, OVERRIDE: str(home), "PYTHONPATH": os.pathsep.join((str(ROOT), os.environ["PYTHONPATH"]))}


def call(home: Path, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run `rrr` to its end."""
    return subprocess.run(
        [*RRR, *arguments], capture_output=True, text=True, env=environment(home), cwd=home, timeout=250, **options
    )


def new_home(folder: Path) -> Path:
    """A data folder; the BLAS copy is shared with it, not made again."""
    folder.mkdir(mode=0o700)
    shutil.copytree(cache_folder(), folder / "cache", copy_function=os.link)
    return folder
