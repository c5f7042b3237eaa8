"""The clipboard: the system's own tool where there is one, and OSC 52 for the terminal, which works over SSH too."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence

from rrr_local.text import storable

PATIENCE_S = 2.0
"""How long a tool may take; xclip waits for an X server that does not answer."""
REMOTE = ("SSH_CONNECTION", "SSH_TTY")
"""Over SSH the tools would fill the clipboard of the wrong machine."""


def tool(environment: Mapping[str, str] = os.environ) -> Sequence[str] | None:
    """The command that fills this machine's clipboard from standard input; None where there is none."""
    if any(environment.get(name) for name in REMOTE):
        return None
    candidates: list[tuple[str, ...]] = []
    if sys.platform == "darwin":
        candidates.append(("pbcopy",))
    if environment.get("WAYLAND_DISPLAY"):
        candidates.append(("wl-copy",))
    if environment.get("DISPLAY"):
        candidates += [("xclip", "-selection", "clipboard"), ("xsel", "--clipboard", "--input")]
    if environment.get("WSL_DISTRO_NAME"):
        candidates.append(("clip.exe",))
    return next((command for command in candidates if shutil.which(command[0])), None)


def copy_with(command: Sequence[str], text: str) -> bool:
    """Whether the tool took the text. It may stay in the background to serve it, so its output is not waited for."""
    try:
        done = subprocess.run(
            command,
            input=storable(text).encode(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=PATIENCE_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def said(copied: bool, text: str) -> str:
    """What may be claimed. A terminal does not answer whether it took the text."""
    if copied:
        return f"copied ({len(text)} characters)"
    return f"sent to the terminal ({len(text)} characters); not every terminal takes it"
