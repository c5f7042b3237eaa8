"""The line under the prompt: what it means, how it is completed, and what is said of a typo."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rrr_local.actions import by_slash
from rrr_local.chat.commands import SETTABLE, SLASHES, Command, Prompt, complete, fuzzy, parse, setting_key
from rrr_local.errors import UsageError


@pytest.mark.parametrize(
    ("line", "meaning"),
    [
        ("What is 3 * 7?", Prompt("What is 3 * 7?")),
        ("//etc is a folder", Prompt("/etc is a folder")),
        ("/usr/bin/python crashed", Prompt("/usr/bin/python crashed")),
        ("/ 3", Prompt("/ 3")),
        ("3 /wrong", Prompt("3 /wrong")),
        ("  two\nlines ", Prompt("  two\nlines ")),
    ],
)
def test_a_line_that_is_no_command_is_a_prompt_as_it_is(line: str, meaning: Prompt) -> None:
    assert parse(line) == meaning


@pytest.mark.parametrize(
    ("line", "name", "argument"),
    [
        ("/good", "good", ""),
        (" /wrong  it used 4 twice ", "wrong", "it used 4 twice"),
        ("/WRONG x", "wrong", "x"),
        ("/check 1\n2", "check", "1\n2"),
        ("/train", "go-train", ""),
    ],
)
def test_a_command_has_its_action_and_the_rest_of_the_line(line: str, name: str, argument: str) -> None:
    meaning = parse(line)
    assert isinstance(meaning, Command)
    assert (meaning.action.name, meaning.argument) == (name, argument)


def test_a_typo_names_what_may_have_been_meant() -> None:
    with pytest.raises(UsageError, match="did you mean /check") as raised:
        parse("/chekc 24")
    assert raised.value.cause == "there is no command /chekc"
    with pytest.raises(UsageError, match="/help lists them"):
        parse("/zzzzzz")


@given(st.text())
def test_any_line_is_a_prompt_a_command_or_a_usage_error(line: str) -> None:
    try:
        meaning = parse(line)
    except UsageError:
        assert line.strip().startswith("/")
        return
    if isinstance(meaning, Prompt):
        assert meaning.text in (line, line[1:])


def test_a_slash_offers_every_command_with_its_hint() -> None:
    offered = complete("/")
    assert {each.label.split()[0][1:] for each in offered} == {action.slash for action in SLASHES}
    assert all(each.hint for each in offered)


def test_what_begins_as_typed_comes_before_what_only_holds_the_letters() -> None:
    assert [each.text for each in complete("/re")][:3] == ["/retry", "/rename ", "/restart"]
    assert complete("/expt")[0].text == "/export "
    assert complete("/xyzzy") == []
    assert complete("What?") == complete("//etc") == []


def test_arguments_are_completed_where_they_are_known() -> None:
    assert [each.text for each in complete("/trace n")] == ["/trace never", "/trace always"][:1]
    assert complete("/adapter ru", {"adapter": ["run-1", "run-2", "none"]})[0].text == "/adapter run-1"
    assert [each.label for each in complete("/adapter ", {"adapter": ["run-1", "none"]})] == ["none", "run-1"]
    assert complete("/good x") == complete("/nothing x") == []


@given(st.text(alphabet="abc/", max_size=6), st.text(alphabet="abc/", max_size=8))
def test_a_text_fits_when_it_holds_the_letters_in_order(typed: str, text: str) -> None:
    rest = iter(text)
    assert (fuzzy(typed, text) is not None) == all(letter in rest for letter in typed)
    if typed and typed in text:
        assert fuzzy(typed, text) < (2, 0)  # type: ignore[operator]


def test_settings_are_found_by_the_start_of_their_name() -> None:
    assert setting_key("temp") == setting_key("chat.temperature") == "chat.temperature"
    assert setting_key("tries") == "chat.tries"
    assert all(setting_key(key) == key for key in SETTABLE)
    for name in ("", "t", "steps", "welcomed"):
        with pytest.raises(UsageError, match="no setting"):
            setting_key(name)


def test_every_command_that_takes_something_says_what() -> None:
    assert (by_slash("check") or SLASHES[0]).argument == "ANSWER"
    assert all(action.argument for action in SLASHES if action.slash in ("wrong", "set", "find", "rename", "task"))
