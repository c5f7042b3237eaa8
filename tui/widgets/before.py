"""The page before a run: what it would learn from, whether that teaches anything, whether it fits, and how long it takes.

The checks are a process of their own (`rrr train --dry-run`); the page works on while they do. Start waits for them, and asks
for a second press where they found something: it never decides for the person.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import aclosing
from dataclasses import replace
from enum import Enum
from typing import Any

from textual.app import ComposeResult
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.widgets import Static

from rrr_local.engine.jobs import Jobs, Result, Step
from rrr_local.engine.plan import POOL, Plan, default_recipe
from rrr_local.errors import RrrError
from rrr_local.text import sanitize
from rrr_local.training.eta import duration
from tui.symbols import Symbols
from tui.widgets.act import Act
from tui.widgets.status import Number

_FREE = ("steps", "evaluate", "replay", "everyday", "name")
"""What may change without new checks; the time is told anew."""
_HEALTH = {"ok": "$text-success", "warn": "$text-warning", "fail": "$text-error"}
_STAGES = {"collect": "looking for failures", "probe": "trying a group of reflections on each", "measure": "measuring"}


class May(Enum):
    """Whether a press of Start starts."""

    YES = "yes"
    AFTER_CHECKS = "after the checks"
    ONCE_MORE = "at the next press"


class Before(VerticalScroll):
    """Holds the plan and what is known about it."""

    DEFAULT_CSS = """
    Before {
        height: 1fr; padding: 1 1 0 1;
        .title { text-style: bold; }
        #plan, #checks, #note { height: auto; margin-top: 1; }
        .acts { height: 1; margin-top: 1; }
    }
    """

    def __init__(self, plan: Plan, symbols: Symbols, id: str | None = None) -> None:
        super().__init__(id=id)
        self.plan = plan
        self.symbols = symbols
        self.failures_ready: int | None = None
        """Failures in the log that `pool` would train on, as far as the log can tell; None where that is not known."""
        self._document: Mapping[str, Any] | None = None
        self._checked_plan: Plan | None = None
        self._step: Step | None = None
        self._error: RrrError | None = None
        self._note = ""
        self._warned = False
        self.starts_after_checks = False
        """Start was pressed while the checks run, or before them."""

    def compose(self) -> ComposeResult:
        yield Static(Content("Train on failures"), classes="title", markup=False)
        yield Static(id="plan", markup=False)
        yield Number("groups with signal", id="checks")
        yield Static(id="note", markup=False)
        with Horizontal(classes="acts"):
            yield Act("[enter Start]", "start")
            yield Act("[q Quick]", "quick")
            yield Act("[g Long]", "long")
            yield Act("[v Advanced]", "advanced")
            yield Act("[p Check again]", "probe")

    def on_mount(self) -> None:
        self._draw()

    # What is known

    @property
    def is_busy(self) -> bool:
        """Whether the checks run."""
        return self._step is not None

    @property
    def has_failed(self) -> bool:
        """Whether an error is shown: of the checks, or of a trainer that could not begin."""
        return self._error is not None

    @property
    def is_checked(self) -> bool:
        """Whether the checks are there, for this plan or one that differs in length only."""
        return self._document is not None and self._checked_plan == _core(self.plan)

    @property
    def is_good(self) -> bool:
        """Whether the checks are there and none of them found anything against it."""
        checks = self._document["checks"] if self.is_checked and self._document else ()
        return bool(checks) and not any(_stands_in_the_way(check) for check in checks)

    def may_start(self) -> May:
        """What a press of Start does now; a second press is taken for an answer."""
        if not self.is_checked:
            self.starts_after_checks = True
            self._say("starts when the checks are done, if they find nothing against it")
            return May.AFTER_CHECKS
        if self.is_good or self._warned:
            return May.YES
        self._warned = True
        self._say("the checks found something, see above: enter once more starts all the same")
        return May.ONCE_MORE

    # What happens

    def show_plan(self, plan: Plan, failures_ready: int | None = None) -> None:
        """Another plan."""
        if _core(plan) != _core(self.plan):
            self._warned, self._note, self._error = False, "", None
        self.plan = plan
        self.failures_ready = failures_ready if failures_ready is not None else self.failures_ready
        self._draw()

    async def check(self, jobs: Jobs) -> None:
        """Run the checks of the plan. Being cancelled ends the process."""
        plan = self.plan
        self._document, self._error, self._note, self._warned = None, None, "", False
        self._step = Step("", 0, 0)
        self._draw()
        try:
            async with aclosing(jobs.run(["train", "--dry-run", *plan.arguments()])) as events:
                async for event in events:
                    if isinstance(event, Result):
                        self._document, self._checked_plan = event.document, _core(plan)
                    else:
                        self._step = event
                    self._draw()
        except RrrError as error:
            self._error = error
        finally:
            self._step = None
            self._draw()

    def launching(self, name: str) -> None:
        """A trainer was started."""
        self.starts_after_checks, self._error = False, None
        self._say(f"starting {name}{self.symbols.ellipsis}")

    def failed(self, error: RrrError) -> None:
        """A trainer ended before it had begun."""
        self._error, self._note = error, ""
        self._draw()

    def _say(self, note: str) -> None:
        self._note = note
        self._draw()

    # Drawing

    def _draw(self) -> None:
        if not self.is_mounted:
            return
        self.query_one("#plan", Static).update(Content("\n").join(list(self._plan_lines())))
        self.query_one("#checks", Static).update(Content("\n").join(list(self._check_lines())))
        self.query_one("#note", Static).update(self._last_line())

    def _plan_lines(self) -> Iterator[Content]:
        plan = self.plan
        model = plan.model or "tiny"
        recipe = plan.recipe or default_recipe(model)
        steps = f"{plan.steps} steps" if plan.steps else "its own number of steps"
        yield _row("Run", f"{plan.task} with {model}, recipe {recipe}, {steps}, seed {plan.seed or 0}")
        yield _row("Failures", self._failures())
        yield _row("Measure", _measured(plan))
        yield _row("Trains", "a LoRA adapter: reflections are rewarded, never the answers themselves")
        if plan.settings:
            yield _row("Changes", " ".join(plan.settings))

    def _failures(self) -> str:
        ready = "" if self.failures_ready is None else f" (the log has {self.failures_ready} of yours)"
        if self.plan.failures is None:
            return f"the run collects fresh ones first{ready}"
        if self.plan.failures == POOL:
            return f"all of yours in the log{'' if self.failures_ready is None else f': {self.failures_ready}'}"
        return f"those of session {self.plan.failures}"

    def _check_lines(self) -> Iterator[Content]:
        if self._step is not None:
            count = f" {self._step.done}/{self._step.total}" if self._step.total else ""
            words = _STAGES.get(self._step.stage, self._step.stage or "loading the model")
            yield Content.styled(f"{self.symbols.running} checking: {sanitize(words, 60)}{count}", "$text-primary")
        elif not self.is_checked and self._error is None:
            yield Content.styled(
                f"{self.symbols.unchecked} not checked yet: p checks whether this teaches anything and fits",
                "$foreground-muted",
            )
        if self.is_checked and self._document is not None:
            for check in self._document["checks"]:
                yield self._check_line(check)

    def _check_line(self, check: Mapping[str, str]) -> Content:
        symbol = {"ok": self.symbols.passed, "warn": self.symbols.broken}.get(check["health"], self.symbols.failed)
        detail = check["detail"]
        if check["name"] == "time" and self._document is not None:
            detail = _time(self._document, self.plan)
        head = Content.styled(f"{symbol} {check['health']:4} {check['name']:9}", _HEALTH.get(check["health"], ""))
        return Content.assemble(head, sanitize(f" {detail}", 400))

    def _last_line(self) -> Content:
        if self._error is None:
            return Content.styled(self._note, "bold")
        return Content.assemble(
            (f"{self.symbols.failed} {sanitize(self._error.cause, 500)}", "$text-error"),
            f"\n{sanitize(self._error.way_out, 500)}",
        )


def _core(plan: Plan) -> Plan:
    """What the checks depend on."""
    return replace(plan, steps=None, evaluate=0, replay=0, everyday=0, name=None)


def _stands_in_the_way(check: Mapping[str, str]) -> bool:
    """Something failed, or the failures teach too little."""
    return check["health"] == "fail" or (check["health"] == "warn" and check["name"] == "signal")


def _measured(plan: Plan) -> str:
    parts = [f"{plan.evaluate} held-out problems"] if plan.evaluate else []
    parts += [f"{plan.replay} of the failures"] if plan.replay else []
    parts += [f"{plan.everyday} everyday questions"] if plan.everyday else []
    if not parts:
        return "nothing: it will not be known whether it got better"
    *first, last = parts
    return f"{', '.join(first)} and {last}, before and after" if first else f"{last}, before and after"


def _time(document: Mapping[str, Any], plan: Plan) -> str:
    """The estimate for this plan's steps, from those that were measured."""
    cost = document["cost"]
    steps = plan.steps or int(cost["steps"])
    total = cost["collect_s"] + cost["measure_s"] * steps / max(cost["steps"], 1) + cost["step_s"] * steps
    return f"about {duration(total)} in all: {steps} steps of {cost['step_s']:.1f} s, and measuring"


def _row(label: str, text: str) -> Content:
    return Content.assemble((f"{label:9} ", "$foreground-muted"), sanitize(text, 400))
