"""The pictures in the README are what the app looks like: taken again, they come out the same.

Left out are those that show this machine: the first start, the checks before a run, models, doctor.
`python -m tests.tui.pictures docs/pictures` makes them all again; look at what has changed.
"""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest

from tests.tui.pictures import PICTURES, Picture, take

FOLDER = Path(__file__).parent.parent.parent / "docs" / "pictures"
OF_A_MACHINE = {"welcome", "train-before", "models", "doctor"}
MASKS = (
    (re.compile(r"terminal-\d+"), "terminal"),  # a hash of the whole
    (re.compile(r"\d+\.\d/\d+(&#160;| )GB"), "memory"),
)


def masked(svg: str) -> str:
    """Without what differs from machine to machine."""
    for pattern, stand_in in MASKS:
        svg = pattern.sub(stand_in, svg)
    return svg


@pytest.mark.parametrize("picture", [p for p in PICTURES if p.name not in OF_A_MACHINE], ids=lambda p: p.name)
def test_a_picture_shows_what_the_app_shows(picture: Picture) -> None:
    kept = (FOLDER / f"{picture.name}.svg").read_text(encoding="utf-8")
    assert masked(asyncio.run(take(picture))) == masked(kept)


def test_every_picture_is_there_and_asks_for_nothing_from_the_network() -> None:
    assert {path.stem for path in FOLDER.glob("*.svg")} == {picture.name for picture in PICTURES}
    for path in FOLDER.glob("*.svg"):
        asked = re.findall(r"(?:href=\"|url\(\"?)(https?://[^\")]+)", path.read_text(encoding="utf-8"))
        assert asked == []
