"""Chat templates are tried in a child process: those that do not end are refused, those that do are remembered."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from rrr_local.errors import ModelError
from rrr_local.models.template import check_templates, templates
from rrr_local.paths import bundled

CHATML = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
NO_SYSTEM = "{% if messages[0].role == 'system' %}{{ raise_exception('no system role') }}{% endif %}" + CHATML
MODERN = (
    "{%- set ns = namespace(last=0) %}{% if tools %}{{ tools | tojson(indent=2) }}{% endif %}{{ strftime_now('%Y') }}"
    + CHATML
)
GENERATION = "{% for m in messages %}{% generation %}{{ m.content }}{% endgeneration %}{% if loop.last %}{% break %}{% endif %}{% endfor %}"
LOOP = (
    "{% for a in range(9999) %}{% for b in range(9999) %}{% for c in range(9999) %}{% endfor %}{% endfor %}{% endfor %}"
)


@pytest.fixture
def folder(tmp_path: Path, data_folder: Path) -> Path:
    made = tmp_path / "model"
    made.mkdir()
    return made


def put(folder: Path, template: str) -> Path:
    (folder / "chat_template.jinja").write_text(template)
    return folder


@pytest.mark.parametrize("template", [CHATML, NO_SYSTEM, MODERN, GENERATION])
def test_a_template_as_models_have_them_passes(folder: Path, template: str) -> None:
    check_templates(put(folder, template))


def test_the_embedded_models_template_passes(data_folder: Path) -> None:
    assert len(templates(bundled("tiny"))) == 1
    check_templates(bundled("tiny"))


@pytest.mark.parametrize("template", [LOOP, CHATML + "{% if tools %}" + LOOP + "{% endif %}"])
def test_a_template_that_does_not_end_is_refused(folder: Path, template: str) -> None:
    with pytest.raises(ModelError, match="the chat template does not end"):
        check_templates(put(folder, template))


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{{ 'x' * 10**11 }}", "MemoryError"),
        ("{{ 'x' * 10**7 }}", "characters for a short question"),
        ("{% for", "TemplateSyntaxError"),
        ("{{ ''.__class__.__mro__[1].__subclasses__() }}", "SecurityError"),
        ("{{ raise_exception('never') }}", "never"),
        ("{{ messages[7].content.x }}", "UndefinedError"),
        ("{% include '/etc/passwd' %}", "no loader"),
    ],
)
def test_a_template_that_fails_on_a_plain_question_is_refused(folder: Path, template: str, said: str) -> None:
    with pytest.raises(ModelError, match="fails on a plain question") as caught:
        check_templates(put(folder, template))
    assert said in caught.value.cause


def test_what_ended_is_tried_only_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check_templates(put(folder, CHATML))
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    check_templates(folder)
    with pytest.raises(FileNotFoundError):
        check_templates(put(folder, CHATML + " "))


def test_templates_are_found_wherever_tokenizers_keep_them(folder: Path) -> None:
    put(folder, "one")
    (folder / "additional_chat_templates").mkdir()
    (folder / "additional_chat_templates" / "tool_use.jinja").write_text("two")
    named = [{"name": "default", "template": "three"}, {"name": "rag", "template": "four"}, {"name": "odd"}, 5]
    (folder / "tokenizer_config.json").write_text(json.dumps({"chat_template": named}))
    (folder / "chat_template.json").write_text(json.dumps({"chat_template": "five"}))
    assert sorted(templates(folder)) == ["five", "four", "one", "three", "two"]


@pytest.mark.parametrize("content", [b"\xff\xfe", b"{", b"[" * 100_000])
def test_a_tokenizer_configuration_that_cannot_be_read_is_refused(folder: Path, content: bytes) -> None:
    (folder / "tokenizer_config.json").write_bytes(content)
    with pytest.raises(ModelError, match="cannot be read"):
        check_templates(folder)
