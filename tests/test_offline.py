"""The guard that no test reaches the network fires, in this process and in children; and what `.ci/offline` runs has loopback only."""

from __future__ import annotations

import errno
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from .offline.sitecustomize import LOG

OFFLINE = Path(__file__).parent.parent / ".ci" / "offline"
ELSEWHERE = "192.0.2.1"
"""An address that is nobody's, for documentation."""
REFUSED = "no test may reach the network"
LOOPBACK = "import socket; s = socket.create_server(('127.0.0.1', 0)); socket.create_connection(s.getsockname()); print('here')"


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Attempts are noted here, and do not fail this test."""
    monkeypatch.setenv(LOG, str(tmp_path / "log"))
    return tmp_path / "log"


@pytest.mark.parametrize("host", [ELSEWHERE, "2001:db8::1", "example.org", b"example.org"])
def test_a_name_or_an_address_of_another_machine_is_refused_and_noted(log: Path, host: str | bytes) -> None:
    with pytest.raises(RuntimeError, match=REFUSED):
        socket.getaddrinfo(host, 80)
    assert repr(host) in log.read_text()


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_a_connection_to_another_machine_is_refused(log: Path, kind: socket.SocketKind) -> None:
    with socket.socket(socket.AF_INET, kind) as made, pytest.raises(RuntimeError, match=REFUSED):
        made.connect((ELSEWHERE, 80))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made, pytest.raises(RuntimeError, match=REFUSED):
        made.sendto(b"x", (ELSEWHERE, 80))


def test_a_child_is_watched_as_well_and_swallowing_the_error_does_not_help(log: Path) -> None:
    code = f"import urllib.request\ntry: urllib.request.urlopen('http://{ELSEWHERE}/')\nexcept Exception: print('swallowed')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode != 0 or done.stdout == "swallowed\n"
    assert ELSEWHERE in log.read_text()


def test_this_machine_can_be_reached(log: Path, tmp_path: Path) -> None:
    with socket.create_server(("localhost", 0)) as server, socket.create_connection(server.getsockname()):
        pass
    done = subprocess.run([sys.executable, "-c", LOOPBACK], capture_output=True, text=True)
    assert done.stdout == "here\n"
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as client:
        server.bind(path)
        server.listen()
        client.connect(path)
    assert not log.exists()


def test_what_runs_in_ci_offline_has_loopback_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    possible = subprocess.run([OFFLINE, "true"], capture_output=True, text=True) if sys.platform == "linux" else None
    if possible is None or possible.returncode != 0:
        pytest.skip(f"no network namespaces here: {'not Linux' if possible is None else possible.stderr.strip()}")
    monkeypatch.delenv("PYTHONPATH")  # without the guard: it is the kernel that is asked
    assert subprocess.run([OFFLINE, sys.executable, "-c", LOOPBACK], capture_output=True, text=True).stdout == "here\n"
    code = f"import socket; print(socket.socket().connect_ex(('{ELSEWHERE}', 80)))"
    out = subprocess.run([OFFLINE, sys.executable, "-S", "-c", code], capture_output=True, text=True).stdout
    assert int(out) == errno.ENETUNREACH
    assert subprocess.run([OFFLINE], capture_output=True).returncode == 2
