"""The check `json-schema`: the answer is JSON that fits a schema, or equals a row's JSON, or both.

    | option        | default | meaning                                                                                |
    | schema        | none    | the schema as a table, or the name of a .json file in the task's folder                |
    | schema_column | none    | the column with each row's own schema                                                  |
    | answer        | none    | the column with the JSON that the answer must equal                                    |

The JSON is the last ``` fence of the answer, else all of it; other text around it is unparsed. It is read strictly: a key that
stands twice, NaN, numbers of more than 100 characters, more than 64 levels and more than 100,000 characters are refused. In
comparing, keys may come in any order and 1 equals 1.0, but not true. What of JSON Schema is checked is in `json_schema`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rrr_local.episode import Verdict, VerdictKind
from rrr_local.errors import UsageError
from rrr_local.verifiers.answers import nothing_in, tagged
from rrr_local.verifiers.json_values import canonical
from rrr_local.verifiers.options import Options, column, unusable
from rrr_local.verifiers.strict_json import Unreadable, loads

FENCE = "```"
LONGEST_SCHEMA = 200_000


@dataclass(frozen=True, slots=True)
class SchemaCheck:
    """Validates and compares JSON."""

    schema: str
    """The schema for every row, as canonical JSON; empty where there is none."""
    schema_column: str
    """The column with each row's schema; empty where there is none."""
    answer: str
    """The column with the right JSON; empty where any that fits is right."""

    kind = "json-schema"

    @classmethod
    def read(cls, options: Options, folder: Path) -> SchemaCheck:
        schema = options.table("schema")
        own = options.text("schema_column") if options.has("schema_column") else ""
        answer = options.text("answer") if options.has("answer") else ""
        if schema is not None and own:
            raise UsageError("the check json-schema has both schema and schema_column", "keep one of them")
        if schema is None and not own and not answer:
            raise UsageError(
                "the check json-schema has nothing to check against", "give schema, schema_column or answer"
            )
        text = "" if schema is None else _schema_text(_from_file(schema, folder) if isinstance(schema, str) else schema)
        return cls(text, own, answer)

    @property
    def configuration(self) -> Mapping[str, object]:
        return {
            "kind": self.kind,
            "schema": json.loads(self.schema) if self.schema else None,
            "schema_column": self.schema_column,
            "answer": self.answer,
        }

    def check_row(self, row: Mapping[str, object]) -> None:
        schema = self._schema(row)
        if not self.answer:
            return
        from rrr_local.verifiers import json_keywords, json_schema

        value = _from_column(row, self.answer)
        try:
            error = json_schema.first_error(schema, value) if schema else None
        except json_keywords.TooSlow as slow:
            raise unusable(self.answer, row[self.answer], f"cannot be checked: {slow}", "mend the schema") from None
        if error is not None:
            raise unusable(self.answer, row[self.answer], f"does not fit the schema: {error}", "mend one of the two")

    def judge(self, reply: str, row: Mapping[str, object]) -> Verdict:
        from rrr_local.verifiers import json_keywords, json_schema

        answer = tagged(reply)
        if not answer.text:
            return Verdict(VerdictKind.UNPARSED, nothing_in(answer))
        try:
            value = loads(_json_in(answer.text))
        except Unreadable as reason:
            return Verdict(VerdictKind.UNPARSED, str(reason), answer.shown)
        schema = self._schema(row)
        try:
            error = json_schema.first_error(schema, value) if schema else None
        except json_keywords.TooSlow as slow:
            return Verdict(VerdictKind.ERROR, str(slow), answer.shown)
        if error is None and self.answer:
            wanted = _from_column(row, self.answer)
            if canonical(value) != canonical(wanted):
                error = "it is other JSON than expected"
        if error is not None:
            return Verdict(VerdictKind.FAIL, error, answer.shown)
        return Verdict(VerdictKind.PASS, "the JSON is as expected", answer.shown)

    def _schema(self, row: Mapping[str, object]) -> str:
        """The schema for a row as canonical JSON, empty where there is none. Raises `UsageError`."""
        if not self.schema_column:
            return self.schema
        try:
            return _schema_text(_from_column(row, self.schema_column))
        except UsageError as error:
            raise UsageError(f"the column {self.schema_column!r}: {error.cause}", error.way_out) from None


def _json_in(text: str) -> str:
    """The last fence of a text, without the word `json` after its opening; the text itself where it has no fence."""
    closing = text.rfind(FENCE)
    opening = text.rfind(FENCE, 0, max(closing, 0))
    if opening < 0:
        return text
    return text[opening + len(FENCE) : closing].removeprefix("json")


def _schema_text(schema: object) -> str:
    """A usable schema as canonical JSON. Raises `UsageError`."""
    from rrr_local.verifiers import json_schema

    try:
        text = canonical(loads(json.dumps(schema)))
        json_schema.compiled(text)
    except (json_schema.UnusableSchema, Unreadable, TypeError, ValueError) as problem:
        raise UsageError(f"the schema cannot be used: {problem}", "mend the schema") from None
    return text


def _from_file(name: str, folder: Path) -> object:
    """The JSON of a file within a folder. Raises `UsageError`."""
    path = (folder / name).resolve()
    if not path.is_relative_to(folder.resolve()) or not path.is_file():
        raise UsageError(
            f"there is no file {name!r} in the task's folder",
            "schema is a table, or the name of a file beside task.toml",
        )
    try:
        text = path.read_text(encoding="utf-8-sig")
        if len(text) > LONGEST_SCHEMA:
            raise Unreadable(f"it is longer than {LONGEST_SCHEMA:,} characters")
        return loads(text)
    except (OSError, UnicodeError, Unreadable) as problem:
        raise UsageError(f"{name} cannot be read: {problem}", "it holds one JSON Schema, in UTF-8") from None


def _from_column(row: Mapping[str, object], name: str) -> object:
    """The JSON of a column: as it is, or as text. Raises `UsageError`."""
    value = column(row, name)
    try:
        return loads(value if isinstance(value, str) else json.dumps(value))
    except Unreadable as problem:
        raise unusable(name, value, f"is not JSON: {problem}", "write JSON; a text stands in double quotes") from None
