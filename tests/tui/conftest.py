"""Data folders for the tests of the screens: an empty one, and one with the sample log, which is written once."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.tui.sample import sample_store


@pytest.fixture(autouse=True)
def _no_models_of_other_programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A home without the caches of Hugging Face and LM Studio: the Models page looks there."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)


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
