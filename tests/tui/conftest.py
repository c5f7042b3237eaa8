"""Data folders for the tests of the screens: an empty one, and one with the sample log, which is written once."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.tui.sample import sample_store


@pytest.fixture
def folder(data_folder: Path) -> Path:
    """An empty data folder."""
    return data_folder


@pytest.fixture(scope="session")
def _sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("sample")
    sample_store(home)
    return home


@pytest.fixture
def sampled(folder: Path, _sample: Path) -> Path:
    """A data folder with the sample log."""
    shutil.copytree(_sample, folder, dirs_exist_ok=True)
    return folder
