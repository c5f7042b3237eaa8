"""The one table of symbols, each with its twin in ASCII, and a filter that spells the rest of the screen in ASCII.

State is always a word and a symbol, never a colour alone. With `ui.ascii` the symbols come from `ASCII`, and `AsciiFilter` replaces
what the widgets themselves draw: borders, scroll bars, arrows. Letters of other alphabets stay as they are.
"""

from __future__ import annotations

from dataclasses import dataclass

from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter

from rrr_local.episode import VerdictKind


@dataclass(frozen=True, slots=True)
class Symbols:
    """What stands before a word."""

    passed: str
    failed: str
    broken: str
    """The verifier itself failed, or a check gave a warning."""
    unchecked: str
    reflection: str
    running: str
    paused: str
    stopped: str
    done: str
    lost: str
    marked: str
    in_use: str
    """The adapter that chat uses."""
    folded: str
    open: str
    dot: str
    """Between two facts on one line."""
    arrow: str
    """From before to after."""
    prompt: str
    """Before the chosen line of a list."""
    rail: str
    """Left of a trace."""
    up: str
    down: str
    ellipsis: str

    def verdict(self, kind: VerdictKind | None) -> str:
        """The symbol of a verdict; None where nothing was checked."""
        match kind:
            case None:
                return self.unchecked
            case VerdictKind.PASS:
                return self.passed
            case VerdictKind.ERROR:
                return self.broken
            case _:
                return self.failed


UNICODE = Symbols(
    passed="✓",
    failed="✗",
    broken="!",
    unchecked="?",
    reflection="↺",
    running="●",
    paused="‖",
    stopped="■",
    done="✓",
    lost="✗",
    marked="◆",
    in_use="●",
    folded="▸",
    open="▾",
    dot="·",
    arrow="→",
    prompt="❯",
    rail="│",
    up="↑",
    down="↓",
    ellipsis="…",
)
ASCII = Symbols(
    passed="[ok]",
    failed="[x]",
    broken="[!]",
    unchecked="[?]",
    reflection="[~]",
    running="[*]",
    paused="[=]",
    stopped="[.]",
    done="[ok]",
    lost="[x]",
    marked="[#]",
    in_use="[*]",
    folded="+",
    open="-",
    dot="-",
    arrow="->",
    prompt=">",
    rail="|",
    up="^",
    down="v",
    ellipsis="...",
)


def symbols(ascii: bool) -> Symbols:
    """The table for this setting of `ui.ascii`."""
    return ASCII if ascii else UNICODE


_CORNERS = "┌┐└┘├┤┬┴┼╭╮╰╯╔╗╚╝╠╣╦╩╬┏┓┗┛┣┫┳┻╋▛▜▙▟▖▗▘▝"
_ACROSS = "─━═╌╍┄┅╴╶╸╺╾╼▔▁▂🬂🬭▀▄"
_DOWN = "│┃║╎╏┆┇╵╷▏▎▍▌▋▊▉▐▕"
_FULL = "█▇▆▅▃▓▒"
_OTHERS = {
    "░": ".",
    "·": "-",
    "•": "*",
    "●": "*",
    "○": "o",
    "…": ".",
    "✓": "+",
    "✔": "+",
    "✗": "x",
    "✘": "x",
    "↺": "~",
    "→": ">",
    "←": "<",
    "↑": "^",
    "↓": "v",
    "▶": ">",
    "▸": ">",
    "▼": "v",
    "▾": "v",
    "▲": "^",
    "❯": ">",
    "■": "#",
    "◆": "#",
    "‖": "=",
    "–": "-",
    "—": "-",
    "“": '"',
    "”": '"',
    "‘": "'",
    "’": "'",
    "−": "-",
    "×": "x",
}
TWINS = str.maketrans(
    {
        **dict.fromkeys(_CORNERS, "+"),
        **dict.fromkeys(_ACROSS, "-"),
        **dict.fromkeys(_DOWN, "|"),
        **dict.fromkeys(_FULL, "#"),
        **_OTHERS,
    }
)
"""One cell for one cell, so that nothing moves."""


class AsciiFilter(LineFilter):
    """Spells what widgets draw in ASCII, on its way to the terminal."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        return [
            segment
            if segment.text.isascii()
            else Segment(segment.text.translate(TWINS), segment.style, segment.control)
            for segment in segments
        ]
