"""Ways out of the sandbox, each as a program that tries one, and how to see whether it got out.

`python -m tests.verifiers.escapes` tries them all on this machine and prints the table that the README shows.

A program gets out when its test passes, or when something outside has changed. The test compares with what only success can yield, such
as the content of a file or a random word that is known to the test alone. Where `works_unlocked` is set, the same program is run once
without walls and must succeed there: else it would prove nothing.
"""
# A program is one line of a table.
# ruff: noqa: E501

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from rrr_local.verifiers.sandbox.base import Execution, Limits, Outcome, Sandbox
from rrr_local.verifiers.sandbox.monty import MontySandbox
from rrr_local.verifiers.sandbox.process import ProcessSandbox

PATIENT = Limits(seconds=20.0)
HASTY = Limits(seconds=1.0, memory_mb=256)
LIBC = "import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\n"


@dataclass(frozen=True, slots=True)
class World:
    """What is outside, for one program to reach."""

    home: Path
    secret: Path
    """A file in `home`; holds `word`."""
    word: str
    """A random word that no program is told."""
    victim: subprocess.Popen[bytes]
    """A process of the same person."""
    tcp: socket.socket
    udp: socket.socket
    mark: str
    """In the command line of every process that a program leaves behind."""

    def fill(self, code: str) -> str:
        """The code with the names of what is outside."""
        for name, value in {
            "SECRET": str(self.secret),
            "HOME": str(self.home),
            "OUTSIDE": str(self.home / "written"),
            "WORD": self.word,
            "VICTIM": str(self.victim.pid),
            "TCP": str(self.tcp.getsockname()[1]),
            "UDP": str(self.udp.getsockname()[1]),
            "MARK": self.mark,
            "PYTHON": sys.executable,
        }.items():
            code = code.replace(f"${name}", value)
        return code

    def changed(self) -> str | None:
        """What is no longer as it was; None while all is."""
        if sorted(path.name for path in self.home.iterdir()) != ["secret"]:
            return "a file was made"
        if self.secret.read_text() != self.word or stat.S_IMODE(self.secret.stat().st_mode) != 0o600:
            return "a file was changed"
        if self.victim.poll() is not None:
            return "another process was ended"
        for server in (self.tcp, self.udp):
            with contextlib.suppress(BlockingIOError):
                server.recvfrom(100) if server is self.udp else server.accept()
                return "something came over the network"
        return "a process was left behind" if self.left_behind() else None

    def left_behind(self) -> list[int]:
        """Processes that carry the mark."""
        listed = subprocess.run(["ps", "-axww", "-o", "pid=,command="], capture_output=True, text=True, check=True)
        return [int(line.split()[0]) for line in listed.stdout.splitlines() if self.mark in line]


@contextlib.contextmanager
def world() -> Iterator[World]:
    """A fresh one, cleared away at the end."""
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as sockets:
        secret = Path(folder).resolve() / "secret"
        word = secrets.token_hex(8)
        secret.write_text(word)
        secret.chmod(0o600)
        tcp = sockets.enter_context(socket.create_server(("127.0.0.1", 0)))
        udp = sockets.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        udp.bind(("127.0.0.1", 0))
        for server in (tcp, udp):
            server.setblocking(False)
        victim = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        here = World(secret.parent, secret, word, victim, tcp, udp, f"mark-{secrets.token_hex(8)}")
        try:
            yield here
        finally:
            victim.kill()
            victim.wait()
            for pid in here.left_behind():
                os.kill(pid, signal.SIGKILL)


@dataclass(frozen=True, slots=True)
class Escape:
    """One way out."""

    name: str
    code: str
    test: str = "assert probe() == '$WORD'"
    limits: Limits = PATIENT
    works_unlocked: bool = False
    """Whether the program succeeds where there are no walls."""
    gets_out_of: tuple[str, ...] = ()
    """The providers that do not hold it."""
    linux_only: bool = False

    def attempt(self, sandbox: Sandbox) -> tuple[bool, str]:
        """Whether it was held, and what came of it."""
        with world() as outside:
            done = sandbox.run(outside.fill(self.code), [outside.fill(self.test)], self.limits)
            changed = self._changed(outside, done)
        if changed is not None:
            return False, changed
        return done.outcome is not Outcome.PASSED, f"{done.outcome}: {done.detail}"

    def _changed(self, outside: World, done: Execution) -> str | None:
        changed = outside.changed()
        until = time.monotonic() + 0.2 if self.works_unlocked and changed is None else 0.0
        while changed is None and done.outcome is not Outcome.PASSED and time.monotonic() < until:
            changed = outside.changed()  # a process that the program started may still be on its way
        return changed


def probe(body: str, before: str = "") -> str:
    """Code whose function `probe` has this body."""
    lines = "\n    ".join(body.splitlines())
    return f"{before}\ndef probe():\n    {lines}\n"


FILES = (
    Escape("read a file in the home folder", probe("return open('$SECRET').read()"), works_unlocked=True),
    Escape("list the home folder", probe("return os.listdir('$HOME')", "import os"), "assert probe() == ['secret']", works_unlocked=True),
    Escape("read /etc/passwd", probe("return open('/etc/passwd').read()"), "assert 'root:' in probe()", works_unlocked=True),
    Escape(
        "read the environment of the program that started it",
        probe("return len(open(f'/proc/{os.getppid()}/environ', 'rb').read())", "import os"),
        "assert probe() > 0",
        works_unlocked=True,
        linux_only=True,
    ),
    Escape("write a file outside", probe("open('$OUTSIDE', 'w')", "import os"), works_unlocked=True),
    Escape("delete a file", probe("os.remove('$SECRET')\nopen('$HOME/other', 'w')", "import os"), works_unlocked=True),
    Escape("change the mode of a file", probe("os.chmod('$SECRET', 0o644)", "import os"), works_unlocked=True),
    Escape("follow a symbolic link out", probe("os.symlink('$SECRET', '$HOME/link')\nreturn open('$HOME/link').read()", "import os"), works_unlocked=True),
    Escape(
        "find out that a file exists, and its size",
        probe("return os.stat('$SECRET').st_size", "import os"),
        "assert probe() == 16",
        works_unlocked=True,
        gets_out_of=("process",),
    ),
)  # fmt: skip

NETWORK = (
    Escape(
        "connect over TCP",
        probe("socket.create_connection(('127.0.0.1', $TCP))", "import socket"),
        works_unlocked=True,
    ),
    Escape(
        "send over UDP",
        probe("socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', $UDP))", "import socket"),
        works_unlocked=True,
    ),
    Escape(
        "a socket through ctypes",
        probe("return libc.socket(2, 2, 0) >= 0", LIBC),
        "assert probe() is True",
        works_unlocked=True,
    ),
    Escape(
        "a pair of sockets within itself",
        probe("return len(socket.socketpair())", "import socket"),
        "assert probe() == 2",
        works_unlocked=True,
    ),
)

PROCESSES = (
    Escape("fork", probe("return os.fork() >= 0", "import os"), "assert probe() is True", works_unlocked=True),
    Escape("fork bomb", probe("while True:\n    os.fork()", "import os"), limits=HASTY),
    Escape(
        "a child in a session of its own that stays",
        probe(
            "subprocess.Popen(['$PYTHON', '-c', 'import time; time.sleep(60)', '$MARK'], start_new_session=True)",
            "import subprocess",
        ),
        works_unlocked=True,
    ),
    Escape(
        "become another program",
        probe("os.execv('/bin/sh', ['sh', '-c', 'echo > $OUTSIDE'])", "import os"),
        works_unlocked=True,
    ),
    Escape("end another process", probe("os.kill($VICTIM, 9)", "import os"), works_unlocked=True),
    Escape("end it by a process descriptor", probe("import signal\nsignal.pidfd_send_signal(os.pidfd_open($VICTIM), 9)", "import os"), works_unlocked=True, linux_only=True),
    Escape(
        "read another process's memory",
        probe(
            "return libc.ptrace(16, $VICTIM, 0, 0)", LIBC
        ),  # PTRACE_ATTACH
        "assert probe() == 0",
        works_unlocked=True,
        linux_only=True,
    ),
    Escape("new namespaces", probe("return libc.unshare(0x10000000)", LIBC), "assert probe() == 0", works_unlocked=True, linux_only=True),
    Escape("raise its own limits", probe("import resource\nresource.setrlimit(resource.RLIMIT_NOFILE, (16, 16))\nresource.setrlimit(resource.RLIMIT_NOFILE, (512, 512))\nreturn True"), "assert probe() is True"),
    Escape("put off its deadline", probe("signal.setitimer(signal.ITIMER_REAL, 0)\nreturn True", "import signal"), "assert probe() is True", works_unlocked=True, linux_only=True),
    Escape("a thread that never ends", probe("threading.Thread(target=time.sleep, args=(600,)).start()\nreturn 1", "import threading, time"), "assert probe() == 2"),
)  # fmt: skip

RESOURCES = (
    Escape("memory bomb", probe("x = ['']\nwhile True:\n    x += x"), limits=HASTY),
    Escape("a value that unfolds without end", probe("x = [0]\nfor _ in range(60):\n    x = [x, x]\nreturn x"), limits=HASTY),
    Escape("output flood", probe("while True:\n    print('x' * 10**5)"), limits=HASTY),
    Escape("an answer of 100 MB", probe("return 'x' * 10**8"), limits=HASTY),
    Escape("infinite loop", "while True:\n    pass", limits=HASTY),
    Escape("infinite loop that catches everything", "while True:\n    try:\n        while True:\n            pass\n    except BaseException:\n        pass", limits=HASTY),
    Escape("a number without end", probe("return 9**9**9"), limits=HASTY),
    Escape("a regular expression without end", probe("return re.match(r'(a|aa)+$', 'a' * 100 + 'b')", "import re"), limits=HASTY),
    Escape("recursion bomb", probe("return probe()"), limits=HASTY),
    Escape("nested brackets", "(" * 50_000, limits=HASTY),
    Escape("crash the interpreter", probe("ctypes.string_at(0)", "import ctypes"), limits=HASTY),
    Escape("fill the disk", probe("while True:\n    open('$HOME/x', 'ab').write(b'x' * 10**6)"), limits=HASTY, works_unlocked=False),
)  # fmt: skip

SWEEP = "import os\nfor descriptor in range(32):\n    try:\n        os.set_blocking(descriptor, False)\n        "
QUIET = "\n    except OSError:\n        pass"
VERDICT = b'{"nonce": "0", "outcome": "passed", "detail": "1 test holds"}\n'
VERDICTS = (
    Escape("os._exit(0)", "import os\nos._exit(0)"),
    Escape("os._exit(0) in a call", probe("os._exit(0)", "import os")),
    Escape("sys.exit(0)", "import sys\nsys.exit(0)"),
    Escape("a last word at exit", probe("sys.exit(0)", "import atexit, sys\natexit.register(print, 'passed')")),
    Escape("print a verdict", f"print({VERDICT.decode()!r})\n" + probe("return None")),
    Escape("write a verdict to every descriptor", SWEEP + f"os.write(descriptor, {VERDICT!r})" + QUIET),
    Escape("write an answer to every descriptor", SWEEP + "os.write(descriptor, b'{\"value\": true}\\n' * 9)" + QUIET),
    Escape("read every descriptor", probe("return said", "said = ''\n" + SWEEP + "said += os.read(descriptor, 10**6).decode()" + QUIET)),
    Escape("an object that equals everything", probe("return Equal()", "class Equal:\n    def __eq__(self, other):\n        return True")),
    Escape("a text that equals everything", probe("return Equal()", "class Equal(str):\n    def __eq__(self, other):\n        return True\n    __hash__ = str.__hash__")),
    Escape("an object that is everything it is asked for", probe("return Any()", "class Any:\n    def __getattr__(self, name):\n        return self\n    def __call__(self, *args):\n        return True\n    __eq__ = __ne__ = __call__")),
    Escape("replace what `assert` raises", probe("return 1", "import builtins\nbuiltins.AssertionError = type('AssertionError', (Exception,), {})\nbuiltins.__build_class__ = builtins.len = lambda *a: True")),
    Escape("replace a builtin that the test uses", probe("return 1", "import builtins\nbuiltins.abs = lambda *a: 0\ndef abs(*a):\n    return 0"), "assert abs(probe() - 5) == 0"),
    Escape("replace a module's function that the test uses", probe("return 1.0", "import math\nmath.isclose = lambda *a: True"), "import math\nassert math.isclose(probe(), 5.0)"),
    Escape("search the memory for the expected value", probe("return [x for o in gc.get_objects() for x in gc.get_referents(o) if isinstance(x, str) and len(x) == 16 and set(x) <= set('0123456789abcdef')] or None", "import gc"), "assert '$WORD' in probe()"),
    Escape("search the frames for the expected value", probe("frame, seen = sys._getframe(), []\nwhile frame:\n    seen += [repr(v) for v in frame.f_locals.values()]\n    frame = frame.f_back\nreturn ' '.join(seen)", "import sys"), "assert '$WORD' in probe()"),
    Escape("replace the harness around it", probe("return None", "import sys\nfor m in list(sys.modules.values()):\n    if 'sandbox' in getattr(m, '__name__', ''):\n        for n in ('encode', 'raised'):\n            setattr(m, n, lambda *a: True)")),
    Escape("look into the other processes", probe("for pid in range(os.getpid() - 5, os.getpid() + 6):\n    try:\n        if pid != os.getpid() and open(f'/proc/{pid}/cmdline').read():\n            return True\n    except OSError:\n        pass", "import os"), "assert probe() is True", works_unlocked=True, linux_only=True),
    Escape("look at a function that a test hands over", "def probe(f):\n    return str([f.__globals__, f.__code__.co_consts, f.__closure__, f.__defaults__])", "assert '$WORD' in probe(lambda: '$WORD' == 1)"),
)  # fmt: skip

ESCAPES = (*FILES, *NETWORK, *PROCESSES, *RESOURCES, *VERDICTS)
PROVIDERS: dict[str, Callable[[], Sandbox]] = {"monty": MontySandbox, "process": ProcessSandbox}


def table() -> str:
    """Every way out on this machine, as Markdown."""
    lines = [f"| a program tries to … | monty | process, {sys.platform} |", "|---|---|---|"]
    for escape in ESCAPES:
        cells = []
        for provider, make in PROVIDERS.items():
            if escape.linux_only and sys.platform != "linux":
                cells.append("does not exist here")
                continue
            held, what = escape.attempt(make())
            print(f"{provider}: {escape.name}: {'held' if held else 'NOT HELD'}: {what}", file=sys.stderr)
            cells.append(f"held ({what.partition(':')[0]})" if held else "**not held**")
        lines.append(f"| {escape.name} | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())
