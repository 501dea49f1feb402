"""Applications of one function for each path, behind a cache, to test what gathers while they render."""

from __future__ import annotations

import inspect
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from tests.support.asgi import HTML, Visitor, caching, fields

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from starlette.types import Receive, Scope, Send

    from cms_cache_mw import CacheMiddleware
    from cms_cache_mw.core.entry import Entry
    from tests.support.clock import Clock

LONG = "Cache-Control: public, s-maxage=86400"


class Site:
    """An application whose pages are functions that give text; `renders` counts how often each was called."""

    def __init__(self, pages: dict[str, Callable[[], Any]], *lines: str) -> None:
        self.pages, self.lines = pages, lines
        self.renders = dict.fromkeys(pages, 0)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with what the function of the path gives: text, or an asynchronous iterator of it."""
        path = scope["path"]
        self.renders[path] += 1
        made = self.pages[path]()
        body = await made if inspect.isawaitable(made) else made
        await send({"type": "http.response.start", "status": 200, "headers": fields(HTML, LONG, *self.lines)})
        if hasattr(body, "__aiter__"):
            async for chunk in body:
                await send({"type": "http.response.body", "body": chunk.encode(), "more_body": True})
            body = ""
        await send({"type": "http.response.body", "body": body.encode()})


@asynccontextmanager
async def visited(
    pages: dict[str, Callable[[], Any]],
    *lines: str,
    clock: Clock | None = None,
    **options: Any,  # noqa: ANN401 - options of any type
) -> AsyncIterator[tuple[CacheMiddleware, Visitor, Site]]:
    """The pages behind a cache, somebody who visits them, and the application itself."""
    site = Site(pages, *lines)
    async with caching(site, clock, **options) as app:
        yield app, Visitor(app), site


def stored(app: CacheMiddleware, path: str) -> Entry | None:
    """The page that is held in memory for a path."""
    entries = app.cache.parts.memories["rendered"].entries()
    return next((entry for key, entry in entries if entry.url == path and key[0] != b"fragment"), None)
