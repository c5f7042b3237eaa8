"""Where things are on disk.

    data folder    rrr.db, runs/<run>/, tasks/<task>/, models/<model>/, logs/, exports/    what a person owns and may copy elsewhere
    cache folder   what can be made again
    bundled data   data/ as shipped: the embedded model and the problem sets, read only

The folders are the platform's own (platformdirs); RRR_DATA_DIR puts all of them under one folder instead (tests, a portable stick).
Folders are made on first use and only their owner may enter them, since they hold a person's conversations.
"""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

from rrr_local.errors import NotFoundError, ResourceError

APP = "rrr-local"
OVERRIDE = "RRR_DATA_DIR"


def data_folder() -> Path:
    """The folder that holds everything a person would miss. Raises `ResourceError` where it cannot be written."""
    override = _override()
    return _made(override if override else Path(platformdirs.user_data_dir(APP, appauthor=False)))


def cache_folder() -> Path:
    """The folder for what can be made again. Raises `ResourceError` where it cannot be written."""
    override = _override()
    return _made(_made(override) / "cache" if override else Path(platformdirs.user_cache_dir(APP, appauthor=False)))


def database_path() -> Path:
    """The SQLite file with everything that happened; it need not exist yet."""
    return data_folder() / "rrr.db"


def runs_folder() -> Path:
    """The folder with one folder per run: its lock and its checkpoints."""
    return _made(data_folder() / "runs")


def tasks_folder() -> Path:
    """The folder with one folder per task that a person brought: its `task.toml`, its rows, its verifier."""
    return _made(data_folder() / "tasks")


def models_folder() -> Path:
    """The folder with one folder per model that was fetched or imported."""
    return _made(data_folder() / "models")


def exports_folder() -> Path:
    """The folder for what a person saved out of the log: chats, episodes, cards of runs."""
    return _made(data_folder() / "exports")


def engine_lock() -> Path:
    """The file that the engine of this data folder holds as long as it lives; it need not exist yet."""
    return data_folder() / "engine.lock"


def log_path(name: str) -> Path:
    """The log file of one part of the program, such as `engine`; it need not exist yet."""
    return _made(data_folder() / "logs") / f"{name}.log"


def bundled(name: str) -> Path:
    """A file or folder that ships with the package, such as `tiny` or `countdown/train.jsonl`.

    Raises `NotFoundError` when this installation lacks it.
    """
    package = Path(__file__).parent
    for home in (package / "data", package.parent / "data"):  # a wheel has the first, a checkout the second
        if (home / name).exists():
            return home / name
    raise NotFoundError(f"this installation has no bundled data/{name}", "reinstall rrr-local")


def _override() -> Path | None:
    """The folder named by RRR_DATA_DIR, absolute, since child processes may have another working folder."""
    value = os.environ.get(OVERRIDE)
    return Path(value).expanduser().absolute() if value else None


def _made(folder: Path) -> Path:
    """`folder`, created if needed; an existing one keeps its mode."""
    way_out = f"choose another folder with {OVERRIDE}"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ResourceError(f"cannot create the folder {folder} ({error.strerror})", way_out) from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ResourceError(f"cannot write in the folder {folder}", way_out)
    return folder
