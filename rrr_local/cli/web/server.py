"""textual-serve, closed: one process of the app per tab, reached from this machine and with this start's key only.

Host      must be 127.0.0.1:<port>: a name that somebody points at this machine (DNS rebinding) is refused
Origin    must be the same where a browser sends one: pages of other sites cannot open the web socket
key       in the printed address; then in a cookie that scripts cannot read
CSP       the page may fetch from this server only
"""

from __future__ import annotations

import logging
import secrets
import shlex
import sys
from pathlib import Path

from aiohttp import web
from aiohttp.typedefs import Handler
from textual_serve.server import Server

from rrr_local import paths

HOST = "127.0.0.1"
APP = (sys.executable, "-P", "-m", "tui")
COOKIE = "rrr-key"
STATIC = "static"
"""textual-serve's own scripts, styles and font."""


class LocalServer(Server):
    """Serves the app on 127.0.0.1."""

    def __init__(self, port: int) -> None:
        super().__init__(
            shlex.join(APP),
            host=HOST,
            port=port,
            title="rrr",
            statics_path=STATIC,
            templates_path=Path(__file__).parent,
        )
        self.key = secrets.token_urlsafe(24)

    @property
    def address(self) -> str:
        """What to open in the browser."""
        return f"{self.public_url}/?key={self.key}"

    def initialize_logging(self) -> None:
        """To a file; textual-serve would print tracebacks with local variables."""
        logging.basicConfig(
            filename=paths.log_path("serve"), level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s"
        )

    async def on_startup(self, app: web.Application) -> None:
        """Without textual-serve's banner: the command has printed the address."""

    async def _make_app(self) -> web.Application:
        app = await super()._make_app()

        @web.middleware
        async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
            return await self.guard(request, handler)

        app.middlewares.append(guard)
        return app

    async def guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Let in who has the key, from this machine's own page."""
        host = f"{HOST}:{self.port}"
        if request.host != host or request.headers.get("Origin", f"http://{host}") != f"http://{host}":
            raise web.HTTPForbidden(text="rrr answers to its own page only\n")
        given = request.query.get("key") or request.cookies.get(COOKIE, "")
        if not secrets.compare_digest(given.encode(), self.key.encode()):
            raise web.HTTPForbidden(text="open the address that `rrr serve` has printed\n")
        response = await handler(request)
        if not response.prepared:
            response.set_cookie(COOKIE, self.key, httponly=True, samesite="Strict", path="/")
            response.headers["Content-Security-Policy"] = policy(host)
            response.headers["Referrer-Policy"] = "no-referrer"
        return response


def policy(host: str) -> str:
    """From this server only; the page's own script and style stand in the page."""
    own = "'self' 'unsafe-inline'"
    return (
        f"default-src 'none'; script-src {own}; style-src {own}; font-src 'self'; img-src 'self' data:; "
        f"connect-src 'self' ws://{host}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
