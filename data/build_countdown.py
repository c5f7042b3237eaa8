"""Write the Countdown problem sets, from nothing but a seed: `python data/build_countdown.py [FOLDER]`.

`countdown/` is what the embedded model was made for, `countdown-full/` the paper's range. Train and eval of a set are cut
from one stream without repetitions, so they are disjoint by content hash.
"""

from __future__ import annotations

import json
import sys
from itertools import islice
from pathlib import Path

from rrr_local.tasks.countdown import FULL, SMALL, generate

SEED = 20250524
TRAIN, EVAL = 2048, 1024


def build(into: Path) -> None:
    """Write `countdown/` and `countdown-full/` with their `train.jsonl` and `eval.jsonl` into a folder."""
    for name, among in (("countdown", SMALL), ("countdown-full", FULL)):
        folder = into / name
        folder.mkdir(exist_ok=True)
        stream = generate(SEED, among)
        for split, count in (("train", TRAIN), ("eval", EVAL)):
            rows = [json.dumps({"numbers": n, "target": t}) for n, t in islice(stream, count)]
            (folder / f"{split}.jsonl").write_text("\n".join(rows) + "\n", encoding="utf-8")


if __name__ == "__main__":
    build(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
