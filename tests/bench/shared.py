"""What a hit from Redis costs this process with 32 requests at once, as processor time, beside redis-py's GET alone."""

from __future__ import annotations

import asyncio
import gc
import random
import time
from typing import TYPE_CHECKING
from unittest.mock import patch

from cms_cache_mw import CacheMiddleware, Config
from cms_cache_mw.stores.connect import pooled
from tests.bench.browser import scope
from tests.bench.figure import Figure
from tests.bench.hits import HEAD, PAGE
from tests.support.asgi import fields
from tests.support.server import Server

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Sequence

    from starlette.types import Message, Receive, Scope, Send

AT_ONCE = 32
PAGES = 320
ROUNDS = 12


def measure() -> Iterator[Figure]:
    """The figures of the second level."""
    with Server() as server, patch("cms_cache_mw.stores.guard.TIMEOUT", 5.0):
        hit, get = asyncio.run(_hits(server.url))
    yield Figure("hit from Redis, 32 at once, processor time", hit * 1e6, "µs", 30)
    yield Figure("hit from Redis, in redis-py's GETs alone", hit / get, "x", 1)


async def _hits(url: str) -> tuple[float, float]:
    draw = random.Random(1)
    statuses: set[bytes] = set()

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": fields(*HEAD)})
        await send({"type": "http.response.body", "body": PAGE})

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            statuses.add(dict(message["headers"])[b"cache-status"].rpartition(b"detail=")[2])

    app = CacheMiddleware(application, Config(redis_url=url, warm_on_start=False, refresh_ahead=False))
    client = pooled(url, timeout=1, connect_timeout=1, connections=16)

    async def ask(asked: Scope) -> None:
        await app(asked, receive, send)

    async def get(name: bytes) -> None:
        await client.execute_command("GET", name)

    for asked in _requests(draw):
        await ask(asked)
        await asyncio.gather(*app.cache.runtime._tasks)
    names = [name async for name in client.scan_iter("cms:rendered:*", count=1000)][:PAGES]
    hits: list[float] = []
    gets: list[float] = []
    while len(hits) < ROUNDS:
        app.cache.parts.memories["rendered"].clear()
        statuses.clear()
        spent = await _spent(ask, _requests(draw))
        if statuses == {b"shared"}:
            # Otherwise a lease was lost, or the breaker opened: the machine was too busy.
            hits.append(spent)
            gets.append(await _spent(get, names))
    await app.cache.aclose()
    await client.aclose()
    return min(hits), min(gets)


def _requests(draw: random.Random) -> list[Scope]:
    return [scope(draw, f"/{number}") for number in range(PAGES)]


async def _spent(ask: Callable[..., Awaitable[None]], what: Sequence[object]) -> float:
    """Processor time of this process for one call, with so many under way at once."""
    waiting = iter(what)

    async def one_after_another() -> None:
        for each in waiting:
            await ask(each)

    gc.collect()
    gc.disable()
    began = time.process_time()
    await asyncio.gather(*(one_after_another() for _ in range(AT_ONCE)))
    taken = time.process_time() - began
    gc.enable()
    return taken / len(what)
