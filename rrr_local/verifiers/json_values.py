"""JSON values compared by what they mean."""

from __future__ import annotations

import json


def canonical(value: object) -> str:
    """JSON text that is the same for equal values: keys sorted, 1.0 written as 1; true and 1 stay apart."""
    return json.dumps(_plain(value), sort_keys=True, separators=(",", ":"))


def _plain(value: object) -> object:
    match value:
        case dict():
            return {key: _plain(each) for key, each in value.items()}
        case list():
            return [_plain(each) for each in value]
        case float() if value.is_integer():
            return int(value)
    return value
