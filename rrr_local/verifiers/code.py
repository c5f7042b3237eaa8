"""The reply is Python, and the row has tests for it.

    reply ── the last code block, else <answer>, else all of it ── sandbox ── the row's tests ── verdict

| option | what it says | default |
|---|---|---|
| `tests` | the column with the tests | `tests` |
| `setup` | a column with Python that runs before code and tests: imports, helpers | none |
| `provider` | the sandbox: `auto`, `monty` or `process` | `auto` |
| `seconds` | wall time for the code and all its tests | 10 |
| `memory_mb` | memory of the code | 512 |
| `unsafe` | run without walls where nothing contains the code | false |

A test is text (Python that raises where it does not hold, usually `assert f(1) == 2`) or `{"call": "f(1)", "expect": 2}`; a column holds
one, a list, or a list as JSON text. With `expect` lists and tuples are the same. No test may use a name of Python's own (`sum`, `max`) for
what the code shall define: it keeps its meaning. The code gets no files and no network; what it prints is thrown away.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence

from rrr_local.episode import Verdict, VerdictKind
from rrr_local.text import sanitize
from rrr_local.verifiers.arithmetic import TAIL, last_answer
from rrr_local.verifiers.options import Options, column, unusable
from rrr_local.verifiers.sandbox.base import Limits, Outcome
from rrr_local.verifiers.sandbox.choose import NAMES, choose

FENCE = "```"
PYTHON = ("python", "py", "python3", "")
"""What may stand behind the fence of a block that is taken for Python."""
LOOKS_LIKE_CODE = re.compile(r"^(?:async +def|def|class|import|from|\w+ *=)", re.MULTILINE)
AS_JSON = """
def as_json(value):
    if isinstance(value, (list, tuple)):
        return [as_json(item) for item in value]
    if isinstance(value, dict):
        return {str(key): as_json(item) for key, item in value.items()}
    return value
"""
"""How a value is compared with an `expect`; runs in the sandbox."""
LEAST_MEMORY_MB = 64
"""Less than this an interpreter does not start in."""
KINDS: Mapping[Outcome, VerdictKind] = {
    Outcome.PASSED: VerdictKind.PASS,
    Outcome.FAILED: VerdictKind.FAIL,
    Outcome.TIMEOUT: VerdictKind.TIMEOUT,
    Outcome.BROKEN: VerdictKind.ERROR,
}
HOW = 'write "assert f(1) == 2", {"call": "f(1)", "expect": 2}, or a list of these'


class CodeCheck:
    """A `Check` that runs the reply."""

    kind = "code"

    def __init__(
        self,
        tests: str = "tests",
        setup: str | None = None,
        provider: str = "auto",
        seconds: float = 10.0,
        memory_mb: int = 512,
        unsafe: bool = False,
    ) -> None:
        """Raises `UsageError` where nothing on this machine contains the code, unless the person says `unsafe`."""
        self._sandbox = choose(provider, unsafe)
        self._limits = Limits(seconds, memory_mb)
        self._tests = tests
        self._setup = setup
        self.unsafe = unsafe
        """Whether a model's code runs without walls; to be shown wherever the task is."""
        self.configuration: Mapping[str, object] = {
            "kind": self.kind,
            "tests": tests,
            "setup": setup,
            "provider": provider,
            "seconds": seconds,
            "memory_mb": memory_mb,
            "unsafe": unsafe,
        }

    @classmethod
    def read(cls, options: Options) -> CodeCheck:
        """The check that a [check] table describes. Raises `UsageError`."""
        seconds, memory_mb = options.amount("seconds", 10.0), options.amount("memory_mb", 512)
        if seconds <= 0:
            raise options.wrong("seconds", "a number above 0")
        if memory_mb < LEAST_MEMORY_MB:
            raise options.wrong("memory_mb", f"a number from {LEAST_MEMORY_MB}")
        return cls(
            tests=options.text("tests", "tests"),
            setup=options.text("setup") if options.has("setup") else None,
            provider=options.choice("provider", NAMES),
            seconds=seconds,
            memory_mb=int(memory_mb),
            unsafe=options.flag("unsafe", False),
        )

    def judge(self, reply: str, row: Mapping[str, object]) -> Verdict:
        """The verdict on one reply. Never raises for anything in it; takes at most `seconds` and the start of two interpreters."""
        code = code_in(reply)
        if code is None:
            return Verdict(VerdictKind.UNPARSED, "no code found")
        tests = _tests(row, self._tests)
        setup = "" if self._setup is None else str(row.get(self._setup) or "")
        done = self._sandbox.run(code, tests, self._limits, setup + AS_JSON if _expects(tests) else setup)
        note = " (run without a sandbox)" if self.unsafe else ""
        return Verdict(KINDS[done.outcome], sanitize(done.detail, 400) + note, code)

    def check_row(self, row: Mapping[str, object]) -> None:
        """Raises `UsageError` where the tests or the setup are missing or in no form that can be run."""
        _tests(row, self._tests)
        if self._setup is not None and not isinstance(row.get(self._setup, ""), str):
            raise unusable(self._setup, row[self._setup], "is no text", "write Python, or leave it empty")


def code_in(reply: str) -> str | None:
    """The Python of a reply: its last closed code block, else its last `<answer>`, else all of it if it looks like code.

    Reads text only, the last 100,000 characters of it: nothing is parsed here, since a hostile text can end a parser.
    """
    tail = reply[-TAIL:]
    blocks = _blocks(tail)
    if blocks:
        return blocks[-1]
    answer = last_answer(tail)
    if answer is not None:
        return answer.strip() or None
    return tail if LOOKS_LIKE_CODE.search(tail) and FENCE not in tail else None


def _blocks(text: str) -> list[str]:
    """The closed blocks of Python in a text that are not empty."""
    found: list[str] = []
    open_block: list[str] | None = None
    language = ""
    for written in text.splitlines():
        stripped = written.strip()
        if open_block is None:
            if stripped.startswith(FENCE):
                open_block, language = [], stripped.removeprefix(FENCE).strip().lower()
        elif stripped == FENCE:
            block = "\n".join(open_block)
            if language in PYTHON and block.strip():
                found.append(block)
            open_block = None
        else:
            open_block.append(written)
    return found


def _tests(row: Mapping[str, object], name: str) -> list[str]:
    """A row's tests as Python. Raises `UsageError` that names the column."""
    value = column(row, name)
    if isinstance(value, str) and value.lstrip().startswith(("[", "{")):
        try:
            value = json.loads(value)
        except ValueError as error:
            raise unusable(name, value, "is no JSON", HOW) from error
    tests = value if isinstance(value, list) else [value]
    if not tests:
        raise unusable(name, value, "has no test", HOW)
    return [_test(test, name) for test in tests]


def _test(test: object, name: str) -> str:
    match test:
        case str() if test.strip():
            return test
        case {"call": str(call), "expect": expect, **more} if not more:
            try:
                json.dumps(expect, allow_nan=False)
            except ValueError as error:
                raise unusable(name, expect, "is no number that can be compared", HOW) from error
            return f"assert as_json({call}) == {expect!r}"
        case _:
            raise unusable(name, test, "is no test", HOW)


def _expects(tests: Sequence[str]) -> bool:
    return any("as_json(" in test for test in tests)
