"""Text that attacks: thousands of strings in every place that shows what a model, a file or an error says.

Three questions: does anything crash, does a control character get into what is drawn, does one reach the terminal.
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import pytest
from textual.pilot import Pilot

from rrr_local.engine.protocol import Failed, Grew, Judged, Reflected
from rrr_local.episode import FinishReason, Span, VerdictKind
from rrr_local.errors import RrrError
from rrr_local.paths import OVERRIDE
from rrr_local.store import queries
from tests.engine import scripted
from tests.tui.chatting import ask, chat, composed, ready, script
from tests.tui.hostile import HIDDEN, MARK, RAW, poison, strings
from tests.tui.support import NO_ENGINE, drive, sample_store, text_of
from tui.app import RrrApp
from tui.widgets.act import Notice
from tui.widgets.conversation import Brief, Entry
from tui.widgets.pick import Pick
from tui.widgets.step import Shown
from tui.widgets.turn import Head

MANY = 2_000
ESCAPE = b"\x1b[27u"
"""As terminals with kitty's protocol send it: a bare one with a key right behind it would be read as one key, with alt."""
TOGETHER = 25
"""Strings in one text: a screen of its own for each would take minutes."""


def batches(attack: Iterator[str], size: int) -> Iterator[list[str]]:
    while batch := list(islice(attack, size)):
        yield batch


def innocent(app: RrrApp) -> None:
    """Nothing on the screen is a control, and nothing but a link of Markdown can be clicked as an action."""
    drawn = text_of(app)
    found = HIDDEN.search(drawn.replace("\n", ""))
    assert found is None, repr(drawn[max(0, found.start() - 60) : found.end() + 20])
    for strip in app.screen._compositor.render_strips():
        for segment in strip:
            action = segment.style.meta.get("@click", "") if segment.style is not None else ""
            assert not action or str(action).startswith("link("), action
            assert segment.style is None or segment.style.link is None


def entry(texts: Sequence[str]) -> Entry:
    """A turn made of these strings, each where a person reads it."""
    half = len(texts) // 2
    attempt = Shown(Span.ATTEMPT, "\n".join(texts[:half]), 1, VerdictKind.FAIL, texts[0])
    reflection = Shown(Span.REFLECTION, texts[1], helped=True)
    retry = Shown(Span.RETRY, "\n\n".join(texts[half:]), 2, VerdictKind.UNPARSED, texts[2], by_user=True)
    return Entry(Head(texts[3], task=texts[4], worth=texts[5], branch=(1, 2)), (attempt, reflection, retry))


def test_turns_show_two_thousand_of_them(data_folder: Path) -> None:
    async def story(app: RrrApp, pilot: Pilot[None]) -> None:
        await composed(app, pilot)
        app.set_setting("chat.trace", "always")
        entries = [entry(batch) for batch in batches(strings(MANY), TOGETHER)]
        for shown in (entries[start : start + 8] for start in range(0, len(entries), 8)):
            await chat(app).conversation.show(shown)
            await pilot.pause()
            innocent(app)
        assert "h1999 " in text_of(app)

    drive(data_folder, story, engine=NO_ENGINE, size=(150, 600))


def test_briefs_notices_toasts_and_lists_show_them(data_folder: Path) -> None:
    async def story(app: RrrApp, pilot: Pilot[None]) -> None:
        await composed(app, pilot)
        attack = strings(MANY, seed=3)
        column = chat(app).conversation.column
        await column.mount_all([Brief(entry(batch)) for batch in batches(islice(attack, 498), 6)])
        await column.mount_all([Notice(one, two) for one, two in batches(islice(attack, 200), 2)])
        await pilot.pause()
        innocent(app)
        for text in islice(attack, 30):
            app.say(text)
            app.show_error(RrrError(text, text))
        await pilot.pause()
        innocent(app)
        for batch in batches(islice(attack, 600), 300):
            app.push_screen(Pick(batch[0], [(text, text) for text in batch]))
            await pilot.pause()
            innocent(app)
            await pilot.press("escape")

    drive(data_folder, story, engine=NO_ENGINE, size=(150, 600))


def test_they_are_harmless_while_they_are_written(data_folder: Path) -> None:
    """Piece by piece, so that a sequence arrives in halves; then whole, as the engine hands them over."""

    async def story(app: RrrApp, pilot: Pilot[None]) -> None:
        await composed(app, pilot)
        for batch in batches(strings(120, seed=4), 30):
            view = await chat(app).conversation.begin(Head(batch[0]))
            text = "\n".join(batch)
            for start in range(0, len(text), 97):
                await view.take(Grew(1, Span.ATTEMPT, text[start : start + 97], start))
                if start % 10 == 0:
                    await pilot.pause(0.02)
            innocent(app)
            await view.take(
                Judged(1, Span.ATTEMPT, 0, 1, text, VerdictKind.FAIL, batch[1], 9, 0.1, FinishReason.STOP, 9)
            )
            await view.take(Reflected(1, 0, text, 9, 0.1, FinishReason.LENGTH))
            failed = Failed(1, batch[2], batch[3])
            view.say(f"{failed.cause}: {failed.way_out}")
            await pilot.pause()
            innocent(app)

    drive(data_folder, story, engine=NO_ENGINE, size=(150, 200))


def test_a_hostile_model_answers(data_folder: Path) -> None:
    async def story(app: RrrApp, pilot: Pilot[None]) -> None:
        await ready(app, pilot)
        view = await ask(app, pilot, "say something evil")
        assert "\x1b" in view.shown[0].text  # the log keeps what was written
        innocent(app)
        await pilot.press("escape", "v")
        await pilot.pause()
        innocent(app)

    drive(data_folder, story, engine=script("hostile"), size=(120, 60))


@pytest.fixture
def poisoned(data_folder: Path) -> Path:
    """A data folder in which every text of the log is hostile."""
    sample_store(data_folder)
    assert poison(data_folder) > MANY
    return data_folder


def test_every_page_over_a_hostile_log(poisoned: Path) -> None:
    async def story(app: RrrApp, pilot: Pilot[None]) -> None:
        await composed(app, pilot)
        innocent(app)  # the theme in the log is hostile too, and said to be unknown
        reader = app.services.store.reader()
        for conversation in [chat_.id for chat_ in chat(app).session.chats()]:
            await app.open_chat(conversation)
            await pilot.pause()
            innocent(app)
        for run in queries.runs(reader, 10):
            await app.open_run(run.name)
            await pilot.pause()
            innocent(app)
            await press_and_look(
                app, pilot, "space", "c", "]", "f", "escape", "l", "escape", "a", "escape", "delete", "escape"
            )
        episodes = [row[0] for row in reader.execute("SELECT id FROM episodes ORDER BY id DESC LIMIT 12").fetchall()]
        for attempt in episodes:
            await app.open_episode(attempt)
            await pilot.pause()
            innocent(app)
        for place in "2", "3", "4", "5", "6", "7", "1":
            await pilot.press("escape", place)
            await pilot.pause()
            innocent(app)
            await press_and_look(app, pilot, "down", "enter", "escape", "w", "escape")
        await pilot.press("ctrl+p", *MARK.lower())
        await pilot.pause(0.2)
        innocent(app)

    drive(poisoned, story, engine=NO_ENGINE, size=(150, 100))


async def press_and_look(app: RrrApp, pilot: Pilot[None], *keys: str) -> None:
    for key in keys:
        await pilot.press(key)
        await pilot.pause()
        innocent(app)


INTO_THE_BOX = b"\x1b[<0;20;37M\x1b[<0;20;37m"
"""A click on the prompt, in a window of 120 by 40."""
LIST_OF_CHATS = rb"enter chooses"


def test_no_raw_control_character_reaches_the_terminal(poisoned: Path) -> None:
    # Real terminals take escapes out of what is pasted.
    pasted = "".join(strings(200, seed=5)).replace("\x1b", "").encode("utf-8", "replace")
    with app_in_pty(poisoned) as terminal:
        terminal.wait_for(rb"Doctor")
        terminal.press(ESCAPE)
        for place in b"2", b"3", b"4", b"5", b"6", b"7":
            terminal.press(place)
            if place in (b"3", b"4"):
                terminal.wait_for_more()
            terminal.press(*[b"\x1b[B"] * 3, b"\r", b"\x1b[6~", ESCAPE, b"l", ESCAPE, b"c", ESCAPE)
        terminal.press(b"1", b"\x10", MARK.lower().encode(), ESCAPE, INTO_THE_BOX, b"/open \r")
        terminal.wait_for(LIST_OF_CHATS)
        terminal.press(b"\r")
        terminal.wait_for_more()
        terminal.press(ESCAPE, b"v", ESCAPE, b" ", b"\x1b[5~", b"\x1b[5~")
        terminal.press(b"\x1b[200~" + pasted + b"\x1b[201~")
        received = terminal.everything()
    raw = RAW.search(received)
    assert raw is None, received[max(0, raw.start() - 40) : raw.end() + 40]


class Terminal:
    """The app's terminal: what is typed, and every byte that came."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._received = bytearray()
        self._mark = 0
        """What had come when the last key was pressed."""

    def read(self, seconds: float) -> bool:
        """Take what comes within this time; whether anything did."""
        there, _, _ = select.select([self._descriptor], [], [], seconds)
        if there:
            try:
                self._received += os.read(self._descriptor, 65536)
            except OSError as error:
                raise AssertionError(f"the app has ended: {bytes(self._received[-1500:])!r}") from error
        return bool(there)

    def wait_for(self, pattern: bytes, seconds: float = 30) -> None:
        deadline = time.monotonic() + seconds
        while not re.search(pattern, self._received):
            assert time.monotonic() < deadline, bytes(self._received[-2000:])
            self.read(0.1)

    def wait_for_more(self) -> None:
        """Wait until hostile strings are shown that were not there at the last key."""
        deadline = time.monotonic() + 60
        while self._received.count(MARK.encode(), self._mark) < 3:
            assert time.monotonic() < deadline, bytes(self._received[-2000:])
            self.read(0.5)

    def press(self, *keys: bytes) -> None:
        """Type, and after each key take what comes until nothing does for a moment."""
        for key in keys:
            self._mark = len(self._received)
            self._write(key)
            while self.read(0.1):
                pass

    def _write(self, data: bytes) -> None:
        while data:
            _, free, _ = select.select([], [self._descriptor], [], 0.1)
            if free:
                data = data[os.write(self._descriptor, data[:512]) :]
            self.read(0)

    def everything(self) -> bytes:
        return bytes(self._received)


@contextmanager
def app_in_pty(folder: Path) -> Iterator[Terminal]:
    """The real app as a process in a terminal of 120 by 40, with an engine that answers with hostile text."""
    code = (
        "import sys; from rrr_local.engine.client import Engine; from tui.app import RrrApp; from tui.services import opened\n"
        f"with opened(Engine((sys.executable, {scripted.__file__!r}, 'hostile'))) as services: RrrApp(services).run()"
    )
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    environment = {
        **os.environ,
        OVERRIDE: str(folder),
        "TERM": "xterm-256color",
        "COLORTERM": "truecolor",
        "LANG": "C.UTF-8",
    }
    for name in "NO_COLOR", "COLUMNS", "LINES":  # the last two would count for more than the terminal's size
        environment.pop(name, None)
    child = subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=environment,
        start_new_session=True,
    )
    os.close(theirs)
    try:
        yield Terminal(ours)
    finally:
        child.kill()
        child.wait()
        os.close(ours)
