"""The app's process never loads a numerical library: it would be slow to start, and heavy beside the engine."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
FORBIDDEN = {"mlx", "mlx_lm", "torch", "transformers", "peft", "numpy", "huggingface_hub", "scipy"}
ALONE = """
import importlib, pkgutil, sys, json
import tui, rrr_local.chat, rrr_local.engine.client
for package in (tui, rrr_local.chat):
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""
RUNNING = """
import asyncio, json, sys
from rrr_local.actions import Place
from tui.app import RrrApp
from tui.services import opened

async def main():
    with opened() as services:
        app = RrrApp(services)
        async with app.run_test(size=(120, 36)) as pilot:
            while services.engine.ready is None:
                assert services.engine.error is None, services.engine.error
                await pilot.pause(0.05)
            await pilot.press("escape")
            for place in Place:
                await app.go(place)
                await pilot.pause(0.2)
            await pilot.press("f1")
            await pilot.press("escape", "ctrl+p", "r", "u", "n")
            await pilot.pause(0.2)

asyncio.run(main())
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""


@pytest.mark.parametrize("program", [ALONE, RUNNING], ids=["every module imported", "the app after a tour"])
def test_the_app_loads_no_numerical_library(program: str, sampled: Path) -> None:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, timeout=100)
    assert done.returncode == 0, done.stderr
    loaded = set(json.loads(done.stdout.splitlines()[-1]))
    assert "textual" in loaded
    assert loaded & FORBIDDEN == set()
