"""What is said before a run: counts, signal, cost; and that looking leaves nothing behind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from rrr_local.engine import machine, preflight
from rrr_local.engine.checks import Check, Health
from rrr_local.engine.machine import Battery
from rrr_local.engine.plan import POOL, Plan
from rrr_local.engine.preflight import Preflight
from rrr_local.episode import VerdictKind
from rrr_local.errors import NotFoundError, UsageError
from rrr_local.store import queries
from rrr_local.store.records import EpisodeRecord, SessionKind, TryRecord

from ..toy import FAIL, PASS, Toy
from ..training.lab import Lab
from .test_work import PLAN, bench, carry_out


def look(lab: Lab, plan: Plan = PLAN) -> Preflight:
    return preflight.preflight(bench(lab), plan, lambda stage, done, total: None)


def check(found: Preflight, name: str) -> Check:
    (one,) = [each for each in found.checks if each.name == name]
    return one


def everything(lab: Lab) -> list[int]:
    """How many rows there are in every table that a probe could write to."""
    counts = queries.counts(lab.store.reader())
    return [counts.sessions, counts.attempts, counts.reflections, counts.runs, counts.adapters, counts.evals]


def test_looking_keeps_nothing(lab: Lab, data_folder: Path) -> None:
    bench(lab)
    before, files = everything(lab), sorted(data_folder.glob("runs/**/*"))
    look(lab, replace(PLAN, evaluate=4, replay=2))
    assert (everything(lab), sorted(data_folder.glob("runs/**/*"))) == (before, files)


def test_what_a_run_would_take_is_the_sum_of_its_parts(lab: Lab) -> None:
    found = look(lab, replace(PLAN, evaluate=4, replay=2))
    assert found.ready and found.cost is not None and found.signal is not None
    cost = found.cost
    assert cost.total_s == pytest.approx(cost.collect_s + cost.measure_s + 5 * cost.step_s)
    assert min(cost.step_s, cost.collect_s, cost.measure_s, cost.memory, cost.disk) > 0
    assert cost.memory < cost.machine_memory and cost.disk < cost.disk_free
    assert found.recipe["steps"] == cost.steps == 5
    assert (found.data.task, found.data.held_out) == ("toy", 12)
    assert found.signal.retries == 4 * found.signal.failures
    assert found.signal.low <= found.signal.share == found.signal.mixed / found.signal.failures <= found.signal.high
    unmeasured = look(lab).cost
    assert unmeasured is not None and unmeasured.measure_s == 0.0


def test_failures_that_are_there_need_no_collecting(lab: Lab) -> None:
    carry_out(lab, PLAN, "collector")
    found = look(lab, replace(PLAN, failures=POOL))
    assert found.cost is not None and found.cost.collect_s == 0.0
    assert found.data.trainable == len(pool(lab)) > 0
    session = str(queries.fetch(lab.store.reader(), "SELECT id FROM sessions WHERE kind = 'collect'")[0][0])
    by_session = look(lab, replace(PLAN, failures=session))
    assert by_session.cost is not None and by_session.cost.collect_s == 0.0
    with pytest.raises(NotFoundError):
        look(lab, replace(PLAN, failures="nonesuch"))


def pool(lab: Lab) -> list[queries.Failure]:
    ids = lab.registered()
    return queries.pool(lab.store.reader(), ids.task_id, ids.model_id, None)


def test_an_empty_pool_cannot_be_trained_on(lab: Lab) -> None:
    found = look(lab, replace(PLAN, failures=POOL))
    assert not found.ready and found.signal is None and found.cost is None
    assert [(each.name, each.health) for each in found.checks if each.health is Health.FAIL] == [("data", Health.FAIL)]


def test_a_task_that_is_always_solved_has_nothing_to_learn_from(lab: Lab) -> None:
    lab.task = Toy(lambda reply: PASS)
    found = look(lab)
    assert not found.ready and "nothing failed" in check(found, "signal").detail


def test_where_no_retry_passes_it_says_so_and_what_to_try(lab: Lab) -> None:
    lab.task = Toy(lambda reply: FAIL)
    found = look(lab)
    assert not found.ready and found.signal is not None and found.signal.passed == found.signal.mixed == 0
    said = check(found, "signal")
    assert said.health is Health.FAIL
    assert said.detail.startswith(f"0 of {found.signal.retries} retries pass: nothing to reward. Try")


def test_why_failures_cannot_be_trained_on_is_counted(lab: Lab) -> None:
    carry_out(lab, PLAN, "one")
    carry_out(lab, PLAN, "another")  # equal seeds, equal failures
    ids, before = lab.registered(), len(pool(lab))
    lab.store.exclude(pool(lab)[-1].attempt_id, True)
    chat = lab.store.start_session(SessionKind.CHAT, model_id=ids.model_id, task_id=None)
    unchecked = TryRecord("so it is", VerdictKind.ERROR, "nothing to check it against")
    (attempt,) = lab.store.log_episodes(chat, [EpisodeRecord(None, unchecked)])
    lab.store.log_user_verdict(attempt, VerdictKind.FAIL, "wrong result")
    data = look(lab, replace(PLAN, failures=POOL)).data
    assert (data.excluded, data.missing_answer, data.passed_over) == (1, 1, 0)
    assert data.trainable == before // 2 and data.duplicates == before // 2 - 1


def test_more_to_measure_on_than_there_is_gets_a_word(lab: Lab) -> None:
    assert check(look(lab, replace(PLAN, evaluate=99)), "held-out").detail == "only 12 of 99 problems to measure on"


def test_what_could_not_be_started_is_refused(lab: Lab) -> None:
    with pytest.raises(UsageError, match="no recipe"):
        look(lab, Plan(recipe="nonesuch"))


# --- the machine ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ({"BAT0/capacity": "81\n", "BAT0/status": "Discharging\n"}, Battery(81, False)),
        ({"BAT1/capacity": "7\n", "BAT1/status": "Charging\n", "AC/online": "1\n"}, Battery(7, True)),
        ({"BAT0/capacity": "?\n", "BAT0/status": "Full\n", "BAT1/capacity": "100\n", "BAT1/status": "Full\n"}, Battery(100, True)),
        ({"AC/online": "1\n"}, None),
        ({}, None),
    ],
)  # fmt: skip
def test_a_battery_on_linux(tmp_path: Path, files: Mapping[str, str], found: Battery | None) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert machine._from_folders(tmp_path) == found


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ("Now drawing from 'AC Power'\n -InternalBattery-0 (id=1)\t81%; charging; 0:42 remaining", Battery(81, True)),
        ("Now drawing from 'Battery Power'\n -InternalBattery-0 (id=1)\t9%; discharging;", Battery(9, False)),
        ("Now drawing from 'AC Power'\n", None),
        ("", None),
    ],
)
def test_a_battery_on_a_mac(said: str, found: Battery | None) -> None:
    assert machine._from_pmset(said) == found


def test_a_low_battery_is_a_warning_unless_it_is_charging(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    health = []
    for power in (Battery(12, False), Battery(12, True), Battery(90, False)):
        monkeypatch.setattr(preflight, "battery", partial(Battery, power.percent, power.charging))
        health.append(check(look(lab, replace(PLAN, failures=POOL)), "battery").health)
    assert health == [Health.WARN, Health.OK, Health.OK]


def test_memory_is_known_here() -> None:
    assert 0 < machine.peak_resident_bytes() < machine.memory_bytes()
