"""A process that keeps itself warm: after a start, before pages expire, after a purge."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from cms_cache_mw import fragment
from tests.support.asgi import HTML, Page, Pages, Visitor, caching
from tests.support.later import soon

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from cms_cache_mw import Cache
    from tests.support.clock import Clock
    from tests.support.server import Server

USED = 6
"""Uses that make a page worth a render."""


@pytest.fixture(autouse=True)
def brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread looks around ten times as often as it would."""
    monkeypatch.setattr("cms_cache_mw.warmth.warmth.PULSE", 0.02)
    monkeypatch.setattr("cms_cache_mw.warmth.aftermath.QUIET", 0.025)


def warmth(cache: Cache) -> dict[str, Any]:
    """What a cache says of its warmth."""
    stats: Any = cache.stats()
    found: dict[str, Any] = stats["warmth"]
    return found


async def use(visitor: Visitor, *paths: str, times: int = USED) -> None:
    """Ask for pages several times."""
    for _ in range(times):
        for path in paths:
            await visitor.get(path)


def had(cache: Cache) -> bool:
    """Whether a page was made to be at hand."""
    found = warmth(cache)
    return bool(found["rendered"] + found["held"])


def loaded(cache: Cache) -> bool:
    """Whether the start is over."""
    return bool(warmth(cache)["start"]["state"] == "loaded")


async def test_purged_pages_that_were_used_come_back() -> None:
    """After a hard purge used pages are rendered anew without a visitor, and what was not used stays away."""
    pages = Pages()
    async with caching(pages) as site:
        visitor = Visitor(site)
        await use(visitor, "/used")
        await use(visitor, "/unused", times=2)
        await site.cache.purge(prefixes=["/"])
        await soon(lambda: pages.renders["/used"] == 2, "the used page is rendered again")
        await soon(lambda: warmth(site.cache)["rendered"] == 1, "that is noted")
        reply = await visitor.get("/used")
        assert (reply.level, reply.body) == ("memory", b"render 2")
        assert pages.renders["/unused"] == 1


async def test_soft_purge_keeps_visitors_served() -> None:
    """While used pages come back after a soft purge, visitors get the stale ones and wait for nobody."""
    gate = asyncio.Event()
    gate.set()
    pages = Pages({f"/{number}": Page(gate=gate) for number in range(8)})
    async with caching(pages, origin_concurrency=2) as site:
        visitor = Visitor(site)
        await use(visitor, *pages.pages)
        gate.clear()
        await site.cache.purge(prefixes=["/"], soft=True)
        await soon(lambda: sum(pages.running.values()) == 2, "as many renders as the application bears")
        for path in pages.pages:
            assert (await visitor.get(path)).body == b"render 1"
        assert sum(pages.running.values()) == 2
        gate.set()
        await soon(lambda: set(pages.renders.values()) == {2}, "each is rendered once more")
        await soon(lambda: site.cache.stats()["flights"] == 0, "they land")
        assert (await visitor.get("/3")).body == b"render 2"


async def test_render_begun_before_a_purge_is_never_kept() -> None:
    """A background render takes its position before the application is asked: a purge during it makes it worthless."""
    gate = asyncio.Event()
    gate.set()
    pages = Pages({"/": Page(gate=gate)})
    async with caching(pages) as site:
        visitor = Visitor(site)
        await use(visitor, "/")
        gate.clear()
        await site.cache.purge(urls=["/"])
        await soon(lambda: pages.running["/"] == 1, "it is being rendered again")
        await site.cache.purge(urls=["/"])
        gate.set()
        await soon(lambda: site.cache.stats()["flights"] == 0 and not pages.running["/"], "the render ends")
        assert (await visitor.get("/")).body == b"render 3"


async def test_needless_purges_are_told() -> None:
    """A purge after which the bytes are the same is counted for its tag, and visitors' copies stay good."""
    pages = Pages({"/": Page(body=b"the same", lines=[HTML, "Cache-Tag: block:7"])})
    async with caching(pages) as site:
        visitor = Visitor(site)
        await use(visitor, "/")
        etag = (await visitor.get("/")).field("etag")
        await site.cache.purge(tags=["block:7"])
        await soon(lambda: warmth(site.cache)["needless"] == {"block:7": 1}, "the purge is counted")
        await soon(lambda: site.cache.stats()["flights"] == 0, "the render ends")
        assert (await visitor.get("/", f"If-None-Match: {etag}")).status == 304


async def test_used_pages_are_renewed_before_they_expire(clock: Clock) -> None:
    """A page used more than once is rendered anew before its end; one that was not is left to expire."""
    pages = Pages()
    async with caching(pages, clock) as site:
        visitor = Visitor(site)
        await use(visitor, "/used", times=4)
        await use(visitor, "/once", times=2)
        clock.advance(299.0)
        await soon(lambda: pages.renders["/used"] == 2, "it is rendered before it expires")
        await soon(lambda: site.cache.stats()["flights"] == 0, "the render ends")
        clock.advance(2.0)
        reply = await visitor.get("/used")
        assert (reply.level, reply.body) == ("memory", b"render 2")
        assert pages.renders["/once"] == 1


async def test_no_more_refreshes_at_once_than_allowed(clock: Clock) -> None:
    """Pages that expire together are rendered `refresh_concurrency` at a time."""
    gate = asyncio.Event()
    gate.set()
    pages = Pages({f"/{number}": Page(gate=gate) for number in range(6)})
    async with caching(pages, clock, refresh_concurrency=2, origin_concurrency=5) as site:
        await use(Visitor(site), *pages.pages, times=4)
        gate.clear()
        clock.advance(299.0)
        await soon(lambda: sum(pages.running.values()) == 2, "two renders")
        await asyncio.sleep(0.2)
        assert sum(pages.running.values()) == 2
        gate.set()
        await soon(lambda: set(pages.renders.values()) == {2}, "each is rendered once more")


async def test_refresh_ahead_can_be_switched_off(clock: Clock) -> None:
    """Without `refresh_ahead` nothing is rendered that nobody asked for."""
    pages = Pages()
    async with caching(pages, clock, refresh_ahead=False) as site:
        visitor = Visitor(site)
        await use(visitor, "/")
        clock.advance(299.0)
        await site.cache.purge(urls=["/"])
        await asyncio.sleep(0.2)
        assert pages.renders["/"] == 1


async def test_render_for_nobody_carries_nobodys_cookies() -> None:
    """What a visitor brought along is not in the render that replaces a page, nor is the state that the application gave it."""
    pages = Pages()
    async with caching(pages) as site:
        visitor = Visitor(site, lines=("Cookie: csrftoken=mine; _ga=1", "User-Agent: mine", "X-Mine: 1"))
        await visitor.get("/", "X-Forwarded-Proto: https")
        await Visitor(site).get("/", "X-Forwarded-Proto: https")
        for _ in range(USED):
            await visitor.get("/", "X-Forwarded-Proto: https")
        before = len(pages.seen)
        await site.cache.purge(urls=["/"])
        await soon(lambda: len(pages.seen) > before, "it is rendered again")
        assert pages.last == {"host": "example.org", "x-forwarded-proto": "https"}
        assert pages.seen[-1]["client"] == ("127.0.0.1", 0)
        assert "state" not in pages.seen[-1]


async def test_start_loads_what_is_used_most(redis_url: str) -> None:
    """A new worker has the popular pages in its memory before anybody asks for them."""
    pages = Pages()
    async with caching(pages, redis_url=redis_url) as site:
        await use(Visitor(site), "/a", "/b", times=3)
        await soon(lambda: site.cache.sure, "a lease")
    async with caching(pages, redis_url=redis_url) as site:
        site.cache.start()
        await soon(lambda: loaded(site.cache), "it has loaded")
        assert warmth(site.cache)["start"]["pages"] == 2
        for path in ("/a", "/b"):
            assert (await Visitor(site).get(path)).level == "memory"
    assert pages.renders == {"/a": 1, "/b": 1}


async def test_start_renders_what_is_in_no_level(redis_url: str, redis_server: Server) -> None:
    """A popular page that Redis does not have any more is rendered through the application."""
    pages = Pages()
    async with caching(pages, redis_url=redis_url) as site:
        await use(Visitor(site), "/a", "/b", times=4)
    client = redis_server.client()
    for key in client.scan_iter("cms:rendered:*"):
        client.delete(key)
    async with caching(pages, redis_url=redis_url) as site:
        await Visitor(site).get("/other")
        await soon(lambda: pages.renders["/a"] == pages.renders["/b"] == 2, "both are rendered again")
        await soon(lambda: site.cache.stats()["flights"] == 0, "the renders end")
        assert (await Visitor(site).get("/a")).level == "memory"


async def test_start_can_be_switched_off(redis_url: str) -> None:
    """Without `warm_on_start` a new worker begins empty."""
    pages = Pages()
    async with caching(pages, redis_url=redis_url) as site:
        await use(Visitor(site), "/a", times=3)
    async with caching(pages, redis_url=redis_url, warm_on_start=False) as site:
        site.cache.start()
        await soon(lambda: site.cache.sure, "a lease")
        assert (await Visitor(site).get("/a")).level == "shared"
        assert warmth(site.cache)["start"]["state"] == "off"


async def test_start_loads_parts(redis_url: str) -> None:
    """Global blocks and templates are loaded like pages."""
    made: list[str] = []

    @fragment("block:menu", ttl=300)
    def menu() -> str:
        made.append("menu")
        return "the menu"

    async def with_menu(scope: Scope, receive: Receive, send: Send) -> None:
        body = (await asyncio.to_thread(menu)).encode()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/html")]})
        await send({"type": "http.response.body", "body": body})

    pages = Pages({f"/{number}": Page(render=with_menu) for number in range(4)})
    async with caching(pages, redis_url=redis_url) as site:
        await use(Visitor(site), *pages.pages, times=1)
        await soon(lambda: site.cache.sure, "a lease")
    async with caching(pages, redis_url=redis_url) as site:
        site.cache.start()
        await soon(lambda: loaded(site.cache), "it has loaded")
        assert warmth(site.cache)["start"]["parts"] == 1
        assert await site.cache.blocks.get("menu") == "the menu"
    assert made == ["menu"]


async def test_application_that_hangs_blocks_nothing(redis_url: str, redis_server: Server) -> None:
    """While every warm-up hangs, visitors are answered, and the end of the process waits for none of it."""
    pages = Pages({"/": Page(), **{f"/{number}": Page() for number in range(6)}})
    async with caching(pages, redis_url=redis_url) as site:
        await use(Visitor(site), *pages.pages, times=4)
    client = redis_server.client()
    for key in client.scan_iter("cms:rendered:*"):
        client.delete(key)
    for number in range(6):
        pages.pages[f"/{number}"] = Page(gate=asyncio.Event())
    async with caching(pages, redis_url=redis_url) as site:
        assert (await Visitor(site).get("/")).status == 200
        await soon(lambda: sum(pages.running.values()) == 4, "the warm-ups hang")
        assert (await Visitor(site).get("/other")).status == 200
        assert (await Visitor(site).get("/")).level == "memory"
        began = asyncio.get_running_loop().time()
        await site.cache.aclose()
        assert asyncio.get_running_loop().time() - began < 10
    assert not sum(pages.running.values())


@pytest.mark.logs("the shared store is not asked", "Redis", "lease")
async def test_redis_away(own_server: Server) -> None:
    """Without a lease nothing is rendered in the background; it goes on when Redis is back."""
    pages = Pages()
    async with caching(pages, redis_url=own_server.url, lease_seconds=0.5) as site:
        visitor = Visitor(site)
        await use(visitor, "/")
        await soon(lambda: site.cache.sure, "a lease")
        own_server.stop()
        await soon(lambda: not site.cache.sure, "no lease")
        before = warmth(site.cache)["rendered"]
        await asyncio.sleep(0.5)
        assert warmth(site.cache)["rendered"] == before
        own_server.start()
        await soon(lambda: site.cache.sure, "a lease again")
        await use(visitor, "/")
        renders = pages.renders["/"]
        await site.cache.purge(urls=["/"])
        await soon(lambda: pages.renders["/"] > renders, "it is kept warm again")
        await soon(lambda: site.cache.stats()["flights"] == 0, "the render ends")


async def test_one_worker_of_all_refreshes(redis_url: str) -> None:
    """Of two workers that used a page, one renders it after a purge, and the other one fetches it from Redis."""
    gate = asyncio.Event()
    gate.set()
    pages = Pages({"/": Page(gate=gate)})
    async with (
        caching(pages, redis_url=redis_url, lease_seconds=0.5) as one,
        caching(pages, redis_url=redis_url, lease_seconds=0.5) as two,
    ):
        for site, other in ((one, "/one"), (two, "/two")):
            # Something has to reach the application, which shows how it is to be asked.
            await use(Visitor(site), other, times=1)
            await use(Visitor(site), "/", times=USED + 1)
        assert pages.renders["/"] == 1
        gate.clear()
        await one.cache.purge(urls=["/"])
        await soon(lambda: pages.running["/"], "one of them renders it")
        await asyncio.sleep(0.3)
        gate.set()
        for site in (one, two):
            await soon(partial(had, site.cache), "both have it")
            assert (await Visitor(site).get("/")).level == "memory"
        assert (pages.renders["/"], pages.peak["/"]) == (2, 1)


async def test_waiting_pages_are_claimed_for_a_moment_only(redis_url: str, redis_server: Server) -> None:
    """While the application has no room, no other worker is kept from rendering what waits here."""
    gate = asyncio.Event()
    gate.set()
    pages = Pages({f"/{number}": Page(gate=gate) for number in range(4)})
    async with caching(pages, redis_url=redis_url, refresh_concurrency=1, lease_seconds=0.5) as site:
        await use(Visitor(site), *pages.pages)
        await soon(lambda: site.cache.sure, "a lease")
        gate.clear()
        await site.cache.purge(prefixes=["/"], soft=True)
        await soon(lambda: sum(pages.running.values()) == 1, "one render")
        client = redis_server.client()
        await soon(lambda: len(list(client.scan_iter("cms:fill:*"))) == 1, "the others are given back")
        gate.set()
        await soon(lambda: set(pages.renders.values()) == {2}, "each is rendered once more")
        await soon(lambda: site.cache.stats()["flights"] == 0, "they land")


async def test_flag_warmth() -> None:
    """While the flag is off nothing is rendered that nobody asked for."""
    pages = Pages()
    async with caching(pages, flags={"warmth": False}) as site:
        await use(Visitor(site), "/")
        await site.cache.purge(urls=["/"])
        await asyncio.sleep(0.2)
        assert pages.renders["/"] == 1
