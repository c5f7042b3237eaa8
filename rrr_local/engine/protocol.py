"""What app and engine say to each other: one JSON object a line, requests down, events up.

    {"is": "Ask", "id": 7, "prompt": "..."}          app -> engine, on its standard input
    {"is": "Grew", "id": 7, "span": "attempt", ...}  engine -> app, on its standard output

Every request has an id of its own; every event of it carries that id, and the last one is `Done`, `Overflow` or `Failed`.
`Ready` comes unasked when the model is loaded. Only `Cancel` has no answer of its own: the request that it names ends with `Done`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from types import UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from rrr_local.episode import FinishReason, Span, VerdictKind
from rrr_local.errors import RrrError

T = TypeVar("T")

VERSION = 1
LONGEST = 8 * 2**20
"""Bytes of the longest line that is read; more is a fault."""


class ProtocolError(RrrError):
    """A line that is no message of ours."""


class Arm(StrEnum):
    """Whose answer a text is."""

    CURRENT = "current"
    """The model as loaded."""
    BASE = "base"
    """The bare model, where both are asked."""
    ADAPTER = "adapter"


# --- requests ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Ask:
    """Answer a prompt; on a failed check reflect and retry."""

    id: int
    prompt: str
    """What the person typed; for a task, the problem's own text is used instead."""
    conversation: str | None = None
    """The log's session; None begins one."""
    after: int | None = None
    """The turn this follows (or branches off from); None: the first of its conversation."""
    task: str | None = None
    """The task whose problem `info` is; None: a question in the person's own words."""
    info: Mapping[str, object] | None = None
    """The problem's JSON form; None for a question without an expected answer. A problem with a check stands alone: no turn before
    it is in its context, so that it can be trained on."""
    temperature: float = 0.0
    seed: int = 0
    reflect: bool = True
    """Whether a failure is reflected on and retried at once."""
    fit: bool = False
    """Leave out the oldest turns where the context would overflow; without it `Overflow` says so and nothing is sampled."""


@dataclass(frozen=True, slots=True)
class Reflect:
    """Reflect on a turn's first attempt (again) and retry."""

    id: int
    conversation: str
    turn: int
    reason: str = ""
    """What a person said was wrong; it goes into the reflection prompt."""
    temperature: float = 0.0
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Versus:
    """Answer a prompt twice, by the bare model and by the adapter; neither reflects."""

    id: int
    prompt: str
    conversation: str | None = None
    task: str | None = None
    info: Mapping[str, object] | None = None
    temperature: float = 0.0
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Load:
    """Work with another model or adapter from now on. Answered by `Ready`, then `Done`."""

    id: int
    model: str
    adapter: str | None = None
    """A run's name or an adapter folder; None for the bare model."""


@dataclass(frozen=True, slots=True)
class Cancel:
    """Stop a request between two tokens; what was written is kept and logged."""

    id: int
    request: int


Request = Ask | Reflect | Versus | Load | Cancel


# --- events -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Ready:
    """The model is loaded."""

    model: str
    adapter: str | None
    backend: str
    """`mlx`, and where it runs."""
    context: int
    """Tokens the model can take in."""
    memory_mb: float
    """Resident memory of the engine process."""
    embedded: bool
    """Whether it is the toy model that ships with the package."""
    version: int = VERSION


@dataclass(frozen=True, slots=True)
class Started:
    """A turn has begun."""

    id: int
    conversation: str
    used: int
    """Tokens of context before the first sampled one."""
    limit: int
    dropped: int = 0
    """Earlier turns left out of the context."""
    note: str = ""
    """What the person should know, such as that their reason was cut."""


@dataclass(frozen=True, slots=True)
class Grew:
    """A span was continued by `text`; at most 20 of these come in a second."""

    id: int
    span: Span
    text: str
    tokens: int
    """Tokens of the span so far."""
    arm: Arm = Arm.CURRENT


@dataclass(frozen=True, slots=True)
class Judged:
    """An attempt or a retry is written, judged, and in the log."""

    id: int
    span: Span
    """ATTEMPT or RETRY."""
    turn: int
    """The log's turn; 0 for `Versus`, whose answers are no turns."""
    attempt: int
    """The log's id of this try."""
    text: str
    """The whole text: what `Grew` gave is to be replaced by it."""
    verdict: VerdictKind | None
    """None where there is nothing to check the reply against."""
    reason: str
    tokens: int
    seconds: float
    finish: FinishReason
    used: int
    """Tokens of context after it."""
    arm: Arm = Arm.CURRENT


@dataclass(frozen=True, slots=True)
class Reflected:
    """A reflection is written. It is logged together with its retry."""

    id: int
    turn: int
    text: str
    tokens: int
    seconds: float
    finish: FinishReason


@dataclass(frozen=True, slots=True)
class Overflow:
    """The prompt does not fit behind the turns before it; nothing was sampled."""

    id: int
    needed: int
    """Tokens, the room for the answer included."""
    limit: int
    drop: int
    """How many of the oldest turns `fit` would leave out; all and still too long: -1."""


@dataclass(frozen=True, slots=True)
class Done:
    """The last event of a request that was carried out."""

    id: int
    turn: int = 0
    """The log's turn; 0 where there is none."""
    stopped: bool = False
    """Whether it was cancelled."""
    memory_mb: float = 0.0
    """Resident memory of the engine process now."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The last event of a request that was not. The client makes it too, when the engine dies."""

    id: int
    cause: str
    way_out: str
    dead: bool = False
    """Whether the engine has ended."""


Event = Ready | Started | Grew | Judged | Reflected | Overflow | Done | Failed
Message = Request | Event

REQUESTS: Mapping[str, type[Request]] = {kind.__name__: kind for kind in (Ask, Reflect, Versus, Load, Cancel)}
EVENTS: Mapping[str, type[Event]] = {
    kind.__name__: kind for kind in (Ready, Started, Grew, Judged, Reflected, Overflow, Done, Failed)
}
ENUMS: Mapping[str, type[StrEnum]] = {"span": Span, "verdict": VerdictKind, "finish": FinishReason, "arm": Arm}
"""Fields by name whose values are members."""
TYPES: Mapping[str, Mapping[str, Any]] = {
    name: get_type_hints(kind) for name, kind in (*REQUESTS.items(), *EVENTS.items())
}
"""Of the fields of every message."""


def encode(message: Message) -> bytes:
    """One line. Lone surrogates survive as JSON escapes; the line itself is ASCII."""
    return json.dumps({"is": type(message).__name__, **asdict(message)}).encode("ascii") + b"\n"


def decode_request(line: bytes) -> Request:
    """Raises `ProtocolError`."""
    return _decode(line, REQUESTS)


def decode_event(line: bytes) -> Event:
    """Raises `ProtocolError`."""
    return _decode(line, EVENTS)


def _read(name: str, value: object, hint: Any) -> object:
    """A field's value from JSON. Raises `TypeError` or `ValueError` when it is of another type."""
    allowed = tuple(get_origin(part) or part for part in (get_args(hint) if isinstance(hint, UnionType) else (hint,)))
    if name in ENUMS and value is not None:
        value = ENUMS[name](str(value))
    if not isinstance(value, (*allowed, int) if float in allowed else allowed):
        raise TypeError(f"{name} is not a {hint}")
    return value


def _decode(line: bytes, kinds: Mapping[str, type[T]]) -> T:
    try:
        values: dict[str, Any] = json.loads(line)
        kind = kinds[values.pop("is")]
        hints = TYPES[kind.__name__]
        known = {name: _read(name, value, hints[name]) for name, value in values.items() if name in hints}
        return kind(**known)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ProtocolError(
            f"not a message: {line[:80]!r} ({type(error).__name__})", "restart the engine; its log may say more"
        ) from error
