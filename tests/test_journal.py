"""The journal: what was sampled comes back from the log token for token, or is refused."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from rrr_local import journal
from rrr_local.backends.mlx.backend import MlxBackend
from rrr_local.episode import Split, VerdictKind
from rrr_local.errors import UsageError
from rrr_local.loop import Limits, Loop
from rrr_local.models.find import Model
from rrr_local.store import queries
from rrr_local.store.history import episode
from rrr_local.store.records import SessionKind
from rrr_local.store.store import Store

from .backends.tiny_models import write_model
from .toy import FAIL, PASS, Toy

TASK = Toy(lambda reply: FAIL)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("models") / "llama", "llama")


@pytest.fixture(scope="module")
def loop(folder: Path) -> Loop:
    return Loop(MlxBackend(folder), TASK, 1.0, Limits(9, 6, 7))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "rrr.db") as store:
        yield store


def logged(store: Store, loop: Loop, folder: Path, count: int = 3) -> tuple[str, journal.Registered]:
    """A session with the failed attempts at some problems."""
    registered = journal.register(store, Model("llama", folder), loop.task)
    session = store.start_session(
        SessionKind.COLLECT, model_id=registered.model_id, task_id=registered.task_id, train_run_id=None
    )
    problems = loop.task.problems(Split.TRAIN)[:count]
    ids = journal.log_problems(store, registered.task_id, problems)
    tries = loop.attempt(problems, 5, keep=False)
    store.log_episodes(session, [journal.episode_record(ids[t.problem.sha256], t) for t in tries])
    store.flush()
    return session, registered


def test_a_failure_comes_back_token_for_token_and_goes_on_as_it_would_have(
    store: Store, loop: Loop, folder: Path
) -> None:
    session, _ = logged(store, loop, folder)
    original = loop.attempt(TASK.problems(Split.TRAIN)[:3], 5)
    found = [journal.failure_from(f, loop) for f in queries.failures(store.reader(), session)]
    for before, after in zip(original, found, strict=True):
        assert after.problem == before.problem
        assert [(n.span, n.tokens, n.text) for n in after.node.path()] == [
            (n.span, n.tokens, n.text) for n in before.node.path()
        ]
        assert (after.node.finish, after.node.seed) == (before.node.finish, before.node.seed)
        assert (after.verdict.kind, after.verdict.reason) == (VerdictKind.FAIL, "wrong")
    reflections = [[[z.tokens for z in g] for g in loop.reflect(tries, 8, 2)] for tries in (original, found)]
    assert reflections[0] == reflections[1]


def test_one_made_with_another_prompt_or_without_ids_is_refused(store: Store, loop: Loop, folder: Path) -> None:
    session, _ = logged(store, loop, folder, 1)
    (stored,) = queries.failures(store.reader(), session)
    other_prompt = replace(stored, problem=replace(stored.problem, prompt="Another question."))
    for broken in (other_prompt, replace(stored, token_ids=None), replace(stored, prompt_sha256=None)):
        with pytest.raises(UsageError, match="another model or prompt"):
            journal.failure_from(broken, loop)


def test_one_made_with_another_chat_format_is_refused(store: Store, loop: Loop, folder: Path, tmp_path: Path) -> None:
    session, _ = logged(store, loop, folder, 1)
    (stored,) = queries.failures(store.reader(), session)
    other = write_model(tmp_path / "other", "llama")
    template = other / "chat_template.jinja"
    template.write_text("{{ '<|system|>Think.<|end|>' }}" + template.read_text())
    with pytest.raises(UsageError, match="another model or prompt"):
        journal.failure_from(stored, Loop(MlxBackend(other), TASK, 1.0, loop.limits))


def test_a_whole_episode_is_in_the_log_and_ids_only_of_failures(store: Store, loop: Loop, folder: Path) -> None:
    registered = journal.register(store, Model("llama", folder), loop.task)
    session = store.start_session(
        SessionKind.CHAT, model_id=registered.model_id, task_id=registered.task_id, train_run_id=None
    )
    (first,) = loop.attempt(TASK.problems(Split.EVAL)[:1], 1)
    ((reflection,),) = loop.reflect([first], 1)
    (retry,) = loop.retry([first.problem], [reflection])
    (plain,) = loop.plain_retry([first], 1)
    ids = journal.log_problems(store, registered.task_id, [first.problem])
    number = ids[first.problem.sha256]
    records = [
        journal.episode_record(number, first, reflection, retry),
        journal.episode_record(number, first, None, plain),
        journal.episode_record(number, replace(first, verdict=PASS)),
    ]
    store.log_episodes(session, records)
    store.flush()
    wanted = "SELECT id FROM attempts WHERE attempt_no = 1 ORDER BY id"
    whole, control, passed = (episode(store.reader(), row[0]) for row in queries.fetch(store.reader(), wanted))
    assert (whole.attempt.text, whole.reflections[0].text) == (first.node.text, reflection.text)
    assert whole.reflections[0].retry is not None and whole.reflections[0].retry.text == retry.node.text
    assert whole.attempt.completion_tokens == len(first.node.tokens)
    assert whole.reflections[0].retry.prompt_tokens == len(retry.node.context()) - len(retry.node.tokens)
    assert [p.text for p in control.plain_retries] == [plain.node.text]
    assert not passed.reflections and not passed.plain_retries
    kept = queries.fetch(store.reader(), "SELECT token_ids IS NOT NULL FROM attempts WHERE attempt_no = 1 ORDER BY id")
    assert [row[0] for row in kept] == [1, 1, 0]


def test_registering_twice_gives_the_same_ids_and_another_model_another(
    store: Store, folder: Path, tmp_path: Path
) -> None:
    model = Model("llama", folder)
    first = journal.register(store, model, TASK)
    assert journal.register(store, model, TASK) == first
    other = Model("llama", write_model(tmp_path / "other", "llama", seed=1))
    assert journal.register(store, other, TASK).model_id != first.model_id
    assert journal.register(store, model, Toy(name="another")).task_id != first.task_id


def test_the_hash_of_ids_tells_them_apart() -> None:
    hashes = {journal.ids_hash(ids) for ids in ([], [1], [1, 2], [2, 1], [258], [1, 2, 0])}
    assert len(hashes) == 6


def test_paths_in_the_log_are_relative_to_the_data_folder(tmp_path: Path) -> None:
    assert journal.relative(tmp_path / "runs" / "a", tmp_path) == str(Path("runs") / "a")
