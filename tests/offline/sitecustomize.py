"""No test reaches the network: whoever asks for an address that is not this machine's is stopped, and the test fails.

`tests/conftest.py` imports this in the tests' own process. Children, and the workers of pytest-xdist, import it by themselves: Python
runs a `sitecustomize` that it finds on PYTHONPATH before anything else.
An audit hook cannot be removed again, and sees C code that goes through Python's sockets, too.
"""

from __future__ import annotations

import os
import sys

LOG = "RRR_TESTS_REACHED_OUT"
"""Environment variable: the file in which every attempt is noted, since the code that made it may swallow the exception."""
CONNECTING = ("socket.connect", "socket.sendto", "socket.sendmsg")
RESOLVING = ("socket.getaddrinfo", "socket.gethostbyname")


def install() -> None:
    """Watch this process from now on."""
    sys.addaudithook(_watch)


def _watch(event: str, arguments: tuple[object, ...]) -> None:
    if event in RESOLVING:
        host = arguments[0]
    elif event in CONNECTING and len(arguments) > 1 and isinstance(arguments[1], tuple) and arguments[1]:
        host = arguments[1][0]  # a Unix socket's address is a string, and none of our business
    else:
        return
    if not _here(host):
        with open(os.environ[LOG], "a", encoding="utf-8") as file:
            file.write(f"{event} {host!r}\n")
        raise RuntimeError(f"{event} {host!r}: no test may reach the network")


def _here(host: object) -> bool:
    """Whether a host is this machine."""
    import ipaddress  # here, since hardly any child asks
    import socket

    name = host.decode("ascii", "replace") if isinstance(host, bytes) else host
    if name in (None, "", "localhost", "0.0.0.0", "::", socket.gethostname()):
        return True
    try:
        return ipaddress.ip_address(str(name)).is_loopback
    except ValueError:
        return False


if LOG in os.environ:
    install()
