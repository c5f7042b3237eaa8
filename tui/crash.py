"""What a bug leaves behind: a file with the error's type and where it happened, and nothing that anybody wrote.

Local variables and messages of foreign exceptions hold prompts and replies, so neither is kept: a person can paste the file into a
bug report without reading it first.
"""

from __future__ import annotations

import platform
import traceback
from datetime import datetime
from pathlib import Path

from textual import __version__ as textual_version
from textual.worker import WorkerFailed

from rrr_local import __version__, paths
from rrr_local.errors import RrrError

CODE = Path(__file__).parent.parent
"""Files below this are named without what comes before: that may hold a person's name."""


def cause(error: BaseException) -> BaseException:
    """The error itself, without the worker's wrapping."""
    return cause(error.error) if isinstance(error, WorkerFailed) else error


def report(error: BaseException, time: datetime) -> str:
    """The text of the file: versions, then for the error and each of its causes the type and the frames."""
    lines = [
        f"{time.isoformat(timespec='seconds')} rrr-local {__version__}, textual {textual_version}, "
        f"Python {platform.python_version()}, {platform.platform()}"
    ]
    seen: set[int] = set()
    current: BaseException | None = cause(error)
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        lines += ["", title(current), *_frames(current)]
        current = current.__cause__ or current.__context__
    return "\n".join(lines) + "\n"


def title(error: BaseException) -> str:
    """The type; with the message only for our own errors, whose texts we wrote."""
    kind = f"{type(error).__module__}.{type(error).__qualname__}"
    return f"{kind}: {error}" if isinstance(error, RrrError) else kind


def write(error: BaseException, time: datetime) -> Path | None:
    """Write the report beside the logs; None when even that fails."""
    try:
        path = paths.log_path(f"crash-{time:%Y%m%d-%H%M%S}")
        path.write_text(report(error, time), encoding="utf-8", errors="replace")
        return path
    except (OSError, RrrError):
        return None


def farewell(error: BaseException, path: Path | None) -> str:
    """What the terminal says after the app has gone."""
    where = "no report could be written" if path is None else f"The report is in {path}; it holds nothing you wrote"
    return f"rrr stopped: a bug ({type(cause(error)).__name__}). {where}.\nYour log is safe. `rrr doctor` checks it."


def _frames(error: BaseException) -> list[str]:
    return [
        f"  {_short(frame.filename)}:{frame.lineno} in {frame.name}"
        for frame in traceback.extract_tb(error.__traceback__)
    ]


def _short(filename: str) -> str:
    path = Path(filename)
    if path.is_relative_to(CODE):
        return str(path.relative_to(CODE))
    return "/".join(path.parts[-3:])
