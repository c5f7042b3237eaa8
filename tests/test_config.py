"""Settings: which value counts, what is said of a wrong one, and that nothing wrong is kept."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rrr_local.config import BY_KEY, SCHEMA, STATE, Setting, Settings, Source, find, show
from rrr_local.errors import UsageError


def test_the_environment_goes_before_the_log_and_the_log_before_the_default() -> None:
    stored, env = {"chat.temperature": "0.3", "chat.model": "here"}, {"RRR_CHAT__TEMPERATURE": "1.5"}
    settings = Settings(stored, env)
    assert (settings.get("chat.temperature"), settings.source("chat.temperature")) == (1.5, Source.ENV)
    assert (settings.get("chat.model"), settings.source("chat.model")) == ("here", Source.LOG)
    assert (settings.get("chat.tries"), settings.source("chat.tries")) == (2, Source.DEFAULT)
    assert settings.problems == []


@pytest.mark.parametrize(
    ("key", "text", "said"),
    [
        ("ui.chart", "brail", "did you mean braille?"),
        ("ui.ascii", "maybe", "on or off"),
        ("chat.temperature", "warm", "a number from 0 to 5"),
        ("chat.temperature", "nan", "a number from 0 to 5"),
        ("chat.tries", "0", "a whole number from 1 to 8"),
        ("chat.tries", "2.5", "a whole number from 1 to 8"),
    ],
)
def test_a_value_that_cannot_be_read_is_named_and_the_default_is_used(key: str, text: str, said: str) -> None:
    settings = Settings({key: text})
    (problem,) = settings.problems
    assert key in problem and repr(text) in problem and said in problem
    assert settings.get(key) == find(key).default
    assert settings.source(key) is Source.DEFAULT


def test_a_wrong_value_in_the_environment_names_the_variable_and_the_log_counts() -> None:
    settings = Settings({"ui.chart": "ascii"}, {"RRR_UI__CHART": "dots"})
    assert settings.get("ui.chart") == "ascii"
    assert "RRR_UI__CHART" in settings.problems[0]


def test_an_unknown_key_names_close_ones() -> None:
    with pytest.raises(UsageError, match=r"did you mean chat.temperature"):
        Settings().get("chat.temprature")
    assert "did you mean ui.theme?" in Settings({"ui.them": "x"}).problems[0]


def test_what_is_set_is_written_read_again_and_can_be_unset() -> None:
    log: dict[str, str | None] = {}
    settings = Settings({}, {}, log.__setitem__)
    settings.set("ui.ascii", True)
    settings.set("chat.tries", " 3 ")
    assert log == {"ui.ascii": "on", "chat.tries": "3"}
    again = Settings({key: value for key, value in log.items() if value is not None})
    assert (again.get("ui.ascii"), again.get("chat.tries")) == (True, 3)
    settings.unset("ui.ascii")
    assert log["ui.ascii"] is None and settings.get("ui.ascii") is False


def test_nothing_wrong_is_written_and_nothing_at_all_where_there_is_no_log_to_write_to() -> None:
    log: dict[str, str | None] = {}
    settings = Settings({"chat.tries": "4"}, {}, log.__setitem__)
    for key, value in (("chat.tries", 99), ("chat.tries", math.nan), ("no.such", "x")):
        with pytest.raises(UsageError):
            settings.set(key, value)
    assert log == {} and settings.get("chat.tries") == 4
    with pytest.raises(UsageError, match="cannot be changed here"):
        Settings().set("chat.tries", 3)


def test_what_is_remembered_is_no_setting() -> None:
    log: dict[str, str | None] = {}
    settings = Settings({f"{STATE}draft.new": "half a thou"}, {}, log.__setitem__)
    assert settings.problems == [] and settings.remembered("draft.new") == "half a thou"
    settings.remember("draft.new", "")
    settings.remember("draft.new", "")
    assert log == {f"{STATE}draft.new": None} and settings.remembered("draft.new") == ""


def test_a_key_that_is_no_setting_any_more_can_be_got_rid_of() -> None:
    log: dict[str, str | None] = {}
    settings = Settings({"ui.old": "1"}, {}, log.__setitem__)
    settings.unset("ui.old")
    assert log == {"ui.old": None} and settings.problems == []


def test_keys_can_be_mapped_by_the_name_of_an_action() -> None:
    assert Settings().keymap() == {}
    assert Settings({"keys.chat.good": "f9"}).keymap() == {"chat.good": "f9"}


@pytest.mark.parametrize("setting", SCHEMA, ids=lambda setting: setting.key)
def test_every_default_is_a_value_of_its_setting(setting: Setting) -> None:
    assert setting.parse(show(setting.default)) == setting.default
    assert setting.help.endswith(".") and setting.takes
    assert setting.group in ("ui", "chat", "train", "keys")
    assert Settings({}, {setting.env: show(setting.default)}).source(setting.key) is Source.ENV


@given(st.sampled_from(sorted(BY_KEY)), st.text())
def test_no_text_whatever_makes_reading_the_settings_fail(key: str, text: str) -> None:
    value = Settings({key: text}, {find(key).env: text}).get(key)
    assert type(value) is type(find(key).default)
