"""A question in a person's own words, with the answer they expect where they know it: what `rrr ask TEXT` asks.

It is a task without problems of its own. Without an expected answer there is nothing to check a reply against; the verdict is
then `error`, which is neither reflected on nor trained on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rrr_local.episode import Opening, Problem, Split, Verdict, VerdictKind
from rrr_local.errors import NotFoundError, UsageError
from rrr_local.tasks.base import Prompts, content_hash
from rrr_local.text import storable
from rrr_local.verifiers.text import judge_text

NAME = "question"
FAILED = "Your answer was wrong."
PROMPTS = Prompts(
    reflect=f"{FAILED} Reflect on what went wrong and write a short explanation that will help you do better next time.",
    retry="Now try again.",
    plain_retry=f"{FAILED} Now try again.",
)


class Question:
    """Problems have the form {"prompt": "…", "expect": "…"}; `expect` may be missing."""

    name = NAME
    source = NAME
    version = 1
    configuration: Mapping[str, object] = {}
    prompts = PROMPTS

    def problems(self, split: Split) -> Sequence[Problem]:
        raise NotFoundError(f"the task {NAME} has no problems of its own", "choose another; `rrr tasks` lists them")

    def parse_problem(self, info: Mapping[str, object]) -> Problem:
        prompt, expect = info.get("prompt"), info.get("expect")
        if not isinstance(prompt, str) or not prompt.strip() or not isinstance(expect, str | None):
            raise UsageError(
                "not a question", 'give {"prompt": "What is 3 * 7?", "expect": "21"}; expect may be missing'
            )
        known = {"prompt": storable(prompt)} | ({} if expect is None else {"expect": storable(expect)})
        return Problem(known["prompt"], known, content_hash(known), Split.PRACTICE)

    def opening(self, problem: Problem) -> Opening:
        return Opening(problem.prompt)

    def verify(self, problem: Problem, reply: str) -> Verdict:
        if "expect" not in problem.info:
            return Verdict(VerdictKind.ERROR, "there is nothing to check the reply against")
        return judge_text(reply, str(problem.info["expect"]))
