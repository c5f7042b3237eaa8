"""The advanced form: everything of a run that may be chosen. What is left empty is the recipe's."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Select, Static

from rrr_local.engine.plan import POOL, Plan
from rrr_local.errors import UsageError
from rrr_local.tasks.find import known_tasks
from rrr_local.tasks.question import NAME as QUESTION

RECIPES = ("tiny", "rrr", "paper", "trl")
COLLECT = "collect"
_WHOLE = ("steps", "seed", "evaluate", "replay", "everyday")


class PlanForm(ModalScreen[Plan | None]):
    """Gives the plan as it was filled in, or None."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "leave", "Leave", show=False)]
    DEFAULT_CSS = """
    PlanForm {
        .dialog { width: 74; }
        .row { height: 1; }
        .row Static { width: 22; color: $text-muted; }
        .row Input, .row Select { width: 1fr; }
        #problem { color: $text-error; height: auto; }
        .buttons { height: 1; margin-top: 1; align-horizontal: right; }
        Button { margin-left: 2; }
    }
    """

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        self._plan = plan

    def compose(self) -> ComposeResult:
        plan = self._plan
        tasks = dict.fromkeys((*known_tasks(), QUESTION, *([plan.task] if plan.task else [])))
        with Vertical(classes="dialog"):
            yield Static(Content("Advanced"), classes="title", markup=False)
            yield _row(
                "Task",
                Select(_options(*tasks), value=plan.task or "countdown", allow_blank=False, compact=True, id="task"),
            )
            source = plan.failures or COLLECT
            named = {COLLECT: "collect fresh ones", POOL: "mine: all in the log", source: f"session {source}"}
            named |= {COLLECT: "collect fresh ones", POOL: "mine: all in the log"}
            choices = [(Content(text), key) for key, text in named.items()]
            yield _row("Failures", Select(choices, value=source, allow_blank=False, compact=True, id="failures"))
            recipes = Select(
                _options(*RECIPES),
                value=plan.recipe or Select.NULL,
                prompt="the model's own",
                compact=True,
                id="recipe",
            )
            yield _row("Recipe", recipes)
            yield _row("Steps", _input("steps", plan.steps, "the recipe's"))
            yield _row("Seed", _input("seed", plan.seed, "0"))
            yield _row("Held-out problems", _input("evaluate", plan.evaluate, "0: measure nothing"))
            yield _row("Failures to replay", _input("replay", plan.replay, "0: replay none"))
            yield _row("Everyday questions", _input("everyday", plan.everyday, "0: ask none"))
            yield _row("Recipe changes", _input("settings", " ".join(plan.settings), "learning_rate=1e-4 group_size=8"))
            yield Static(id="problem", markup=False)
            with Horizontal(classes="buttons"):
                yield Button("Keep", variant="primary", id="keep", compact=True)
                yield Button("Leave", id="leave", compact=True)

    def on_input_submitted(self) -> None:
        self._keep()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        if event.button.id == "keep":
            self._keep()
        else:
            self.action_leave()

    def action_leave(self) -> None:
        self.dismiss(None)

    def _keep(self) -> None:
        typed = {field.id or "": field.value for field in self.query(Input)}
        recipe = self.query_one("#recipe", Select)
        try:
            plan = filled_in(self._plan, typed)
        except UsageError as error:
            self.query_one("#problem", Static).update(Content(f"{error.cause}: {error.way_out}"))
            return
        source = str(self.query_one("#failures", Select).value)
        self.dismiss(
            replace(
                plan,
                task=str(self.query_one("#task", Select).value),
                failures=None if source == COLLECT else source,
                recipe=None if recipe.is_blank() else str(recipe.value),
            )
        )


def filled_in(plan: Plan, typed: dict[str, str]) -> Plan:
    """The plan with what was typed: whole numbers, and recipe changes apart by spaces. Raises `UsageError`."""
    numbers: dict[str, int | None] = {}
    for name in _WHOLE:
        text = typed[name].strip()
        if text and not (text.isascii() and text.isdigit()):
            raise UsageError(f"{name} cannot be {text[:20]!r}", "give a whole number, or nothing")
        numbers[name] = int(text) if text else None
    if numbers["steps"] == 0:
        raise UsageError("a run of 0 steps trains nothing", "give at least 1, or nothing")
    settings = tuple(typed["settings"].split())
    unclear = next((setting for setting in settings if "=" not in setting), None)
    if unclear is not None:
        raise UsageError(f"{unclear[:40]!r} changes nothing", "write key=value, as in group_size=4")
    return replace(
        plan,
        steps=numbers["steps"],
        seed=numbers["seed"],
        evaluate=numbers["evaluate"] or 0,
        replay=numbers["replay"] or 0,
        everyday=numbers["everyday"] or 0,
        settings=settings,
    )


def _options(*names: str) -> list[tuple[Content, str]]:
    return [(Content(name), name) for name in names]


def _input(name: str, value: object, placeholder: str) -> Input:
    return Input("" if value in (None, "") else str(value), placeholder=placeholder, id=name, compact=True)


def _row(label: str, field: Input | Select[str]) -> Horizontal:
    return Horizontal(Static(Content(label), markup=False), field, classes="row")
