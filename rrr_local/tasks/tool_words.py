"""The words that synthetic tools are made of: what can be done to what, with which parameters, and how a request says it."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

Draw = Callable[[random.Random], object]
"""Draws a value."""

PEOPLE = tuple(
    f"{first} {last}"
    for first in ("Maria", "Tom", "Aisha", "Jonas", "Mei", "Pedro", "Ingrid", "Samuel")
    for last in ("Lopez", "Baker", "Khan", "Berg", "Chen", "Silva")
)
CITIES = ("Paris", "Oslo", "Lima", "Osaka", "Nairobi", "Porto", "Quito", "Graz", "Leeds", "Hanoi", "Tampa", "Perth")
STREETS = ("Hill Road", "Mill Lane", "Station Street", "Oak Avenue", "River Walk", "Market Square")
TITLES = tuple(
    f"{how} {what}"
    for how in ("quiet", "early", "second", "green", "final", "long", "old", "northern", "open", "plain")
    for what in ("harbour", "meeting", "garden", "budget", "winter", "journey", "kitchen", "signal", "bridge", "draft")
)
TAGS = ("red", "blue", "urgent", "family", "travel", "work", "draft", "music", "health", "tax", "garden", "school")
CURRENCIES, LANGUAGES = ("EUR", "USD", "GBP", "JPY"), ("french", "german", "spanish", "hindi", "swahili", "korean")


@dataclass(frozen=True, slots=True, eq=False)
class Parameter:
    """A parameter of a tool."""

    name: str
    schema: Mapping[str, object]
    draw: Draw
    templates: tuple[str, ...]
    """Ways to say it, with `{}` for the value, or `{key}` for the parts of an object."""
    refusals: tuple[str, ...] = ()
    """Ways to say that it is false; only where it is true or false."""
    required: bool = True

    def phrases(self, value: object) -> list[str]:
        """Every way a request can say this value."""
        if isinstance(value, bool):
            return list(self.templates if value else self.refusals)
        if isinstance(value, dict):
            return [template.format_map(value) for template in self.templates]
        said = _listed([str(each) for each in value]) if isinstance(value, list) else str(value)
        return [template.format(said) for template in self.templates]


@dataclass(frozen=True, slots=True, eq=False)
class Object:
    """What something is done to."""

    word: str
    parameters: tuple[Parameter, ...]

    @property
    def article(self) -> str:
        return "an" if self.word[0] in "aeiou" else "a"


@dataclass(frozen=True, slots=True, eq=False)
class Verb:
    """What is done."""

    word: str
    parameters: tuple[Parameter, ...]


def _listed(items: Sequence[str]) -> str:
    """Items as they are said: a, b and c."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"


def _text(name: str, about: str, pool: Sequence[str], *says: str, required: bool = True) -> Parameter:
    return Parameter(
        name, {"type": "string", "description": about}, lambda rng: rng.choice(pool), says, required=required
    )


def _choice(name: str, about: str, options: Sequence[str], *says: str, required: bool = True) -> Parameter:
    schema = {"type": "string", "enum": list(options), "description": about}
    return Parameter(name, schema, lambda rng: rng.choice(options), says, required=required)


def _whole(name: str, about: str, low: int, high: int, *says: str, required: bool = True) -> Parameter:
    schema = {"type": "integer", "description": about}
    return Parameter(name, schema, lambda rng: rng.randint(low, high), says, required=required)


def _decimal(name: str, about: str, high: int, *says: str, required: bool = True) -> Parameter:
    """A number with one digit behind the point, never a whole one."""
    schema = {"type": "number", "description": about}
    return Parameter(name, schema, lambda rng: rng.randrange(high) + rng.randint(1, 9) / 10, says, required=required)


def _flag(name: str, about: str, yes: str, no: str, required: bool = True) -> Parameter:
    schema = {"type": "boolean", "description": about}
    return Parameter(name, schema, lambda rng: rng.random() < 0.5, (yes,), (no,), required)


def _list(name: str, about: str, pool: Sequence[str], *says: str, required: bool = True) -> Parameter:
    schema = {"type": "array", "items": {"type": "string"}, "description": about}
    return Parameter(name, schema, lambda rng: rng.sample(pool, rng.randint(1, 3)), says, required=required)


def _record(
    name: str, about: str, parts: Mapping[str, tuple[str, Draw]], *says: str, required: bool = True
) -> Parameter:
    """An object; its parts are given as JSON type and draw."""
    properties = {key: {"type": kind} for key, (kind, _) in parts.items()}
    schema = {"type": "object", "properties": properties, "required": list(parts), "description": about}
    return Parameter(
        name, schema, lambda rng: {key: draw(rng) for key, (_, draw) in parts.items()}, says, required=required
    )


def _date(rng: random.Random) -> str:
    return f"2026-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}"


def _time(rng: random.Random) -> str:
    return f"{rng.randint(7, 21):02}:{rng.choice((0, 15, 30, 45)):02}"


def _email(rng: random.Random) -> str:
    return f"{rng.choice(PEOPLE).replace(' ', '.').lower()}@example.org"


def _code(rng: random.Random) -> str:
    return f"{rng.choice('ABCDEFGH')}{rng.choice('KLMNPQRS')}-{rng.randint(1000, 9999)}"


def _drawn(name: str, about: str, draw: Draw, *says: str, required: bool = True) -> Parameter:
    """A text that is made, not chosen."""
    return Parameter(name, {"type": "string", "description": about}, draw, says, required=required)


_ADDRESS = {
    "street": ("string", lambda rng: f"{rng.randint(1, 99)} {rng.choice(STREETS)}"),
    "city": ("string", lambda rng: rng.choice(CITIES)),
}
_SIZE = {"width": ("integer", lambda rng: rng.randint(5, 60)), "height": ("integer", lambda rng: rng.randint(5, 60))}


def _title(about: str) -> Parameter:
    return _text("title", about, TITLES, "called '{}'", "with the title '{}'")


def _number(about: str) -> Parameter:
    return _whole("number", about, 1000, 9999, "with number {}", "that has the number {}")


OBJECTS = (
    Object("note", (_title("Title"),)),
    Object("task", (_title("Title"), _text("project", "Project", TITLES, "in the project '{}'", required=False))),
    Object("invoice", (_number("Invoice number"),)),
    Object("contact", (_text("full_name", "Full name", PEOPLE, "of {}", "named {}"),)),
    Object(
        "order", (_number("Order number"), _text("customer", "Customer", PEOPLE, "for the customer {}", required=False))
    ),
    Object("ticket", (_drawn("code", "Ticket code", _code, "with the code {}"),)),
    Object("project", (_title("Name"), _whole("year", "Year", 2019, 2026, "of the year {}", required=False))),
    Object("event", (_title("Title"), _text("city", "Where", CITIES, "in {}", required=False))),
    Object("recipe", (_title("Name"), _whole("servings", "Servings", 2, 12, "for {} servings", required=False))),
    Object("document", (_drawn("code", "Document code", _code, "with the code {}"),)),
    Object(
        "playlist",
        (
            _title("Name"),
            _list("genres", "Genres", ("jazz", "folk", "rock", "soul"), "with the genres {}", required=False),
        ),
    ),
    Object("photo", (_whole("photo_id", "Photo id", 100, 99999, "with id {}", "with the photo id {}"),)),
    Object(
        "contract",
        (_number("Contract number"), _list("parties", "Parties", PEOPLE, "between the parties {}", required=False)),
    ),
    Object(
        "report",
        (_whole("year", "Year", 2015, 2026, "for the year {}"), _whole("quarter", "Quarter", 1, 4, "quarter {}")),
    ),
    Object(
        "booking",
        (
            _drawn("code", "Booking code", _code, "with the code {}"),
            _whole("guests", "Guests", 1, 9, "for {} guests", required=False),
        ),
    ),
    Object(
        "parcel",
        (
            _decimal("weight", "Weight in kg", 30, "of {} kg", "weighing {} kg"),
            _record("size", "Size in cm", _SIZE, "{width} cm wide and {height} cm high", required=False),
        ),
    ),
    Object("course", (_title("Name"), _choice("level", "Level", ("beginner", "advanced"), "at the {} level"))),
    Object("message", (_whole("message_id", "Message id", 10, 9999, "with id {}"),)),
    Object(
        "survey",
        (
            _title("Name"),
            _flag("anonymous", "Anonymous answers", "with anonymous answers", "with named answers", required=False),
        ),
    ),
    Object("room", (_whole("floor", "Floor", 1, 30, "on floor {}"), _whole("room", "Room", 1, 60, "room {}"))),
)

VERBS = (
    Verb("create", (_list("tags", "Tags", TAGS, "with the tags {}", required=False),)),
    Verb("update", (_choice("status", "New status", ("active", "paused", "closed"), "so that its status is {}"),)),
    Verb("find", (_whole("limit", "Most results", 1, 50, "giving at most {} results", required=False),)),
    Verb("archive", (_drawn("until", "Date", _date, "until {}", required=False),)),
    Verb(
        "share",
        (
            _text("person", "With whom", PEOPLE, "with {}"),
            _flag("can_edit", "May edit", "with the right to edit", "without the right to edit"),
        ),
    ),
    Verb("copy", (_whole("copies", "Copies", 2, 20, "{} times", "making {} copies"),)),
    Verb(
        "export",
        (
            _choice("format", "Format", ("pdf", "csv", "html"), "as {}", "in the {} format"),
            _flag("compress", "Compress", "compressed", "not compressed", required=False),
        ),
    ),
    Verb(
        "print",
        (
            _whole("copies", "Copies", 1, 20, "in {} copies"),
            _choice("paper", "Paper", ("a4", "a5", "letter"), "on {} paper", required=False),
            _flag("colour", "In colour", "in colour", "in black and white", required=False),
        ),
    ),
    Verb("approve", (_text("approver", "Who approves", PEOPLE, "on behalf of {}", required=False),)),
    Verb(
        "assign",
        (
            _text("person", "To whom", PEOPLE, "to {}"),
            _choice("priority", "Priority", ("low", "normal", "high"), "with {} priority", required=False),
        ),
    ),
    Verb("label", (_list("labels", "Labels", TAGS, "with the labels {}", "as {}"),)),
    Verb(
        "schedule",
        (_drawn("date", "Date", _date, "on {}", "for {}"), _drawn("time", "Time", _time, "at {}", required=False)),
    ),
    Verb(
        "review",
        (
            _decimal("rating", "Stars", 5, "with {} stars"),
            _text("comment", "Comment", TITLES, "commenting '{}'", required=False),
        ),
    ),
    Verb("translate", (_choice("language", "Language", LANGUAGES, "into {}"),)),
    Verb(
        "send",
        (
            _drawn("email", "Recipient", _email, "to {}"),
            _flag("urgent", "Urgent", "as urgent", "as not urgent", required=False),
        ),
    ),
    Verb("move", (_text("folder", "Target folder", TITLES, "to the folder '{}'", "into the folder '{}'"),)),
    Verb("price", (_decimal("amount", "Amount", 900, "at {}"), _choice("currency", "Currency", CURRENCIES, "in {}"))),
    Verb(
        "deliver",
        (
            _record("address", "Address", _ADDRESS, "to {street} in {city}"),
            _drawn("date", "Date", _date, "on {}", required=False),
        ),
    ),
    Verb(
        "lock",
        (
            _drawn("until", "Date", _date, "until {}"),
            _flag("notify", "Tell the owner", "telling the owner", "without telling the owner", required=False),
        ),
    ),
    Verb("check", (_list("fields", "What to check", ("owner", "date", "total", "spelling"), "for its {}"),)),
)
