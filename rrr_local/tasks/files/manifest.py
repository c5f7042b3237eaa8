"""`task.toml`: what makes rows a task.

    name = "puzzles"
    version = 1                           raised whenever the check or the prompts change
    description = "…"
    prompt = "Using {numbers}, reach {goal}."    columns in braces; or: messages = "column", for rows that hold a conversation
    system = "…"                          instructions that stand before every problem
    rows = "rows.csv"                     or two files: train = "train.jsonl", eval = "eval.jsonl"
    eval_share = 0.2                      of the rows, by content hash; or split = "column", which says train or eval
    [check]                               kind = "number", and what that kind takes; see `rrr tasks new --help`
    [prompts]                             reflect, retry, plain_retry

An unknown key is an error: a misspelt `eval_share` must not quietly leave 0.2 in place.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

from rrr_local.errors import UsageError
from rrr_local.tasks.base import Prompts
from rrr_local.tasks.countdown import PROMPTS
from rrr_local.tasks.files.template import columns_of

FILE = "task.toml"
NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}", re.ASCII)
EVAL_SHARE = 0.2


@dataclass(frozen=True, slots=True)
class Manifest:
    """A `task.toml` that was read; every path in it is a plain name beside it."""

    name: str
    check: Mapping[str, Any]
    """As `make_check` takes it."""
    version: int = 1
    description: str = ""
    prompt: str | None = None
    """A template; None where `messages` is given."""
    messages: str | None = None
    """The column that holds a conversation; a last turn of the assistant's is the answer and not shown."""
    system: str | None = None
    rows: str | None = None
    train: str | None = None
    eval: str | None = None
    eval_share: float = EVAL_SHARE
    split: str | None = None
    """The column that says `train` or `eval`."""
    prompts: Prompts = PROMPTS

    @property
    def files(self) -> tuple[str, ...]:
        """The names of the files of rows."""
        return tuple(name for name in (self.rows, self.train, self.eval) if name is not None)


_TYPES: dict[str, tuple[type | tuple[type, ...], str]] = {
    **dict.fromkeys(
        ("name", "description", "prompt", "messages", "system", "rows", "train", "eval", "split"), (str, "text")
    ),
    "version": (int, "a whole number"),
    "eval_share": ((int, float), "a number between 0 and 1"),
    "check": (dict, "a table: [check]"),
    "prompts": (dict, "a table: [prompts]"),
}


def check_name(name: str) -> str:
    """The name itself. Raises `UsageError` unless it can be a task's, and with it a folder's."""
    if NAME.fullmatch(name):
        return name
    raise UsageError(
        f"{name[:80]!r} cannot be a task's name", "use 1 to 64 of a-z, 0-9, '.', '_' and '-', a letter or digit first"
    )


def parse_manifest(text: str) -> Manifest:
    """A manifest from its text. Raises `UsageError` with what is wrong in it."""
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(
            f"{FILE} is not TOML ({error})", "mend it; a text stands in quotes, a table begins with [check]"
        ) from error
    _check_types(values)
    missing = next((key for key in ("name", "check") if key not in values), None)
    if missing is not None:
        raise UsageError(f"{FILE} has no {missing}", 'it needs name = "…", prompt = "…", rows = "…" and a [check]')
    prompts = _prompts(values.pop("prompts", {}))
    manifest = Manifest(**values, prompts=prompts)
    _check_whole(manifest)
    return manifest


def _check_types(values: Mapping[str, Any]) -> None:
    for key, value in values.items():
        if key not in _TYPES:
            raise _unknown(key, _TYPES)
        kind, what = _TYPES[key]
        if not isinstance(value, kind) or isinstance(value, bool):
            raise UsageError(f"{key} in {FILE} is not {what}", "mend it")


def _prompts(values: Mapping[str, Any]) -> Prompts:
    known = ("reflect", "retry", "plain_retry")
    for key, value in values.items():
        if key not in known:
            raise _unknown(f"prompts.{key}", [f"prompts.{name}" for name in known])
        if not isinstance(value, str) or not value.strip():
            raise UsageError(f"prompts.{key} in {FILE} is no text", "write what the model is to be told, in quotes")
    return replace(PROMPTS, **values)


def _check_whole(manifest: Manifest) -> None:
    """Raises `UsageError` where the parts do not fit together."""
    check_name(manifest.name)
    if manifest.version < 1:
        raise UsageError(f"version in {FILE} is not 1 or more", "count it up from 1")
    if (manifest.prompt is None) == (manifest.messages is None):
        raise UsageError(f"{FILE} needs either a prompt or messages", 'for example prompt = "{question}"')
    if manifest.prompt is not None:
        columns_of(manifest.prompt)
    if (manifest.rows is None) == (manifest.train is None) or (manifest.train is None) != (manifest.eval is None):
        raise UsageError(f"{FILE} needs either rows, or train and eval", 'for example rows = "rows.csv"')
    if not 0 < manifest.eval_share < 1:
        raise UsageError(f"eval_share in {FILE} is not between 0 and 1", "0.2 holds out a fifth of the rows")
    for name in manifest.files:
        if not plain_name(name):
            raise UsageError(
                f"{FILE} names a file elsewhere: {name[:80]}", "put the rows beside it and give their name"
            )


def plain_name(name: str) -> bool:
    """Whether a path is a name within the task's folder, on any system."""
    return (
        bool(name) and PurePosixPath(name).parts == (name,) and PureWindowsPath(name).parts == (name,) and name != ".."
    )


def _unknown(key: str, known: Any) -> UsageError:
    close = get_close_matches(key, list(known), n=1)
    way_out = f"did you mean {close[0]}?" if close else f"known are {', '.join(known)}"
    return UsageError(f"{FILE} has an unknown key: {key[:80]}", way_out)


# --- writing ------------------------------------------------------------------------------------------------------


def manifest_text(manifest: Manifest) -> str:
    """The manifest as TOML; `parse_manifest` gives the same one back."""
    plain = {
        key: getattr(manifest, key)
        for key in ("name", "version", "description", "prompt", "messages", "system", "rows", "train", "eval", "split")
        if getattr(manifest, key) not in (None, "")
    }
    if manifest.split is None and manifest.rows is not None:
        plain["eval_share"] = manifest.eval_share
    lines = [f"{key} = {_toml(value)}" for key, value in plain.items()]
    lines += ["", "[check]", *(f"{_key(key)} = {_toml(value)}" for key, value in manifest.check.items())]
    own = {
        key: text
        for key in ("reflect", "retry", "plain_retry")
        if (text := getattr(manifest.prompts, key)) != getattr(PROMPTS, key)
    }
    if own:
        lines += ["", "[prompts]", *(f"{key} = {_toml(text)}" for key, text in own.items())]
    return "\n".join(lines) + "\n"


def _toml(value: object) -> str:
    """A JSON value without nulls, on one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_key(key)} = {_toml(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_toml, value)) + "]"
    if value is None:
        raise UsageError("TOML has no word for nothing", "leave the option out")
    # A JSON text is a TOML text, but for DEL.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else _toml(key)
