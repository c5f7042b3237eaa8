"""A small child that speaks the engine's protocol: for what the real one cannot be made to do, or not twice in the same way.

    Engine([sys.executable, scripted.__file__, "SCENARIO"])

It takes (and ignores) the flags of the real engine, ends at the end of its input, and honours `Cancel`. What it says it keeps in
the log of the data folder, as the real one does: conversations, turns, attempts, reflections. Every answer is the same each time.

    happy       a wrong attempt, a reflection, a right retry; free text is answered in one sentence; `Versus` by two sentences
    slow        the same at 50 ms a word: something to look at while it streams
    steady      60 tokens a second for 17 seconds: what benchmarks look at
    flood       10,000 tokens a second, 30,000 of them
    overflow    `Overflow` that would leave out 2 turns; with `fit` the happy answer with 2 turns dropped
    hostile     an answer full of markup, escape sequences, bidi marks and lone surrogates
    huge        one answer of 5 MB in a single line
    garbage     lines that are no events (bytes, JSON, unknown kinds, 9 MB) between those of the happy answer
    crash       killed by SIGKILL in the middle of the attempt
    bug         ends with exit code 1 and a traceback in the middle of the attempt
    oom         `Failed`: not enough memory; the engine stays
    hang        never answers and does not end at the end of its input: only SIGKILL helps
    never       never gets ready
    no-model    cannot load: `Failed`, exit code 3
    taken       another app has the engine: exit code 5
    silent      ends at once, without a word
    other       is of another version of the protocol
"""

from __future__ import annotations

import argparse
import os
import queue
import signal
import sys
import threading
import time
import traceback
from collections.abc import Generator, Iterator
from typing import IO

from rrr_local import paths
from rrr_local.engine.protocol import (
    LONGEST,
    Arm,
    Ask,
    Cancel,
    Done,
    Event,
    Failed,
    Grew,
    Judged,
    Load,
    Overflow,
    ProtocolError,
    Ready,
    Reflect,
    Reflected,
    Request,
    Started,
    Versus,
    decode_request,
    encode,
)
from rrr_local.episode import FinishReason, Span, VerdictKind
from rrr_local.errors import ExitCode
from rrr_local.store.records import EpisodeRecord, ModelRecord, ReflectionRecord, SessionKind, TryRecord, pack_ids
from rrr_local.store.spans import logged_turn
from rrr_local.store.store import Store
from rrr_local.tasks import question
from rrr_local.tasks.base import fingerprint
from rrr_local.tasks.find import find_task

CONTEXT = 2048
ATTEMPT = "3 * 7 = 21. 21 + 19 = 40. <answer>3 * 7 + 19</answer>"
REFLECTION = "I got 40, not 39. I should start with 3 * 7 = 21 and add 18."
RETRY = "3 * 7 = 21. 21 + 18 = 39. <answer>3 * 7 + 18</answer>"
WRONG = "uses 19, which is not among the numbers"
RIGHT = "the equation equals 39"
NOTHING = "there is nothing to check the reply against"
SENTENCE = "A small model answers in **one** sentence, with a list:\n\n- one\n- two\n"
HOSTILE = "[/b] [@click=app.quit]x[/] \x1b]0;title\x07\x1b[31mred \x9b31m \u202eback\u202c \u200b a\0b \ud800 <think>hm</think> \r\n\rend"
GARBAGE = (
    b"\x00\xff\xfe not text\n",
    b"{\n",
    b"[]\n",
    b"\n",
    b'{"is": "Nonsense", "id": 1}\n',
    b'{"is": "Grew", "id": 999999, "span": "attempt", "text": "of no request", "tokens": 1}\n',
    b'{"is": "Grew", "id": 1, "span": "no such span", "text": "", "tokens": 1}\n',
    b'{"is": "Done"}\n',
    b"[" * 100_000 + b"\n",
    b"x" * (LONGEST + 2**20) + b"\n",
)


class Log:
    """What the real engine would have logged."""

    def __init__(self) -> None:
        self._store = Store.open(paths.database_path())
        self._model_id = self._store.model(ModelRecord("scripted", local_path="scripted", files_sha256="5c" * 32))

    def session(self, conversation: str | None, asked: Ask | Versus) -> str:
        task_id, _ = self._problem(asked)
        kind = SessionKind.CHAT
        return conversation or self._store.start_session(kind, model_id=self._model_id, task_id=task_id)

    def attempt(self, session: str, asked: Ask | Versus, record: TryRecord) -> int:
        _, problem_id = self._problem(asked)
        return self._store.log_episodes(session, [EpisodeRecord(problem_id, record)])[0]

    def turn(self, session: str, ask: Ask, attempt_id: int) -> int:
        return self._store.add_turn(session, attempt_id, ask.after, None if ask.info is not None else ask.after)

    def reflection(self, turn_id: int, record: ReflectionRecord) -> int:
        turn = logged_turn(self._store.reader(), turn_id)
        _, retry_id = self._store.log_reflection(turn.session_id, turn.attempt.id, record)
        assert retry_id is not None
        return retry_id

    def _problem(self, asked: Ask | Versus) -> tuple[int, int]:
        task = find_task(asked.task or question.NAME)
        kind, info = type(task).__name__, dict(asked.info or {})
        problem = task.parse_problem({"prompt": asked.prompt, **info} if task.name == question.NAME else info)
        task_id = self._store.task(task.name, task.version, kind, kind, fingerprint(task), {"source": task.source})
        return task_id, self._store.problems(task_id, [problem])[problem.sha256]


def tried(text: str, verdict: VerdictKind | None, reason: str, finish: FinishReason) -> TryRecord:
    ids = pack_ids(range(5, 36))
    kind = verdict or VerdictKind.ERROR
    return TryRecord(text, kind, reason, None, finish, None, 102, 31, 500, 7, ids)


class Script:
    """One scenario, played to whoever asks."""

    def __init__(self, scenario: str, out: IO[bytes]) -> None:
        self.scenario = scenario
        self._out = out
        self._requests: queue.Queue[Request | None] = queue.Queue()
        self._cancelled: set[int] = set()

    def run(self, model: str, adapter: str | None) -> int:
        threading.Thread(target=self._listen, daemon=True).start()
        if self.scenario in ("never", "silent", "no-model", "taken"):
            return self._unable()
        self._log = Log()
        self._ready(model, adapter)
        while (request := self._requests.get()) is not None:
            for event in self._answer(request):
                self._say(event)
        if self.scenario == "hang":
            self._hang()
        return 0

    # --- pipes ----------------------------------------------------------------------------------------------------

    def _listen(self) -> None:
        for line in sys.stdin.buffer:
            try:
                request = decode_request(line)
            except ProtocolError:
                continue
            if isinstance(request, Cancel):
                self._cancelled.add(request.request)
            else:
                self._requests.put(request)
        self._requests.put(None)
        if self.scenario not in ("hang",):
            time.sleep(0.2)
            os._exit(0)

    def _say(self, event: Event) -> None:
        self._out.write(encode(event))

    def _ready(self, model: str, adapter: str | None) -> None:
        version = 999 if self.scenario == "other" else 1
        self._say(Ready(model, adapter, "scripted", CONTEXT, 120.0, model == "tiny", version))

    def _unable(self) -> int:
        match self.scenario:
            case "never":
                while True:
                    time.sleep(60)
            case "no-model":
                self._say(Failed(0, "there is no model folder nowhere", "give a folder, or 'tiny'"))
                return ExitCode.MODEL
            case "taken":
                self._say(Failed(0, "the engine is held by process 4242", "close the other app"))
                return ExitCode.BUSY
        return 0

    def _hang(self) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        while True:
            time.sleep(60)

    # --- answers --------------------------------------------------------------------------------------------------

    def _answer(self, request: Request) -> Iterator[Event]:
        match request:
            case Ask():
                yield from self._ask(request)
            case Reflect():
                yield from self._second_try(request.id, request.turn)
            case Versus():
                yield from self._versus(request)
            case Load():
                self._ready(request.model, request.adapter)
                yield Done(request.id)

    def _ask(self, ask: Ask) -> Iterator[Event]:
        if self.scenario == "oom":
            yield Failed(ask.id, "there is not enough memory", "begin a new chat, or take a smaller model")
            return
        if self.scenario == "overflow" and not ask.fit:
            yield Overflow(ask.id, 2100, CONTEXT, 2)
            return
        if self.scenario == "hang":
            self._hang()
        session = self._log.session(ask.conversation, ask)
        yield Started(ask.id, session, 102, CONTEXT, 2 if ask.fit else 0)
        if self.scenario == "garbage":
            for line in GARBAGE:
                self._out.write(line)
        checked = ask.info is not None
        text = self._text(checked)
        written = yield from self._span(ask.id, Span.ATTEMPT, text)
        made = self._made(written, text, VerdictKind.FAIL if checked else None, WRONG if checked else NOTHING)
        attempt = self._log.attempt(session, ask, made)
        turn = self._log.turn(session, ask, attempt)
        yield judged(ask.id, turn, attempt, Span.ATTEMPT, made)
        if checked and ask.reflect and ask.id not in self._cancelled:
            yield from self._second_try(ask.id, turn)
        else:
            yield Done(ask.id, turn, ask.id in self._cancelled, 120.0)

    def _second_try(self, id_: int, turn: int) -> Iterator[Event]:
        yield from self._span(id_, Span.REFLECTION, REFLECTION)
        yield Reflected(id_, turn, REFLECTION, 24, 0.4, FinishReason.STOP)
        written = yield from self._span(id_, Span.RETRY, RETRY)
        made = self._made(written, RETRY, VerdictKind.PASS, RIGHT)
        stop = FinishReason.STOP
        record = ReflectionRecord(0, REFLECTION, 24, stop, 7, retry=made, prompt="Why?", token_ids=pack_ids(range(24)))
        yield judged(id_, turn, self._log.reflection(turn, record), Span.RETRY, made)
        yield Done(id_, turn, id_ in self._cancelled, 120.0)

    def _versus(self, versus: Versus) -> Iterator[Event]:
        session = self._log.session(versus.conversation, versus)
        yield Started(versus.id, session, 40, CONTEXT)
        for arm, text in ((Arm.BASE, "The bare model says no."), (Arm.ADAPTER, "The adapter says yes.")):
            made = self._made((yield from self._span(versus.id, Span.ATTEMPT, text, arm)), text, None, NOTHING)
            yield judged(versus.id, 0, self._log.attempt(session, versus, made), Span.ATTEMPT, made, arm)
        yield Done(versus.id, 0, versus.id in self._cancelled, 120.0)

    def _made(self, written: str, text: str, verdict: VerdictKind | None, reason: str) -> TryRecord:
        """A try; one that was cut off has no verdict."""
        if len(written) < len(text):
            return tried(written, None, "stopped", FinishReason.CANCELLED)
        return tried(text, verdict, reason, FinishReason.STOP)

    def _text(self, checked: bool) -> str:
        match self.scenario:
            case "hostile":
                return HOSTILE
            case "huge":
                return "All work and no play. " * (5 * 2**20 // 22)
            case "flood":
                return "word " * 30_000
            case "steady":
                return f"{'A *sentence* of eight words and a `code`. ' * 5}\n\n- one\n- two\n\n" * 25
        return ATTEMPT if checked else SENTENCE

    def _span(self, id_: int, span: Span, text: str, arm: Arm = Arm.CURRENT) -> Generator[Event, None, str]:
        """The text word by word, in the scenario's way, as far as it got."""
        words = [text] if self.scenario == "huge" else text.split(" ")
        written = ""
        for number, word in enumerate(words, 1):
            if id_ in self._cancelled:
                return written
            grown = word if number == len(words) else f"{word} "
            written += grown
            yield Grew(id_, span, grown, number, arm)
            self._after(number, len(words))
        return written

    def _after(self, number: int, words: int) -> None:
        match self.scenario:
            case "slow":
                time.sleep(0.05)
            case "steady":
                time.sleep(1 / 60)
            case "flood" if number % 100 == 0:
                time.sleep(0.01)
            case "crash" if number == words // 2:
                os.kill(os.getpid(), signal.SIGKILL)
            case "bug" if number == words // 2:
                raise RuntimeError("a bug in the engine")


def judged(id_: int, turn: int, attempt: int, span: Span, made: TryRecord, arm: Arm = Arm.CURRENT) -> Judged:
    finish = made.finish_reason or FinishReason.STOP
    verdict = None if made.verdict is VerdictKind.ERROR else made.verdict
    return Judged(id_, span, turn, attempt, made.text, verdict, made.reason, 31, 0.5, finish, 164, arm)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("scenario")
    for flag in ("--model", "--adapter", "--backend"):
        parser.add_argument(flag)
    wanted = parser.parse_args()
    try:
        return Script(wanted.scenario, open(1, "wb", buffering=0)).run(wanted.model or "tiny", wanted.adapter)
    except RuntimeError:
        traceback.print_exc()
        return 1


if __name__ == "__main__":
    os._exit(main())  # the listening thread holds a lock that Python's own way out would wait for
