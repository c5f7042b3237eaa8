"""What a laptop does to a file: processes killed, disks full, folders read-only, bytes overwritten."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from rrr_local.errors import ResourceError
from rrr_local.store import history
from rrr_local.store.sqlite import connect
from rrr_local.store.store import Store

from .samples import Lab, episode

START = """
import json, os, resource, sys
from pathlib import Path
from rrr_local.episode import VerdictKind
from rrr_local.errors import RrrError
from rrr_local.store import migrations
from rrr_local.store.records import EpisodeRecord, ReflectionRecord, SessionKind, TryRecord
from rrr_local.store.store import Store

def attempt(text):
    return TryRecord(text, VerdictKind.FAIL, "wrong")

def episode(size):
    return EpisodeRecord(None, attempt("a" * size), (ReflectionRecord(0, "r", retry=attempt("b")),))
"""

WRITE_FOR_EVER = """
store = Store.open(Path(sys.argv[1]))
session = store.start_session(SessionKind.CHAT, model_id=None, task_id=None)
while True:
    print(*store.log_episodes(session, [episode(3000)] * 5), flush=True)
"""


def test_kill_9_loses_no_acknowledged_episode(tmp_path: Path) -> None:
    path, rng, acknowledged = tmp_path / "rrr.db", random.Random(0), list[int]()
    for _ in range(10):
        command: list[str | Path] = [sys.executable, "-c", START + WRITE_FOR_EVER, path]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            for _ in range(rng.randint(1, 40)):
                acknowledged += map(int, child.stdout.readline().split())
            child.kill()
            whole = [line for line in child.stdout.read().splitlines(keepends=True) if line.endswith("\n")]
            acknowledged += [int(each) for line in whole for each in line.split()]
    with Store.open(path) as store:
        for first in acknowledged:
            found = history.episode(store.reader(), first)
            assert len(found.attempt.text) == 3000 and found.reflections[0].retry is not None
        assert store.reader().execute("PRAGMA integrity_check").fetchone() == ("ok",)
        tries = store.reader().execute("SELECT count(*), sum(attempt_no = 1) FROM attempts").fetchone()
        assert tries[0] == 2 * tries[1], "no episode is there in part"
        assert len(set(acknowledged)) == len(acknowledged) <= tries[1]


FILL_THE_DISK = """
store = Store.open(Path(sys.argv[1]))
session = store.start_session(SessionKind.CHAT, model_id=None, task_id=None)
resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, resource.RLIM_INFINITY))
acknowledged, causes = [], []
def write(times):
    for _ in range(times):
        acknowledged.extend(store.log_episodes(session, [episode(20_000)]))
for times in (1000, 1):
    try:
        write(times)
    except RrrError as error:
        causes.append(f"{type(error).__name__}: {error.cause}")
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
write(2)
store.close()
print(json.dumps({"acknowledged": acknowledged, "causes": causes}))
"""


def test_a_file_that_may_not_grow_is_named_and_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "rrr.db"
    done = subprocess.run(
        [sys.executable, "-c", START + FILL_THE_DISK, path], capture_output=True, text=True, check=True
    )
    said = json.loads(done.stdout)
    assert said["causes"] == ["ResourceError: the disk cannot be written or read"] * 2
    with Store.open(path) as store:
        rows = store.reader().execute("SELECT id FROM attempts WHERE attempt_no = 1 ORDER BY id").fetchall()
        assert [row[0] for row in rows] == said["acknowledged"]
        assert len(rows) > 5


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that any user may enter, unlike pytest's own."""
    with tempfile.TemporaryDirectory(prefix="rrr-readonly-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder
        folder.chmod(0o755)


# Root may write everywhere, whatever the mode says, so the child gives up being root before it tries.
AS_NOBODY = """
if os.geteuid() == 0:
    os.setuid(65534)
"""

TRY = """
path = Path(sys.argv[1])
said = {}
for name, readonly in (("write", False), ("read", True)):
    try:
        with Store.open(path, readonly=readonly) as store:
            said[name] = store.reader().execute("SELECT count(*) FROM attempts").fetchone()[0]
    except RrrError as error:
        said[name] = f"{type(error).__name__}: {error.cause}"
print(json.dumps(said))
"""


def tried(path: Path) -> dict[str, object]:
    """What happens to an ordinary user who opens the log in a read-only folder to write, and to read."""
    path.parent.chmod(0o555)
    done = subprocess.run(
        [sys.executable, "-c", START + AS_NOBODY + TRY, path], capture_output=True, text=True, check=True
    )
    said: dict[str, object] = json.loads(done.stdout)
    return said


def test_a_log_in_a_read_only_folder_can_be_read(open_folder: Path) -> None:
    path = open_folder / "rrr.db"
    lab = Lab.at(path)
    lab.store.log_episodes(lab.session_id, [episode(lab.problem_ids[0])])
    lab.store.close()
    assert tried(path) == {"write": "ResourceError: the data folder is read-only", "read": 4}


def test_no_log_can_be_made_in_a_read_only_folder(open_folder: Path) -> None:
    assert tried(open_folder / "rrr.db") == {
        "write": "ResourceError: the data folder is read-only",
        "read": f"NotFoundError: there is no log at {open_folder / 'rrr.db'} yet",
    }


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for folder in ("nothing", "file"):
        with pytest.raises(ResourceError, match="the log cannot be opened"):
            Store.open(tmp_path / folder / "rrr.db")


@pytest.mark.parametrize("readonly", [False, True])
def test_a_file_that_is_not_sqlite_is_named_and_left_alone(tmp_path: Path, readonly: bool) -> None:
    path = tmp_path / "rrr.db"
    path.write_bytes(b"holiday photos " * 1000)
    with pytest.raises(ResourceError, match="not an SQLite file"):
        Store.open(path, readonly=readonly)
    assert path.read_bytes() == b"holiday photos " * 1000


def test_damage_is_named_when_it_is_met(tmp_path: Path) -> None:
    path = tmp_path / "rrr.db"
    lab = Lab.at(path)
    lab.store.log_episodes(lab.session_id, [episode(p) for p in lab.problem_ids * 50])
    lab.store.close()
    with closing(connect(path)) as connection:
        sql = "SELECT rootpage FROM sqlite_schema WHERE name = 'attempts'"
        root = connection.execute(sql).fetchone()[0]
        size = connection.execute("PRAGMA page_size").fetchone()[0]
    with path.open("r+b") as file:
        file.seek((root - 1) * size)
        file.write(os.urandom(size))
    with Store.open(path) as store:
        with pytest.raises(ResourceError, match="the log is damaged"):
            history.episodes(store.reader())
        with pytest.raises(ResourceError, match="the log is damaged"):
            store.log_episodes(lab.session_id, [episode(lab.problem_ids[0])])
