"""Data folders: an empty one, and one in which something was trained."""

from __future__ import annotations

from pathlib import Path

import pytest

from rrr_local import paths
from rrr_local.cli.main import run

from .child import SMALL, Say, call, new_home


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """An empty data folder."""
    return new_home(tmp_path / "home")


@pytest.fixture(scope="session")
def lived_in(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with a finished, uninterrupted run `run-1`. Tests may add to it."""
    folder = new_home(tmp_path_factory.mktemp("cli") / "lived-in")
    done = call(folder, "train", *SMALL)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def say(home: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Say:
    """Runs a command in a data folder of its own; its exit code, output and errors."""
    monkeypatch.setenv(paths.OVERRIDE, str(home))

    def command(*arguments: str) -> tuple[int, str, str]:
        code = run(arguments)
        out, err = capfd.readouterr()
        return code, out, err

    return command
