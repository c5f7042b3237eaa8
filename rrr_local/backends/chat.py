"""The model's own chat format, as token ids of single turns.

    opening   the template, rendered once with a mark in place of each message   ──┐ marks become the messages, and what
    turn      the template's text between two messages, cut out of such a rendering ──┘ the template wrote becomes control tokens

No history is ever rendered again (templates rewrite it: Qwen3 strips earlier thinking). What a person, a file or a model wrote is
encoded as plain text: a `<|im_end|>` in it cannot end a turn. The control tokens are the tokenizer's special tokens and those added
tokens that the template writes. Where the text has none of them, the ids are exactly those of `apply_chat_template`.

Templates differ in what they can hold, and a model should see what it was trained on:

    tools      the template's own format; where it has none, `WITHOUT_TOOLS` in the last message (`verifiers/call_formats.py` reads either)
    system     where the template refuses or drops it, it goes in front of the next message of the user
    today      is `TODAY` for good: logged ids are compared with what is rendered later
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import cached_property
from itertools import accumulate, pairwise
from typing import Any

from jinja2 import TemplateError

from rrr_local.episode import Message, Opening
from rrr_local.errors import ModelError

_SIGN = "\u241e"
MARK = f"{_SIGN}{{}}{_SIGN}"
"""Stands for the message of that number while the template is rendered; never shown to a model."""
CUT = f"{_SIGN}CUT{_SIGN}"
"""Stands inside a control token's text in a tool, so that it stays text; never shown to a model."""
TODAY = datetime(2024, 7, 26)
"""What templates are told today is: the date that Llama 3's name themselves where they know none."""
WITHOUT_TOOLS = (
    "You can call these functions:\n{tools}\n\n{request}\n\n"
    "Answer with the calls that are needed, as a JSON list in <answer> </answer> tags, for example "
    '<answer>[{{"name": "function", "arguments": {{"parameter": "value"}}}}]</answer>'
)
"""The last message where the template has no tools of its own: a JSON schema a line, then the request."""
_DATE_SIGNS = ("-d", "-m", *"aAbBdHIjmMpSyY")
"""What a date's format may ask for."""
_PROBE: dict[str, object] = {"name": "rrr_probe", "description": "", "parameters": {"type": "object", "properties": {}}}
_TEMPLATE_ERRORS = (TemplateError, ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""What a template raises by itself, and what the Python in it does."""
_MARKS = re.compile(f"({MARK.format('[0-9]+')}|{CUT})")


class ChatTemplate:
    """`backends.base.Chat` on a Hugging Face tokenizer."""

    def __init__(self, tokenizer: Any, stop_tokens: frozenset[int]) -> None:
        """`stop_tokens` are the ids that end the model's turn."""
        if not tokenizer.chat_template:
            raise ModelError("the model's tokenizer has no chat template", "choose an instruction-tuned model")
        self._tokenizer = tokenizer
        self.stop_tokens = stop_tokens
        self._control = _control_tokens(tokenizer)
        self._control_ids = frozenset(self._control.values())
        self._risky = _pattern(self._control)
        self._risky_in_tools = _pattern([*self._control, _SIGN])
        self._user_turn = self._cut_turn()
        self._stop_at(self._encoded(self._user_turn, [""]))

    def opening(self, opening: Opening) -> list[int]:
        if opening.tools and not self._has_tools:
            opening = _with_tools_as_text(opening)
        messages = [*opening.before, Message("user", opening.user)]
        parts = self._parts(messages, opening.tools)
        if parts is None and any(message.role == "system" for message in messages):
            messages = _without_system(messages)
            parts = self._parts(messages, opening.tools)
        if parts is None:
            raise ModelError("the chat template drops or repeats messages", "choose another model")
        return self._encoded(parts, [message.content.strip() for message in messages])

    def turn(self, user: str, *, after_stop: bool) -> list[int]:
        tokens = self._encoded(self._user_turn, [user.strip()])
        return tokens[self._stop_at(tokens) + 1 :] if after_stop else tokens

    def decode(self, tokens: Sequence[int]) -> str:
        text = self._tokenizer.decode([t for t in tokens if t not in self.stop_tokens], skip_special_tokens=False)
        return str(text)

    # --- the template ---------------------------------------------------------------------------------------------

    @cached_property
    def _has_tools(self) -> bool:
        """Whether the template shows tools to the model."""
        try:
            return "rrr_probe" in self._render(["user"], [{"type": "function", "function": _PROBE}])
        except ModelError:
            return False

    def _parts(self, messages: Sequence[Message], tools: Sequence[Mapping[str, object]]) -> list[str | int] | None:
        """The template's text, cut at control tokens' text in tools, with a message's number where it stands.

        None where the template refuses a system message, or drops or repeats a message.
        """
        try:
            text = self._render([message.role for message in messages], [self._harmless(tool) for tool in tools])
        except ModelError:
            if any(message.role == "system" for message in messages):
                return None
            raise
        marks = {MARK.format(number): number for number in range(len(messages))}
        parts = [marks.get(part, part) for part in _MARKS.split(text) if part != CUT]
        return parts if sorted(part for part in parts if isinstance(part, int)) == list(marks.values()) else None

    def _cut_turn(self) -> list[str | int]:
        """What stands after the assistant's words, a user message, and what stands after that."""
        parts = self._parts([Message(role, "") for role in ("user", "assistant", "user")], ())
        if parts is None or parts[1::2] != [0, 1, 2]:
            raise ModelError("the chat template drops or repeats messages", "choose another model")
        return [parts[4], 0, parts[6]]

    def _stop_at(self, tokens: Sequence[int]) -> int:
        """Where the assistant's turn ends."""
        stop = next((i for i, token in enumerate(tokens) if token in self.stop_tokens), None)
        if stop is None:
            raise ModelError(
                "the chat template does not end the assistant's turn with a stop token", "choose another model"
            )
        return stop

    def _render(self, roles: Sequence[str], tools: Sequence[Mapping[str, object]]) -> str:
        """The template's text with marks for messages, up to where the assistant speaks."""
        try:
            text = self._tokenizer.apply_chat_template(
                [{"role": role, "content": MARK.format(number)} for number, role in enumerate(roles)],
                tools=list(tools) or None,
                tokenize=False,
                add_generation_prompt=True,
                enable_thinking=False,
                chat_template=_dated(self._tokenizer.get_chat_template(tools=list(tools) or None)),
            )
        except _TEMPLATE_ERRORS as error:
            raise ModelError(f"the chat template failed ({error})", "choose another model") from error
        return str(text)

    # --- from text to ids -----------------------------------------------------------------------------------------

    def _encoded(self, parts: Sequence[str | int], contents: Sequence[str]) -> list[int]:
        """Ids of template text and of the contents it has numbers for; only in the former are control tokens control tokens.

        All of it is encoded together, as the template's own ids are: tokens may reach across the ends of a message.
        """
        pieces, control = self._pieces(parts, contents)
        tokens = [token for piece in pieces for token in self._ids(piece)]
        if [token for token in tokens if token in self._control_ids] == control:
            return tokens
        # The tokenizer's normalizer makes control tokens of other text: what was written is encoded on its own then.
        return [
            token
            for part in parts
            for token in (self._ids(part) if isinstance(part, str) else self._ids(contents[part], plain=True))
        ]

    def _pieces(self, parts: Sequence[str | int], contents: Sequence[str]) -> tuple[list[str], list[int]]:
        """The whole text, cut inside each control token's text that the template did not write in one part, and the
        control tokens that are left in it."""
        texts = [part if isinstance(part, str) else contents[part] for part in parts]
        starts = list(accumulate(map(len, texts), initial=0))
        written = [span for span, part in zip(pairwise(starts), parts, strict=True) if isinstance(part, str)]
        whole, cuts, control, read = "".join(texts), [0], [], 0
        for found in self._risky.finditer(whole):
            first, last = found.span(1)
            if not any(begin <= first and last <= end for begin, end in written):
                cuts.append(first + 1)
            elif first >= read:  # of control tokens that overlap, a tokenizer takes the first
                control.append(self._control[found[1]])
                read = last
        return [whole[begin:end] for begin, end in pairwise([*cuts, len(whole)])], control

    def _ids(self, text: str, *, plain: bool = False) -> list[int]:
        """Ids of a text; `plain`: no special token among them."""
        return list(self._tokenizer.encode(text, add_special_tokens=False, split_special_tokens=plain))

    def _harmless(self, value: Any) -> Any:
        """A JSON value with a cut in each text that a control token or a mark has, keys included."""
        if isinstance(value, str):
            starts = [0, *(found.start() + 1 for found in self._risky_in_tools.finditer(value)), len(value)]
            return CUT.join(value[begin:end] for begin, end in pairwise(starts))
        if isinstance(value, Mapping):
            return {self._harmless(key): self._harmless(each) for key, each in value.items()}
        return [self._harmless(each) for each in value] if isinstance(value, list | tuple) else value


def _control_tokens(tokenizer: Any) -> dict[str, int]:
    """Text and id of the special tokens, and the added tokens that the template writes, such as Qwen's `<tool_call>`."""
    template = tokenizer.chat_template
    source = template if isinstance(template, str) else "".join(template.values())  # several, by name
    control = {str(tokenizer.convert_ids_to_tokens(token)): int(token) for token in tokenizer.all_special_ids}
    for token, added in tokenizer.added_tokens_decoder.items():
        if added.special or (added.content.strip() and added.content in source):
            control[added.content] = int(token)
    return control


def _pattern(texts: Iterable[str]) -> re.Pattern[str]:
    """Where one of the texts begins; group 1 is the longest that does. Looks ahead, so that none hides another."""
    known = sorted(set(texts), key=len, reverse=True)
    if not known:
        return re.compile("(?!)")  # nowhere
    firsts = "".join(sorted({re.escape(text[0]) for text in known}))
    return re.compile(f"(?=[{firsts}])(?=({'|'.join(map(re.escape, known))}))")


def _dated(template: str) -> str:
    """A template for which it is always `TODAY`: transformers gives it the real date, and takes no function in its place."""
    if "strftime_now" not in template:
        return template
    parts = "".join(f" | replace('%{sign}', '{TODAY.strftime(f'%{sign[-1]}')}')" for sign in _DATE_SIGNS)
    return f"{{% macro strftime_now(format) %}}{{{{ format{parts} }}}}{{% endmacro %}}\n{template}"


def _with_tools_as_text(opening: Opening) -> Opening:
    """For a template that has no tools."""
    tools = "\n".join(json.dumps(tool.get("function", tool), ensure_ascii=False) for tool in opening.tools)
    return replace(opening, user=WITHOUT_TOOLS.format(tools=tools, request=opening.user.strip()), tools=())


def _without_system(messages: Sequence[Message]) -> list[Message]:
    """The messages with each system message in front of the user's message that follows it."""
    kept: list[Message] = []
    waiting: list[str] = []
    for message in messages:
        if message.role == "system":
            waiting.append(message.content.strip())
        elif message.role == "user" and waiting:
            kept.append(Message("user", "\n\n".join([*waiting, message.content])))
            waiting = []
        else:
            kept.append(message)
    return kept
