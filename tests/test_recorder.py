"""What becomes of an answer on its way: forwarded at once, kept only if it is whole, small enough and can be purged."""

from __future__ import annotations

import asyncio
import gzip
import time
import zlib
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.asgi import HTML, Page, Pages, Visitor, caching

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from cms_cache_mw import CacheMiddleware
    from tests.support.clock import Clock

MISS = "fwd=uri-miss; stored"


@pytest.fixture
def pages() -> Pages:
    """An application whose pages the test writes."""
    return Pages()


@pytest.fixture
async def site(pages: Pages, clock: Clock) -> AsyncIterator[CacheMiddleware]:
    """The application behind a cache in memory alone."""
    async with caching(pages, clock, max_body_bytes=100_000) as site:
        yield site


@pytest.fixture
def visitor(site: CacheMiddleware) -> Visitor:
    """Somebody without cookies."""
    return Visitor(site)


def entries(site: CacheMiddleware) -> int:
    """How many pages are in memory."""
    stats: Any = site.cache.stats()
    found: int = stats["memory"]["namespaces"]["rendered"]["entries"]
    return found


CHUNKS = [b"chunk %d of the body\n" % number for number in range(10)]


@pytest.mark.parametrize("coding", ["identity", "gzip"])
async def test_chunks_are_forwarded_at_once(visitor: Visitor, pages: Pages, coding: str) -> None:
    """Each chunk reaches the visitor before the next one exists, readable as it comes, also where it is encoded."""
    gate = asyncio.Event()
    pages.pages["/a"] = Page(body=CHUNKS, chunk_gate=gate)
    call = visitor.call("/a", f"Accept-Encoding: {coding}")
    reply = await call.until(lambda reply: reply.chunks)
    assert len(reply.chunks) == 1
    readable = reply.chunks[0] if coding == "identity" else zlib.decompressobj(31).decompress(reply.chunks[0])
    assert readable == CHUNKS[0]
    assert not reply.ended
    gate.set()
    await call.task
    assert len(reply.chunks) == 10
    assert (gzip.decompress(reply.body) if coding == "gzip" else reply.body) == b"".join(CHUNKS)


async def test_kept_before_the_last_byte_leaves(visitor: Visitor, pages: Pages) -> None:
    """Whoever asks when the last chunk arrives is answered from memory, while the first request has not returned yet."""
    pages.pages["/a"] = Page(body=CHUNKS)
    call = visitor.call("/a")
    reply = await call.until(lambda reply: reply.ended)
    hit = await visitor.get("/a")
    assert (hit.body, hit.level) == (reply.body, "memory")
    await call.task


async def test_not_kept_before_the_last_byte(visitor: Visitor, pages: Pages) -> None:
    """While a body is under way nobody gets the half of it."""
    gate = asyncio.Event()
    pages.pages["/a"] = Page(body=CHUNKS, chunk_gate=gate)
    call = visitor.call("/a")
    await call.until(lambda reply: reply.chunks)
    other = visitor.call("/a")
    await asyncio.sleep(0.01)
    assert not other.reply.status
    gate.set()
    await asyncio.gather(call.task, other.task)
    assert other.reply.body == b"".join(CHUNKS)
    assert pages.renders["/a"] == 1


@pytest.mark.parametrize("body", [b"", [b"", b""], [b"a", b""], [b"", b"a", b"", b"b", b""]])
async def test_empty_chunks(visitor: Visitor, pages: Pages, body: bytes | Sequence[bytes]) -> None:
    """Empty chunks, of which some frameworks send one at the end, make no difference."""
    pages.pages["/a"] = Page(body=body)
    miss = await visitor.get("/a")
    hit = await visitor.get("/a")
    assert miss.body == hit.body == (body if isinstance(body, bytes) else b"".join(body))
    assert (miss.cache_status, hit.level) == (MISS, "memory")


async def test_many_small_chunks(visitor: Visitor, pages: Pages) -> None:
    """A body in very many chunks takes the time of its bytes, not of their square."""
    pages.pages["/a"] = Page(body=[b"12345"] * 20_000)
    began = time.process_time()
    await visitor.get("/a")
    assert time.process_time() - began < 5
    assert (await visitor.get("/a")).level == "memory"


@pytest.mark.parametrize(
    ("length", "kept"),
    [("5", True), (" 5 ", True), ("4", False), ("6", False), ("x", False), ("", False), ("-5", False)],
)
async def test_content_length_is_met(visitor: Visitor, pages: Pages, length: str, kept: bool) -> None:
    """A body that is not as long as was said is passed on and not kept."""
    pages.pages["/a"] = Page(body=b"12345", lines=(HTML, f"Content-Length: {length}"))
    assert (await visitor.get("/a")).body == b"12345"
    assert ((await visitor.get("/a")).level == "memory") is kept


async def test_two_lengths(visitor: Visitor, pages: Pages) -> None:
    """Two lengths are none."""
    pages.pages["/a"] = Page(body=b"12345", lines=(HTML, "Content-Length: 5", "Content-Length: 5"))
    await visitor.get("/a")
    assert (await visitor.get("/a")).level is None


async def test_too_large(visitor: Visitor, pages: Pages, site: CacheMiddleware) -> None:
    """Up to `max_body_bytes` a body is kept, a byte more is not, whether its length was said or not."""
    for size, said, level in (
        (100_000, True, "memory"),
        (100_001, True, None),
        (100_000, False, "memory"),
        (100_001, False, None),
    ):
        lines = (HTML, f"Content-Length: {size}") if said else (HTML,)
        path = f"/{size}/{said}"
        pages.pages[path] = Page(body=[b"x" * 50_000, b"x" * (size - 50_000)], lines=lines)
        miss = await visitor.get(path)
        assert len(miss.body) == size
        assert (await visitor.get(path)).level == level
        if said and not level:
            assert miss.cache_status == "fwd=uri-miss; detail=too-large"
    assert entries(site) == 2
    stats: Any = site.cache.stats()
    assert stats["answers"]["too-large"] == 4


async def test_copies_take_a_quarter(pages: Pages) -> None:
    """Copies being collected take a quarter of the memory at most; what comes beyond it is relayed, and all is given back."""
    gate = asyncio.Event()
    for number in range(6):
        pages.pages[f"/{number}"] = Page(body=[b"x" * 100_000, b"y"], chunk_gate=gate)
    async with caching(pages, max_memory_mb=2, max_body_bytes=200_000) as site:
        visitor = Visitor(site)
        calls = [visitor.call(f"/{number}") for number in range(6)]
        for call in calls:
            await call.until(lambda reply: reply.chunks)
        stats: Any = site.cache.stats()
        assert stats["memory"]["collecting_bytes"] == 500_000 <= 2 * 1_048_576 / 4
        gate.set()
        await asyncio.gather(*(call.task for call in calls))
        stats = site.cache.stats()
        assert stats["memory"]["collecting_bytes"] == 0
        assert stats["answers"]["collecting"] == 1
        assert entries(site) == 5
        assert {len(call.reply.body) for call in calls} == {100_001}
        pages.pages["/5"] = Page(body=b"small")
        assert (await visitor.get("/5")).cache_status == MISS
        assert (await visitor.get("/5")).level == "memory"


async def test_copies_of_the_memory_make_less_room(pages: Pages) -> None:
    """What is being collected counts in the limit while it is."""
    async with caching(pages, max_memory_mb=2, max_body_bytes=500_000) as site:
        visitor = Visitor(site)
        for number in range(20):
            pages.pages[f"/{number}"] = Page(body=b"%03d" % number + b"x" * 90_000)
            await visitor.get(f"/{number}")
        full = entries(site)
        gate = asyncio.Event()
        pages.pages["/slow"] = Page(body=[b"x" * 400_000, b"y"], chunk_gate=gate)
        slow = visitor.call("/slow")
        await slow.until(lambda reply: reply.chunks)
        await visitor.get("/another")
        stats: Any = site.cache.stats()
        assert stats["memory"]["bytes"] + stats["memory"]["collecting_bytes"] <= stats["memory"]["max_bytes"]
        assert entries(site) < full
        gate.set()
        await slow.task


STREAMS = ["text/event-stream", "Text/Event-Stream; charset=utf-8"]


@pytest.mark.parametrize("kind", STREAMS)
async def test_event_streams_pass(visitor: Visitor, pages: Pages, kind: str) -> None:
    """Server-sent events pass through, event by event, unstored and unencoded, also if they claim to be cacheable."""
    gate = asyncio.Event()
    pages.pages["/events"] = Page(
        body=[b"data: 1\n\n", b"data: 2\n\n"],
        lines=(f"Content-Type: {kind}", "Cache-Control: max-age=60"),
        chunk_gate=gate,
    )
    call = visitor.call("/events", "Accept-Encoding: gzip")
    reply = await call.until(lambda reply: reply.chunks)
    assert reply.chunks == [b"data: 1\n\n"]
    assert reply.cache_status == "fwd=uri-miss; detail=stream"
    gate.set()
    await call.task
    assert (await visitor.get("/events")).level is None


REFUSED = {
    "private": ("Cache-Control: private",),
    "no-store": ("Cache-Control: max-age=60, no-store",),
    "no-cache": ("Cache-Control: no-cache",),
    "set-cookie": ("SET-COOKIE: a=b", "Cache-Control: public, max-age=60"),
    "vary-star": ("Vary: Accept, *",),
    "vary-user-agent": ("Vary: User-Agent",),
    "encoded": ("Content-Encoding: gzip",),
    "expires": ("Cache-Control: max-age=0",),
    "pragma": ("Pragma: no-cache",),
}


@pytest.mark.parametrize("detail", REFUSED)
async def test_refused(visitor: Visitor, pages: Pages, detail: str) -> None:
    """What a response forbids to store is passed on with the reason, its tags removed."""
    pages.pages["/a"] = Page(lines=(HTML, "Cache-Tag: a", "Surrogate-Key: b", "xkey: c", *REFUSED[detail]))
    for number in (1, 2):
        reply = await visitor.get("/a")
        assert (reply.body, reply.cache_status) == (b"render %d" % number, f"fwd=uri-miss; detail={detail}")
        assert {reply.field(name) for name in ("cache-tag", "surrogate-key", "xkey")} == {None}


TAGGED = (HTML, "Cache-Tag: a, b", "Surrogate-Key: c", "XKEY: d")


async def test_tags_never_leave(visitor: Visitor, pages: Pages, clock: Clock) -> None:
    """No answer of any kind shows the tags: miss, hit, bypass, HEAD, 304, part, error, redirect, stale, revalidated."""
    validator = 'ETag: "v1"'
    swr = "Cache-Control: max-age=10, stale-while-revalidate=10"
    pages.pages |= {
        "/a": Page(lines=(*TAGGED, validator, swr)),
        "/error": Page(status=500, lines=TAGGED),
        "/missing": Page(status=404, lines=TAGGED),
        "/login": Page(lines=(*TAGGED, "Set-Cookie: a=b")),
        "/moved": Page(status=301, lines=(*TAGGED, "Location: /a")),
        "/large": Page(body=[b"x" * 100_001], lines=TAGGED),
    }
    replies = [await visitor.get(path) for path in ("/a", "/a", "/error", "/missing", "/login", "/moved", "/large")]
    replies.append(await visitor.get("/a", "Cookie: sessionid=1"))
    replies.append(await visitor.get("/a", "Authorization: x"))
    replies.append(await visitor.get("/a", "Cookie: csrftoken=1"))
    replies.append(await visitor.get("/a", 'If-None-Match: "v1"'))
    replies.append(await visitor.get("/a", "Range: bytes=0-1"))
    replies.append(await visitor.get("/b", "Range: bytes=0-1"))
    replies += [await visitor.ask(path, method="HEAD") for path in ("/a", "/error")]
    replies += [await visitor.ask("/a", method=method) for method in ("POST", "OPTIONS")]
    await visitor.get("/a")
    clock.advance(15)
    replies.append(await visitor.get("/a"))
    await asyncio.sleep(0.01)
    clock.advance(50)
    pages.pages["/a"] = Page(status=304, body=b"", lines=(*TAGGED, validator, swr))
    replies.append(await visitor.get("/a"))
    clock.advance(50)
    pages.pages["/a"] = Page(status=503, lines=TAGGED)
    replies.append(await visitor.get("/a"))
    pages.pages["/a"] = Page(fails=RuntimeError("the application fails"))
    replies.append(await visitor.get("/a"))
    said = {reply.cache_status for reply in replies}
    assert {status for status in said if "stale" in status or "revalidated" in status} >= {
        "fwd=stale; fwd-status=304; stored; detail=revalidated",
        "fwd=stale; fwd-status=503; detail=stale-error",
        "fwd=stale; detail=stale-gone",
    }
    assert len({reply.status for reply in replies}) >= 6
    for reply in replies:
        assert {reply.field(name) for name in ("cache-tag", "surrogate-key", "xkey")} == {None}, reply


@pytest.mark.parametrize(
    "line",
    [
        "Cache-Tag: " + ",".join(f"block:{number}" for number in range(513)),
        "Surrogate-Key: " + "x" * 257,
        "Cache-Tag: a\x01b",
        "xkey: tür",
        "Cache-Tag: two words",
    ],
    ids=["513", "long", "control character", "not ASCII", "blank"],
)
@pytest.mark.logs("example.org/a is served but not stored: ")
async def test_tags_that_could_not_be_purged(
    visitor: Visitor, pages: Pages, line: str, caplog: pytest.LogCaptureFixture, site: CacheMiddleware
) -> None:
    """A page whose tags are unreadable is served and not stored, with one warning for its route and a counter."""
    pages.pages["/a"] = Page(lines=(HTML, "Cache-Control: max-age=60", line))
    for number in (1, 2, 3):
        reply = await visitor.get(f"/a?x={number}")
        assert (reply.status, reply.body) == (200, b"render %d" % number)
        assert reply.cache_status == "fwd=uri-miss; detail=tags"
        assert reply.field(line.partition(":")[0]) is None
    assert len(caplog.records) == 1
    assert entries(site) == 0
    stats: Any = site.cache.stats()
    assert stats["answers"]["tags"] == 3


async def test_most_tags_that_can_be(visitor: Visitor, pages: Pages, site: CacheMiddleware) -> None:
    """512 tags are stored, and each purges the page."""
    tags = [f"block:{number}" for number in range(512)]
    pages.pages["/a"] = Page(lines=(HTML, "Cache-Tag: " + ",".join(tags)))
    assert (await visitor.get("/a")).cache_status == MISS
    for number, tag in enumerate((tags[0], tags[511]), 2):
        assert (await visitor.get("/a")).level == "memory"
        await site.cache.purge(tags=[tag])
        assert (await visitor.get("/a")).body == b"render %d" % number


@pytest.mark.logs("is served but not stored")
async def test_confirmed_under_unreadable_tags(visitor: Visitor, pages: Pages, clock: Clock) -> None:
    """A page that is confirmed under tags that nothing could purge is served once more and let go of."""
    pages.pages["/a"] = Page(lines=(HTML, 'ETag: "v1"', "Cache-Control: max-age=10", "Cache-Tag: a"))
    await visitor.get("/a")
    clock.advance(20)
    pages.pages["/a"] = Page(status=304, body=b"", lines=('ETag: "v1"', "Cache-Control: max-age=10", "Cache-Tag: b c"))
    reply = await visitor.get("/a")
    assert (reply.status, reply.body) == (200, b"render 1")
    pages.pages["/a"] = Page()
    assert (await visitor.get("/a")).level is None


async def test_dated_from_before_the_render(visitor: Visitor, pages: Pages, clock: Clock) -> None:
    """A page's age counts from when it was asked for: a slow render makes no page younger."""
    gate = asyncio.Event()
    pages.pages["/a"] = Page(gate=gate, lines=(HTML, "Cache-Control: max-age=60"))
    call = visitor.call("/a")
    await asyncio.sleep(0.01)
    clock.advance(25)
    gate.set()
    await call.task
    clock.advance(5)
    reply = await visitor.get("/a")
    assert (reply.field("age"), reply.cache_status) == ("30", "hit; ttl=30; detail=memory")


TEXT = b"<p>A page with the same words, and again the same words.</p>" * 50


async def test_encoded_once_for_all(visitor: Visitor, pages: Pages) -> None:
    """A page is rendered without a coding and given to each visitor in the one that it reads, under tags of its own."""
    pages.pages["/a"] = Page(body=TEXT)
    packed = await visitor.get("/a", "Accept-Encoding: gzip, br")
    assert "accept-encoding" not in pages.last
    assert (packed.cache_status, packed.field("content-encoding")) == (MISS, "gzip")
    assert packed.field("content-length") is None
    assert gzip.decompress(packed.body) == TEXT
    again = await visitor.get("/a", "Accept-Encoding: gzip")
    plain = await visitor.get("/a")
    assert (again.level, again.field("content-encoding"), again.body) == ("memory", "gzip", packed.body)
    assert (plain.level, plain.field("content-encoding"), plain.body) == ("memory", None, TEXT)
    assert {reply.field("vary") for reply in (packed, again, plain)} == {"Accept-Encoding"}
    assert again.field("etag") != plain.field("etag")
    for tag in (again.field("etag"), plain.field("etag")):
        assert (await visitor.get("/a", f"If-None-Match: {tag}")).status == 304
    assert pages.renders["/a"] == 1


async def test_encoded_after_a_plain_miss(visitor: Visitor, pages: Pages) -> None:
    """Where the first visitor read no coding the page is packed all the same, for those who do."""
    pages.pages["/a"] = Page(body=TEXT)
    assert (await visitor.get("/a")).body == TEXT
    await asyncio.sleep(0.05)
    packed = await visitor.get("/a", "Accept-Encoding: gzip")
    assert gzip.decompress(packed.body) == TEXT


async def test_hits_are_independent(visitor: Visitor, pages: Pages) -> None:
    """Who edits the fields of an answer on its way out, as middleware does, changes no other answer."""
    pages.pages["/a"] = Page()
    await visitor.get("/a")
    first = await visitor.get("/a")
    first.fields.clear()
    first.fields.append((b"x-edited", b"1"))
    second = await visitor.get("/a")
    assert second.field("x-edited") is None
    assert second.field("content-type")
