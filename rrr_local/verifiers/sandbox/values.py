"""Values as they cross between the judge and the candidate: plain data, one JSON text.

    None, bool, int, float, str     themselves; an int of more than 64 bits as {"i": hex}
    list                            a JSON list
    tuple, set, frozenset           {"t": [...]}, {"s": [...]}, {"z": [...]}
    dict                            {"d": [[key, value], ...]}, so that keys need not be strings
    bytes, complex                  {"b": hex}, {"c": [real, imag]}
    Decimal, Fraction               {"D": text}, {"F": text}
    anything else                   {"o": number, "k": kind}: an object that stays where it is

A subclass crosses as what it is a kind of: a Counter as a dict, a named tuple as a tuple. So an object with an `__eq__` of its own
never arrives at the other side, only data does.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

SMALL = 2**63
OWN = "own"
"""The kind of an object that belongs to the side it is sent to."""
Keep = Callable[[object], tuple[int, str]]
"""Takes an object that stays here; gives the number under which the other side asks for it, and its kind. May raise `TypeError`."""
Remote = Callable[[int, str], object]
"""Makes the stand-in for an object that stays on the other side, from its number and its kind."""


def encode(value: object, keep: Keep) -> object:
    """A value as JSON has it. Raises `RecursionError` for one that is too deep."""
    match value:
        case None | bool() | float():
            return value
        case int():
            return int(value) if -SMALL < value < SMALL else {"i": hex(value)}
        case str():
            return str.__str__(value)
        case list():
            return [encode(item, keep) for item in list.__iter__(value)]
        case tuple():
            return {"t": [encode(item, keep) for item in tuple.__iter__(value)]}
        case set() | frozenset():
            return {"s" if isinstance(value, set) else "z": [encode(item, keep) for item in value]}
        case dict():
            return {"d": [[encode(key, keep), encode(item, keep)] for key, item in dict.items(value)]}
        case bytes() | bytearray():
            return {"b": value.hex()}
        case complex():
            return {"c": [value.real, value.imag]}
        case Decimal() | Fraction():
            return {"D" if isinstance(value, Decimal) else "F": str(value)}
        case _:
            number, kind = keep(value)
            return {"o": number, "k": kind}


def decode(data: Any, remote: Remote) -> object:
    """The value of decoded JSON. Raises `ValueError`, `TypeError`, `RecursionError` or `ArithmeticError` for what `encode` never writes."""
    if isinstance(data, list):
        return [decode(item, remote) for item in data]
    if not isinstance(data, dict):
        return data
    tag, inner = next(iter(data.items()))
    match tag:
        case "i":
            return int(inner, 16)
        case "t":
            return tuple(decode(item, remote) for item in inner)
        case "s":
            return {decode(item, remote) for item in inner}
        case "z":
            return frozenset(decode(item, remote) for item in inner)
        case "d":
            return {decode(key, remote): decode(item, remote) for key, item in inner}
        case "b":
            return bytes.fromhex(inner)
        case "c":
            return complex(*inner)
        case "D":
            return Decimal(inner)
        case "F":
            return Fraction(inner)
        case "o":
            return remote(int(inner), str(data.get("k")))
    raise ValueError(f"no value: {tag!r}")
