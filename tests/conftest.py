"""What every test needs: nothing of the person's own data is touched, the network is out of reach for the tests and their children,
and MLX gets its fast BLAS before any test imports it."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from rrr_local.backends.mlx import blas
from rrr_local.paths import OVERRIDE, cache_folder

from .offline import sitecustomize as guard

_SESSION = tempfile.TemporaryDirectory(prefix="rrr-tests-")
os.environ[OVERRIDE] = _SESSION.name
os.environ["HF_HUB_OFFLINE"] = "1"  # read when huggingface_hub is imported; no test needs the network
_REACHED_OUT = Path(_SESSION.name) / "reached-out"
os.environ[guard.LOG] = str(_REACHED_OUT)
os.environ["PYTHONPATH"] = os.pathsep.join(
    filter(None, (str(Path(guard.__file__).parent), os.environ.get("PYTHONPATH")))
)
guard.install()
# As in a terminal's foreground: a shell that starts the tests in the background has them, and their children, ignore Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)
BLAS = blas.preload()


def pytest_report_header() -> str:
    return f"BLAS for MLX: {BLAS.detail}"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest tests first: a core that took them last would work alone while the others wait."""
    items.sort(key=lambda item: item.path.name != "test_demo.py")


def pytest_unconfigure() -> None:
    _SESSION.cleanup()


@pytest.fixture(autouse=True)
def offline() -> Iterator[None]:
    """Fails a test in which somebody, in whatever process, asked for another machine."""
    yield
    if _REACHED_OUT.exists():
        said = _REACHED_OUT.read_text(encoding="utf-8")
        _REACHED_OUT.unlink()
        pytest.fail(f"the network was asked for: {said}")


@pytest.fixture
def data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A data folder of the test's own, for child processes too; the BLAS copy is shared with it, not made again."""
    folder = tmp_path / "rrr-data"
    folder.mkdir(mode=0o700)
    shutil.copytree(cache_folder(), folder / "cache", copy_function=os.link)
    monkeypatch.setenv(OVERRIDE, str(folder))
    yield folder
