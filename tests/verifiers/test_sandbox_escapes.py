"""The sandbox holds: every way out is tried in every provider, and shown to work where there are no walls."""

from __future__ import annotations

import errno
import os
import platform
import subprocess
import sys
from collections.abc import Sequence

import pytest

from rrr_local.errors import UsageError
from rrr_local.verifiers.sandbox import choose, monty, process, seatbelt, seccomp
from rrr_local.verifiers.sandbox.base import Limits, Outcome
from rrr_local.verifiers.sandbox.process import ProcessSandbox
from tests.verifiers.escapes import ESCAPES, PROVIDERS, Escape

HERE = [escape for escape in ESCAPES if sys.platform == "linux" or not escape.linux_only]
needs_walls = pytest.mark.skipif(process.why_not() is not None, reason=f"no walls here: {process.why_not()}")


def by_name(escape: Escape) -> str:
    return escape.name


@pytest.mark.parametrize("escape", HERE, ids=by_name)
@pytest.mark.parametrize("provider", [pytest.param("process", marks=needs_walls), "monty"])
def test_a_program_stays_inside(provider: str, escape: Escape) -> None:
    held, what = escape.attempt(PROVIDERS[provider]())
    assert held is (provider not in escape.gets_out_of), what


@pytest.mark.parametrize("escape", [escape for escape in HERE if escape.works_unlocked], ids=by_name)
def test_the_same_program_gets_out_where_there_are_no_walls(escape: Escape) -> None:
    held, what = escape.attempt(ProcessSandbox(locked=False))
    assert not held, what


@needs_walls
def test_nothing_is_left_of_twenty_programs() -> None:
    before = len(os.listdir("/dev/fd"))
    for _ in range(10):
        assert ProcessSandbox().run("def f(): return 1", ["assert f() == 1"], Limits()).outcome is Outcome.PASSED
        assert ProcessSandbox().run("import os\nos._exit(0)", ["pass"], Limits()).outcome is Outcome.FAILED
    assert len(os.listdir("/dev/fd")) == before
    ended = subprocess.run(["ps", "-axo", "ppid=,stat="], capture_output=True, text=True, check=True)
    ours = [line.split()[1] for line in ended.stdout.splitlines() if line.split()[0] == str(os.getpid())]
    assert not [state for state in ours if state.startswith("Z")]


def test_where_nothing_contains_code_it_is_refused_unless_the_person_says_otherwise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(process, "why_not", lambda: "this kernel has no Landlock")
    monkeypatch.setattr(monty, "available", lambda: False)
    for name in choose.NAMES:
        with pytest.raises(UsageError, match="contain"):
            choose.choose(name)
        assert choose.choose(name, unsafe=True).name == "process"


def test_a_cell_whose_walls_do_not_stand_runs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine where locking up fails silently: the cell is told not to lock, and says what it sees."""
    from rrr_local.verifiers.sandbox import cell

    monkeypatch.setattr(cell, "BOOT", cell.BOOT.replace("; main()", "; sys.argv[7] = '0'; main()"))
    done = ProcessSandbox().run("def f(): return 1", ["assert f() == 1"], Limits())
    assert done.outcome is Outcome.BROKEN and "does not hold" in done.detail


PID = 4711
DENIED, NO_SUCH_CALL = 0x00050000 | errno.EPERM, 0x00050000 | errno.ENOSYS


def decide(code: Sequence[seccomp.Instruction], number: int, architecture: int, arguments: Sequence[int] = ()) -> int:
    """What the kernel would answer: the filter's own small machine."""
    words = {seccomp.NUMBER: number, seccomp.ARCHITECTURE: architecture}
    for index in range(6):
        value = arguments[index] if index < len(arguments) else 0
        words[seccomp.ARGUMENTS + 8 * index] = value & 0xFFFFFFFF
        words[seccomp.ARGUMENTS + 8 * index + 4] = value >> 32
    accumulator = at = 0
    while True:
        operation, yes, no, operand = code[at]
        at += 1
        match operation:
            case seccomp.LOAD:
                accumulator = words[operand]
            case seccomp.RETURN:
                return operand
            case seccomp.EQUAL:
                at += yes if accumulator == operand else no
            case seccomp.AT_LEAST:
                at += yes if accumulator >= operand else no
            case seccomp.ANY_BIT:
                at += yes if accumulator & operand else no


@pytest.mark.parametrize("machine", seccomp.MACHINES)
def test_the_filter_refuses_what_it_should_on_every_machine(machine: str) -> None:
    column, architecture = seccomp.MACHINES[machine]
    code = seccomp.program(machine, PID)

    def answer(numbers: tuple[int, int], *arguments: int) -> int:
        return decide(code, numbers[column], architecture, arguments)

    refused = [name for name, numbers in seccomp.REFUSED.items() if numbers[column] >= 0 and answer(numbers) != DENIED]
    assert refused == []
    assert answer(seccomp.CLONE3) == NO_SUCH_CALL
    assert answer(seccomp.CLONE, 17) == DENIED
    assert answer(seccomp.CLONE, seccomp.CLONE_THREAD | 0x100) == seccomp.ALLOW
    for number in (seccomp.KILL, seccomp.TGKILL):
        assert answer(number, PID) == seccomp.ALLOW
        assert {answer(number, other) for other in (1, PID + 1, 0, 2**64 - 1, 2**64 - PID)} == {DENIED}
    assert answer(seccomp.PRCTL, seccomp.PDEATHSIG) == DENIED
    assert answer(seccomp.PRCTL, 15) == seccomp.ALLOW
    assert answer(seccomp.PRLIMIT64, 0, 7, 0) == seccomp.ALLOW
    assert answer(seccomp.PRLIMIT64, 0, 7, 4096) == answer(seccomp.PRLIMIT64, 0, 7, 2**32) == DENIED
    reading = (0, 63)
    assert answer(reading) == seccomp.ALLOW
    assert decide(code, reading[column], 0x40000003) == seccomp.KILL_PROCESS  # a 32-bit call


def test_calls_of_the_x32_abi_end_the_process() -> None:
    code = seccomp.program("x86_64", PID)
    socket_call = seccomp.REFUSED["socket"][0] | seccomp.X32
    assert decide(code, socket_call, seccomp.MACHINES["x86_64"][1]) == seccomp.KILL_PROCESS


def test_a_machine_without_a_list_of_calls_is_not_contained() -> None:
    with pytest.raises(OSError, match="no list"):
        seccomp.program("riscv64", PID)


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the header of x86_64")
def test_the_numbers_are_those_of_the_kernel() -> None:
    path = "/usr/include/x86_64-linux-gnu/asm/unistd_64.h"
    if not os.path.exists(path):
        pytest.skip("no kernel headers here")
    with open(path, encoding="utf-8") as header:
        numbers = dict(line.split()[1:3] for line in header if line.startswith("#define __NR_"))
    wrong = {
        name: number
        for name, (number, _) in seccomp.REFUSED.items()
        if numbers.get(f"__NR_{name}", str(number)) != str(number)
    }
    assert wrong == {}


def test_the_profile_for_macos_forbids_first_and_quotes_what_it_allows() -> None:
    text = seatbelt.profile(['/a "b"\\c'], ["/bin/python"])
    assert text.splitlines()[:4] == ["(version 1)", "(deny default)", "(deny network*)", "(deny process-fork)"]
    assert '(subpath "/a \\"b\\"\\\\c")' in text
    assert text.count("(") == text.count(")")


def test_the_memory_of_a_process_can_be_looked_at() -> None:
    assert seatbelt.resident(os.getpid()) > 2**20
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    assert seatbelt.resident(ended.pid) == 0
