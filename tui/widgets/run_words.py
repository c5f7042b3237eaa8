"""What is said about a run on one line each: who it is, how far it is, what it is for, and what should be done."""

from __future__ import annotations

from pathlib import PurePath

from textual.content import Content

from rrr_local.evaluation.gains import HELD_OUT
from rrr_local.store.evaluations import EvalPoint
from rrr_local.store.queries import Run
from rrr_local.store.records import RunPhase, RunStatus
from rrr_local.text import sanitize
from rrr_local.training.eta import Eta, eta
from tui.following import Following
from tui.symbols import Symbols

_AT = {
    None: "starting",
    RunPhase.PREPARING: "preparing: loading the model",
    RunPhase.MEASURING: "measuring before training",
    RunPhase.COLLECTING: "collecting failures",
    RunPhase.TRAINING: "training",
    RunPhase.EVALUATING: "measuring what it can now",
    RunPhase.SAVING: "saving",
    RunPhase.DONE: "done",
}
_ENDS = {
    RunStatus.DONE: "enter: see what it learned",
    RunStatus.PAUSED: "space goes on",
    RunStatus.STOPPED: "space goes on, enter: see what it learned",
    RunStatus.FAILED: "l shows the log, space tries to go on",
    RunStatus.LOST: "space resumes, l shows the log",
}
_STYLES = {
    RunStatus.DONE: "$text-success",
    RunStatus.RUNNING: "$text-success",
    RunStatus.FAILED: "$text-error",
    RunStatus.LOST: "$text-error",
    RunStatus.PAUSED: "$text-warning",
}


def status_content(status: RunStatus, symbols: Symbols) -> Content:
    """Symbol and word."""
    symbol = {
        RunStatus.QUEUED: symbols.dot,
        RunStatus.RUNNING: symbols.running,
        RunStatus.PAUSED: symbols.paused,
        RunStatus.STOPPED: symbols.stopped,
        RunStatus.DONE: symbols.done,
        RunStatus.FAILED: symbols.failed,
        RunStatus.LOST: symbols.lost,
    }[status]
    return Content.styled(f"{symbol} {status}", _STYLES.get(status, "$foreground-muted"))


def headline(followed: Following, symbols: Symbols) -> Content:
    """`run-8  tiny, countdown, recipe tiny   ● running`."""
    run = followed.run
    recipe = run.config.get("name")
    about = [model_name(run.summary.model), run.summary.task, f"recipe {recipe}" if recipe else "", run.summary.backend]
    facts = f" {symbols.dot} ".join(sanitize(part, 60) for part in about if part)
    return Content.assemble(
        (sanitize(followed.name, 40), "bold"),
        "  ",
        (facts, "$foreground-muted"),
        "  ",
        status_content(followed.status, symbols),
    )


def progress_words(followed: Following, symbols: Symbols) -> Content:
    """Where it is, how long it will take, and what the measurements say."""
    run, dot = followed.run, f" {symbols.dot} "
    parts = [phase_words(run) if followed.is_live else _stood(run)]
    left = time_left(followed)
    if followed.is_live and left is not None:
        parts.append(f"{left} left")
    if followed.is_live and run.request is not None:
        parts.append(f"asked to {run.request}: after this step")
    measured = measured_words(followed.evals, symbols)
    return Content(dot.join([*parts, measured] if measured else parts))


def phase_words(run: Run) -> str:
    """`training: step 46/120`, or another phase with what is done of it."""
    if run.phase is RunPhase.TRAINING:
        return f"training: step {run.summary.last_step}/{run.summary.total_steps}"
    count = f" {run.phase_done}/{run.phase_total}" if run.phase_total else ""
    return f"{_AT[run.phase]}{count}"


def time_left(followed: Following) -> Eta | None:
    """The estimate, from the steps so far."""
    every = followed.run.config.get("checkpoint_every")
    return eta(followed.steps, followed.run.summary.total_steps, every if isinstance(every, int) else 10)


def share_done(run: Run) -> float:
    """0 to 1, of what the present phase does; a run that is saved has 1."""
    if run.summary.status is RunStatus.DONE:
        return 1.0
    if run.phase is RunPhase.TRAINING or not run.phase_total:
        return run.summary.last_step / max(run.summary.total_steps, 1)
    return (run.phase_done or 0) / run.phase_total


def bar(share: float, width: int, symbols: Symbols) -> Content:
    """A bar with its per cent."""
    label = f" {100 * share:3.0f} %"
    room = max(0, width - len(label))
    full = round(share * room)
    ascii_ = symbols.rail == "|"
    done, left = ("=" * full, "-" * (room - full)) if ascii_ else ("━" * full, "─" * (room - full))
    return Content.assemble((done, "$text-primary"), (left, "$foreground-muted"), label)


def measured_words(evals: list[EvalPoint], symbols: Symbols) -> str:
    """`first try 31 → 38 %, after retry 48 → 61 % (held-out, n 128)`; empty before the first measurement."""
    points = sorted((point for point in evals if point.set == HELD_OUT), key=lambda point: point.step)
    points = [point for point in points if point.first_try is not None and point.final_rate is not None]
    if not points:
        return ""
    first, last = points[0], points[-1]
    return (
        f"first try {_move(first.first_try, last.first_try, symbols)}, "
        f"after retry {_move(first.final_rate, last.final_rate, symbols)} (held-out, n {last.n})"
    )


def what_next(followed: Following, symbols: Symbols) -> Content:
    """What a person can do about a run that does not go on by itself; empty while it does."""
    status, run = followed.status, followed.run
    if status not in _ENDS:
        return Content("")
    said = {
        RunStatus.LOST: f"{symbols.lost} lost at step {run.summary.last_step}: its process died. {_safe(run)}",
        RunStatus.PAUSED: sanitize(run.summary.error or "", 300),
        RunStatus.FAILED: f"{symbols.failed} {sanitize(run.summary.error or 'it failed', 300)}",
    }.get(status, "")
    return Content.assemble((f"{said}  " if said else "", _STYLES.get(status, "")), (_ENDS[status], "bold"))


def model_name(model: str | None) -> str:
    """A model as a person knows it, from what the log has: `tiny`, or the name of its folder."""
    return PurePath(model).name if model else "unknown"


def _safe(run: Run) -> str:
    return "Its newest checkpoint is safe." if run.last_checkpoint else "It had no checkpoint yet."


def _stood(run: Run) -> str:
    return f"step {run.summary.last_step}/{run.summary.total_steps}"


def _move(before: float | None, after: float | None, symbols: Symbols) -> str:
    if before is None or after is None:
        return "unknown"
    return f"{100 * before:.0f} {symbols.arrow} {100 * after:.0f} %"
