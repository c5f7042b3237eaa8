"""Checkpoints are whole or not there: damage, kills and a full disk, on real files."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rrr_local.errors import ResourceError
from rrr_local.training import checkpoint
from rrr_local.training.checkpoint import FILLED_IN, MANIFEST, STATE, Checkpoint, newest, prune, recover, save

FILES = (*FILLED_IN, STATE, MANIFEST)


def writer(step: int) -> Callable[[Path], None]:
    """Writes contents that tell the step."""

    def write(folder: Path) -> None:
        for name in FILLED_IN:
            (folder / name).write_bytes(f"{name} of {step} ".encode() * 50)

    return write


def saved(run: Path, *steps: int) -> Path:
    """Save checkpoints of these steps; the path of the last one."""
    return [save(run, step, writer(step), {"step": step, "order_seed": 7}) for step in steps][-1]


def found(run: Path) -> Checkpoint:
    checkpoint = newest(run).checkpoint
    assert checkpoint is not None
    return checkpoint


def steps_in(run: Path) -> list[int]:
    return sorted(int(path.name.removeprefix("step-")) for path in run.glob("step-*"))


def test_what_was_saved_is_found_again(tmp_path: Path) -> None:
    path = saved(tmp_path, 100, 120)
    assert path == tmp_path / "step-0000120"
    assert found(tmp_path) == Checkpoint(120, path, {"step": 120, "order_seed": 7})
    assert sorted(file.name for file in path.iterdir()) == sorted(FILES)
    assert newest(tmp_path).notice is None


def test_an_empty_run_has_no_checkpoint(tmp_path: Path) -> None:
    assert newest(tmp_path / "never-started").checkpoint is None
    assert newest(tmp_path / "never-started").notice is None


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 1)


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[0] ^= 4
    path.write_bytes(content)


def zero_the_tail(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2] + bytes(len(content) - len(content) // 2))


def empty(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize("damage", [cut, flip_a_bit, zero_the_tail, empty, Path.unlink])
@pytest.mark.parametrize("name", FILES)
def test_damage_is_caught_and_named_and_the_one_before_is_used(
    tmp_path: Path, name: str, damage: Callable[[Path], None]
) -> None:
    path = saved(tmp_path, 100, 120)
    damage(path / name)
    assert found(tmp_path).step == 100
    missing = " is missing" * (damage is Path.unlink)
    assert newest(tmp_path).notice == f"step 120 is damaged ({name}{missing}), continued from step 100"


@given(data=st.data())
@settings(max_examples=100, deadline=None)
def test_any_flipped_bit_anywhere_is_caught(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    run = tmp_path_factory.mktemp("run")
    path = saved(run, 1)
    victim = path / data.draw(st.sampled_from(FILES))
    content = bytearray(victim.read_bytes())
    place = data.draw(st.integers(0, 8 * len(content) - 1))
    content[place // 8] ^= 1 << place % 8
    victim.write_bytes(content)
    assert newest(run).checkpoint is None


@pytest.mark.parametrize(
    "text", ["[]", "null", '{"step": 120}', '{"step": 120, "files": {}}', '{"step": 120, "files": [1]}', "\xff"]
)
def test_a_manifest_that_lists_too_little_is_damage(tmp_path: Path, text: str) -> None:
    path = saved(tmp_path, 120)
    (path / MANIFEST).write_text(text, encoding="latin-1")
    assert newest(tmp_path).notice == f"step 120 is damaged ({MANIFEST}), continued from the beginning"


def test_a_checkpoint_renamed_to_another_step_is_damage(tmp_path: Path) -> None:
    saved(tmp_path, 100).rename(tmp_path / "step-0000200")
    assert newest(tmp_path).checkpoint is None


def test_recovery_sets_damage_aside_and_training_can_save_that_step_again(tmp_path: Path) -> None:
    cut(saved(tmp_path, 100, 110, 120) / FILLED_IN[2])
    flip_a_bit(tmp_path / "step-0000110" / STATE)
    recovered = recover(tmp_path)
    assert recovered.checkpoint is not None and recovered.checkpoint.step == 100
    assert [bad.step for bad in recovered.damaged] == [120, 110]
    assert recover(tmp_path).notice is None
    saved(tmp_path, 110, 120)
    assert found(tmp_path).step == 120
    assert (tmp_path / "damaged-step-0000120").is_dir()
    cut(tmp_path / "step-0000120" / STATE)
    recover(tmp_path)
    assert steps_in(tmp_path) == [100, 110]


def test_recovery_removes_what_dead_writers_left_and_nothing_else(tmp_path: Path) -> None:
    saved(tmp_path, 3)
    (tmp_path / "lock").write_text("")
    for name in (".tmp-12345-4", ".tmp-del-step-0000001"):
        (tmp_path / name).mkdir()
        (tmp_path / name / FILLED_IN[0]).write_bytes(b"half")
    recover(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lock", "step-0000003"]


def test_a_saved_step_is_not_written_twice(tmp_path: Path) -> None:
    def never(folder: Path) -> None:
        pytest.fail("written again")

    path = saved(tmp_path, 5)
    assert save(tmp_path, 5, never, {}) == path
    assert found(tmp_path).state == {"step": 5, "order_seed": 7}


def test_a_damaged_step_is_written_again(tmp_path: Path) -> None:
    cut(saved(tmp_path, 5) / FILLED_IN[0])
    saved(tmp_path, 5)
    assert found(tmp_path).step == 5


def test_pruning_keeps_the_last_and_every_hundredth(tmp_path: Path) -> None:
    saved(tmp_path, 80, 100, 120, 140, 160, 180, 200, 220)
    assert sorted(prune(tmp_path)) == [80, 120, 140, 160]
    assert steps_in(tmp_path) == [100, 180, 200, 220]
    assert prune(tmp_path) == []
    assert not list(tmp_path.glob(".tmp-*"))


def test_pruning_never_deletes_the_newest(tmp_path: Path) -> None:
    saved(tmp_path, 1, 2)
    with pytest.raises(ValueError, match="keep_last=0"):
        prune(tmp_path, keep_last=0)
    prune(tmp_path, keep_last=1)
    assert steps_in(tmp_path) == [2]


@pytest.mark.parametrize("error", [RuntimeError("the GPU is gone"), KeyboardInterrupt()])
def test_a_write_that_fails_leaves_nothing(tmp_path: Path, error: BaseException) -> None:
    def fail(folder: Path) -> None:
        writer(2)(folder)
        raise error

    saved(tmp_path, 1)
    with pytest.raises(type(error)):
        save(tmp_path, 2, fail, {})
    assert [path.name for path in tmp_path.iterdir()] == ["step-0000001"]


def test_a_write_that_forgets_a_file_is_a_bug_and_is_said(tmp_path: Path) -> None:
    def forget(folder: Path) -> None:
        writer(1)(folder)
        (folder / "optimizer.safetensors").unlink()

    with pytest.raises(ValueError, match=r"without optimizer\.safetensors"):
        save(tmp_path, 1, forget, {})
    assert list(tmp_path.iterdir()) == []


def test_a_state_that_is_not_json_is_refused(tmp_path: Path) -> None:
    for state in ({"loss": float("nan")}, {"key": b"bytes"}):
        with pytest.raises((ValueError, TypeError)):
            save(tmp_path, 1, writer(1), state)
    assert list(tmp_path.iterdir()) == []


def test_a_nearly_full_disk_is_refused_before_writing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    saved(tmp_path, 1)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**12, 10**12 - 10**7, 10**7))
    with pytest.raises(ResourceError, match="needs 100 MB of free disk space and 9 MB are left"):
        saved(tmp_path, 2)
    assert found(tmp_path).step == 1


def test_a_full_disk_keeps_the_old_checkpoints_and_leaves_nothing_else(tmp_path: Path) -> None:
    """A real failing write: the child may not write files of more than 10,000 bytes."""
    code = f"""
import resource, sys
from pathlib import Path
from rrr_local.errors import ResourceError
from rrr_local.training.checkpoint import save
def write(folder):
    for name in {FILLED_IN}:
        (folder / name).write_bytes(bytes(20_000))
save(Path(sys.argv[1]), 1, write, {{}})
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, resource.RLIM_INFINITY))
try:
    save(Path(sys.argv[1]), 2, write, {{}})
except ResourceError as error:
    print(error.cause)
"""
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("the checkpoint of step 2 could not be written (the disk is full)\n", "")
    assert [path.name for path in tmp_path.iterdir()] == ["step-0000001"]
    assert found(tmp_path).step == 1


def test_a_run_folder_that_cannot_be_made_is_a_resource_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ResourceError, match="step 1 could not be written"):
        saved(tmp_path / "file" / "run", 1)


def test_everything_is_on_the_disk_before_the_rename_and_the_rename_before_the_return(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stand-in for a power cut: the order in which the disk is told."""
    events: list[str] = []
    force, rename = checkpoint._force_to_disk, Path.rename

    def note_force(path: Path) -> None:
        events.append(path.name)
        force(path)

    def note_rename(path: Path, target: Path) -> Path:
        events.append("rename")
        return rename(path, target)

    monkeypatch.setattr(checkpoint, "_force_to_disk", note_force)
    monkeypatch.setattr(Path, "rename", note_rename)
    saved(tmp_path, 1)
    folder = f".tmp-{os.getpid()}-1"
    assert sorted(events[:4]) == sorted([*FILLED_IN, STATE])
    assert events[4:] == [MANIFEST, folder, "rename", tmp_path.name]


SAVE_FOR_EVER = f"""
import os, sys
from pathlib import Path
from rrr_local.training.checkpoint import prune, recover, save
run = Path(sys.argv[1])
last = recover(run).checkpoint
step = last.step if last else 0
print("started", step, flush=True)
while True:
    step += 1
    def write(folder):
        for name in {FILLED_IN}:
            (folder / name).write_bytes(os.urandom(200_000))
    save(run, step, write, {{"at": step}})
    print("saved", step, flush=True)
    prune(run, keep_last=2, keep_every=50)
"""


def test_kill_9_at_any_moment_loses_no_acknowledged_checkpoint(tmp_path: Path) -> None:
    rng = random.Random(1)
    acknowledged = killed_while_writing = 0
    for _ in range(20):
        process = subprocess.Popen(
            [sys.executable, "-c", SAVE_FOR_EVER, str(tmp_path)], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        assert process.stdout.readline() == f"started {newest_step(tmp_path)}\n"
        try:
            process.wait(rng.uniform(0, 0.15))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
        rest = process.communicate()[0].splitlines(keepends=True)
        assert process.returncode == -signal.SIGKILL
        whole = [line for line in rest if line.endswith("\n")]  # the kill may cut off the last one
        acknowledged = max([acknowledged, *(int(line.removeprefix("saved ")) for line in whole)])
        killed_while_writing += bool(list(tmp_path.glob(".tmp-*")))
        assert newest(tmp_path).damaged == ()
        assert newest_step(tmp_path) in (acknowledged, acknowledged + 1)  # the next may be whole and not yet announced
    assert acknowledged > 0
    assert killed_while_writing > 0


def newest_step(run: Path) -> int:
    last = newest(run).checkpoint
    return last.step if last else 0
