"""ULIDs, for what people name and what two processes create at once: 26 characters that sort by time.

48 bits of milliseconds since 1970, then 80 random bits, in Crockford's base 32.
"""

from __future__ import annotations

import secrets
import time

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def ulid() -> str:
    """A new id. Ids of one millisecond are in no order."""
    value = (time.time_ns() // 1_000_000) << 80 | secrets.randbits(80)
    return "".join(ALPHABET[value >> shift & 31] for shift in range(125, -1, -5))
