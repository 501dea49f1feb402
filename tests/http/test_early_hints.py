"""Interim answers: passed on at once where the server has a message for them, and never stored.

No server at hand has, so the scope is written by hand.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from cms_cache_mw import CacheMiddleware, Config

if TYPE_CHECKING:
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
    "extensions": {"http.response.early_hint": {}},
}
HINT: Message = {"type": "http.response.early_hint", "links": [b"</style.css>; rel=preload"]}


async def test_early_hints() -> None:
    """A 103 leaves before the page is made; the stored page comes without it."""
    made = asyncio.Event()

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["extensions"] == SCOPE["extensions"]
        await send(HINT)
        await made.wait()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/html")]})
        await send({"type": "http.response.body", "body": b"the page"})

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    site = CacheMiddleware(application, Config())
    sent: asyncio.Queue[Message] = asyncio.Queue()
    visit = asyncio.ensure_future(site(SCOPE, receive, sent.put))
    first = await sent.get()
    made.set()
    await visit
    assert first == HINT
    assert [sent.get_nowait()["type"] for _ in range(2)] == ["http.response.start", "http.response.body"]

    await site(SCOPE, receive, sent.put)
    start, body = sent.get_nowait(), sent.get_nowait()
    assert (start["type"], body["body"], sent.empty()) == ("http.response.start", b"the page", True)
    assert dict(start["headers"])[b"cache-status"].startswith(b"cms-cache; hit")
    await site.cache.aclose()
