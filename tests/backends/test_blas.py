"""Each case runs in a child process: the preload has to come before the first import of MLX."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from rrr_local.paths import OVERRIDE

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="MLX has a fast BLAS of its own elsewhere")

SPEED_UP = 5.0
"""Asked for; 17 was measured on an x86 machine with other work on its cores."""

REPORT = """
import json, sys
{before}
from rrr_local.backends.mlx.blas import preload
report = preload() if {preload} else None
import mlx.core as mx, numpy as np, time
rng = np.random.default_rng(0)
a, b = (rng.standard_normal(({n}, {n}), dtype=np.float32) for _ in range(2))
x, y, seconds = mx.array(a), mx.array(b), []
for _ in range(3):
    start = time.perf_counter()
    product = x @ y
    mx.eval(product)
    seconds.append(time.perf_counter() - start)
error = float(np.abs(np.array(product) - a.astype(np.float64) @ b.astype(np.float64)).max())
print(json.dumps({{"active": report and report.active, "library": report and str(report.library),
                   "detail": report and report.detail, "seconds": min(seconds), "error": error}}))
"""


def child(
    before: str = "", preload: bool = True, n: int = 64, environment: dict[str, str] | None = None
) -> dict[str, object]:
    """Run `before`, the preload and a product in a new process; its report."""
    code = REPORT.format(before=before, preload=preload, n=n)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, **(environment or {})}
    )
    assert done.returncode == 0, done.stderr
    result: dict[str, object] = json.loads(done.stdout)
    return result


def number(value: object) -> float:
    assert isinstance(value, float)
    return value


def test_products_are_many_times_faster_and_equal_to_numpy() -> None:
    slow, fast = child(preload=False, n=1024), child(n=1024)
    assert fast["active"], fast["detail"]
    assert number(slow["seconds"]) > SPEED_UP * number(fast["seconds"])
    assert number(fast["error"]) < 2e-4  # of entries around 32: float32 rounding over 1024 terms


def test_the_copy_is_made_once(data_folder: Path) -> None:
    first = child()
    made = Path(str(first["library"])).stat()
    assert child()["library"] == first["library"]
    assert Path(str(first["library"])).stat().st_ino == made.st_ino


def test_one_thread_unless_told_otherwise(data_folder: Path) -> None:
    assert str(child()["detail"]).endswith(", 1 thread")
    assert str(child(environment={"RRR_BLAS_THREADS": "2"})["detail"]).endswith(", 2 threads")


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty"])
def test_a_damaged_copy_is_made_again(tmp_path: Path, damage: str) -> None:
    environment = {OVERRIDE: str(tmp_path)}
    library = Path(str(child(environment=environment)["library"]))
    whole = library.read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 1
    library.write_bytes({"cut": whole[: len(whole) // 3], "flipped": bytes(flipped), "empty": b""}[damage])
    again = child(environment=environment)
    assert again["active"], again["detail"]
    assert library.read_bytes() == whole


def test_processes_that_start_together_all_get_a_whole_library(tmp_path: Path) -> None:
    code = "from rrr_local.backends.mlx.blas import preload; report = preload(); print(report); import mlx.core; assert report.active"
    environment = {**os.environ, OVERRIDE: str(tmp_path)}
    children = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, env=environment) for _ in range(4)
    ]
    assert [(process.communicate()[0], process.returncode)[1] for process in children] == [0, 0, 0, 0]
    assert len(list((tmp_path / "cache").iterdir())) == 1


NO_PATCHELF = "import shutil; shutil.which = lambda *args, **kwargs: None"
BROKEN_PATCHELF = "import shutil; shutil.which = lambda *args, **kwargs: 'false'"
NO_PACKAGE = """
from importlib import metadata
def absent(name): raise metadata.PackageNotFoundError(name)
metadata.distribution = absent
"""


@pytest.mark.parametrize(
    ("before", "environment", "cause"),
    [
        (NO_PATCHELF, {}, "patchelf was not found"),
        (BROKEN_PATCHELF, {}, "patchelf failed"),
        (NO_PACKAGE, {}, "scipy-openblas32 is not installed"),
        ("import mlx.core", {}, "too late"),
        ("", {OVERRIDE: "/dev/null/folder"}, "cannot create the folder"),
        ("", {"RRR_BLAS_THREADS": "many"}, "many"),
        ("", {"RRR_BLAS_THREADS": "0"}, "RRR_BLAS_THREADS"),
    ],
)
def test_what_fails_is_said_and_mlx_works_all_the_same(
    tmp_path: Path, before: str, environment: dict[str, str], cause: str
) -> None:
    result = child(before, environment={OVERRIDE: str(tmp_path), **environment})
    assert result["active"] is False
    assert cause in str(result["detail"])
    assert "\n" not in str(result["detail"])
    assert number(result["error"]) < 1e-4
