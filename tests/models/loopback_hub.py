"""A model hub on 127.0.0.1: what huggingface_hub asks of the real one, over real HTTP, with things going wrong on demand.

    GET  /api/models/<repo>/revision/<revision>     what a commit holds
    GET  /api/models/<repo>/tree/<commit>           the same as a listing
    HEAD and GET /<repo>/resolve/<commit>/<file>    a file, whole or from a byte on

The name of the repository says what goes wrong: `Case` has one for each.
"""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

COMMIT = "c0ffee" + "0" * 34
LARGE = ".safetensors"
"""What the hub keeps apart, with a SHA-256."""
HALF = 0.5
PORTAL = b"<html><body>Welcome to the Grand Hotel! Please sign in.</body></html>"


class Case(StrEnum):
    """What goes wrong, as the organisation in a repository's name."""

    GOOD = "good"
    GATED = "gated"
    """Its conditions were not accepted: 403, as the real hub says it."""
    UNAUTHORISED = "unauthorised"
    """401 with an unfit token."""
    MISSING = "missing"
    """404."""
    BROKEN = "broken"
    """500 to everything."""
    WITHDRAWN = "withdrawn"
    CUT = "cut"
    """The connection ends in the middle of the weights, and again at every attempt to go on."""
    CUT_ONCE = "cutonce"
    """The same, the first time only."""
    CORRUPT = "corrupt"
    """The weights have the right size and the wrong content, always."""
    CORRUPT_ONCE = "corruptonce"
    """The same, the first time only."""
    PORTAL = "portal"
    """A hotel's page answers for everything."""
    PORTAL_FILES = "portalfiles"
    """It answers for the files only."""
    SLOW = "slow"
    """The weights come a few bytes at a time."""
    HUGE = "huge"
    """It says that its weights are larger than any disk."""
    PICKLED = "pickled"
    """No safetensors."""
    HOSTILE = "hostile"
    """The weights have a header that is not what the format asks for; the hashes agree."""
    LOOPING = "looping"
    """Its chat template does not end."""


@dataclass
class Hub:
    """The server's side of it."""

    url: str = ""
    files: Mapping[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    """`METHOD path` of every request, in order."""
    once: set[str] = field(default_factory=set)
    """Repositories whose one mishap has happened."""
    mended: bool = False
    """Whether all is well from now on, whatever the name says."""


def files_of(case: Case, files: Mapping[str, bytes]) -> dict[str, bytes]:
    """What a repository holds."""
    held = {**files, "evil.py": b"raise SystemExit('code from a repository ran')", ".gitattributes": b"*"}
    if case is Case.PICKLED:
        held["pytorch_model.bin"] = held.pop("model.safetensors")
    if case is Case.HOSTILE:
        held["model.safetensors"] = (2**60).to_bytes(8, "little") + b"{}"
    if case is Case.LOOPING:
        loop = "{% for a in range(9999) %}" * 4 + "{% endfor %}" * 4
        held["chat_template.jinja"] = loop.encode()
    return held


@contextmanager
def loopback_hub(model: Path) -> Iterator[Hub]:
    """Serve the files of a model's folder under every case's name."""
    hub = Hub(files={path.name: path.read_bytes() for path in model.iterdir() if path.is_file()})
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (Answers,), {"hub": hub}))
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class Answers(BaseHTTPRequestHandler):
    """One request."""

    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def do_HEAD(self) -> None:
        self._answer(head=True)

    def do_GET(self) -> None:
        self._answer(head=False)

    def _answer(self, *, head: bool) -> None:
        path = unquote(urlsplit(self.path).path)
        self.hub.asked.append(f"{self.command} {path}")
        parts = path.strip("/").split("/")
        api = parts[:2] == ["api", "models"]
        case = Case.GOOD if self.hub.mended else Case(parts[2] if api else parts[0])
        if case is Case.PORTAL or (case is Case.PORTAL_FILES and not api):
            self._send(200, PORTAL, {"Content-Type": "text/html"}, head=head)
        elif not self._refused(case, api=api):
            held = files_of(case, self.hub.files)
            if api:
                self._listing(case, parts, held)
            else:
                self._file(case, parts, held, head=head)

    def _refused(self, case: Case, *, api: bool) -> bool:
        """Answers with an error where the case asks for one."""
        match case:
            case Case.GATED if not api:  # what it holds may be seen, its files not
                self._send(403, b"", {"X-Error-Code": "GatedRepo", "X-Error-Message": "Access is restricted"})
            case Case.UNAUTHORISED:
                self._send(401, b"", {"X-Error-Message": "Invalid credentials in Authorization header"})
            case Case.MISSING:
                self._send(404, b"", {"X-Error-Code": "RepoNotFound", "X-Error-Message": "Repository not found"})
            case Case.BROKEN:
                self._send(500, b"")
            case Case.WITHDRAWN:
                self._send(403, b"", {"X-Error-Message": "Access to this resource is disabled."})
            case _:
                return False
        return True

    def _listing(self, case: Case, parts: list[str], held: Mapping[str, bytes]) -> None:
        revision = parts[5] if len(parts) > 5 else "main"
        if revision not in ("main", COMMIT):
            self._send(404, b"", {"X-Error-Code": "RevisionNotFound", "X-Error-Message": "Invalid rev id"})
            return
        entries = [self._entry(case, name, content) for name, content in held.items()]
        if parts[4:5] == ["tree"]:
            self._json([{"type": "file", "oid": e["blobId"], "path": e.pop("rfilename"), **e} for e in entries])
            return
        self._json(
            {
                "id": "/".join(parts[2:4]),
                "modelId": "/".join(parts[2:4]),
                "sha": COMMIT,
                "private": False,
                "gated": "manual" if case is Case.GATED else False,
                "tags": [],
                "cardData": {"license": "apache-2.0"},
                "siblings": entries,
            }
        )

    def _entry(self, case: Case, name: str, content: bytes) -> dict[str, object]:
        size = 10**15 if case is Case.HUGE and name.endswith(LARGE) else len(content)
        entry: dict[str, object] = {"rfilename": name, "size": size, "blobId": git_sha1(content)}
        if name.endswith(LARGE):
            hash_ = hashlib.sha256(content).hexdigest()
            entry["lfs"] = {"oid": hash_, "sha256": hash_, "size": size, "pointerSize": 134}
        return entry

    def _file(self, case: Case, parts: list[str], held: Mapping[str, bytes], *, head: bool) -> None:
        repo, name = "/".join(parts[:2]), "/".join(parts[4:])
        if name not in held:
            self._send(404, b"", {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": COMMIT})
            return
        content = held[name]
        large = name.endswith(LARGE)
        etag = hashlib.sha256(content).hexdigest() if large else git_sha1(content)
        start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")[0])
        headers = {"X-Repo-Commit": COMMIT, "ETag": f'"{etag}"', "Accept-Ranges": "bytes"}
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        body = content[start:]
        if large and not head:
            body = self._spoilt(case, repo, body, start)
        self._send(
            206 if start else 200,
            body,
            headers,
            head=head,
            promised=len(content) - start,
            slow=large and case is Case.SLOW,
        )

    def _spoilt(self, case: Case, repo: str, body: bytes, start: int) -> bytes:
        """The weights as the case has them come."""
        first = repo not in self.hub.once
        self.hub.once.add(repo)
        if case is Case.CUT or (case is Case.CUT_ONCE and first):
            return b"" if start else body[: int(len(body) * HALF)]
        if case is Case.CORRUPT or (case is Case.CORRUPT_ONCE and first):
            return body[:-1] + bytes([body[-1] ^ 1])
        return body

    def _json(self, value: object) -> None:
        self._send(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _send(
        self, status: int, body: bytes, headers: Mapping[str, str] | None = None, *, head: bool = False,
        promised: int | None = None, slow: bool = False,
    ) -> None:  # fmt: skip
        length = len(body) if promised is None else promised
        self.send_response(status)
        for key, value in {**(headers or {}), "Content-Length": str(length)}.items():
            self.send_header(key, value)
        self.end_headers()
        if head:
            return
        try:
            if slow:
                self._trickle(body)
            else:
                self.wfile.write(body)
        except OSError:  # whoever asked has gone
            self.close_connection = True
        if len(body) < length:
            self.close_connection = True

    def _trickle(self, body: bytes) -> None:
        """All of it in some ten seconds, or until whoever asked has gone."""
        for start in range(0, len(body), 20_000):
            self.wfile.write(body[start : start + 20_000])
            time.sleep(0.03)


def git_sha1(content: bytes) -> str:
    """What git calls a file of this content."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
