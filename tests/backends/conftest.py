"""Models and backends that the tests of this folder share."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from rrr_local.backends.mlx.backend import MlxBackend

from .tiny_models import write_model


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of one of `tiny_models.MODELS`, written when first asked for."""
    root = tmp_path_factory.mktemp("models")

    @cache
    def folder(name: str) -> Path:
        return write_model(root / name, name)

    return folder


@pytest.fixture(scope="session")
def backend(model_folder: Callable[[str], Path]) -> Callable[[str], MlxBackend]:
    """A bare backend for tests that attach no adapter to it; shared, since it is not changed."""

    @cache
    def loaded(name: str) -> MlxBackend:
        return MlxBackend(model_folder(name))

    return loaded
