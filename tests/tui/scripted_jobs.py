"""A stand-in for `rrr` commands that run as jobs, for what the real ones cannot be made to do at will.

    Jobs([sys.executable, __file__, SCENARIO])

good      checks that find nothing against the run
weak      checks that find 0 of 128 retries passing
broken    an error before any check is done
waits     progress, and then nothing until it is ended
collected failures were collected
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from rrr_local.engine.jobs import Jobs

COST = {
    "steps": 40, "step_s": 2.5, "collect_s": 8.0, "measure_s": 60.0, "total_s": 168.0,
    "memory": 900 << 20, "machine_memory": 8 << 30, "disk": 100 << 20, "disk_free": 41 << 30,
}  # fmt: skip
FINE = [
    {"name": "data", "health": "ok", "detail": "31 failures can be trained on, 6 need an answer"},
    {"name": "signal", "health": "ok", "detail": "good: 10 of 16 groups teach something (39 to 82 %)"},
    {"name": "memory", "health": "ok", "detail": "needs about 0.9 GB of 8.0 GB"},
    {"name": "time", "health": "ok", "detail": "about 2m 48s, 2.5 s a step"},
]
WAY = "nothing to reward. Try easier problems, more reflections a failure, or a bigger model"
WEAK = [FINE[0], {"name": "signal", "health": "fail", "detail": f"0 of 128 retries pass: {WAY}"}, *FINE[2:]]


def jobs(scenario: str) -> Jobs:
    """Jobs that all play this scenario."""
    return Jobs([sys.executable, str(Path(__file__)), scenario])


def progress(stage: str, done: int, total: int) -> None:
    line = {"ev": "progress", "stage": stage, "done": done, "total": total, "note": f"{done} attempts", "data": {}}
    print(json.dumps(line), file=sys.stderr, flush=True)


def main(scenario: str) -> int:
    progress("probe", 8, 16)
    match scenario:
        case "good" | "weak":
            checks = FINE if scenario == "good" else WEAK
            print(
                json.dumps({"schema": "rrr.preflight/1", "ready": scenario == "good", "cost": COST, "checks": checks})
            )
        case "collected":
            print(json.dumps({"schema": "rrr.collect/1", "attempts": 44, "failures": 30}))
        case "broken":
            error = {
                "schema": "rrr.error/1",
                "error": "there is no model [/b]",
                "way_out": "give a folder",
                "exit_code": 3,
            }
            print(json.dumps(error), file=sys.stderr)
            return 3
        case "waits":
            time.sleep(600)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
