"""What a restart and a purge cost visitors while the cache keeps itself warm, and what that costs the process.

One process, an application that takes 20 ms for a render without using the processor, a real Valkey, a thousand pages of
12 KiB whose popularity is Zipf's, and visitors who ask for one page after another at a steady rate.
"""

from __future__ import annotations

import asyncio
import gc
import random
import time
from contextlib import asynccontextmanager
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Final

from cms_cache_mw import CacheMiddleware, Config
from cms_cache_mw.warmth.warmth import SCAN
from tests.bench.figure import Figure
from tests.support.asgi import Visitor
from tests.support.later import soon
from tests.support.server import Server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from starlette.types import Receive, Scope, Send

PAGES: Final = 1_000
RENDER: Final = 0.02
RATE: Final = 400
"""Requests a second."""
BODY: Final = b"<p>" + b"0123456789abcdef" * 768
WEIGHTS: Final = list(accumulate(1 / (rank + 1) for rank in range(PAGES)))


class Slow:
    """An application that answers every page after `RENDER` seconds, with the number of the edition."""

    def __init__(self) -> None:
        self.edition = 1
        self.running = self.peak = 0
        self.renders: dict[str, float] = {}
        """Seconds that the latest render of each page took, on a machine that may be busy."""

    async def __call__(self, scope: Scope, _: Receive, send: Send) -> None:
        """Answer."""
        edition, began = self.edition, time.perf_counter()
        self.running += 1
        self.peak = max(self.peak, self.running)
        try:
            await asyncio.sleep(RENDER)
        finally:
            self.running -= 1
        self.renders[scope["path"]] = time.perf_counter() - began
        await send(
            {
                "type": "http.response.start",
                "status": 200,
                "headers": [
                    (b"content-type", b"text/html"),
                    (b"cache-tag", b"menu:1"),
                    (b"cache-control", b"max-age=600"),
                ],
            }
        )
        await send({"type": "http.response.body", "body": b"edition %d %b" % (edition, scope["path"].encode()) + BODY})


class Traffic:
    """Visitors at a steady rate; what each got, when, and how long that took."""

    def __init__(self, site: CacheMiddleware, seed: int = 1) -> None:
        self.seen: list[tuple[float, str, float, bytes]] = []
        self._visitor, self._random = Visitor(site), random.Random(seed)

    async def run(self, seconds: float) -> None:
        """Ask for pages."""
        began = time.perf_counter()
        for number in range(round(seconds * RATE)):
            await asyncio.sleep(max(0.0, began + number / RATE - time.perf_counter()))
            page = self._random.choices(range(PAGES), cum_weights=WEIGHTS)[0]
            sent = time.perf_counter()
            reply = await self._visitor.get(f"/{page}")
            self.seen.append((sent - began, reply.cache_status, time.perf_counter() - sent, reply.body[:9]))

    def share(self, word: str, since: float, until: float) -> float:
        """The share of answers in a span of time that say `word` in Cache-Status."""
        said = [status for at, status, _, _ in self.seen if since <= at < until]
        return sum(word in status for status in said) / len(said)


def measure() -> Iterator[Figure]:
    """The figures of warmth."""
    with Server() as server:
        yield from asyncio.run(_restart(server.url))
        server.client().flushall()
        yield from asyncio.run(_purge(server.url))
        server.client().flushall()
        yield from asyncio.run(_cost(server.url))


@asynccontextmanager
async def _site(app: Slow, url: str, **options: Any) -> AsyncIterator[CacheMiddleware]:  # noqa: ANN401 - options of any type
    site = CacheMiddleware(app, Config(redis_url=url, **options))
    site.cache.start()
    try:
        yield site
    finally:
        await site.cache.aclose()


async def _fill(site: CacheMiddleware) -> None:
    visitor = Visitor(site)
    for start in range(0, PAGES, 5):
        await asyncio.gather(*(visitor.get(f"/{page}") for page in range(start, start + 5)))
    # What was not stored while the machine was busy elsewhere is written again.
    memory = site.cache.parts.memories["rendered"]
    for key, entry in memory.entries():
        await site.cache.engine.levels.share(key, entry, ())


async def _restart(url: str) -> list[Figure]:
    """A worker is replaced by a new one while visitors come."""
    app = Slow()
    async with _site(app, url) as site:
        await _fill(site)
        await Traffic(site).run(3)
        before = Traffic(site, 2)
        await before.run(2)
    # What is left of the former worker is not to be collected while the new one starts.
    gc.collect()
    async with _site(app, url) as site:
        after = Traffic(site, 2)
        await after.run(2)
    former = before.share("detail=memory", 0, 2)
    back = next(at / 20 for at in range(40) if after.share("detail=memory", at / 20, at / 20 + 0.2) >= 0.9 * former)
    slowest = [max(took for _, _, took, _ in traffic.seen) * 1000 for traffic in (before, after)]
    return [
        Figure("restart: 90 % of the former share of memory hits after", back + 0.2, "s", 1),
        Figure("restart: slowest request, over the slowest before", slowest[1] - slowest[0], "ms", 10),
    ]


async def _purge(url: str) -> list[Figure]:
    """A tag on all pages is purged softly while visitors come."""
    app = Slow()
    async with _site(app, url, origin_concurrency=4) as site:
        await _fill(site)
        visitor = Visitor(site)
        for page in range(PAGES):
            for _ in range(5 + 200 // (page + 1)):
                await visitor.get(f"/{page}")
        app.peak, app.edition = 0, 2
        purged = time.perf_counter()
        await site.cache.purge(tags=["menu:1"], soft=True)
        waited = time.perf_counter() - purged
        traffic = Traffic(site)
        await traffic.run(PAGES * RENDER / 4 + 2)
    # The pages that nine tenths of the traffic ask for, of all most used.
    top = next(number for number, weight in enumerate(WEIGHTS, 1) if weight >= 0.9 * WEIGHTS[-1])
    ideal = sum(app.renders[f"/{page}"] for page in range(top)) / 4
    step = 0.25
    fresh = next(
        at * step for at in range(1, 1_000) if _edition(traffic, at * step - step / 2, at * step + step / 2) >= 0.9
    )
    return [
        Figure("purge: renders at once, with origin_concurrency=4", app.peak, "", 4),
        Figure(
            "purge: visitors who waited for a render", sum("fwd=" in status for _, status, _, _ in traffic.seen), "", 0
        ),
        Figure(
            "purge: 90 % of traffic fresh, over the renders of those pages / 4",
            (fresh + waited) / ideal,
            "x",
            1.2,
            checked=False,
        ),
    ]


def _edition(traffic: Traffic, since: float, until: float) -> float:
    bodies = [body for at, _, _, body in traffic.seen if since <= at < until]
    return sum(body == b"edition 2" for body in bodies) / len(bodies) if bodies else 0.0


async def _cost(url: str) -> list[Figure]:
    """What a scan of ten thousand used pages takes of the processor."""
    app = Slow()
    async with _site(app, url, max_memory_mb=512, warm_on_start=False) as site:
        await _fill(site)
        await soon(lambda: site.cache.sure, "a lease")
        memory = site.cache.parts.memories["rendered"]
        (key, entry), *_ = memory.entries()
        for number in range(10_000 - PAGES):
            memory.put(
                (*key[:2], b"/more/%d" % number, b""),
                type(entry)(
                    *(200, entry.fields, b"", entry.freshness, entry.born, entry.epoch, entry.base, entry.prints),
                    site=entry.site,
                ),
            )
        spent = []
        for _ in range(9):
            for _, each in memory.entries():
                each.hits += 3
            spent.append(await asyncio.to_thread(_scan, site))
    return [Figure("scan of 10,000 used pages, of the processor's time", min(spent) / SCAN * 100, "%", 1)]


def _scan(site: CacheMiddleware) -> float:
    warmth: Any = site.cache.warmth
    now = site.cache.engine.now()
    began = time.thread_time()
    warmth._use.feed()
    warmth._ahead.scan(warmth._use.pages(), now, now + SCAN)
    return time.thread_time() - began
