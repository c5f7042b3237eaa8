"""Write the function-calling problems, from nothing but a seed: `python data/build_function_calling.py [FOLDER]`.

No tool of `eval.jsonl` occurs in `train.jsonl`, neither called nor only offered.
"""

from __future__ import annotations

import json
import sys
from itertools import islice
from pathlib import Path

from rrr_local.tasks.tool_sets import generate, split_tools

SEEDS = {"train": 20250524, "eval": 20250525}
COUNTS = {"train": 768, "eval": 256}


def build(into: Path) -> None:
    """Write `function-calling/` with its `train.jsonl` and `eval.jsonl` into a folder."""
    folder = into / "function-calling"
    folder.mkdir(exist_ok=True)
    for split, tools in zip(("train", "eval"), split_tools(), strict=True):
        rows = islice(generate(SEEDS[split], tools), COUNTS[split])
        lines = [json.dumps(row, separators=(",", ":")) for row in rows]
        (folder / f"{split}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    build(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
