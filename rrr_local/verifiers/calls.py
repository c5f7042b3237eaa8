"""Judge function calls by comparing values, not text.

    reply ── the calls it makes (call_formats.py) ── paired with the calls that are right ── verdict

A call is right when its name is the same and each argument has the same JSON value: keys in any order, 1 equals 1.0, `true` does not
equal 1, strings to the letter, arrays in order. The calls may come in any order (they are a multiset) unless the problem says `ordered`.
An argument may have several accepted values, be compared without regard to case, or be left out, where the right call says so.

Nothing in a reply is executed. The work is bounded by the reply's last 20,000 characters and by `MOST_CALLS` calls.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from rrr_local.episode import Verdict, VerdictKind
from rrr_local.text import storable
from rrr_local.verifiers.call_formats import Call, read_calls


@dataclass(frozen=True, slots=True)
class RightCall:
    """A call that the problem asks for."""

    name: str
    arguments: Mapping[str, object]
    """JSON values."""
    any_of: Mapping[str, Sequence[object]] = field(default_factory=dict)
    """Argument -> values that are accepted besides the one in `arguments`."""
    ignore_case: frozenset[str] = frozenset()
    """Arguments whose strings are compared without regard to case, at any depth."""
    optional: frozenset[str] = frozenset()
    """Arguments that may be left out."""


def judge_calls(
    reply: str, right: Sequence[RightCall], *, ordered: bool = False, offered: Collection[str] = ()
) -> Verdict:
    """Judge one reply against the calls that are right (at least one). Never raises for anything in the reply.

    `offered` are the names of the functions the model was shown; a call to another is named as such.
    """
    written = read_calls(reply)
    answer = None if written.text is None else storable(written.text)
    if written.problem:
        return Verdict(VerdictKind.UNPARSED, storable(written.problem), answer)
    reason = _difference(written.calls, right, ordered, offered)
    if reason is not None:
        return Verdict(VerdictKind.FAIL, storable(reason), answer)
    return Verdict(VerdictKind.PASS, "the call is right" if len(right) == 1 else "the calls are right", answer)


def _difference(
    calls: Sequence[Call], right: Sequence[RightCall], ordered: bool, offered: Collection[str]
) -> str | None:
    """The first thing that is wrong, or None."""
    unknown = next((call for call in calls if offered and call.name not in offered), None)
    if unknown is not None:
        return f"there is no function `{_cut(unknown.name)}`"
    pairs = _paired(calls, right)
    if len(pairs) == len(calls) == len(right):
        return _disorder(calls, right) if ordered else None
    missed = [wanted for i, wanted in enumerate(right) if i not in pairs]
    spare = [call for i, call in enumerate(calls) if i not in pairs.values()]
    for wanted in missed:
        alike = [call for call in spare if call.name == wanted.name]
        if alike:
            return min((list(differences(wanted, call)) for call in alike), key=len)[0]
    if missed:
        return f"call to `{missed[0].name}` is missing"
    return _too_much(spare[0], right)


def _disorder(calls: Sequence[Call], right: Sequence[RightCall]) -> str | None:
    """What is wrong with the order of calls that are right in themselves."""
    for number, (wanted, call) in enumerate(zip(right, calls, strict=True), 1):
        if not accepts(wanted, call):
            return f"the calls are in the wrong order: call {number} should be `{wanted.name}`"
    return None


def _too_much(call: Call, right: Sequence[RightCall]) -> str:
    if any(wanted.name == call.name for wanted in right):
        return f"`{_cut(call.name)}` was called once too often"
    return f"`{_cut(call.name)}` was not asked for"


def _paired(calls: Sequence[Call], right: Sequence[RightCall]) -> dict[int, int]:
    """As many right calls as possible, each with a call of its own that it accepts: indices into `right` and `calls`.

    Accepted values may overlap, so the first fit is not always the best; augmenting paths find it.
    """
    fits = [[j for j, call in enumerate(calls) if accepts(wanted, call)] for wanted in right]
    owner: dict[int, int] = {}

    def place(i: int, tried: set[int]) -> bool:
        for j in fits[i]:
            if j not in tried:
                tried.add(j)
                if j not in owner or place(owner[j], tried):
                    owner[j] = i
                    return True
        return False

    for i in range(len(right)):
        place(i, set())
    return {i: j for j, i in owner.items()}


def accepts(wanted: RightCall, call: Call) -> bool:
    """Whether a call is the one that is wanted."""
    return next(differences(wanted, call), None) is None


def differences(wanted: RightCall, call: Call) -> Iterator[str]:
    """What is wrong with a call, argument by argument."""
    if call.name != wanted.name:
        yield f"expected a call to `{wanted.name}`, got `{_cut(call.name)}`"
        return
    for name, value in wanted.arguments.items():
        if name not in call.arguments:
            if name not in wanted.optional:
                yield f"argument `{name}` is missing"
            continue
        accepted = (value, *wanted.any_of.get(name, ()))
        folded = name in wanted.ignore_case
        got = call.arguments[name]
        if not any(_same(each, got, folded) for each in accepted):
            yield _named(name, accepted, got, folded)
    for name in call.arguments:
        if name not in wanted.arguments:
            yield f"argument `{_cut(name)}` is unexpected"


def _named(name: str, accepted: Sequence[object], got: object, folded: bool) -> str:
    """The reason for one argument; inside an object or array the place of the first difference."""
    if len(accepted) > 1:
        return f"argument `{name}`: expected {' or '.join(map(_shown, accepted[:3]))}, got {_shown(got)}"
    place, wanted, found = _innermost(name, accepted[0], got, folded)
    return f"argument `{place}`: expected {_shown(wanted)}, got {_shown(found)}"


def _innermost(place: str, wanted: object, got: object, folded: bool) -> tuple[str, object, object]:
    """Where two values differ: objects with the same keys and arrays of the same length are entered."""
    if isinstance(wanted, dict) and isinstance(got, dict) and wanted.keys() == got.keys():
        key = next(key for key in wanted if not _same(wanted[key], got[key], folded))
        return _innermost(f"{place}.{key}", wanted[key], got[key], folded)
    if isinstance(wanted, list) and isinstance(got, list) and len(wanted) == len(got):
        i = next(i for i in range(len(wanted)) if not _same(wanted[i], got[i], folded))
        return _innermost(f"{place}[{i}]", wanted[i], got[i], folded)
    return place, wanted, got


def _same(wanted: object, got: object, folded: bool) -> bool:
    """Whether two JSON values are equal."""
    if isinstance(wanted, dict) and isinstance(got, dict):
        return wanted.keys() == got.keys() and all(_same(wanted[key], got[key], folded) for key in wanted)
    if isinstance(wanted, list) and isinstance(got, list):
        return len(wanted) == len(got) and all(_same(w, g, folded) for w, g in zip(wanted, got, strict=True))
    if isinstance(wanted, str) and isinstance(got, str):
        return wanted == got or (folded and wanted.casefold() == got.casefold())
    if isinstance(wanted, bool) or isinstance(got, bool):
        return wanted is got  # in Python, True == 1
    return isinstance(wanted, int | float | None) and isinstance(got, int | float | None) and wanted == got


def _shown(value: object) -> str:
    """A JSON value as it stands in a reason; strings in single quotes."""
    if isinstance(value, str):
        return f"'{_cut(value)}'"
    return _cut(json.dumps(value, ensure_ascii=False))


def _cut(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:36]}…"
