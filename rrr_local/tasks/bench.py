"""Does a task's checker tell right from wrong? Found out without a model, row by row.

    canonical    the right answer as the task itself has it, in <answer> tags: must pass
    changed      the same with something wrong about it: must not pass
    empty        no reply at all: must not pass

No verdict may be `error`: that is a checker which breaks, and a run would learn nothing from it. Where a task does not say what is
right (a pattern, a person's own function without an `answer` column), only the empty reply is judged.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations
from string import ascii_uppercase

from rrr_local.episode import Problem, Verdict, VerdictKind
from rrr_local.tasks.base import Task
from rrr_local.tasks.countdown import Countdown
from rrr_local.tasks.files.task import FileTask
from rrr_local.tasks.function_calling import FunctionCalling
from rrr_local.verifiers.arithmetic import OPERATIONS
from rrr_local.verifiers.choice import MultipleChoice
from rrr_local.verifiers.written_numbers import only_number

MOST_NUMBERS = 5
"""Of a number puzzle that is solved here; six take seconds."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One reply that was judged."""

    problem: Problem
    name: str
    """canonical, changed or empty."""
    reply: str
    verdict: Verdict
    seconds: float

    @property
    def holds(self) -> bool:
        """Whether the checker said what it should."""
        return self.verdict.kind is not VerdictKind.ERROR and self.verdict.passed == (self.name == "canonical")


def trials(task: Task, problem: Problem) -> Iterator[Trial]:
    """Judge the replies to one problem."""
    replies = {"empty": ""}
    right = canonical(task, problem)
    if right is not None:
        replies = {"canonical": tagged(right), "changed": tagged(changed(task, problem, right)), **replies}
    for name, reply in replies.items():
        started = time.perf_counter()
        verdict = task.verify(problem, reply)
        yield Trial(problem, name, reply, verdict, time.perf_counter() - started)


def tagged(answer: str) -> str:
    return f"<answer>{answer}</answer>"


# --- what is right ------------------------------------------------------------------------------------------------


def canonical(task: Task, problem: Problem) -> str | None:
    """The right answer to a problem as the task has it; None where it does not say."""
    row = problem.info
    match task:
        case Countdown():
            return solve(_whole_numbers(row.get("numbers")), str(row.get("target")))
        case FunctionCalling():
            return json.dumps(row["calls"])
        case FileTask(check=MultipleChoice() as check):
            return ascii_uppercase[check.right(row)[0]]
        case FileTask(check=check) if check.kind == "countdown":
            numbers, target = (row.get(str(check.configuration[option])) for option in ("numbers", "target"))
            return solve(_whole_numbers(numbers), str(target))
        case FileTask(check=check):
            return _answer(check.configuration, row)
    return None


def _answer(options: Mapping[str, object], row: Mapping[str, object]) -> str | None:
    """What stands in the answer's column, as a reply would write it; of several accepted answers the first."""
    value = row.get(str(options.get("answer", "answer")))
    if options["kind"] in ("code", "regex") or value is None:
        return None
    if options["kind"] == "json-schema":
        return value if isinstance(value, str) else json.dumps(value)
    if isinstance(value, list):
        every = options["kind"] == "contains" and options.get("match") != "any"
        return " ".join(map(str, value)) if every else str(value[0])
    separator = options.get("separator")
    text = str(value).strip()
    return text.split(separator)[0].strip() if isinstance(separator, str) and separator else text


def changed(task: Task, problem: Problem, right: str) -> str:
    """The right answer with something wrong about it."""
    options = task.check.configuration if isinstance(task, FileTask) else {}
    if isinstance(task, Countdown) or options.get("kind") == "countdown":
        return f"{right} + 1"
    if isinstance(task, FunctionCalling) or options.get("kind") == "json-schema":
        return json.dumps({"changed": right})
    if isinstance(task, FileTask) and isinstance(task.check, MultipleChoice):
        index, count = task.check.right(problem.info)
        return ascii_uppercase[(index + 1) % count]
    number = only_number(right)
    if number is not None:
        room = sum(_as_fraction(options.get(name)) for name in ("tolerance", "relative"))
        return str(float((abs(number) + 1) * (2 + 10 * room)))
    return f"zq{right[1:]}"


def _as_fraction(value: object) -> Fraction:
    return Fraction(repr(value)) if isinstance(value, int | float) else Fraction(0)


def solve(numbers: Sequence[int], target: str) -> str | None:
    """An expression that uses every number once and equals the target; None where there is none, or too many numbers."""
    if not 1 <= len(numbers) <= MOST_NUMBERS:
        return None
    return _search([(Fraction(number), str(number)) for number in numbers], Fraction(target))


def _search(values: list[tuple[Fraction, str]], target: Fraction) -> str | None:
    """Put two values together in every way, and go on with one fewer."""
    if len(values) == 1:
        return values[0][1] if values[0][0] == target else None
    for i, j in combinations(range(len(values)), 2):
        rest = [value for k, value in enumerate(values) if k not in (i, j)]
        for (a, left), (b, right) in ((values[i], values[j]), (values[j], values[i])):
            for sign, operation in _SIGNS.items():
                if sign == "/" and b == 0:
                    continue
                found = _search([*rest, (operation(a, b), f"({left} {sign} {right})")], target)
                if found is not None:
                    return found
    return None


_SIGNS = dict(zip("+-*/", OPERATIONS.values(), strict=True))


def _whole_numbers(value: object) -> list[int]:
    """The numbers of a row, as a list or in words."""
    if isinstance(value, list):
        return [each for each in value if isinstance(each, int)]
    return [int(part) for part in re.findall(r"[0-9]+", str(value))]
