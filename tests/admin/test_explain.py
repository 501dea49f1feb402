"""Explain for reasons that take a hand inside to produce: a lost Redis, a full memory, a fault; and what cannot be asked."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import urlencode

import pytest

from cms_cache_mw import fragment
from cms_cache_mw.collecting import current
from cms_cache_mw.core.cacheability import Cacheability
from cms_cache_mw.core.status import Reason
from tests.support.asgi import HTML, Page, Pages, Visitor, caching

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from starlette.types import Receive, Scope, Send

    from cms_cache_mw import CacheMiddleware
    from tests.support.server import Server

    Produce: TypeAlias = Callable[["Scene"], Awaitable[str]]

TOKEN = "a-token-for-the-tests"
MAY = f"Authorization: Bearer {TOKEN}"


class Scene:
    """A site, somebody who visits it, and the Redis behind it if there is one."""

    def __init__(self, site: CacheMiddleware, pages: Pages, server: Server | None) -> None:
        self.site, self.pages, self.server = site, pages, server
        self.visitor = Visitor(site)

    async def told(self, endpoint: str, *pairs: tuple[str, str]) -> Any:  # noqa: ANN401 - JSON
        """What an endpoint says."""
        reply = await self.visitor.get(f"/_cache{endpoint}?{urlencode(pairs)}", MAY)
        assert reply.status == 200, reply.body
        return reply.json()

    async def on_redis(self) -> str:
        """A page that is in Redis."""
        await self.visitor.get("/a")
        await self.site.cache.runtime.finish()
        return "/a"


@asynccontextmanager
async def scene(server: Server | None = None, namespace: str = "test", **options: Any) -> AsyncIterator[Scene]:  # noqa: ANN401
    """A site for one test."""
    pages = Pages()
    if server:
        options |= {"redis_url": server.url, "namespace": namespace, "lease_seconds": 0.5}
    async with caching(pages, admin_token=TOKEN, **options) as site:
        yield Scene(site, pages, server)


def says(reason: Reason, explanation: Any) -> bool:  # noqa: ANN401 - JSON
    """Whether the reason is in an explanation."""
    return f'"{reason}"' in json.dumps(explanation)


async def epoch(scene: Scene) -> str:
    """A page in Redis from an epoch that is over."""
    path = await scene.on_redis()
    assert scene.server
    before = scene.site.cache.worker.clock.state.epoch
    scene.server.client().delete(f"{{{scene.site.cache.config.namespace}}}:clock:meta")
    async with asyncio.timeout(10):
        while not scene.site.cache.sure or scene.site.cache.worker.clock.state.epoch == before:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    return path


async def unreadable(scene: Scene) -> str:
    """A value in Redis that is none of ours."""
    path = await scene.on_redis()
    assert scene.server
    client = scene.server.client()
    (name,) = client.keys(f"{scene.site.cache.config.namespace}:rendered:*")
    client.set(name, b"nonsense")
    scene.site.cache.parts.memories["rendered"].clear()
    return path


async def floor(scene: Scene) -> str:
    """A page that is older than the purges that are still remembered."""
    await scene.visitor.get("/a")
    scene.site.cache.worker.clock.capacity = 5
    for number in range(20):
        await scene.site.cache.purge(tags=[f"block:{number}"])
    return "/a"


async def fault(scene: Scene) -> str:
    """A cache that fails."""
    levels = scene.site.cache.engine.levels
    scene.site.cache.engine.levels = None  # type: ignore[assignment] # that is the fault
    await scene.visitor.get("/a")
    scene.site.cache.engine.levels = levels
    return "/a"


async def collecting(scene: Scene) -> str:
    """Copies under way have used up their share of the memory."""
    tally = scene.site.cache.parts.tally
    share = scene.site.cache.config.max_memory_bytes // 4
    assert tally.collect(share)
    await scene.visitor.get("/a")
    tally.collect(-share)
    return "/a"


async def once(scene: Scene) -> str:
    """A page that was asked for."""
    await scene.visitor.get("/a")
    return "/a"


async def untagged(scene: Scene) -> str:
    """A page with a status that is stored with tags only."""
    scene.pages.pages["/a"] = Page(status=404)
    return await once(scene)


def made_of(part: Cacheability) -> Produce:
    """A page with such a part."""

    async def produced(scene: Scene) -> str:
        async def render(scope: Scope, receive: Receive, send: Send) -> None:
            collector = current()
            assert collector
            collector.add(part)
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/html")]})
            await send({"type": "http.response.body", "body": b"x"})

        scene.pages.pages["/a"] = Page(render=render)
        return await once(scene)

    return produced


async def late_vary(scene: Scene) -> str:
    """A page of which a part varies that was rendered after the head was sent."""

    async def render(scope: Scope, receive: Receive, send: Send) -> None:
        collector = current()
        assert collector
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/html")]})
        collector.add(Cacheability(vary=frozenset({"x-kind"})))
        await send({"type": "http.response.body", "body": b"x"})

    scene.pages.pages["/a"] = Page(render=render)
    return await once(scene)


async def badly_hosted(scene: Scene) -> str:
    """A page of no known site."""
    await Visitor(scene.site, host="other.org").get("/a")
    return "https://other.org/a"


async def no_path(scene: Scene) -> str:
    """A request whose target is no path, which no server here passes on."""
    await scene.visitor.get("*")
    return ""


async def warmed(scene: Scene) -> str:
    """A page that was rendered before anybody asked."""
    reply = await scene.visitor.ask(
        "/_cache/warm", MAY, method="POST", body=json.dumps({"site": "main", "paths": ["/a"]}).encode()
    )
    assert reply.status == 202, reply.body
    async with asyncio.timeout(10):
        while not scene.pages.renders["/a"]:  # noqa: ASYNC110 - another thread renders
            await asyncio.sleep(0.01)
    return "/a"


INSIDE: dict[Reason, tuple[Produce, dict[str, Any]]] = {
    Reason.EPOCH: (epoch, {"server": True}),
    Reason.UNREADABLE: (unreadable, {"server": True}),
    Reason.FLOOR: (floor, {}),
    Reason.FAULT: (fault, {}),
    Reason.COLLECTING: (collecting, {}),
    Reason.OFF: (once, {"enable_for": ("/other*",)}),
    Reason.UNSURE: (once, {"redis_url": "redis://127.0.0.1:1/0"}),
    Reason.UNTAGGED: (untagged, {"store_statuses": (200, 404)}),
    Reason.PERSONAL: (made_of(Cacheability(private=True)), {}),
    Reason.SHORT_PART: (made_of(Cacheability(lifetime=0.0)), {}),
    Reason.STALE_PART: (made_of(Cacheability(storable=False)), {}),
    Reason.LATE_VARY: (late_vary, {}),
    Reason.HOST: (badly_hosted, {"sites": {"example.org": "main"}}),
    Reason.TARGET: (no_path, {}),
    Reason.WARMED: (warmed, {"sites": {"example.org": "main"}}),
}
"""What produces a reason, with the options of the site."""


@pytest.mark.logs("the cache failed", "keeping warm failed", "the shared store is not asked", "starting cold")
@pytest.mark.parametrize("reason", list(INSIDE), ids=str)
async def test_reason(own_server: Server, reason: Reason) -> None:
    """What a request got, or would get, is explained by its reason."""
    produce, options = INSIDE[reason]
    server = own_server if options.get("server") else None
    async with scene(server, **{name: value for name, value in options.items() if name != "server"}) as made:
        url = await produce(made)
        async with asyncio.timeout(10):
            endpoint, pair = ("/explain", ("url", url)) if url else ("/decisions", ("reason", reason))
            while not says(reason, explanation := await made.told(endpoint, pair)):
                assert reason is Reason.WARMED, explanation
                await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("", "url"),
        ("url=", "url"),
        ("url=about", "url"),
        ("url=//x/y", "url"),
        ("url=/a%20b", "url"),
        ("url=/a%00", "url"),
        ("url=https://", "url"),
        ("url=https://[/", "url"),
        ("url=/a&url=/b", "url"),
        ("url=/a&method=get", "method"),
        ("url=/a&header=Cookie", "header"),
        ("url=/a&header=Host:%20x", "header"),
        ("url=/a&" + "&".join(["header=A:b"] * 21), "header"),
        ("url=/a&headers=A:b", "headers"),
    ],
)
async def test_what_cannot_be_asked(query: str, field: str) -> None:
    """What cannot be meant is 400 with its field."""
    async with scene() as made:
        reply = await made.visitor.get(f"/_cache/explain?{query}", MAY)
        assert (reply.status, reply.json()["field"]) == (400, field)


async def test_explaining_changes_nothing() -> None:
    """Whoever looks leaves no trace: nothing is counted, rendered, dropped or put into the journal."""
    async with scene() as made:
        made.pages.pages["/a"] = Page(lines=(HTML, "Cache-Tag: menu:1"))
        await made.visitor.get("/a")
        await made.site.cache.purge(tags=["menu:1"])
        before = made.site.cache.stats()
        for _ in range(3):
            found = await made.told("/explain", ("url", "/a"))
            assert (found["why"]["reason"], len(found["decisions"])) == ("purged", 1)
        assert made.site.cache.stats() == before
        assert made.pages.renders["/a"] == 1


async def test_decisions_are_followed() -> None:
    """Whoever asks for what came after the newest one that is known gets each decision once."""
    async with scene() as made:
        await made.visitor.get("/a")
        (first,) = (await made.told("/decisions"))["decisions"]
        assert (await made.told("/decisions", ("after", str(first["at"]))))["decisions"] == []
        await asyncio.sleep(0.002)
        await made.visitor.get("/b")
        (second,) = (await made.told("/decisions", ("after", str(first["at"]))))["decisions"]
        assert (second["url"], second["reason"], second["detail"]) == ("/b", "uri-miss", "stored")


@pytest.mark.logs("lease lost", "the shared store is not asked")
async def test_without_redis(own_server: Server) -> None:
    """When Redis is gone, what this worker knows is told, and what it could not ask."""
    async with scene(own_server) as made:
        await made.visitor.get("/a")
        own_server.kill()
        found = await made.told("/explain", ("url", "/a"))
        assert found["stored"][0]["level"] == "memory"
        assert "Redis does not tell who purged what" in found["trouble"]


async def test_fragments_of_a_page() -> None:
    """A page made of fragments has their tags, by name."""

    @fragment("block:explained")
    def block() -> str:
        return "block"

    async def render(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/html")]})
        await send({"type": "http.response.body", "body": block().encode()})

    async with scene() as made:
        made.pages.pages["/a"] = Page(render=render)
        await made.visitor.get("/a")
        assert (await made.told("/explain", ("url", "/a")))["stored"][0]["tags"] == ["block:explained"]
