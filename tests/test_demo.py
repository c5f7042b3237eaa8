"""The claim of the whole program: the demo learns, on problems it never trained on, and not by sharpening alone."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What `rrr demo --json` prints, with its defaults."""
    folder: Path = tmp_path_factory.mktemp("demo")
    done = subprocess.run(
        [sys.executable, "-m", "rrr_local", "demo", "--json", "--data-dir", str(folder)],
        stdout=subprocess.PIPE,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.timeout(1200)
def test_the_second_try_gains_ten_points_at_temperature_one(report: dict[str, Any]) -> None:
    assert report["schema"] == "rrr.demo/1"
    assert report["n"] >= 500
    gain = report["gain"]["second_try"]
    assert gain["diff"] >= 0.10
    assert gain["low"] > 0


@pytest.mark.timeout(1200)
def test_the_second_try_gains_at_each_models_own_best_temperature(report: dict[str, Any]) -> None:
    assert report["best"]["gain"]["second_try"]["low"] > 0


@pytest.mark.timeout(1200)
def test_the_first_try_does_not_fall(report: dict[str, Any]) -> None:
    assert report["gain"]["first_try"]["diff"] >= 0
    assert report["best"]["gain"]["first_try"]["diff"] >= 0
