"""Models by name: recorded, in a folder, in the Hugging Face cache; and their hashes, which are remembered."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from rrr_local.errors import ModelError, NotFoundError, UsageError
from rrr_local.models import digests, hub_cache, records
from rrr_local.models.find import EMBEDDED, Model, find_model
from rrr_local.models.imports import import_model
from rrr_local.models.vet import vet
from rrr_local.paths import bundled

from .loopback_hub import COMMIT

OTHER = "decade" + "0" * 34


def quiet(done: int, total: int) -> None:
    """No progress is wanted."""


def in_cache(home: Path, repo_id: str = "org/Some-Model", revision: str = COMMIT, *, main: bool = True) -> Path:
    """A commit in the cache as huggingface_hub leaves it, but for the blobs' names; its folder."""
    repo = home / "hf" / "hub" / f"models--{repo_id.replace('/', '--')}"
    folder = repo / "snapshots" / revision
    folder.mkdir(parents=True)
    (repo / "blobs").mkdir(exist_ok=True)
    for path in bundled(EMBEDDED).iterdir():
        target = repo / "blobs" / (digests.sha256(path) if path.suffix == ".safetensors" else digests.git_sha1(path))
        if not target.exists():
            shutil.copy(path, target)
        (folder / path.name).symlink_to(os.path.relpath(target, folder))
    if main:
        (repo / "refs").mkdir(exist_ok=True)
        (repo / "refs" / "main").write_text(revision)
    return folder


def test_a_repository_in_the_cache_is_the_commit_that_main_stood_for(home: Path) -> None:
    in_cache(home, revision=OTHER, main=False)
    folder = in_cache(home)
    found = find_model("org/Some-Model")
    assert (found.name, found.repo_id, found.revision) == ("org/Some-Model", "org/Some-Model", COMMIT)
    assert found.folder == folder.resolve()
    assert found.sha256 == find_model(EMBEDDED).sha256
    vet(found)


def test_a_commit_can_be_named(home: Path) -> None:
    in_cache(home, revision=OTHER, main=False)
    in_cache(home)
    assert find_model(f"org/Some-Model@{OTHER}").revision == OTHER
    for name in (f"org/Some-Model@{'0' * 40}", "org/Some-Model@main", "org/Some-Model@../../blobs"):
        with pytest.raises(ModelError, match="there is no model"):
            find_model(name)


def test_the_folder_of_a_commit_is_known_for_what_it_is(home: Path) -> None:
    folder = in_cache(home)
    assert find_model(str(folder)) == find_model("org/Some-Model")


def test_what_is_recorded_stays_at_its_commit_when_main_moves(home: Path) -> None:
    in_cache(home)
    import_model("org/Some-Model", None, quiet)
    in_cache(home, revision=OTHER)
    assert find_model("org/Some-Model").revision == COMMIT


def test_a_damaged_blob_is_not_taken_in(home: Path) -> None:
    weights = (in_cache(home) / "model.safetensors").resolve()
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(ModelError, match=r"model\.safetensors of org/Some-Model is damaged"):
        import_model("org/Some-Model", None, quiet)
    assert records.names() == []


def test_a_cache_with_something_else_at_main(home: Path) -> None:
    folder = in_cache(home)
    for content in (b"../../../../etc", b"\xff\xfe", b""):
        (folder.parent.parent / "refs" / "main").write_bytes(content)
        with pytest.raises(ModelError, match="there is no model"):
            find_model("org/Some-Model")


def test_a_link_out_of_the_cache_is_refused(home: Path, tmp_path: Path) -> None:
    folder = in_cache(home)
    outside = tmp_path / "secret.json"
    outside.write_text("{}")
    (folder / "generation_config.json").unlink()
    (folder / "generation_config.json").symlink_to(outside)
    with pytest.raises(ModelError, match="is a link out of the Hugging Face cache"):
        vet(find_model("org/Some-Model"))


def test_a_pipe_among_the_files_is_refused_and_not_waited_for(home: Path, model: Path) -> None:
    os.mkfifo(model / "extra.json")
    with pytest.raises(ModelError, match=r"extra\.json of some-model is not a file"):
        vet(find_model(str(model)))


@pytest.mark.parametrize(
    ("file", "content", "fault"),
    [
        ("config.json", '{"model_file": "evil.py", "model_type": "llama"}', "it asks for code of its own"),
        ("config.json", "[1]", "its config.json cannot be read"),
        ("config.json", "[" * 100_000, "its config.json cannot be read"),
        ("model.safetensors.index.json", '{"weight_map": {"a": "model-00001-of-00002.safetensors"}}', "1 of its 1 weight files"),
        ("model.safetensors.index.json", '{"weight_map": {"a": "../../secret.safetensors"}}', "1 of its 1 weight files"),
        ("model.safetensors.index.json", '{"weight_map": [1]}', "the index of its weights cannot be read"),
        ("model.safetensors", None, "is not a model"),
        ("tokenizer.json", None, "it has no tokenizer"),
        ("chat_template.jinja", None, "it has no chat template"),
    ],
)  # fmt: skip
def test_a_folder_that_must_not_be_loaded_says_why(
    home: Path, model: Path, file: str, content: str | None, fault: str
) -> None:
    (model / file).unlink(missing_ok=True)
    if content is not None:
        (model / file).write_text(content)
    with pytest.raises(ModelError, match=fault):
        vet(find_model(str(model)))


def test_a_name_that_is_not_there_says_how_to_get_it(home: Path, model: Path) -> None:
    import_model(str(model), "my-model", quiet)
    for name, way_out in (
        ("org/none", "`rrr models fetch org/none`"),
        ("my-modl", "did you mean my-model?"),
        ("x", "'tiny' is always"),
    ):
        with pytest.raises(ModelError) as caught:
            find_model(name)
        assert way_out in caught.value.way_out


def test_an_imported_model_goes_by_its_name(home: Path, model: Path) -> None:
    record = import_model(str(model), "my-model", quiet)
    assert find_model("my-model") == Model("my-model", model)
    assert (record.license, record.folder) == ("apache-2.0", model)
    assert record.files["model.safetensors"].sha256 == digests.sha256(model / "model.safetensors")
    vet(find_model("my-model"))
    (model / "config.json").write_text((model / "config.json").read_text() + " ")
    with pytest.raises(ModelError, match=r"config\.json of my-model is not as it was"):
        vet(find_model("my-model"))


@pytest.mark.parametrize(
    "name", ["../up", "a/b", "tiny", "TINY", "a--b", ".hidden", "a" * 97, "", "nämë", "a b", "con\n"]
)
def test_names_that_cannot_be_given(home: Path, model: Path, name: str) -> None:
    with pytest.raises(UsageError, match="cannot be called"):
        records.check_name(name)


def test_a_name_that_is_taken_stays_who_it_is(home: Path, model: Path, tmp_path: Path) -> None:
    import_model(str(model), "one", quiet)
    import_model(str(model), "one", quiet)  # the same again is no other
    second = Path(shutil.copytree(model, tmp_path / "second"))
    with pytest.raises(UsageError, match="there is a model one already"):
        import_model(str(second), "one", quiet)
    with pytest.raises(UsageError, match="differs by more than its case"):
        import_model(str(second), "ONE", quiet)


@pytest.mark.parametrize(
    "content", ["{", "[]", '{"files": {}}', '{"files": {"../x": {"size": 1, "sha256": ""}}}', "[" * 100_000]
)
def test_a_damaged_record_is_said_and_can_be_removed(home: Path, model: Path, content: str) -> None:
    import_model(str(model), "one", quiet)
    (home / "data" / "models" / "one" / records.FILE).write_text(content)
    with pytest.raises(ModelError, match="the record of one is damaged"):
        find_model("one")
    records.remove("one")
    assert records.names() == []


def test_a_record_cannot_point_a_repository_at_another_folder(home: Path, model: Path) -> None:
    import_model(str(model), "one", quiet)
    file = home / "data" / "models" / "one" / records.FILE
    for change in (
        {"path": "some/where"},
        {"path": None},
        {"repo_id": "a/b", "revision": "../.."},
        {"revision": 5, "repo_id": "a/b"},
    ):
        file.write_text(json.dumps({**json.loads(file.read_text()), **change}))
        with pytest.raises(ModelError, match="damaged"):
            find_model("one")
        import_again(model, file)


def import_again(model: Path, file: Path) -> None:
    records.remove("one")
    import_model(str(model), "one", quiet)
    assert file.exists()


def test_removing_what_is_not_there(home: Path) -> None:
    for name in ("org/none", "none", "../data"):
        with pytest.raises(NotFoundError):
            records.remove(name)


def test_hashes_are_remembered_until_a_file_changes(home: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digests, "SETTLED_NS", -1)  # a file of this moment would not be remembered otherwise
    weights = model / "model.safetensors"
    before, status = digests.known_sha256([weights]), weights.stat()
    read: list[Path] = []
    real = digests.sha256
    monkeypatch.setattr(digests, "sha256", lambda path: read.append(path) or real(path))  # type: ignore[func-returns-value]
    assert digests.known_sha256([weights]) == before and read == []
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    os.utime(weights, ns=(status.st_atime_ns, status.st_mtime_ns))  # same size, same time: only the change time tells
    assert digests.known_sha256([weights]) != before and read == [weights]


def test_a_file_of_this_moment_is_not_remembered(home: Path, model: Path) -> None:
    path = model / "config.json"
    path.write_text("{}")
    digests.known_sha256([path])
    stored = home / "data" / "cache" / "hashes.json"
    assert str(path) not in (stored.read_text() if stored.exists() else "")


@pytest.mark.parametrize("content", [b"{", b"[]", b'{"a": [1, 2]}', b'{"a": 5}', b"\xff"])
def test_a_damaged_memory_of_hashes_costs_nothing_but_time(home: Path, model: Path, content: bytes) -> None:
    (home / "data" / "cache" / "hashes.json").write_bytes(content)
    assert digests.known_sha256([model / "config.json"]) == [digests.sha256(model / "config.json")]


def test_the_cache_is_where_huggingface_hub_has_it(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert hub_cache.cache() == home / "hf" / "hub"
    monkeypatch.setenv("HF_HUB_CACHE", "~/elsewhere")
    assert hub_cache.cache() == home / "elsewhere"
    monkeypatch.delenv("HF_HUB_CACHE")
    monkeypatch.delenv("HF_HOME")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert hub_cache.cache() == home / ".cache" / "huggingface" / "hub"
