"""Markdown that grows: it looks like the whole text at every moment, and what stands there already is left alone."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from unittest import mock

import pytest
from textual._compositor import Compositor
from textual.app import App, ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.pilot import Pilot
from textual.strip import Strip

from tui.widgets.markdown import Bullets, Fence, Growing, Numbers, Paragraph

WORDS = "Some *words* of a paragraph that is long enough to be wrapped, with `code` and a [link](http://a.b) in it.\n\n"
TEXTS = {
    "paragraphs": WORDS * 3,
    "bullets": "Before.\n\n- one\n- two, which is a long item, so long that it has to be wrapped at the end of its line\n- three\n\nAfter.\n",
    "numbers": "".join(f"{number}. item {number}\n" for number in range(1, 13)) + "\nAfter.\n",
    "numbers from 8": "8. eight\n9. nine\n10. ten\n",
    "nested": "- outer\n  - inner one\n  - inner two\n    1. innermost\n- outer again\n\n  with a second paragraph\n- end\n",
    "loose": "- one\n\n- two\n\n- three\n",
    "code in a list": "1. Run:\n\n   ```sh\n   ls\n   pwd\n   ```\n2. Look.\n",
    "code": "```python\ndef f(x):\n    return x * 2\n\n\nprint(f(2))\n```\n\nDone.\n",
    "quote": "> quoted words\n> and more of them\n\nAfter.\n",
    "table": "| a | b |\n|---|---|\n| 1 | 2 |\n| 3 | 4 |\n\nAfter.\n",
    "heading": "# Title\n\ntext\n\n## Below\n\n- item\n",
    "rule": "text\n\n---\n\nmore\n",
}


class Page(App[None]):
    """One text."""

    def compose(self) -> ComposeResult:
        with VerticalScroll():
            yield Growing()

    @property
    def growing(self) -> Growing:
        return self.query_one(Growing)


def on_page(story: Callable[[Page, Pilot[None]], Awaitable[None]]) -> None:
    async def run() -> None:
        app = Page()
        async with app.run_test(size=(60, 60)) as pilot:
            await pilot.pause()
            await story(app, pilot)

    asyncio.run(run())


def lines(app: Page) -> list[str]:
    """What a person reads, without blank lines at the end."""
    strips: list[Strip] = app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip).rstrip() for strip in strips).rstrip().split("\n")


def pieces(text: str, rng: random.Random) -> list[str]:
    """The text in pieces of some characters."""
    cuts = sorted(rng.sample(range(1, len(text)), min(len(text) // 25 + 1, len(text) - 1)))
    return [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]


def test_what_came_in_pieces_looks_like_the_whole() -> None:
    async def story(app: Page, pilot: Pilot[None]) -> None:
        for name, text in TEXTS.items():
            await app.growing.replace(text, whole=True)
            await pilot.pause()
            whole = lines(app)
            for seed in range(2):
                first, *others = pieces(text, random.Random(seed))
                await app.growing.replace(first, whole=False)
                for piece in others:
                    await app.growing.append(piece)
                    if seed:  # with the screen in between, and all at once
                        await pilot.pause()
                await pilot.pause()
                assert lines(app) == whole, name

    on_page(story)


def test_a_word_on_a_line_that_has_room_moves_nothing() -> None:
    async def story(app: Page, pilot: Pilot[None]) -> None:
        await app.growing.replace("- one\n- two", whole=False)
        await pilot.pause()
        with mock.patch.object(Compositor, "reflow", autospec=True, side_effect=Compositor.reflow) as reflow:
            await app.growing.append(" words")
            await pilot.pause()
            assert lines(app) == ["• one", "• two words"]
            assert not reflow.called
            await app.growing.append(" that need another line" * 3)
            await pilot.pause()
            assert len(lines(app)) == 3 and lines(app)[2].startswith("  ")
            assert reflow.called

    on_page(story)


@pytest.mark.parametrize(
    ("text", "kind"), [("- one\n- two\n- three\n", Bullets), ("1. one\n2. two\n3. three\n", Numbers)]
)
def test_items_of_a_list_stay_when_it_gets_longer(text: str, kind: type[Bullets | Numbers]) -> None:
    async def story(app: Page, pilot: Pilot[None]) -> None:
        await app.growing.replace(text, whole=False)
        await pilot.pause()
        before = list(app.growing.query_one(kind).children)
        await app.growing.append("- more\n" if kind is Bullets else "4. more\n")
        await pilot.pause()
        assert list(app.growing.query_one(kind).children)[:3] == before and len(lines(app)) == 4
        assert all(isinstance(child, Paragraph) for child in before)

    on_page(story)


def test_code_grows_where_it_stands() -> None:
    async def story(app: Page, pilot: Pilot[None]) -> None:
        await app.growing.replace("```python\nx = 1\n", whole=False)
        await pilot.pause()
        before = app.growing.query_one(Fence)
        await app.growing.append("y = 2\nprint(x + y)\n")
        await pilot.pause()
        assert app.growing.query_one(Fence) is before
        assert [line.strip() for line in lines(app) if line.strip()] == ["x = 1", "y = 2", "print(x + y)"]

    on_page(story)


def test_a_list_is_copied_with_its_bullets() -> None:
    async def story(app: Page, pilot: Pilot[None]) -> None:
        await app.growing.replace("Take:\n\n- one\n- two\n", whole=True)
        await pilot.pause()
        app.screen.text_select_all()
        await pilot.pause()
        copied = app.screen.get_selected_text() or ""
        assert [line for line in copied.split("\n") if line] == ["Take:", "• one", "• two"]

    on_page(story)


def test_the_last_block_of_a_whole_text_has_no_blank_line_below_it() -> None:
    async def story(app: Page, pilot: Pilot[None]) -> None:
        for whole, height in ((False, 4), (True, 3)):
            await app.growing.replace("one\n\ntwo", whole=whole)
            await pilot.pause()
            assert app.growing.outer_size.height == height

    on_page(story)


def test_a_bullet_keeps_markup_of_the_text_as_text() -> None:
    async def story(app: Page, pilot: Pilot[None]) -> None:
        await app.growing.replace("- [b]not bold[/b] [@click=app.quit]x[/]\n", whole=True)
        await pilot.pause()
        assert lines(app) == ["• [b]not bold[/b] [@click=app.quit]x[/]"]
        assert isinstance(app.growing.query_one(Paragraph).content, Content)

    on_page(story)
