"""Settings: what they are (`SCHEMA`), and which value counts.

    environment (RRR_CHAT__TEMPERATURE)  >  the log's own (`rrr config set`, the settings page)  >  default

They live in the log, since a person has one log and takes it along; there is no settings file. A value that cannot be read is
never an error at start: it is said once (`Settings.problems`) and the default is used.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from rrr_local.actions import ACTIONS
from rrr_local.errors import UsageError

Value = str | int | float | bool
ENV = "RRR_"
STATE = "state."
"""Keys in the same table that are no settings: what the app remembers, such as drafts."""
FLAGS: Mapping[str, bool] = {
    "1": True,
    "true": True,
    "yes": True,
    "on": True,
    "0": False,
    "false": False,
    "no": False,
    "off": False,
}


class Source(StrEnum):
    """Where a value comes from."""

    DEFAULT = "default"
    LOG = "log"
    """Set by the person, kept in the log."""
    ENV = "env"
    """An environment variable, which counts before everything else."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One thing a person can set."""

    key: str
    default: Value
    """Its type is the setting's type."""
    help: str
    """One sentence."""
    choices: tuple[str, ...] = ()
    """The texts it may be; empty: any."""
    low: float | None = None
    high: float | None = None

    @property
    def group(self) -> str:
        """`ui`, `chat`, `train` or `keys`."""
        return self.key.partition(".")[0]

    @property
    def env(self) -> str:
        """The environment variable that overrides it."""
        return ENV + self.key.upper().replace(".", "__").replace("-", "_")

    @property
    def takes(self) -> str:
        """What it may be, as a person reads it."""
        if self.choices:
            return ", ".join(self.choices)
        if isinstance(self.default, bool):
            return "on or off"
        if isinstance(self.default, str):
            return "text"
        kind = "a whole number" if isinstance(self.default, int) else "a number"
        return f"{kind} from {self.low:g} to {self.high:g}" if self.low is not None and self.high is not None else kind

    def parse(self, text: str) -> Value:
        """The value that `text` means. Raises `UsageError`."""
        value = self._typed(text.strip())
        if value is None or (self.choices and value not in self.choices) or not self._within(value):
            close = _close(text.strip(), self.choices)
            raise UsageError(f"{self.key} cannot be {text.strip()[:60]!r}", f"{self.key} takes {self.takes}{close}")
        return value

    def _typed(self, text: str) -> Value | None:
        if isinstance(self.default, str):
            return text
        if isinstance(self.default, bool):
            return FLAGS.get(text.lower())
        try:
            return int(text) if isinstance(self.default, int) else float(text)
        except ValueError:
            return None

    def _within(self, value: Value) -> bool:
        if isinstance(value, str | bool):
            return True
        # Written so that NaN is not within anything.
        return (self.low is None or value >= self.low) and (self.high is None or value <= self.high)


def _keys() -> tuple[Setting, ...]:
    """A setting for each action that has a key."""
    return tuple(
        Setting(f"keys.{action.id}", "", f"Keys for {action.title}, instead of {','.join(action.keys)}.")
        for action in ACTIONS
        if action.keys
    )


SCHEMA: tuple[Setting, ...] = (
    Setting("ui.theme", "rrr-dark", "The colours."),
    Setting("ui.ascii", False, "Draw with ASCII characters only."),
    Setting("ui.chart", "braille", "What curves are drawn with.", choices=("braille", "block", "ascii")),
    Setting("ui.bell", True, "Ring the terminal's bell when a run ends."),
    Setting("ui.welcomed", False, "Whether the first page was seen."),
    Setting("chat.model", "tiny", "The model to begin with: a folder, or tiny for the embedded one."),
    Setting("chat.adapter", "", "The run whose adapter to begin with; empty for the bare model."),
    Setting("chat.task", "", "The task to begin with; empty for your own questions."),
    Setting("chat.temperature", 0.7, "0 always gives the likeliest answer.", low=0.0, high=5.0),
    Setting("chat.seed", 0, "Equal seeds, equal answers.", low=0, high=2**53),
    Setting("chat.reflect", "auto", "Whether a failed check is reflected on at once.", choices=("auto", "off")),
    Setting("chat.tries", 2, "The most tries at a checked prompt, the first one included.", low=1, high=8),
    Setting("chat.trace", "fail", "When reflections are shown unfolded.", choices=("fail", "always", "never")),
    Setting("train.steps", 0, "Steps of a run; 0 leaves it to the recipe.", low=0, high=100_000),
    Setting("train.evaluate", 128, "Held-out problems measured before and after; 0 for none.", low=0, high=10_000),
    Setting("train.replay", 32, "Of your failures, how many are tried again before and after.", low=0, high=10_000),
    Setting(
        "train.everyday", 32, "Everyday questions asked before and after; the toy model is asked none.", low=0, high=90
    ),
    *_keys(),
)
BY_KEY: Mapping[str, Setting] = {setting.key: setting for setting in SCHEMA}


class Settings:
    """The values that count, and the way to change them."""

    def __init__(
        self,
        stored: Mapping[str, str] | None = None,
        env: Mapping[str, str] | None = None,
        write: Callable[[str, str | None], None] | None = None,
    ) -> None:
        """`stored` are the log's; `write` puts one into the log (None removes it), without it nothing can be set."""
        self._stored = dict(stored or {})
        self._env = {setting.key: env[setting.env] for setting in SCHEMA if env and setting.env in env}
        self._write = write
        self.problems: list[str] = []
        """One line for each value that is not used because it cannot be read."""
        self._resolve()

    def get(self, key: str) -> Any:
        """The value, of the type of the setting's default. Raises `UsageError` for an unknown key."""
        return self._values[find(key).key][0]

    def source(self, key: str) -> Source:
        """Where the value comes from. Raises `UsageError` for an unknown key."""
        return self._values[find(key).key][1]

    def set(self, key: str, value: Value) -> None:
        """Keep a value in the log. Raises `UsageError` when it is none, or when there is nowhere to keep it."""
        self._keep(key, show(find(key).parse(show(value))))

    def unset(self, key: str) -> None:
        """Go back to the default; also rids the log of a key that is no setting. Raises `UsageError`."""
        self._keep(key if key in self._stored else find(key).key, None)

    def remembered(self, what: str) -> str:
        """A piece of state, such as a draft; empty where there is none."""
        return self._stored.get(STATE + what, "")

    def remember(self, what: str, text: str) -> None:
        """Keep a piece of state; an empty text removes it. Where nothing can be written it lasts as long as this."""
        key = STATE + what
        if self.remembered(what) == text:
            return
        self._stored[key] = text
        if self._write is not None:
            self._write(key, text or None)

    def keymap(self) -> dict[str, str]:
        """The keys a person chose, by the action's id."""
        chosen = {
            setting.key.partition(".")[2]: str(self.get(setting.key)) for setting in SCHEMA if setting.group == "keys"
        }
        return {action: keys for action, keys in chosen.items() if keys}

    def _keep(self, key: str, text: str | None) -> None:
        if self._write is None:
            raise UsageError("settings cannot be changed here", "close the other rrr that has this data folder open")
        self._write(key, text)
        if text is None:
            self._stored.pop(key, None)
        else:
            self._stored[key] = text
        self._resolve()

    def _resolve(self) -> None:
        self.problems = [self._unknown(key) for key in self._stored if key not in BY_KEY and not key.startswith(STATE)]
        self._values = {setting.key: self._value(setting) for setting in SCHEMA}

    def _value(self, setting: Setting) -> tuple[Value, Source]:
        for source, values in ((Source.ENV, self._env), (Source.LOG, self._stored)):
            if setting.key in values:
                try:
                    return setting.parse(values[setting.key]), source
                except UsageError as error:
                    where = setting.env if source is Source.ENV else "the log"
                    self.problems.append(f"{error.cause} (from {where}); {error.way_out}")
        return setting.default, Source.DEFAULT

    def _unknown(self, key: str) -> str:
        return f"there is no setting {key!r} (from the log); `rrr config unset` removes it{_close(key, BY_KEY)}"


def find(key: str) -> Setting:
    """The setting of this key. Raises `UsageError`, with close matches."""
    if key not in BY_KEY:
        raise UsageError(f"there is no setting {key[:60]!r}", f"`rrr config list` shows them all{_close(key, BY_KEY)}")
    return BY_KEY[key]


def show(value: Value) -> str:
    """A value as it is typed and stored."""
    if isinstance(value, bool):
        return "on" if value else "off"
    return str(value)


def _close(text: str, among: Mapping[str, object] | tuple[str, ...]) -> str:
    matches = difflib.get_close_matches(text, list(among), n=2)
    return f"; did you mean {' or '.join(matches)}?" if matches else ""
