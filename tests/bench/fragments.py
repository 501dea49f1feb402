"""What cached fragments cost within a page, and placeholders within a hit."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from cms_cache_mw import Cache, CacheMiddleware, Config, fragment
from cms_cache_mw.collecting import Collector
from tests.bench.figure import Figure, interleaved
from tests.support.asgi import fields

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.types import Message, Receive, Scope, Send

CALLS = 40
ROUNDS = 400
PART = "<p>part of a page</p>" * 40


def measure() -> Iterator[Figure]:
    """The figures of fragments."""
    yield _five_fragments()
    plain, holes = asyncio.run(_hits())
    yield Figure("hit with 3 placeholders, in plain hits", holes / plain, "x", 3)


@fragment("block:bench:{number}", ttl=3600)
def part(number: int) -> str:
    """A part of a page."""
    return PART


@fragment("page:bench", ttl=3600)
def whole() -> str:
    """A page that is cached whole."""
    return PART * 5


def _five_fragments() -> Figure:
    """A page of 5 cached fragments against the same page cached whole, in the render of a request."""
    cache = Cache(Config())
    cache.start()

    def of_parts() -> str:
        return "".join((part(0), part(1), part(2), part(3), part(4)))

    with cache.rendering(Collector(cache._now)):
        assert of_parts() == whole()
        parts, one = interleaved(of_parts, whole, calls=CALLS, rounds=ROUNDS)
    cache.close()
    return Figure("page of 5 cached fragments, above the page cached whole", (parts - one) * 1e6, "us", 12)


async def _hits() -> tuple[float, float]:
    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        parts = [app.cache.placeholder(f"block:bench:{n}") if scope["path"] == "/holes" else PART for n in range(3)]
        await send({"type": "http.response.start", "status": 200, "headers": head})
        await send({"type": "http.response.body", "body": ("x" * 8000 + "".join(parts)).encode()})

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    head, sent = fields("Content-Type: text/html", "Cache-Control: s-maxage=3600"), list["Message"]()
    app = CacheMiddleware(application, Config())

    def scope(path: str) -> Scope:
        lines = fields("Host: example.org", "Accept: text/html", "Accept-Encoding: identity", "User-Agent: bench")
        return {
            "type": "http",
            "method": "GET",
            "scheme": "https",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "headers": lines,
        }

    def hit(path: str) -> None:
        asked = app(scope(path), receive, send)
        try:
            asked.send(None)
        except StopIteration:
            sent.clear()

    for path in ("/plain", "/holes"):
        await app(scope(path), receive, send)
        await app(scope(path), receive, send)
        await asyncio.gather(*app.cache.runtime._tasks)
    plain, holes = interleaved(lambda: hit("/plain"), lambda: hit("/holes"), calls=CALLS, rounds=ROUNDS)
    await app.cache.aclose()
    return plain, holes
