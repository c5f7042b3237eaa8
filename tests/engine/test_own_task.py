"""A task in a folder of one's own is found again by where it is: after a restart, by a resumed run, and when the folder has moved."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from rrr_local import paths
from rrr_local.chat.shown import Shown
from rrr_local.chat.turns import case
from rrr_local.cli.train import checked
from rrr_local.config import Settings
from rrr_local.engine.plan import Plan
from rrr_local.engine.protocol import Judged, Reflected
from rrr_local.episode import VerdictKind
from rrr_local.errors import NotFoundError
from rrr_local.store import queries
from rrr_local.store.ready import failures_ready
from rrr_local.store.records import RunStatus
from rrr_local.store.store import Store
from rrr_local.store.tasks_read import source_of

from ..cli.child import SMALL, call
from .talk import PROBLEM, first, opened, turn_of


@pytest.fixture
def sums(tmp_path: Path) -> Path:
    """Countdown problems in a person's own folder."""
    return Path(shutil.copytree(paths.bundled("countdown"), tmp_path / "sums"))


def a_failed_turn(sums: Path) -> tuple[str, int]:
    """The conversation and the turn of a failure on a problem of that task."""
    with opened() as chat:
        events = chat.ask("ignored", task=str(sums), info=PROBLEM, reflect=False)
        assert first(events, Judged).verdict is not VerdictKind.PASS
        assert chat.session is not None
        return chat.session, turn_of(events)


def test_a_turn_is_reflected_on_after_a_restart(data_folder: Path, sums: Path) -> None:
    session, turn = a_failed_turn(sums)
    with opened(session) as chat:
        assert chat.logged(turn).source == str(sums)
        events = chat.reflect(turn, "Start with 6 * 4.")
        assert [type(e) for e in events if isinstance(e, Judged | Reflected)] == [Reflected, Judged]


def test_when_the_folder_is_gone_that_is_said_and_the_log_can_still_be_read(data_folder: Path, sums: Path) -> None:
    session, turn = a_failed_turn(sums)
    shutil.rmtree(sums)
    with opened(session) as chat, pytest.raises(NotFoundError, match="sums"):
        chat.reflect(turn)
    with Store.open(paths.database_path()) as store:
        shown = Shown(store, Settings({}, {}))
        shown.open(session)
        shown.rate(shown.last.attempt_id, True)  # what the check says now has to be looked up, in the task that is gone
        shown.open(session)
        assert case(shown.last).check is None
        assert "task: sums" in shown.why(shown.last)


def test_where_a_folder_was_last_used_is_where_it_is_found(data_folder: Path, sums: Path, tmp_path: Path) -> None:
    session, turn = a_failed_turn(sums)
    moved = sums.rename(tmp_path / "elsewhere")
    renamed = moved / "sums"  # a task is known by the name of its folder
    renamed.mkdir()
    for part in ("train.jsonl", "eval.jsonl"):
        (moved / part).rename(renamed / part)
    a_failed_turn(renamed)
    with opened(session) as chat:
        assert source_of(chat.bench.store.reader(), "sums") == chat.logged(turn).source == str(renamed)
        assert [e for e in chat.reflect(turn) if isinstance(e, Judged)]


def test_the_pool_of_a_task_is_counted_by_its_name_and_by_its_folder(data_folder: Path, sums: Path) -> None:
    a_failed_turn(sums)
    tiny = str(paths.bundled("tiny").resolve())
    with Store.open(paths.database_path(), readonly=True) as store:
        assert failures_ready(store.reader(), "sums", tiny) == failures_ready(store.reader(), str(sums), tiny) == 1
        assert source_of(store.reader(), "never heard of") == "never heard of"


@pytest.mark.timeout(300)
def test_a_run_is_resumed_by_its_name_alone(data_folder: Path, sums: Path) -> None:
    """Killed after its second step, and resumed from another working folder."""
    begun = call(
        data_folder, "train", "--task", str(sums), "--name", "cut", *SMALL, "-o", "steps=3", "-o", "failures=6"
    )
    assert begun.returncode == 0, begun.stderr
    shutil.rmtree(data_folder / "runs" / "cut" / "step-0000003")
    with Store.open(paths.database_path()) as store:  # what a process that was killed there leaves behind
        run_id = queries.run(store.reader(), "cut").summary.id
        store.rewind_run(run_id, 2)
        store.update_run(run_id, status=RunStatus.RUNNING)
    assert checked(Plan(resume="cut")).task == str(sums)
    resumed = call(data_folder, "train", "--resume", "cut", "--json")
    assert resumed.returncode == 0, resumed.stderr
    assert (json.loads(resumed.stdout)["status"], json.loads(resumed.stdout)["step"]) == (RunStatus.DONE, 3)
    shutil.rmtree(sums)
    with pytest.raises(NotFoundError, match="sums"):
        checked(Plan(resume="cut"))
