"""Shared placeholders: holes in stored pages, filled from fragments whenever the page is served."""

from __future__ import annotations

import asyncio
import gzip
import random
import threading
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cms_cache_mw import Cache, CacheMiddleware, Config, WSGICacheMiddleware, depends_on, fragment
from cms_cache_mw.fragments.marks import Marks
from cms_cache_mw.shells.scope import hit_of
from tests.support.asgi import HTML, Visitor, caching, fields
from tests.support.pages import Site, stored, visited

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from starlette.types import Receive, Scope, Send

FILLER = "Some text that compresses well. " * 20


class Header:
    """A part of pages: what it says now, how often it was rendered, and whether it fails."""

    def __init__(self, name: str = "header", **options: Any) -> None:  # noqa: ANN401 - options of a fragment
        self.says, self.renders, self.fails = "one", 0, False
        self.thread: threading.Thread | None = None

        @fragment(f"block:{name}", **options)
        def part() -> str:
            self.renders += 1
            self.thread = threading.current_thread()
            if self.fails:
                raise LookupError("no header today")
            return f"<header>{self.says}</header>"

        self.part = part


def page_with(*names: str, before: str = FILLER) -> Callable[[Cache], str]:
    """A page with the parts of these names in it."""
    return lambda cache: before + "".join(f"[{cache.placeholder(name)}]" for name in names) + "end"


class Stage:
    """Pages that are given the cache they are behind."""

    def __init__(self, **pages: Callable[[Cache], Any]) -> None:
        self.cache: Cache | None = None
        self.pages = {f"/{name}": self._bound(page) for name, page in pages.items()}

    def _bound(self, page: Callable[[Cache], Any]) -> Callable[[], Any]:
        def bound() -> Any:  # noqa: ANN401 - text or chunks
            assert self.cache
            return page(self.cache)

        return bound

    @asynccontextmanager
    async def visited(
        self,
        *lines: str,
        **options: Any,  # noqa: ANN401 - options of any type
    ) -> AsyncIterator[tuple[CacheMiddleware, Visitor, Site]]:
        """The pages behind a cache."""
        async with visited(self.pages, *lines, **options) as (app, visitor, site):
            self.cache = app.cache
            yield app, visitor, site


def body_of(says: str) -> bytes:
    """A page with one header."""
    return f"{FILLER}[<header>{says}</header>]end".encode()


async def test_an_edit_renders_one_fragment_and_no_page() -> None:
    """A block on many pages changes: each shows the new one, the block was rendered once, and no page was."""
    header = Header()
    names = [f"p{number}" for number in range(20)]
    async with Stage(**dict.fromkeys(names, page_with("block:header"))).visited() as (app, visitor, site):
        for name in names:
            assert (await visitor.get(f"/{name}")).body == body_of("one")
        header.says = "two"
        assert (await app.cache.block_changed("header")).done
        for name in names:
            reply = await visitor.get(f"/{name}")
            assert reply.body == body_of("two")
            assert reply.level == "memory"
        assert set(site.renders.values()) == {1}
        assert header.renders == 2


async def test_the_page_does_not_depend_on_the_part() -> None:
    """Neither the tags nor the lifetime of a part are the page's; nor does an edit of the page render the part."""
    header = Header(ttl=60, tags=["menu:1"])
    async with Stage(page=page_with("block:header")).visited("Cache-Tag: page:1") as (app, visitor, site):
        await visitor.get("/page")
        entry = stored(app, "/page")
        assert entry is not None
        assert entry.tags == ("page:1",)
        assert entry.freshness.lifetime == 86_400
        assert entry.body == f"{FILLER}[]end".encode()
        await app.cache.page_changed(1)
        assert (await visitor.get("/page")).level is None
        assert (site.renders["/page"], header.renders) == (2, 1)
        header.says = "two"
        await app.cache.purge(tags=["menu:1"])
        assert (await visitor.get("/page")).body == body_of("two")
        assert (site.renders["/page"], header.renders) == (2, 2)


@pytest.mark.parametrize("coding", ["identity", "gzip"])
async def test_streamed_marks_are_filled_wherever_chunks_end(coding: str) -> None:
    """A mark that is cut anywhere, even into single characters, is filled on its way and stored as a hole."""
    Header()

    def streamed(cache: Cache) -> Any:  # noqa: ANN401 - an iterator
        text = page_with("block:header", "block:header", before="cms ccmscache" + FILLER)(cache)
        cuts = sorted(random.Random(7).sample(range(len(text)), 200))

        async def chunks() -> Any:  # noqa: ANN401 - an iterator
            for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True):
                yield text[start:end]

        return chunks()

    async with Stage(page=streamed).visited() as (app, visitor, _):
        expected = f"cms ccmscache{FILLER}[<header>one</header>][<header>one</header>]end".encode()
        for level in (None, "memory"):
            reply = await visitor.get("/page", f"Accept-Encoding: {coding}")
            assert (gzip.decompress(reply.body) if reply.field("content-encoding") else reply.body) == expected
            assert reply.level == level
        entry = stored(app, "/page")
        assert entry is not None
        assert b"cmscache" + b"0" not in entry.body
        assert [name for _, name in entry.holes] == ["block:header"] * 2


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.binary(max_size=12) | st.sampled_from(["block:a", "b"]), max_size=8), st.randoms(use_true_random=False)
)
def test_marks_come_out_as_holes(pieces: list[bytes | str], chance: random.Random) -> None:
    """Whatever stands around marks and however it is cut: what is shown has the parts, what is kept has holes."""
    marks = Marks()
    marks.parts = {"block:a": b"<A>", "b": b""}
    text = b"".join(piece if isinstance(piece, bytes) else marks.mark(piece).encode() for piece in pieces)
    marks.mark("b")
    shown, kept = b"", b""
    while text:
        length = chance.randint(1, 9)
        chunk, text = text[:length], text[length:]
        more_kept, more_shown = marks.read(chunk, len(kept), last=False)
        kept, shown = kept + more_kept, shown + more_shown
    more_kept, more_shown = marks.read(b"", len(kept), last=True)
    assert shown + more_shown == b"".join(p if isinstance(p, bytes) else marks.parts[p] for p in pieces)
    assert kept + more_kept == b"".join(piece for piece in pieces if isinstance(piece, bytes))
    assert [name for _, name in marks.holes] == [piece for piece in pieces if isinstance(piece, str)]


async def test_content_cannot_forge_a_mark() -> None:
    """A mark of another response, shown by a visitor's comment, is text like any other."""
    header = Header()
    leaked = Marks().mark("block:header")

    def page(cache: Cache) -> str:
        return f"{leaked}{cache.placeholder('block:header')}"

    async with Stage(page=page).visited() as (_, visitor, _):
        for _ in range(2):
            assert (await visitor.get("/page")).body == f"{leaked}<header>one</header>".encode()
    assert header.renders == 1


async def test_validators_and_lengths_are_those_of_the_whole_page() -> None:
    """Length and entity tag are the assembled page's; the tag stays until a part changes, and 304, HEAD and ranges go by it."""
    header = Header()
    page = page_with("block:header")
    lines = ('ETag: "theirs"', "Last-Modified: Mon, 01 Jan 2024 00:00:00 GMT")
    async with Stage(page=page).visited(*lines) as (app, visitor, _):
        first = await visitor.get("/page")
        assert (first.field("etag"), first.field("last-modified"), first.field("content-length")) == (None, None, None)
        hit = await visitor.get("/page")
        tag = hit.field("etag") or ""
        assert tag.startswith('"cms-')
        assert hit.field("last-modified") is None
        assert hit.field("content-length") == str(len(body_of("one")))
        head = await visitor.ask("/page", method="HEAD")
        assert (head.body, head.field("content-length")) == (b"", str(len(body_of("one"))))
        assert (await visitor.get("/page", f"If-None-Match: {tag}")).status == 304
        assert (await visitor.get("/page", "Range: bytes=-5")).body == body_of("one")[-5:]
        await app.cache.block_changed("header")
        assert (await visitor.get("/page", f"If-None-Match: {tag}")).status == 304
        header.says = "two"
        await app.cache.block_changed("header")
        changed = await visitor.get("/page", f"If-None-Match: {tag}")
        assert (changed.status, changed.body) == (200, body_of("two"))
        part = await visitor.get("/page", "Range: bytes=-5", f"If-Range: {tag}")
        assert (part.status, part.body) == (200, body_of("two"))


async def test_what_is_assembled_is_encoded_once() -> None:
    """The codings of an assembled page are made once and kept until a part changes, and memory is charged with them."""
    header = Header()
    async with Stage(page=page_with("block:header")).visited() as (app, visitor, _):
        await visitor.get("/page")
        entry = stored(app, "/page")
        assert entry is not None
        before = entry.size
        for says in ("one", "two"):
            header.says = says
            await app.cache.block_changed("header")
            for _ in range(2):
                await visitor.get("/page")
                await asyncio.gather(*app.cache.runtime._tasks)
            reply = await visitor.get("/page", "Accept-Encoding: gzip")
            assert gzip.decompress(reply.body) == body_of(says)
            assert (reply.field("etag") or "").endswith('-gz"')
            assert entry.filled is not None
            filled = entry.filled.page.encoded[b"gzip"]
            await visitor.get("/page", "Accept-Encoding: gzip")
            assert entry.filled.page.encoded[b"gzip"] is filled
            assert entry.size >= before + len(body_of(says)) + len(filled)


async def test_a_missing_part_is_rendered_once_for_all() -> None:
    """Fifty visitors of different pages who miss the same part wait for one render of it, beside the loop."""
    header = Header()
    pages = {f"p{number}": page_with("block:header") for number in range(10)}
    async with Stage(**pages).visited() as (app, visitor, site):
        for name in pages:
            await visitor.get(f"/{name}")
        await app.cache.block_changed("header")
        replies = await asyncio.gather(*(visitor.get(f"/p{number % 10}") for number in range(50)))
        assert {reply.body for reply in replies} == {body_of("one")}
        assert header.renders == 2
        assert header.thread is not threading.main_thread()
        assert set(site.renders.values()) == {1}


@pytest.mark.logs("placeholder block:header failed")
async def test_a_part_that_fails_is_its_last_good_version() -> None:
    """What ran out and cannot be rendered is shown as it was; what was never there, or was purged, is empty. Never an error."""
    from tests.support.clock import Clock

    clock = Clock()
    header = Header(ttl=60)
    async with Stage(page=page_with("block:header")).visited(clock=clock) as (app, visitor, _):
        header.fails = True
        empty = f"{FILLER}[]end".encode()
        assert (await visitor.get("/page")).body == empty
        assert (await visitor.get("/page")).body == empty
        header.fails = False
        clock.advance(2)
        assert (await visitor.get("/page")).body == body_of("one")
        header.fails, header.says = True, "two"
        clock.advance(100)
        renders = header.renders
        for _ in range(3):
            reply = await visitor.get("/page")
            assert (reply.status, reply.body) == (200, body_of("one"))
        assert header.renders == renders + 1, "what failed is not tried again at once"
        await app.cache.block_changed("header")
        assert (await visitor.get("/page")).body == empty, "what was purged is served to nobody"
        header.fails = False
        await app.cache.block_changed("header")
        assert (await visitor.get("/page")).body == body_of("two"), "a purge ends the pause"


async def test_nothing_purged_is_in_a_page_that_a_purge_overtook() -> None:
    """A part purged while it is rendered for a stored page is rendered again for whoever comes after the purge."""
    says = "old"
    begun, go = asyncio.Event(), asyncio.Event()

    @fragment("block:slow")
    async def slow() -> str:
        text = says
        begun.set()
        await go.wait()
        return text

    async with Stage(page=page_with("block:slow")).visited() as (app, visitor, _):
        first = visitor.call("/page")
        await begun.wait()
        says = "new"
        assert (await app.cache.block_changed("slow")).done
        second = visitor.call("/page")
        go.set()
        await asyncio.gather(first.task, second.task)
        assert second.reply.body == f"{FILLER}[new]end".encode()
        assert (await visitor.get("/page")).body == f"{FILLER}[new]end".encode()


async def test_parts_within_parts() -> None:
    """A part with a hole is filled as well, and its inner part alone is rendered anew."""
    inner = Header("inner")
    outer_renders = 0
    stage = Stage(page=page_with("block:outer"), inline=lambda _: outer())

    @fragment("block:outer")
    def outer() -> str:
        nonlocal outer_renders
        outer_renders += 1
        assert stage.cache
        return f"({stage.cache.placeholder('block:inner')})"

    async with stage.visited() as (app, visitor, site):
        for path, around in (("/inline", "({})"), ("/page", FILLER + "[({})]end")):
            inner.says = path
            await app.cache.block_changed("inner")
            for _ in range(2):
                assert (await visitor.get(path)).body.decode() == around.format(f"<header>{path}</header>")
        assert outer_renders == 1
        assert site.renders["/inline"] == 1


async def test_keys_with_arguments_are_found_by_name() -> None:
    """A name gives the arguments of the call: text as it is, whole numbers where the function says so."""
    calls: list[tuple[str, int]] = []

    @fragment("block:menu:{site}:{depth}")
    async def menu(site: str, depth: int) -> str:
        calls.append((site, depth))
        return f"{site}{depth}"

    async with Stage(page=page_with("block:menu:docs:2", before="")).visited() as (_, visitor, _):
        assert (await visitor.get("/page")).body == b"[docs2]end"
        assert (await visitor.get("/page")).level == "memory"
        assert await menu("docs", 2) == "docs2"
    assert calls == [("docs", 2)]


@pytest.mark.parametrize(
    "name", ["refused:nobody", "refused:typed:x", "refused:partly:1", "refused:more:1", "refused:own", "x" * 600]
)
def test_names_that_nothing_renders_are_refused(name: str) -> None:
    """What could not be rendered from its name alone is an error where it is written, not an empty page later."""

    @fragment("refused:typed:{number}")
    def typed(number: int) -> str:
        return str(number)

    @fragment("refused:partly:{thing.real}")
    def partly(thing: int) -> str:
        return str(thing)

    @fragment("refused:more:{number}", ignore=["other"])
    def more(number: int, other: int) -> str:
        return str(number + other)

    @fragment("refused:own", private=True)
    def own() -> str:
        return "mine"

    cache = Cache(Config())
    with pytest.raises(LookupError, match="no function decorated with @fragment has a key that gives this name"):
        cache.placeholder(name)
    cache.close()


async def test_the_key_that_leaves_least_open_is_taken() -> None:
    """A function of just this name is preferred to one for any name, whichever came first."""

    @fragment("chosen:{anything}")
    def general(anything: str) -> str:
        return f"any {anything}"

    @fragment("chosen:menu")
    def exact() -> str:
        return "menu"

    @fragment("chosen:{whatever}")
    def again(whatever: str) -> str:
        return f"any {whatever}"

    cache = Cache(Config())
    cache.start()
    assert [cache.placeholder("chosen:menu"), cache.placeholder("chosen:foot")] == ["menu", "any foot"]
    await cache.aclose()


@pytest.mark.parametrize("kind", ["sync", "async"])
async def test_who_bypasses_gets_the_whole_page(kind: str) -> None:
    """An editor's page has its parts too, also where it is compressed by the application and no mark could be found in it."""
    Header("here")

    @fragment("block:there")
    async def there() -> str:
        return "<header>one</header>"

    name = {"sync": "block:here", "async": "block:there"}[kind]
    async with Stage(page=page_with(name)).visited() as (_, visitor, site):
        for _ in range(2):
            assert (await visitor.get("/page", "Cookie: session=1")).body == body_of("one")
        assert site.renders["/page"] == 2


async def test_what_the_application_compresses_has_no_marks_in_it() -> None:
    """Who bypasses gets the application's own coding, and in that the part itself, since nobody could find a mark there."""
    Header()

    async def compressing(_: Scope, __: Receive, send: Send) -> None:
        head = fields(HTML, "Content-Encoding: gzip")
        await send({"type": "http.response.start", "status": 200, "headers": head})
        body = gzip.compress(page_with("block:header")(app.cache).encode())
        await send({"type": "http.response.body", "body": body})

    async with caching(compressing) as app:
        reply = await Visitor(app).get("/page", "Cookie: session=1", "Accept-Encoding: gzip")
        assert gzip.decompress(reply.body) == body_of("one")


async def test_errors_and_pages_that_are_not_stored_are_filled() -> None:
    """No mark leaves the house, whatever becomes of the answer."""
    Header()
    async with Stage(page=page_with("block:header")).visited("Set-Cookie: a=b") as (_, visitor, _):
        for _ in range(2):
            reply = await visitor.get("/page")
            assert (reply.body, reply.level) == (body_of("one"), None)


async def test_parts_that_cannot_be_shared_make_the_page_unstorable() -> None:
    """A part that turns out to vary, or to be private, is shown to who asked and to nobody else."""
    numbers = iter(range(9))

    @fragment("block:fickle")
    def fickle() -> str:
        depends_on(private=True)
        return str(next(numbers))

    async with Stage(page=page_with("block:fickle", before="")).visited() as (_, visitor, _):
        assert (await visitor.get("/page")).body == b"[0]end"
        assert (await visitor.get("/page")).body == b"[1]end"


async def test_a_page_with_holes_goes_the_short_way_of_a_hit() -> None:
    """Once its codings are made a filled page is answered as any other, until one of its parts is another one."""
    header, stage = Header(), Stage(page=page_with("block:header"))
    async with stage.visited() as (app, visitor, _):
        for _ in range(4):
            await visitor.get("/page")
            await asyncio.gather(*app.cache.runtime._tasks)
        ((key, _),) = app.cache.parts.memories["rendered"].entries()
        asked: Scope = {
            "type": "http", "method": "GET", "scheme": key[0].decode(), "path": "/page", "raw_path": b"/page",
            "query_string": b"", "headers": [(b"host", key[1])],
        }  # fmt: skip
        hit = hit_of(asked, app.cache.engine)
        assert hit
        assert hit[1]["body"] == body_of("one")
        header.says = "two"
        assert (await app.cache.block_changed("header")).done
        assert hit_of(asked, app.cache.engine) is None
        assert (await visitor.get("/page")).body == body_of("two")


async def test_two_workers_fill_one_page_from_redis(redis_url: str, namespace: str) -> None:
    """A page with holes that one worker stored is filled by another, for which no mark of the first means anything."""
    header = Header()
    stages = [Stage(page=page_with("block:header")) for _ in range(2)]
    options = {"redis_url": redis_url, "namespace": namespace}
    async with (
        stages[0].visited(**options) as (app, visitor, site),
        stages[1].visited(**options) as (_, other, elsewhere),
    ):
        await visitor.get("/page")
        await asyncio.gather(*app.cache.runtime._tasks)
        reply = await other.get("/page")
        assert (reply.body, reply.level) == (body_of("one"), "shared")
        assert header.renders == 1
        header.says = "two"
        assert (await app.cache.block_changed("header")).done
        for who in (visitor, other):
            assert (await who.get("/page")).body == body_of("two")
        assert (site.renders["/page"], elsewhere.renders["/page"]) == (1, 0)


async def test_a_fragment_with_holes_is_shared_by_workers(redis_url: str, namespace: str) -> None:
    """A cached part of a page that holds a placeholder has no mark in Redis either."""
    Header()
    stages: list[Stage] = []

    @fragment("block:around:{worker}", tags=["around"])
    def around(worker: str) -> str:
        return f"({stages[int(worker[-1])].cache.placeholder('block:header')})"  # type: ignore[union-attr]

    stages.extend(Stage(page=lambda _: around("w0")) for _ in range(2))
    options = {"redis_url": redis_url, "namespace": namespace}
    async with (
        stages[0].visited(**options) as (app, visitor, _),
        stages[1].visited("Vary: X-A", **options) as (_, other, _),
    ):
        assert (await visitor.get("/page")).body == b"(<header>one</header>)"
        await asyncio.gather(*app.cache.runtime._tasks)
        await app.cache.purge(urls=["/page"])
        for _ in range(2):
            assert (await other.get("/page")).body == b"(<header>one</header>)"


def test_outside_of_requests_the_part_itself_is_given() -> None:
    """In a script there is nobody to fill holes later: the part is rendered, cached and given."""
    header = Header()
    cache = Cache(Config())
    cache.start()
    assert [cache.placeholder("block:header") for _ in range(2)] == ["<header>one</header>"] * 2
    assert header.renders == 1
    cache.close()


def test_wsgi_pages_have_placeholders() -> None:
    """The same under WSGI: filled on the way, stored as holes, one fragment rendered for an edit."""
    header = Header()
    renders = []

    def application(environ: Any, start_response: Any) -> list[bytes]:  # noqa: ANN401 - as PEP 3333 says
        renders.append(environ)
        text = page_with("block:header")(app.cache).encode()
        headers = [("Content-Type", "text/html"), ("Cache-Control", "s-maxage=60"), ("Content-Length", str(len(text)))]
        start_response("200 OK", headers)
        return [text[:700], text[700:]]

    app = WSGICacheMiddleware(application)

    def got() -> tuple[bytes, dict[str, str]]:
        environ = {
            "REQUEST_METHOD": "GET", "PATH_INFO": "/page", "QUERY_STRING": "", "HTTP_HOST": "example.org",
            "wsgi.url_scheme": "https", "SERVER_NAME": "x", "SERVER_PORT": "443", "wsgi.errors": None,
        }  # fmt: skip
        heads: list[dict[str, str]] = []
        body = app(environ, lambda _, lines, *__: heads.append(dict(lines)))  # type: ignore[arg-type]
        whole = b"".join(body)
        if hasattr(body, "close"):
            body.close()
        return whole, {name.lower(): value for name, value in heads[0].items()}

    body, head = got()
    assert (body, head.get("content-length")) == (body_of("one"), None)
    header.says = "two"
    assert app.cache.purge_sync(tags=["block:header"]).done
    body, head = got()
    assert (body, head["content-length"]) == (body_of("two"), str(len(body_of("two"))))
    assert (len(renders), header.renders) == (1, 2)
    app.cache.close()
