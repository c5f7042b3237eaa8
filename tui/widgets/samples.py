"""What the model writes while it is trained: a failure, a reflection on it, the retry, and the reward. Two lines each."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content
from textual.widgets import Static

from rrr_local.store.runs_read import Sample
from rrr_local.text import sanitize
from tui.symbols import Symbols
from tui.widgets.episode import WORDS, first_sentence


class Samples(Static, can_focus=True):
    """The newest samples, cut to the width."""

    DEFAULT_CSS = """
    Samples {
        height: 1fr; min-height: 3; padding: 0 1; text-wrap: nowrap; text-overflow: ellipsis;
        border: round $border-blurred; border-title-color: $text;
        &:focus { border: round $border; }
    }
    """

    def __init__(self, id: str | None = None) -> None:
        super().__init__("", id=id, markup=False)
        self._shown: tuple[tuple[Sample, ...], Symbols] | None = None
        self.border_title = "Live samples"

    def show(self, samples: Sequence[Sample], symbols: Symbols) -> None:
        """Show these, the newest first."""
        if (tuple(samples), symbols) == self._shown:
            return
        self._shown = tuple(samples), symbols
        self.border_title = f"Live samples (step {samples[0].step})" if samples else "Live samples"
        lines = [line for sample in samples for line in sample_lines(sample, symbols)]
        self.update(
            Content("\n").join(lines)
            if lines
            else Content.styled("the first step is not done yet", "$foreground-muted")
        )


def sample_lines(sample: Sample, symbols: Symbols) -> tuple[Content, Content]:
    """The failure, and what followed it."""
    failure = Content.assemble(
        first_sentence(sample.prompt, 64), "  ", (f"{symbols.failed} {_short(sample.reason, 60)}", "$text-error")
    )
    passed = sample.reward is not None and sample.reward > 0
    reward = "not scored" if sample.reward is None else f"reward {sample.reward:g}"
    followed = Content.assemble(
        (
            f"  {symbols.verdict(sample.verdict)} {WORDS[sample.verdict]}, {reward}",
            "$text-success" if passed else "$text-error",
        ),
        (f"  {symbols.reflection} ", "$text-warning"),
        f"“{_short(sample.reflection, 160)}”",
    )
    return failure, followed


def _short(text: str | None, width: int) -> str:
    """One line, cut."""
    line = " ".join(sanitize(text or "", 4 * width).split())
    return line if len(line) <= width else line[: width - 1] + "…"
