"""The loop: phase by phase over many problems, or event by event for one, it is the same method with the same samples."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from rrr_local.backends.mlx.backend import MlxBackend
from rrr_local.episode import FinishReason, Node, Opening, Problem, Span, Split, Verdict
from rrr_local.errors import UsageError
from rrr_local.loop import Attempted, Limits, Loop, Reflected, Retried, Writing
from rrr_local.meter import Meter, Phase

from .backends.tiny_models import STOP, write_model
from .toy import ERROR, FAIL, PASS, PROMPTS, Toy

LIMITS = Limits(attempt=10, reflection=7, retry=9)
FAILING = Toy(lambda reply: FAIL)


@pytest.fixture(scope="module")
def backend(tmp_path_factory: pytest.TempPathFactory) -> MlxBackend:
    return MlxBackend(write_model(tmp_path_factory.mktemp("models") / "llama", "llama"))


def loop_on(backend: MlxBackend, task: Toy = FAILING, temperature: float = 1.0) -> Loop:
    return Loop(backend, task, temperature, LIMITS)


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_an_episode_event_by_event_is_the_one_phase_by_phase(backend: MlxBackend, temperature: float) -> None:
    loop = loop_on(backend, temperature=temperature)
    problem = FAILING.problems(Split.EVAL)[4]
    *_, last = events = list(loop.episode(problem, 5))
    attempts = loop.attempt(FAILING.problems(Split.EVAL), 5)
    (reflection,) = loop.reflect(attempts[4:5], 5)[0]
    (retry,) = loop.retry([problem], [reflection])
    assert isinstance(last, Retried)
    assert [n.tokens for n in last.retry.node.path()] == [n.tokens for n in retry.node.path()]
    assert [n.text for n in last.retry.node.path()] == [n.text for n in retry.node.path()]
    kinds = [type(e) for e in events if not isinstance(e, Writing)]
    assert kinds == [Attempted, Reflected, Retried]


def test_what_is_being_written_grows_to_what_is_judged(backend: MlxBackend) -> None:
    written: dict[Span, list[str]] = {}
    nodes: dict[Span, Node] = {}
    for event in loop_on(backend).episode(FAILING.problems(Split.EVAL)[0], 1):
        match event:
            case Writing(span, text):
                written.setdefault(span, []).append(text)
            case Attempted(made) | Retried(made):
                nodes[made.node.span] = made.node
            case Reflected(node):
                nodes[node.span] = node
    assert list(written) == [Span.ATTEMPT, Span.REFLECTION, Span.RETRY]
    for span, texts in written.items():
        assert len(texts) == len(nodes[span].tokens)
        assert texts[-1] == nodes[span].text
    assert all(len(nodes[span].tokens) <= limit for span, limit in zip(nodes, (10, 7, 9), strict=True))


def test_a_problem_fits_where_its_whole_episode_does(backend: MlxBackend) -> None:
    """The longest that fits, and one token more; what is written in few tokens of many bytes is counted by tokens."""
    loop = loop_on(backend)
    asked = sum(len(backend.chat.turn(text, after_stop=False)) for text in (PROMPTS.reflect, PROMPTS.retry))
    room = backend.context - asked - 10 - 7 - 9

    def problem(words: int) -> Problem:
        return replace(FAILING.problems(Split.EVAL)[0], prompt="number " * words)

    def length(words: int) -> int:
        return len(backend.chat.opening(Opening(problem(words).prompt)))

    word = length(3) - length(2)
    longest = 2 + (room - length(2)) // word
    assert length(longest) <= room < length(longest + 1) and len(problem(longest).prompt) > room
    fits = [problem(1), problem(longest)]
    assert loop.fitting([problem(1), problem(longest + 1), problem(longest)]) == fits
    assert loop.fitting([]) == []
    with pytest.raises(UsageError, match="holds no problem of toy"):
        loop.fitting([problem(longest + 1)])


@pytest.mark.parametrize("verdict", [PASS, ERROR])
def test_an_attempt_that_passed_or_could_not_be_judged_ends_it(backend: MlxBackend, verdict: Verdict) -> None:
    *writing, last = loop_on(backend, Toy(lambda reply: verdict)).episode(FAILING.problems(Split.EVAL)[0], 1)
    assert all(isinstance(e, Writing) for e in writing)
    assert isinstance(last, Attempted) and last.attempt.verdict is verdict


def test_the_model_is_shown_the_tasks_prompts(backend: MlxBackend) -> None:
    task = Toy(lambda reply: FAIL)
    loop = loop_on(backend, task)
    failures = loop.attempt(task.problems(Split.TRAIN)[:2], 3)
    reflections = [nodes[0] for nodes in loop.reflect(failures, 3)]
    retries = loop.retry([f.problem for f in failures], reflections)
    for failure, retry in zip(failures, retries, strict=True):
        shown = {n.span: n.text for n in retry.node.path()}
        assert shown[Span.PROBLEM] == failure.problem.prompt
        assert shown[Span.REFLECT_PROMPT] == task.prompts.reflect
        assert shown[Span.RETRY_PROMPT] == task.prompts.retry
        assert retry.node.path()[0].context() == backend.chat.opening(Opening(failure.problem.prompt))
    plain = loop.plain_retry(failures, 3)
    assert [y.node.path()[2].text for y in plain] == [task.prompts.plain_retry] * 2


def test_a_turn_that_was_cut_off_is_closed_before_the_next(backend: MlxBackend) -> None:
    loop = loop_on(backend)
    (cut,) = loop.attempt(FAILING.problems(Split.TRAIN)[:1], 3)
    assert cut.node.finish is FinishReason.LENGTH
    ended = replace(cut, node=replace(cut.node, tokens=(*cut.node.tokens[:-1], STOP), finish=FinishReason.STOP))
    after_cut, after_end = (loop.reflect([failure], 3)[0][0].parent for failure in (cut, ended))
    assert after_cut is not None and after_end is not None
    assert after_cut.tokens == (STOP, *after_end.tokens)


def test_a_sample_has_a_seed_of_its_own_that_what_is_beside_it_does_not_change(backend: MlxBackend) -> None:
    loop = loop_on(backend)
    problems = FAILING.problems(Split.TRAIN)
    many, few = loop.attempt(problems, 7), loop.attempt(problems[3:5][::-1], 7)
    assert [t.node.tokens for t in few] == [many[4].node.tokens, many[3].node.tokens]
    again = loop.attempt(problems[3:4], 7, sample=1)[0]
    assert again.node.tokens != many[3].node.tokens
    group = loop.reflect(many[3:4], 7, 5)[0]
    assert [z.tokens for z in loop.reflect(many[2:5], 7, 5)[1]] == [z.tokens for z in group]
    assert len({z.seed for z in group} | {t.node.seed for t in many}) == 5 + len(many)
    twice = loop.retry([many[3].problem] * 2, [group[0], group[0]])
    assert twice[0].node.tokens == twice[1].node.tokens


def test_reflections_of_one_failure_share_the_prompt_they_follow(backend: MlxBackend) -> None:
    loop = loop_on(backend)
    failures = loop.attempt(FAILING.problems(Split.TRAIN)[:3], 7)
    groups = loop.reflect(failures, 7, 4)
    assert [len(nodes) for nodes in groups] == [4, 4, 4]
    for failure, nodes in zip(failures, groups, strict=True):
        assert len({id(z.parent) for z in nodes}) == 1
        assert nodes[0].path()[1] is failure.node


def test_time_and_tokens_are_counted_by_phase(backend: MlxBackend) -> None:
    meter = Meter()
    loop = Loop(backend, FAILING, 1.0, LIMITS, meter)
    failures = loop.attempt(FAILING.problems(Split.TRAIN)[:3], 7)
    reflections = [nodes[0] for nodes in loop.reflect(failures, 7)]
    retries = loop.retry([f.problem for f in failures], reflections)
    assert meter.tokens == {
        Phase.ATTEMPT: sum(len(f.node.tokens) for f in failures),
        Phase.REFLECT: sum(len(z.tokens) for z in reflections),
        Phase.RETRY: sum(len(y.node.tokens) for y in retries),
    }
    assert set(meter.seconds) == {Phase.ATTEMPT, Phase.REFLECT, Phase.RETRY, Phase.VERIFY}
    with pytest.raises(RuntimeError), meter.phase(Phase.TRAIN):
        raise RuntimeError
    assert Phase.TRAIN in meter.seconds


def test_kv_is_kept_where_more_follows_and_only_there(backend: MlxBackend, tmp_path: Path) -> None:
    loop = loop_on(backend)

    def kept() -> int:
        return len(backend._kept)

    loop.backend.forget()
    finished = loop.attempt(FAILING.problems(Split.TRAIN)[:3], 7, keep=False)
    assert (len(finished), kept()) == (3, 0)
    failures = loop.attempt(FAILING.problems(Split.TRAIN)[:3], 7)
    groups = loop.reflect(failures, 7, 2)
    assert kept() == 9
    loop.retry([failures[0].problem], [groups[0][0]])
    assert kept() == 9
    del groups
    assert kept() == 3
    loop.backend.forget()
    assert kept() == 0
