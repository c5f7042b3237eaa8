"""What a machine has to give: memory and battery, as far as it says so without a library."""

from __future__ import annotations

import os
import re
import resource
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

POWER_SUPPLIES = Path("/sys/class/power_supply")
"""Linux: one folder per battery and mains adapter."""

STATUS = Path("/proc/self/status")
"""Linux: a field of this process a line, memory in KiB."""


@dataclass(frozen=True, slots=True)
class Battery:
    """A laptop's battery."""

    percent: int
    charging: bool
    """Whether it is on mains."""


def memory_bytes() -> int:
    """Physical memory."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def peak_resident_bytes() -> int:
    """The most memory this process has had so far.

    Linux's `ru_maxrss` is not it: there a child begins with what its parent had when it forked.
    """
    if sys.platform == "darwin":
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    line = next(line for line in STATUS.read_text(encoding="ascii").splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


def battery(supplies: Path = POWER_SUPPLIES) -> Battery | None:
    """None where there is no battery, or none that is known of."""
    return _from_pmset(_pmset()) if sys.platform == "darwin" else _from_folders(supplies)


def _from_folders(supplies: Path) -> Battery | None:
    for folder in sorted(supplies.glob("BAT*")):
        try:
            percent = int((folder / "capacity").read_text())
            status = (folder / "status").read_text().strip()
        except (OSError, ValueError):
            continue
        return Battery(percent, status != "Discharging")
    return None


def _pmset() -> str:
    try:
        return subprocess.run(["pmset", "-g", "batt"], capture_output=True, text=True, timeout=5).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""


def _from_pmset(said: str) -> Battery | None:
    """macOS: `Now drawing from 'AC Power'` and ` -InternalBattery-0 (id=1)  81%; charging; ...`."""
    found = re.search(r"InternalBattery.*?(\d+)%", said)
    return None if found is None else Battery(int(found[1]), "'AC Power'" in said)
