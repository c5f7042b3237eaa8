"""The model's own chat format, as token ids of single turns.

Turns are taken from the chat template by rendering a small conversation around a marker and cutting it there. So no history is
ever rendered again (templates rewrite it: Qwen3 strips earlier thinking), and what a person or a model wrote is encoded as plain
text: a `<|im_end|>` in it cannot end a turn.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jinja2 import TemplateError

from rrr_local.episode import Opening
from rrr_local.errors import ModelError

MARK = "\u241eMARK\u241e"
"""Stands for a message's content while the template is cut up; never shown to a model."""


class ChatTemplate:
    """`backends.base.Chat` on a Hugging Face tokenizer."""

    def __init__(self, tokenizer: Any, stop_tokens: frozenset[int]) -> None:
        """`stop_tokens` are the ids that end the model's turn."""
        if not tokenizer.chat_template:
            raise ModelError("the model's tokenizer has no chat template", "choose an instruction-tuned model")
        self._tokenizer = tokenizer
        self.stop_tokens = stop_tokens
        self._before_first, self._after_user = self._cut_opening()
        self._between, self._closing = self._cut_turn()

    def opening(self, opening: Opening) -> list[int]:
        return [*self._before_first, *self._plain(opening.user), *self._after_user]

    def turn(self, user: str, *, after_stop: bool) -> list[int]:
        closing = [] if after_stop else self._closing
        return [*closing, *self._between, *self._plain(user), *self._after_user]

    def decode(self, tokens: Sequence[int]) -> str:
        text = self._tokenizer.decode([t for t in tokens if t not in self.stop_tokens], skip_special_tokens=False)
        return str(text)

    def _cut_opening(self) -> tuple[list[int], list[int]]:
        """What stands before the first user message and after any user message."""
        before, after = self._render([{"role": "user", "content": MARK}], 1)
        return self._control(before), self._control(after)

    def _cut_turn(self) -> tuple[list[int], list[int]]:
        """What stands between the assistant's stop token and the next user message, and that stop token."""
        messages = [{"role": role, "content": MARK} for role in ("user", "assistant", "user")]
        ids = self._control(self._render(messages, 3)[2])
        stop = next((i for i, token in enumerate(ids) if token in self.stop_tokens), None)
        if stop is None:
            raise ModelError(
                "the chat template does not end the assistant's turn with a stop token", "choose another model"
            )
        return ids[stop + 1 :], ids[: stop + 1]

    def _render(self, messages: list[dict[str, str]], marks: int) -> list[str]:
        """The template's text around each mark."""
        try:
            text = self._tokenizer.apply_chat_template(
                messages, tokenize=False, add_generation_prompt=True, enable_thinking=False
            )
        except TemplateError as error:
            raise ModelError(f"the chat template failed ({error})", "choose another model") from error
        parts = str(text).split(MARK)
        if len(parts) != marks + 1:
            raise ModelError("the chat template drops or repeats messages", "choose another model")
        return parts

    def _control(self, text: str) -> list[int]:
        """Ids of template text: control tokens are control tokens."""
        return list(self._tokenizer.encode(text, add_special_tokens=False))

    def _plain(self, text: str) -> list[int]:
        """Ids of content: control tokens in it are ordinary text."""
        return list(self._tokenizer.encode(text.strip(), add_special_tokens=False, split_special_tokens=True))
