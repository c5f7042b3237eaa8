"""`rrr ask`: one episode, written out as it happens on a terminal, and kept in the log."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import click

from rrr_local import journal
from rrr_local.cli.options import ADAPTER, BACKEND, MODEL, SEED, common, from_stdin, read_problem, temperature
from rrr_local.cli.output import Output
from rrr_local.cli.stream import Typewriter
from rrr_local.episode import Node, Problem, Span, Verdict
from rrr_local.errors import ExitCode, UsageError
from rrr_local.loop import Attempted, Event, Loop, Reflected, Retried, Try, Writing
from rrr_local.store.records import SessionKind
from rrr_local.tasks import question
from rrr_local.tasks.find import find_task
from rrr_local.workbench import Workbench, workbench

HEADINGS = {Span.ATTEMPT: "attempt", Span.REFLECTION: "reflection", Span.RETRY: "retry"}


@dataclass(slots=True)
class Told:
    """What has happened of an episode so far."""

    attempt: Try | None = None
    reflection: Node | None = None
    retry: Try | None = None

    def note(self, event: Event) -> None:
        match event:
            case Attempted(attempt):
                self.attempt = attempt
            case Reflected(node):
                self.reflection = node
            case Retried(retry):
                self.retry = retry

    @property
    def tries(self) -> list[Try]:
        return [each for each in (self.attempt, self.retry) if each is not None]

    @property
    def verdict(self) -> Verdict:
        """The last one."""
        return self.tries[-1].verdict


@click.command("ask")
@click.argument("text", required=False)
@click.option("--problem", metavar="JSON", help="A problem of the task instead of TEXT; - reads standard input.")
@click.option("--task", help="The task whose problem it is.  [default: countdown]")
@click.option("--expect", metavar="X", help="The right answer to TEXT, so that the reply can be checked.")
@temperature(0.0)
@ADAPTER
@MODEL
@BACKEND
@SEED
@common
@click.pass_obj
def command(
    output: Output,
    text: str | None,
    problem: str | None,
    task: str | None,
    expect: str | None,
    temperature: float,
    adapter: str | None,
    model: str,
    backend: str,
    seed: int,
) -> int:
    """Ask TEXT (- reads standard input), or set a PROBLEM of a task.

    On a failure the model reflects and retries. TEXT without --expect is answered once and not checked.
    Exit code 0 when the answer passed (or there was nothing to check), 1 when not.
    """
    name, info = _asked(text, problem, task, expect)
    asked = find_task(name).parse_problem(info)
    with workbench(model=model, task=name, backend=backend, adapter=adapter) as bench:
        output.detail(f"{bench.backend.name}, {bench.model.folder}, log {bench.store.path}")
        told = Told()
        show = _on_terminal if sys.stdout.isatty() and not output.json else _nothing
        with_screen = show()
        for event in Loop(bench.backend, bench.task, temperature, bench.limits).episode(asked, seed):
            told.note(event)
            with_screen(event)
        _keep(bench, asked, told)
    checked = name != question.NAME or "expect" in info
    _print(output, told, checked, streamed=show is _on_terminal)
    return ExitCode.OK if told.verdict.passed or not checked else ExitCode.FAILED


def _asked(
    text: str | None, problem: str | None, task: str | None, expect: str | None
) -> tuple[str, Mapping[str, object]]:
    """The task and the problem's JSON form. Raises `UsageError` when they do not go together."""
    if (text is None) == (problem is None):
        raise UsageError("give either TEXT or --problem", "for example: rrr ask 'What is 3 * 7?' --expect 21")
    if problem is not None:
        if expect is not None:
            raise UsageError("--expect goes with TEXT: a task checks its own problems", "leave one of them out")
        return task or "countdown", read_problem(problem)
    if task not in (None, question.NAME):
        raise UsageError("TEXT is no problem of a task", "give the problem as JSON with --problem, or leave --task out")
    return question.NAME, {"prompt": from_stdin(str(text))} | ({} if expect is None else {"expect": expect})


def _keep(bench: Workbench, problem: Problem, told: Told) -> None:
    """Write the episode to the log."""
    assert told.attempt is not None
    ids = bench.registered
    session = bench.store.start_session(
        SessionKind.CHAT, model_id=ids.model_id, task_id=ids.task_id, adapter_id=bench.adapter_id
    )
    problem_id = journal.log_problems(bench.store, ids.task_id, [problem])[problem.sha256]
    record = journal.episode_record(problem_id, told.attempt, told.reflection, told.retry)
    bench.store.log_episodes(session, [record])
    bench.store.end_session(session)


def _print(output: Output, told: Told, checked: bool, streamed: bool) -> None:
    if output.json:
        output.document(
            "rrr.episode/1",
            verdict=told.verdict.kind if checked else None,
            attempts=[_try_json(each, checked) for each in told.tries],
            reflections=[] if told.reflection is None else [_span_json(told.reflection)],
        )
    elif not streamed:
        for line in episode_lines(told.attempt, told.reflection, told.retry, checked):
            output.text(line)


def _try_json(made: Try, checked: bool) -> dict[str, object]:
    verdict = made.verdict
    judged = {"verdict": verdict.kind, "reason": verdict.reason} if checked else {"verdict": None, "reason": None}
    return {"text": made.node.text, **judged, "tokens": len(made.node.tokens)}


def _span_json(node: Node) -> dict[str, object]:
    return {"text": node.text, "tokens": len(node.tokens)}


def episode_lines(attempt: Try | None, reflection: Node | None, retry: Try | None, checked: bool = True) -> list[str]:
    """An episode as text, each span under its heading."""
    lines: list[str] = []
    for heading, span in (("attempt", attempt), ("reflection", reflection), ("retry", retry)):
        if isinstance(span, Try):
            lines += [f"{heading}:", span.node.text, *([judged(span.verdict)] if checked else [])]
        elif span is not None:
            lines += [f"{heading}:", span.text]
    return lines


def judged(verdict: Verdict) -> str:
    """A verdict in one line."""
    return f"-> {verdict.kind}: {verdict.reason}"


def _nothing() -> Callable[[Event], None]:
    return lambda event: None


def _on_terminal() -> Callable[[Event], None]:
    """Shows every event as it comes."""
    typewriter = Typewriter(lambda text: click.echo(text, nl=False))
    writing: Span | None = None

    def show(event: Event) -> None:
        nonlocal writing
        match event:
            case Writing(span, text):
                if span is not writing:
                    click.echo(f"{HEADINGS[span]}:")
                    writing = span
                typewriter.grow(text)
            case Attempted(made) | Retried(made):
                typewriter.end(made.node.text)
                unchecked = made.problem.info.keys() == {"prompt"}
                click.echo("" if unchecked else f"\n{judged(made.verdict)}")
            case Reflected(node):
                typewriter.end(node.text)
                click.echo()

    return show
