"""An ASGI application asked directly, request by request and chunk by chunk, and one that answers as a test tells it to."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from unittest.mock import patch
from urllib.parse import unquote_to_bytes

from cms_cache_mw import Cache, CacheMiddleware, Config

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from tests.support.client import Level
    from tests.support.clock import Clock

HTML: Final = "Content-Type: text/html; charset=utf-8"
WALL: Final = 1_800_000_000.0
"""Seconds since 1970 at which a test's clock would say 0."""


def fields(*lines: str) -> list[tuple[bytes, bytes]]:
    """Field lines as ASGI has them: `"Accept: text/html"`."""
    pairs = (line.partition(":") for line in lines)
    return [(name.strip().lower().encode(), value.strip().encode("latin-1")) for name, _, value in pairs]


@dataclass(slots=True)
class Reply:
    """What came back, as far as it has."""

    status: int = 0
    fields: list[tuple[bytes, bytes]] = field(default_factory=list)
    chunks: list[bytes] = field(default_factory=list)
    ended: bool = False

    @property
    def body(self) -> bytes:
        """All that came of the body."""
        return b"".join(self.chunks)

    def field(self, name: str) -> str | None:
        """A header field's value, its lines joined by commas, or `None`."""
        values = [value.decode("latin-1") for name_, value in self.fields if name_ == name.lower().encode()]
        return ", ".join(values) if values else None

    @property
    def cache_status(self) -> str:
        """What our cache says of this answer: the last item of Cache-Status, less its name."""
        name, _, parameters = (self.field("cache-status") or "").rpartition(",")[2].strip().partition(";")
        assert name == "cms-cache", f"no Cache-Status of ours in {self.fields}"
        return parameters.strip()

    @property
    def level(self) -> Level | None:
        """Where a hit came from, or `None` if this is none."""
        parameters = [parameter.strip() for parameter in self.cache_status.split(";")]
        if "hit" not in parameters:
            return None
        return "shared" if "detail=shared" in parameters else "memory"

    def json(self) -> Any:  # noqa: ANN401 - whatever the body says
        """The body as JSON."""
        return json.loads(self.body)


class Call:
    """A request under way. The client stays until `hang_up`, and takes each chunk when it comes."""

    def __init__(self, app: ASGIApp, scope: Scope, body: bytes = b"") -> None:
        self.reply = Reply()
        self._body: bytes | None = body
        self._gone, self._news = asyncio.Event(), asyncio.Condition()
        self.task = asyncio.ensure_future(app(scope, self._receive, self._send))

    async def until(self, condition: Callable[[Reply], object]) -> Reply:
        """The reply as soon as `condition` holds for it."""
        async with asyncio.timeout(10), self._news:
            await self._news.wait_for(lambda: condition(self.reply))
        return self.reply

    def hang_up(self) -> None:
        """Go away: what is sent from now on reaches nobody."""
        self._gone.set()

    async def _receive(self) -> Message:
        if self._body is not None:
            body, self._body = self._body, None
            return {"type": "http.request", "body": body, "more_body": False}
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        if self._gone.is_set():
            raise OSError("the client went away")
        async with self._news:
            if message["type"] == "http.response.start":
                assert not self.reply.status, "a second start"
                self.reply.status, self.reply.fields = message["status"], list(message.get("headers", ()))
            elif message["type"] == "http.response.body":
                assert self.reply.status, "a body without a start"
                assert not self.reply.ended, "more after the end"
                self.reply.chunks.append(message.get("body", b""))
                self.reply.ended = not message.get("more_body", False)
            self._news.notify_all()


@dataclass(slots=True)
class Visitor:
    """Somebody who asks an application; `lines` are fields of each request."""

    app: ASGIApp
    host: str | None = "example.org"
    lines: tuple[str, ...] = ()
    client: tuple[str, int] | None = ("192.0.2.1", 50_000)
    scheme: str = "https"

    def call(self, target: str, *lines: str, method: str = "GET", body: bytes = b"", raw: bool = True) -> Call:
        """Begin a request for a path with its query."""
        path, _, query = target.partition("?")
        sent = ([f"Host: {self.host}"] if self.host is not None else []) + [*self.lines, *lines]
        if body:
            sent.append(f"Content-Length: {len(body)}")
        scope: Scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": self.scheme,
            "path": unquote_to_bytes(path).decode("utf-8", "replace"),
            "raw_path": path.encode() if raw else None,
            "query_string": query.encode(),
            "root_path": "",
            "headers": fields(*sent),
            "client": self.client,
            "server": ("127.0.0.1", 80),
        }
        return Call(self.app, scope, body)

    async def ask(self, target: str, *lines: str, method: str = "GET", body: bytes = b"", raw: bool = True) -> Reply:
        """The whole reply; raises what the application raises."""
        call = self.call(target, *lines, method=method, body=body, raw=raw)
        async with asyncio.timeout(20):
            await call.task
        return call.reply

    async def get(self, target: str, *lines: str) -> Reply:
        """The whole reply to a GET."""
        return await self.ask(target, *lines)


@dataclass(slots=True)
class Page:
    """What the application answers for a path. In a body, `%d` stands for the number of the render."""

    body: bytes | Sequence[bytes] = b"render %d"
    lines: Sequence[str] = (HTML,)
    status: int = 200
    gate: asyncio.Event | None = None
    """The start waits for it."""
    chunk_gate: asyncio.Event | None = None
    """All chunks but the first wait for it."""
    fails: BaseException | None = None
    """Raised in place of the start."""
    fails_late: BaseException | None = None
    """Raised after the first chunk."""
    render: ASGIApp | None = None
    """Does it all by itself."""


class Pages:
    """An application of pages; it notes what it is asked."""

    def __init__(self, pages: dict[str, Page] | None = None) -> None:
        self.pages = pages or {}
        self.seen: list[Scope] = []
        self.renders: Counter[str] = Counter()
        self.running: Counter[str] = Counter()
        self.peak: Counter[str] = Counter()
        """How many renders of a path ran at once, at most."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with the page of the path, or with one that is like all others."""
        if scope["type"] != "http":
            return
        path: str = scope["path"]
        self.seen.append(scope)
        self.renders[path] += 1
        self.running[path] += 1
        self.peak[path] = max(self.peak[path], self.running[path])
        try:
            await self._answer(self.pages.get(path, Page()), scope, receive, send)
        finally:
            self.running[path] -= 1

    async def _answer(self, page: Page, scope: Scope, receive: Receive, send: Send) -> None:
        number = self.renders[scope["path"]]
        if page.render:
            return await page.render(scope, receive, send)
        if page.gate:
            await page.gate.wait()
        if page.fails:
            raise page.fails
        await send({"type": "http.response.start", "status": page.status, "headers": fields(*page.lines)})
        chunks = [page.body] if isinstance(page.body, bytes) else list(page.body)
        for place, chunk in enumerate(chunks):
            if place and page.chunk_gate:
                await page.chunk_gate.wait()
            filled = chunk.replace(b"%d", b"%d" % number)
            await send({"type": "http.response.body", "body": filled, "more_body": place + 1 < len(chunks)})
            if page.fails_late:
                raise page.fails_late
        return None

    @property
    def last(self) -> dict[str, str]:
        """The fields of the last request that it saw."""
        return {name.decode(): value.decode("latin-1") for name, value in self.seen[-1]["headers"]}


@asynccontextmanager
async def caching(app: ASGIApp, clock: Clock | None = None, **options: Any) -> AsyncIterator[CacheMiddleware]:  # noqa: ANN401 - options of any type
    """The application behind the cache, with time that passes when the test says so if there is a `clock`.

    At the end no render is under way and no copy is being collected.
    """
    if clock:
        timed = partial(Cache, now=clock.now, wall=lambda: WALL + clock.now())
        with patch("cms_cache_mw.asgi.Cache", timed):
            site = CacheMiddleware(app, Config(**options))
    else:
        site = CacheMiddleware(app, Config(**options))
    try:
        yield site
    finally:
        await site.cache.aclose()
    stats: Any = site.cache.stats()
    assert stats["flights"] == 0
    assert stats["memory"]["collecting_bytes"] == 0
