"""A workbench with a random model and a toy task, a log, and a data folder."""

from __future__ import annotations

from ..backends.conftest import model_folder as model_folder
from ..training.conftest import lab as lab
from .talk import chat as chat
