"""The comparator: planted faults are found and explained, what is well gives no alarm, and nobody's render is kept."""

from __future__ import annotations

import asyncio
import random
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from cms_cache_mw import Config, depends_on, fragment
from cms_cache_mw.switching.gate import Gate
from cms_cache_mw.switching.switches import SwitchOrder
from tests.support.asgi import HTML, Visitor, caching, fields
from tests.wsgi.direct import Server
from tests.wsgi.direct import caching as site_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from starlette.types import Receive, Scope, Send

    from cms_cache_mw import CacheMiddleware
    from cms_cache_mw.auditing.audit import Audit, Mismatch
    from tests.support.clock import Clock

SAMPLES_95: dict[float, int] = {1.0: 3, 0.1: 30}
"""Samples within which a fault of so many of the hits is found in 95 of 100 cases: three divided by its share."""


class Site:
    """An application whose content can be edited, with or without the purge and the tags that go with it."""

    def __init__(self) -> None:
        self.block, self.renders = "old", 0
        self.tags = "block:7"
        self.render: Callable[[Site, dict[str, str]], str] = lambda site, _: f"<p>{site.block}</p>"
        self.lines: tuple[str, ...] = ()
        self.status = 200
        self.fails = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Render."""
        if scope["type"] != "http":
            return
        self.renders += 1
        if self.fails:
            raise RuntimeError("the application fails")
        given = {name.decode(): value.decode() for name, value in scope["headers"]}
        body = self.render(self, given).encode()
        lines = (HTML, f"Cache-Tag: {self.tags}", *self.lines) if self.tags else (HTML, *self.lines)
        await send({"type": "http.response.start", "status": self.status, "headers": fields(*lines)})
        await send({"type": "http.response.body", "body": body})


@asynccontextmanager
async def audited(app: Site, clock: Clock | None = None, **options: Any) -> AsyncIterator[CacheMiddleware]:  # noqa: ANN401 - options
    """The application behind a cache that audits every hit, without waiting before it looks again."""
    async with caching(app, clock, **{"audit_rate": 1.0} | options) as site:
        site.cache.parts.audit.pause = 0.0
        yield site


async def sampled(site: CacheMiddleware, target: str = "/a", *lines: str, times: int = 1) -> Audit:
    """Ask for a page that is stored, and wait until it was compared."""
    for _ in range(times):
        await Visitor(site).get(target, *lines)
        await site.cache.runtime.finish()
    return site.cache.parts.audit


def only(audit: Audit) -> Mismatch:
    """The one finding there is."""
    assert len(audit.findings) == 1, audit.outcomes
    return audit.findings[0]


async def test_what_is_well(clock: Clock) -> None:
    """A page that a render would give again costs one render, and is no finding."""
    app = Site()
    async with audited(app, clock) as site:
        audit = await sampled(site, times=5)
        assert audit.outcomes == {"same": 4}
        assert app.renders == 1 + 4
        assert not audit.findings


@pytest.mark.logs("was served and is stale")
async def test_a_dropped_tag(clock: Clock) -> None:
    """A page cached without the tag of a block that it shows is found once the block is edited, with the purge that missed it."""
    app = Site()
    async with audited(app, clock) as site:
        app.tags = "page:1"
        await sampled(site)
        app.tags = "page:1, block:7"
        await sampled(site, "/tagged")
        app.block = "new"
        await site.cache.purge(tags=["block:7"])
        found = only(await sampled(site))
    assert (found.kind, found.site, found.url) == ("stale", "example.org", "/a")
    assert found.tags == ("page:1",)
    assert found.lacking == ("block:7",)
    assert "{+new+}" in found.difference
    assert "[-old-]" in found.difference


@pytest.mark.logs("was served and is stale")
async def test_candidates(clock: Clock) -> None:
    """The purges since a page was rendered are named, where an entry here has the name."""
    app = Site()
    async with audited(app, clock, audit_rate=0.0) as site:
        for path, tags in (("/b", "block:7"), ("/c", "block:8"), ("/a", "page:1")):
            app.tags = tags
            await sampled(site, path)
            if path == "/c":
                await site.cache.purge(tags=["block:8"])
                await sampled(site, path)
        app.block = "new"
        await site.cache.purge(tags=["block:7"])
        app.tags = "block:7"
        await sampled(site, "/b")
        await site.cache.purge(tags=["nowhere:1"])
        # A hit raises the position from which on the page is known to be valid, but not that of its render.
        app.tags = ""
        await site.cache.switch(SwitchOrder(audit_rate=1.0), by="ops")
        found = only(await sampled(site))
    assert found.purged == ("block:7", "1 that no entry here has")


@pytest.mark.logs("was served and is stale")
async def test_a_skipped_purge(clock: Clock) -> None:
    """An edit without its purge is found."""
    app = Site()
    async with audited(app, clock) as site:
        await sampled(site)
        app.block = "new"
        found = only(await sampled(site))
    assert (found.kind, found.lacking, found.purged) == ("stale", (), ())


@pytest.mark.parametrize(
    ("name", "line"),
    [("x-country", "X-Country: secret-land"), ("user-agent", "User-Agent: secret-phone")],
)
@pytest.mark.logs("was served and is unkeyed")
async def test_an_unkeyed_header(clock: Clock, name: str, line: str, caplog: pytest.LogCaptureFixture) -> None:
    """A page that differs by a field that the key leaves out is found, with the field's name and not a word of the visitor's render."""
    app = Site()
    app.render = lambda _, given: f"<p>for {given.get(name, 'anybody')}</p>"
    async with audited(app, clock) as site:
        await sampled(site)
        found = only(await sampled(site, "/a", line))
    assert (found.kind, found.fields) == ("unkeyed", (name,))
    assert "[-anybody-]" in found.difference
    assert "secret" not in str(found)
    assert "secret" not in caplog.text


@pytest.mark.logs("was served and is unkeyed")
async def test_an_unkeyed_cookie(clock: Clock) -> None:
    """A page that differs by a cookie that is taken for one that nothing depends on is found, by the cookie's name."""
    app = Site()
    app.render = lambda _, given: "<p>banner</p>" if "consent=yes" not in given.get("cookie", "") else "<p>none</p>"
    async with audited(app, clock) as site:
        await sampled(site)
        found = only(await sampled(site, "/a", "Cookie: consent=yes; _ga=private-number"))
    assert found.kind == "unkeyed"
    assert "cookie consent" in found.fields
    assert "private-number" not in str(found)


async def test_what_the_key_holds(clock: Clock) -> None:
    """A page that differs by what the key or Vary holds is as it should be."""
    app = Site()
    app.lines = ("Vary: Accept-Language",)
    app.render = lambda _, given: f"<p>{given.get('accept-language')} {given.get('cookie')}</p>"
    async with audited(app, clock, keyed_cookies=("currency",)) as site:
        for language in ("de", "en"):
            await sampled(site, "/a", f"Accept-Language: {language}", f"Cookie: currency={language}", times=3)
        assert site.cache.parts.audit.outcomes == {"same": 4}


async def test_noise(clock: Clock) -> None:
    """What differs between any two renders is no finding, and hides none elsewhere in the page."""
    app = Site()
    app.render = lambda site, _: f"<input value='{random.random()}'> <p>{site.block}</p> <i>{site.renders}</i>"
    async with audited(app, clock) as site:
        audit = await sampled(site, times=3)
        assert audit.outcomes == {"same": 2}


@pytest.mark.logs("was served and is stale")
async def test_a_fault_beside_noise(clock: Clock) -> None:
    """A stale word is found beside what changes with every render."""
    app = Site()
    app.render = lambda site, _: f"<input value='{random.random()}'> <p>{site.block}</p> <i>{site.renders}</i>"
    async with audited(app, clock) as site:
        await sampled(site)
        app.block = "new"
        assert "{+new+}" in only(await sampled(site)).difference


async def test_a_purge_on_its_way(clock: Clock) -> None:
    """An edit whose purge arrives while a hit is compared is no finding: that is how edits come."""
    app = Site()
    async with audited(app, clock) as site:
        await sampled(site)
        app.block = "new"
        site.cache.parts.audit.pause = 0.05
        await Visitor(site).get("/a")
        await asyncio.sleep(0.01)
        await site.cache.purge(tags=["block:7"])
        await site.cache.runtime.finish()
        assert site.cache.parts.audit.outcomes == {"outdated": 1}


class Parted(Site):
    """A page made of a fragment that is kept; `parts` are those of the render at hand."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Render the fragment, then the page."""

        @fragment("block:{number}", tags=())
        def part(number: int) -> str:
            depends_on(f"text:{number}")
            return self.block

        if scope["type"] == "http":
            text = part(7)
            self.render = lambda _, __: text
        await super().__call__(scope, receive, send)


@pytest.mark.logs("was served and is stale")
async def test_a_stale_fragment(clock: Clock) -> None:
    """What is rendered again uses no fragment that was kept, so a stale one is found, and stays as it was."""
    app = Parted()
    app.tags = "page:1"
    async with audited(app, clock) as site:
        await sampled(site, "/a", times=2)
        assert site.cache.parts.audit.outcomes == {"same": 1}
        app.block = "new"
        found = only(await sampled(site, "/a"))
        assert "{+new+}" in found.difference
        assert (await Visitor(site).get("/fresh")).body == b"old"
        await site.cache.runtime.finish()


async def test_nothing_is_kept(clock: Clock) -> None:
    """A render for the audit is neither stored nor counted, nor does it change what visitors get."""
    app = Site()
    app.render = lambda _, given: given.get("x-who", "nobody")
    async with audited(app, clock, audit_rate=0.0) as site:
        await Visitor(site).get("/a")
        await site.cache.switch(SwitchOrder(audit_rate=1.0), by="ops")
        site.cache.parts.audit._report = lambda *_: None  # type: ignore[method-assign]
        stats: Any = site.cache.stats()
        memory, answers = stats["memory"]["namespaces"], dict(stats["answers"])
        for who in ("ann", "bob"):
            assert (await Visitor(site).get("/a", f"X-Who: {who}")).body == b"nobody"
            await site.cache.runtime.finish()
        stats = site.cache.stats()
        assert stats["memory"]["namespaces"] == memory
        assert {word: count - answers.get(word, 0) for word, count in stats["answers"].items()} == {
            "hit": 2, "memory": 2, "uri-miss": 0,
        }  # fmt: skip
        assert site.cache.parts.audit.outcomes == {"unkeyed": 2}


async def test_the_application_fails(clock: Clock) -> None:
    """A render that fails says nothing about what was served."""
    app = Site()
    async with audited(app, clock) as site:
        await sampled(site)
        app.fails = True
        audit = await sampled(site)
        app.fails, app.status = False, 503
        audit = await sampled(site)
        assert audit.outcomes == {"unrendered": 2}


@pytest.mark.logs("was served and is stale")
async def test_a_page_that_is_gone(clock: Clock) -> None:
    """A page that was taken off the site without a purge is found by its status."""
    app = Site()
    async with audited(app, clock) as site:
        await sampled(site)
        app.status = 404
        assert only(await sampled(site)).difference.startswith("served 200, rendered 404")


async def test_the_application_is_busy(clock: Clock) -> None:
    """Where the application bears no more renders none is made for the audit."""
    app = Site()
    async with audited(app, clock, origin_concurrency=1) as site:
        await sampled(site)
        slots = site.cache.parts.origin.slots
        slot = slots.take()
        audit = await sampled(site)
        slots.give_back(slot)
        assert audit.outcomes == {"unrendered": 1}
        assert slots.taken == 0


async def test_shadow_mode(clock: Clock) -> None:
    """With the cache off and the audit on everybody gets a render, while pages are stored and compared unseen."""
    app = Site()
    app.render = lambda site, _: f"<p>{site.renders}</p>"
    async with audited(app, clock, enable_for=0) as site:
        for _ in range(4):
            reply = await Visitor(site).get("/a")
            assert "detail=off" in reply.cache_status
            await site.cache.runtime.finish()
        audit = site.cache.parts.audit
        assert audit.outcomes == {"same": 3}
        assert app.renders == 4 + 1 + 3 * 2


@pytest.mark.logs("was served and is stale")
async def test_shadow_mode_finds_faults(clock: Clock) -> None:
    """What would have been served wrongly is found before anybody is served."""
    app = Site()
    async with audited(app, clock, enable_for=0) as site:
        await sampled(site)
        app.block = "new"
        assert only(await sampled(site)).kind == "stale"


@pytest.mark.parametrize("share", SAMPLES_95)
@pytest.mark.logs("was served and is stale")
async def test_found_within_the_stated_samples(clock: Clock, share: float) -> None:
    """A fault that shows in a share of the hits is found within three samples divided by that share, in 95 of 100 cases."""
    app = Site()
    pages = round(1 / share)
    draw = random.Random(7)
    found = 0
    async with audited(app, clock, audit_rate=0.0) as site:
        for number in range(pages):
            app.tags = "page:0" if number == 0 else "block:7"
            await Visitor(site).get(f"/{number}")
        app.block = "new"
        await site.cache.purge(tags=["block:7"])
        for number in range(1, pages):
            await Visitor(site).get(f"/{number}")
        await site.cache.switch(SwitchOrder(audit_rate=1.0), by="ops")
        for _ in range(20):
            site.cache.parts.audit.findings.clear()
            for _ in range(SAMPLES_95[share]):
                await sampled(site, f"/{draw.randrange(pages)}")
                if site.cache.parts.audit.findings:
                    found += 1
                    break
    assert found >= 18


async def test_rate(clock: Clock) -> None:
    """So many hits make a sample as `audit_rate` says, drawn one by one; requests that are no hits make none."""
    app = Site()
    async with audited(app, clock) as site:
        engine, audit = site.cache.engine, site.cache.parts.audit
        drawn = iter([0.0, 0.2, 0.3, 0.1] * 2)
        await Visitor(site).get("/a")
        engine.gate = Gate(engine, 1.0, audit, 0.25, draw=partial(next, drawn))
        await sampled(site, times=8)
        assert audit.outcomes == {"same": 6}
        engine.gate = Gate(engine, 1.0, audit, 1.0)
        for method, line in (("POST", "X: y"), ("GET", "Authorization: x"), ("GET", "Cookie: session=1")):
            await Visitor(site).ask("/b", line, method=method)
        await site.cache.runtime.finish()
        assert audit.outcomes == {"same": 6}


async def test_stats(clock: Clock) -> None:
    """The measured share of wrong hits comes with the bounds of the true one."""
    async with audited(Site(), clock) as site:
        await sampled(site, times=11)
        stats: Any = site.cache.stats()["audit"]
        assert stats["outcomes"] == {"same": 10}
        assert stats["staleness"]["share"] == 0
        assert stats["staleness"]["high"] == pytest.approx(0.2775, abs=1e-4)


@pytest.mark.parametrize("multithread", [True, False])
@pytest.mark.logs("was served and is stale")
def test_wsgi(clock: Clock, *, multithread: bool) -> None:
    """Under WSGI the same, beside the next requests or, where the application has one thread, after the answer."""
    content, renders = ["old"], [0]

    def app(environ: Any, start_response: Any) -> list[bytes]:  # noqa: ANN401 - PEP 3333's
        renders[0] += 1
        start_response("200 OK", [("Content-Type", "text/html"), ("Cache-Tag", "block:7")])
        return [content[0].encode()]

    with site_of(app, clock, audit_rate=1.0) as site:
        site.cache.parts.audit.pause = 0.0
        server = Server(site, multithread=multithread)
        for _ in range(2):
            assert server.get("/a").body == b"old"
            site.cache.runtime._slow.finish(5)
        assert renders[0] == 2
        content[0] = "new"
        assert server.get("/a").body == b"old"
        site.cache.runtime._slow.finish(5)
        assert site.cache.parts.audit.outcomes == {"same": 1, "stale": 1}


@pytest.mark.logs("was served and is stale")
async def test_told_to_those_who_may_look() -> None:
    """What was found is shown to whoever has a token to look, newest first, and to nobody else."""
    app = Site()
    async with audited(app, admin_tokens={"desk": ("token-of-desk", ("read",))}) as site:
        for path in ("/a", "/b"):
            await sampled(site, path)
        app.block = "<script>new</script>"
        for path in ("/a", "/b"):
            await sampled(site, path)
        assert (await Visitor(site).get("/_cache/audit")).status == 401
        shown = (await Visitor(site).get("/_cache/audit", "Authorization: Bearer token-of-desk")).json()
    assert [found["url"] for found in shown["findings"]] == ["/b", "/a"]
    assert (shown["outcomes"], shown["share"], shown["high"]) == ({"stale": 2}, 1.0, 1.0)


def test_off_by_default() -> None:
    """Nothing is audited unless it is asked for."""
    assert Config().audit_rate == 0
