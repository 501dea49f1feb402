"""Switches: for whom the cache is on, what it does beyond storing, and how that is changed while workers run."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from cms_cache_mw.purge.shelf import switches_key
from cms_cache_mw.stores.guard import StoreError
from cms_cache_mw.switching.flags import MEANINGS, Flags
from cms_cache_mw.switching.gate import Gate
from cms_cache_mw.switching.switches import Change, SwitchError, Switches, SwitchOrder, read
from tests.support.asgi import HTML, Page, Pages, Visitor, caching
from tests.support.wait import until

if TYPE_CHECKING:
    from redis import Redis

    from cms_cache_mw import CacheMiddleware
    from tests.support.clock import Clock
    from tests.support.proxy import Proxy
    from tests.support.server import Server


async def level_of(site: CacheMiddleware, target: str, *lines: str) -> str | None:
    """Where the second of two answers comes from."""
    visitor = Visitor(site)
    await visitor.get(target, *lines)
    return (await visitor.get(target, *lines)).level


def begin(*sites: CacheMiddleware) -> None:
    """Start workers and wait for their leases."""
    for site in sites:
        site.cache.start()
    until(lambda: all(site.cache.sure for site in sites), "every worker has a lease")


def stored(redis: Redis, name: str) -> int:
    """The number of the change in Redis."""
    raw: Any = redis.get(name)
    return (read(raw or b"") or Change()).version


async def running(pages: Pages, renders: int) -> None:
    """Wait until so many renders of a page run."""
    async with asyncio.timeout(10):
        while pages.running["/a"] < renders:  # noqa: ASYNC110 - a counter tells no event
            await asyncio.sleep(0.001)


async def test_off_for_all(clock: Clock) -> None:
    """With `enable_for=0` every answer is the application's, says so, and still loses its tags."""
    async with caching(Pages({"/a": Page(lines=(HTML, "Cache-Tag: block:1"))}), clock, enable_for=0) as site:
        visitor = Visitor(site)
        for number in (1, 2):
            reply = await visitor.get("/a")
            assert reply.body == b"render %d" % number
            assert reply.cache_status == "fwd=bypass; detail=off"
            assert reply.field("cache-tag") is None


async def test_on_for_some_paths(clock: Clock) -> None:
    """Patterns are whole paths in which `*` stands for anything, and nothing else does."""
    async with caching(Pages(), clock, enable_for=("/news/*", "/about.html")) as site:
        on = {
            path: await level_of(site, path) is not None
            for path in ("/news/", "/news/a/b", "/about.html", "/aboutxhtml", "/news", "/", "/x/news/a")
        }
    assert [path for path in on if on[path]] == ["/news/", "/news/a/b", "/about.html"]


async def test_on_for_a_share(clock: Clock) -> None:
    """A share of requests is drawn one by one."""
    async with caching(Pages(), clock) as site:
        drawn = iter([0.0, 0.299, 0.3, 0.999] * 2)
        site.cache.engine.gate = Gate(site.cache.engine, 0.3, draw=lambda: next(drawn))
        visitor = Visitor(site)
        levels = [(await visitor.get("/a")).cache_status for _ in range(8)]
    assert ["detail=off" in status for status in levels] == [False, False, True, True] * 2
    assert "hit" in levels[1]


async def test_unsafe_requests_purge_where_it_is_off(clock: Clock) -> None:
    """What a visitor changes on a path is gone for those whom the cache is on for."""
    pages = Pages({"/a": Page(status=200)})
    async with caching(pages, clock) as site:
        visitor = Visitor(site)
        await visitor.get("/a")
        site.cache.engine.gate = Gate(site.cache.engine, 0.0)
        await visitor.ask("/a", method="POST")
        site.cache.engine.gate = None
        assert (await visitor.get("/a")).level is None


async def test_hits_of_the_short_way_are_gated_too(clock: Clock) -> None:
    """A page that has been served often is not served any more as soon as the cache is off, and is again when it is on."""
    async with caching(Pages(), clock) as site:
        visitor = Visitor(site)
        for _ in range(5):
            await visitor.get("/a")
        await site.cache.switch(SwitchOrder(enable_for=0.0), by="ops")
        assert (await visitor.get("/a")).body == b"render 2"
        await site.cache.switch(SwitchOrder(enable_for=None), by="ops")
        assert (await visitor.get("/a")).body == b"render 1"


async def turned_off(site: CacheMiddleware, *flags: str) -> None:
    """Turn flags off while the cache runs."""
    assert await site.cache.switch(SwitchOrder(flags=dict.fromkeys(flags, False)), by="ops") == "done"


async def test_nothing_is_checked_by_default(clock: Clock) -> None:
    """Without a switch in another position than the usual one there is no gate, and no rule differs."""
    async with caching(Pages(), clock) as site:
        before = site.cache.engine.rules
        assert site.cache.engine.gate is None
        await turned_off(site, "stale_if_error")
        assert site.cache.engine.rules != before
        await site.cache.switch(SwitchOrder(flags={"stale_if_error": None}), by="ops")
        assert site.cache.engine.rules == before


STALE = (HTML, "Cache-Control: max-age=10, stale-while-revalidate=60, stale-if-error=60")


async def test_flag_stale_while_revalidate(clock: Clock) -> None:
    """Turned off, a page past its freshness is rendered while its visitor waits."""
    async with caching(Pages({"/a": Page(lines=STALE)}), clock) as site:
        await turned_off(site, "stale_while_revalidate")
        visitor = Visitor(site)
        await visitor.get("/a")
        clock.advance(11)
        reply = await visitor.get("/a")
        assert (reply.body, reply.level) == (b"render 2", None)


async def test_flag_stale_if_error(clock: Clock) -> None:
    """Turned off, the application's error is what its visitor gets."""
    pages = Pages({"/a": Page(lines=STALE)})
    async with caching(pages, clock) as site:
        await turned_off(site, "stale_while_revalidate", "stale_if_error")
        visitor = Visitor(site)
        await visitor.get("/a")
        clock.advance(11)
        pages.pages["/a"].status = 503
        assert (await visitor.get("/a")).status == 503


async def test_flag_coalescing(clock: Clock) -> None:
    """Turned off, each asker has a render of its own."""
    gate = asyncio.Event()
    pages = Pages({"/a": Page(gate=gate)})
    async with caching(pages, clock) as site:
        await turned_off(site, "coalescing")
        visitor = Visitor(site)
        calls = [visitor.call("/a") for _ in range(3)]
        await running(pages, 3)
        gate.set()
        await asyncio.gather(*(call.task for call in calls))
    assert pages.peak["/a"] == 3


async def test_flag_compression(clock: Clock) -> None:
    """Turned off, what was rendered plain is sent plain, at once and from memory."""
    pages = Pages({"/a": Page(body=b"a long page " * 500)})
    async with caching(pages, clock) as site:
        await turned_off(site, "compression")
        visitor = Visitor(site, lines=("Accept-Encoding: gzip, br",))
        for _ in range(4):
            assert (await visitor.get("/a")).field("content-encoding") is None


async def test_flag_unsafe_purges(clock: Clock) -> None:
    """Turned off, a POST leaves what is stored for its URL."""
    async with caching(Pages(), clock) as site:
        await turned_off(site, "unsafe_purges")
        visitor = Visitor(site)
        await visitor.get("/a")
        await visitor.ask("/a", method="POST")
        assert (await visitor.get("/a")).level == "memory"


async def test_flag_fragments(clock: Clock) -> None:
    """Turned off, a fragment is rendered whenever it is wanted, and on again whenever it is not there."""
    async with caching(Pages(), clock) as site:
        made: list[int] = []

        def fragment() -> str:
            made.append(1)
            return "text"

        for _ in range(2):
            assert site.cache.blocks.get_or_render(7, fragment) == "text"
        assert len(made) == 1
        await turned_off(site, "fragments")
        for _ in range(2):
            assert site.cache.blocks.get_or_render(7, fragment) == "text"
        assert len(made) == 3
        await site.cache.switch(SwitchOrder(flags={"fragments": None}), by="ops")
        site.cache.blocks.get_or_render(7, fragment)
        assert len(made) == 3


@pytest.mark.parametrize("turned", [True, False])
async def test_flag_shared(redis_url: str, namespace: str, *, turned: bool) -> None:
    """Turned off, nothing is written to Redis and nothing is read from it."""
    pages = Pages()
    options: dict[str, Any] = {"redis_url": redis_url, "namespace": namespace, "flags": {"shared": turned}}
    async with caching(pages, **options) as one, caching(pages, **options) as two:
        begin(one, two)
        await Visitor(one).get("/a")
        await one.cache.runtime.finish()
        level = (await Visitor(two).get("/a")).level
    assert level == ("shared" if turned else None)


async def test_flag_fill_locks(redis_url: str, namespace: str) -> None:
    """Turned off, no worker waits for another one's render."""
    gate = asyncio.Event()
    pages = Pages({"/a": Page(gate=gate)})
    options: dict[str, Any] = {"redis_url": redis_url, "namespace": namespace, "flags": {"fill_locks": False}}
    async with caching(pages, **options) as one, caching(pages, **options) as two:
        begin(one, two)
        calls = [Visitor(site).call("/a") for site in (one, two)]
        await running(pages, 2)
        gate.set()
        await asyncio.gather(*(call.task for call in calls))
    assert pages.peak["/a"] == 2


def test_flag_placeholders() -> None:
    """Each flag says what it stands for, and all are on."""
    assert all(getattr(Flags(), name) for name in MEANINGS)
    assert all(meaning.strip() for meaning in MEANINGS.values())


async def test_changed_everywhere(redis_url: str, namespace: str, caplog: pytest.LogCaptureFixture) -> None:
    """A change that is answered `done` is in force in every worker, and each says in its log who wanted it, and why."""
    caplog.set_level(logging.INFO, "cms_cache_mw")
    options: dict[str, Any] = {"redis_url": redis_url, "namespace": namespace}
    async with caching(Pages(), **options) as one, caching(Pages(), **options) as two:
        begin(one, two)
        order = SwitchOrder(enable_for=0.0, flags={"fragments": False}, reason="trouble\nwith menus")
        assert await one.cache.switch(order, by="ann") == "done"
        for site in (one, two):
            assert site.cache.engine.gate is not None
            assert not site.cache.parts.flags.fragments
        said = [record.getMessage() for record in caplog.records if "switches changed" in record.getMessage()]
        assert said == ["switches changed by ann: enable_for=0.0, fragments off ('trouble\\nwith menus')"] * 2
        assert await two.cache.switch(SwitchOrder(enable_for=None, flags={"fragments": True}), by="bob") == "done"
        assert one.cache.engine.gate is None
        assert one.cache.parts.flags.fragments


async def test_a_worker_that_starts_later(redis_url: str, namespace: str) -> None:
    """A change holds for workers that start after it."""
    options: dict[str, Any] = {"redis_url": redis_url, "namespace": namespace}
    async with caching(Pages(), **options) as one:
        begin(one)
        await one.cache.switch(SwitchOrder(flags={"fragments": False}), by="ops")
        async with caching(Pages(), **options) as two:
            begin(two)
            assert not two.cache.parts.flags.fragments


@pytest.mark.parametrize("loss", ["flushed", "older", "nonsense"])
@pytest.mark.logs("starting cold", "cannot be read", "lease lost")
async def test_lost_switches(own_server: Server, namespace: str, loss: str) -> None:
    """What a worker knows of the switches holds when Redis loses it, and is there again for those that start then."""
    options: dict[str, Any] = {"redis_url": own_server.url, "namespace": namespace, "lease_seconds": 0.5}
    redis, name = own_server.client(), switches_key(namespace)
    async with caching(Pages(), **options) as one:
        begin(one)
        await one.cache.switch(SwitchOrder(flags={"shared": False}), by="ops")
        await one.cache.switch(SwitchOrder(flags={"fragments": False}), by="ops")
        if loss == "flushed":
            redis.flushall()
        else:
            redis.set(name, b"nonsense" if loss == "nonsense" else msgspec.json.encode(Change(version=1)))
        until(lambda: stored(redis, name) == 2, "Redis has the change again")
        assert not one.cache.parts.flags.fragments
        assert not one.cache.parts.flags.shared


@pytest.mark.logs("cannot be read", "starting cold")
async def test_a_key_of_another_kind(redis_url: str, redis_server: Server, namespace: str) -> None:
    """A refusal by Redis to tell the switches costs no lease."""
    redis_server.client().lpush(switches_key(namespace), "x")
    async with caching(Pages(), redis_url=redis_url, namespace=namespace, lease_seconds=0.5) as site:
        begin(site)
        with pytest.raises(StoreError):
            await site.cache.switch(SwitchOrder(flags={"shared": False}), by="ops")
        assert site.cache.sure


@pytest.mark.logs("lease lost", "is not asked for a while")
async def test_redis_away(own_server: Server, proxy: Proxy, namespace: str) -> None:
    """While Redis is away the last known state holds, and a change is refused rather than made in one worker."""
    options: dict[str, Any] = {"redis_url": proxy.url, "namespace": namespace, "lease_seconds": 0.5}
    async with caching(Pages(), **options) as site:
        begin(site)
        await site.cache.switch(SwitchOrder(flags={"fragments": False}), by="ops")
        proxy.refuse()
        until(lambda: not site.cache.sure, "no lease any more")
        assert not site.cache.parts.flags.fragments
        with pytest.raises(StoreError):
            await site.cache.switch(SwitchOrder(flags={"fragments": True}), by="ops")
        assert not site.cache.parts.flags.fragments


@pytest.mark.parametrize(
    ("order", "field", "said"),
    [
        (
            SwitchOrder(flags={"coalesing": False}),
            "flags",
            "'coalesing': there is no such flag; the flags are shared, coal",
        ),
        (SwitchOrder(flags={"coalesing": None}), "flags", "there is no such flag"),
        (SwitchOrder(enable_for=2.0), "enable_for", "2.0: a share between 0 and 1"),
        (SwitchOrder(enable_for=("news",)), "enable_for", "'news': a path such as"),
        (SwitchOrder(audit_rate=-1.0), "audit_rate", "-1.0: a share between 0 and 1"),
    ],
)
async def test_what_cannot_be_meant(clock: Clock, order: SwitchOrder, field: str, said: str) -> None:
    """An unknown flag is an error that lists the known ones, an impossible position one that says what is possible; nothing changes."""
    async with caching(Pages(), clock) as site:
        with pytest.raises(SwitchError) as caught:
            await site.cache.switch(order, by="ops")
        assert caught.value.field == field
        assert said in str(caught.value)
        assert site.cache.parts.switchboard.positions == Switches()


def test_a_flag_of_a_later_version() -> None:
    """While versions of the code are mixed, a flag that one of them does not know is nothing to it."""
    change = Change(version=3, flags={"of_tomorrow": False, "shared": False})
    assert change.over(Switches(flags={"fragments": False})).flags == {"fragments": False, "shared": False}
    assert read(msgspec.json.encode({"version": 4, "of_tomorrow": 1})) == Change(version=4)


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b'{"version": "x"}', b"\xff", b"[" * 100_000])
def test_unreadable(raw: bytes) -> None:
    """What is no change is none."""
    assert read(raw) is None
