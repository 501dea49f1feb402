"""What the cache adds to a miss: lookup, flight, recorder, tags, and storing in memory, until the last byte is sent."""

from __future__ import annotations

import asyncio
import gc
import random
import time
from typing import TYPE_CHECKING

from cms_cache_mw import CacheMiddleware, Config
from tests.bench.browser import scope
from tests.bench.figure import Figure
from tests.bench.hits import HEAD, PAGE
from tests.support.asgi import fields

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

REQUESTS, ROUNDS = 20, 60


def measure() -> Iterator[Figure]:
    """The figures of misses: of a visitor who accepts no coding, and of one for whom the page is compressed on its way."""
    bare, plain, gzipped = asyncio.run(_misses())
    yield Figure("miss, added to the application's time", (plain - bare) * 1e6, "µs", 60)
    yield Figure("ASGI miss, in bare applications", plain / bare, "x", 200)
    yield Figure("ASGI miss, compressed on its way, in bare applications", gzipped / bare, "x", float("inf"))


_START: Message = {"type": "http.response.start", "status": 200, "headers": fields(*HEAD[:-1])}
_BODY: Message = {"type": "http.response.body", "body": PAGE}


_TAGGED = fields(*HEAD)


async def _application(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": _TAGGED})
    await send(_BODY)


async def _bare(scope: Scope, receive: Receive, send: Send) -> None:
    await send(_START)
    await send(_BODY)


async def _misses() -> list[float]:
    """Seconds of a bare application and of misses, the best of rounds that take turns; what is done later is not in it."""
    draw = random.Random(1)
    app = CacheMiddleware(_application, Config(warm_on_start=False, refresh_ahead=False))
    kinds: tuple[tuple[ASGIApp, str], ...] = ((_bare, "identity"), (app, "identity"), (app, "gzip, deflate, br, zstd"))
    best = [float("inf")] * len(kinds)
    gc.disable()
    for turn in range(ROUNDS):
        for place, (asked, accepted) in enumerate(kinds):
            requests = [scope(draw, f"/{turn}/{place}/{n}", ("accept-encoding", accepted)) for n in range(REQUESTS)]
            best[place] = min(best[place], await _once(asked, requests))
            await asyncio.gather(*app.cache.runtime._tasks)
    gc.enable()
    await app.cache.aclose()
    return best


async def _once(app: ASGIApp, requests: list[Scope]) -> float:
    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        pass

    began = time.perf_counter()
    for asked in requests:
        await app(asked, receive, send)
    return (time.perf_counter() - began) / REQUESTS
