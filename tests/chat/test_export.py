"""Files of chats and episodes: nothing in them can pose as something else; and what a chat may not import."""

from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import sys
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from rrr_local.chat.episodes import COLUMNS, export
from rrr_local.chat.export import fenced
from rrr_local.episode import VerdictKind
from rrr_local.store.records import EpisodeRecord, SessionKind, TryRecord
from rrr_local.store.store import Store

FORBIDDEN = {"numpy", "mlx", "mlx_lm", "torch", "transformers", "huggingface_hub", "sqlite_utils", "textual"}


@given(st.text(alphabet="`\na~ ", max_size=30))
def test_a_text_cannot_end_the_fence_it_is_in(text: str) -> None:
    opening, *rest = fenced(text).split("\n")
    assert re.fullmatch("`{3,}", opening)
    assert rest[-1] == opening and opening not in "\n".join(rest[:-1])
    assert "\n".join(rest[:-1]) == text


def test_an_export_of_any_size_is_read_page_by_page(tmp_path: Path) -> None:
    with Store.open(tmp_path / "rrr.db") as store:
        session = store.start_session(SessionKind.CHAT, model_id=None, task_id=None)
        replies = [*(f"reply {n}" for n in range(450)), "+1", 'a,b\n"c"']
        records = [EpisodeRecord(None, TryRecord(reply, VerdictKind.FAIL, "-")) for reply in replies]
        ids = store.log_episodes(session, records)
        assert [json.loads(line)["id"] for line in export(store.reader(), "jsonl")] == ids[::-1]
        text = "".join(export(store.reader(), "csv"))
    rows = list(csv.DictReader(io.StringIO(text)))
    assert tuple(rows[0]) == COLUMNS and len(rows) == len(replies)
    assert [row["attempt"] for row in rows[:3]] == ['a,b\n"c"', "'+1", "reply 449"]


def test_a_chat_imports_nothing_that_is_slow_or_heavy() -> None:
    """The terminal app and the plain chat stay light: the model is another process."""
    code = "import sys, rrr_local.cli.chat, rrr_local.cli.history, rrr_local.cli.config; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert FORBIDDEN.isdisjoint(name.split(".")[0] for name in done.stdout.split())
