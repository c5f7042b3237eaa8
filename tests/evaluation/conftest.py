"""Models that the tests of this folder share."""

from __future__ import annotations

from ..backends.conftest import backend as backend
from ..backends.conftest import model_folder as model_folder
