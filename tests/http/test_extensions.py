"""Messages that some servers have: early hints and trailers are passed on as they come, files are sent by the server itself.

Few servers have them, so the scope is written by hand.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from cms_cache_mw import CacheMiddleware, Config

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.types import Message, Receive, Scope, Send

SCOPE: Scope = {
    "type": "http",
    "asgi": {"version": "3.0"},
    "http_version": "2",
    "method": "GET",
    "scheme": "https",
    "path": "/page",
    "raw_path": b"/page",
    "query_string": b"",
    "root_path": "",
    "headers": [(b"host", b"example.org")],
    "client": ("192.0.2.1", 50_000),
    "server": ("127.0.0.1", 443),
    "extensions": {"http.response.early_hint": {}, "http.response.trailers": {}, "http.response.pathsend": {}},
}
START: Message = {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/html")]}
BODY: Message = {"type": "http.response.body", "body": b"the page"}
HINT: Message = {"type": "http.response.early_hint", "links": [b"</style.css>; rel=preload"]}
TRAILERS: Message = {"type": "http.response.trailers", "headers": [(b"x-checksum", b"1")], "more_trailers": False}


async def receive() -> Message:
    """An empty request body."""
    return {"type": "http.request", "body": b"", "more_body": False}


def sending(*messages: Message) -> CacheMiddleware:
    """An application that sends just these, behind the cache."""

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["extensions"] == SCOPE["extensions"]
        for message in messages:
            await send(message)

    return CacheMiddleware(application, Config())


async def visited(site: CacheMiddleware) -> Sequence[Message]:
    """What the server is given to send."""
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    await site(SCOPE, receive, send)
    return sent


def status(start: Message) -> bytes:
    """The Cache-Status of an answer."""
    (item,) = [value for name, value in start["headers"] if name == b"cache-status"]
    assert isinstance(item, bytes)
    return item


async def test_early_hints() -> None:
    """RFC 9110 §15.2: a 103 leaves before the page is made; the stored page comes without it."""
    made = asyncio.Event()

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        await send(HINT)
        await made.wait()
        await send(START)
        await send(BODY)

    site = CacheMiddleware(application, Config())
    sent: asyncio.Queue[Message] = asyncio.Queue()
    visit = asyncio.ensure_future(site(SCOPE, receive, sent.put))
    assert await sent.get() == HINT
    made.set()
    await visit
    assert [sent.get_nowait()["type"] for _ in range(2)] == ["http.response.start", "http.response.body"]

    start, body = await visited(site)
    assert body["body"] == b"the page"
    assert status(start).startswith(b"cms-cache; hit")
    await site.cache.aclose()


@pytest.mark.logs("trailers follow, which may hold tags")
async def test_trailers() -> None:
    """RFC 9111 §3.1: trailers reach each visitor; an answer that has some is not stored, for its tags may be among them."""
    site = sending({**START, "trailers": True}, BODY, TRAILERS)

    for _ in range(2):
        start, body, trailers = await visited(site)
        assert (start["trailers"], body["body"], trailers) == (True, b"the page", TRAILERS)
        assert status(start) == b"cms-cache; fwd=uri-miss; detail=tags"
    await site.cache.aclose()


async def test_files() -> None:
    """A file that the server sends by itself is passed on and not stored: the cache has not seen it."""
    file: Message = {"type": "http.response.pathsend", "path": "/srv/page.html"}
    site = sending(START, file)

    for _ in range(2):
        start, sent = await visited(site)
        assert sent == file
        assert status(start).startswith(b"cms-cache; fwd=uri-miss")
    await site.cache.aclose()
