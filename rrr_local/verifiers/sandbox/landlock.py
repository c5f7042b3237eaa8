"""Landlock by hand: from here on this process reads some folders, writes nowhere, and opens no TCP connection.

Three system calls on Linux >= 5.13, no library, no privilege, and no way back: children inherit it. What the kernel in use does not
know yet (its ABI number says) is left out of the ruleset. Landlock does not cover stat, chmod, utime and the like, nor UDP:
`seccomp.py` does, except for stat, so the names and sizes of files can be found out where folders may be entered.
Numbers: include/uapi/linux/landlock.h.
"""

from __future__ import annotations

import ctypes
import os
import signal
import struct
from collections.abc import Sequence

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
"""The same numbers on every architecture."""
ASK_FOR_ABI = 1
PATH_BENEATH = 1
NO_NEW_PRIVS, PDEATHSIG = 38, 1
READ_FILE, READ_DIR = 1 << 2, 1 << 3
FILE_RIGHTS = {1: 13, 2: 14, 3: 15, 5: 16}
"""ABI -> how many rights on files it knows; each is a bit, from execute on."""
BIND_AND_CONNECT_TCP = 0b11
ABSTRACT_SOCKETS_AND_SIGNALS = 0b11


def restrict(readable: Sequence[str]) -> int:
    """Lock this process up; returns the ABI. Paths that do not exist are left out. Raises `OSError` where there is no Landlock."""
    libc = ctypes.CDLL(None, use_errno=True)
    abi = _checked(libc.syscall(CREATE_RULESET, None, ctypes.c_size_t(0), ASK_FOR_ABI))
    files = (1 << max(count for since, count in FILE_RIGHTS.items() if since <= abi)) - 1
    ruleset = struct.pack("=Q", files)
    if abi >= 4:
        ruleset += struct.pack("=Q", BIND_AND_CONNECT_TCP)
    if abi >= 6:
        ruleset += struct.pack("=Q", ABSTRACT_SOCKETS_AND_SIGNALS)
    rules = _checked(libc.syscall(CREATE_RULESET, ruleset, ctypes.c_size_t(len(ruleset)), 0))
    for path in filter(os.path.exists, readable):
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
        rights = READ_FILE | READ_DIR if os.path.isdir(path) else READ_FILE
        _checked(libc.syscall(ADD_RULE, rules, PATH_BENEATH, struct.pack("=Qi", rights, descriptor), 0))
        os.close(descriptor)
    _checked(libc.prctl(NO_NEW_PRIVS, 1, 0, 0, 0))
    _checked(libc.syscall(RESTRICT_SELF, rules, 0))
    os.close(rules)
    return abi


def end_with_parent() -> None:
    """Have the kernel kill this process when the thread that started it ends."""
    ctypes.CDLL(None).prctl(PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"Landlock: {os.strerror(number)}")
    return result
