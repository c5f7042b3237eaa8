"""Chat templates are programs from strangers: each is rendered once in a child process before the model is used.

Jinja's sandbox keeps a template from the rest of Python, but not from looping for ever. What came to an end is remembered by hash, so the
child is started once per template and not once per start.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from rrr_local.errors import ModelError, ResourceError
from rrr_local.paths import cache_folder

CHILD = Path(__file__).with_name("template_child.py")
SECONDS = 2
"""Of computing; what a chat template needs is a hundredth of it."""
PATIENCE_S = 20
"""Of waiting for the child, on a machine that is busy with other things."""
MEMORY = 2**30
LONGEST = 2**20
"""Characters of a template."""


def templates(folder: Path) -> list[str]:
    """All chat templates of a model's folder, wherever tokenizers keep theirs; empty for a base model. Raises `ModelError`."""
    try:
        files = sorted([*folder.glob("*.jinja"), *(folder / "additional_chat_templates").glob("*.jinja")])
        found = [path.read_text(encoding="utf-8") for path in files]
        for name in ("chat_template.json", "tokenizer_config.json"):
            if (folder / name).is_file():
                found += _inside(json.loads((folder / name).read_text(encoding="utf-8")))
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"the chat template in {folder} cannot be read", "get the model again") from error
    return list(dict.fromkeys(found))


def check_templates(folder: Path) -> None:
    """Raises `ModelError` when a chat template does not come to an end, or fails on a plain question."""
    for template in templates(folder):
        if len(template) > LONGEST:
            raise ModelError("the chat template is longer than any real one", "choose another model")
        key = _key(template)
        if key not in _remembered():
            _render(template)
            _remember(key)


def _inside(config: Any) -> list[str]:
    """The templates of a tokenizer's configuration: one, or several with names."""
    given = config.get("chat_template") if isinstance(config, dict) else None
    entries = given if isinstance(given, list) else [given]
    found = [entry.get("template") if isinstance(entry, dict) else entry for entry in entries]
    return [template for template in found if isinstance(template, str)]


def _render(template: str) -> None:
    asked = json.dumps({"template": template, "seconds": SECONDS, "bytes": MEMORY})
    try:
        done = subprocess.run(
            [sys.executable, "-I", str(CHILD)], input=asked, capture_output=True, text=True, errors="replace",
            timeout=PATIENCE_S, start_new_session=True,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise ModelError("the chat template does not end", "choose another model") from error
    if done.returncode < 0:  # SIGXCPU, or what the system does to a process that takes all memory
        raise ModelError("the chat template does not end", "choose another model")
    if done.stdout.strip() != "ok":
        said = (done.stderr.strip().splitlines() or ["it said nothing"])[-1][:200]
        raise ModelError(f"the chat template fails on a plain question ({said})", "choose another model")


def _key(template: str) -> str:
    """What is remembered of a template: it, and by what it was tried."""
    return hashlib.sha256(CHILD.read_bytes() + template.encode("utf-8", "surrogatepass")).hexdigest()


def _remembered() -> frozenset[str]:
    with suppress(OSError, ResourceError):
        return frozenset(_path().read_text(encoding="ascii", errors="replace").split())
    return frozenset()


def _remember(key: str) -> None:
    with suppress(OSError, ResourceError), _path().open("a", encoding="ascii") as file:
        file.write(f"{key}\n")


def _path() -> Path:
    return cache_folder() / "templates-that-end.txt"
