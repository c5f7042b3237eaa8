"""Lists of episodes against a naive oracle: a few hundred episodes of every kind, filtered in Python and by the log."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rrr_local.episode import Verdict, VerdictKind
from rrr_local.store import history
from rrr_local.store.history import EpisodeFilter, Judge, Outcome
from rrr_local.store.records import EpisodeRecord, GroupRecord, SessionKind, StepRecord

from .samples import ERROR, FAIL, PASS, Lab, attempt, problem, reflection

WORDS = ("zebra", "okapi", "lion", "zebras", "eland")
KINDS = (PASS, FAIL, ERROR, VerdictKind.UNPARSED, VerdictKind.TIMEOUT)
N = 300


@dataclass(slots=True)
class Known:
    """An episode as the oracle knows it."""

    id: int
    texts: list[str]
    verdict: VerdictKind
    task: str | None
    kind: SessionKind
    by_user: bool = False
    retried: list[VerdictKind] = field(default_factory=list)
    runs: list[str] = field(default_factory=list)
    """Ids and names of those that reflected on it, the newest's name last."""
    excluded: bool = False

    @property
    def outcome(self) -> Outcome:
        if self.verdict is PASS:
            return Outcome.PASSED
        if PASS in self.retried:
            return Outcome.FIXED
        return Outcome.UNCHECKED if self.verdict is ERROR else Outcome.FAILED

    def fits(self, which: EpisodeFilter) -> bool:
        words = which.text.lower().split()
        asked = [
            (which.outcome, self.outcome),
            (which.task, self.task),
            (which.kind, self.kind),
            (which.judge, Judge.USER if self.by_user else Judge.VERIFIER),
            (which.excluded, self.excluded),
        ]
        return (
            all(wanted in (None, value) for wanted, value in asked)
            and (which.run is None or which.run in self.runs)
            and (not words or any(set(words) <= set(text.lower().split()) for text in self.texts))
        )


class Filled:
    """A log with N episodes, and what the oracle knows of them."""

    def __init__(self, lab: Lab) -> None:
        self.lab, self.rng = lab, random.Random(1)
        store = lab.store
        tasks = {"countdown": lab.task_id, "other": store.task("other", 1, "x", "x", "00", {})}
        self.problems: dict[str | None, dict[int, str]] = {None: {}}
        for name, task_id in tasks.items():
            made = [replace(problem(n), prompt=f"{self.words()} {n}", sha256=f"{name}{n}") for n in range(8)]
            ids = store.problems(task_id, made)
            self.problems[name] = {ids[p.sha256]: p.prompt for p in made}
        self.sessions = {kind: store.start_session(kind, model_id=lab.model_id, task_id=None) for kind in SessionKind}
        self.runs = {name: lab.run(name) for name in ("run-1", "run-2")}
        self.known = [self.add() for _ in range(N)]

    def words(self) -> str:
        return " ".join(self.rng.choices(WORDS, k=2))

    def add(self) -> Known:
        store, rng = self.lab.store, self.rng
        task = rng.choice(("countdown", "other", None))
        kind = rng.choice((SessionKind.CHAT, SessionKind.COLLECT, SessionKind.EVAL))
        problem_id = rng.choice(list(self.problems[task])) if task else None
        prompts = [self.problems[task][problem_id]] if problem_id is not None else []
        verdict, text = rng.choice(KINDS), self.words()
        [first] = store.log_episodes(self.sessions[kind], [EpisodeRecord(problem_id, attempt(text, verdict))])
        known = Known(first, [*prompts, text], verdict, task, kind)
        for number in range(rng.randrange(3)):
            self.retry(known, number)
        if rng.random() < 0.3:
            known.verdict, known.by_user = rng.choice((PASS, FAIL)), True
            store.log_user_verdict(first, known.verdict, "")
        if problem_id is not None and rng.random() < 0.3:
            self.train(known, problem_id)
        if kind is SessionKind.CHAT and problem_id is not None and not known.runs and rng.random() < 0.4:
            self.check(known, problem_id)
        if rng.random() < 0.2:
            store.exclude(known.id, True)
            known.excluded = True
        return known

    def retry(self, known: Known, number: int) -> None:
        lesson, text, verdict = self.words(), self.words(), self.rng.choice(KINDS)
        session = self.sessions[known.kind]
        self.lab.store.log_reflection(session, known.id, reflection(number, lesson, attempt(text, verdict)))
        known.texts += [lesson, text]
        known.retried.append(verdict)

    def train(self, known: Known, problem_id: int) -> None:
        for name, run_id in self.rng.sample(list(self.runs.items()), self.rng.randint(1, 2)):
            lesson, text, verdict = self.words(), self.words(), self.rng.choice((PASS, FAIL))
            sample = reflection(0, lesson, attempt(text, verdict), float(verdict is PASS))
            group = GroupRecord(problem_id, known.id, 1, 0.0, 0.0, True, None, (sample,))
            self.lab.store.log_step(run_id, self.sessions[SessionKind.TRAIN], StepRecord(known.id), [group])
            known.texts += [lesson, text]
            known.retried.append(verdict)
            known.runs += [run_id, name]

    def check(self, known: Known, problem_id: int) -> None:
        """The reply is written again with another verdict; a rating that stands goes on counting."""
        turn = self.lab.store.add_turn(self.sessions[known.kind], known.id)
        verdict = self.rng.choice((PASS, FAIL))
        known.id = self.lab.store.check_turn(turn, problem_id, Verdict(verdict, ""))
        known.verdict = known.verdict if known.by_user else verdict

    def fitting(self, which: EpisodeFilter) -> list[Known]:
        """Newest first."""
        return sorted((known for known in self.known if known.fits(which)), key=lambda known: -known.id)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filled]:
    lab = Lab.at(tmp_path_factory.mktemp("filled") / "rrr.db")
    with lab.store:
        yield Filled(lab)


def maybe(values: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    """Mostly None, since every condition leaves fewer episodes to tell apart."""
    return st.none() | st.none() | values


SPELLINGS = [word for each in WORDS for word in (each, each.upper(), f'"{each}"')]
FILTERS = st.builds(
    EpisodeFilter,
    text=st.lists(st.sampled_from([*SPELLINGS, "zeb", "nothing"]), max_size=2).map(" ".join),
    outcome=maybe(st.sampled_from(Outcome)),
    task=maybe(st.sampled_from(["countdown", "other", "nowhere"])),
    kind=maybe(st.sampled_from(SessionKind)),
    judge=maybe(st.sampled_from(Judge)),
    run=maybe(st.sampled_from(["run-1", "run-2", "run"])),
    excluded=maybe(st.booleans()),
)


@given(which=FILTERS, limit=st.integers(1, 80))
@settings(max_examples=150, deadline=None)
def test_pages_hold_exactly_what_fits_without_gap_or_repeat(filled: Filled, which: EpisodeFilter, limit: int) -> None:
    reader = filled.lab.store.reader()
    seen: list[history.EpisodeSummary] = []
    while page := history.episodes(reader, limit, seen[-1].id if seen else None, which):
        assert len(page) <= limit
        seen += page
    expected = filled.fitting(replace(which, text=which.text.replace('"', "")))
    assert [each.id for each in seen] == [known.id for known in expected]
    for each, known in zip(seen, expected, strict=True):
        assert (each.outcome, each.verdict, each.by_user) == (known.outcome, known.verdict, known.by_user)
        assert (each.task, each.kind, each.excluded) == (known.task, known.kind, known.excluded)
        assert (each.reflections, each.retries_passed) == (len(known.retried), known.retried.count(PASS))
        assert each.run == (known.runs[-1] if known.runs else None)


@given(which=FILTERS)
@settings(max_examples=100, deadline=None)
def test_totals_count_what_fits(filled: Filled, which: EpisodeFilter) -> None:
    outcomes = [known.outcome for known in filled.fitting(replace(which, text=which.text.replace('"', "")))]
    counts = [outcomes.count(outcome) for outcome in Outcome]
    assert history.totals(filled.lab.store.reader(), which) == history.Totals(len(outcomes), *counts)


def test_the_oracle_has_something_of_everything(filled: Filled) -> None:
    for outcome in Outcome:
        assert len(filled.fitting(EpisodeFilter(outcome=outcome))) > N / 20
    narrow = EpisodeFilter("zebra", Outcome.FIXED, "countdown", judge=Judge.VERIFIER, run="run-1", excluded=False)
    assert filled.fitting(narrow)
    by_id = EpisodeFilter(run=filled.runs["run-2"])
    assert [e.id for e in history.episodes(filled.lab.store.reader(), N, which=by_id)] == [
        known.id for known in filled.fitting(by_id)
    ]


def test_a_run_id_finds_what_its_name_finds(filled: Filled) -> None:
    reader = filled.lab.store.reader()
    for name, run_id in filled.runs.items():
        pages = [history.episodes(reader, N, which=EpisodeFilter(run=each)) for each in (name, run_id)]
        assert pages[0] == pages[1] != []


@given(text=st.text(st.characters(codec=None), max_size=20))
@settings(max_examples=200, deadline=None)
def test_any_text_may_be_typed_into_the_filter(filled: Filled, text: str) -> None:
    history.episodes(filled.lab.store.reader(), which=EpisodeFilter(text))


def test_a_filter_of_spaces_leaves_nothing_out_that_was_asked_for(filled: Filled) -> None:
    reader = filled.lab.store.reader()
    assert history.episodes(reader, which=EpisodeFilter("  ")) == history.episodes(reader)
    assert history.episodes(reader, which=EpisodeFilter('" "')) == []


def test_days_are_counted_with_the_empty_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Lab.at(tmp_path / "rrr.db").store as store:
        session = store.start_session(SessionKind.CHAT, model_id=None, task_id=None)
        for day, kinds in {"27": [PASS], "28": [PASS, FAIL, ERROR], "26": [FAIL]}.items():
            monkeypatch.setattr("rrr_local.store.tries.now", lambda day=day: f"2026-02-{day}T23:59:59.999Z")
            store.log_episodes(session, [EpisodeRecord(None, attempt("x", kind)) for kind in kinds])
        monkeypatch.setattr("rrr_local.store.history.now", lambda: "2026-03-01T00:00:00.000Z")
        assert history.daily(store.reader(), 4) == [
            ("2026-02-26", 1, 0),
            ("2026-02-27", 1, 1),
            ("2026-02-28", 3, 1),
            ("2026-03-01", 0, 0),
        ]
        assert history.daily(store.reader(), 1) == [("2026-03-01", 0, 0)]
        assert len(history.daily(store.reader())) == 30
