"""What a hit costs with a million entries in memory, against a thousand: pages of 200 bytes, asked for at random."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

from cms_cache_mw import CacheMiddleware, Config
from cms_cache_mw.core.entry import Entry, Freshness
from cms_cache_mw.hits import READ_AGAIN
from cms_cache_mw.stores.ticker import boottime
from tests.bench.browser import HOST, scope
from tests.bench.figure import Figure
from tests.bench.hits import HEAD, ratios, under_asgi
from tests.support.asgi import fields

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from starlette.types import Receive, Scope, Send

FEW, MANY = 1_000, 1_000_000


def measure() -> Iterator[Figure]:
    """The figure of many entries."""
    yield asyncio.run(_many())


async def _many() -> Figure:
    draw = random.Random(1)
    few, many = _filled(FEW), _filled(MANY)

    def asked(most: int) -> Callable[[], Scope]:
        return lambda: scope(draw, f"/{draw.randrange(most)}")

    (ratio,) = ratios((under_asgi(few), asked(FEW)), (under_asgi(many), asked(MANY)))
    await few.cache.aclose()
    await many.cache.aclose()
    return Figure("hit among 1,000,000 entries, in hits among 1,000", ratio, "x", 1.4)


def _filled(pages: int) -> CacheMiddleware:
    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        raise AssertionError("every page is there")

    config = Config(max_memory_mb=8_000, max_items_per_type=pages, warm_on_start=False, refresh_ahead=False)
    app = CacheMiddleware(application, config)
    app.cache.start()
    memory, (epoch, pos) = app.cache.parts.memories["rendered"], app.cache.worker.clock.token
    head, now = tuple(fields(*HEAD[:-1])), boottime()
    for number in range(pages):
        entry = Entry(200, head, b"%200d" % number, Freshness(3600), now, epoch, pos, (number,), hits=READ_AGAIN)
        memory.put((b"https", HOST.encode(), b"/%d" % number, b""), entry)
    assert memory.items == pages
    return app
