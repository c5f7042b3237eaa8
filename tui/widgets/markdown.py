"""Markdown to which a model is writing: what stands there is kept, and laid out again only when it takes more room.

Textual's own has the whole page laid out anew with each piece, makes a list anew with each word in its last item, and needs four widgets
for an item. That is most of what an app costs while an answer streams, where three pieces in four change one line only.

Blocks are told how to take in a newer version of themselves by `_update_from_block`, and hold their parts in `_blocks`; Textual keeps both
to itself, and this file is the one place that counts on them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.cells import cell_len
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.geometry import Region
from textual.selection import Selection
from textual.strip import Strip
from textual.visual import Visual, VisualType
from textual.widget import Widget
from textual.widgets import Label, Markdown, Static
from textual.widgets._markdown import (
    MarkdownBullet,
    MarkdownBulletList,
    MarkdownFence,
    MarkdownList,
    MarkdownListItem,
    MarkdownOrderedList,
    MarkdownOrderedListItem,
    MarkdownParagraph,
)
from textual.widgets.markdown import MarkdownBlock

from tui.widgets.prose import parser
from tui.widgets.steady import Steady


class Paragraph(MarkdownParagraph, Steady):
    """Words that wrap. As a whole item of a list it has a bullet or a number in front of them."""

    mark = ""

    def marked(self, mark: str) -> Paragraph:
        """Itself, with this in front of its first line."""
        self.mark = mark
        self.styles.padding = (0, 0, 0, cell_len(mark))
        return self

    def update(self, content: VisualType = "", *, layout: bool = True) -> None:
        super().update(content, layout=False)
        if layout and outgrew(self):
            self.refresh(layout=True)

    def render_lines(self, crop: Region) -> list[Strip]:
        strips = super().render_lines(crop)
        width = cell_len(self.mark)
        if width and strips and crop.y == 0 and crop.x == 0:
            mark = Visual.to_strips(self, Content.styled(self.mark, "$text-primary"), width, 1, self.visual_style)
            strips[0] = Strip.join([mark[0], strips[0].crop(width)])
        return strips

    def get_selection(self, selection: Selection) -> tuple[str, str] | None:
        found = super().get_selection(selection)
        whole = selection.start is None or selection.start.transpose == (0, 0)
        return found if found is None or not whole else (self.mark + found[0], found[1])


class Fence(MarkdownFence):
    """A block of code."""

    def set_content(self, content: Content) -> None:
        self._content = content
        for label in self.query_children("#code-content").results(Label):
            label.update(content, layout=False)
            if outgrew(label):
                label.refresh(layout=True)


class Row(Horizontal, Steady):
    """An item of a list that is more than words."""


class Column(Vertical, Steady):
    """What such an item has in it."""


class Bullets(MarkdownBulletList, Steady):
    """A list with bullets."""

    def compose(self) -> ComposeResult:
        yield from rows(items_of(self))

    async def _update_from_block(self, block: MarkdownBlock) -> None:
        if not (isinstance(block, Bullets) and await lengthened(self, items_of(block))):
            await super()._update_from_block(block)


class Numbers(MarkdownOrderedList, Steady):
    """A list with numbers."""

    def compose(self) -> ComposeResult:
        yield from rows(items_of(self))

    async def _update_from_block(self, block: MarkdownBlock) -> None:
        if not (isinstance(block, Numbers) and await lengthened(self, items_of(block))):
            await super()._update_from_block(block)


class Growing(Markdown, Steady):
    """What a model writes, whole or as far as it is. The text goes through `parts` first."""

    BLOCKS = {  # noqa: RUF012  as Textual declares it
        **Markdown.BLOCKS,
        "paragraph_open": Paragraph,
        "fence": Fence,
        "code_block": Fence,
        "bullet_list_open": Bullets,
        "ordered_list_open": Numbers,
    }
    DEFAULT_CSS = """
    Growing { layout: stream; padding: 0; margin: 0; background: transparent; }
    Growing > .-last { margin-bottom: 0; }
    """

    def __init__(self) -> None:
        super().__init__(parser_factory=parser, open_links=False)

    async def replace(self, text: str, *, whole: bool) -> None:
        """Show another text, or as much of it as there is."""
        await self.update(text if whole else "")
        if not whole:
            await self.append(text)  # after an update Textual would take the last line for the whole last block
            return
        for block in list(self.query_children(MarkdownBlock))[-1:]:
            # As `:last-child` in the sheet, all blocks would be styled anew with each new one.
            block.add_class("-last")


def outgrew(widget: Static) -> bool:
    """Whether what it shows now takes other room than it was given."""
    if not widget.outer_size:
        return True  # it was given none yet
    given = widget.outer_size - widget.styles.gutter.totals
    if widget.styles.is_auto_width and widget.get_content_width(widget.container_size, widget.app.size) != given.width:
        return True
    return widget.get_content_height(widget.container_size, widget.app.size, given.width) != given.height


def items_of(block: MarkdownList) -> list[MarkdownListItem]:
    """The items of a list that is not on the screen yet."""
    return [item for item in block._blocks if isinstance(item, MarkdownListItem)]


def rows(items: Sequence[MarkdownListItem]) -> Iterator[Widget]:
    """What a list has on the screen: a widget for each item."""
    for item, mark in zip(items, _marks(items), strict=True):
        match item._blocks:
            case [Paragraph() as words]:
                yield words.marked(mark)
            case []:  # its words are still to come
                yield Paragraph(item._markdown, item._token).marked(mark)
            case blocks:
                bullet = MarkdownBullet()
                bullet.symbol = mark
                yield Row(bullet, Column(*blocks))


async def lengthened(shown: MarkdownList, items: Sequence[MarkdownListItem]) -> bool:
    """Bring the last item of a list up to date and add those behind it; False, and nothing done, where more than that has changed."""
    there = list(shown.children)
    newest = list(rows(items))
    if not there or len(newest) < len(there) or len(_marks(items)[0]) != len(_marks(items[: len(there)])[0]):
        return False
    last, now = there[-1], newest[len(there) - 1]
    if isinstance(last, Paragraph) and isinstance(now, Paragraph):
        await last._update_from_block(now)
    else:
        await last.remove()
        await shown.mount(now)
    if more := newest[len(there) :]:
        await shown.mount_all(more)
    return True


def _marks(items: Sequence[MarkdownListItem]) -> list[str]:
    """Bullets, or numbers that go on from the first one, all of one width."""
    if not all(isinstance(item, MarkdownOrderedListItem) for item in items):
        return [item.bullet for item in items]
    first = int(items[0].bullet)
    numbers = [f"{number}. " for number in range(first, first + len(items))]
    return [number.rjust(len(numbers[-1]) + 1) for number in numbers]
