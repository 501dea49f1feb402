"""The purge log over HTTP: who purged what and why, how long it took, and who follows the purge clock."""

from __future__ import annotations

import asyncio
import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.asgi import HTML, Page, Pages, Reply, Visitor, caching

if TYPE_CHECKING:
    from tests.support.server import Server

OPS = "Authorization: Bearer token-of-ops"
DESK = "Authorization: Bearer token-of-desk"
TOKENS: dict[str, Any] = {"ops": "token-of-ops", "desk": "token-of-desk"}


def tagged() -> Pages:
    """Two pages with a tag, and any others without."""
    page = Page(lines=(HTML, "Cache-Tag: menu:1"))
    return Pages({"/a": page, "/b": page})


async def purge(visitor: Visitor, order: dict[str, object], token: str = OPS) -> Reply:
    """The reply to a purge."""
    return await visitor.ask("/_cache/purge", token, method="POST", body=json.dumps(order).encode())


async def purges(visitor: Visitor, query: str = "") -> list[dict[str, Any]]:
    """The purge log."""
    reply = await visitor.get(f"/_cache/purges{query}", OPS)
    assert reply.status == 200
    found: list[dict[str, Any]] = reply.json()["purges"]
    return found


async def test_in_memory() -> None:
    """Each purge is listed, the newest first, with who, why, what, how much and how long."""
    async with caching(tagged(), admin_tokens=TOKENS) as site:
        visitor = Visitor(site)
        await visitor.get("/a")
        await visitor.get("/b")
        await purge(visitor, {"tags": ["menu:1"], "reason": "the footer"})
        await visitor.ask("/a", DESK, method="PURGE")
        await site.cache.purge(tags=["nothing:1"], soft=True, who="a script", reason="nightly")
        nightly, method, footer = await purges(visitor)
        assert (footer["who"], footer["reason"], footer["tags"]) == ("ops", "the footer", ["menu:1"])
        assert (footer["kind"], footer["state"], footer["entries"]) == ("hard", "done", 2)
        assert footer["duration_ms"] >= 0
        assert footer["at"].endswith("Z")
        assert (method["who"], method["reason"], method["tags"]) == ("desk", "PURGE", ["https://example.org/a"])
        assert (nightly["who"], nightly["kind"], nightly["entries"]) == ("a script", "soft", 0)
        assert (nightly["needless"], footer["needless"]) == (True, None)
        assert [found["seq"] for found in (footer, method, nightly)] == [2, 3, 4]


async def test_chosen() -> None:
    """The log is asked for by number, by tag and by who, and exported as JSON lines, oldest first."""
    async with caching(tagged(), admin_tokens=TOKENS) as site:
        visitor = Visitor(site)
        for number in range(5):
            await purge(visitor, {"tags": [f"block:{number}"]}, token=DESK if number == 3 else OPS)
        assert [found["tags"] for found in await purges(visitor, "?limit=2")] == [["block:4"], ["block:3"]]
        assert [found["tags"] for found in await purges(visitor, "?tag=block:2")] == [["block:2"]]
        assert [found["tags"] for found in await purges(visitor, "?who=desk")] == [["block:3"]]
        lines = await visitor.get("/_cache/purges?format=jsonl&limit=3", OPS)
        assert lines.field("content-type") == "application/jsonl"
        assert [json.loads(line)["tags"] for line in lines.body.splitlines()] == [["block:2"], ["block:3"], ["block:4"]]


async def test_whether_it_was_needed() -> None:
    """A purge after which every page came out as it had been was needless; one that changed something was not."""
    pages = tagged()
    pages.pages["/a"] = pages.pages["/b"] = Page(b"the same", lines=(HTML, "Cache-Tag: menu:1"))
    async with caching(pages, admin_tokens=TOKENS) as site:
        visitor = Visitor(site)
        for changed in (False, True):
            for path in ("/a", "/b"):
                await visitor.get(path)
            await purge(visitor, {"tags": ["menu:1"]})
            if changed:
                pages.pages["/b"] = Page(b"another", lines=(HTML, "Cache-Tag: menu:1"))
            for path in ("/a", "/b"):
                await visitor.get(path)
            await site.cache.runtime.finish()
            found = (await purges(visitor))[0]
            assert (found["rendered"], found["unchanged"], found["needless"]) == (2, 2 - changed, not changed)


@pytest.mark.parametrize("soft", [False, True], ids=["hard", "soft"])
@pytest.mark.parametrize("held", [True, False], ids=["in memory", "in Redis"])
async def test_whoever_renders_tells(redis_url: str, namespace: str, held: bool, soft: bool) -> None:
    """Whether a purge was needed is told by the worker that renders, which held the page or found it in Redis, not by who purged."""
    options: dict[str, Any] = {"redis_url": redis_url, "namespace": namespace, "admin_tokens": TOKENS}
    pages = {f"/{name}": Page(b"the same", lines=(HTML, f"Cache-Tag: menu:{name}")) for name in "ab"}
    site = Pages(pages)
    async with caching(site, **options) as one, caching(site, **options) as other:
        purging, rendering = Visitor(one), Visitor(other)
        for path in pages:
            await (rendering if held else purging).get(path)
        for cache in (one.cache, other.cache):
            await cache.runtime.finish()
        pages["/b"].body = b"another"
        for name, same in (("a", True), ("b", False)):
            if not held:
                one.cache.parts.memories["rendered"].clear()
            assert (await purge(purging, {"tags": [f"menu:{name}"], "soft": soft})).status == 200
            (before,) = await purges(purging, f"?tag=menu:{name}")
            assert (before["rendered"], before["needless"]) == (0, None)
            await rendering.get(f"/{name}")
            async with asyncio.timeout(10):
                while not (found := (await purges(purging, f"?tag=menu:{name}"))[0])["rendered"]:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
            assert (found["rendered"], found["unchanged"], found["needless"]) == (1, int(same), same)
            assert found["entries"] == 0


async def test_renders_for_nobody_tell_too() -> None:
    """What is rendered anew before anybody asks is compared as well."""
    pages = tagged()
    pages.pages["/a"] = Page(b"the same", lines=(HTML, "Cache-Tag: menu:1"))
    async with caching(pages, admin_tokens=TOKENS, sites={"example.org": "main"}) as site:
        visitor = Visitor(site)
        await visitor.get("/a")
        await purge(visitor, {"tags": ["menu:1"]})
        assert (
            await visitor.ask("/_cache/warm", OPS, method="POST", body=b'{"site": "main", "paths": ["/a"]}')
        ).status == 202
        async with asyncio.timeout(10):
            while not (found := (await purges(visitor))[0])["rendered"]:  # noqa: ASYNC110 - another thread renders
                await asyncio.sleep(0.01)
        assert (found["rendered"], found["unchanged"], found["needless"]) == (1, 1, True)
        assert pages.renders["/a"] == 2


@pytest.mark.parametrize(
    ("query", "field"), [("limit=0", "limit"), ("limit=x", "limit"), ("format=xml", "format"), ("page=2", "page")]
)
async def test_what_cannot_be_asked(query: str, field: str) -> None:
    """A parameter that cannot be meant is named."""
    async with caching(tagged(), admin_tokens=TOKENS) as site:
        reply = await Visitor(site).get(f"/_cache/purges?{query}", OPS)
        assert (reply.status, reply.json()["field"]) == (400, field)


async def test_through_redis(redis_url: str, namespace: str) -> None:
    """Every worker tells of the purges of all, with how long they took; and where all of them are."""
    options: dict[str, Any] = {"redis_url": redis_url, "namespace": namespace, "lease_seconds": 0.5}
    options["admin_tokens"] = TOKENS
    async with caching(tagged(), **options) as one, caching(tagged(), **options) as other:
        visitors = [Visitor(one), Visitor(other)]
        for visitor in visitors:
            await visitor.get("/a")
        reply = await purge(visitors[0], {"tags": ["menu:1"], "reason": "the footer"})
        assert reply.status == 200
        async with asyncio.timeout(10):
            while (await purges(visitors[1], "?tag=menu:1"))[0]["duration_ms"] is None:  # noqa: ASYNC110 - a thread tells
                await asyncio.sleep(0.01)
        (footer,) = await purges(visitors[1], "?tag=menu:1")
        assert (footer["who"], footer["reason"], footer["entries"]) == ("ops", "the footer", 1)
        assert (footer["epoch"], footer["seq"]) == (reply.json()["epoch"], reply.json()["seq"])
        assert footer["state"] == "done"
        workers = (await visitors[1].get("/_cache/stats", OPS)).json()["workers"]
        assert len(workers) == 2
        assert sum(worker["here"] for worker in workers) == 1
        for worker in workers:
            assert worker["name"].split(":")[1] == str(os.getpid())
            assert (worker["epoch"], worker["position"], worker["lag"]) == (footer["epoch"], footer["seq"], 0)
            assert worker["lease_ms"] == 500


@pytest.mark.logs("that Redis never took", "lease lost", "the shared store is not asked")
async def test_without_redis(own_server: Server, namespace: str) -> None:
    """When Redis is gone the log says so; the counters of this worker are there all the same."""
    options: dict[str, Any] = {"redis_url": own_server.url, "namespace": namespace, "admin_tokens": TOKENS}
    async with caching(tagged(), **options) as site:
        visitor = Visitor(site)
        await visitor.get("/a")
        own_server.kill()
        reply = await visitor.get("/_cache/purges", OPS)
        assert reply.status == 503
        assert "the purge log is in Redis" in reply.json()["error"]
        stats = await visitor.get("/_cache/stats", OPS)
        assert (stats.status, stats.json()["workers"]) == (200, [])
        assert "Redis does not tell who there is" in stats.json()["workers_trouble"]
