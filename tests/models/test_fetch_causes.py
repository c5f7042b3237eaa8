"""Whatever goes wrong at the hub: the cause and the way out, an exit code, nothing half visible, and the next try works."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from rrr_local.paths import bundled

from .conftest import new_home
from .here import environment, rrr
from .loopback_hub import Case, loopback_hub

SEVERAL = """
import contextlib, io, json, sys
from rrr_local.cli.main import run
for case in sys.argv[1:]:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = run(["models", "fetch", f"{case}/tiny", "--yes"])
    print(json.dumps([case, code, out.getvalue(), err.getvalue()]), flush=True)
"""
"""Several fetches in one process, each through the same door as the command: an interpreter for each would be most of the time."""
CAUSES = {
    Case.GATED: (3, "asks you to accept conditions first", "sign in with `hf auth login`"),
    Case.UNAUTHORISED: (3, "does not let you have unauthorised/tiny (401)", "`hf auth login`"),
    Case.MISSING: (6, "there is no model missing/tiny, or it is private", "check the name"),
    Case.BROKEN: (3, "has trouble of its own (500)", "try again later"),
    Case.WITHDRAWN: (6, "withdrawn/tiny was withdrawn", "choose another model"),
    Case.CUT: (3, "was lost after", "files that came whole stay"),
    Case.CORRUPT: (3, "model.safetensors of corrupt/tiny came damaged twice, and was removed", "another network"),
    Case.PORTAL: (3, "something else answers for http://127.0.0.1", "sign in on a web page"),
    Case.PORTAL_FILES: (3, "something else answers for http://127.0.0.1", "sign in on a web page"),
    Case.HUGE: (4, "huge/tiny needs 1000000.0 GB of disk", "free some space"),
    Case.PICKLED: (3, "pickled/tiny has no model*.safetensors (only .bin)", "only safetensors are loaded"),
    Case.HOSTILE: (3, "model.safetensors is not a sound safetensors file", "choose another one"),
    Case.LOOPING: (3, "the chat template does not end", "choose another model"),
}
WHOLE = (Case.GOOD, Case.CUT_ONCE, Case.CORRUPT_ONCE)
"""What ends well, if not at once."""


class Told(NamedTuple):
    """What a fetch said."""

    code: int
    out: str
    err: str


class Tries(NamedTuple):
    """All cases tried, what could be seen then, and all tried again after the hub was mended."""

    first: dict[str, Told]
    listed: dict[str, str]
    """What `rrr models list` knows then: the fault by name."""
    found: list[str]
    """What `rrr models scan` shows besides."""
    incomplete: list[str]
    """Parts of files in the cache."""
    later: dict[str, Told]


def fetched(env: dict[str, str]) -> dict[str, Told]:
    cases = [*CAUSES, *WHOLE]
    done = subprocess.run([sys.executable, "-c", SEVERAL, *cases], capture_output=True, text=True, env=env, timeout=200)
    assert done.returncode == 0, done.stderr
    return {case: Told(*told) for case, *told in map(json.loads, done.stdout.splitlines())}


@pytest.fixture(scope="module")
def tries(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tries]:
    home = new_home(tmp_path_factory.mktemp("fetch") / "home")
    with loopback_hub(bundled("tiny")) as hub:
        env = environment(home, hub.url)
        first = fetched(env)
        listed = json.loads(rrr(env, "models", "list", "--json").stdout)["models"]
        found = json.loads(rrr(env, "models", "scan", "--json").stdout)["models"]
        parts = [path.name for path in (home / "hf").rglob("*.incomplete")]
        hub.mended = True
        yield Tries(
            first, {row["name"]: row["fault"] for row in listed}, [row["name"] for row in found], parts, fetched(env)
        )


@pytest.mark.parametrize("case", CAUSES)
def test_each_cause_has_its_message_its_way_out_and_its_exit_code(tries: Tries, case: Case) -> None:
    told = tries.first[case]
    code, cause, way_out = CAUSES[case]
    *_, cause_line, way_out_line = told.err.splitlines()
    assert (told.code, told.out) == (code, "")
    assert cause_line.startswith("rrr: ") and cause in cause_line
    assert way_out in way_out_line


@pytest.mark.parametrize("case", WHOLE)
def test_a_mishap_that_happens_once_is_got_over(tries: Tries, case: Case) -> None:
    assert tries.first[case].code == 0
    assert f"{case}/tiny: 7 files, 7.1 MB, all compared" in tries.first[case].out


def test_what_failed_is_not_half_visible(tries: Tries) -> None:
    assert tries.listed == {"tiny": None, **{f"{case}/tiny": None for case in WHOLE}}
    assert tries.found == tries.incomplete == []


def test_the_next_try_works(tries: Tries) -> None:
    assert {case: told.code for case, told in tries.later.items()} == dict.fromkeys([*CAUSES, *WHOLE], 0)


def test_no_hub_at_all(home: Path) -> None:
    told = rrr(environment(home), "models", "fetch", "good/tiny", "--yes", "--json")
    error = json.loads(told.stderr.splitlines()[-1])
    assert (told.returncode, told.stdout, error["schema"]) == (3, "", "rrr.error/1")
    assert error["error"].startswith("http://127.0.0.1:9 cannot be reached")
    assert "check the connection" in error["way_out"]


def test_an_environment_that_forbids_the_hub_is_obeyed(home: Path) -> None:
    told = rrr(environment(home, HF_HUB_OFFLINE="1"), "models", "fetch", "good/tiny", "--yes")
    assert told.returncode == 3
    assert told.stderr.startswith("rrr: HF_HUB_OFFLINE is set")
