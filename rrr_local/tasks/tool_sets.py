"""Synthetic function-calling problems: made-up tools, requests in plain words, and the calls that are right.

    tool     = verb x object, for example share_invoice; its parameters are the object's (number) and the verb's (person, can_edit)
    request  = "Please share the invoice with number 4021 with Maria Lopez, without the right to edit."
    call     = {"name": "share_invoice", "arguments": {"number": 4021, "person": "Maria Lopez", "can_edit": false}}

Every value of a right call stands in the request: texts and numbers literally, a choice by its word, yes or no by a phrase of its
own. What the request does not mention is not in the call. Which parameters there are and how they are spoken of is in
`tool_words.py`. Nothing here is more than a drill: real tools have worse names and vaguer requests.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

from rrr_local.tasks.tool_words import OBJECTS, VERBS, Object, Parameter, Verb

OFFERED = (22, 25, 20, 13, 9, 6, 3, 2)
"""How often 1, 2, … 8 tools are offered; 2.9 on average, as in the paper's data (2.8)."""
CALLED = (60, 28, 12)
"""How often 1, 2 or 3 calls are right."""
SPLIT_SEED = 2505
EVAL_TOOLS = 100

ONE = ("{0}.", "Please {0}.", "Could you {0}?", "I need you to {0}.", "{0}, please.")
TWO = ("{0}. Also {1}.", "Please {0}, and {1}.", "Could you {0}? And {1}, please.")
THREE = ("I need three things: {0}; {1}; {2}.", "{0}. Please also {1}, and {2}.", "Please {0}, {1}, and {2}.")
PATTERNS = {1: ONE, 2: TWO, 3: THREE}


@dataclass(frozen=True, slots=True)
class Tool:
    """A function that can be offered."""

    verb: Verb
    target: Object

    @property
    def name(self) -> str:
        return f"{self.verb.word}_{self.target.word}"

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        return (*self.target.parameters, *self.verb.parameters)

    def schema(self) -> dict[str, object]:
        """The tool as a problem offers it."""
        parameters = {
            "type": "object",
            "properties": {each.name: each.schema for each in self.parameters},
            "required": [each.name for each in self.parameters if each.required],
        }
        description = f"{self.verb.word.capitalize()} {self.target.article} {self.target.word}."
        return {"name": self.name, "description": description, "parameters": parameters}


def all_tools() -> list[Tool]:
    """Every tool there is, always in the same order."""
    return [Tool(verb, thing) for verb, thing in product(VERBS, OBJECTS)]


def split_tools() -> tuple[list[Tool], list[Tool]]:
    """The tools of train problems and those of eval problems: none is in both."""
    tools = all_tools()
    random.Random(SPLIT_SEED).shuffle(tools)
    return tools[EVAL_TOOLS:], tools[:EVAL_TOOLS]


def generate(seed: int, tools: Sequence[Tool]) -> Iterator[dict[str, object]]:
    """An endless stream of problems in the task's JSON form, no two with the same request; of at least 3 tools."""
    rng = random.Random(seed)
    seen: set[str] = set()
    while True:
        problem = draw(rng, tools)
        request = str(problem["request"])
        if request not in seen:
            seen.add(request)
            yield problem


def draw(rng: random.Random, tools: Sequence[Tool]) -> dict[str, object]:
    """One problem that offers 1 to 8 of the tools and asks for 1 to 3 calls."""
    called = _called(rng, tools)
    spoken = [_spoken_call(rng, tool) for tool in called]
    pattern = rng.choice(PATTERNS[len(spoken)])
    request = pattern.format(*(clause for clause, _ in spoken))
    offered = _offered(rng, tools, list(dict.fromkeys(called)))
    return {
        "request": _capitalised(request),
        "tools": [tool.schema() for tool in offered],
        "calls": [
            {"name": tool.name, "arguments": arguments} for tool, (_, arguments) in zip(called, spoken, strict=True)
        ],
    }


def _called(rng: random.Random, tools: Sequence[Tool]) -> list[Tool]:
    """The tools that are to be called, the same one several times now and then."""
    count = rng.choices(range(1, len(CALLED) + 1), CALLED)[0]
    return [rng.choice(tools)] * count if rng.random() < 0.3 else rng.sample(tools, count)


def _offered(rng: random.Random, tools: Sequence[Tool], called: list[Tool]) -> list[Tool]:
    """The called tools among others, in any order; half of the others share a word with one that is called."""
    offered = list(called)
    wanted = max(len(called), rng.choices(range(1, len(OFFERED) + 1), OFFERED)[0])
    while len(offered) < min(wanted, len(tools)):
        near = [t for t in tools if any(t.verb is c.verb or t.target is c.target for c in called)]
        other = rng.choice(near if near and rng.random() < 0.5 else tools)
        if other not in offered:
            offered.append(other)
    rng.shuffle(offered)
    return offered


def _spoken_call(rng: random.Random, tool: Tool) -> tuple[str, dict[str, object]]:
    """A request for one call, without its full stop, and the call's arguments."""
    said: dict[str, str] = {}
    arguments: dict[str, object] = {}
    for parameter in tool.parameters:
        if parameter.required or rng.random() < 0.5:
            value = parameter.draw(rng)
            arguments[parameter.name] = value
            said[parameter.name] = rng.choice(parameter.phrases(value))
    about = " and ".join(said[each.name] for each in tool.target.parameters if each.name in said)
    how = ", ".join(said[each.name] for each in tool.verb.parameters if each.name in said)
    return f"{tool.verb.word} the {tool.target.word} {about} {how}".strip(), arguments


def _capitalised(text: str) -> str:
    return text[0].upper() + text[1:]
