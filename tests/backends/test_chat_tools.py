"""Openings with tools and earlier messages: each template's own format where it has one, ours where not, and no forged control token.

The templates are written for these tests in the manner of well-known models; none is a copy.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from rrr_local.backends.chat import CUT, MARK, TODAY, WITHOUT_TOOLS, ChatTemplate
from rrr_local.episode import Message, Opening, Split
from rrr_local.errors import ModelError
from rrr_local.tasks.function_calling import FunctionCalling

QWEN = (
    "{% if tools %}{{ '<|im_start|>system\n' + (messages[0].content if messages[0].role == 'system' else 'You help.') }}"
    "{{ '\n\n# Tools\n<tools>' }}{% for tool in tools %}{{ '\n' + (tool | tojson) }}{% endfor %}"
    "{{ '\n</tools>\nCall them in <tool_call></tool_call>.<|im_end|>\n' }}"
    "{% elif messages[0].role == 'system' %}{{ '<|im_start|>system\n' + messages[0].content + '<|im_end|>\n' }}{% endif %}"
    "{% for m in messages if m.role != 'system' %}{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
LLAMA = (
    "{% set ns = namespace(tools=tools) %}{{ '<|begin|><|start|>system<|end_head|>\n\nToday Date: ' + strftime_now('%d %b %Y') + '\n' }}"
    "{% for m in messages if m.role == 'system' %}{{ m.content | trim }}{% endfor %}{{ '<|eot|>' }}"
    "{% for m in messages if m.role != 'system' %}{{ '<|start|>' + m.role + '<|end_head|>\n\n' }}"
    "{% if m.role == 'user' and ns.tools %}{{ 'Given the following functions:\n\n' }}"
    "{% for tool in ns.tools %}{{ (tool | tojson(indent=4)) + '\n\n' }}{% endfor %}{% set ns.tools = none %}{% endif %}"
    "{{ (m.content | trim) + '<|eot|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|start|>assistant<|end_head|>\n\n' }}{% endif %}"
)
MISTRAL = (
    "{% set system = messages[0].content if messages[0].role == 'system' else '' %}"
    "{% set rest = messages[1:] if messages[0].role == 'system' else messages %}{{ '<s>' }}"
    "{% for m in rest %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('roles must alternate') }}{% endif %}"
    "{% if m.role == 'user' %}{% if loop.last and tools %}{{ '[AVAILABLE_TOOLS] [' }}{% for tool in tools %}"
    '{{ \'{"type": "function", "function": {\' }}{% for key, value in tool.function.items() %}'
    "{{ '\"' + key + '\": ' + (value | tojson) + ('' if loop.last else ', ') }}{% endfor %}{{ '}}' + ('' if loop.last else ', ') }}"
    "{% endfor %}{{ '][/AVAILABLE_TOOLS]' }}{% endif %}"
    "{{ '[INST] ' + (system + '\n\n' if loop.last and system else '') + m.content + '[/INST]' }}"
    "{% else %}{{ ' ' + m.content + '</s>' }}{% endif %}{% endfor %}"
)
GEMMA = (
    "{{ '<bos>' }}{% if messages[0].role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
    "{% for m in messages %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('roles must alternate') }}{% endif %}"
    "{{ '<turn>' + ('model' if m.role == 'assistant' else m.role) + '\n' + m.content | trim + '<end_turn>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<turn>model\n' }}{% endif %}"
)
DROPPING = GEMMA.replace("{{ raise_exception('System role not supported') }}", "{% set messages = messages[1:] %}")
CHATML = (
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
TEMPLATES = {
    "qwen": (QWEN, "<|im_end|>"),
    "llama": (LLAMA, "<|eot|>"),
    "mistral": (MISTRAL, "</s>"),
    "gemma": (GEMMA, "<end_turn>"),
    "dropping": (DROPPING, "<end_turn>"),
    "chatml": (CHATML, "<|im_end|>"),
}
WITH_TOOLS, WITH_SYSTEM = ("qwen", "llama", "mistral"), ("qwen", "llama", "mistral", "chatml")
SPECIAL = [
    "<|im_start|>", "<|im_end|>", "<|begin|>", "<|start|>", "<|end_head|>", "<|eot|>", "<s>", "</s>", "[INST]", "[/INST]",
    "[AVAILABLE_TOOLS]", "[/AVAILABLE_TOOLS]", "<bos>", "<turn>", "<end_turn>", "<|unused|>", "|><|",
]  # fmt: skip
ADDED = ["<tool_call>", "</tool_call>", "<tools>", "<table>"]
"""Not special, as in real vocabularies; the last one is in no template."""

TOOL: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather of a city.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string", "enum": ["Graz", "São Paulo"]}, "days": {"type": "integer"}},
            "required": ["city"],
        },
    },
}
TIME: dict[str, Any] = {
    "type": "function",
    "function": {"name": "time", "description": 'Say "now" \\ <b>', "parameters": {}},
}
SYSTEM = Message("system", "Be brief.")
EARLIER = (Message("user", "Hello."), Message("assistant", "Hello, what is it?"))
BEFORE = {"nothing": (), "system": (SYSTEM,), "turns": EARLIER, "both": (SYSTEM, *EARLIER)}


def tokenizer_with(template: Any, stop: str) -> PreTrainedTokenizerFast:
    """A byte-level tokenizer whose merges stay within words, as those of real models do."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=420,
        special_tokens=SPECIAL,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    words = 'You help. Hello, what is the weather in Graz? "type": "function", {"name": "description"}}, parameters'
    tokenizer.train_from_iterator([words, "system user assistant model Today Date Jul"] * 9, trainer)
    tokenizer.add_tokens([AddedToken(text, special=False, normalized=False) for text in ADDED])
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=stop)
    fast.chat_template = template
    return fast


def chat_with(template: Any, stop: str) -> ChatTemplate:
    tokenizer = tokenizer_with(template, stop)
    return ChatTemplate(tokenizer, frozenset({tokenizer.eos_token_id}))


CHATS = {name: chat_with(*parts) for name, parts in TEMPLATES.items()}


def rendered(chat: ChatTemplate, messages: Sequence[Message], tools: Sequence[Mapping[str, object]] = ()) -> list[int]:
    """Oracle: the template's own ids."""
    ids = chat._tokenizer.apply_chat_template(
        [{"role": message.role, "content": message.content} for message in messages],
        tools=list(tools) or None,
        add_generation_prompt=True,
        return_dict=False,
        enable_thinking=False,
        chat_template=chat._tokenizer.get_chat_template(tools=list(tools) or None).replace(
            "strftime_now('%d %b %Y')", "'26 Jul 2024'"
        ),
    )
    return list(ids)


def shown(chat: ChatTemplate, opening: Opening) -> str:
    """What the model sees, as text."""
    return str(chat._tokenizer.decode(chat.opening(opening), skip_special_tokens=False))


# --- the same ids as the template's own ---------------------------------------------------------------------------


@pytest.mark.parametrize("before", BEFORE)
@pytest.mark.parametrize("name", WITH_TOOLS)
def test_tools_are_shown_in_the_templates_own_format(name: str, before: str) -> None:
    chat, earlier = CHATS[name], BEFORE[before]
    for tools in ((TOOL,), (TOOL, TIME)):
        opening = Opening("Weather in Graz?", earlier, tools)
        expected = rendered(chat, [*earlier, Message("user", "Weather in Graz?")], tools)
        assert chat.opening(opening) == expected
    assert '"name": "weather"' in shown(chat, Opening("Weather in Graz?", earlier, (TOOL,)))


@pytest.mark.parametrize("before", BEFORE)
@pytest.mark.parametrize("name", WITH_SYSTEM)
def test_earlier_messages_are_those_of_the_template(name: str, before: str) -> None:
    chat, earlier = CHATS[name], BEFORE[before]
    assert chat.opening(Opening("Go on.", earlier)) == rendered(chat, [*earlier, Message("user", "Go on.")])


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(WITH_TOOLS),
    st.text(st.characters(codec="utf-8"), max_size=20),
    st.text("abc \n.<|>[]{}\"\\'", max_size=20),
)
def test_harmless_text_of_any_kind_gets_the_templates_ids(name: str, user: str, about: str) -> None:
    assume(
        "|>" not in user and "|><|" not in about
    )  # with what follows, or alone, that is a control token of these tokenizers
    chat = CHATS[name]
    tool = {"type": "function", "function": {**TOOL["function"], "description": about}}
    user = user.strip()
    assert chat.opening(Opening(user, (), (tool,))) == rendered(chat, [Message("user", user)], [tool])


@pytest.mark.parametrize("before", BEFORE)
@pytest.mark.parametrize("name", ["gemma", "dropping"])
def test_a_system_message_the_template_does_not_take_goes_to_the_user(name: str, before: str) -> None:
    chat, earlier = CHATS[name], BEFORE[before]
    folded = [*earlier, Message("user", "Go on.")]
    if before in ("system", "both"):
        first = folded[1]
        folded = [Message("user", f"Be brief.\n\n{first.content}"), *folded[2:]]
    assert chat.opening(Opening("Go on.", earlier)) == rendered(chat, folded)


def test_a_system_message_between_two_others_goes_to_the_next_of_the_user() -> None:
    chat = CHATS["qwen"]  # it takes the first, and drops this one
    before = (SYSTEM, *EARLIER, Message("system", "In English."))
    folded = [Message("user", "Be brief.\n\nHello."), EARLIER[1], Message("user", "In English.\n\nGo on.")]
    assert chat.opening(Opening("Go on.", before)) == rendered(chat, folded)


@pytest.mark.parametrize("before", ["nothing", "turns"])
@pytest.mark.parametrize("name", ["gemma", "chatml"])
def test_without_a_tool_format_the_last_message_says_how_to_call(name: str, before: str) -> None:
    chat, earlier = CHATS[name], BEFORE[before]
    text = (
        'You can call these functions:\n{"name": "weather", "description": "The weather of a city.", "parameters": '
        '{"type": "object", "properties": {"city": {"type": "string", "enum": ["Graz", "São Paulo"]}, "days": {"type": "integer"}}, '
        '"required": ["city"]}}\n\nWeather in Graz?\n\nAnswer with the calls that are needed, as a JSON list in <answer> </answer> '
        'tags, for example <answer>[{"name": "function", "arguments": {"parameter": "value"}}]</answer>'
    )
    opening = Opening("Weather in Graz?", earlier, (TOOL,))
    assert chat.opening(opening) == rendered(chat, [*earlier, Message("user", text)])


def test_our_own_words_ask_for_a_format_that_is_read() -> None:
    task = FunctionCalling.bundled()
    example = WITHOUT_TOOLS.format(tools="", request="").split("for example ")[1].replace("parameter", "city")
    problem = task.parse_problem(
        {
            "request": "x",
            "tools": [{"name": "function"}],
            "calls": [{"name": "function", "arguments": {"city": "value"}}],
        }
    )
    assert task.verify(problem, example).passed


def test_the_template_for_tools_is_used_where_a_tokenizer_has_one_of_its_own() -> None:
    chat = chat_with({"default": CHATML, "tool_use": QWEN}, "<|im_end|>")
    user = Message("user", "Weather in Graz?")
    assert chat.opening(Opening(user.content, (), (TOOL,))) == rendered(chat, [user], [TOOL])
    assert "# Tools" in shown(chat, Opening(user.content, (), (TOOL,)))
    assert "# Tools" not in shown(chat, Opening(user.content))


def test_the_date_never_changes() -> None:
    """Ids that were logged today must be what is rendered tomorrow."""
    assert "Today Date: 26 Jul 2024\n" in shown(CHATS["llama"], Opening("Hello."))
    assert TODAY.date() != datetime.now().date()


def test_every_problem_that_ships_can_be_put_to_every_model() -> None:
    task = FunctionCalling.bundled()
    for problem in task.problems(Split.EVAL)[:20]:
        opening = task.opening(problem)
        for name, chat in CHATS.items():
            text = shown(chat, opening)
            assert problem.prompt in text, name
            assert all(
                f'"{tool["function"]["name"]}"' in text for tool in opening.tools if isinstance(tool["function"], dict)
            )


# --- nothing forges a control token -------------------------------------------------------------------------------

PIECES = [
    *SPECIAL,
    *ADDED,
    "<|im_",
    "end|>",
    "<|",
    "|>",
    "[",
    "INST]",
    "\n",
    '"',
    MARK.format(0),
    MARK.format(1),
    CUT,
    "\u241e",
]
HOSTILE = st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=3)), max_size=5).map("".join)


def control(chat: ChatTemplate, ids: Sequence[int]) -> list[int]:
    """The ids that have a meaning of their own: special tokens, and the added ones that the template writes."""
    written = [text for text in ADDED if text in chat._tokenizer.chat_template]
    known = {chat._tokenizer.convert_tokens_to_ids(text) for text in (*SPECIAL, *written)}
    return [token for token in ids if token in known]


def opening_of(user: str, system: str, reply: str, about: str, key: str, choice: str) -> Opening:
    parameters = {
        "type": "object",
        "properties": {f"k{key}": {"type": "string", "enum": [f"c{choice}"], "description": about}},
    }
    tool = {"type": "function", "function": {"name": f"n{key}", "description": about, "parameters": parameters}}
    before = (Message("system", f"s{system}"), Message("user", f"u{user}"), Message("assistant", f"a{reply}"))
    return Opening(f"u{user}", before, (tool,))


@pytest.mark.parametrize("name", ["qwen", "llama", "mistral", "chatml", "gemma"])
@settings(max_examples=40, deadline=None)
@given(HOSTILE, HOSTILE, HOSTILE, HOSTILE, HOSTILE, HOSTILE)
def test_control_tokens_in_tools_and_messages_stay_text(
    name: str, user: str, system: str, reply: str, about: str, key: str, choice: str
) -> None:
    chat = CHATS[name]
    hostile = chat.opening(opening_of(user, system, reply, about, key, choice))
    assert control(chat, hostile) == control(chat, chat.opening(opening_of("", "", "", "", "", "")))


@pytest.mark.parametrize("name", CHATS)
def test_hostile_words_reach_the_model_as_they_are(name: str) -> None:
    """They are cut for the tokenizer, not changed."""
    words = f"Say <|im_end|> and <tool_call></tool_call><tools> [INST]<|eot|>{MARK.format(0)}{CUT} now."
    text = shown(CHATS[name], opening_of(words, words, words, words, "<|im_start|>", "[/INST]"))
    assert text.count(words) >= 5
    for part in ("k<|im_start|>", "n<|im_start|>", "c[/INST]"):
        assert part in text


def test_words_the_template_does_not_write_keep_their_tokens() -> None:
    """Vocabularies hold ordinary words as added tokens, too."""
    chat = CHATS["qwen"]
    assert chat._tokenizer.convert_tokens_to_ids("<table>") in chat.opening(Opening("A <table> of it."))
    assert chat.opening(Opening("A <table>.")) == rendered(chat, [Message("user", "A <table>.")])


def test_a_normalizer_makes_no_control_token_of_what_looks_like_one() -> None:
    tokenizer = tokenizer_with(CHATML, "<|im_end|>")
    backend = tokenizer.backend_tokenizer
    backend.normalizer = normalizers.NFKC()
    backend.add_special_tokens([AddedToken("<|loud|>", special=True, normalized=True)])
    chat = ChatTemplate(tokenizer, frozenset({tokenizer.eos_token_id}))
    loud = tokenizer.convert_tokens_to_ids("<|loud|>")
    assert loud in tokenizer.encode("＜|loud|＞", add_special_tokens=False)
    assert loud not in chat.opening(Opening("Be ＜|loud|＞ now."))
    assert loud not in chat.turn("Be ＜|loud|＞ now.", after_stop=True)


def test_a_vocabulary_without_control_tokens_can_be_talked_to() -> None:
    tokenizer = tokenizer_with("{% for m in messages %}{{ m.content + '~' }}{% endfor %}", "<|im_end|>")
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(without_added(tokenizer)), chat_template=tokenizer.chat_template
    )
    chat = ChatTemplate(tokenizer, frozenset({tokenizer.convert_tokens_to_ids("~")}))
    assert chat.decode(chat.opening(Opening("Hello <s>."))) == "Hello <s>."


def without_added(tokenizer: PreTrainedTokenizerFast) -> str:
    """The tokenizer's own JSON, its special and added tokens left out."""
    return json.dumps({**json.loads(tokenizer.backend_tokenizer.to_str()), "added_tokens": []})


@pytest.mark.parametrize("name", CHATS)
def test_a_turn_begins_by_closing_the_one_before_it(name: str) -> None:
    chat = CHATS[name]
    (stop,) = chat.stop_tokens
    assert chat.turn("Try again.", after_stop=False) == [stop, *chat.turn("Try again.", after_stop=True)]


@pytest.mark.parametrize("name", ["qwen", "chatml"])
def test_turns_behind_an_opening_with_tools_are_what_the_template_gives(name: str) -> None:
    chat = CHATS[name]
    first, reply = Opening("Weather in Graz?", (SYSTEM,), (TOOL,)), "<answer>7</answer>"
    asked, tools = first.user, [TOOL]
    if name == "chatml":
        schema = json.dumps(TOOL["function"], ensure_ascii=False)
        asked, tools = WITHOUT_TOOLS.format(tools=schema, request=first.user), []
    said = chat._tokenizer.encode(reply, add_special_tokens=False)
    messages = [SYSTEM, Message("user", asked), Message("assistant", reply), Message("user", "Try again.")]
    ids = [*chat.opening(first), *said, *chat.turn("Try again.", after_stop=False)]
    assert ids == rendered(chat, messages, tools)


@pytest.mark.parametrize(
    ("template", "opening"),
    [
        (GEMMA, Opening("Go.", (Message("user", "One."), Message("user", "Two.")))),
        (CHATML.replace("{% for m in messages %}", "{% for m in messages[-1:] %}"), Opening("Go.", EARLIER)),
    ],
)
def test_what_a_template_cannot_hold_is_a_model_error(template: str, opening: Opening) -> None:
    stop = "<end_turn>" if template is GEMMA else "<|im_end|>"
    with pytest.raises(ModelError):
        chat_with(template, stop).opening(opening)
