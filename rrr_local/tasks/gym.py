"""Any dataset of reasoning-gym as a task: `gym:chain_sum`, or `gym:chain_sum?max_terms=3&size=100&seed=7`.

`size` problems to train on and a quarter as many to evaluate on, from seeds far apart, and none in both; every other parameter goes to
the dataset. They are generated once, in a child process, and kept as JSON lines in the cache folder:

    gym/<hash of dataset, parameters and version>/train.jsonl, eval.jsonl     one entry a line

A reply's answer is what its last `<answer>…</answer>` holds; it passes when the dataset's scorer gives it 1.0. Scorers run in the child
process under a deadline. One that breaks yields `error`; one that merely cannot read a reply, `unparsed`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cache, lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from urllib.parse import parse_qsl

from rrr_local import paths
from rrr_local.episode import Opening, Problem, Split, Verdict, VerdictKind
from rrr_local.errors import NotFoundError, UsageError
from rrr_local.tasks.base import Prompts, content_hash
from rrr_local.verifiers.arithmetic import last_answer
from rrr_local.verifiers.worker import Broken, TooSlow, Worker

PREFIX = "gym:"
PACKAGE = "reasoning_gym"
INSTALL = "install it with `pip install 'rrr-local[gym]'`"
BRIDGE = 1
"""Raised when this file judges or asks otherwise than before."""
CHILD = "rrr_local.tasks.gym_child"
GENERATING_S = 600.0
"""The slowest datasets take half a second for an entry."""
SCORING_S = 10.0
"""The first score waits for the import: 1.4 to 4 s."""
APART = 1_000_000
"""Between the seeds to train on and those to evaluate on; an entry's seed is its dataset's plus its index."""
SIZE = 256
SIZES, SEEDS = range(8, 10_001), range(1001)
"""What may be asked for."""
REFUSED = {
    "countdown": "its scorer runs what the model writes; use the task countdown-full, which is the same game",
    "game_of_life_halting": "its scorer takes any answer for a right one; choose another",
}
"""Datasets that are no task here, and what to do instead."""
NOTES = {"coin_flip": "its scorer takes 0 for the right answer wherever the probability is below 0.0001"}
"""What is known to be wrong with a scorer."""
ASK = "{question}\n\nReturn the final answer in <answer> </answer> tags."
FAILED = "Your answer was wrong."
PROMPTS = Prompts(
    reflect=f"{FAILED} Reflect on what went wrong and write a short explanation that will help you do better next time.",
    retry="Now try again.",
    plain_retry=f"{FAILED} Now try again.",
)

Entry = Mapping[str, object]
"""{"question": str, "answer": str or None, "metadata": {…}}"""


@dataclass(frozen=True)
class Gym:
    """One dataset with its parameters."""

    name: str
    """`gym:…` as it was typed."""
    dataset: str
    version: int
    """Of this bridge and of reasoning-gym: another version's scorers may judge differently."""
    size: int = SIZE
    seed: int = 0
    parameters: Mapping[str, object] = field(default_factory=dict)
    """What the dataset is configured with."""
    prompts: Prompts = PROMPTS

    @classmethod
    def named(cls, name: str) -> Gym:
        """The task of a name, with or without `gym:`. Raises `UsageError`, `NotFoundError`."""
        dataset, _, query = name.removeprefix(PREFIX).partition("?")
        if dataset in REFUSED:
            raise UsageError(f"reasoning-gym's {dataset} is no task here", REFUSED[dataset])
        known = datasets()
        if dataset not in known:
            close = get_close_matches(dataset, known, 3)
            raise NotFoundError(
                f"reasoning-gym has no dataset {dataset!r}",
                f"did you mean {', '.join(close)}?"
                if close
                else f"it has {', '.join(known[:5])} and {len(known)} in all",
            )
        given = {key: _value(text) for key, text in parse_qsl(query, keep_blank_values=True)}
        size, seed = _within(given.pop("size", SIZE), "size", SIZES), _within(given.pop("seed", 0), "seed", SEEDS)
        full = PREFIX + dataset + (f"?{query}" if query else "")
        return cls(full, dataset, _version(), size, seed, given)

    @property
    def source(self) -> str:
        return self.name

    @property
    def configuration(self) -> Mapping[str, object]:
        return {"dataset": self.dataset, "parameters": dict(self.parameters), PACKAGE: version(PACKAGE)}

    @property
    def note(self) -> str:
        """What a person should know of its scorer; empty where nothing is known to be wrong."""
        return NOTES.get(self.dataset, "")

    def problems(self, split: Split) -> Sequence[Problem]:
        """Generates them at first: seconds for most datasets, minutes for a few. Raises `UsageError`."""
        return _read(self._file(split), self.dataset, split)

    def parse_problem(self, info: Mapping[str, object]) -> Problem:
        """An entry, such as `problems` has in `info`. Raises `UsageError`."""
        return _problem(info, self.dataset, Split.PRACTICE)

    def opening(self, problem: Problem) -> Opening:
        return Opening(problem.prompt)

    def verify(self, problem: Problem, reply: str) -> Verdict:
        answer = last_answer(reply)
        if answer is None or not answer.strip():
            return Verdict(VerdictKind.UNPARSED, "there is no answer in <answer> tags")
        answer = answer.strip()
        try:
            found = self._scored(problem, answer)
        except TooSlow:
            return self._too_slow(problem, answer)
        except Broken as error:
            return Verdict(VerdictKind.ERROR, f"the scorer of {self.dataset} broke: {error}", answer)
        if "unreadable" in found:
            return Verdict(VerdictKind.UNPARSED, f"the scorer cannot read it: {found['unreadable']}", answer)
        return _judged(float(str(found["score"])), answer)

    def _scored(self, problem: Problem, answer: str | None) -> Mapping[str, object]:
        found = _scorer().call(self.dataset, dict(self.parameters), dict(problem.info), answer)
        if not isinstance(found, dict):
            raise Broken(f"it gave {found!r}")
        return found

    def _too_slow(self, problem: Problem, answer: str) -> Verdict:
        """The reply's fault where the scorer is quick with the right answer."""
        try:
            self._scored(problem, None if problem.info["answer"] is None else str(problem.info["answer"]))
        except (Broken, TooSlow) as error:
            return Verdict(VerdictKind.ERROR, f"the scorer of {self.dataset} broke: {error}", answer)
        return Verdict(VerdictKind.TIMEOUT, f"scoring it takes more than {SCORING_S:.0f} s", answer)

    # --- generating ---------------------------------------------------------------------------------------------

    def _file(self, split: Split) -> Path:
        """The entries of a split, generated if they are not there yet."""
        identity = content_hash([self.configuration, self.size, self.seed, BRIDGE])
        folder = paths.cache_folder() / "gym" / f"{self.dataset}-{identity[:16]}"
        wanted = folder / f"{split}.jsonl"
        if not wanted.is_file():
            self._generate(folder)
        return wanted

    def _generate(self, folder: Path) -> None:
        """Both splits: a problem of the one is left out of the other."""
        with closing(Worker(f"{CHILD}:generate", None, GENERATING_S)) as child:
            held_out = self._entries(child, (2 * self.seed + 1) * APART, self.size // 4, set())
            taken = {_hash(entry, self.dataset) for entry in held_out}
            train = self._entries(child, 2 * self.seed * APART, self.size, taken)
        if not train or not held_out:
            raise UsageError(
                f"reasoning-gym's {self.dataset} has no problems that its scorer can judge",
                self.note or "choose another dataset or other parameters",
            )
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write(folder / f"{Split.EVAL}.jsonl", held_out)
        _write(folder / f"{Split.TRAIN}.jsonl", train)

    def _entries(self, child: Worker, seed: int, size: int, taken: set[str]) -> list[Entry]:
        """Entries that are none of `taken`, no two alike."""
        found: dict[str, Entry] = {}
        for entry in _list(child, self.dataset, dict(self.parameters), seed, size):
            assert isinstance(entry, dict)
            found.setdefault(_hash(entry, self.dataset), entry)
        return [entry for identity, entry in found.items() if identity not in taken]


def datasets() -> list[str]:
    """The datasets that reasoning-gym has; asked of it once for each of its versions. Raises `UsageError` without it."""
    kept = paths.cache_folder() / "gym" / f"names-{_version()}.json"
    if kept.is_file():
        return [str(name) for name in json.loads(kept.read_text(encoding="utf-8"))]
    with closing(Worker(f"{CHILD}:names", None, GENERATING_S)) as child:
        found = [str(name) for name in _list(child)]
    kept.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    _replace(kept, json.dumps(found))
    return found


def _list(child: Worker, *arguments: object) -> list[object]:
    """The list that a function of the child gives. Raises `UsageError` with what it raised."""
    try:
        found = child.call(*arguments)
    except (Broken, TooSlow) as error:
        raise UsageError(f"reasoning-gym cannot do that: {error}", "check the dataset's name and parameters") from error
    assert isinstance(found, list)
    return found


@cache
def _scorer() -> Worker:
    """One child scores for all tasks of this process."""
    return Worker(f"{CHILD}:score", None, SCORING_S)


@lru_cache(maxsize=16)
def _read(path: Path, dataset: str, split: Split) -> tuple[Problem, ...]:
    lines = path.read_text(encoding="utf-8").splitlines()
    return tuple(_problem(json.loads(line), dataset, split) for line in lines)


def _write(path: Path, entries: Sequence[Entry]) -> None:
    _replace(path, "".join(f"{json.dumps(entry)}\n" for entry in entries))


def _replace(path: Path, text: str) -> None:
    """Write a file at once, so that another process never reads half of it."""
    part = path.with_suffix(f".{os.getpid()}.part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)


def _problem(info: Entry, dataset: str, split: Split) -> Problem:
    question, answer, metadata = info.get("question"), info.get("answer"), info.get("metadata")
    if not isinstance(question, str) or not isinstance(answer, str | None) or not isinstance(metadata, dict):
        raise UsageError(
            f"not a problem of reasoning-gym's {dataset}",
            'give {"question": "…", "answer": "…", "metadata": {…}}, as the dataset generates it',
        )
    entry = {"question": question, "answer": answer, "metadata": metadata}
    return Problem(ASK.format(question=question), entry, _hash(entry, dataset), split)


def _hash(entry: Entry, dataset: str) -> str:
    """By the question alone: the same question with another answer is the same problem."""
    return content_hash([dataset, entry["question"]])


def _judged(score: float, answer: str) -> Verdict:
    if score >= 1.0:
        return Verdict(VerdictKind.PASS, "the scorer gives it 1", answer)
    return Verdict(VerdictKind.FAIL, f"the scorer gives it {score:.3g} of 1", answer)


def _version() -> int:
    """Of this bridge with the package that is installed. Raises `UsageError` when none is."""
    try:
        parts = [int(part) for part in version(PACKAGE).split(".")[:3] if part.isdecimal()]
    except PackageNotFoundError as error:
        raise UsageError("reasoning-gym is not installed", INSTALL) from error
    major, minor, patch = (*parts, 0, 0, 0)[:3]
    return ((major * 1000 + minor) * 1000 + patch) * 10 + BRIDGE


def _value(text: str) -> object:
    """A parameter as JSON has it, else as it stands."""
    try:
        value: object = json.loads(text)
    except ValueError:
        return text
    return value


def _within(value: object, what: str, allowed: range) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and value in allowed:
        return value
    raise UsageError(
        f"{what} must be a whole number from {allowed[0]} to {allowed[-1]}", f"for example {PREFIX}chain_sum?{what}=100"
    )
