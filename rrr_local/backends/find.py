"""Which backend runs a model. The only place that decides, and the only way to one for the rest of the program."""

from __future__ import annotations

import os

from rrr_local.backends.base import Backend
from rrr_local.errors import UsageError
from rrr_local.models.find import Model
from rrr_local.models.vet import vet

BACKENDS = ("auto", "mlx")
"""What `--backend` takes."""


def open_backend(name: str, model: Model) -> Backend:
    """Load a model, after a look at its files; no library is let onto the network for it.

    Raises `UsageError` for a backend that does not exist, `ModelError` for a model that cannot or must not be loaded.
    """
    if name not in BACKENDS:
        raise UsageError(f"there is no backend {name!r}", f"choose one of {', '.join(BACKENDS)}")
    vet(model)
    os.environ.setdefault("HF_HUB_OFFLINE", "1")  # read when the libraries below are imported
    from rrr_local.backends.mlx import blas

    blas.preload()  # has to come before the first import of mlx.core
    from rrr_local.backends.mlx.backend import MlxBackend

    return MlxBackend(model.folder)
