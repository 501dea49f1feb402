"""The admin endpoints: who may, what is asked for, what is answered, and what hostile requests get."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.asgi import HTML, Page, Pages, Reply, Visitor, caching

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from cms_cache_mw import CacheMiddleware
    from tests.support.clock import Clock
    from tests.support.server import Server

TOKEN = "a-token-for-the-tests"
MAY = f"Authorization: Bearer {TOKEN}"


@pytest.fixture
def pages() -> Pages:
    """A page with two tags, and any others without."""
    return Pages({"/tagged": Page(lines=(HTML, "Cache-Tag: block:7, page:1"))})


@pytest.fixture
async def site(pages: Pages, clock: Clock) -> AsyncIterator[CacheMiddleware]:
    """A site in memory alone, with one token."""
    async with caching(pages, clock, admin_token=TOKEN) as site:
        yield site


@pytest.fixture
def visitor(site: CacheMiddleware) -> Visitor:
    """Somebody without a token."""
    return Visitor(site)


async def purge(visitor: Visitor, order: object, *lines: str, sent: bytes | None = None) -> Reply:
    """The reply to a purge with the token; `order` is sent as JSON."""
    body = json.dumps(order).encode() if sent is None else sent
    return await visitor.ask("/_cache/purge", MAY, *lines, method="POST", body=body)


def error(reply: Reply) -> tuple[int, str]:
    """Status and field of an error, which says in a sentence why."""
    answer = reply.json()
    assert set(answer) == {"field", "error"}
    assert answer["error"]
    return reply.status, answer["field"]


async def test_purge_by_tag(visitor: Visitor) -> None:
    """A purge answered 200 is done: the next visitor of what depends on it gets a new render, others what was stored."""
    await visitor.get("/tagged")
    await visitor.get("/other")
    assert (await visitor.get("/tagged")).level == "memory"
    reply = await purge(visitor, {"tags": ["block:7"], "reason": "a test"})
    assert reply.status == 200
    answer = reply.json()
    assert answer["state"] == "done"
    assert answer["scope"] == "process"
    assert answer["seq"] == 2
    assert len(answer["epoch"]) == 16
    assert (await visitor.get("/tagged")).body == b"render 2"
    assert (await visitor.get("/other")).level == "memory"


@pytest.mark.parametrize(
    ("order", "gone"),
    [
        ({"urls": ["/a/b?x=1"]}, {"/a/b?x=1"}),
        ({"urls": ["/a/b"]}, {"/a/b", "/a/b?x=1"}),
        ({"urls": ["https://example.org/a/"]}, {"/a/"}),
        ({"urls": ["https://example.com/a/"]}, set()),
        ({"urls": ["/a/b"], "site": "example.org"}, {"/a/b", "/a/b?x=1"}),
        ({"prefixes": ["/a/"]}, {"/a/", "/a/b", "/a/b?x=1"}),
        ({"site": "example.org"}, {"/a/", "/a/b", "/a/b?x=1", "/c"}),
        ({"site": "example.com"}, set()),
        ({"all": True}, {"/a/", "/a/b", "/a/b?x=1", "/c"}),
        ({"tags": ["nobody:1"]}, set()),
    ],
)
async def test_purge_reaches(visitor: Visitor, order: dict[str, object], gone: set[str]) -> None:
    """A purge reaches what it names and nothing else."""
    paths = {"/a/", "/a/b", "/a/b?x=1", "/c"}
    for path in paths:
        await visitor.get(path)
    assert (await purge(visitor, order)).status == 200
    assert {path for path in paths if (await visitor.get(path)).level is None} == gone


async def test_soft_purge(visitor: Visitor, clock: Clock) -> None:
    """What was purged softly is served once more while it is replaced, until its grace ends."""
    await visitor.get("/tagged")
    assert (await purge(visitor, {"tags": ["block:7"], "soft": True, "grace_ms": 5_000})).status == 200
    stale = await visitor.get("/tagged")
    assert (stale.body, stale.level) == (b"render 1", "memory")
    await asyncio.sleep(0.01)
    assert (await visitor.get("/tagged")).body == b"render 2"
    await purge(visitor, {"tags": ["block:7"], "soft": True, "grace_ms": 5_000})
    clock.advance(5)
    assert (await visitor.get("/tagged")).level is None


async def test_purge_method(visitor: Visitor) -> None:
    """PURGE with the token purges the URL that it asks for, spelled in any way, on its host."""
    for target in ("/a%7e?q=1", "/a%7e?utm_source=x", "/b"):
        await visitor.get(target)
    reply = await visitor.ask("/./a~?q=1", MAY, method="PURGE")
    assert (reply.status, reply.json()["state"]) == (200, "done")
    assert (await visitor.get("/a%7e?q=1")).level is None
    assert (await visitor.get("/a%7e?utm_source=x")).level == "memory"
    assert (await visitor.ask("/a~?utm_source=y", MAY, method="PURGE")).status == 200
    assert (await visitor.get("/a%7e?utm_source=x")).level is None
    elsewhere = Visitor(visitor.app, host="example.com")
    assert (await elsewhere.ask("/b", MAY, method="PURGE")).status == 200
    assert (await visitor.get("/b")).level == "memory"


async def test_purge_method_needs_the_token(visitor: Visitor, pages: Pages) -> None:
    """Without the token PURGE purges nothing and reaches nobody."""
    await visitor.get("/b")
    assert error(await visitor.ask("/b", method="PURGE")) == (401, "Authorization")
    assert error(await visitor.ask("/_cacheless", method="PURGE")) == (401, "Authorization")
    assert (await visitor.get("/b")).level == "memory"
    assert len(pages.seen) == 1


@pytest.mark.parametrize("host", [None, "exa mple.org"])
async def test_purge_method_without_a_host(site: CacheMiddleware, host: str | None) -> None:
    """PURGE has to say whose URL it means."""
    assert (await Visitor(site, host=host).ask("/b", MAY, method="PURGE")).status == 400


@pytest.mark.parametrize(
    "lines",
    [
        (),
        ("Authorization: Bearer wrong-token",),
        (f"Authorization: Basic {TOKEN}",),
        (f"X-Authorization: Bearer {TOKEN}",),
        (f"Cookie: token={TOKEN}",),
        (MAY, MAY),
        (MAY, "Authorization: Bearer wrong-token"),
    ],
)
@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/_cache/purge"), ("GET", "/_cache/stats"), ("GET", "/_cache/unknown")],
)
async def test_needs_the_token(visitor: Visitor, pages: Pages, lines: tuple[str, ...], method: str, path: str) -> None:
    """Without exactly one right token every endpoint answers alike, the unknown ones too, and does nothing."""
    await visitor.get("/b")
    reply = await visitor.ask(path, *lines, method=method, body=b'{"all": true}' if method == "POST" else b"")
    assert error(reply) == (401, "Authorization")
    assert reply.field("www-authenticate") == 'Bearer realm="cms-cache"'
    assert (await visitor.get("/b")).level == "memory"
    assert len(pages.seen) == 1


async def test_named_tokens(pages: Pages) -> None:
    """Each of several tokens opens."""
    async with caching(pages, admin_tokens={"ops": "token-of-ops", "editor": "token-of-editors"}) as site:
        for token in ("token-of-ops", "token-of-editors"):
            reply = await Visitor(site).get("/_cache/stats", f"Authorization: Bearer {token}")
            assert reply.status == 200


async def test_off_without_a_token(pages: Pages) -> None:
    """Without any token there are no endpoints: their paths and PURGE are the application's."""
    async with caching(pages) as site:
        visitor = Visitor(site)
        for method, path in (("POST", "/_cache/purge"), ("GET", "/_cache/health"), ("GET", "/_cache"), ("PURGE", "/b")):
            assert (await visitor.ask(path, MAY, method=method)).status == 200
        assert [scope["method"] for scope in pages.seen] == ["POST", "GET", "GET", "PURGE"]


async def test_other_path(pages: Pages) -> None:
    """The endpoints are where the deployment wants them; neighbours of that path are the application's."""
    async with caching(pages, admin_token=TOKEN, admin_path="/ops/cache") as site:
        visitor = Visitor(site)
        assert (await visitor.get("/ops/cache/health")).json() == {"status": "up"}
        for path in (
            "/_cache/health",
            "/ops",
            "/ops/cachehealth",
            "/ops/cache2/health",
            "/x/ops/cache/health",
            "//ops/cache/health",
        ):
            assert (await visitor.get(path)).body == b"render 1", path


async def test_wrong_tokens_are_limited(visitor: Visitor, clock: Clock) -> None:
    """After sixty wrong tokens in a minute the answer is 429; a right one is never refused."""
    for _ in range(60):
        assert (await visitor.get("/_cache/stats", "Authorization: Bearer wrong")).status == 401
    refused = await visitor.get("/_cache/stats", "Authorization: Bearer wrong")
    assert error(refused) == (429, "Authorization")
    assert refused.field("retry-after") == "60"
    assert (await visitor.ask("/b", method="PURGE")).status == 429
    assert (await visitor.get("/_cache/stats", MAY)).status == 200
    assert (await purge(visitor, {"tags": ["a"]})).status == 200
    clock.advance(60)
    assert (await visitor.get("/_cache/stats", "Authorization: Bearer wrong")).status == 401


async def test_health(visitor: Visitor) -> None:
    """Health needs no token and says one word."""
    reply = await visitor.get("/_cache/health")
    assert (reply.status, reply.json()) == (200, {"status": "up"})
    assert reply.field("cache-control") == "no-store"


async def test_degraded_without_a_lease(pages: Pages) -> None:
    """A worker that cannot reach Redis says so, and answers."""
    async with caching(pages, admin_token=TOKEN, redis_url="redis://127.0.0.1:1/0") as site:
        visitor = Visitor(site)
        assert (await visitor.get("/b")).status == 200
        reply = await visitor.get("/_cache/health")
        assert (reply.status, reply.json()) == (200, {"status": "degraded"})


async def test_stats(visitor: Visitor) -> None:
    """The counters of this worker, as JSON that any reader takes."""
    await visitor.get("/tagged")
    await visitor.get("/tagged")
    await visitor.get("/b", "Cookie: sessionid=1")
    reply = await visitor.get("/_cache/stats", MAY)
    assert reply.status == 200
    stats = reply.json()
    assert stats["answers"]["hit"] == 1
    assert stats["answers"]["memory"] == 1
    assert stats["answers"]["uri-miss"] == 1
    assert stats["bypass_cookies"] == {"sessionid": 1}
    assert stats["clock"]["scope"] == "process"
    assert stats["flights"] == 0


@pytest.mark.parametrize("reply_to", ["/_cache/health", "/_cache/stats", "/_cache/purge", "/_cache/unknown"])
async def test_answers_are_for_their_asker(visitor: Visitor, reply_to: str) -> None:
    """Every answer is JSON of a stated length that nobody may store or take for something else."""
    reply = await visitor.get(reply_to, MAY)
    assert reply.field("content-type") == "application/json"
    assert reply.field("cache-control") == "no-store"
    assert reply.field("x-content-type-options") == "nosniff"
    assert reply.field("content-length") == str(len(reply.body))
    assert isinstance(reply.json(), dict)


@pytest.mark.parametrize(
    "path",
    [
        "/_cache/purg",
        "/_cache/purge/",
        "/_cache/purge/x",
        "/_cache//purge",
        "/_cache/health/",
        "/_cache/%70urge",
    ],
)
async def test_unknown_endpoint(visitor: Visitor, pages: Pages, path: str) -> None:
    """What does not exist is not found, without a hint at what does, and does not reach the application."""
    reply = await visitor.get(path, MAY)
    assert (reply.status, reply.json()) == (404, {"field": "", "error": "not found"})
    assert pages.seen == []


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/_cache/purge", "POST"),
        ("PUT", "/_cache/purge", "POST"),
        ("HEAD", "/_cache/purge", "POST"),
        ("POST", "/_cache/stats", "GET"),
        ("POST", "/_cache/health", "GET"),
        ("DELETE", "/_cache/health", "GET"),
    ],
)
async def test_wrong_method(visitor: Visitor, method: str, path: str, allowed: str) -> None:
    """An endpoint asked with another method says which one it takes (RFC 9110 §15.5.6)."""
    reply = await visitor.ask(path, MAY, method=method)
    assert error(reply) == (405, "method")
    assert reply.field("allow") == allowed
    assert allowed in reply.json()["error"]


HOSTILE: list[tuple[bytes, str]] = [
    (b"", "body"),
    (b"null", "body"),
    (b"[]", "body"),
    (b'"all"', "body"),
    (b"NaN", "body"),
    (b"{", "body"),
    (b'{"all": true} {}', "body"),
    (b'\xef\xbb\xbf{"all": true}', "body"),
    (b"\xff\xfe\x00", "body"),
    (b'{"tags": ["\xff"]}', "body"),
    (b'{"tags": ["\\ud800"]}', "body"),
    (b"[" * 60_000, "body"),
    (b'{"x": ' + b"[" * 60_000, "x"),
    (b'{"tags": ' + b"[" * 60_000, "tags[0]"),
    (b'{"tags": ' + b'{"a":' * 10_000, "tags"),
    (b"{}", "tags"),
    (b'{"tags": []}', "tags"),
    (b'{"all": false, "soft": true}', "tags"),
    (b'{"reason": "x"}', "tags"),
    (b'{"tags": "block:7"}', "tags"),
    (b'{"tags": {"a": 1}}', "tags"),
    (b'{"tags": [7]}', "tags[0]"),
    (b'{"tags": ["a", null]}', "tags[1]"),
    (b'{"tags": null}', "tags"),
    (b'{"tags": ["a b"]}', "tags"),
    (b'{"tags": ["a\\u0000"]}', "tags"),
    (b'{"tags": [""]}', "tags"),
    (b'{"tags": ["' + b"x" * 257 + b'"]}', "tags"),
    (json.dumps({"tags": [f"t{number}" for number in range(501)]}).encode(), "tags"),
    (json.dumps({"urls": ["/a"] * 501}).encode(), "urls"),
    (b'{"urls": ["about"]}', "urls"),
    (b'{"urls": ["https://"]}', "urls"),
    (b'{"urls": ["/a\\nb"]}', "urls"),
    (b'{"urls": [1]}', "urls[0]"),
    (b'{"prefixes": ["/news"]}', "prefixes"),
    (b'{"prefixes": [true]}', "prefixes[0]"),
    (b'{"site": 1}', "site"),
    (b'{"site": "a", "tags": ["b"]}', "site"),
    (b'{"all": 1}', "all"),
    (b'{"all": "true"}', "all"),
    (b'{"all": true, "soft": 0}', "soft"),
    (b'{"all": true, "wait_ms": -1}', "wait_ms"),
    (b'{"all": true, "wait_ms": 60001}', "wait_ms"),
    (b'{"all": true, "wait_ms": 1.5}', "wait_ms"),
    (b'{"all": true, "wait_ms": "5"}', "wait_ms"),
    (b'{"all": true, "wait_ms": true}', "wait_ms"),
    (b'{"all": true, "wait_ms": 1e400}', "wait_ms"),
    (b'{"all": true, "wait_ms": 1' + b"0" * 5_000 + b"}", "wait_ms"),
    (b'{"all": true, "grace_ms": -1}', "grace_ms"),
    (b'{"all": true, "grace_ms": 86400001}', "grace_ms"),
    (b'{"all": true, "reason": 5}', "reason"),
    (b'{"tag": ["a"]}', "tag"),
    (b'{"Tags": ["a"]}', "Tags"),
    (b'{"all": true, "everything": true}', "everything"),
]


@pytest.mark.parametrize(
    ("body", "field"), HOSTILE, ids=lambda part: part[:30].decode("latin-1") if isinstance(part, bytes) else None
)
async def test_hostile_orders(visitor: Visitor, body: bytes, field: str) -> None:
    """What cannot be meant is 400 with the field at fault, and purges nothing."""
    await visitor.get("/tagged")
    assert error(await purge(visitor, None, sent=body)) == (400, field)
    assert (await visitor.get("/tagged")).level == "memory"


async def test_unknown_field_names_those_there_are(visitor: Visitor) -> None:
    """Who misspells a field is told the right ones."""
    reply = await purge(visitor, {"tag": ["a"]})
    assert "there is no field 'tag'; the fields are tags, urls, prefixes, site, all" in reply.json()["error"]


async def test_as_much_as_there_may_be(visitor: Visitor) -> None:
    """500 tags fit, and 64 KiB; a byte more is too large."""
    assert (await purge(visitor, {"tags": [f"block:{number}" for number in range(500)]})).status == 200
    order = b'{"tags": ["a"], "reason": "'
    filled = order + b"x" * (65_536 - len(order) - 2) + b'"}'
    assert len(filled) == 65_536
    assert (await purge(visitor, None, sent=filled)).status == 200
    assert error(await purge(visitor, None, sent=filled + b" ")) == (413, "body")


async def test_too_large_needs_the_token_too(visitor: Visitor) -> None:
    """Who has no token learns nothing of limits."""
    reply = await visitor.ask("/_cache/purge", method="POST", body=b" " * 70_000)
    assert error(reply) == (401, "Authorization")


async def test_tokens_are_in_no_answer(visitor: Visitor) -> None:
    """Neither answers nor errors repeat a token."""
    for lines in ((MAY,), (MAY, MAY), ("Authorization: Bearer wrong-token",)):
        for path in ("/_cache/stats", "/_cache/unknown", "/_cache/purge"):
            reply = await visitor.get(path, *lines)
            assert TOKEN.encode() not in reply.body
            assert b"wrong-token" not in reply.body


async def test_names_what_sites_there_are(pages: Pages) -> None:
    """Where sites are named, a purge of another one is an error and not a success that did nothing."""
    async with caching(pages, admin_token=TOKEN, sites={"example.org": "main"}) as site:
        visitor = Visitor(site)
        for order, field in (({"site": "blog"}, "site"), ({"urls": ["https://other.org/a"]}, "urls")):
            assert error(await purge(visitor, order)) == (400, field)
        assert (await purge(visitor, {"site": "main"})).status == 200
        other = Visitor(site, host="other.org")
        assert error(await other.ask("/a", MAY, method="PURGE")) == (400, "urls")


async def test_purge_through_redis(pages: Pages, redis_url: str, namespace: str) -> None:
    """With Redis a purge answered 200 is done on every worker."""
    options: dict[str, Any] = {
        "redis_url": redis_url,
        "namespace": namespace,
        "admin_token": TOKEN,
        "lease_seconds": 0.5,
    }
    async with caching(pages, **options) as one, caching(pages, **options) as other:
        visitors = [Visitor(one), Visitor(other)]
        for visitor in visitors:
            await visitor.get("/tagged")
            assert (await visitor.get("/tagged")).level == "memory"
        reply = await purge(visitors[0], {"tags": ["page:1"]})
        assert (reply.status, reply.json()["scope"]) == (200, "everywhere")
        before = pages.renders["/tagged"]
        assert (await visitors[1].get("/tagged")).level is None
        assert pages.renders["/tagged"] == before + 1


async def test_recorded_but_not_certain(pages: Pages, redis_url: str, namespace: str) -> None:
    """A caller who does not wait is told 202, when it will be certain, and nothing that is not so."""
    options: dict[str, Any] = {
        "redis_url": redis_url,
        "namespace": namespace,
        "admin_token": TOKEN,
        "lease_seconds": 1.0,
    }
    async with caching(pages, **options) as site:
        visitor = Visitor(site)
        await visitor.get("/tagged")
        # In a new epoch leases of the old one may still run: no acknowledgement proves anything yet.
        reply = await purge(visitor, {"tags": ["page:1"], "wait_ms": 200})
        assert reply.status == 202
        answer = reply.json()
        assert answer["state"] == "recorded"
        assert answer["seq"] > 0
        assert 0 < answer["certain_in_ms"] <= 1_100
        assert answer["detail"]


@pytest.mark.logs("that Redis never took", "lease lost", "the shared store is not asked")
async def test_unrecorded(pages: Pages, own_server: Server, namespace: str) -> None:
    """Without Redis a purge is 503: nothing was promised, and the caller may try again."""
    options: dict[str, Any] = {
        "redis_url": own_server.url,
        "namespace": namespace,
        "admin_token": TOKEN,
        "lease_seconds": 0.5,
    }
    async with caching(pages, **options) as site:
        visitor = Visitor(site)
        await visitor.get("/tagged")
        own_server.kill()
        reply = await purge(visitor, {"tags": ["page:1"], "wait_ms": 200})
        assert reply.status == 503
        assert reply.json()["state"] == "unrecorded"
        assert "Redis did not record it" in reply.json()["detail"]
        assert reply.field("retry-after") == "1"
        assert (await visitor.get("/_cache/stats", MAY)).json()["clock"]["unrecorded"] == 1
