"""What a person installs: the wheel has the code and the bundled data, and finds them there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel built from this checkout by way of the sdist, as a release is; needs no network."""
    dist = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(dist), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return next(dist.glob("*.whl"))


def test_the_wheel_holds_the_code_and_the_data_and_nothing_else(wheel: Path) -> None:
    names = ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == {"rrr_local", "tui"}
    data = {name.split("/")[2] for name in names if name.startswith("rrr_local/data/")}
    assert data == {"tiny", "countdown", "countdown-full", "everyday", "function-calling"}
    code = {name for name in names if name.endswith(".py")}
    assert code == {str(path.relative_to(ROOT)) for top in ("rrr_local", "tui") for path in (ROOT / top).rglob("*.py")}


def test_an_installed_package_finds_its_data(wheel: Path, tmp_path: Path) -> None:
    ZipFile(wheel).extractall(tmp_path)
    code = "from rrr_local.paths import bundled; print(bundled('tiny/config.json'), bundled('countdown/eval.jsonl'))"
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, env=environment)
    assert done.stdout.split() == [
        str(tmp_path / "rrr_local" / "data" / name) for name in ("tiny/config.json", "countdown/eval.jsonl")
    ], done.stderr
