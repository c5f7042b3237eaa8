"""What runs of reasoning-gym, in a child process of its own: it takes seconds to import, and some of its scorers evaluate what a model wrote.

Everything that goes in and comes out is JSON. An entry is {"question": …, "answer": … or null, "metadata": {…}}.

    generate   entries; one that its own scorer gets wrong is left out: the dataset's answer must score 1.0, and nonsense less
    score      {"score": …}, or {"unreadable": why} where the reply is more than the scorer can read

Eight scorers evaluate what the model wrote. Four of them want a Python literal: their `eval` is replaced by `ast.literal_eval`. The other
four hand it to sympy, which evaluates it too: they are given plain formulas only, without names of attributes, strings or brackets.

A scorer that raises is tried once more with the dataset's own answer: if that goes well, the reply was at fault, else the scorer is
broken, and the exception goes to whoever asked.
"""

from __future__ import annotations

import ast
import json
import re
import sys
import warnings
from functools import lru_cache
from typing import Any

NONSENSE = "no answer whatsoever?!"
"""Nobody's answer to anything."""
OF_TUPLES = ("arc_agi", "rearc")
"""Datasets whose scorers compare with a tuple of tuples, which JSON turns into lists."""
LITERALS = ("binary_matrix", "n_queens", "spiral_matrix", "string_insertion")
FORMULAS = ("intermediate_integration", "polynomial_multiplication", "puzzle24", "simple_integration")
FORMULA = re.compile(r"(?:[0-9A-Za-z+\-*/^(), =]|\.(?!\s*[A-Za-z]))*", re.ASCII)


def names() -> list[str]:
    """The datasets there are."""
    from reasoning_gym.factory import DATASETS

    return sorted(name for name in DATASETS if name != "composite")


def generate(name: str, config: dict[str, object], seed: int, size: int) -> list[dict[str, object]]:
    """At most `size` entries, the same ones for the same arguments. Raises what reasoning-gym raises for a wrong `config`."""
    dataset = _dataset(name, json.dumps(config), seed, size)
    entries = (_plain(dataset[index]) for index in range(size))
    return [entry for entry in entries if _fair(dataset, _as_generated(name, entry))]


def score(name: str, config: dict[str, object], entry: dict[str, object], answer: str | None) -> dict[str, object]:
    """What the dataset's scorer makes of an answer. Raises when it is broken."""
    dataset, whole = _dataset(name, json.dumps(config), 0, 1), _as_generated(name, entry)
    if name in FORMULAS and not FORMULA.fullmatch(answer or ""):
        return {"unreadable": "it is no plain formula"}
    try:
        return {"score": float(dataset.score_answer(answer, whole))}
    except (
        Exception
    ) as error:  # anything may come out of a scorer; below it either shows that it works, or raises again
        dataset.score_answer(whole["answer"], whole)
        return {"unreadable": f"{type(error).__name__}: {error}"[:200]}


@lru_cache(maxsize=16)
def _dataset(name: str, config: str, seed: int, size: int) -> Any:
    import reasoning_gym

    warnings.simplefilter("ignore")  # of sympy and others, about what models write
    dataset = reasoning_gym.create_dataset(name, seed=seed, size=size, **json.loads(config))
    if name in LITERALS:
        vars(sys.modules[type(dataset).__module__])["eval"] = ast.literal_eval
    return dataset


def _plain(entry: dict[str, Any]) -> dict[str, object]:
    """An entry as JSON keeps it."""
    kept = {key: entry[key] for key in ("question", "answer", "metadata")}
    plain: dict[str, object] = json.loads(json.dumps(kept, default=str))
    return plain


def _as_generated(name: str, entry: dict[str, object]) -> dict[str, Any]:
    """An entry as its scorer expects it."""
    metadata = entry["metadata"]
    if name in OF_TUPLES and isinstance(metadata, dict):
        return {**entry, "metadata": metadata | {"output": tuple(map(tuple, metadata["output"]))}}
    return dict(entry)


def _fair(dataset: Any, entry: dict[str, Any]) -> bool:
    """Whether the scorer tells the right answer from nonsense."""
    answer = entry["answer"]
    if answer is not None and dataset.score_answer(answer, entry) < 1.0:
        return False
    try:
        return bool(dataset.score_answer(NONSENSE, entry) < 1.0)
    except Exception:  # it cannot read nonsense, which is right
        return True
