"""Everything a person can do in the terminal app, once: keys, footer, palette, help and slash commands are made from this table.

An action is carried out by the place that shows it (`tui.place.PlaceScreen.perform`) or, for its slash command, by `rrr chat --plain`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import partial


class Place(StrEnum):
    """The seven pages of the app; the value is the mode's name, its slash command, and its page of help."""

    CHAT = "chat"
    TRAIN = "train"
    RUNS = "runs"
    HISTORY = "history"
    TASKS = "tasks"
    MODELS = "models"
    DOCTOR = "doctor"

    @property
    def label(self) -> str:
        return self.value.capitalize()

    @property
    def number(self) -> int:
        """The digit that opens it; its function key is F(number + 1)."""
        return list(Place).index(self) + 1


EVERYWHERE = tuple(Place)


@dataclass(frozen=True, slots=True)
class Action:
    """One thing to do."""

    name: str
    """Unique within a place; the place does it in `do_<name>`, with - as _."""
    title: str
    """Two or three words: footer and palette."""
    help: str
    """One sentence: help page and the list under the prompt."""
    places: tuple[Place, ...] = EVERYWHERE
    keys: tuple[str, ...] = ()
    """As Textual names them. Letters and digits act only while no text field has the focus."""
    slash: str | None = None
    """The command after `/`; None where it makes no sense in words."""
    argument: str = ""
    """What may follow the slash command, as shown to a person."""
    footer: bool = False
    """Whether the footer shows it."""

    @property
    def id(self) -> str:
        """What its keys are kept under, as `keys.<id>`. The place is part of it: places use the same words for different things."""
        return self.name if self.places == EVERYWHERE else f"{self.places[0]}.{self.name}"


def _go(place: Place, help: str) -> Action:
    keys = (str(place.number), f"f{place.number + 1}")
    return Action(f"go-{place}", place.label, help, keys=keys, slash=place.value)


def _in(place: Place) -> Callable[..., Action]:
    """`Action` with the place filled in."""
    return partial(Action, places=(place,))


_chat, _train, _runs, _history = _in(Place.CHAT), _in(Place.TRAIN), _in(Place.RUNS), _in(Place.HISTORY)
_tasks, _models, _doctor = _in(Place.TASKS), _in(Place.MODELS), _in(Place.DOCTOR)

GENERAL: tuple[Action, ...] = (
    _go(Place.CHAT, "Ask the model, rate its answers, watch it reflect and retry."),
    _go(Place.TRAIN, "Train an adapter on failures, and watch it."),
    _go(Place.RUNS, "All runs: curves, before and after, what was learned."),
    _go(Place.HISTORY, "Everything that happened: search, filter, exclude."),
    _go(Place.TASKS, "Problems with a checker: try one, collect failures."),
    _go(Place.MODELS, "The models on this machine and their adapters."),
    _go(Place.DOCTOR, "Is this installation healthy? And the settings."),
    Action(
        "help", "Help", "Explain this place and list its keys.", keys=("f1", "question_mark"), slash="help", footer=True
    ),
    Action("quit", "Quit", "Leave; a training run goes on.", keys=("ctrl+q",), slash="quit"),
)
"""What every place offers."""

CHAT: tuple[Action, ...] = (
    _chat("send", "Send", "Send what is in the prompt.", keys=("enter",), footer=True),
    _chat("newline", "New line", "Go on in a new line of the prompt.", keys=("ctrl+j",), footer=True),
    _chat("good", "Good", "The last answer is right.", keys=("ctrl+g", "g"), slash="good", footer=True),
    _chat(
        "wrong",
        "Wrong",
        "The last answer is wrong: reflect on it and retry.",
        keys=("ctrl+r", "r"),
        slash="wrong",
        argument="[what was wrong]",
        footer=True,
    ),
    _chat(
        "check",
        "Check",
        "Give the right answer, so that this prompt can be checked and trained on.",
        keys=("c",),
        slash="check",
        argument="ANSWER",
    ),
    _chat("retry", "Retry", "Reflect on the attempt once more and retry.", keys=("t",), slash="retry"),
    _chat("again", "Again", "Answer the same prompt again, beside the first answer.", keys=("a",), slash="again"),
    _chat(
        "edit",
        "Edit",
        "Ask again in other words; the old turn stays as a branch.",
        keys=("e",),
        slash="edit",
        argument="[NEW PROMPT]",
    ),
    _chat("previous-branch", "Previous branch", "Show the branch before this one.", keys=("left_square_bracket",)),
    _chat("next-branch", "Next branch", "Show the branch after this one.", keys=("right_square_bracket",)),
    _chat(
        "branch",
        "Branch",
        "Show another branch of the last turn that has some.",
        slash="branch",
        argument="[next | previous]",
    ),
    _chat(
        "ab",
        "Compare",
        "Answer by the bare model and by the adapter, side by side.",
        slash="ab",
        argument="[PROMPT]",
    ),
    _chat("undo", "Undo", "Take the last rating back.", slash="undo"),
    _chat("stop", "Stop", "Stop writing and keep what is there; else leave the prompt.", keys=("escape",), footer=True),
    _chat(
        "trace",
        "Trace",
        "When failed attempts and reflections are shown unfolded.",
        keys=("ctrl+t",),
        slash="trace",
        argument="[fail | always | never]",
        footer=True,
    ),
    _chat("why", "Why", "What really happened: prompt, counts, seed, verdict.", keys=("v",), slash="why"),
    _chat("copy", "Copy", "Copy the answer.", keys=("y",), slash="copy", argument="[HOW MANY TURNS BACK]"),
    _chat("fold", "Fold", "Fold or unfold the trace of this turn.", keys=("space",)),
    _chat("previous-turn", "Up", "Go to the turn before.", keys=("k",)),
    _chat("next-turn", "Down", "Go to the turn after.", keys=("j",)),
    _chat("hide", "Hide", "Hide this turn, or show it again; the log keeps it.", keys=("d",), slash="hide"),
    _chat("find", "Find", "Find text in this chat.", keys=("ctrl+f", "slash"), slash="find", argument="TEXT"),
    _chat("new", "New chat", "Begin a new chat; this one is kept.", keys=("ctrl+n",), slash="new", footer=True),
    _chat("open", "Open chat", "Go on with an earlier chat.", slash="open", argument="[CHAT]"),
    _chat("rename", "Rename", "Give this chat a title.", slash="rename", argument="TITLE"),
    _chat("task", "Task", "Chat about a task's problems, which are checked.", slash="task", argument="[NAME | none]"),
    _chat("problem", "Next problem", "Take the next problem of the task.", keys=("n",), slash="problem"),
    _chat("model", "Model", "Chat with another model.", slash="model", argument="[FOLDER | tiny]"),
    _chat("adapter", "Adapter", "Chat with a run's adapter.", slash="adapter", argument="[RUN | none]"),
    _chat("set", "Set", "Change a setting, such as the temperature.", slash="set", argument="temperature 0.7"),
    _chat("export", "Export", "Save this chat as a file.", slash="export", argument="[md | json]"),
    _chat("editor", "Editor", "Write the prompt in $EDITOR.", keys=("ctrl+l",), slash="editor"),
    _chat("restart", "Restart", "Start the engine again.", slash="restart"),
    _chat("fit", "Fit", "Send it after all, without the oldest turns.", slash="fit"),
)

TRAIN: tuple[Action, ...] = (
    _train("start", "Start", "Start the run as shown.", keys=("enter",), footer=True),
    _train("quick", "Quick", "A short run: a first look.", keys=("q",), footer=True),
    _train("long", "Long", "A long run.", keys=("g",)),
    _train("advanced", "Advanced", "Recipe, steps, seed, task, failures.", keys=("v",), footer=True),
    _train("probe", "Probe", "Check again whether these failures teach anything.", keys=("p",), footer=True),
    _train("pause", "Pause", "Pause at a checkpoint, or go on.", keys=("space",), footer=True),
    _train("stop", "Stop", "Stop and save, or stop and discard.", keys=("x",), footer=True),
    _train("try", "Try it", "Pause and chat with the newest checkpoint.", keys=("c",), footer=True),
    _train("fix", "Fix", "Do what the advice line proposes.", keys=("f",)),
    _train("zoom", "Zoom", "Show one chart large.", keys=("z",)),
    _train("log", "Log", "Show the trainer's log.", keys=("l",), footer=True),
    _train("log-y", "Log y", "Logarithmic y axis, or linear.", keys=("y",)),
    _train("smooth", "Smooth", "Smooth the curves more, less, or not at all.", keys=("s",)),
    _train("watch", "Watch", "Watch another run.", keys=("w",)),
    _train("new", "New run", "Leave the run that is shown, for the page before a run.", keys=("n",), footer=True),
)

RUNS: tuple[Action, ...] = (
    _runs("mark", "Mark", "Mark this run to compare it.", keys=("space",), footer=True),
    _runs("compare", "Compare", "Before and after; the marked runs over each other.", keys=("c",), footer=True),
    _runs("use", "Use", "Chat with this run's adapter.", keys=("u",), footer=True),
    _runs("export", "Export", "Copy the path of the adapter's folder.", keys=("e",), footer=True),
    _runs("report", "Report", "Write the run's card as a Markdown file.", keys=("r",), footer=True),
    _runs("note", "Note", "Write a note on this run.", keys=("a",)),
    _runs("discard", "Discard", "Delete this run's adapters; what it logged stays.", keys=("delete",)),
    _runs("only-changed", "Changed", "Only problems whose outcome changed.", keys=("f",), footer=True),
    _runs("newly-broken", "Broken", "Only problems that it solved before and fails now.", keys=("n",), footer=True),
    _runs("previous-problem", "Previous", "The problem before this one.", keys=("left_square_bracket",)),
    _runs("next-problem", "Next", "The problem after this one.", keys=("right_square_bracket",), footer=True),
    _runs("lessons", "Lessons", "What it learned to tell itself: reflections by reward.", keys=("l",), footer=True),
    _runs("back", "Back", "Back to the list.", keys=("escape",), footer=True),
)

HISTORY: tuple[Action, ...] = (
    _history("search", "Search", "Search and filter by text.", keys=("slash",), footer=True),
    _history("filter", "Filter", "Go to the next filter.", keys=("f",), footer=True),
    _history("clear", "Clear", "Clear the filter.", keys=("c",), footer=True),
    _history("exclude", "Exclude", "Never train on this one, or allow it again.", keys=("x",), footer=True),
    _history("answer", "Answer", "Give the right answer, so that it can be trained on.", keys=("a",), footer=True),
    _history("retry", "Retry", "Try this problem in the chat with the current model.", keys=("t",), footer=True),
    _history("export", "Export", "Save what is listed as a file.", keys=("e",)),
    _history("open", "Open chat", "Open the chat that it comes from.", keys=("o",)),
    _history("back", "Back", "Back to the list.", keys=("escape",), footer=True),
)

TASKS: tuple[Action, ...] = (
    _tasks("try", "Try one", "Take one of its problems to the chat.", keys=("enter",), footer=True),
    _tasks(
        "collect", "Collect", "Attempt problems until 30 have failed, and keep the failures.", keys=("c",), footer=True
    ),
    _tasks("bench", "Bench", "Type a reply and see the verdict.", keys=("b",), footer=True),
    _tasks("new", "New", "Make a task out of a file of rows (CSV, JSONL).", keys=("n",), footer=True),
    _tasks("remove", "Remove", "Remove a task of your own; what was tried on it stays in the log.", keys=("delete",)),
    _tasks("back", "Back", "Back to the list.", keys=("escape",), footer=True),
)

MODELS: tuple[Action, ...] = (
    _models("load", "Load", "Chat with this model or adapter.", keys=("enter",), footer=True),
    _models("default", "Default", "Begin with it from now on.", keys=("d",), footer=True),
    _models("get", "Get", "Get a model from the hub, after showing what that takes.", keys=("g",), footer=True),
    _models("import", "Import", "Take in a model's folder; nothing is copied.", keys=("i",), footer=True),
    _models("bench", "Bench", "Measure how fast it reads and writes here.", keys=("b",), footer=True),
    _models("verify", "Verify", "Compare its files with what was recorded.", keys=("v",), footer=True),
    _models(
        "remove", "Remove", "Remove a model that was got or imported, after asking.", keys=("delete",), footer=True
    ),
    _models("stop", "Stop", "Stop what is going on here.", keys=("x",), footer=True),
)

DOCTOR: tuple[Action, ...] = (
    _doctor("again", "Again", "Run the checks again.", keys=("r",), footer=True),
    _doctor("copy", "Copy", "Copy the report; it holds no prompts.", keys=("c",), footer=True),
    _doctor("settings", "Settings", "Go to the settings.", keys=("s",), footer=True),
)

ACTIONS: tuple[Action, ...] = (*CHAT, *TRAIN, *RUNS, *HISTORY, *TASKS, *MODELS, *DOCTOR, *GENERAL)
"""In the order in which help shows them."""


def at(place: Place) -> tuple[Action, ...]:
    """The actions of a place."""
    return tuple(action for action in ACTIONS if place in action.places)


def by_slash(command: str) -> Action | None:
    """The action of a slash command, without the slash."""
    return next((action for action in ACTIONS if action.slash == command), None)
