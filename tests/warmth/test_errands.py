"""`POST /_cache/warm`, over both shells."""

from __future__ import annotations

import asyncio
import gzip
import threading
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

import pytest

from cms_cache_mw import Config, WSGICacheMiddleware
from cms_cache_mw.warmth import sitemap
from tests.support.asgi import HTML, Page, Pages, Reply, Visitor, caching
from tests.support.later import soon
from tests.support.wait import until
from tests.warmth.test_sitemap import index, urls
from tests.wsgi.direct import Server as WsgiServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable
    from wsgiref.types import StartResponse, WSGIEnvironment

    from cms_cache_mw import CacheMiddleware

TOKEN: Final = "secret-of-the-tests"
BEARER: Final = f"Authorization: Bearer {TOKEN}"
XML: Final = "Content-Type: application/xml"


async def order(site: CacheMiddleware, body: bytes, host: str = "example.org") -> Reply:
    """The answer to an order."""
    return await Visitor(site, host).ask("/_cache/warm", BEARER, method="POST", body=body)


async def done(site: CacheMiddleware, reply: Reply, host: str = "example.org") -> dict[str, Any]:
    """Where an errand stands in the end."""
    assert reply.status == 202, reply.body
    name = reply.json()["id"]
    await soon(
        lambda: any(run["id"] == name and run["state"] == "done" for run in site.cache.warmth.errands.all()), "done"
    )
    found: dict[str, Any] = (await Visitor(site, host).get(reply.json()["progress"], BEARER)).json()
    return found


@asynccontextmanager
async def warming(pages: Pages, **options: Any) -> AsyncIterator[CacheMiddleware]:  # noqa: ANN401 - options of any type
    """The pages behind a cache that has an admin token."""
    async with caching(pages, admin_token=TOKEN, **options) as site:
        yield site


def counts(found: dict[str, Any]) -> tuple[int, ...]:
    """The numbers of an errand: total, done, held, rendered, failed, skipped."""
    return tuple(found[name] for name in ("total", "done", "held", "rendered", "failed", "skipped"))


async def test_paths() -> None:
    """The paths are rendered, once, and visitors find them in memory; what is there already is left as it is."""
    pages = Pages()
    async with warming(pages) as site:
        visitor = Visitor(site)
        await visitor.get("/there")
        found = await done(site, await order(site, b'{"paths": ["/a", "/b?c=1", "/there", "/a"]}'))
        assert counts(found) == (3, 3, 1, 2, 0, 0)
        for path in ("/a", "/b?c=1", "/there"):
            assert (await visitor.get(path)).level == "memory"
    assert pages.renders == {"/a": 1, "/b": 1, "/there": 1}


async def test_sitemap() -> None:
    """The pages of a sitemap are warmed; those of other sites are skipped, and that is said."""
    body = urls(
        "https://example.org/1", "http://example.org/2?a=b", "https://evil.example/", "https://example.org/_cache/stats"
    )
    pages = Pages({"/sitemap.xml": Page(body=body, lines=[XML])})
    async with warming(pages) as site:
        found = await done(site, await order(site, b'{"sitemap": "/sitemap.xml"}'))
        assert counts(found) == (4, 4, 0, 2, 0, 2)
        assert found["errors"] == [
            {"address": "https://evil.example/", "error": "it is on another site"},
            {"address": "https://example.org/_cache/stats", "error": "it is no page of the site"},
        ]
        assert (await Visitor(site).get("/2?a=b")).level == "memory"


async def test_sitemap_of_sitemaps() -> None:
    """An index leads to further files, packed or not; one that names itself, or goes too deep, is read no further."""
    deep = {f"/d{n}.xml": Page(body=index(f"https://example.org/d{n + 1}.xml"), lines=[XML]) for n in range(6)}
    pages = Pages(
        {
            "/sitemap.xml": Page(
                body=index("/sitemap.xml", "/one.xml", "/two.xml.gz", "/broken.xml", "/gone.xml", "/d0.xml"),
                lines=[XML],
            ),
            "/one.xml": Page(body=urls("/1"), lines=[XML]),
            "/two.xml.gz": Page(body=gzip.compress(urls("/2", "/1")), lines=["Content-Type: application/gzip"]),
            "/broken.xml": Page(body=urls("/3", "/4")[:-60], lines=[XML]),
            "/gone.xml": Page(status=404),
            **deep,
        }
    )
    async with warming(pages) as site:
        found = await done(site, await order(site, b'{"sitemap": "/sitemap.xml"}'))
        assert (found["rendered"], found["skipped"]) == (3, 0)
        said = {fault["address"]: fault["error"] for fault in found["errors"]}
        assert said.keys() == {"/broken.xml", "/gone.xml", "https://example.org/d2.xml"}
        assert "not well-formed" in said["/broken.xml"]
        assert said["/gone.xml"] == "the application answered 404"
    assert max(pages.renders[f"/d{n}.xml"] for n in range(6)) == 1
    assert not pages.renders["/d3.xml"]


async def test_huge_sitemap(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sitemap that is larger than one may be is not held in memory, and that is said."""
    monkeypatch.setattr("cms_cache_mw.warmth.renewal.MAX_BYTES", 10_000)
    pages = Pages({"/sitemap.xml": Page(body=[b"<urlset>", b" " * 20_000, b"</urlset>"], lines=[XML])})
    async with warming(pages) as site:
        found = await done(site, await order(site, b'{"sitemap": "/sitemap.xml"}'))
        assert found["total"] == 0
        assert "more than 10000 bytes" in found["errors"][0]["error"]


async def test_popular_pages(redis_url: str) -> None:
    """The most used pages of all workers are warmed, as many as are asked for."""
    pages = Pages()
    async with warming(pages, redis_url=redis_url) as site:
        for path in ("/a", "/b", "/b", "/b", "/a", "/c"):
            await Visitor(site).get(path)
    async with warming(pages, redis_url=redis_url, warm_on_start=False) as site:
        await Visitor(site).get("/other")
        found = await done(site, await order(site, b'{"popular": 2}'))
        assert counts(found) == (2, 2, 2, 0, 0, 0)
        assert (await Visitor(site).get("/b")).level == "memory"


async def test_popular_pages_without_redis() -> None:
    """Without Redis the most used pages are those of this worker."""
    pages = Pages()
    async with warming(pages) as site:
        for path in ("/a", "/b", "/b"):
            await Visitor(site).get(path)
        found = await done(site, await order(site, b'{"popular": 1}'))
        assert counts(found) == (1, 1, 1, 0, 0, 0)


async def test_failing_pages() -> None:
    """Pages that fail, or may not be stored, are counted and named, and the errand goes on."""
    pages = Pages(
        {
            "/boom": Page(fails=RuntimeError("boom")),
            "/error": Page(status=500),
            "/mine": Page(lines=[HTML, "Set-Cookie: a=b"]),
        }
    )
    async with warming(pages) as site:
        found = await done(site, await order(site, b'{"paths": ["/boom", "/error", "/mine", "/fine"]}'))
        assert counts(found) == (4, 4, 0, 1, 3, 0)
        assert {fault["address"] for fault in found["errors"]} == {"/boom", "/error", "/mine"}


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        (b"{}", 400, "paths"),
        (b'{"paths": ["https://example.org/"]}', 400, "paths"),
        (b'{"paths": ["//evil.example/"]}', 400, "paths"),
        (b'{"sitemap": "http://127.0.0.1/sitemap.xml"}', 400, "sitemap"),
        (b'{"popular": -1}', 400, "popular"),
        (b'{"popular": 10001}', 400, "popular"),
        (b'{"paths": ["/"], "site": "evil.example"}', 400, "site"),
        (b'{"paths": "/"}', 400, "paths"),
        (b'{"url": "/"}', 400, "url"),
        (b'{"resume": "0123456789abcdef"}', 404, "resume"),
        (b'{"resume": "0123456789abcdef", "paths": ["/"]}', 400, "resume"),
    ],
)
async def test_orders_that_cannot_be_meant(body: bytes, status: int, field: str) -> None:
    """Each says which field is wrong; nothing but pages of the known sites is ever asked for."""
    pages = Pages()
    async with warming(pages) as site:
        reply = await order(site, body)
        assert (reply.status, reply.json()["field"]) == (status, field)
    assert not pages.renders


async def test_sites(redis_url: str) -> None:
    """Where sites are configured, only those are warmed, by the host that their visitors use."""
    pages = Pages()
    sites = {"www.example.org": "main", "shop.example.org": "shop"}
    async with warming(pages, sites=sites, redis_url=redis_url) as site:
        await Visitor(site, "shop.example.org", scheme="http").get("/", "X-Forwarded-Proto: https")
        found = await done(
            site, await order(site, b'{"site": "shop", "paths": ["/a"]}', "www.example.org"), "www.example.org"
        )
        assert found["rendered"] == 1
        shopper = Visitor(site, "shop.example.org", scheme="http")
        assert (await shopper.get("/a", "X-Forwarded-Proto: https")).level == "memory"
        unknown = await order(site, b'{"site": "other", "paths": ["/a"]}', "www.example.org")
        assert (unknown.status, unknown.json()["error"]) == (400, "no site 'other'; there are main, shop")


async def test_needs_a_token() -> None:
    """Without a token nothing is warmed or told."""
    pages = Pages()
    async with warming(pages) as site:
        visitor = Visitor(site)
        assert (await visitor.ask("/_cache/warm", method="POST", body=b'{"paths": ["/"]}')).status == 401
        assert (await visitor.get("/_cache/warm")).status == 401
        assert (await visitor.get("/_cache/warm/0123456789abcdef", BEARER)).status == 404
    assert not pages.renders


async def test_resumed_by_another_worker(redis_url: str) -> None:
    """What a worker did not get to before its end another one takes up, and does nothing twice."""
    gate = asyncio.Event()
    pages = Pages({"/5": Page(gate=gate)})
    paths = ",".join(f'"/{number}"' for number in range(10))
    async with warming(pages, redis_url=redis_url, refresh_concurrency=1) as site:
        reply = await order(site, f'{{"paths": [{paths}]}}'.encode())
        await soon(lambda: pages.running["/5"], "it has come to the slow page")
        async with warming(pages, redis_url=redis_url) as other:
            assert (await Visitor(other).get("/_cache/warm", BEARER)).json() == {"errands": []}
        assert (await order(site, f'{{"resume": "{reply.json()["id"]}"}}'.encode())).status == 409
    gate.set()
    async with warming(pages, redis_url=redis_url) as site:
        stood = (await Visitor(site).get(reply.json()["progress"], BEARER)).json()
        assert (stood["state"], stood["done"], stood["total"]) == ("stopped", 5, 10)
        resumed = await order(site, f'{{"resume": "{reply.json()["id"]}"}}'.encode())
        assert resumed.json()["id"] == reply.json()["id"]
        found = await done(site, resumed)
        assert counts(found) == (10, 10, 0, 10, 0, 0)
    assert {path: count for path, count in pages.renders.items() if count != 1} == {"/5": 2}


async def test_errands_are_bounded() -> None:
    """So many wait and no more; the next one is told to come back."""
    gate = asyncio.Event()
    pages = Pages({"/slow": Page(gate=gate)})
    async with warming(pages, refresh_concurrency=1) as site:
        replies = [await order(site, b'{"paths": ["/slow"]}') for _ in range(20)]
        assert {reply.status for reply in replies} == {202, 409}
        assert [reply.status for reply in replies].index(409) >= 8
        gate.set()
        await done(site, replies[0])


class Website:
    """A WSGI application of two pages and a sitemap; it notes what it is asked."""

    def __init__(self) -> None:
        self.seen: list[dict[str, Any]] = []
        self.go_on = threading.Event()
        self.go_on.set()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer."""
        path = environ["SCRIPT_NAME"] + environ["PATH_INFO"]
        self.seen.append({**environ, "path": path})
        if path == "/cms/slow":
            self.go_on.wait(20)
        body = urls("/cms/a", "/cms/b?c=1") if path == "/cms/sitemap.xml" else b"page"
        start_response("200 OK", [("Content-Type", "application/xml" if path == "/cms/sitemap.xml" else "text/html")])
        return [body]


class Mounted(WsgiServer):
    """A server that mounts the application below `/cms`."""

    def environ(self, target: str, *lines: str, method: str = "GET", body: bytes = b"") -> WSGIEnvironment:
        """The environ of a request, whose script has a name."""
        environ = super().environ(target, *lines, method=method, body=body)
        if environ["PATH_INFO"].startswith("/cms"):
            environ["SCRIPT_NAME"], environ["PATH_INFO"] = "/cms", environ["PATH_INFO"][4:]
        return environ


def test_wsgi() -> None:
    """A WSGI application is warmed on threads beside its visitors, by environs like its server's and nobody's."""
    website = Website()
    site = WSGICacheMiddleware(website, Config(admin_token=TOKEN, admin_path="/cms/_cache"))
    server = Mounted(site)
    try:
        server.get("/cms/first", "X-Mine: 1", "Cookie: csrftoken=mine")
        body = b'{"sitemap": "/cms/sitemap.xml", "paths": ["/cms/slow"]}'
        website.go_on.clear()
        reply = server.ask("/cms/_cache/warm", BEARER, method="POST", body=body)
        assert reply.status == 202, reply.body
        until(lambda: any(seen["path"] == "/cms/slow" for seen in website.seen), "the slow page is rendered")
        assert server.get("/cms/other").status == 200
        website.go_on.set()
        progress = reply.json()["progress"]
        until(lambda: server.get(progress, BEARER).json()["state"] == "done", "it is done")
        assert counts(server.get(progress, BEARER).json()) == (3, 3, 0, 3, 0, 0)
        for path in ("/cms/a", "/cms/b?c=1", "/cms/slow"):
            assert server.get(path).level == "memory"
    finally:
        site.cache.close()
    warmed = next(seen for seen in website.seen if seen["path"] == "/cms/b")
    assert (warmed["SCRIPT_NAME"], warmed["QUERY_STRING"], warmed["RAW_URI"]) == ("/cms", "c=1", "/cms/b?c=1")
    assert {name for name in warmed if name.startswith("HTTP_")} == {"HTTP_HOST"}
    assert warmed["wsgi.url_scheme"] == "https"


def test_wsgi_on_one_thread() -> None:
    """Where the server calls the application on one thread nothing is rendered beside it, and an order is told so."""
    website = Website()
    site = WSGICacheMiddleware(website, Config(admin_token=TOKEN))
    server = WsgiServer(site, multithread=False)
    try:
        for _ in range(8):
            server.get("/a")
        reply = server.ask("/_cache/warm", BEARER, method="POST", body=b'{"paths": ["/b"]}')
        assert reply.status == 409
        assert "one thread" in reply.json()["error"]
        site.cache.purge_sync(urls=["/a"])
    finally:
        site.cache.close()
    assert len(website.seen) == 1


def test_limits_are_those_of_sitemaps() -> None:
    """A sitemap as large as sitemaps.org allows is read."""
    assert sitemap.MAX_BYTES == 50 * 1024 * 1024
    assert sitemap.MAX_PAGES == 50_000
