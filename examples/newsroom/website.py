"""The newsroom as an ASGI application: its addresses, its session and its static files. It knows no cache."""

from __future__ import annotations

import hashlib
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from examples.newsroom.database import Database
from examples.newsroom.desk import PASSWORD, Desk
from examples.newsroom.public import HOSTS, Public, site_of
from examples.newsroom.rendering import HERE, Press
from examples.newsroom.seed import ensure

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from examples.newsroom.announcement import Purge

MEDIA_TYPES = {".css": "text/css", ".svg": "image/svg+xml"}
POLICY = "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
SECURITY = (
    (b"content-security-policy", POLICY.encode()),
    (b"referrer-policy", b"same-origin"),
    (b"x-content-type-options", b"nosniff"),
)


def create_app(
    database: Path,
    purge: Purge | None = None,
    *,
    password: str = PASSWORD,
    hole: Callable[[str], str] | None = None,
) -> Starlette:
    """The site on the SQLite file `database`, which is seeded if it is not there.

    `purge` is awaited with the tags of each edit, after its commit; `hole` is where blocks that are on every page go.
    """
    ensure(database)
    store, press, assets = Database(database), Press(hole), Assets()
    press.assets.update(assets.addresses)
    public, desk = Public(store, press), Desk(store, press, purge, password)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        store.close()

    app = Starlette(
        routes=[
            Route("/", public.front),
            Route("/robots.txt", public.robots),
            Route("/sitemap.xml", public.sitemap),
            Route("/static/{name}", assets.file),
            *desk.routes(),
            Route("/{language}", public.front_without_slash),
            Route("/{language}/feed.xml", public.feed),
            Route("/{language}/search", public.search),
            Route("/{language}/{path:path}", public.page),
        ],
        middleware=[Middleware(Frame), Middleware(SessionMiddleware, secret_key=store.secret(), max_age=12 * 3600)],
        exception_handlers={404: public.missing},
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False
    return app


class Frame:
    """Around every answer: hosts that are not ours are refused, security headers are added."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_secured(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *SECURITY]
            await send(message)

        if site_of(Request(scope).headers.get("host", "")) is None:
            # RFC 9110 §15.5.20. A foreign Host header would be printed into the links of the page.
            refusal = PlainTextResponse(f"This server answers for {', '.join(HOSTS)}.\n", 421)
            await refusal(scope, receive, send_secured)
            return
        await self.app(scope, receive, send_secured)


class Assets:
    """The static files, each at an address that holds a hash of its content and may be kept for ever."""

    def __init__(self) -> None:
        self.addresses: dict[str, str] = {}
        self._files: dict[str, tuple[bytes, str]] = {}
        for path in sorted((HERE / "static").iterdir()):
            content = path.read_bytes()
            name = f"{path.stem}.{hashlib.blake2b(content, digest_size=6).hexdigest()}{path.suffix}"
            self.addresses[path.name] = f"/static/{name}"
            self._files[name] = content, MEDIA_TYPES[path.suffix]

    async def file(self, request: Request) -> Response:
        """One file."""
        if request.path_params["name"] not in self._files:
            raise HTTPException(404)
        content, media_type = self._files[request.path_params["name"]]
        headers = {"Cache-Control": "public, max-age=31536000, immutable"}
        return Response(content, media_type=media_type, headers=headers)
