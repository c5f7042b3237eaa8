"""Text from models, made safe for a terminal and for SQLite.

The log keeps what a model wrote. Everything shown to a person goes through `sanitize`, at the display edge: an escape
sequence moves the cursor, a carriage return erases a line, a bidi mark reorders one, a tag character hides text.
"""

from __future__ import annotations

import re

CUT = "… [cut]"
"""What `sanitize` ends a cut text with."""
REPLACEMENT = "\ufffd"

_CONTROL_PICTURES = 0x2400
"""U+2400 is the picture of U+0000, and so on through the C0 controls."""

_HOSTILE = re.compile(
    "\r\n|["
    "\x00-\x08\x0b-\x1f\x7f-\x9f"  # C0 except \t \n, DEL, C1
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # bidi marks, embeddings, overrides, isolates
    "\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200d\u2028\u2029\u2060-\u2065\u206a-\u206f\u3164"
    "\ufeff\uffa0\ufff0-\ufffb"  # no width, or a line end that only some programs see
    "\ud800-\udfff"  # lone surrogates: no UTF-8 encoding
    "\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"  # layout of hieroglyphs, shorthand, music
    "\U000e0000-\U000e0fff"  # tags and variation selectors that smuggle text
    "]"
)
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def sanitize(text: str, limit: int = 20_000) -> str:
    """Text as it may be shown: at most `limit` characters, no control character except tab and newline.

    Controls become their pictures (ESC is shown as ␛), CR LF becomes LF, C1 controls and what reorders, hides or cannot
    be encoded becomes U+FFFD. Longer text ends in `CUT`. Ordinary text comes back unchanged, and so does text that went
    through before.
    """
    if len(text) > limit:
        text = (text[: max(limit - len(CUT), 0)] + CUT)[:limit]
    return _HOSTILE.sub(_shown, text)


def storable(text: str) -> str:
    """Text as SQLite takes it: NUL, which ends a string for some readers, and lone surrogates become U+FFFD."""
    return _UNSTORABLE.sub(REPLACEMENT, text)


def _shown(match: re.Match[str]) -> str:
    if match[0] == "\r\n":
        return "\n"
    code = ord(match[0])
    if code < 0x20:
        return chr(_CONTROL_PICTURES + code)
    return "\u2421" if code == 0x7F else REPLACEMENT
