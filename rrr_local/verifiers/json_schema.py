"""JSON Schema with every step bounded: a schema comes from a file, the JSON from a model.

`jsonschema` does the work, with the keywords of `json_keywords` in place of those that can hang or raise. All of one check has
1 s together, since alternatives inside alternatives take time exponential in the depth of the JSON. A `$ref` leads to another part
of the schema and nowhere else: nothing is fetched from a network or a file. Formats that are not checked are refused.

The drafts 4, 6, 7, 2019-09 and 2020-12 are known. This module imports jsonschema: import it where a schema is used, not before.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, Final

import jsonschema
import referencing
import referencing.exceptions
from jsonschema.exceptions import SchemaError, ValidationError
from jsonschema.validators import extend
from referencing.jsonschema import DRAFT202012

from rrr_local.verifiers.answers import short
from rrr_local.verifiers.json_keywords import FORMATS, OURS, TooSlow, clocked, time_limit
from rrr_local.verifiers.regex_check import pattern_problem

REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")
NEWEST = "https://json-schema.org/draft/2020-12/schema"
DRAFTS: Final[Mapping[str, Any]] = {
    draft.META_SCHEMA["$schema"].rstrip("#"): draft
    for draft in (
        jsonschema.Draft4Validator,
        jsonschema.Draft6Validator,
        jsonschema.Draft7Validator,
        jsonschema.Draft201909Validator,
        jsonschema.Draft202012Validator,
    )
}
"""A draft's validator by what `$schema` calls it."""


class UnusableSchema(Exception):
    """The schema cannot be used; the message says why."""


def first_error(schema_text: str, value: object) -> str | None:
    """Where and how a JSON value does not fit a schema (canonical JSON); None where it does.

    Raises `UnusableSchema`, and `TooSlow` after about a second.
    """
    validator = compiled(schema_text)
    try:
        with time_limit():
            error = next(validator.iter_errors(value), None)
    except RecursionError:
        raise TooSlow("the schema refers to itself without end") from None
    return None if error is None else _said(error)


@lru_cache(maxsize=64)
def compiled(schema_text: str) -> Any:
    """The validator of a schema (canonical JSON). Raises `UnusableSchema`."""
    schema = json.loads(schema_text)
    dialect = schema.get("$schema", NEWEST) if isinstance(schema, dict) else NEWEST
    draft = DRAFTS.get(str(dialect).rstrip("#"))
    if draft is None or not isinstance(schema, dict | bool):
        raise UnusableSchema("it is no JSON Schema of draft 4, 6, 7, 2019-09 or 2020-12")
    if isinstance(schema, dict):
        schema.pop("$schema", None)  # with it, jsonschema would go back to the draft's own keywords
    try:
        draft.check_schema(schema, format_checker=None)  # patterns are compiled below, and not by `re`
    except SchemaError as error:
        raise UnusableSchema(f"it is no JSON Schema: {short(error.message)}") from None
    except RecursionError:
        raise UnusableSchema("it is nested too deeply") from None
    _check_parts(schema)
    return _bounded(draft)(schema, registry=referencing.Registry())


# --- the schema -----------------------------------------------------------------------------------------------------


def _check_parts(schema: dict[str, object] | bool) -> None:
    """Raises for what cannot be followed or bounded in any part of a schema."""
    resolver = referencing.Registry().resolver_with_root(DRAFT202012.create_resource(schema))
    parts = list(_objects(schema))
    for part in parts:
        if part is not schema and any(isinstance(part.get(name), str) for name in ("$schema", "$id")):
            raise UnusableSchema("$schema and $id are possible only at its top")
        for name in REFERENCES:
            target = part.get(name)
            if isinstance(target, str):
                _check_reference(target, resolver)
        _check_keywords(part)
    if {"patternProperties", "unevaluatedProperties"} <= {key for part in parts for key in part}:
        raise UnusableSchema("unevaluatedProperties beside patternProperties is not supported")


def _check_reference(target: str, resolver: Any) -> None:
    if not target.startswith("#"):
        raise UnusableSchema(f"the reference {short(target)!r} leads out of it: only #/… is followed")
    try:
        resolver.lookup(target)
    except referencing.exceptions.Unresolvable:
        raise UnusableSchema(f"the reference {short(target)!r} leads nowhere") from None


def _check_keywords(part: Mapping[str, object]) -> None:
    named = part.get("format")
    if isinstance(named, str) and named not in FORMATS:
        raise UnusableSchema(f"the format {short(named)!r} is not checked: use {', '.join(FORMATS)} or a pattern")
    own = part.get("patternProperties")
    patterns = [part.get("pattern"), *(own if isinstance(own, dict) else ())]
    for pattern in patterns:
        if isinstance(pattern, str) and (problem := pattern_problem(pattern)):
            raise UnusableSchema(f"{short(pattern)!r} {problem}")


def _objects(value: object) -> Iterator[dict[str, object]]:
    """Every object in a JSON value, itself included."""
    if isinstance(value, dict):
        yield value
    for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _objects(each)


@lru_cache(maxsize=8)
def _bounded(draft: Any) -> Any:
    """A draft's validator class with our keywords and a clock in every one."""
    keywords = {name: clocked(keyword) for name, keyword in {**draft.VALIDATORS, **OURS}.items()}
    return extend(draft, keywords)


# --- reasons --------------------------------------------------------------------------------------------------------


def _said(error: ValidationError) -> str:
    """An error in one line: where, what was expected, what is there."""
    place = short(
        "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in error.absolute_path).lstrip(".")
    )
    where = f"`{place}`: " if place else ""
    if error.validator is None:
        return f"{where}the schema allows nothing here"
    if error.validator == "additionalProperties":
        return f"{where}{error.message}"
    if error.validator == "required" and isinstance(error.instance, dict):
        required: Any = error.validator_value
        missing = next(name for name in required if name not in error.instance)
        return f"{where}`{short(missing)}` is missing"
    if error.validator in ("anyOf", "oneOf", "allOf", "not", "if"):
        return f"{where}does not fit {error.validator}, got {_shown(error.instance)}"
    return f"{where}expected {error.validator} {_shown(error.validator_value)}, got {_shown(error.instance)}"


def _shown(value: object) -> str:
    return short(json.dumps(value, ensure_ascii=False))
