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

FEW = 1_000
MORE = (1, 10_000, 100_000, 1_000_000)


def measure() -> Iterator[Figure]:
    """The figures of few and of many entries."""
    yield from asyncio.run(_scaled())


async def _scaled() -> list[Figure]:
    draw = random.Random(1)
    apps = [_filled(count) for count in (FEW, *MORE)]

    def asked(most: int) -> Callable[[], Scope]:
        return lambda: scope(draw, f"/{draw.randrange(most)}")

    asks = [(under_asgi(app), asked(count)) for app, count in zip(apps, (FEW, *MORE), strict=True)]
    found = ratios(*asks)
    for app in apps:
        await app.cache.aclose()
    return [
        Figure(f"hit among {count:,} entries, in hits among {FEW:,}", x, "x", 1.4)
        for count, x in zip(MORE, found, strict=True)
    ]


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
