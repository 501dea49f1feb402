"""Two levels: what one worker rendered the others get from Redis, and what Redis does or fails to do harms nobody."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import pytest

from cms_cache_mw import Cache, CacheMiddleware
from cms_cache_mw.stores.guard import TIMEOUT
from tests.support.asgi import HTML, Page, Pages, Reply, Visitor, caching, fields

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from starlette.types import Receive, Scope, Send

    from tests.support.server import Server

SLACK = 0.08
"""Seconds that the machine may take beside the waits that are measured."""

troubled = pytest.mark.logs(
    "lease lost", "the shared store is not asked", "starting cold", "is not the one this worker knew"
)


@pytest.fixture
def pages() -> Pages:
    """The application of all workers."""
    return Pages()


@pytest.fixture
async def open_worker(pages: Pages, namespace: str) -> AsyncIterator[Callable[..., Awaitable[CacheMiddleware]]]:
    """Opens workers that hold a lease, one after the other, and closes them in the end."""
    async with AsyncExitStack() as stack:

        async def open_(url: str, app: Pages = pages, **options: Any) -> CacheMiddleware:  # noqa: ANN401 - options of any type
            given: dict[str, Any] = {"namespace": namespace, "lease_seconds": 1.0} | options
            site = await stack.enter_async_context(caching(app, redis_url=url, **given))
            site.cache.start()
            await until(lambda: site.cache.sure, "the first lease")
            return site

        yield open_


@pytest.fixture
async def visitors(
    patience: None, open_worker: Callable[..., Awaitable[CacheMiddleware]], redis_url: str
) -> list[Visitor]:
    """A visitor at each of two workers."""
    return [Visitor(await open_worker(redis_url)) for _ in range(2)]


async def until(condition: Callable[[], object], what: str, seconds: float = 10.0) -> None:
    """Let others run until `condition` holds; fail with `what` was expected if it does not within `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        await asyncio.sleep(0.005)


def names(server: Server, pattern: str) -> list[str]:
    """The names in Redis that match a pattern."""
    found: Any = server.client().keys(pattern)
    return sorted(name.decode() for name in found)


def stored(server: Server, namespace: str) -> list[str]:
    """The names of all pages in Redis."""
    return names(server, f"{namespace}:rendered:*")


def cache_of(visitor: Visitor) -> Cache:
    """The cache of the worker that a visitor asks."""
    assert isinstance(visitor.app, CacheMiddleware)
    return visitor.app.cache


def breaker_open(site: CacheMiddleware) -> bool:
    """Whether a worker leaves Redis alone."""
    stats: Any = site.cache.stats()
    found: bool = stats["redis"]["breaker_open"]
    return found


async def wait_for_pages(server: Server, namespace: str, count: int) -> list[str]:
    """The names of all pages in Redis as soon as there are so many: they are written without anybody waiting."""
    await until(lambda: len(stored(server, namespace)) >= count, f"{count} pages in Redis")
    return stored(server, namespace)


async def test_other_workers_get_it_from_redis(
    visitors: list[Visitor], pages: Pages, redis_server: Server, namespace: str
) -> None:
    """A page is rendered by one worker; the next takes it from Redis, and from its own memory after that."""
    one, other = visitors
    assert (await one.get("/a?b=1")).cache_status == "fwd=uri-miss; stored"
    (name,) = await wait_for_pages(redis_server, namespace, 1)
    assert name.startswith(f"{namespace}:rendered:example.org:")
    shared = await other.get("/a?b=1")
    assert (shared.body, shared.level) == (b"render 1", "shared")
    assert shared.cache_status == "hit; ttl=299; detail=shared"
    memory = await other.get("/a?b=1")
    assert (memory.body, memory.level) == (b"render 1", "memory")
    assert {shared.field(name) for name in ("etag", "content-length")} == {
        memory.field(name) for name in ("etag", "content-length")
    }
    assert pages.renders["/a"] == 1


async def test_lives_as_long_as_it_can_be_of_use(
    visitors: list[Visitor], pages: Pages, redis_server: Server, namespace: str
) -> None:
    """A value goes by itself when its freshness and its grace are over, a little earlier or later than others."""
    pages.pages["/a"] = Page(lines=(HTML, "Cache-Control: max-age=100, stale-if-error=900"))
    await visitors[0].get("/a")
    (name,) = await wait_for_pages(redis_server, namespace, 1)
    assert 890 <= redis_server.client().ttl(name) <= 1_100


async def test_namespaces_are_apart(
    open_worker: Callable[..., Awaitable[CacheMiddleware]], redis_url: str, redis_server: Server, namespace: str
) -> None:
    """Caches of another namespace share neither pages nor purges."""
    one = Visitor(await open_worker(redis_url))
    other = Visitor(await open_worker(redis_url, namespace=f"{namespace}x"))
    await one.get("/a")
    await wait_for_pages(redis_server, namespace, 1)
    assert (await other.get("/a")).level is None


async def test_variants_through_redis(
    visitors: list[Visitor], pages: Pages, redis_server: Server, namespace: str
) -> None:
    """A worker that knows nothing of a page finds the variant that its visitor wants, and no other."""

    async def render(scope: Scope, receive: Receive, send: Send) -> None:
        language = dict(scope["headers"]).get(b"accept-language", b"none")
        await send({"type": "http.response.start", "status": 200, "headers": fields(HTML, "Vary: Accept-Language")})
        await send({"type": "http.response.body", "body": language})

    pages.pages["/a"] = Page(render=render)
    one, other = visitors
    await one.get("/a", "Accept-Language: de")
    await one.get("/a", "Accept-Language: fr")
    await wait_for_pages(redis_server, namespace, 3)
    for language in ("fr", "de"):
        reply = await other.get("/a", f"Accept-Language: {language}")
        assert (reply.body, reply.level) == (language.encode(), "shared")
    missing = await other.get("/a")
    assert (missing.body, missing.cache_status) == (b"none", "fwd=vary-miss; stored")
    assert pages.renders["/a"] == 3


async def test_page_that_no_longer_varies(
    visitors: list[Visitor], pages: Pages, redis_server: Server, namespace: str
) -> None:
    """What the latest answer varies by counts, on every worker."""
    one, other = visitors
    pages.pages["/a"] = Page(lines=(HTML, "Vary: Accept-Language", "Cache-Tag: a"))
    await one.get("/a", "Accept-Language: de")
    await wait_for_pages(redis_server, namespace, 2)
    assert (await other.get("/a", "Accept-Language: de")).level == "shared"
    await cache_of(one).purge(tags=["a"])
    pages.pages["/a"] = Page()
    assert (await one.get("/a", "Accept-Language: de")).body == b"render 2"
    await until(lambda: cache_of(one).stats()["flights"] == 0, "the write")
    await asyncio.sleep(0.05)
    reply = await other.get("/a", "Accept-Language: fr")
    assert (reply.body, reply.level) == (b"render 2", "shared")


async def test_age_goes_along(visitors: list[Visitor], pages: Pages, redis_server: Server, namespace: str) -> None:
    """A page has the same age on every worker."""
    pages.pages["/a"] = Page(lines=(HTML, "Cache-Control: max-age=60", "Age: 20"))
    await visitors[0].get("/a")
    await wait_for_pages(redis_server, namespace, 1)
    reply = await visitors[1].get("/a")
    assert reply.level == "shared"
    assert reply.field("age") in {"20", "21"}


async def test_parts_of_what_is_in_redis(
    visitors: list[Visitor], pages: Pages, redis_server: Server, namespace: str
) -> None:
    """HEAD, a range and a condition are answered from what another worker rendered."""
    pages.pages["/a"] = Page(lines=(HTML, 'ETag: "v1"'))
    await visitors[0].get("/a")
    await wait_for_pages(redis_server, namespace, 1)
    head = await visitors[1].ask("/a", method="HEAD")
    assert (head.status, head.body, head.level) == (200, b"", "shared")
    assert (await visitors[1].get("/a", "Range: bytes=0-2")).body == b"ren"
    assert (await visitors[1].get("/a", 'If-None-Match: "v1"')).status == 304
    assert pages.renders["/a"] == 1


async def test_one_render_for_all_workers(visitors: list[Visitor], pages: Pages) -> None:
    """Two workers that are asked for the same cold page render it once between them."""
    gate = asyncio.Event()
    pages.pages["/a"] = Page(gate=gate)
    calls = [visitor.call("/a") for visitor in visitors for _ in range(10)]
    await until(lambda: pages.running["/a"], "the render")
    await asyncio.sleep(0.05)
    gate.set()
    async with asyncio.timeout(10):
        await asyncio.gather(*(call.task for call in calls))
    assert {call.reply.body for call in calls} == {b"render 1"}
    assert pages.renders["/a"] == 1


async def test_large_bodies_live_in_redis(
    open_worker: Callable[..., Awaitable[CacheMiddleware]],
    pages: Pages,
    redis_url: str,
    redis_server: Server,
    namespace: str,
) -> None:
    """A body beyond `memory_body_bytes` takes no memory and is answered from Redis each time, by every worker."""
    sites = [await open_worker(redis_url, memory_body_bytes=1_000) for _ in range(2)]
    pages.pages["/large"] = Page(body=b"x" * 1_001)
    pages.pages["/small"] = Page(body=b"x" * 1_000)
    visitors = [Visitor(site) for site in sites]
    for path in ("/large", "/small"):
        await visitors[0].get(path)
    await wait_for_pages(redis_server, namespace, 2)
    for visitor in (*visitors, *visitors):
        assert (await visitor.get("/large")).level == "shared"
    assert (await visitors[0].get("/small")).level == "memory"
    stats: Any = sites[1].cache.stats()
    assert stats["memory"]["namespaces"]["rendered"]["entries"] == 0


async def test_page_that_has_grown(
    open_worker: Callable[..., Awaitable[CacheMiddleware]], pages: Pages, redis_url: str
) -> None:
    """A page that has become too large for memory leaves no older one behind there."""
    site = await open_worker(redis_url, memory_body_bytes=1_000)
    visitor = Visitor(site)
    lines = (HTML, "Cache-Control: max-age=0, s-maxage=1, stale-while-revalidate=60")
    pages.pages["/a"] = Page(body=b"small", lines=(HTML, "Cache-Control: max-age=1, stale-while-revalidate=60"))
    await visitor.get("/a")
    pages.pages["/a"] = Page(body=b"x" * 1_001, lines=lines)
    await asyncio.sleep(1.05)
    assert (await visitor.get("/a")).body == b"small"
    await until(lambda: pages.renders["/a"] == 2 and not pages.running["/a"], "the refresh")
    await asyncio.sleep(0.05)
    assert (await visitor.get("/a")).body == b"x" * 1_001


async def test_large_bodies_without_redis(pages: Pages) -> None:
    """Without Redis there is no other place: what is said to be stored is stored."""
    pages.pages["/large"] = Page(body=b"x" * 300_000)
    async with caching(pages, memory_body_bytes=1_000) as site:
        visitor = Visitor(site)
        assert (await visitor.get("/large")).cache_status == "fwd=uri-miss; stored"
        assert (await visitor.get("/large")).level == "memory"


# What Redis holds may be anything.


def _flip(value: bytes) -> bytes:
    return value[:-1] + bytes([value[-1] ^ 1])


BROKEN: list[Any] = [
    pytest.param(_flip, id="a flipped bit"),
    pytest.param(lambda value: value[: len(value) // 2], id="cut"),
    pytest.param(lambda _: b"", id="empty"),
    pytest.param(lambda _: b"<p>something else</p>", id="foreign"),
    pytest.param(lambda value: value[:8] + b"\xc5\x02" + value[10:], id="of another version"),
]


@pytest.mark.parametrize("broken", BROKEN)
async def test_unreadable_values(
    visitors: list[Visitor], pages: Pages, redis_server: Server, namespace: str, broken: Callable[[bytes], bytes]
) -> None:
    """A value that is not what was written is a miss and counted; the new render replaces it."""
    await visitors[0].get("/a")
    (name,) = await wait_for_pages(redis_server, namespace, 1)
    client = redis_server.client()
    value = client.get(name)
    assert isinstance(value, bytes)
    client.set(name, broken(value))
    reply = await visitors[1].get("/a")
    assert (reply.status, reply.body, reply.cache_status) == (200, b"render 2", "fwd=miss; stored; detail=unreadable")
    stats: Any = cache_of(visitors[1]).stats()
    assert stats["redis"]["unreadable"] >= 1  # a slow machine looks twice
    await until(lambda: client.get(name) not in {value, broken(value)}, "the new value")


async def test_value_under_a_wrong_name(visitors: list[Visitor], redis_server: Server, namespace: str) -> None:
    """A page that was copied under another page's name is a miss: nobody gets a wrong page."""
    await visitors[0].get("/a")
    (first,) = await wait_for_pages(redis_server, namespace, 1)
    await visitors[0].get("/b")
    names = await wait_for_pages(redis_server, namespace, 2)
    client = redis_server.client()
    second = next(name for name in names if name != first)
    client.copy(first, second, replace=True)
    assert (await visitors[1].get("/b")).level is None


async def test_value_of_another_type(
    visitors: list[Visitor], pages: Pages, redis_server: Server, namespace: str
) -> None:
    """A list where a page should be is a miss."""
    await visitors[0].get("/a")
    (name,) = await wait_for_pages(redis_server, namespace, 1)
    client = redis_server.client()
    client.delete(name)
    client.rpush(name, "x")
    reply = await visitors[1].get("/a")
    assert (reply.status, reply.body) == (200, b"render 2")


async def test_secrets(
    open_worker: Callable[..., Awaitable[CacheMiddleware]],
    pages: Pages,
    redis_url: str,
    redis_server: Server,
    namespace: str,
) -> None:
    """Workers read what was written with their own secret, and nothing else."""
    secrets = ["first-secret-of-these", "first-secret-of-these", "other-secret-of-these", None]
    sites = [await open_worker(redis_url, redis_secret=secret) for secret in secrets]
    await Visitor(sites[0]).get("/a")
    await wait_for_pages(redis_server, namespace, 1)
    assert (await Visitor(sites[1]).get("/a")).level == "shared"
    assert (await Visitor(sites[3]).get("/a")).level is None
    await asyncio.sleep(0.05)
    assert (await Visitor(sites[2]).get("/a")).level is None
    assert "secret" not in "".join(names(redis_server, "*"))


# Redis in trouble.


async def timed(visitor: Visitor, path: str) -> tuple[Reply, float]:
    """A reply and the seconds that it took."""
    began = time.perf_counter()
    reply = await visitor.get(path)
    return reply, time.perf_counter() - began


async def shortest(visitor: Visitor, path: str) -> float:
    """The least seconds that one of three pages takes: what is waited for, however busy the machine is."""
    waits = []
    for number in range(3):
        reply, took = await timed(visitor, f"/{path}/{number}")
        assert (reply.status, reply.body) == (200, b"render 1")
        waits.append(took)
    return min(waits)


@troubled
async def test_refused(pages: Pages) -> None:
    """With Redis refused from the start every request is answered, and none waits."""
    async with caching(pages, redis_url="redis://127.0.0.1:1/0") as site:
        visitor = Visitor(site)
        await visitor.get("/first")
        assert await shortest(visitor, "refused") < TIMEOUT / 2


@troubled
@pytest.mark.deadline
async def test_hung(open_worker: Callable[..., Awaitable[CacheMiddleware]], pages: Pages, own_server: Server) -> None:
    """With Redis mute memory goes on until the lease ends; other pages wait the deadline once and are rendered; then all are."""
    site = await open_worker(own_server.url, lease_seconds=1.5)
    visitor = Visitor(site)
    await visitor.get("/warm")
    own_server.pause()
    assert await shortest(visitor, "mute") < TIMEOUT + SLACK
    assert (await visitor.get("/warm")).level == "memory"
    assert await shortest(visitor, "open") < TIMEOUT / 2, "the breaker is open: nobody waits any more"
    await until(lambda: not site.cache.sure, "the end of the lease")
    assert (await visitor.get("/warm")).cache_status == "fwd=bypass; stored; detail=unsure"
    assert await shortest(visitor, "unsure") < TIMEOUT / 2
    own_server.resume()
    await until(lambda: site.cache.sure, "a new lease")
    await until(lambda: not breaker_open(site), "the follower's probe")
    assert (await visitor.get("/warm")).level == "memory"


@troubled
@pytest.mark.deadline
async def test_deadline_is_for_the_whole_request(
    open_worker: Callable[..., Awaitable[CacheMiddleware]], own_server: Server
) -> None:
    """However many questions a request has for Redis, it waits a tenth of a second for all of them together."""
    took = []
    for number in range(3):
        site = await open_worker(own_server.url)
        visitor = Visitor(site)
        own_server.pause()
        reply, seconds = await timed(visitor, f"/{number}")
        own_server.resume()
        assert reply.status == 200
        took.append(seconds)
    assert min(took) < TIMEOUT + SLACK


@troubled
async def test_killed_under_requests(
    open_worker: Callable[..., Awaitable[CacheMiddleware]], pages: Pages, own_server: Server
) -> None:
    """Redis that dies while requests wait for it, and comes back empty, costs nobody an answer; then caching resumes."""
    site = await open_worker(own_server.url)
    visitor = Visitor(site)
    await visitor.get("/warm")
    own_server.pause()
    calls = [visitor.call(f"/{number}") for number in range(20)]
    await asyncio.sleep(0.02)
    own_server.kill()
    async with asyncio.timeout(30):
        await asyncio.gather(*(call.task for call in calls))
    assert {call.reply.body for call in calls} == {b"render 1"}
    for _ in range(5):
        assert (await visitor.get("/during")).status == 200
    own_server.restart_empty()
    await until(
        lambda: site.cache.sure and _renewed(site, own_server),
        "a lease of the new epoch",
    )
    await until(lambda: not breaker_open(site), "the follower's probe")
    assert (await visitor.get("/after")).level is None
    assert (await visitor.get("/after")).level == "memory"


def _renewed(site: CacheMiddleware, server: Server) -> bool:
    """Whether the worker is in the epoch that Redis has."""
    epoch = server.client().hget(f"{{{site.cache.config.namespace}}}:clock:meta", "epoch")
    stats: Any = site.cache.stats()
    return isinstance(epoch, bytes) and epoch.decode() == stats["clock"]["epoch"]


async def test_full(
    open_worker: Callable[..., Awaitable[CacheMiddleware]], pages: Pages, own_server: Server, namespace: str
) -> None:
    """Redis that has no memory left stores nothing more; pages in it are still served from it, and so is memory."""
    one, other = [Visitor(await open_worker(own_server.url, lease_seconds=30.0)) for _ in range(2)]
    await one.get("/before")
    await wait_for_pages(own_server, namespace, 1)
    own_server.client().config_set("maxmemory", "1")
    for number in range(5):
        assert (await one.get(f"/{number}")).status == 200
    await asyncio.sleep(0.05)
    assert len(stored(own_server, namespace)) == 1
    assert (await one.get("/0")).level == "memory"
    assert (await other.get("/before")).level == "shared"
    stats: Any = cache_of(one).stats()
    assert not stats["redis"]["breaker_open"]


@troubled
@pytest.mark.deadline
async def test_breaker_opens_and_is_closed_by_the_follower(
    open_worker: Callable[..., Awaitable[CacheMiddleware]], own_server: Server
) -> None:
    """Three failures open the breaker; visitors are never the probe, the follower is, and then Redis is asked again."""
    site = await open_worker(own_server.url, lease_seconds=5.0)
    visitor = Visitor(site)
    own_server.pause()
    for number in range(3):
        await visitor.get(f"/{number}")
    assert breaker_open(site)
    own_server.resume()
    await until(lambda: not breaker_open(site), "the follower's probe")
    other = Visitor(await open_worker(own_server.url))
    await visitor.get("/again")
    await wait_for_pages(own_server, site.cache.config.namespace, 1)
    assert (await other.get("/again")).level == "shared"
