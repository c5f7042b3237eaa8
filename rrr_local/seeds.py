"""Seeds are derived, never carried: (run, step, group, sample) names a sample, and its seed is a hash of that name.

A resumed run needs no saved generator state, and a row's draws do not depend on what else is in its batch.
"""

from __future__ import annotations

import hashlib


def derive(*name: int | str) -> int:
    """A 63-bit seed (it fits SQLite's INTEGER) that depends on every part of the name."""
    digest = hashlib.blake2b("/".join(map(str, name)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1
