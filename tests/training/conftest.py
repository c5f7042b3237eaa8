"""A model, a log and a data folder for whole runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rrr_local import paths
from rrr_local.store.store import Store

from ..backends.conftest import model_folder as model_folder
from .lab import Lab


@pytest.fixture
def lab(model_folder: Callable[[str], Path], data_folder: Path) -> Iterator[Lab]:
    with Store.open(paths.database_path()) as store:
        yield Lab(store, model_folder("llama"))
