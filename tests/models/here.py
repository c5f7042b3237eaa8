"""`rrr` in a home of its own: no cache, no models of the person's, no network but the loopback hub."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from rrr_local.paths import OVERRIDE

from ..cli.child import ROOT, RRR

GONE = ("HF_HUB_OFFLINE", "HF_HUB_CACHE", "HF_TOKEN", "HF_ENDPOINT", "TRANSFORMERS_OFFLINE")
BLOCKED = """
import socket
def refused(*_):
    raise AssertionError("something used the network")
socket.socket.connect = socket.socket.connect_ex = refused
socket.getaddrinfo = refused
"""
"""As sitecustomize.py: whatever Python connects from then on is an error."""


def environment(home: Path, endpoint: str = "http://127.0.0.1:9", **more: str) -> dict[str, str]:
    """Of a child that lives in `home`; nobody listens at the default endpoint."""
    kept = {key: value for key, value in os.environ.items() if "proxy" not in key.lower() and key not in GONE}
    own = {"HOME": str(home), "HF_HOME": str(home / "hf"), OVERRIDE: str(home / "data"), "HF_ENDPOINT": endpoint}
    return {**kept, **own, "PYTHONPATH": str(ROOT), "NO_PROXY": "127.0.0.1", **more}


def offline(home: Path) -> dict[str, str]:
    """Of a child that may not connect to anything."""
    folder = home / "blocked"
    folder.mkdir(exist_ok=True)
    (folder / "sitecustomize.py").write_text(BLOCKED)
    found = environment(home)
    return {**found, "PYTHONPATH": f"{folder}{os.pathsep}{found['PYTHONPATH']}"}


def rrr(env: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `rrr` to its end."""
    return subprocess.run(
        [*RRR, *arguments], capture_output=True, text=True, env=env, timeout=120, stdin=subprocess.DEVNULL
    )
