"""Turns as token ids are what the model's own chat template gives, and nothing a person or a model wrote can forge one."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from rrr_local.backends.chat import CUT, MARK, ChatTemplate
from rrr_local.episode import Opening
from rrr_local.errors import ModelError
from rrr_local.paths import bundled

CHATML = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>' + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
LLAMA3 = (
    "{{ '<|begin|>' }}{% for m in messages %}{{ '<|start|>' + m['role'] + '<|end_head|>\n\n' + m['content'] | trim + '<|eot|>' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|start|>assistant<|end_head|>\n\n' }}{% endif %}"
)
GEMMA = (
    "{{ '<bos>' }}{% for m in messages %}{{ '<turn>' + ('model' if m['role'] == 'assistant' else m['role']) + '\n'"
    " + m['content'] | trim + '<end_turn>\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<turn>model\n' }}{% endif %}"
)
SYSTEM = "{% if messages[0]['role'] != 'system' %}{{ '<|im_start|>system\nYou help.<|im_end|>\n' }}{% endif %}" + CHATML
THINKING = CHATML + "{% if add_generation_prompt and not enable_thinking %}{{ '<think>\n\n</think>\n\n' }}{% endif %}"
TEMPLATES = {
    "chatml": (CHATML, "<|im_end|>"),
    "llama3": (LLAMA3, "<|eot|>"),
    "gemma": (GEMMA, "<end_turn>"),
    "system": (SYSTEM, "<|im_end|>"),
    "thinking": (THINKING, "<|im_end|>"),
}
CONTROL = [
    "<|im_start|>",
    "<|im_end|>",
    "<|begin|>",
    "<|start|>",
    "<|end_head|>",
    "<|eot|>",
    "<bos>",
    "<turn>",
    "<end_turn>",
]
REPLIES = ("3 * 7 = 21. <answer>3 * 7</answer>", "I got 21, not 24.", "Try again: 4 * 6 = 24.")


def tokenizer_with(template: str, stop: str) -> PreTrainedTokenizerFast:
    """A byte-level tokenizer whose merges stay within words, as those of real models do."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=CONTROL, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(
        [*REPLIES, "system user assistant model You help. Reach the target. answer"] * 9, trainer
    )
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=stop)
    fast.chat_template = template
    return fast


def embedded() -> Any:
    return AutoTokenizer.from_pretrained(bundled("tiny"))


@pytest.fixture(scope="module", params=["tiny", *TEMPLATES])
def chat(request: pytest.FixtureRequest) -> ChatTemplate:
    tokenizer = embedded() if request.param == "tiny" else tokenizer_with(*TEMPLATES[request.param])
    return ChatTemplate(tokenizer, frozenset({tokenizer.eos_token_id}))


def rendered(chat: ChatTemplate, *contents: str) -> list[int]:
    """The template's own ids of a conversation that a user began."""
    messages = [{"role": ("user", "assistant")[i % 2], "content": text} for i, text in enumerate(contents)]
    return list(
        chat._tokenizer.apply_chat_template(
            messages, tokenize=True, add_generation_prompt=True, return_dict=False, enable_thinking=False
        )
    )


def plain(chat: ChatTemplate, text: str) -> list[int]:
    return list(chat._tokenizer.encode(text, add_special_tokens=False))


def test_an_opening_is_what_the_template_gives(chat: ChatTemplate) -> None:
    question = "Reach 24 from 4, 2 and 3.\nUse each once."
    assert chat.opening(Opening(question)) == rendered(chat, question)


def test_turns_put_together_are_what_the_template_gives(chat: ChatTemplate) -> None:
    """The model's words are taken as sampled, stop token last; only the turns between are ours."""
    (stop,) = chat.stop_tokens
    first, reply, second, more, third = "Reach 24.", REPLIES[0], REPLIES[1], REPLIES[2], "And once more."
    ids = chat.opening(Opening(first))
    skipped = len(ids) - len(rendered(chat, first))
    ids += [*plain(chat, reply), stop, *chat.turn(second, after_stop=True)]
    ids += [*plain(chat, more), stop, *chat.turn(third, after_stop=True)]
    expected = rendered(chat, first, reply, second, more, third)
    assert skipped == 0
    assert without_empty_thoughts(chat, ids) == expected


def without_empty_thoughts(chat: ChatTemplate, ids: list[int]) -> list[int]:
    """Templates drop earlier thoughts from what they render again; ids that were seen stay, so only the last block is equal."""
    empty = plain(chat, "<think>\n\n</think>\n\n")
    found = [i for i in range(len(ids)) if ids[i : i + len(empty)] == empty]
    for i in reversed(found[:-1]):
        ids = [*ids[:i], *ids[i + len(empty) :]]
    return ids


def test_a_cut_off_reply_gets_its_turn_closed(chat: ChatTemplate) -> None:
    (stop,) = chat.stop_tokens
    assert chat.turn("Go on.", after_stop=False) == [stop, *chat.turn("Go on.", after_stop=True)]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.sampled_from([*CONTROL, "<|end|>", "<|assistant|>", "<|user|>", "\n", MARK.format(0), CUT]), st.text()
        ),
        max_size=6,
    )
)
def test_control_tokens_in_what_a_person_wrote_stay_text(chat: ChatTemplate, pieces: list[str]) -> None:
    """The ids of a message hold as many control tokens as an empty one's: whatever it says, it ends no turn."""
    text = "".join(pieces)
    control = set(chat._tokenizer.all_special_ids) | set(chat._tokenizer.added_tokens_decoder)
    for turn, empty in (
        (chat.opening(Opening(text)), chat.opening(Opening(""))),
        (chat.turn(text, after_stop=True), chat.turn("", after_stop=True)),
    ):
        assert [t for t in turn if t in control] == [t for t in empty if t in control]


def test_words_survive_encoding_and_decoding(chat: ChatTemplate) -> None:
    (stop,) = chat.stop_tokens
    text = "Reach 24: ½ × 48 → <|im_end|><|end|> ok 🙂"
    ids, around = chat.opening(Opening(text)), chat.opening(Opening("x"))
    before = around.index(plain(chat, "x")[0])
    assert chat.decode([*ids[before : before + 1 - len(around)], stop]) == text


def test_the_stop_token_is_no_part_of_the_text(chat: ChatTemplate) -> None:
    (stop,) = chat.stop_tokens
    assert chat.decode([*plain(chat, REPLIES[0]), stop]) == REPLIES[0]
    assert chat.decode([stop]) == ""


def test_space_around_a_message_is_left_out(chat: ChatTemplate) -> None:
    assert chat.opening(Opening("  Reach 24.\n\n")) == chat.opening(Opening("Reach 24."))


@pytest.mark.parametrize(
    ("template", "cause"),
    [
        (None, "no chat template"),
        ("", "no chat template"),
        ("{{ raise_exception('only one message, please') }}", "only one message, please"),
        ("{{ messages[0]['content'] + nothing.here }}", "chat template failed"),
        ("{% for m in messages %}{{ m['role'] + ': ' + m['content'] + '\n' }}{% endfor %}assistant: ", "stop token"),
        ("{{ messages[-1]['content'] + '<|im_end|>' }}", "drops or repeats"),
        ("{{ messages[0]['content'] * 2 + '<|im_end|>' }}", "drops or repeats"),
        ("{% for m in messages", "chat template failed"),
    ],
)
def test_a_template_that_cannot_be_used_is_a_model_error(template: str | None, cause: str) -> None:
    tokenizer = tokenizer_with("", "<|im_end|>")
    tokenizer.chat_template = template
    with pytest.raises(ModelError, match=cause):
        ChatTemplate(tokenizer, frozenset({tokenizer.eos_token_id}))
