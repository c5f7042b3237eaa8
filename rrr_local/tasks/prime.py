"""A taskset of the package `verifiers` (v1) as a task: `verifiers:PACKAGE`, where both are installed.

Only tasks that are one question and whose rewards look at nothing but the reply; what needs a runtime, tools or another model as a judge
is refused. The first `MOST` tasks are taken; a fifth of them, by content hash, is held out. A reply passes with a reward of 1.0.
Loading and scoring run in a child process under a deadline; what breaks there is `error`, never `fail`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from importlib.metadata import PackageNotFoundError, version

from rrr_local.episode import Message, Opening, Problem, Split, Verdict, VerdictKind
from rrr_local.errors import UsageError
from rrr_local.tasks.base import Prompts, content_hash
from rrr_local.tasks.question import PROMPTS
from rrr_local.verifiers.worker import Broken, TooSlow, Worker

PREFIX = "verifiers:"
PACKAGE = "verifiers"
CHILD = "rrr_local.tasks.prime_child"
LOADING_S = 300.0
SCORING_S = 30.0
"""The first score waits for the import: 3 s."""
MOST = 2000
HELD_OUT = 5
"""One problem in so many."""


@dataclass(frozen=True)
class Prime:
    """One taskset."""

    package: str
    installed: str
    """The version of `verifiers`, and of the package where it says one."""
    version: int = 1
    prompts: Prompts = PROMPTS

    @classmethod
    def named(cls, package: str) -> Prime:
        """The task of a package, with or without `verifiers:`. Raises `UsageError`."""
        package = package.removeprefix(PREFIX)
        own = _version(PACKAGE)
        if own is None:
            raise UsageError("the package verifiers is not installed", "install it with `pip install verifiers`")
        return cls(package, f"{PACKAGE} {own}, {package} {_version(package) or 'without a version'}")

    @property
    def name(self) -> str:
        return f"{PREFIX}{self.package}"

    @property
    def source(self) -> str:
        return self.name

    @property
    def configuration(self) -> Mapping[str, object]:
        return {"installed": self.installed}

    def problems(self, split: Split) -> Sequence[Problem]:
        """Raises `UsageError` where the taskset cannot be loaded, or needs more than a reply."""
        return [replace(each, split=split) for each in _problems(self.package) if _split(each) is split]

    def parse_problem(self, info: Mapping[str, object]) -> Problem:
        """A row, such as `problems` has in `info`. Raises `UsageError`."""
        prompt, system, data = info.get("prompt"), info.get("system"), info.get("data")
        if not isinstance(prompt, str) or not isinstance(system, str | None) or not isinstance(data, Mapping):
            raise UsageError(f"not a problem of {self.name}", 'give {"prompt": "…", "system": null, "data": {…}}')
        row = {"prompt": prompt, "system": system, "data": dict(data)}
        return Problem(prompt, row, content_hash([self.package, prompt, system]))

    def opening(self, problem: Problem) -> Opening:
        system = problem.info.get("system")
        before = () if system is None else (Message("system", str(system)),)
        return Opening(problem.prompt, before)

    def verify(self, problem: Problem, reply: str) -> Verdict:
        try:
            reward = _scorer().call(self.package, problem.info["data"], reply)
        except (Broken, TooSlow) as error:
            return Verdict(VerdictKind.ERROR, f"the taskset {self.package} broke: {error}")
        if not isinstance(reward, int | float):
            return Verdict(VerdictKind.ERROR, f"the taskset {self.package} gave no reward")
        kind = VerdictKind.PASS if reward >= 1.0 else VerdictKind.FAIL
        return Verdict(kind, f"the reward is {reward:.3g}")


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


@lru_cache(maxsize=4)
def _problems(package: str) -> tuple[Problem, ...]:
    """Each problem once."""
    with closing(Worker(f"{CHILD}:rows", None, LOADING_S)) as child:
        try:
            found = child.call(package, MOST)
        except (Broken, TooSlow) as error:
            raise UsageError(
                f"verifiers:{package} is no task here: {error}", "name a package with a single-turn taskset"
            ) from error
    assert isinstance(found, list)
    task = Prime.named(package)
    parsed = {each.sha256: each for each in map(task.parse_problem, found)}
    return tuple(parsed.values())


def _split(problem: Problem) -> Split:
    return Split.TRAIN if int(problem.sha256[:8], 16) % HELD_OUT else Split.EVAL


@cache
def _scorer() -> Worker:
    """One child scores for all tasks of this process."""
    return Worker(f"{CHILD}:score", None, SCORING_S)
