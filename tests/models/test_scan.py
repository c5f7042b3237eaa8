"""Every model on a machine: what it is, whether it can be used, what it would take; without loading or fetching anything."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from rrr_local.engine.machine import memory_bytes
from rrr_local.errors import ModelError
from rrr_local.models import scan
from rrr_local.models.find import EMBEDDED, find_model
from rrr_local.models.imports import import_model
from rrr_local.models.memory import Fit, estimate, fit
from rrr_local.models.remove import removal, remove
from rrr_local.models.scan import Place
from rrr_local.models.suggestions import MAC_8, MACHINES, SUGGESTIONS
from rrr_local.models.verify import State, verify
from rrr_local.paths import bundled

from ..cli.child import ROOT
from .here import environment, rrr
from .loopback_hub import COMMIT
from .test_find import OTHER, in_cache, quiet


def lm_studio(home: Path, name: str, *files: str) -> Path:
    folder = home / ".lmstudio" / "models" / "publisher" / name
    folder.mkdir(parents=True)
    for file in files:
        (folder / file).write_bytes(b"weights")
    return folder


def test_the_embedded_model_is_always_there(home: Path) -> None:
    (row,) = scan.installed()
    assert (row.name, row.place, row.fault) == (EMBEDDED, Place.EMBEDDED, None)
    assert row.about is not None and row.memory == estimate(find_model(EMBEDDED))
    assert (row.about.kind, row.about.quantisation, row.about.context, row.about.license) == (
        "llama",
        "float16",
        1024,
        "apache-2.0",
    )
    assert scan.found() == []


def test_other_programs_models_are_found_each_once(home: Path) -> None:
    in_cache(home)
    in_cache(home, revision=OTHER, main=False)
    shutil.copytree(bundled(EMBEDDED), home / ".lmstudio" / "models" / "publisher" / "toy")
    lm_studio(home, "ggufs", "weights.Q4_K_M.gguf")
    lm_studio(home, "pickles", "pytorch_model.bin", "config.json")
    rows = {row.name: row for row in scan.found([home / ".lmstudio"])}
    studio = home / ".lmstudio" / "models" / "publisher"
    assert {name: (row.place, row.fault) for name, row in rows.items()} == {
        "org/Some-Model": (Place.HUB_CACHE, None),
        f"org/Some-Model@{OTHER}": (Place.HUB_CACHE, None),
        str(studio / "toy"): (Place.LM_STUDIO, None),
        str(studio / "ggufs"): (Place.LM_STUDIO, "its weights are GGUF; only safetensors are loaded"),
        str(studio / "pickles"): (
            Place.LM_STUDIO, "its weights are in a format that may run code; only safetensors are loaded",
        ),
    }  # fmt: skip
    assert (rows["org/Some-Model"].repo_id, rows["org/Some-Model"].revision) == ("org/Some-Model", COMMIT)
    for name, row in rows.items():
        if row.fault is None:
            assert find_model(name).folder == Path(row.folder)


def test_parts_of_a_model_are_no_model(home: Path) -> None:
    folder = in_cache(home)
    (folder / "model.safetensors").unlink()
    (home / ".lmstudio" / "models" / "publisher" / "empty").mkdir(parents=True)
    assert scan.found() == []


def test_folders_are_searched_two_levels_down_and_circles_are_not_followed(
    home: Path, model: Path, tmp_path: Path
) -> None:
    deep = tmp_path / "shelf" / "a" / "b"
    deep.mkdir(parents=True)
    shutil.copytree(model, deep / "too-deep")
    shutil.copytree(model, tmp_path / "shelf" / "a" / "near")
    (tmp_path / "shelf" / "circle").symlink_to(tmp_path / "shelf")
    assert [row.name for row in scan.found([tmp_path / "shelf"])] == [str(tmp_path / "shelf" / "a" / "near")]


@pytest.mark.parametrize(
    ("change", "shown"),
    [
        ({"quantization": {"bits": 4, "group_size": 64}}, "4-bit"),
        ({"quantization_config": {"quant_method": "awq", "bits": 4}}, "4-bit"),
        ({"quantization_config": {"quant_method": "fp8"}}, "fp8"),
        ({"quantization": {"mode": "mxfp4"}}, "mxfp4"),
        ({"dtype": None, "torch_dtype": "bfloat16"}, "bfloat16"),
        ({"dtype": 5, "quantization": "4"}, "unknown"),
    ],
)
def test_quantisation(home: Path, model: Path, change: dict[str, object], shown: str) -> None:
    config = {**json.loads((model / "config.json").read_text()), **change}
    (model / "config.json").write_text(json.dumps(config))
    about = scan.row("m", Place.FOLDER, model).about
    assert about is not None and about.quantisation == shown


@pytest.mark.parametrize(
    ("card", "shown"),
    [
        ("---\nlicense: mit\n---\nlicense: none", "mit"),
        ("---\nlicense: other\nlicense_name: llama3.2\n---\n", "llama3.2"),
        ('---\nlicense: "apache-2.0"\n---', "apache-2.0"),
        ("license: mit\n", None),
        ("---\ntags:\n- license: x\n---\n", None),
        ("", None),
    ],
)
def test_licence(home: Path, model: Path, card: str, shown: str | None) -> None:
    (model / "README.md").write_text(card)
    about = scan.row("m", Place.FOLDER, model).about
    assert about is not None and about.license == shown


@pytest.mark.parametrize("field", ["hidden_size", "num_attention_heads", "vocab_size", "num_hidden_layers"])
@pytest.mark.parametrize("value", [0, -1, 10**12, "many", None, [], 1e400])
def test_a_config_without_sense_leaves_the_memory_open(home: Path, model: Path, field: str, value: object) -> None:
    config = {**json.loads((model / "config.json").read_text()), field: value}
    (model / "config.json").write_text(json.dumps(config))
    assert scan.row("m", Place.FOLDER, model).memory is None
    with pytest.raises(ModelError, match="does not say how large"):
        estimate(find_model(str(model)))


def test_the_estimate_is_near_what_the_embedded_model_takes() -> None:
    code = (
        "from rrr_local.backends.find import open_backend\nfrom rrr_local.backends.bench import measure\n"
        "from rrr_local.engine.machine import peak_resident_bytes\nfrom rrr_local.models.find import find_model\n"
        "measure(open_backend('auto', find_model('tiny')))\nprint(peak_resident_bytes())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert 0.6 < int(done.stdout) / estimate(find_model(EMBEDDED)).chat < 1.6


def test_models_are_listed_verified_and_removed_by_name(home: Path, model: Path) -> None:
    in_cache(home)
    import_model("org/Some-Model", None, quiet)
    import_model(str(model), "mine", quiet)
    rows = {row.name: row for row in scan.installed()}
    assert {name: row.place for name, row in rows.items()} == {
        EMBEDDED: Place.EMBEDDED, "mine": Place.IMPORTED, "org/Some-Model": Place.FETCHED,
    }  # fmt: skip
    assert all(row.fault is None and row.verified_at for name, row in rows.items() if name != EMBEDDED)
    assert scan.found([model]) == []  # what is listed is not found again
    assert {file.state for name in ("mine", "org/Some-Model") for file in verify(name, quiet)} == {State.SAME}
    (model / "tokenizer.json").unlink()
    assert [(file.name, file.state) for file in verify("mine", quiet) if file.state is not State.SAME] == [
        ("tokenizer.json", State.GONE)
    ]
    remove(removal("mine"))
    assert model.exists()  # it is somebody's own folder
    remove(removal("org/Some-Model"))
    assert [row.name for row in scan.installed()] == [EMBEDDED] and scan.found() == []


def test_what_other_programs_fetched_can_be_verified_by_the_hubs_own_names(home: Path) -> None:
    folder = in_cache(home)
    assert {file.state for file in verify("org/Some-Model", quiet)} == {State.SAME}
    blob = (folder / "config.json").resolve()
    blob.write_text(blob.read_text() + " ")
    assert [file.name for file in verify("org/Some-Model", quiet) if file.state is State.CHANGED] == ["config.json"]


def test_removing_a_commit_leaves_the_blobs_that_another_one_needs(home: Path) -> None:
    in_cache(home, revision=OTHER, main=False)
    in_cache(home)
    import_model("org/Some-Model", None, quiet)
    what = removal("org/Some-Model")
    assert what.size == 0
    remove(what)
    assert {file.state for file in verify(f"org/Some-Model@{OTHER}", quiet)} == {State.SAME}
    with pytest.raises(ModelError, match="there is no model"):
        find_model("org/Some-Model")


def test_a_list_of_models_needs_no_library(home: Path) -> None:
    code = "import sys, rrr_local.models.scan as s; s.installed(); s.found(); print(*{n.split('.')[0] for n in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, env=environment(home))
    assert done.returncode == 0, done.stderr
    assert {"numpy", "mlx", "mlx_lm", "torch", "transformers", "huggingface_hub", "jinja2", "safetensors"}.isdisjoint(
        done.stdout.split()
    )


def test_the_commands_print_documents(home: Path, model: Path) -> None:
    env = environment(home)
    took = json.loads(rrr(env, "models", "import", str(model), "--name", "mine", "--json").stdout)
    assert (took["schema"], took["name"], took["folder"]) == ("rrr.model/1", "mine", str(model))
    listed = json.loads(rrr(env, "models", "--json").stdout)
    assert (listed["schema"], listed["memory_bytes"]) == ("rrr.models/1", memory_bytes())
    assert [row["name"] for row in listed["models"]] == ["tiny", "mine"]
    bench = json.loads(rrr(env, "models", "bench", "mine", "--json", "-q").stdout)
    assert bench["schema"] == "rrr.model-bench/1"
    assert min(bench["prefill_tokens_per_s"], bench["decode_tokens_per_s"], bench["peak_memory"]) > 0
    gone = json.loads(rrr(env, "models", "rm", "mine", "--yes", "--json").stdout)
    assert (gone["schema"], gone["freed_bytes"]) == ("rrr.model-removed/1", 0)


def test_suggestions_are_named_for_each_machine_and_fit_it(home: Path) -> None:
    assert {machine for each in SUGGESTIONS for machine in each.machines} == set(MACHINES)
    for each in SUGGESTIONS:
        for machine in each.machines:
            assert fit(each.memory.chat, machine.memory) is not Fit.NO
            # On 8 GB the paper's size is for chatting; the suggestion says so.
            assert fit(each.memory.training, machine.memory) is not Fit.NO or (
                machine is MAC_8 and "not to train" in each.why
            )
    half = next(each for each in SUGGESTIONS if each.repo_id == "Qwen/Qwen2.5-1.5B-Instruct")
    assert 3.0e9 < half.size < 3.2e9  # published: 1.54 billion numbers of 16 bits
    printed = rrr(environment(home), "models", "suggest", "--json")
    assert [each["name"] for each in json.loads(printed.stdout)["models"]] == [each.repo_id for each in SUGGESTIONS]
