"""The app in a browser: only this machine's own page with the key gets in, and the page asks nothing of anybody else."""

from __future__ import annotations

import asyncio
import os
import re
import socket
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from textual_serve.server import Server

from rrr_local.cli.main import run
from rrr_local.cli.web.server import HOST, LocalServer
from rrr_local.errors import ExitCode

HOSTS = re.compile(r"//([\w.-]+)")


def apps() -> str:
    """Process ids of the apps that the server in this process has started."""
    return subprocess.run(["pgrep", "-P", str(os.getpid()), "-f", " tui$"], capture_output=True, text=True).stdout


@pytest.fixture
def port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def served(port: int, story: Callable[[LocalServer, aiohttp.ClientSession], Awaitable[None]]) -> None:
    """Run a story against a live server."""

    async def go() -> None:
        server = LocalServer(port)
        runner = web.AppRunner(await server._make_app())
        await runner.setup()
        await web.TCPSite(runner, HOST, port).start()
        try:
            async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as client:
                await story(server, client)
        finally:
            await runner.cleanup()

    asyncio.run(go())


def test_the_page_and_all_it_loads_come_from_this_machine(port: int) -> None:
    async def story(server: LocalServer, client: aiohttp.ClientSession) -> None:
        async with client.get(server.address) as page:
            html = await page.text()
            allowed = page.headers["Content-Security-Policy"]
        assert set(HOSTS.findall(html)) == {HOST}
        assert "default-src 'none'" in allowed
        assert set(re.findall(r"\w+://[\w.:]+", allowed)) == {f"ws://{HOST}:{port}"}
        loaded = re.findall(r'(?:src|href)="(http[^"]+)"|url\("([^"]+)"\)', html)
        assert len(loaded) == 4
        for url in filter(None, (part for pair in loaded for part in pair)):
            async with client.get(url) as response:
                assert response.status == 200
                if url.endswith(".css"):
                    assert "url(" not in await response.text()

    served(port, story)


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "rebound.example:8000"},
        {"Origin": "https://evil.example"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "null"},
    ],
)
def test_other_sites_are_refused_even_with_the_key(port: int, headers: dict[str, str]) -> None:
    async def story(server: LocalServer, client: aiohttp.ClientSession) -> None:
        for path in ("/", "/ws", "/static/js/textual.js"):
            async with client.get(f"{server.public_url}{path}?key={server.key}", headers=headers) as response:
                assert response.status == 403

    served(port, story)


@pytest.mark.parametrize("query", ["", "?key=", "?key=wrong", "?key=%ff"])
def test_without_the_key_nothing_is_shown_or_started(port: int, query: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def started(*_: object) -> None:
        raise AssertionError("the app was started")

    monkeypatch.setattr(Server, "handle_websocket", started)

    async def story(server: LocalServer, client: aiohttp.ClientSession) -> None:
        for path in ("/", "/ws", "/download/x", "/static/"):
            async with client.get(f"{server.public_url}{path}{query}") as response:
                assert response.status == 403
                assert server.key not in await response.text()

    served(port, story)


def test_a_tab_shows_the_app(port: int, data_folder: Path) -> None:
    async def story(server: LocalServer, client: aiohttp.ClientSession) -> None:
        async with client.get(server.address):
            pass  # the cookie
        shown = b""
        async with client.ws_connect(f"ws://{HOST}:{port}/ws?width=90&height=30") as tab, asyncio.timeout(60):
            while b"learns from its own mistakes" not in shown:
                message = await tab.receive()
                assert message.type is not aiohttp.WSMsgType.CLOSE, shown
                if message.type is aiohttp.WSMsgType.BINARY:
                    shown += message.data
            await tab.send_json(["stdin", "\x11"])  # ctrl+q
            while not tab.closed:
                await tab.receive()
            while apps():  # textual-serve does not wait for its process
                await asyncio.sleep(0.1)

    served(port, story)


def test_a_port_that_is_taken_is_said(port: int, data_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as other:
        other.bind((HOST, 0))
        other.listen()
        taken = other.getsockname()[1]
        assert run(["serve", "--port", str(taken)]) == ExitCode.USAGE
    assert f"port {taken} is taken" in capsys.readouterr().err
