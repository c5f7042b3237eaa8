"""A loopback hub that serves the embedded model, and homes without anything in them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from rrr_local.paths import bundled, cache_folder

from .loopback_hub import Hub, loopback_hub


def new_home(folder: Path) -> Path:
    """A home; the BLAS copy is shared with it, not made again."""
    (folder / "data").mkdir(mode=0o700, parents=True)
    shutil.copytree(cache_folder(), folder / "data" / "cache", copy_function=os.link)
    return folder


@pytest.fixture(scope="module")
def hub() -> Iterator[Hub]:
    """One hub for the tests of a file."""
    with loopback_hub(bundled("tiny")) as served:
        yield served


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home without models, this process's own too."""
    made = new_home(tmp_path / "home")
    monkeypatch.setenv("HOME", str(made))
    monkeypatch.setenv("HF_HOME", str(made / "hf"))
    monkeypatch.setenv("RRR_DATA_DIR", str(made / "data"))
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    return made


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A copy of the embedded model, for tests that change it."""
    return Path(shutil.copytree(bundled("tiny"), tmp_path / "some-model"))
