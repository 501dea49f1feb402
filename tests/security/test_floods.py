"""Floods: what visitors make up pushes nothing useful out, and neither memory nor metrics nor Redis grow by it; nobody holds the others up."""

from __future__ import annotations

import gc
import json
import random
import socket
import tracemalloc
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final

import pytest

from cms_cache_mw import CacheMiddleware
from cms_cache_mw.allowance import Allowance, Bucket
from cms_cache_mw.core import tags
from cms_cache_mw.tally import Tally
from tests.security.server import on_a_thread
from tests.security.wire import exchange
from tests.support.asgi import HTML, Page, Pages, Visitor, caching

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import Receive, Scope, Send

    from tests.support.clock import Clock
    from tests.support.server import Server

KIB: Final = 1_024


def large(number: int) -> str:
    """A text of 32 KiB like no other."""
    return random.Random(number).randbytes(16 * KIB).hex()


INPUTS: Final[dict[str, Any]] = {
    "queries of pages": lambda n: (f"/page?q={large(n)}", []),
    "queries of errors": lambda n: (f"/error?q={large(n)}", []),
    "paths": lambda n: (f"/{large(n)}", []),
    "cookies": lambda n: ("/page", [f"Cookie: {large(n)}=1"]),
    "keyed cookies": lambda n: ("/page", [f"Cookie: currency={large(n)}"]),
    "languages": lambda n: ("/varied", [f"Accept-Language: {large(n)}"]),
    "forwarding fields": lambda n: ("/page", [f"X-Forwarded-Host: {large(n)}"]),
    "codings": lambda n: ("/page", [f"Accept-Encoding: {large(n)}"]),
    "unreadable tags": lambda n: (f"/tagged/{large(n)}", []),
    "hosts": lambda n: ("/page", [f"Host: {n}.{large(n)[:200]}"]),
}


class Origin(Pages):
    """Pages, among them errors, one that varies by language, and ones with tags that cannot be read."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer by the first part of the path."""
        path = scope.get("path", "")
        kind = "/tagged" if path.startswith("/tagged/") else path
        page = {
            "/error": Page(status=404),
            "/varied": Page(lines=(HTML, "Vary: Accept-Language")),
            "/tagged": Page(lines=(HTML, "Cache-Tag: caf\xe9")),
        }.get(kind, Page(b"x" * 100))
        if scope["type"] == "http":
            await self._answer(page, scope, receive, send)


async def grown(kind: str, patch: pytest.MonkeyPatch, times: int = 64) -> int:
    """Bytes by which the process grew under a flood of one kind of input, 32 KiB each; what a first few cost is not counted."""
    patch.setattr("cms_cache_mw.stores.expiry._SPARE", 4)
    async with caching(
        Origin(), max_memory_mb=1, max_body_bytes=100_000, memory_body_bytes=100_000, keyed_cookies=("currency",)
    ) as site:

        async def flood(numbers: range) -> None:
            for number in numbers:
                target, lines = INPUTS[kind](number)
                await Visitor(site, host=None if kind == "hosts" else "example.org").get(target, *lines)

        await flood(range(10))
        gc.collect()
        tracemalloc.start()
        try:
            await flood(range(10, 10 + times))
            gc.collect()
            size = tracemalloc.get_traced_memory()[0]
        finally:
            tracemalloc.stop()
        stats: Any = site.cache.stats()
        assert stats["memory"]["bytes"] <= stats["memory"]["max_bytes"]
        return size


@pytest.mark.parametrize("kind", INPUTS)
@pytest.mark.logs("is served but not stored")
async def test_memory_does_not_grow(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 64 inputs of 32 KiB no more stays than one MiB of entries, and the names of some that have gone."""
    assert await grown(kind, monkeypatch) < 1.5 * KIB * KIB


GROWING: Final[dict[str, Callable[[pytest.MonkeyPatch], None]]] = {
    "cookies": lambda patch: patch.setattr("cms_cache_mw.tally.LONGEST_NAME", 10**6),
    "queries of errors": lambda patch: patch.setattr(
        Tally, "note_uncacheable", lambda tally, key, now: tally._uncacheable.update({key: now})
    ),
    "paths": lambda patch: patch.setattr(tags, "_print", tags._known),
    "unreadable tags": lambda patch: patch.setattr("cms_cache_mw.tally.LONGEST_ROUTE", 10**6),
}
"""Kinds of input, and how memory grew by them where nobody thought of it."""


@pytest.mark.logs("is served but not stored")
async def test_statistics_do_not_grow() -> None:
    """What `stats` says is short however long the names of cookies are, and counts those that it has no room for together."""
    async with caching(Origin()) as site:
        for number in range(1_100):
            await Visitor(site).get("/page", f"Cookie: n{number}{'x' * KIB}=1")
        assert len(json.dumps(site.cache.stats())) < 8 * KIB
        assert len(site.cache.parts.tally.cookies) == 1_001
        assert site.cache.parts.tally.cookies["(others)"] == 100


@pytest.mark.parametrize("kind", GROWING)
@pytest.mark.logs("is served but not stored")
async def test_growth_is_found(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The measurement sees a place that keeps what visitors send."""
    GROWING[kind](monkeypatch)
    try:
        assert await grown(kind, monkeypatch) > 1.7 * KIB * KIB
    finally:
        tags._known.cache_clear()


@pytest.mark.parametrize("kind", ["keyed cookies", "languages", "forwarding fields"])
async def test_one_url_has_at_most_32_versions(kind: str, clock: Clock) -> None:
    """However many values visitors think of, one URL takes no more than 32 places, and the one that is used keeps its own."""
    async with caching(Origin(), clock, keyed_cookies=("currency",)) as site:
        visitor = Visitor(site)
        used = {
            "keyed cookies": "Cookie: currency=EUR",
            "languages": "Accept-Language: de",
            "forwarding fields": "X-Host: a",
        }[kind]
        path = INPUTS[kind](0)[0]
        for _ in range(2):
            await visitor.get(path, used)
        for number in range(80):
            target, lines = INPUTS[kind](number)
            await visitor.get(target, *lines)
        assert site.cache.parts.memories["rendered"].items <= 33
        assert (await visitor.get(path, used)).level == "memory"


@pytest.mark.parametrize("kind", ["queries of pages", "hosts"])
async def test_pages_in_use_stay(kind: str) -> None:
    """Pages that people use are hits after a flood of eight times what memory holds."""
    async with caching(Origin(), max_items_per_type=50, stale_if_error=0) as site:
        people = Visitor(site)
        useful = [f"/useful/{number}" for number in range(20)]
        for number in range(400):
            target, lines = f"/page?q={number}", []
            if kind == "hosts":
                target, lines = "/page", [f"Host: h{number}.test"]
            await Visitor(site, host=None if kind == "hosts" else "example.org").get(target, *lines)
            await people.get(useful[number % 20])
        assert [(await people.get(path)).level for path in useful] == ["memory"] * 20


async def flooded(server: Server, namespace: str, monkeypatch: pytest.MonkeyPatch, bucket: int) -> tuple[int, Any]:
    """Names in Redis after 40 random queries, languages and hosts each, with a bucket of that size, and the statistics."""
    monkeypatch.setattr("cms_cache_mw.allowance.SHARED_AT_ONCE", bucket)
    monkeypatch.setattr("cms_cache_mw.allowance.HOSTS", 1)
    monkeypatch.setattr("cms_cache_mw.allowance.SHARED_A_SECOND", 0.1)
    async with caching(Origin(), redis_url=server.url, namespace=namespace) as site:
        await Visitor(site).get("/plain")
        for number in range(40):
            await Visitor(site).get(f"/page?q={number}")
            await Visitor(site).get("/varied", f"Accept-Language: x{number}")
            await Visitor(site, host=f"h{number}.test").get("/page")
        await Visitor(site).get("/plain/too")
        await site.cache.runtime.finish()
        names = list(server.client().keys(f"{namespace}:rendered:*"))
        return len(names), site.cache.stats()


async def test_redis_does_not_grow(redis_server: Server, namespace: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 120 pages that differ by what visitors made up Redis gets a few; the pages themselves are shared all the same."""
    found, stats = await flooded(redis_server, namespace, monkeypatch, 20)
    # Two plain pages, twenty at once and what the seconds bring, and a signpost beside each language.
    assert 22 <= found < 60
    assert stats["redis"]["withheld"] > 50


async def test_growth_of_redis_is_found(redis_server: Server, namespace: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an allowance all of them are there."""
    monkeypatch.setattr(Allowance, "admits", lambda *_: True)
    found, _ = await flooded(redis_server, namespace, monkeypatch, 20)
    assert found >= 120


def test_bucket() -> None:
    """So much at once, then so much a second, and never more at once than at first."""
    bucket = Bucket(2, 0.5)
    assert [bucket.take(0.0) for _ in range(3)] == [True, True, False]
    assert [bucket.take(at) for at in (1.0, 2.0, 2.0, 4.0)] == [False, True, False, True]
    assert [bucket.take(100.0) for _ in range(3)] == [True, True, False]


def test_plain_pages_of_known_hosts_are_always_shared() -> None:
    """What no visitor made up takes nothing from the bucket; with configured sites any host is known."""
    allowance, known = Allowance(known=False), Allowance(known=True)
    for number in range(2_000):
        assert allowance.admits((b"https", b"a", b"/%d" % number, b""), (), 0.0)
        assert allowance.admits((b"https", b"a", b"/%d" % number, b"", b"decoded"), (), 0.0)
        assert known.admits((b"https", b"h%d" % number, b"/", b""), (), 0.0)
    admitted = [allowance.admits((b"https", b"a", b"/", b"q=%d" % number), (), 0.0) for number in range(2_000)]
    assert sum(admitted) == 1_000
    assert allowance.withheld == 1_000


async def posted(server: Server, namespace: str) -> int:
    """Purges that the clock remembers after 120 visitors' posts, each to another URL, which is outdated at once."""
    async with caching(Origin(), redis_url=server.url, namespace=namespace) as site:
        visitor = Visitor(site)
        await visitor.get("/kept")
        for number in range(120):
            if number % 30 == 29:
                await visitor.get(f"/form/{number}")
            await visitor.ask(f"/form/{number}", method="POST", body=b"x")
            if number % 30 == 29:
                assert (await visitor.get(f"/form/{number}")).level is None
        assert (await site.cache.purge(tags=["a"])).state == "done"
        assert (await visitor.get("/kept")).level == "memory"
        return len(site.cache.worker.clock.state.hard)


async def test_posts_starve_no_follower(redis_server: Server, namespace: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """While visitors post to one URL after another the clock remembers few of them, and a purge is done as ever."""
    monkeypatch.setattr("cms_cache_mw.outdated.OUTDATED_AT_ONCE", 30)
    monkeypatch.setattr("cms_cache_mw.outdated.OUTDATED_A_SECOND", 0.5)
    assert await posted(redis_server, namespace) < 100


async def test_flood_of_posts_is_found(redis_server: Server, namespace: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where each is recorded at once the clock is full of them."""
    monkeypatch.setattr("cms_cache_mw.outdated.OUTDATED_A_SECOND", 10**6)
    assert await posted(redis_server, namespace) >= 100


# Nobody holds the others up.


async def chunks(scope: Scope, receive: Receive, send: Send) -> None:
    """A page of 1.6 MB in small chunks."""
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/html")]})
        for _ in range(400):
            await send({"type": "http.response.body", "body": b"x" * 4_096, "more_body": True})
        await send({"type": "http.response.body", "body": b"end"})


REQUEST: Final = b"GET /large HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n"


def answered_behind_slow_readers(monkeypatch: pytest.MonkeyPatch, seconds: float) -> bool:
    """Whether somebody gets a page within `seconds` that twelve others have asked for and do not read."""
    for module in ("flight", "merging", "asgi"):
        monkeypatch.setattr(f"cms_cache_mw.{module}.PATIENCE", 0.2)
    monkeypatch.setattr("tests.security.wire.PATIENCE", seconds)
    with on_a_thread(CacheMiddleware(chunks), send_buffer=4_096) as port, ExitStack() as readers:
        for _ in range(12):
            reader = readers.enter_context(socket.socket())
            reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            reader.connect(("127.0.0.1", port))
            reader.sendall(REQUEST)
        try:
            return exchange(port, REQUEST).body.endswith(b"end")
        except TimeoutError:
            return False


def test_slow_readers_hold_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Visitors who ask for a page and do not read it delay the others by the waiting limit and no more."""
    assert answered_behind_slow_readers(monkeypatch, 20.0)


def test_slow_readers_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a render keeps its turn for as long as its visitor reads, nobody else gets one."""
    monkeypatch.setattr("cms_cache_mw.asgi._Response._sent_in_time", lambda response, message: response._send(message))
    assert not answered_behind_slow_readers(monkeypatch, 2.0)
