"""Folders: where they are, who may enter them, and what is said when they cannot be made."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from rrr_local import paths
from rrr_local.errors import NotFoundError, ResourceError


@pytest.fixture
def open_umask() -> Iterator[None]:
    """The most permissive umask, so that a private mode can only come from the code."""
    before = os.umask(0)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_one_variable_moves_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(paths.OVERRIDE, str(tmp_path / "stick"))
    places = [
        paths.data_folder(),
        paths.cache_folder(),
        paths.database_path(),
        paths.runs_folder(),
        paths.log_path("engine"),
    ]
    assert all(place.is_relative_to(tmp_path / "stick") for place in places)
    assert len(set(places)) == len(places)


def test_a_relative_or_home_folder_becomes_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv(paths.OVERRIDE, "here")
    assert paths.data_folder() == tmp_path / "here"
    monkeypatch.setenv(paths.OVERRIDE, "~/there")
    assert paths.data_folder() == tmp_path / "home" / "there"


@pytest.mark.parametrize("override", [None, ""])
def test_without_the_variable_the_platform_decides(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, override: str | None
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("XDG_DATA_HOME", "XDG_CACHE_HOME", paths.OVERRIDE):
        monkeypatch.delenv(name, raising=False)
    if override is not None:
        monkeypatch.setenv(paths.OVERRIDE, override)
    data, cache = paths.data_folder(), paths.cache_folder()
    assert data.is_relative_to(tmp_path) and cache.is_relative_to(tmp_path) and data != cache
    assert data.name == cache.name == paths.APP


def test_only_the_owner_may_enter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, open_umask: None) -> None:
    monkeypatch.setenv(paths.OVERRIDE, str(tmp_path / "new"))
    folders = [paths.cache_folder(), paths.runs_folder(), paths.log_path("engine").parent, paths.data_folder()]
    assert {folder.name: mode(folder) for folder in folders} == dict.fromkeys(("new", "cache", "runs", "logs"), 0o700)


def test_a_folder_that_was_there_keeps_its_mode(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o750)
    monkeypatch.setenv(paths.OVERRIDE, str(shared))
    paths.data_folder()
    assert mode(shared) == 0o750


@pytest.mark.parametrize("place", [paths.data_folder, paths.cache_folder, paths.runs_folder, paths.database_path])
def test_a_folder_that_cannot_be_made_is_one_line_with_a_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: object
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(paths.OVERRIDE, str(tmp_path / "file" / "inside"))
    assert callable(place)
    with pytest.raises(ResourceError, match="cannot create the folder") as caught:
        place()
    assert paths.OVERRIDE in caught.value.way_out
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a folder that even root cannot write in")
def test_a_read_only_folder_is_refused_before_anything_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(paths.OVERRIDE, "/proc/self")
    with pytest.raises(ResourceError, match="folder /proc/self"):
        paths.runs_folder()


def test_bundled_problems_are_found() -> None:
    assert paths.bundled("countdown/train.jsonl").stat().st_size > 0
    assert paths.bundled("countdown").is_dir()


def test_a_missing_bundled_file_says_to_reinstall() -> None:
    with pytest.raises(NotFoundError, match="data/no-such-thing") as caught:
        paths.bundled("no-such-thing")
    assert "reinstall" in caught.value.way_out
