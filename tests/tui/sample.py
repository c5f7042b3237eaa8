"""A log in which something of everything has happened, the same every time: what screens are tested on and pictures are made of.

    collect   24 attempts at Countdown problems
    chats     one fixed by a retry, one rated wrong by a person, one that was never judged
    run-1     done: 40 steps, measured before and after on held-out problems and on its own failures
    run-2     stopped by a person at step 12
    run-3     failed: not enough memory

The words are made up, the verdicts are not: the task's own verifier gives them.
"""

from __future__ import annotations

import itertools
import json
import math
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest import mock

from rrr_local.episode import FinishReason, Problem, Split, VerdictKind
from rrr_local.models.find import EMBEDDED, find_model
from rrr_local.store import catalogue, evals, feedback, history, rows, runs, tries, turns
from rrr_local.store.records import (
    AdapterKind,
    AdapterRecord,
    EpisodeRecord,
    EvalItemRecord,
    EvalRecord,
    EvalStatus,
    GroupRecord,
    ModelRecord,
    ReflectionRecord,
    RunPhase,
    RunRecord,
    RunStatus,
    SessionKind,
    StepRecord,
    TryRecord,
    pack_ids,
)
from rrr_local.store.store import Store
from rrr_local.tasks.base import content_hash, fingerprint
from rrr_local.tasks.countdown import Countdown
from rrr_local.tasks.find import find_task
from rrr_local.tasks.question import Question

NOON = datetime(2026, 3, 14, 12, 0, tzinfo=UTC)
"""When every test takes place, as far as the app knows."""
STEPS, HELD_OUT, REPLAY = 40, 64, 16
GROUP = 4
NEVER = 10**9
"""What a step gives that is no whole number; no target is that."""


def _divide(left: int, right: int) -> int:
    return left // right if right and left % right == 0 else NEVER


SIGNS: dict[str, Callable[[int, int], int]] = {"+": int.__add__, "-": int.__sub__, "*": int.__mul__, "/": _divide}


@contextmanager
def written_at(time: datetime) -> Iterator[None]:
    """The log takes this for the time while the block runs."""
    stamp = time.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    with ExitStack() as stack:
        for module in (rows, catalogue, evals, feedback, history, runs, tries, turns):
            stack.enter_context(mock.patch.object(module, "now", lambda: stamp))
        yield


def sample_store(folder: Path) -> None:
    """Write the log of the data folder `folder`."""
    with Store.open(folder / "rrr.db") as store:
        sample = _Sample.begin(store)
        with written_at(NOON - timedelta(days=2)):
            session = sample.collect()
        with written_at(NOON - timedelta(days=1)):
            sample.finished_run(session)
            sample.stopped_run(session)
        with written_at(NOON - timedelta(hours=2)):
            sample.failed_run(session)
            sample.chats()
        store.set_setting("ui.welcomed", "on")


@dataclass(slots=True)
class _Sample:
    store: Store
    task: Countdown
    model_id: int
    task_id: int
    question_id: int
    rng: random.Random

    @classmethod
    def begin(cls, store: Store) -> _Sample:
        model = find_model(EMBEDDED)
        record = ModelRecord(
            "safetensors", local_path=str(model.folder), files_sha256=model.sha256, size_bytes=model.size
        )
        task = find_task("countdown")
        assert isinstance(task, Countdown)
        ids = []
        for each in (task, Question()):
            kind = type(each).__name__
            ids.append(store.task(each.name, each.version, kind, kind, fingerprint(each), {}))
        return cls(store, task, store.model(record), ids[0], ids[1], random.Random(7))

    # --- episodes

    def attempt(self, problem: Problem, right: bool) -> TryRecord:
        """A reply to a problem, judged by the task."""
        text = _right(problem) if right else _wrong(problem, self.rng)
        verdict = self.task.verify(problem, text)
        ids = tuple(self.rng.randrange(500) for _ in range(31))
        return TryRecord(
            text=text,
            verdict=verdict.kind,
            reason=verdict.reason,
            answer=verdict.answer,
            finish_reason=FinishReason.STOP,
            prompt_sha256="ab" * 32,
            prompt_tokens=88,
            completion_tokens=len(ids),
            duration_ms=420,
            seed=self.rng.randrange(2**32),
            token_ids=pack_ids(ids),
            verify_ms=1,
        )

    def reflection(self, number: int, problem: Problem, right: bool, rewarded: bool = False) -> ReflectionRecord:
        """A reflection with its retry; `rewarded` as in training, by the retry's verdict."""
        numbers = sorted(_numbers(problem))
        better, worse = f"{numbers[1]} + {numbers[2]}", f"{numbers[1]} * {numbers[2]}"
        text = f"That did not give {_target(problem)}. Start with {better if right else worse}."
        retry = self.attempt(problem, right)
        reward = float(retry.verdict is VerdictKind.PASS) if rewarded else None
        return ReflectionRecord(number, text, 14, FinishReason.STOP, number, reward, None, retry)

    def ids(self, problems: Sequence[Problem], task_id: int | None = None) -> list[int]:
        found = self.store.problems(task_id or self.task_id, problems)
        return [found[problem.sha256] for problem in problems]

    def collect(self) -> str:
        session = self.store.start_session(SessionKind.COLLECT, model_id=self.model_id, task_id=self.task_id)
        problems = self.task.problems(Split.TRAIN)[:24]
        episodes = [
            EpisodeRecord(problem_id, self.attempt(problem, right=index % 3 == 0))
            for index, (problem, problem_id) in enumerate(zip(problems, self.ids(problems), strict=True))
        ]
        self.store.log_episodes(session, episodes)
        self.store.end_session(session)
        return session

    # --- chats

    def chats(self) -> None:
        self._unjudged_chat()
        self._rated_chat()
        self._fixed_chat()

    def _chat(self, title: str, task_id: int) -> str:
        return self.store.start_session(SessionKind.CHAT, model_id=self.model_id, task_id=task_id, title=title)

    def _question(self, prompt: str, reply: str) -> EpisodeRecord:
        problem = Question().parse_problem({"prompt": prompt})
        record = TryRecord(
            reply, VerdictKind.ERROR, "there is nothing to check the reply against", None, FinishReason.STOP,
            "cd" * 32, 20, 12, 300, 5, pack_ids((1, 2, 3)),
        )  # fmt: skip
        return EpisodeRecord(self.ids([problem], self.question_id)[0], record)

    def _unjudged_chat(self) -> None:
        session = self._chat("Hello", self.question_id)
        first = self.store.log_episodes(session, [self._question("Hello, who are you?", "Start with 3 * 7 = 21.")])[0]
        turn = self.store.add_turn(session, first)
        second = self.store.log_episodes(session, [self._question("And what can you do?", "Then 21 + 3 = 24.")])[0]
        self.store.add_turn(session, second, parent_id=turn, context_id=turn)

    def _rated_chat(self) -> None:
        session = self._chat("A capital", self.question_id)
        first = self.store.log_episodes(session, [self._question("What is the capital of France?", "It is 42.")])[0]
        self.store.add_turn(session, first)
        self.store.log_user_verdict(first, VerdictKind.FAIL, "not what I asked")

    def _fixed_chat(self) -> None:
        session = self._chat("Countdown", self.task_id)
        problem = self.task.problems(Split.TRAIN)[2]
        episode = EpisodeRecord(
            self.ids([problem])[0], self.attempt(problem, False), (self.reflection(0, problem, True),)
        )
        first = self.store.log_episodes(session, [episode])[0]
        self.store.add_turn(session, first)

    # --- runs

    def _run(self, name: str, session: str, steps: int) -> tuple[str, str]:
        config = {
            "name": "tiny",
            "steps": steps,
            "group_size": GROUP,
            "failures_per_step": 2,
            "beta": 0.0,
            "temperature": 1.0,
        }
        run_id = self.store.create_run(
            RunRecord(name, self.model_id, self.task_id, "mlx, CPU", 0, config, steps, failures_session_id=session)
        )
        self.store.update_run(run_id, status=RunStatus.RUNNING, pid=None)
        kind = SessionKind.TRAIN
        return run_id, self.store.start_session(kind, model_id=self.model_id, task_id=self.task_id, train_run_id=run_id)

    def finished_run(self, session: str) -> None:
        run_id, sitting = self._run("run-1", session, STEPS)
        self._measure(run_id, None, "held-out", 0.22, 0.31)
        self._measure(run_id, None, "replay", 0.0, 0.19)
        failures = self._failures(session)
        for step in range(1, STEPS + 1):
            self._step(run_id, sitting, step, failures)
        adapter = self._adapter("run-1", run_id, STEPS)
        self._measure(run_id, adapter, "held-out", 0.38, 0.55)
        self._measure(run_id, adapter, "replay", 0.25, 0.63)
        self.store.update_run(run_id, status=RunStatus.DONE)
        self.store.progress(run_id, RunPhase.DONE, 1, 1)
        self.store.flush()

    def stopped_run(self, session: str) -> None:
        run_id, sitting = self._run("run-2", session, STEPS)
        failures = self._failures(session)
        for step in range(1, 13):
            self._step(run_id, sitting, step, failures)
        self._adapter("run-2", run_id, 12)
        self.store.progress(run_id, RunPhase.TRAINING, 12, STEPS)
        self.store.update_run(run_id, status=RunStatus.STOPPED)

    def failed_run(self, session: str) -> None:
        run_id, _ = self._run("run-3", session, STEPS)
        self.store.update_run(run_id, status=RunStatus.FAILED, error="there is not enough memory")

    def _failures(self, session: str) -> list[tuple[int, int, Problem]]:
        """Attempt, problem id and problem of each failure."""
        problems = self.task.problems(Split.TRAIN)[:24]
        by_id = dict(zip(self.ids(problems), problems, strict=True))
        sql = """SELECT a.id, a.problem_id FROM attempts a JOIN attempt_verdicts v ON v.attempt_id = a.id
            WHERE a.session_id = ? AND v.verdict != 'pass' ORDER BY a.id"""
        found = self.store.reader().execute(sql, (session,)).fetchall()
        return [(attempt_id, problem_id, by_id[problem_id]) for attempt_id, problem_id in found]

    def _step(self, run_id: str, sitting: str, step: int, failures: Sequence[tuple[int, int, Problem]]) -> None:
        """Two groups; the later the step, the more retries pass."""
        share = 0.2 + 0.4 * step / STEPS
        groups = [self._group(failures[(2 * step + number) % len(failures)], share) for number in (0, 1)]
        used = sum(group.used for group in groups)
        reward = sum(group.reward_mean or 0.0 for group in groups) / len(groups)
        record = StepRecord(
            step=step, loss=0.01 * math.sin(step), reward_mean=reward, reward_std=0.4, kl=0.002 * step,
            grad_norm=0.5 + 0.1 * math.cos(step), lr=1e-3, groups=2, groups_used=used, retry_rate=reward,
            reflection_tokens=14.0, tokens=400, tok_per_s=1200.0, seconds=2.5, peak_mem_mb=420.0,
            extra={"entropy": 0.8 - 0.005 * step, "truncated": 0.0},
        )  # fmt: skip
        self.store.log_step(run_id, sitting, record, groups)

    def _group(self, failure: tuple[int, int, Problem], share: float) -> GroupRecord:
        attempt_id, problem_id, problem = failure
        reflections = tuple(
            self.reflection(number, problem, self.rng.random() < share, rewarded=True) for number in range(GROUP)
        )
        mean = sum(reflection.reward or 0.0 for reflection in reflections) / GROUP
        dead = mean in (0.0, 1.0)
        std = math.sqrt(mean * (1 - mean))
        return GroupRecord(
            problem_id, attempt_id, GROUP, mean, std, not dead, "dead group" if dead else None, reflections
        )

    def _adapter(self, name: str, run_id: str, step: int) -> int:
        return self.store.add_adapter(
            AdapterRecord(
                f"{name}-{step}", self.model_id, f"runs/{name}/step-{step:06}", "ef" * 32, AdapterKind.FINAL,
                run_id, step, 310_000, 16,
            )
        )  # fmt: skip

    def _measure(self, run_id: str, adapter_id: int | None, which: str, first: float, final: float) -> None:
        split, count = (Split.EVAL, HELD_OUT) if which == "held-out" else (Split.TRAIN, REPLAY)
        problems = self.task.problems(split)[:count]
        config = {"arm": "reflect", "temperature": 1.0, "set": which, "run": run_id}
        eval_id = self.store.start_eval(
            EvalRecord(
                self.task_id, self.model_id, config, content_hash([p.sha256 for p in problems]), count, adapter_id, 1, 0
            )
        )
        session = self.store.start_session(
            SessionKind.EVAL, model_id=self.model_id, task_id=self.task_id, adapter_id=adapter_id, eval_id=eval_id
        )
        passes = [(index + 0.5) / count for index in range(count)]
        random.Random(11).shuffle(passes)  # the same order before and after: a better model solves more of the same
        episodes = []
        for problem, problem_id, place in zip(problems, self.ids(problems), passes, strict=True):
            luck = place + 0.12 * (self.rng.random() - 0.5)
            right, fixed = luck < first, luck < final
            reflections = () if right else (self.reflection(0, problem, fixed),)
            episodes.append(EpisodeRecord(problem_id, self.attempt(problem, right), reflections))
        attempts = self.store.log_episodes(session, episodes)
        items = [
            EvalItemRecord(
                problem_id=episode.problem_id or 0,
                first_attempt_id=attempt,
                first_pass=episode.attempt.verdict is VerdictKind.PASS,
                final_pass=_passed(episode),
            )
            for episode, attempt in zip(episodes, attempts, strict=True)
        ]
        self.store.log_eval_items(eval_id, items)
        self.store.flush()
        self.store.finish_eval(eval_id, EvalStatus.DONE)


def _passed(episode: EpisodeRecord) -> bool:
    retries = [reflection.retry for reflection in episode.reflections]
    return any(made is not None and made.verdict is VerdictKind.PASS for made in (episode.attempt, *retries))


def _numbers(problem: Problem) -> list[int]:
    numbers = json.loads(json.dumps(problem.info))["numbers"]
    return [int(number) for number in numbers]


def _target(problem: Problem) -> int:
    return int(json.loads(json.dumps(problem.info))["target"])


def _wrong(problem: Problem, rng: random.Random) -> str:
    """The bad habit of the embedded model: the product of the two largest first."""
    low, middle, high = sorted(_numbers(problem))
    sign, name = rng.choice([("+", int.__add__), ("-", int.__sub__)])
    product = middle * high
    return (
        f"Start with {high} * {middle} = {product}. Then {product} {sign} {low} = {name(product, low)}. "
        f"<answer>({high} * {middle}) {sign} {low}</answer>"
    )


def _right(problem: Problem) -> str:
    """A solution by trying everything."""
    for a, b, c in itertools.permutations(_numbers(problem)):
        for (x, first), (y, second) in itertools.product(SIGNS.items(), repeat=2):
            part = first(a, b)
            if second(part, c) == _target(problem):
                return f"Start with {a} {x} {b} = {part}. Then {part} {y} {c} = {_target(problem)}. <answer>({a} {x} {b}) {y} {c}</answer>"
            if second(c, part) == _target(problem):
                return f"Start with {a} {x} {b} = {part}. Then {c} {y} {part} = {_target(problem)}. <answer>{c} {y} ({a} {x} {b})</answer>"
    return _wrong(problem, random.Random(0))
