"""A verifier in a person's own Python file, called as TRL calls a reward function.

    def reward(completions, **columns) -> list[float | None]

One reply is a batch of one: `completions` is `[[{"role": "assistant", "content": reply}]]`, `prompts` is the row's `prompt` as one
conversation, and every column of the row is a list with its one value. A score of `threshold` or more is a pass. What is not a
finite number (None, an exception, no answer in time) is an error of the verifier, never a fail. The file is read once per child
process: an edit counts from the next one on, while the task's fingerprint keeps the file's hash from when the task was loaded.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from pathlib import Path

from rrr_local.episode import Verdict, VerdictKind
from rrr_local.errors import UsageError
from rrr_local.text import sanitize
from rrr_local.verifiers.arithmetic import last_answer
from rrr_local.verifiers.worker import Broken, TooSlow, Worker

THRESHOLD = 1.0
TOLERANCE = 1e-6
"""What a score may lack of the threshold: sums of floats do."""
DEADLINE_S = 10.0
TAKEN = ("completions", "prompts", "completion", "completion_ids")
"""Names that a column must not have: TRL gives these to the function itself."""


class PythonCheck:
    """A `Check` that asks a function."""

    kind = "python"

    def __init__(self, target: str, folder: Path, deadline: float = DEADLINE_S, threshold: float = THRESHOLD) -> None:
        """`target` is `file.py:function`, the file within `folder`; `deadline` in seconds.

        Raises `UsageError` when there is no such file. The function itself is looked for at the first reply.
        """
        self._worker = Worker(target, folder, deadline)
        self._threshold = threshold
        source = target.partition(":")[0]
        path = folder / source
        if not (source.endswith(".py") and path.is_file()):
            raise UsageError(
                f"there is no file {source} in {folder}", 'write python = "file.py:function", as seen from there'
            )
        self.configuration: Mapping[str, object] = {
            "kind": self.kind,
            "python": target,
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            "threshold": threshold,
        }

    def judge(self, reply: str, row: Mapping[str, object]) -> Verdict:
        """The function's verdict on one reply. Never raises; takes at most the deadline, and 30 s more at the first call."""
        columns = {name: [value] for name, value in row.items() if name != "prompt"}
        completion = [[{"role": "assistant", "content": reply}]]
        try:
            scores = self._worker.call(prompts=[_conversation(row)], completions=completion, **columns)
        except (Broken, TooSlow) as error:
            return Verdict(VerdictKind.ERROR, sanitize(str(error), 300))
        return self._verdict(scores, last_answer(reply))

    def check_row(self, row: Mapping[str, object]) -> None:
        """Raises `UsageError` for a column that has one of TRL's own names."""
        for name in TAKEN:
            if name in row:
                raise UsageError(
                    f"a column is called {name!r}", "rename it: the verifier gets the reply under this name"
                )

    def close(self) -> None:
        """End the verifier's process."""
        self._worker.close()

    def _verdict(self, scores: object, answer: str | None) -> Verdict:
        if not isinstance(scores, list) or len(scores) != 1:
            what = f"a list of {len(scores)}" if isinstance(scores, list) else f"a {type(scores).__name__}"
            return Verdict(VerdictKind.ERROR, f"the verifier returned {what}, not a list with one score", answer)
        score = scores[0]
        if score is None:
            return Verdict(VerdictKind.ERROR, "the verifier gave no score for this reply", answer)
        if not isinstance(score, int | float) or not math.isfinite(score):
            return Verdict(
                VerdictKind.ERROR, f"the verifier's score is {sanitize(repr(score), 40)}, not a number", answer
            )
        if score >= self._threshold - TOLERANCE:
            return Verdict(VerdictKind.PASS, f"the verifier gave {float(score):g}", answer)
        return Verdict(VerdictKind.FAIL, f"the verifier gave {float(score):g}, {self._threshold:.3g} passes", answer)


def _conversation(row: Mapping[str, object]) -> object:
    """The row's prompt as TRL hands it over: a list of messages."""
    prompt = row.get("prompt")
    if isinstance(prompt, list):
        return prompt
    return [] if prompt is None else [{"role": "user", "content": str(prompt)}]
