"""The ASGI shell: every kind of scope and message, on real servers too, and nothing lost in translation."""

from __future__ import annotations

import asyncio
import time
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from cms_cache_mw import CacheMiddleware, Config, depends_on
from tests.support.asgi import HTML, Page, Pages, Visitor, caching, fields
from tests.support.site import TOKEN, Site

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.types import Message, Receive, Scope, Send

    from tests.support.clock import Clock
    from tests.support.server import Server as RedisServer
    from tests.support.site import Kind

MISS = "fwd=uri-miss; stored"


@pytest.fixture
def pages() -> Pages:
    """An application whose pages the test writes."""
    return Pages()


@pytest.fixture
async def site(pages: Pages, clock: Clock) -> AsyncIterator[CacheMiddleware]:
    """The application behind a cache in memory alone."""
    async with caching(pages, clock) as site:
        yield site


@pytest.fixture
def visitor(site: CacheMiddleware) -> Visitor:
    """Somebody without cookies."""
    return Visitor(site)


# Through real servers.


@pytest.mark.parametrize("kind", ["granian", "uvicorn"])
def test_streams_through_real_servers(kind: Kind) -> None:
    """A body in ten chunks arrives chunk by chunk, and whoever asks when its last byte is there gets a hit of the same bytes."""
    with Site(None, workers=1, kind=kind) as site:
        worker = site.workers[0]
        path = "/chunks/10/page:1+block:7"
        body = b"page:1=0\nblock:7=0\n" + b"".join(b"chunk %d\n" % number for number in range(1, 10))
        with ExitStack() as held, worker.client() as reader, worker.client() as next_one:
            held.enter_context(site.store.held(path))
            next_one.get("/ready")
            response = reader.open("GET", path)
            received = response.read1()
            site.store.wait_for("held", path)
            assert received == b"page:1=0\nblock:7=0\n"
            assert site.store.count("done", path) == 0
            assert response.getheader("cache-tag") is None
            assert response.getheader("cache-status") == f"cms-cache; {MISS}"
            held.close()
            while len(received) < len(body):
                received += response.read1()
            hit = next_one.get(path)
            assert received == body
            assert (hit.level, hit.body) == ("memory", body)
            assert response.read() == b""
        assert site.store.count("read", path) == 1


@pytest.mark.parametrize("kind", ["granian", "uvicorn"])
def test_client_that_disconnects_from_real_servers(kind: Kind) -> None:
    """A visitor who goes away in the middle of a page leaves nobody waiting and the page as good as before."""
    with Site(None, workers=1, kind=kind) as site:
        worker = site.workers[0]
        path = "/chunks/10/page:1"
        with worker.client() as other:
            with worker.client() as leaver, site.store.held(path):
                leaver.open("GET", path).read1()
                site.store.wait_for("held", path)
            answer = other.get(path)
            assert answer.body.endswith(b"chunk 9\n")
            assert other.get(path).level == "memory"
            stats = other.ask("GET", "/_cache/stats", headers={"authorization": f"Bearer {TOKEN}"})
            assert stats.json()["flights"] == 0


# Scopes.


async def test_other_scopes_pass(pages: Pages) -> None:
    """WebSockets and whatever servers invent go to the application as they are."""
    seen: list[tuple[object, ...]] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append((scope, receive, send))

    async with caching(app) as site:
        for kind in ("websocket", "something-new"):
            scope: Scope = {"type": kind, "headers": [(b"cookie", b"_ga=1")], "query_string": b"utm_x=1"}

            async def receive() -> Message:
                return {}

            async def send(_: Message) -> None:
                return None

            await site(scope, receive, send)
            assert seen[-1][0] is scope
            assert seen[-1][1:] == (receive, send)


async def test_server_that_gives_no_raw_path(visitor: Visitor, pages: Pages) -> None:
    """Where only the decoded path is known, keys are of a kind of their own and purges find them all the same."""
    assert (await visitor.ask("/caf%C3%A9%20x", raw=False)).cache_status == MISS
    assert (await visitor.ask("/caf%C3%A9%20x", raw=False)).level == "memory"
    assert (await visitor.ask("/caf%C3%A9%20x")).level is None
    assert isinstance(visitor.app, CacheMiddleware)
    await visitor.app.cache.purge(urls=["/café%20x"])
    for raw in (False, True):
        assert (await visitor.ask("/caf%C3%A9%20x", raw=raw)).level is None


async def test_what_the_application_sees(visitor: Visitor, pages: Pages) -> None:
    """The scope is the server's, but for what the key leaves out; the server's own is not changed."""
    state: dict[str, Any] = {}
    headers = fields("Host: example.org", "Cookie: _ga=1", "Accept-Encoding: br", "X-Own: 1")
    scope: Scope = {
        "type": "http",
        "method": "GET",
        "scheme": "https",
        "path": "/a",
        "raw_path": b"/a",
        "query_string": b"utm_x=1&b=2",
        "headers": headers,
        "client": None,
        "state": state,
        "extensions": {"http.response.pathsend": {}},
    }
    before = {**scope, "headers": list(headers)}

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(_: Message) -> None:
        return None

    await visitor.app(scope, receive, send)
    assert scope == before
    seen = pages.seen[-1]
    assert seen["headers"] == fields("Host: example.org", "X-Own: 1")
    assert seen["query_string"] == b"b=2"
    assert seen["state"] is state
    for name in ("type", "method", "scheme", "path", "raw_path", "client", "extensions"):
        assert seen[name] == scope[name]


async def test_fields_in_any_sequence(visitor: Visitor, pages: Pages) -> None:
    """Servers and applications may give fields as lists, in any letter case, bodies as any bytes, or none at all."""

    async def render(scope: Scope, receive: Receive, send: Send) -> None:
        headers = [[b"Content-Type", b"text/html"], (b"CACHE-TAG", b"a"), [b"SET-cookie", b"x=1"]]
        if scope["path"] == "/kept":
            headers.pop()
        await send({"type": "http.response.start", "status": 200, "headers": iter(headers)})
        await send({"type": "http.response.body", "body": bytearray(b"one "), "more_body": True})
        await send({"type": "http.response.body", "more_body": True})
        await send({"type": "http.response.body", "body": memoryview(b"two")})

    pages.pages |= {"/a": Page(render=render), "/kept": Page(render=render)}
    first = await visitor.get("/a")
    assert first.cache_status == "fwd=uri-miss; detail=set-cookie"
    assert first.field("cache-tag") is None
    kept = [await visitor.get("/kept") for _ in range(2)]
    assert [(reply.body, reply.level) for reply in kept] == [(b"one two", None), (b"one two", "memory")]


async def test_start_without_fields(visitor: Visitor, pages: Pages) -> None:
    """A start message needs no headers."""

    async def render(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body"})

    pages.pages["/a"] = Page(render=render)
    assert (await visitor.get("/a")).cache_status == "fwd=uri-miss; detail=no-lifetime"


async def collected(app: CacheMiddleware, path: str = "/a") -> list[Message]:
    """Every message that the server gets for a GET."""
    messages: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        messages.append(message)

    scope = {
        "type": "http",
        "method": "GET",
        "path": path,
        "raw_path": path.encode(),
        "headers": fields("Host: example.org"),
    }
    await app(scope, receive, send)
    return messages


async def test_file_that_the_server_sends(site: CacheMiddleware, pages: Pages) -> None:
    """A file named to the server passes unstored; nobody gets an empty page for it."""

    async def render(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": fields(HTML, "Content-Length: 5")})
        await send({"type": "http.response.pathsend", "path": "/etc/hostname"})

    pages.pages["/a"] = Page(render=render)
    for _ in range(2):
        messages = await collected(site)
        assert [message["type"] for message in messages] == ["http.response.start", "http.response.pathsend"]
        assert messages[1]["path"] == "/etc/hostname"
    assert pages.renders["/a"] == 2


async def test_nobody_waits_for_what_follows_a_file(visitor: Visitor, pages: Pages) -> None:
    """Once a file is named to the server, others ask for themselves, whatever the application still does."""
    gate = asyncio.Event()

    async def render(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": fields(HTML)})
        await send({"type": "http.response.pathsend", "path": "/etc/hostname"})
        await gate.wait()

    pages.pages["/a"] = Page(render=render)
    calls = [visitor.call("/a") for _ in range(3)]
    async with asyncio.timeout(2):
        for call in calls:
            await call.until(lambda reply: reply.status)
    gate.set()
    await asyncio.gather(*(call.task for call in calls))


@pytest.mark.logs("trailers follow")
async def test_messages_of_extensions(site: CacheMiddleware, pages: Pages) -> None:
    """Trailers, early hints and debug messages pass on in their order; a page with trailers is not stored."""

    async def render(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.early_hint", "links": [b"</style.css>"]})
        await send({"type": "http.response.start", "status": 200, "headers": fields(HTML), "trailers": True})
        await send({"type": "http.response.body", "body": b"text"})
        await send({"type": "http.response.trailers", "headers": [(b"X-Sum", b"1"), (b"Cache-Tag", b"late:1")]})

    pages.pages["/a"] = Page(render=render)
    messages = await collected(site)
    kinds = ["early_hint", "start", "body", "trailers"]
    assert [message["type"] for message in messages] == [f"http.response.{kind}" for kind in kinds]
    assert messages[1]["trailers"] is True
    assert messages[3]["headers"] == [(b"x-sum", b"1")]
    assert (b"cache-status", b"cms-cache; fwd=uri-miss; detail=tags") in messages[1]["headers"]
    assert len(await collected(site)) == 4


async def test_hit_is_two_messages(site: CacheMiddleware) -> None:
    """An answer from the cache is a start and a body."""
    await collected(site)
    start, body = await collected(site)
    assert start["type"] == "http.response.start"
    assert start["status"] == 200
    assert body == {"type": "http.response.body", "body": b"render 1"}


async def test_application_that_changes_what_it_sent(visitor: Visitor, pages: Pages) -> None:
    """An application that goes on using its list of fields changes nothing of what was stored."""
    headers = fields(HTML, "X-Own: 1")

    async def render(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        headers.append((b"x-later", b"1"))
        chunk = bytearray(b"text")
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
        chunk[:] = b"XXXX"
        await send({"type": "http.response.body"})

    pages.pages["/a"] = Page(render=render)
    await visitor.get("/a")
    hit = await visitor.get("/a")
    assert (hit.body, hit.field("x-later"), hit.field("x-own")) == (b"text", None, "1")


async def test_tags_in_the_scope(visitor: Visitor, pages: Pages, site: CacheMiddleware) -> None:
    """An application may add tags to the set in its scope, which has no header's limits."""

    async def render(scope: Scope, receive: Receive, send: Send) -> None:
        scope["cms_cache.tags"].add("block:7")
        await send({"type": "http.response.start", "status": 200, "headers": fields(HTML)})
        scope["cms_cache.tags"].add("block:8")
        await send({"type": "http.response.body", "body": b"text"})

    pages.pages["/a"] = Page(render=render)
    for tag in ("block:7", "block:8"):
        await visitor.get("/a")
        assert (await visitor.get("/a")).level == "memory"
        await site.cache.purge(tags=[tag])
        assert (await visitor.get("/a")).level is None


async def test_request_body_reaches_the_application(visitor: Visitor, pages: Pages) -> None:
    """What is sent with a request that bypasses is the application's to read."""
    received = []

    async def render(scope: Scope, receive: Receive, send: Send) -> None:
        received.append(await receive())
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    pages.pages["/form"] = Page(render=render)
    await visitor.ask("/form", method="POST", body=b"name=value")
    assert received == [{"type": "http.request", "body": b"name=value", "more_body": False}]


async def test_application_learns_that_the_visitor_left(visitor: Visitor, pages: Pages) -> None:
    """`http.disconnect` reaches the application."""
    left = asyncio.Event()

    async def render(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": fields("Content-Type: text/event-stream")})
        await receive()
        assert (await receive())["type"] == "http.disconnect"
        left.set()

    pages.pages["/events"] = Page(render=render)
    call = visitor.call("/events")
    await call.until(lambda reply: reply.status)
    call.hang_up()
    async with asyncio.timeout(5):
        await left.wait()
        await call.task


# The lifespan.


class Server:
    """The server's side of the lifespan protocol."""

    def __init__(self, app: CacheMiddleware) -> None:
        self._to_app: asyncio.Queue[Message] = asyncio.Queue()
        self._from_app: asyncio.Queue[Message] = asyncio.Queue()
        self.state: dict[str, Any] = {}
        self.task = asyncio.ensure_future(
            app({"type": "lifespan", "state": self.state}, self._to_app.get, self._from_app.put)
        )

    async def says(self, kind: str) -> Message:
        """Tell the application, and give what it answers."""
        await self._to_app.put({"type": f"lifespan.{kind}"})
        async with asyncio.timeout(5):
            return await self._from_app.get()


async def leased(site: CacheMiddleware) -> None:
    """Wait until the cache holds a lease."""
    deadline = time.monotonic() + 5
    while not site.cache.sure:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


async def test_starts_and_ends_with_the_application(redis_server: RedisServer, redis_url: str, namespace: str) -> None:
    """The cache follows purges from start-up on, before the first request, and leaves the registry at the end."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "lifespan"
        scope["state"]["seen"] = [(await receive())["type"]]
        await send({"type": "lifespan.startup.complete"})
        scope["state"]["seen"].append((await receive())["type"])
        await send({"type": "lifespan.shutdown.complete"})

    site = CacheMiddleware(app, Config(redis_url=redis_url, namespace=namespace))
    server = Server(site)
    registered = partial(redis_server.client().zcard, f"{{{namespace}}}:clock:acks")
    assert await server.says("startup") == {"type": "lifespan.startup.complete"}
    await leased(site)
    assert registered() == 2, "the worker, and the mark of the epoch"
    assert await server.says("shutdown") == {"type": "lifespan.shutdown.complete"}
    await server.task
    assert server.state["seen"] == ["lifespan.startup", "lifespan.shutdown"]
    assert not site.cache.sure
    assert registered() == 1


async def _returns(scope: Scope, receive: Receive, send: Send) -> None:
    return None


async def _raises(scope: Scope, receive: Receive, send: Send) -> None:
    raise ValueError("this application knows HTTP only")


async def _raises_after_reading(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    raise ValueError("this application knows HTTP only")


async def _answers_everything(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})


@pytest.mark.parametrize("app", [_returns, _raises, _raises_after_reading, _answers_everything])
async def test_application_without_a_lifespan(app: Any, redis_url: str, namespace: str) -> None:  # noqa: ANN401 - an ASGI application
    """Around an application that knows no lifespan the cache keeps to the protocol by itself: it starts, and it ends."""
    site = CacheMiddleware(app, Config(redis_url=redis_url, namespace=namespace))
    server = Server(site)
    assert await server.says("startup") == {"type": "lifespan.startup.complete"}
    assert await server.says("shutdown") == {"type": "lifespan.shutdown.complete"}
    await server.task
    assert not site.cache.sure


@pytest.mark.parametrize("moment", ["startup", "shutdown"])
async def test_failures_of_the_lifespan_are_told(redis_url: str, namespace: str, moment: str) -> None:
    """An application that cannot start, or not end, says so to the server; the cache leaves no thread behind."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        if moment == "shutdown":
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": f"lifespan.{moment}.failed", "message": "no database"})

    site = CacheMiddleware(app, Config(redis_url=redis_url, namespace=namespace))
    server = Server(site)
    answer = await server.says("startup")
    if moment == "shutdown":
        answer = await server.says("shutdown")
    assert answer == {"type": f"lifespan.{moment}.failed", "message": "no database"}
    await server.task


async def test_exception_after_start_up(redis_url: str, namespace: str) -> None:
    """What the application raises once it has started is the server's to see."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        raise ValueError("later")

    site = CacheMiddleware(app, Config(redis_url=redis_url, namespace=namespace))
    server = Server(site)
    await server.says("startup")
    with pytest.raises(ValueError, match="later"):
        await server.task
    await site.cache.aclose()


async def test_middleware_is_an_application(pages: Pages) -> None:
    """The application and the cache are there to be used; without a configuration it is the default one."""
    site = CacheMiddleware(pages)
    assert site.app is pages
    assert site.cache.config == Config()
    assert (await Visitor(site).get("/a")).cache_status == MISS
    await site.cache.aclose()


@pytest.mark.parametrize("bearable", [None, 1])
async def test_request_inside_a_request(bearable: int | None) -> None:
    """A render may ask its own site for a page, the same or another: it waits for nobody, and the tags are the page's."""
    renders: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        renders.append(path)
        depends_on(f"in:{path[1:]}")
        await send({"type": "http.response.start", "status": 200, "headers": fields(HTML, f"Cache-Tag: of:{path[1:]}")})
        if path == "/outer" and (b"x-part", b"1") not in scope["headers"]:
            for inner in (await asking.get("/outer", "X-Part: 1"), await asking.get("/inner")):
                await send({"type": "http.response.body", "body": inner.body, "more_body": True})
        await send({"type": "http.response.body", "body": path.encode()})

    async with caching(app, origin_concurrency=bearable) as site:
        asking = Visitor(site)
        reply = await asking.get("/outer")
        assert (reply.body, reply.cache_status) == (b"/outer/inner/outer", MISS)
        assert renders == ["/outer", "/outer", "/inner"]
        for tag in ("of:inner", "in:inner", "of:outer"):
            assert (await asking.get("/outer")).cache_status.startswith("hit")
            await site.cache.purge(tags=[tag])
            assert (await asking.get("/outer")).cache_status == "fwd=miss; stored; detail=purged"


@pytest.mark.logs("served but not stored")
async def test_part_whose_tags_cannot_be_told() -> None:
    """A page is not stored where a part of it has tags that no purge could name."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        inner = scope["path"] == "/inner"
        body = b"inner" if inner else (await asking.get("/inner")).body
        tag = "a" * 300 if inner else "b"
        await send({"type": "http.response.start", "status": 200, "headers": fields(HTML, f"Cache-Tag: {tag}")})
        await send({"type": "http.response.body", "body": body})

    async with caching(app) as site:
        asking = Visitor(site)
        assert (await asking.get("/outer")).cache_status == "fwd=uri-miss; detail=tags"
