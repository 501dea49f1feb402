"""How requests pass: memory, one flight, the application; what bypasses, what is shared, and that nobody is left waiting."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.asgi import HTML, Call, Page, Pages, Reply, Visitor, caching, fields

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.types import Receive, Scope, Send

    from cms_cache_mw import CacheMiddleware
    from tests.support.clock import Clock

MISS = "fwd=uri-miss; stored"


@pytest.fixture
def pages() -> Pages:
    """An application whose pages the test writes."""
    return Pages()


@pytest.fixture
async def site(pages: Pages, clock: Clock) -> AsyncIterator[CacheMiddleware]:
    """The application behind a cache in memory alone, at a time that stands still."""
    async with caching(pages, clock, keyed_cookies=("django_language",)) as site:
        yield site


@pytest.fixture
def visitor(site: CacheMiddleware) -> Visitor:
    """Somebody without cookies."""
    return Visitor(site)


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Followers who wait for a tenth of a second where they would wait for three."""
    monkeypatch.setattr("cms_cache_mw.merging.PATIENCE", 0.1)
    monkeypatch.setattr("cms_cache_mw.flight.PATIENCE", 0.1)
    monkeypatch.setattr("cms_cache_mw.merging.LOOK", 0.02)


async def settled(calls: list[Call]) -> list[Reply]:
    """The replies of all calls; what a call raised is a reply of status 0."""
    async with asyncio.timeout(20):
        await asyncio.gather(*(call.task for call in calls), return_exceptions=True)
    return [call.reply for call in calls]


async def until(condition: Any, what: str) -> None:  # noqa: ANN401 - a function without arguments
    """Let others run until `condition` holds; fail with `what` was expected if it does not."""
    deadline = asyncio.get_running_loop().time() + 10
    while not condition():
        assert asyncio.get_running_loop().time() < deadline, f"not within 10 s: {what}"
        await asyncio.sleep(0.002)


async def test_second_visitor_is_answered_from_memory(visitor: Visitor, pages: Pages, clock: Clock) -> None:
    """A page is rendered once; until it is stale everybody gets the same bytes, with its age."""
    first = await visitor.get("/a")
    assert (first.status, first.body, first.cache_status) == (200, b"render 1", MISS)
    assert first.field("age") is None
    clock.advance(10)
    second = await visitor.get("/a")
    assert (second.status, second.body) == (200, b"render 1")
    assert second.cache_status == "hit; ttl=290; detail=memory"
    assert second.field("age") == "10"
    assert second.field("content-type") == first.field("content-type")
    clock.advance(290)
    third = await visitor.get("/a")
    assert (third.body, third.level) == (b"render 2", None)
    assert pages.renders["/a"] == 2


async def test_cache_status_of_those_below_comes_first(visitor: Visitor, pages: Pages) -> None:
    """Our item is appended to what caches below have said."""
    pages.pages["/a"] = Page(lines=(HTML, "Cache-Status: below; fwd=miss"))
    assert (await visitor.get("/a")).field("cache-status") == f"below; fwd=miss, cms-cache; {MISS}"
    assert (await visitor.get("/a")).field("cache-status") == "below; fwd=miss, cms-cache; hit; ttl=300; detail=memory"


BYPASS = [
    ("Authorization: Basic x", "authorization"),
    ("Authorization:", "authorization"),
    ("Proxy-Authorization: x", "authorization"),
    ("X-Api-Key: x", "api-key"),
    ("Cookie: sessionid=1", "cookie"),
    ("Cookie: _ga=1; csrftoken=2; sessionid=3", "cookie"),
    ("Content-Length: 1", "body"),
    ("Transfer-Encoding: chunked", "body"),
    ('If-Match: "a"', "precondition"),
    ("If-Unmodified-Since: Fri, 15 Jan 2027 08:00:00 GMT", "precondition"),
    ("Upgrade: h2c", "upgrade"),
    ("X-HTTP-Method-Override: DELETE", "override"),
    ("X-HTTP-Method: DELETE", "override"),
    ("X-Method-Override: DELETE", "override"),
    ("Host: example.org", "host"),
]


@pytest.mark.parametrize(("line", "detail"), BYPASS)
async def test_bypass(visitor: Visitor, pages: Pages, line: str, detail: str) -> None:
    """Such a request is neither answered from what is stored nor stored, and the application sees it untouched."""
    pages.pages["/a"] = Page(lines=(HTML, "Cache-Control: max-age=60", "Cache-Tag: a"))
    for _ in range(2):
        reply = await visitor.get("/a?utm_source=x", line, "Accept-Encoding: br", 'If-None-Match: "x"')
        assert reply.cache_status == f"fwd=bypass; detail={detail}"
        assert reply.field("cache-tag") is None
    assert pages.renders["/a"] == 2
    seen = pages.seen[-1]
    assert seen["query_string"] == b"utm_source=x"
    expected = fields("Host: example.org", line, "Accept-Encoding: br", 'If-None-Match: "x"')
    assert list(seen["headers"]) == expected
    assert (await visitor.get("/a")).cache_status == MISS
    assert (await visitor.get("/a", line)).body == b"render 4"
    assert (await visitor.get("/a")).body == b"render 3"


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PURGE", "get", "QUERY"])
async def test_other_methods(visitor: Visitor, pages: Pages, method: str) -> None:
    """Only GET and HEAD are the cache's business, and method names have a letter case."""
    pages.pages["/a"] = Page(lines=(HTML, "Cache-Control: max-age=60", "Cache-Tag: a"))
    reply = await visitor.ask("/a", method=method)
    assert reply.cache_status == "fwd=method"
    assert reply.field("cache-tag") is None
    assert (await visitor.get("/a")).cache_status == MISS


@pytest.mark.parametrize("host", [None, "a b", "example.org:x", ""])
async def test_bad_host(site: CacheMiddleware, pages: Pages, host: str | None) -> None:
    """Where Host says nothing usable, the application decides."""
    stranger = Visitor(site, host=host)
    for _ in range(2):
        assert (await stranger.get("/a")).cache_status == "fwd=bypass; detail=host"
    assert pages.renders["/a"] == 2


@pytest.mark.parametrize("target", ["http://example.org/a", "*"])
async def test_target_that_is_no_path(visitor: Visitor, target: str) -> None:
    """An absolute or asterisk target bypasses."""
    assert (await visitor.get(target)).cache_status == "fwd=bypass; detail=target"


async def test_unknown_site(pages: Pages) -> None:
    """Where sites are named, requests for other hosts are the application's."""
    async with caching(pages, sites={"example.org": "main"}) as site:
        assert (await Visitor(site).get("/a")).cache_status == MISS
        assert (await Visitor(site, host="other.org").get("/a")).cache_status == "fwd=bypass; detail=host"


async def test_bypasses_are_counted_by_cookie(visitor: Visitor, site: CacheMiddleware) -> None:
    """The counters tell which cookie cost how many bypasses, its name alone."""
    for line in ("Cookie: sid=secret", "Cookie: _ga=1; sid=2", "Cookie: theme=dark"):
        await visitor.get("/a", line)
    stats: Any = site.cache.stats()
    assert stats["bypass_cookies"] == {"sid": 2, "theme": 1}
    assert stats["answers"]["cookie"] == 3
    assert "secret" not in str(stats)


async def test_ignored_cookies_and_parameters(visitor: Visitor, pages: Pages) -> None:
    """What distinguishes no pages the application does not see: nobody can put it into anybody else's page."""
    reply = await visitor.get("/a?utm_source=x&b=1&fbclid=y", "Cookie: _ga=evil; _gid=2")
    assert reply.cache_status == MISS
    assert pages.seen[-1]["query_string"] == b"b=1"
    assert "cookie" not in pages.last
    assert (await visitor.get("/a?b=1")).level == "memory"
    assert (await visitor.get("/a?b=1&utm_medium=z", "Cookie: _fbp=3")).level == "memory"
    assert (await visitor.get("/a")).level is None


async def test_keyed_cookies(visitor: Visitor, pages: Pages) -> None:
    """A keyed cookie distinguishes pages, and the application sees it, without the ignored ones beside it."""
    pages.pages["/a"] = Page(lines=(HTML, "Vary: Cookie"))
    assert (await visitor.get("/a", "Cookie: _ga=1; django_language=de")).cache_status == MISS
    assert pages.last["cookie"] == "django_language=de"
    assert (await visitor.get("/a", "Cookie: django_language=fr")).body == b"render 2"
    assert (await visitor.get("/a")).body == b"render 3"
    assert (await visitor.get("/a", "Cookie: django_language=de; _gid=9")).body == b"render 1"


async def test_too_many_values_of_a_keyed_cookie(visitor: Visitor, site: CacheMiddleware) -> None:
    """One URL holds at most 32 values: nobody fills the memory by counting up a cookie."""
    await visitor.get("/other")
    for number in range(50):
        await visitor.get("/a", f"Cookie: django_language={number}")
    stats: Any = site.cache.stats()
    assert stats["memory"]["namespaces"]["rendered"]["entries"] == 33
    assert (await visitor.get("/a", "Cookie: django_language=49")).level == "memory"


async def test_anonymous_visitors(visitor: Visitor, pages: Pages) -> None:
    """With a cookie of the third class one is served what is stored, and leaves nothing behind."""
    reply = await visitor.get("/a", "Cookie: csrftoken=mine")
    assert reply.cache_status == "fwd=uri-miss; detail=anonymous"
    assert pages.last["cookie"] == "csrftoken=mine"
    assert (await visitor.get("/a")).cache_status == MISS
    assert (await visitor.get("/a", "Cookie: csrftoken=mine")).body == b"render 2"


@pytest.mark.parametrize(
    "name",
    [
        "X-Forwarded-Host",
        "X-Forwarded-Proto",
        "X-Original-URL",
        "X-Rewrite-URL",
        "X-Host",
        "Front-End-Https",
        "X-Requested-With",
        "HX-Request",
    ],
)
async def test_poisoned_links(visitor: Visitor, pages: Pages, name: str) -> None:
    """What a visitor says about hosts and paths is rendered for that visitor alone."""

    async def render(scope: Scope, receive: Receive, send: Send) -> None:
        said = dict(scope["headers"]).get(name.lower().encode(), b"nothing")
        await send({"type": "http.response.start", "status": 200, "headers": fields(HTML)})
        await send({"type": "http.response.body", "body": said})

    pages.pages["/a"] = Page(render=render)
    assert (await visitor.get("/a", f"{name}: evil.example")).body == b"evil.example"
    assert (await visitor.get("/a")).body == b"nothing"
    assert (await visitor.get("/a", f"{name}: evil.example")).level == "memory"


async def test_conditions_are_answered_by_the_cache(visitor: Visitor, pages: Pages) -> None:
    """The application never sees If-None-Match of a page that may be stored; the visitor is told 304 all the same."""
    pages.pages["/a"] = Page(lines=(HTML, 'ETag: "v1"'))
    miss = await visitor.get("/a", 'If-None-Match: "v1"')
    assert (miss.status, miss.body) == (304, b"")
    assert "if-none-match" not in pages.last
    hit = await visitor.get("/a", 'If-None-Match: "v1"')
    assert (hit.status, hit.body, hit.level) == (304, b"", "memory")
    assert (await visitor.get("/a")).body == b"render 1"


async def test_tag_made_by_the_cache(visitor: Visitor) -> None:
    """A page without an entity tag gets one on its way into the cache, and conditions work from then on."""
    await visitor.get("/a")
    tag = (await visitor.get("/a")).field("etag")
    assert tag
    assert (await visitor.get("/a", f"If-None-Match: {tag}")).status == 304


async def test_head(visitor: Visitor, pages: Pages) -> None:
    """HEAD is answered from a stored GET, and never stored."""
    miss = await visitor.ask("/a", method="HEAD")
    assert miss.cache_status == "fwd=uri-miss; detail=head"
    assert (await visitor.get("/a")).cache_status == MISS
    hit = await visitor.ask("/a", method="HEAD")
    assert (hit.status, hit.body, hit.level) == (200, b"", "memory")
    assert hit.field("content-length") == str(len(b"render 2"))
    assert [scope["method"] for scope in pages.seen] == ["HEAD", "GET"]


async def test_range(visitor: Visitor, pages: Pages) -> None:
    """A part on a miss is the application's to give and not stored; of what is stored the cache cuts it."""
    reply = await visitor.get("/a", "Range: bytes=0-1")
    assert reply.cache_status == "fwd=uri-miss; detail=range"
    assert pages.last["range"] == "bytes=0-1"
    await visitor.get("/a")
    part = await visitor.get("/a", "Range: bytes=0-5")
    assert (part.status, part.body, part.field("content-range")) == (206, b"render", "bytes 0-5/8")
    assert part.level == "memory"


@pytest.mark.parametrize(
    "line", ["Cache-Control: no-cache", "Cache-Control: no-store", "Pragma: no-cache", "Cache-Control: max-age=0"]
)
async def test_visitors_do_not_control_the_cache(visitor: Visitor, line: str) -> None:
    """A hard reload is a hit, and what it renders is stored."""
    assert (await visitor.get("/a", line)).cache_status == MISS
    assert (await visitor.get("/a", line)).level == "memory"


async def test_only_if_cached(clock: Clock) -> None:
    """In the `rfc` profile a visitor may ask for stored answers only, and gets 504 where there is none."""
    async with caching(Pages({"/a": Page(lines=(HTML, "Cache-Control: max-age=60"))}), clock, profile="rfc") as site:
        visitor = Visitor(site)
        refused = await visitor.get("/a", "Cache-Control: only-if-cached")
        assert (refused.status, refused.cache_status) == (504, "detail=only-if-cached")
        await visitor.get("/a")
        assert (await visitor.get("/a", "Cache-Control: only-if-cached")).level == "memory"


# One render for many.


async def test_two_hundred_askers_one_render(visitor: Visitor, pages: Pages, site: CacheMiddleware) -> None:
    """200 requests for one cold page cause one render, and all get its bytes."""
    gate = asyncio.Event()
    pages.pages["/a"] = Page(gate=gate, lines=(HTML, "Cache-Tag: a"))
    calls = [visitor.call("/a") for _ in range(200)]
    await until(lambda: pages.running["/a"], "the render is under way")
    await asyncio.sleep(0.01)
    gate.set()
    replies = await settled(calls)
    assert {reply.body for reply in replies} == {b"render 1"}
    assert {reply.status for reply in replies} == {200}
    assert {reply.cache_status for reply in replies} == {MISS, "fwd=uri-miss; collapsed"}
    assert {reply.field("cache-tag") for reply in replies} == {None}
    assert pages.renders["/a"] == 1
    stats: Any = site.cache.stats()
    assert stats["answers"]["collapsed"] == 199


async def test_purge_between(visitor: Visitor, pages: Pages, site: CacheMiddleware) -> None:
    """A render that was under way when a purge came is not kept, and who asks after the purge does not get it."""
    gate = asyncio.Event()
    pages.pages["/a"] = Page(gate=gate, lines=(HTML, "Cache-Tag: a"))
    before = visitor.call("/a")
    await until(lambda: pages.running["/a"], "the render is under way")
    await site.cache.purge(tags=["a"])
    after = visitor.call("/a")
    await asyncio.sleep(0.01)
    gate.set()
    replies = await settled([before, after])
    assert [reply.body for reply in replies] == [b"render 1", b"render 2"]
    assert (await visitor.get("/a")).body == b"render 2"


async def test_purged_page_takes_no_room(visitor: Visitor, pages: Pages, site: CacheMiddleware) -> None:
    """What was purged goes when it is asked for, also where nothing takes its place."""
    pages.pages["/a"] = Page(lines=(HTML, "Cache-Tag: a"))
    await visitor.get("/a")
    await site.cache.purge(tags=["a"])
    pages.pages["/a"] = Page(lines=(HTML, "Cache-Control: private"))
    assert (await visitor.get("/a")).cache_status == "fwd=miss; detail=private"
    stats: Any = site.cache.stats()
    assert stats["memory"]["bytes"] == 0


NOT_SHARED = {
    "private": (HTML, "Cache-Control: private"),
    "no-store": (HTML, "Cache-Control: no-store"),
    "set-cookie": (HTML, "Set-Cookie: sessionid=%d"),
    "vary-star": (HTML, "Vary: *"),
    "stream": ("Content-Type: text/event-stream", "Cache-Control: max-age=60"),
    "tags": (HTML, "Cache-Tag: a b"),
}


@pytest.mark.parametrize("detail", NOT_SHARED)
@pytest.mark.logs("is served but not stored")
async def test_never_shared(visitor: Visitor, pages: Pages, detail: str) -> None:
    """Askers who waited for an answer that turned out to be somebody's own each get a render of their own."""
    gate = asyncio.Event()
    pages.pages["/a"] = Page(gate=gate, lines=NOT_SHARED[detail])
    calls = [visitor.call("/a") for _ in range(20)]
    await until(lambda: pages.running["/a"], "the render is under way")
    await asyncio.sleep(0.01)
    assert pages.running["/a"] == 1
    gate.set()
    replies = await settled(calls)
    assert len({reply.body for reply in replies}) == 20
    assert {reply.cache_status for reply in replies} == {f"fwd=uri-miss; detail={detail}"}
    assert pages.renders["/a"] == 20


async def test_known_uncacheable(visitor: Visitor, pages: Pages, clock: Clock) -> None:
    """For five seconds nobody queues for a page that was somebody's own, and its own coding is left to it."""
    pages.pages["/a"] = Page(lines=(HTML, "Cache-Control: private"))
    await visitor.get("/a", "Accept-Encoding: br")
    assert "accept-encoding" not in pages.last
    gate = asyncio.Event()
    pages.pages["/a"] = Page(lines=(HTML, "Cache-Control: private"), gate=gate)
    calls = [visitor.call("/a", "Accept-Encoding: br") for _ in range(5)]
    await until(lambda: pages.running["/a"] == 5, "nobody waits for anybody")
    assert pages.last["accept-encoding"] == "br"
    gate.set()
    await settled(calls)
    gate.clear()
    clock.advance(5)
    calls = [visitor.call("/a") for _ in range(5)]
    await until(lambda: pages.running["/a"], "the render is under way")
    await asyncio.sleep(0.01)
    assert pages.running["/a"] == 1
    gate.set()
    await settled(calls)


async def test_stored_after_all(visitor: Visitor, pages: Pages) -> None:
    """A page that was somebody's own and is everybody's now is stored at once."""
    pages.pages["/a"] = Page(lines=(HTML, "Cache-Control: private"))
    await visitor.get("/a")
    pages.pages["/a"] = Page()
    assert (await visitor.get("/a")).cache_status == f"{MISS}; detail=known-uncacheable"
    assert (await visitor.get("/a")).level == "memory"


async def test_variants_under_concurrency(visitor: Visitor, pages: Pages) -> None:
    """Everybody gets the variant asked for, also who waited for a render in another language; each is rendered once."""

    async def render(scope: Scope, receive: Receive, send: Send) -> None:
        language = dict(scope["headers"])[b"accept-language"]
        await gate.wait()
        await send({"type": "http.response.start", "status": 200, "headers": fields(HTML, "Vary: Accept-Language")})
        await send({"type": "http.response.body", "body": language})

    gate = asyncio.Event()
    pages.pages["/a"] = Page(render=render)
    languages = ["de", "fr", "en", "it"] * 15
    calls = [visitor.call("/a", f"Accept-Language: {language}") for language in languages]
    await until(lambda: pages.running["/a"], "the render is under way")
    await asyncio.sleep(0.01)
    gate.set()
    replies = await settled(calls)
    assert [reply.body.decode() for reply in replies] == languages
    assert pages.renders["/a"] == 4
    again = [await visitor.get("/a", f"Accept-Language: {language}") for language in languages[:4]]
    assert [(reply.body.decode(), reply.level) for reply in again] == [
        (language, "memory") for language in languages[:4]
    ]
    assert (await visitor.get("/a", "Accept-Language: es")).cache_status == "fwd=vary-miss; stored"


# Nobody is left waiting.

RAISES = [
    pytest.param(Page(fails=RuntimeError("the application fails")), id="before the start"),
    pytest.param(Page(body=[b"a", b"b"], fails_late=RuntimeError("the application fails")), id="after the start"),
    pytest.param(Page(fails=asyncio.CancelledError()), id="cancels itself"),
]


@pytest.mark.parametrize("page", RAISES)
async def test_application_that_raises(visitor: Visitor, pages: Pages, page: Page, site: CacheMiddleware) -> None:
    """Each asker of a page that fails gets the application's own failure; once it works again, the page."""
    pages.pages["/a"] = page
    calls = [visitor.call("/a") for _ in range(10)]
    await settled(calls)
    for call in calls:
        failure = asyncio.CancelledError() if call.task.cancelled() else call.task.exception()
        assert type(failure) is type(page.fails or page.fails_late)
        assert call.reply.chunks == ([b"a"] if page.fails_late else [])
    assert pages.renders["/a"] == 10
    assert pages.peak["/a"] == 1
    assert site.cache.stats()["flights"] == 0
    pages.pages["/a"] = Page()
    assert (await visitor.get("/a")).body == b"render 11"
    assert (await visitor.get("/a")).level == "memory"


async def test_application_that_answers_nothing(visitor: Visitor, pages: Pages) -> None:
    """An application that returns without an answer leaves nobody waiting; what to make of it is the server's business."""

    async def render(scope: Scope, receive: Receive, send: Send) -> None:
        return None

    pages.pages["/a"] = Page(render=render)
    replies = await settled([visitor.call("/a") for _ in range(5)])
    assert [reply.status for reply in replies] == [0] * 5


async def test_error_page_is_not_shared_nor_queued_for(visitor: Visitor, pages: Pages) -> None:
    """An answer of 500 is for its asker; the others ask themselves, at once."""
    gate = asyncio.Event()
    pages.pages["/a"] = Page(status=500, gate=gate, lines=(HTML, "Cache-Tag: a", "Cache-Control: public, max-age=60"))
    calls = [visitor.call("/a") for _ in range(10)]
    await until(lambda: pages.running["/a"], "the render is under way")
    await asyncio.sleep(0.01)
    gate.set()
    replies = await settled(calls)
    assert {reply.cache_status for reply in replies} == {"fwd=uri-miss; detail=status"}
    assert {reply.field("cache-tag") for reply in replies} == {None}
    assert pages.renders["/a"] == 10


@pytest.mark.usefixtures("hurried")
async def test_application_that_hangs(site: CacheMiddleware, pages: Pages, clock: Clock) -> None:
    """Waiting ends: a second flight, then eight alone and no more; when the application wakes up everybody is answered."""
    visitor, gate = Visitor(site), asyncio.Event()
    pages.pages["/a"] = Page(gate=gate)
    calls = [visitor.call("/a") for _ in range(60)]
    await until(lambda: pages.running["/a"] == 1, "the first flight")
    clock.advance(0.05)
    await until(lambda: pages.running["/a"] >= 2, "a second flight beside the first")
    clock.advance(1)
    await until(lambda: pages.running["/a"] == 10, "eight more, each alone")
    await asyncio.sleep(0.1)
    assert pages.peak["/a"] == 10
    gate.set()
    replies = await settled(calls)
    assert {reply.status for reply in replies} == {200}
    assert pages.renders["/a"] == 10
    assert {reply.level for reply in replies} == {None, "memory"}


@pytest.mark.usefixtures("hurried")
async def test_visitors_who_leave_the_queue(site: CacheMiddleware, pages: Pages, clock: Clock) -> None:
    """Whoever is cancelled while waiting, for a flight or for a turn, takes nobody along."""
    visitor, gate = Visitor(site), asyncio.Event()
    pages.pages["/a"] = Page(gate=gate)
    calls = [visitor.call("/a") for _ in range(40)]
    await until(lambda: pages.running["/a"] >= 2, "two flights")
    clock.advance(1)
    await until(lambda: pages.running["/a"] == 10, "eight more")
    for call in calls[::2]:
        call.task.cancel()
    await until(lambda: pages.running["/a"] == 10, "others take the places of those who left")
    assert pages.peak["/a"] == 10
    gate.set()
    replies = await settled(calls)
    assert {reply.status for reply in replies[1::2]} == {200}
    assert site.cache.stats()["flights"] == 0


async def test_leader_who_is_cancelled(visitor: Visitor, pages: Pages) -> None:
    """When the one who renders for others is cancelled, one of the others takes over."""
    gate = asyncio.Event()
    pages.pages["/a"] = Page(gate=gate)
    leader = visitor.call("/a")
    await until(lambda: pages.running["/a"], "the render is under way")
    followers = [visitor.call("/a") for _ in range(20)]
    await asyncio.sleep(0.01)
    leader.task.cancel()
    await until(lambda: pages.renders["/a"] == 2, "another one renders")
    gate.set()
    replies = await settled(followers)
    assert {reply.body for reply in replies} == {b"render 2"}
    assert pages.renders["/a"] == 2


async def test_leader_who_hangs_up(visitor: Visitor, pages: Pages) -> None:
    """When the one who renders for others goes away in the middle, the rest of it reaches nobody, and others go on."""
    gate = asyncio.Event()
    pages.pages["/a"] = Page(body=[b"one ", b"two"], chunk_gate=gate)
    leader = visitor.call("/a")
    await leader.until(lambda reply: reply.chunks)
    followers = [visitor.call("/a") for _ in range(20)]
    await asyncio.sleep(0.01)
    leader.hang_up()
    gate.set()
    replies = await settled([*followers, leader])
    assert isinstance(leader.task.exception(), OSError)
    assert {reply.body for reply in replies[:-1]} == {b"one two"}
    assert pages.renders["/a"] <= 2


async def test_follower_who_is_cancelled(visitor: Visitor, pages: Pages) -> None:
    """A follower who goes away changes nothing for the others."""
    gate = asyncio.Event()
    pages.pages["/a"] = Page(gate=gate)
    calls = [visitor.call("/a") for _ in range(20)]
    await until(lambda: pages.running["/a"], "the render is under way")
    await asyncio.sleep(0.01)
    for call in calls[1:10]:
        call.task.cancel()
    gate.set()
    replies = await settled(calls)
    assert [reply.status for reply in replies] == [200] + [0] * 9 + [200] * 10
    assert pages.renders["/a"] == 1


@pytest.mark.parametrize("moment", range(1, 12))
async def test_cancelled_at_any_moment(pages: Pages, moment: int) -> None:
    """Whenever on its way a request is cancelled, no flight stays open and the next one is answered."""
    async with caching(pages) as site:
        visitor = Visitor(site)
        pages.pages["/a"] = Page(body=[b"a", b"b", b"c"])
        calls = [visitor.call("/a") for _ in range(3)]
        for _ in range(moment):
            await asyncio.sleep(0)
        for call in calls:
            call.task.cancel()
        await settled(calls)
        assert site.cache.stats()["flights"] == 0
        assert (await visitor.get("/a")).body == b"abc"


# Without a lease.


async def test_without_a_lease_everything_is_rendered(pages: Pages) -> None:
    """A worker that cannot reach Redis neither serves what it has nor lets newcomers join a render under way."""
    async with caching(pages, redis_url="redis://127.0.0.1:1/0") as site:
        visitor = Visitor(site)
        for number in (1, 2):
            reply = await visitor.get("/a")
            assert (reply.body, reply.cache_status) == (b"render %d" % number, "fwd=bypass; stored; detail=unsure")
        gate = asyncio.Event()
        pages.pages["/b"] = Page(gate=gate)
        first = visitor.call("/b")
        await until(lambda: pages.running["/b"], "the render is under way")
        later = [visitor.call("/b") for _ in range(20)]
        await asyncio.sleep(0.01)
        assert pages.running["/b"] == 1
        gate.set()
        replies = await settled([first, *later])
        assert replies[0].body == b"render 1"
        assert {reply.body for reply in replies[1:]} == {b"render 2"}
        assert pages.renders["/b"] == 2


async def test_waiting_leader_who_is_cancelled(pages: Pages) -> None:
    """Without a lease, when the one who waits to render for the others is cancelled, one of them takes over."""
    async with caching(pages, redis_url="redis://127.0.0.1:1/0") as site:
        visitor, gate = Visitor(site), asyncio.Event()
        pages.pages["/a"] = Page(gate=gate)
        first = visitor.call("/a")
        await until(lambda: pages.running["/a"], "the render is under way")
        waiting = visitor.call("/a")
        await asyncio.sleep(0.01)
        followers = [visitor.call("/a") for _ in range(5)]
        await asyncio.sleep(0.01)
        waiting.task.cancel()
        await asyncio.sleep(0.01)
        gate.set()
        replies = await settled([first, *followers])
        assert {reply.body for reply in replies} == {b"render 1", b"render 2"}
        assert pages.renders["/a"] == 2


@pytest.mark.usefixtures("hurried")
async def test_hanging_without_a_lease(pages: Pages) -> None:
    """Also without a lease a page that hangs has two flights and eight renders beside them, however long it takes."""
    async with caching(pages, redis_url="redis://127.0.0.1:1/0") as site:
        visitor, gate = Visitor(site), asyncio.Event()
        pages.pages["/a"] = Page(gate=gate)
        calls = [visitor.call("/a") for _ in range(30)]
        for _ in range(8):
            await asyncio.sleep(0.1)
            calls += [visitor.call("/a") for _ in range(3)]
        assert pages.peak["/a"] <= 10
        gate.set()
        replies = await settled(calls)
        assert {reply.status for reply in replies} == {200}


# What is stale.

SWR = (HTML, "Cache-Control: max-age=10, stale-while-revalidate=60", "Cache-Tag: a")


async def test_stale_while_revalidate(visitor: Visitor, pages: Pages, clock: Clock) -> None:
    """Past its freshness a page is served as it is, while one render for nobody replaces it."""
    gate = asyncio.Event()
    gate.set()
    pages.pages["/a"] = Page(lines=SWR, gate=gate)
    await visitor.get("/a")
    clock.advance(15)
    gate.clear()
    replies = [await visitor.get("/a") for _ in range(10)]
    assert {(reply.body, reply.cache_status) for reply in replies} == {(b"render 1", "hit; ttl=-5; detail=memory")}
    await until(lambda: pages.running["/a"], "the refresh is under way")
    assert pages.renders["/a"] == 2
    gate.set()
    await until(lambda: not pages.running["/a"], "the refresh is over")
    fresh = await visitor.get("/a")
    assert (fresh.body, fresh.cache_status) == (b"render 2", "hit; ttl=10; detail=memory")


async def test_refresh_is_for_nobody(visitor: Visitor, pages: Pages, clock: Clock) -> None:
    """A refresh asks with GET and without what was the visitor's: conditions, range, cookies of the anonymous class."""
    pages.pages["/a"] = Page(lines=SWR)
    await visitor.get("/a")
    clock.advance(15)
    lines = ("Range: bytes=0-1", 'If-None-Match: "x"', "Cookie: csrftoken=mine; _ga=1")
    await visitor.ask("/a", *lines, method="HEAD")
    await until(lambda: pages.renders["/a"] == 2, "the refresh")
    assert pages.seen[-1]["method"] == "GET"
    assert {"range", "if-none-match", "cookie"}.isdisjoint(pages.last)
    await asyncio.sleep(0.01)
    assert (await visitor.get("/a")).body == b"render 2"


async def test_refresh_that_fails(visitor: Visitor, pages: Pages, clock: Clock) -> None:
    """A refresh that fails leaves the stale page to the next visitors, and the next refresh to them as well."""
    pages.pages["/a"] = Page(lines=SWR)
    await visitor.get("/a")
    clock.advance(15)
    pages.pages["/a"] = Page(fails=RuntimeError("the application fails"))
    for number in (2, 3):
        assert (await visitor.get("/a")).body == b"render 1"
        await until(lambda number=number: pages.renders["/a"] == number, "a refresh")
        await asyncio.sleep(0.01)
    pages.pages["/a"] = Page(lines=SWR)
    await visitor.get("/a")
    await asyncio.sleep(0.02)
    assert (await visitor.get("/a")).body == b"render 4"


FAILURES = [
    pytest.param(Page(fails=RuntimeError("the application fails")), "fwd=stale; detail=stale-gone", id="raises"),
    pytest.param(Page(status=503), "fwd=stale; fwd-status=503; detail=stale-error", id="503"),
]


@pytest.mark.parametrize(("page", "cache_status"), FAILURES)
async def test_stale_if_error(visitor: Visitor, pages: Pages, clock: Clock, page: Page, cache_status: str) -> None:
    """While the application fails, a page stands in for an hour past its freshness; then the failure shows."""
    await visitor.get("/a")
    pages.pages["/a"] = page
    clock.advance(300 + 3_599)
    reply = await visitor.get("/a")
    assert (reply.status, reply.body, reply.cache_status) == (200, b"render 1", cache_status)
    clock.advance(1)
    if page.fails:
        with pytest.raises(RuntimeError):
            await visitor.get("/a")
    else:
        assert (await visitor.get("/a")).status == 503


@pytest.mark.parametrize(("page", "_"), FAILURES)
async def test_never_what_was_purged(visitor: Visitor, pages: Pages, site: CacheMiddleware, page: Page, _: str) -> None:
    """What was purged stands in for nothing."""
    await visitor.get("/a")
    await site.cache.purge(urls=["/a"])
    pages.pages["/a"] = page
    if page.fails:
        with pytest.raises(RuntimeError):
            await visitor.get("/a")
    else:
        assert (await visitor.get("/a")).status == 503


async def test_revalidation(visitor: Visitor, pages: Pages, clock: Clock) -> None:
    """A stale page with a validator is asked about; confirmed, it is fresh again with the same bytes and codings."""
    body = b"<p>text</p>" * 100
    pages.pages["/a"] = Page(body=body, lines=(HTML, 'ETag: "v1"', "Cache-Control: max-age=10", "Cache-Tag: a"))
    await visitor.get("/a", "Accept-Encoding: gzip")
    clock.advance(20)
    pages.pages["/a"] = Page(body=b"", status=304, lines=('ETag: "v1"', "Cache-Control: max-age=30", "Cache-Tag: a"))
    reply = await visitor.get("/a")
    assert (reply.status, reply.body) == (200, body)
    assert reply.cache_status == "fwd=stale; fwd-status=304; stored; detail=revalidated"
    assert reply.field("cache-tag") is None
    assert pages.last["if-none-match"] == '"v1"'
    clock.advance(29)
    hit = await visitor.get("/a", "Accept-Encoding: gzip")
    assert (hit.level, hit.field("content-encoding")) == ("memory", "gzip")


async def test_unsafe_requests_outdate_their_page(visitor: Visitor, pages: Pages) -> None:
    """A form that was sent takes the page it was sent to out of the cache at once; one that was refused does not."""
    await visitor.get("/a")
    pages.pages["/a"] = Page(status=403)
    await visitor.ask("/a", method="POST")
    pages.pages["/a"] = Page(status=303, lines=("Location: /b",))
    assert (await visitor.get("/a")).level == "memory"
    await visitor.ask("/a", "Cookie: sessionid=1", method="POST")
    pages.pages["/a"] = Page()
    assert (await visitor.get("/a")).level is None


# The cache itself.


@pytest.mark.logs("the cache failed")
@pytest.mark.parametrize("broken", ["levels.held", "levels.fetched", "levels.keep", "present", "keys.ask"])
async def test_fault_of_the_cache_is_none_of_the_site(
    visitor: Visitor, site: CacheMiddleware, pages: Pages, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    """Whatever breaks inside, visitors get the application's answers."""

    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError(broken)

    place: Any = site.cache.engine
    *path, name = broken.split(".")
    for part in path:
        place = getattr(place, part)
    monkeypatch.setattr(place, name, fail)
    for number in (1, 2):
        reply = await visitor.get("/a")
        assert (reply.status, reply.body) == (200, b"render %d" % number)
    assert pages.renders["/a"] == 2
