"""Seccomp by hand: from here on the kernel refuses this process a list of system calls, for good.

Refused with EPERM: new processes (threads are allowed), programs, every socket, signals to others, looking into other processes, what
Landlock does not cover (chmod, chown, utime, extended attributes), raising one's own limits, timers that keep a deadline, io_uring
(which would go around all this), and what only root may do. It is a list of what is refused, so it stands beside Landlock, not for it.
Numbers: asm/unistd_64.h and asm-generic/unistd.h; the filter is classic BPF over `struct seccomp_data`.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct

X86, ARM = 0, 1
MACHINES = {"x86_64": (X86, 0xC000003E), "aarch64": (ARM, 0xC00000B7)}
"""Machine -> its column below, and its AUDIT_ARCH, which a 32-bit call would not have."""
X32 = 0x40000000
"""Bit of the calls of the x32 ABI on x86_64: other numbers for the same calls."""

REFUSED: dict[str, tuple[int, int]] = {
    # processes and programs
    "fork": (57, -1), "vfork": (58, -1), "execve": (59, 221), "execveat": (322, 281), "unshare": (272, 97), "setns": (308, 268),
    # sockets, and what stands in for them
    "socket": (41, 198), "socketpair": (53, 199), "io_uring_setup": (425, 425), "shmget": (29, 194), "semget": (64, 190),
    "msgget": (68, 186), "mq_open": (240, 180), "memfd_create": (319, 279), "memfd_secret": (447, 447),
    # other processes
    "tkill": (200, 130), "rt_sigqueueinfo": (129, 138), "rt_tgsigqueueinfo": (297, 240), "pidfd_open": (434, 434),
    "pidfd_send_signal": (424, 424), "pidfd_getfd": (438, 438), "ptrace": (101, 117), "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271), "process_madvise": (440, 440), "kcmp": (312, 272), "setpriority": (141, 140),
    "sched_setparam": (142, 118), "sched_setscheduler": (144, 119), "sched_setattr": (314, 274), "ioprio_set": (251, 30),
    # files, where Landlock does not look
    "chmod": (90, -1), "fchmod": (91, 52), "fchmodat": (268, 53), "fchmodat2": (452, 452), "chown": (92, -1), "lchown": (94, -1),
    "fchown": (93, 55), "fchownat": (260, 54), "utime": (132, -1), "utimes": (235, -1), "futimesat": (261, -1),
    "utimensat": (280, 88), "setxattr": (188, 5), "lsetxattr": (189, 6), "fsetxattr": (190, 7), "removexattr": (197, 14),
    "lremovexattr": (198, 15), "fremovexattr": (199, 16), "open_by_handle_at": (304, 265), "mount": (165, 40), "umount2": (166, 39),
    "pivot_root": (155, 41), "chroot": (161, 51), "open_tree": (428, 428), "move_mount": (429, 429), "mount_setattr": (442, 442),
    "fsopen": (430, 430),
    # our own deadline and limits
    "setitimer": (38, 103), "alarm": (37, -1), "setrlimit": (160, 164),
    # the machine
    "add_key": (248, 217), "request_key": (249, 218), "keyctl": (250, 219), "bpf": (321, 280), "perf_event_open": (298, 241),
    "userfaultfd": (323, 282), "syslog": (103, 116), "settimeofday": (164, 170), "clock_settime": (227, 112),
    "adjtimex": (159, 171), "clock_adjtime": (305, 266), "sethostname": (170, 161), "setdomainname": (171, 162),
    "reboot": (169, 142), "swapon": (167, 224), "swapoff": (168, 225), "acct": (163, 89), "quotactl": (179, 60),
    "init_module": (175, 105), "finit_module": (313, 273), "delete_module": (176, 106), "kexec_load": (246, 104),
    "iopl": (172, -1), "ioperm": (173, -1),
}  # fmt: skip
"""Name -> its number on x86_64 and on aarch64, -1 where there is none."""
CLONE, CLONE3, KILL, TGKILL, PRCTL, PRLIMIT64 = (56, 220), (435, 435), (62, 129), (234, 131), (157, 167), (302, 261)
CLONE_THREAD = 0x10000
PDEATHSIG = 1
NO_NEW_PRIVS, SET_SECCOMP, FILTER = 38, 22, 2

LOAD, EQUAL, AT_LEAST, ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
ALLOW, KILL_PROCESS, ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
NUMBER, ARCHITECTURE, ARGUMENTS = 0, 4, 16
"""Offsets in `struct seccomp_data`; an argument has 8 bytes, the low half first."""

Instruction = tuple[int, int, int, int]
"""Code, instructions to skip if true, if false, and the operand."""
DENY: Instruction = (RETURN, 0, 0, ERRNO | errno.EPERM)
PERMIT: Instruction = (RETURN, 0, 0, ALLOW)


def restrict() -> None:
    """Lock this process up, threads to come included. Raises `OSError` where the kernel or the machine has no such filter."""
    libc = ctypes.CDLL(None, use_errno=True)
    code = b"".join(struct.pack("=HBBI", *instruction) for instruction in program(platform.machine(), os.getpid()))
    held = ctypes.create_string_buffer(code)
    header = struct.pack("@HxxxxxxP", len(code) // 8, ctypes.addressof(held))
    if libc.prctl(NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(SET_SECCOMP, FILTER, header):
        number = ctypes.get_errno()
        raise OSError(number, f"seccomp: {os.strerror(number)}")


def program(machine: str, pid: int) -> list[Instruction]:
    """The filter for a process of this number. Raises `OSError` for a machine whose calls are not listed here."""
    if machine not in MACHINES:
        raise OSError(errno.ENOSYS, f"seccomp: no list of system calls for {machine}")
    column, architecture = MACHINES[machine]
    code: list[Instruction] = [
        (LOAD, 0, 0, ARCHITECTURE),
        (EQUAL, 1, 0, architecture),
        (RETURN, 0, 0, KILL_PROCESS),
        (LOAD, 0, 0, NUMBER),
    ]
    if column == X86:
        code += [(AT_LEAST, 0, 1, X32), (RETURN, 0, 0, KILL_PROCESS)]
    for numbers in REFUSED.values():
        if numbers[column] >= 0:
            code += _when(numbers[column], [DENY])
    code += _when(
        CLONE3[column], [(RETURN, 0, 0, ERRNO | errno.ENOSYS)]
    )  # its flags are out of a filter's sight; libc then uses clone
    code += _when(CLONE[column], [_argument(0), (ANY_BIT, 1, 0, CLONE_THREAD), DENY, PERMIT])
    for numbers in (KILL, TGKILL):
        code += _when(numbers[column], [_argument(0), (EQUAL, 1, 0, pid), DENY, PERMIT])
    code += _when(PRCTL[column], [_argument(0), (EQUAL, 0, 1, PDEATHSIG), DENY, PERMIT])
    new_limit = [_argument(2), (EQUAL, 0, 2, 0), _argument(2, high=True), (EQUAL, 1, 0, 0), DENY, PERMIT]
    return [*code, *_when(PRLIMIT64[column], new_limit), PERMIT]


def _when(number: int, then: list[Instruction]) -> list[Instruction]:
    """`then`, which ends every way through it, for one system call."""
    return [(EQUAL, 0, len(then), number), *then]


def _argument(index: int, high: bool = False) -> Instruction:
    return (LOAD, 0, 0, ARGUMENTS + 8 * index + 4 * high)
