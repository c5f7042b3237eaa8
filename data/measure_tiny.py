"""Measure the embedded model on the held-out problems: the figures of its model card. `python data/measure_tiny.py`

For every kind of first step (see `tiny_dialogues.py`): how often attempts and reflections name it, and how often the try that
follows passes.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import cast

from tiny_dialogues import Step, first_steps, good_first_steps

from rrr_local.backends.find import open_backend
from rrr_local.episode import Problem, Split
from rrr_local.evaluation.protocol import Item, evaluate, rates
from rrr_local.evaluation.statistics import wilson
from rrr_local.loop import Loop
from rrr_local.models.find import find_model
from rrr_local.tasks.find import find_task
from rrr_local.training.recipes import tiny

SEED = 0
STEP = re.compile(r"(\d+) ([-+*/]) (\d+) = (\d+)")


def written_steps(text: str) -> list[Step]:
    return [Step(int(a), operation, int(b), int(result)) for a, operation, b, result in STEP.findall(text)]


def is_right(step: Step) -> bool:
    match step.operation:
        case "+":
            return step.left + step.right == step.result
        case "-":
            return step.left - step.right == step.result
        case "*":
            return step.left * step.right == step.result
        case _:
            return step.left == step.right * step.result


def kind(problem: Problem, text: str) -> str:
    """What kind of first step a try or a reflection names."""
    low, middle, high = sorted(cast("list[int]", problem.info["numbers"]))
    step = next(iter(written_steps(text)), None)
    if step is None:
        return "none"
    if any(step == good for good, _ in good_first_steps((low, middle, high), problem.info["target"])):
        return "good"
    if (step.left, step.operation, step.right) == (high, "*", middle):
        return "habit"
    return "other legal" if any(step == legal for legal, _ in first_steps((low, middle, high))) else "wrong"


def table(name: str, kinds: Sequence[str], passed: Sequence[bool]) -> None:
    """Share of each kind, and how often the try after it passes."""
    total, passes = Counter(kinds), Counter(k for k, ok in zip(kinds, passed, strict=True) if ok)
    for k, n in total.most_common():
        interval = wilson(passes[k], n)
        rate = f"{passes[k] / n:6.1%} ({interval.low:.1%} to {interval.high:.1%})"
        print(f"  {name} names {k:12} {n / len(kinds):6.1%}   then passes {rate}")


def report(items: Sequence[Item], temperature: float) -> None:
    found = rates(items)
    texts = [i.first.node.text for i in items] + [i.retry.node.text for i in items if i.retry]
    steps = [step for text in texts for step in written_steps(text)]
    print(f"temperature {temperature}, n = {found.n}")
    print(f"  first try {found.first_try:.1%}   second try {found.second_try:.1%}   rescue {found.rescue or 0:.1%}")
    print(f"  arithmetic right in {sum(map(is_right, steps)) / len(steps):.1%} of {len(steps)} steps")
    failed = [i for i in items if i.reflection and i.retry]
    table("attempt", [kind(i.first.problem, i.first.node.text) for i in items], [i.first_pass for i in items])
    table(
        "reflection",
        [kind(i.first.problem, i.reflection.text) for i in failed if i.reflection],
        [i.second_pass for i in failed],
    )


def main() -> None:
    task = find_task("countdown")
    backend = open_backend("auto", find_model("tiny"))
    for temperature in (1.0, 0.0):
        loop = Loop(backend, task, temperature, tiny().limits)
        report([item for batch in evaluate(loop, task.problems(Split.EVAL), SEED) for item in batch], temperature)


if __name__ == "__main__":
    main()
