"""Which sandbox runs a task's code.

auto      monty where it is installed, and what monty is unsure about in a process; else a process
monty     monty alone: what it lacks is an error of the verifier
process   a process alone
unsafe    a process without walls, for a person who has said so
"""

from __future__ import annotations

from collections.abc import Sequence

from rrr_local.errors import UsageError
from rrr_local.verifiers.sandbox import monty, process
from rrr_local.verifiers.sandbox.base import Execution, Limits, Sandbox

NAMES = ("auto", "monty", "process")
INSTALL = "install the sandbox: pip install 'rrr-local[code]'"


class Both:
    """Monty first, for it is a hundred times faster; a process where monty is unsure."""

    def __init__(self) -> None:
        self._fast = monty.MontySandbox()
        self._full = process.ProcessSandbox()

    @property
    def name(self) -> str:
        return "auto"

    def run(self, code: str, tests: Sequence[str], limits: Limits, setup: str = "") -> Execution:
        """See `Sandbox.run`."""
        try:
            return self._fast.attempt(code, tests, limits, setup)
        except monty.Unsure:
            return self._full.run(code, tests, limits, setup)


def choose(name: str, unsafe: bool = False) -> Sandbox:
    """The sandbox of this name. Raises `UsageError` for an unknown one, and where nothing contains code on this machine.

    `unsafe` is a person's word that code may run without walls: it then does, in a process, whatever the name.
    """
    if name not in NAMES:
        raise UsageError(f"there is no sandbox {name!r}", f"choose one of {', '.join(NAMES)}")
    if unsafe:
        return process.ProcessSandbox(locked=False)
    if name == "monty" or (name == "auto" and process.why_not() is not None):
        if not monty.available():
            raise UsageError("nothing on this machine contains a model's code", INSTALL)
        return monty.MontySandbox()
    if name == "auto" and monty.available():
        return Both()
    if (reason := process.why_not()) is not None:
        raise UsageError(f"a process does not contain a model's code here ({reason})", INSTALL)
    return process.ProcessSandbox()
