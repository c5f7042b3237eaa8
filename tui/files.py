"""Files for a person: in the data folder's exports/, or as a download where the app runs in a browser."""

from __future__ import annotations

import re
from io import StringIO
from itertools import count
from typing import TYPE_CHECKING

from rrr_local import paths

if TYPE_CHECKING:
    from tui.app import RrrApp

_UNFIT = re.compile(r"[^A-Za-z0-9._-]+")


def save(app: RrrApp, name: str, text: str) -> None:
    """Write a text file and say where it is. An older one of the same name is kept: the new one gets a number."""
    folder = paths.exports_folder()
    wanted = path = folder / (_UNFIT.sub("-", name).lstrip(".-") or "export.txt")
    numbers = count(2)
    while path.exists():
        path = wanted.with_stem(f"{wanted.stem}-{next(numbers)}")
    app.deliver_text(StringIO(text), save_directory=folder, save_filename=path.name)
    if not app.is_web:
        app.say(f"saved as {path}")
