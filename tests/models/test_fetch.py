"""Fetching, and what is done with a fetched model afterwards: real commands, a real hub on loopback, no other network."""

from __future__ import annotations

import json
import os
import pty
import shutil
import signal
import subprocess
from contextlib import closing, suppress
from pathlib import Path

import pytest

from rrr_local.store.sqlite import connect

from ..cli.child import RRR
from .here import environment, offline, rrr
from .loopback_hub import COMMIT, Hub

PROBLEM = '{"numbers": [3, 7, 18], "target": 39}'
WEIGHTS = "model.safetensors"


@pytest.fixture
def fetched(home: Path, hub: Hub) -> Path:
    """A home with good/tiny in it."""
    done = rrr(environment(home, hub.url), "models", "fetch", "good/tiny", "--yes", "-q")
    assert done.returncode == 0, done.stderr
    return home


def blob(home: Path) -> Path:
    """The file that holds the weights in the cache."""
    return snapshot(home).joinpath(WEIGHTS).resolve()


def snapshot(home: Path) -> Path:
    return home / "hf" / "hub" / "models--good--tiny" / "snapshots" / COMMIT


def test_a_fetched_model_answers_by_its_name_without_any_network(fetched: Path) -> None:
    arguments = ("ask", "--problem", PROBLEM, "--model", "good/tiny", "--json")
    told = rrr(offline(fetched), *arguments)
    assert told.returncode in (0, 1), told.stderr  # whether the toy is right is not the point
    assert json.loads(told.stdout)["attempts"][0]["text"]
    with closing(connect(fetched / "data" / "rrr.db")) as log:
        row = log.execute("SELECT repo_id, revision, license, quant FROM models").fetchone()
    assert row == ("good/tiny", COMMIT, "apache-2.0", "float16")


def test_the_wall_of_that_test_holds(home: Path) -> None:
    told = rrr(offline(home), "models", "fetch", "good/tiny", "--yes")
    assert told.returncode == 70 and "something used the network" in told.stderr


def test_a_dry_run_says_what_it_would_take_and_keeps_nothing(home: Path, hub: Hub) -> None:
    told = rrr(environment(home, hub.url), "models", "fetch", "good/tiny", "--dry-run", "--json")
    plan = json.loads(told.stdout)
    assert (told.returncode, plan["schema"], plan["revision"]) == (0, "rrr.model-plan/1", COMMIT)
    assert plan["host"] == hub.url.removeprefix("http://")
    assert 7.0e6 < plan["download_bytes"] == plan["size_bytes"] < 7.3e6
    assert (plan["license"], plan["gated"], plan["fits"]["chat"]) == ("apache-2.0", False, "fits")
    assert plan["free_bytes"] > 0
    assert not (home / "hf").exists()


def test_no_code_comes_along(fetched: Path, hub: Hub) -> None:
    assert sorted(path.name for path in snapshot(fetched).iterdir()) == [
        "README.md", "chat_template.jinja", "config.json", "generation_config.json", WEIGHTS,
        "tokenizer.json", "tokenizer_config.json",
    ]  # fmt: skip
    assert not [line for line in hub.asked if "evil" in line]


def test_where_nobody_can_be_asked_nothing_is_fetched(home: Path, hub: Hub) -> None:
    told = rrr(environment(home, hub.url), "models", "fetch", "good/tiny")
    assert told.returncode == 2
    assert told.stderr.splitlines()[-2:] == ["rrr: nothing was done: there is nobody to ask", "     add --yes"]
    assert not (home / "hf").exists()


@pytest.mark.parametrize(("answer", "code"), [("n", 1), ("y", 0)])
def test_on_a_terminal_the_plan_is_shown_and_the_person_asked(home: Path, hub: Hub, answer: str, code: int) -> None:
    person, terminal = pty.openpty()
    process = subprocess.Popen(
        [*RRR, "models", "fetch", "good/tiny"],
        stdin=terminal, stdout=subprocess.DEVNULL, stderr=terminal, env=environment(home, hub.url),
    )  # fmt: skip
    os.close(terminal)
    said = b""
    while b"Fetch it?" not in said:
        said += os.read(person, 1000)
    assert b"to fetch   7.1 MB of 7.1 MB, 7 files" in said and b"licence    apache-2.0" in said
    os.write(person, f"{answer}\n".encode())
    with suppress(OSError):  # Linux: the other end is closed
        while os.read(person, 1000):
            pass
    os.close(person)
    assert process.wait(60) == code
    assert (home / "hf").exists() is (code == 0)


def test_a_second_fetch_has_nothing_to_fetch(fetched: Path, hub: Hub) -> None:
    before = len(hub.asked)
    told = rrr(environment(fetched, hub.url), "models", "fetch", "good/tiny", "--yes")
    assert told.returncode == 0 and "to fetch   0.0 MB of 7.1 MB" in told.stderr
    assert not [line for line in hub.asked[before:] if "resolve" in line and "config.json" not in line]


def test_an_unknown_revision(home: Path, hub: Hub) -> None:
    told = rrr(environment(home, hub.url), "models", "fetch", "good/tiny", "--revision", "v9", "--yes")
    assert told.returncode == 6
    assert told.stderr.startswith("rrr: good/tiny has no revision v9")


def test_a_name_that_is_none(home: Path, hub: Hub) -> None:
    told = rrr(environment(home, hub.url), "models", "fetch", "../../etc/passwd", "--yes")
    assert told.returncode == 2
    assert told.stderr.startswith("rrr: '../../etc/passwd' is not the name of a model")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_download_is_cancelled_cleanly(home: Path, hub: Hub, number: signal.Signals, code: int) -> None:
    process = subprocess.Popen(
        [*RRR, "models", "fetch", "slow/tiny", "--yes", "--json", "--progress", "json"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(home, hub.url),
    )  # fmt: skip
    assert process.stderr is not None and json.loads(process.stderr.readline())["stage"] == "fetch"
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (code, "")
    assert "cancelled: nothing was recorded" in err
    assert list((home / "hf").rglob("*.incomplete")) == []
    assert [row["name"] for row in json.loads(rrr(environment(home), "models", "--json").stdout)["models"]] == ["tiny"]


def test_progress_for_a_program(home: Path, hub: Hub) -> None:
    arguments = ("models", "fetch", "good/tiny", "--yes", "--json", "--progress", "json")
    told = rrr(environment(home, hub.url), *arguments)
    events = [json.loads(line) for line in told.stderr.splitlines()]
    record = json.loads(told.stdout)
    assert {event["stage"] for event in events} == {"fetch"}
    assert events[-1]["data"]["bytes"] == events[-1]["data"]["bytes_total"] == record["size_bytes"]
    assert (record["schema"], record["name"], record["revision"]) == ("rrr.model/1", "good/tiny", COMMIT)
    assert Path(record["folder"]) == snapshot(home)


def test_a_file_that_changed_is_found_and_made_whole_again(fetched: Path, hub: Hub) -> None:
    assert rrr(offline(fetched), "models", "verify", "good/tiny").returncode == 0
    content = bytearray(blob(fetched).read_bytes())
    content[-1] ^= 1  # the same size: no library would notice
    blob(fetched).write_bytes(content)
    told = rrr(offline(fetched), "models", "verify", "good/tiny", "--json")
    checked = json.loads(told.stdout)
    assert (told.returncode, checked["same"]) == (1, False)
    assert [file["name"] for file in checked["files"] if file["state"] == "changed"] == [WEIGHTS]
    assert rrr(environment(fetched, hub.url), "models", "fetch", "good/tiny", "--yes").returncode == 0
    assert rrr(offline(fetched), "models", "verify", "good/tiny").returncode == 0


def test_a_file_that_is_gone_is_said_before_anything_is_loaded(fetched: Path) -> None:
    (snapshot(fetched) / "generation_config.json").unlink()
    told = rrr(offline(fetched), "ask", "Why?", "--model", "good/tiny")
    assert told.returncode == 3
    assert told.stderr.startswith("rrr: generation_config.json of good/tiny is gone")


def test_removing_takes_the_files_too_and_says_who_else_loses_them(fetched: Path) -> None:
    asked = rrr(offline(fetched), "models", "rm", "good/tiny")
    assert asked.returncode == 2 and blob(fetched).exists()
    told = rrr(offline(fetched), "models", "rm", "good/tiny", "--yes")
    assert told.returncode == 0, told.stderr
    assert "other programs that use this model lose it too" in told.stderr
    assert not (fetched / "hf" / "hub" / "models--good--tiny").exists()
    assert rrr(offline(fetched), "models", "rm", "good/tiny", "--yes").returncode == 6


def test_removing_may_leave_the_files_to_other_programs(fetched: Path) -> None:
    assert rrr(offline(fetched), "models", "rm", "good/tiny", "--yes", "--keep-files").returncode == 0
    assert blob(fetched).exists()
    assert [row["name"] for row in json.loads(rrr(offline(fetched), "models", "--json").stdout)["models"]] == ["tiny"]


def test_a_cache_that_was_deleted_by_hand(fetched: Path) -> None:
    shutil.rmtree(fetched / "hf")
    told = rrr(offline(fetched), "ask", "Why?", "--model", "good/tiny")
    assert told.returncode == 3
    assert told.stderr.startswith("rrr: the files of good/tiny are not there any more")
    assert "`rrr models fetch good/tiny`" in told.stderr
    row = json.loads(rrr(offline(fetched), "models", "list", "--json").stdout)["models"][1]
    assert row["name"] == "good/tiny" and "not there any more" in row["fault"]
