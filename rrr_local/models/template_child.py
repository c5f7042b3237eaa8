"""The process that renders a chat template: `python -I template_child.py` with {"template", "seconds", "bytes"} on standard input.

It imports jinja2 and nothing of ours, limits itself before it looks at the template, and prints `ok` at the end. Anything else, a
traceback or a signal, means that the template cannot be used.
"""

from __future__ import annotations

import json
import resource
import sys
from contextlib import suppress
from datetime import datetime
from typing import Any

from jinja2 import nodes
from jinja2.exceptions import TemplateError
from jinja2.ext import Extension, loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

USER, ASSISTANT = {"role": "user", "content": "What is 3 * 7?"}, {"role": "assistant", "content": "21"}
SYSTEM = {"role": "system", "content": "Be brief."}
TOOL = {
    "type": "function",
    "function": {"name": "add", "description": "Add.", "parameters": {"type": "object", "properties": {}}},
}
LATER: tuple[dict[str, Any], ...] = (
    {"messages": [USER, ASSISTANT, USER]},
    {"messages": [SYSTEM, USER]},
    {"messages": [USER], "tools": [TOOL]},
)
"""What may be asked of a template after a single question. It may refuse (`raise_exception('no system role')`): that is an end."""
REFUSALS = (TemplateError, TypeError, ValueError, LookupError, AttributeError, ArithmeticError)
LONGEST = 10**6
"""Characters of one rendering."""


class Generation(Extension):
    """`{% generation %}` marks what the assistant wrote; here it is only text."""

    tags = {"generation"}  # noqa: RUF012 (jinja2's own declaration)

    def parse(self, parser: Any) -> nodes.Node:
        line = next(parser.stream).lineno
        return nodes.Scope(parser.parse_statements(("name:endgeneration",), drop_needle=True), lineno=line)


def environment() -> ImmutableSandboxedEnvironment:
    """Jinja as transformers sets it up for a chat template."""
    made = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[Generation, loopcontrols])
    made.filters["tojson"] = to_json
    made.globals["raise_exception"] = raise_exception
    made.globals["strftime_now"] = lambda form: datetime.now().strftime(form)
    return made


def to_json(value: object, ensure_ascii: bool = False, **options: Any) -> str:
    """Without the escapes for HTML that jinja2's own filter puts in."""
    return json.dumps(value, ensure_ascii=ensure_ascii, **options)


def raise_exception(message: str) -> None:
    """What templates call to refuse a conversation."""
    raise TemplateError(message)


def limit(kind: int, most: int) -> None:
    """Lower a limit of this process; macOS takes none on addresses, and then the deadline outside has to do."""
    hard = resource.getrlimit(kind)[1]
    with suppress(OSError, ValueError):
        resource.setrlimit(kind, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))


def render(template: Any, **given: Any) -> None:
    """Render once; raises `MemoryError` for more text than any conversation has."""
    text = template.render(
        tools=given.pop("tools", None), add_generation_prompt=True, bos_token="", eos_token="", **given
    )
    if len(text) > LONGEST:
        raise MemoryError(f"{len(text)} characters for a short question")


def main() -> None:
    asked = json.load(sys.stdin)
    limit(resource.RLIMIT_CPU, asked["seconds"])
    limit(resource.RLIMIT_AS, asked["bytes"])
    template = environment().from_string(asked["template"])
    render(template, messages=[USER])
    for given in LATER:
        with suppress(*REFUSALS):
            render(template, **given)
    print("ok")


if __name__ == "__main__":
    main()
