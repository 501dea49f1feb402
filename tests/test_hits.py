"""The short way of a hit: what it answers is what the general way answers, for any request and any page."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from cms_cache_mw import Cache, CacheMiddleware, Config
from cms_cache_mw.core.answer import Answer
from cms_cache_mw.core.entry import Entry, Freshness
from cms_cache_mw.core.holes import Filled, joined, page
from cms_cache_mw.engine import Stale
from cms_cache_mw.hits import READ_AGAIN
from cms_cache_mw.shells import environ as environs
from cms_cache_mw.shells import scope as scopes
from cms_cache_mw.shells.environ import headers_of, status_of
from cms_cache_mw.switching.gate import Gate
from tests.support.asgi import WALL, fields
from tests.support.clock import Clock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.types import Receive, Scope, Send

    from cms_cache_mw.core.message import Request

Shown = tuple[int, list[tuple[bytes, bytes]], bytes]

BODY = b"<p>a page</p>" * 30
LANGUAGES = ("de, en;q=0.5", "en", "EN;q=1.0")
LINES = (
    *("Accept-Encoding: gzip, br", "Accept-Encoding: br;q=0.1, gzip", "Accept-Encoding: identity", "Accept-Encoding:"),
    *(f"Accept-Language: {value}" for value in LANGUAGES),
    *("Cookie: _ga=1; _fbp=2", "Cookie: csrftoken=x", "Cookie: session=me", "Cookie: lang=de", "Cookie:", "Cookie: ;"),
    *('If-None-Match: "tag"', 'If-None-Match: "tag-gz"', "If-None-Match: *", 'If-None-Match: W/"other"'),
    *(
        "If-Modified-Since: Sat, 01 Nov 2025 08:00:00 GMT",
        "Range: bytes=0-9",
        "Range: bytes=0-3,8-9",
        "Range: bytes=9999-",
    ),
    *(
        'If-Range: "tag"',
        "Cache-Control: no-cache",
        "Cache-Control: max-age=5",
        "Pragma: no-cache",
        "Upgrade: websocket",
    ),
    *(
        "Authorization: Basic eDp5",
        "X-Api-Key: 1",
        'If-Match: "tag"',
        "X-HTTP-Method-Override: PUT",
        "Content-Length: 0",
    ),
    *(
        "Content-Length: 5",
        "Transfer-Encoding: chunked",
        "X-Forwarded-Host: evil.example",
        "Forwarded: host=evil.example",
    ),
    *("HX-Request: true", "X-Fancy: 1", "X-Fancy: 2, 3", "User-Agent: somebody", "Accept: text/html"),
)
HOSTS: tuple[list[str], ...] = (
    *(["Host: example.org"],) * 12,
    [],
    ["Host: example.org", "Host: example.org"],
    ["Host: other.example"],
    ["Host: a b"],
)
METHODS = (*("GET",) * 8, "HEAD", "HEAD", "POST", "PURGE")
PURGED = {"other": 9, "part": 8}
"""Tags that are purged, if not the page's own."""
TARGETS = (
    *("/page",) * 10,
    "/page?a=1",
    "/page?a=1&utm_source=x",
    "/page?utm_source=x",
    "/other",
    "/page?",
    "//page",
    "page",
)


@pytest.fixture(scope="module", params=["cms", "rfc"])
def site(request: pytest.FixtureRequest) -> Iterator[tuple[CacheMiddleware, Clock]]:
    """A cache whose memory the test fills, and its clock."""

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        raise AssertionError("nobody renders here")

    clock = Clock()
    app = CacheMiddleware(application)
    config = Config(profile=request.param, keyed_cookies=("lang",))
    app.cache = Cache(config, now=clock.now, wall=lambda: WALL + clock.now())
    app.cache.worker.start()
    yield app, clock
    app.cache.close()


@st.composite
def entries(draw: st.DrawFn) -> Entry:
    """Pages of any age, status, validators and codings."""
    lines = draw(
        st.lists(
            st.sampled_from(
                (
                    "Last-Modified: Sat, 01 Nov 2025 08:00:00 GMT",
                    "Date: Sat, 01 Nov 2025 09:00:00 GMT",
                    "Cache-Status: below; hit",
                )
            ),
            unique=True,
        )
    )
    tag = draw(st.sampled_from(('ETag: "tag"', 'ETag: W/"tag"', "X: y")))
    head = fields("Content-Type: text/html", tag, *lines, f"Content-Length: {len(BODY)}")
    freshness = Freshness(
        draw(st.sampled_from((0, 5, 60, 60, 60, 60.5))),
        while_revalidate=draw(st.sampled_from((0, 30))),
        validate=draw(st.sampled_from((False, False, False, True))),
    )
    encoded = draw(st.sampled_from(({}, {b"gzip": b"g" * 40}, {b"gzip": b"g" * 40, b"br": b"b" * 30})))
    entry = Entry(draw(st.sampled_from((200, 200, 200, 404, 301))), tuple(head), BODY, freshness, 0.0, 0, 0, (7,))
    entry.encoded = dict(encoded)
    return entry


def shown(answer: Answer) -> Shown:
    """An answer as it reaches the visitor."""
    return answer.status, list(answer.fields), b"".join(answer.body)


def generally(app: CacheMiddleware, request: Request) -> Shown | None:
    """What the general way answers from memory, if it does."""
    step = app.cache.engine.lookup(request)
    if isinstance(step, Stale) and step.refresh:
        step.refresh.close()
    return shown(step) if isinstance(step, Answer) else None


def environ_of(scope: Scope) -> dict[str, Any]:
    """The same request as a WSGI server has it, which joins fields that come more than once."""
    made: dict[str, Any] = {
        "REQUEST_METHOD": scope["method"], "SCRIPT_NAME": "", "PATH_INFO": scope["path"], "wsgi.url_scheme": scope["scheme"],
        "QUERY_STRING": scope["query_string"].decode(), "RAW_URI": scope["raw_path"].decode(), "wsgi.input": io.BytesIO(),
    }  # fmt: skip
    for name, value in scope["headers"]:
        spelled = name.decode().upper().replace("-", "_")
        spelled = spelled if spelled == "CONTENT_LENGTH" else f"HTTP_{spelled}"
        made[spelled] = f"{made[spelled]}, {value.decode()}" if spelled in made else value.decode()
    return made


def fill(app: CacheMiddleware, entry: Entry, now: float, *, held: bool = True, lifetime: float = 60) -> None:
    """Give a page a hole, and what it was filled to with a part in memory; with one that was replaced since, unless it is `held`."""
    memory, name = app.cache.parts.memories["blocks"], (b"part",)
    token = app.cache.worker.clock.token
    parts = [Entry(200, (), b"<b>part</b>", Freshness(lifetime), now - 1.0, *token, (8,)) for _ in range(2)]
    for part in parts[: 1 if held else 2]:
        memory.put(name, part)
    entry.holes = ((3, "block:part"),)
    whole = page(entry, joined(entry.body, entry.holes, (parts[0].body,)))
    whole.hits = READ_AGAIN
    whole.encoded = dict(entry.encoded)
    entry.encoded = {}
    entry.filled = Filled(((memory, name, parts[0]),), whole)


def hold(app: CacheMiddleware, entry: Entry, names: tuple[bytes, ...], now: float, age: float) -> None:
    """Have an entry in memory under all keys it may be asked by, at a certain age."""
    cache = app.cache
    cache.parts.memories["rendered"].clear()
    entry.epoch, entry.base = cache.worker.clock.token
    entry.born, entry.hits = now - age, 2 * READ_AGAIN
    if entry.filled:
        entry.filled.page.born = entry.born
    entry.variant = tuple((name, {b"accept-language": b"en", b"x-fancy": b"1"}[name]) for name in names)
    for key in ((b"https", b"example.org", b"/page", b""), (b"https", b"example.org", b"/page", b"a=1")):
        for mark in ((), (b"decoded",)):
            cache.parts.memories["rendered"].put((*key, *mark), entry, names)


@settings(max_examples=200, deadline=None)
@given(
    entry=entries(),
    names=st.sampled_from(((), (), (), (b"accept-language",), (b"accept-language", b"x-fancy"))),
    age=st.sampled_from((0.0, 0.25, 1.0, 4.75, 5.0, 60.0, 60.25, 75.0, 100.0, -1.0)),
    asked=st.tuples(st.sampled_from(METHODS), st.sampled_from(TARGETS), st.sampled_from(HOSTS)),
    lines=st.lists(st.sampled_from(LINES), max_size=4),
    purged=st.sampled_from((None, None, None, "hard", "soft", "other", "part")),
    filled=st.sampled_from((None, None, "held", "replaced", "stale", "unread")),
)
def test_the_short_way_is_the_general_way(  # noqa: PLR0917 - each is drawn
    site: tuple[CacheMiddleware, Clock],
    entry: Entry,
    names: tuple[bytes, ...],
    age: float,
    asked: tuple[str, str, list[str]],
    lines: list[str],
    purged: str | None,
    filled: str | None,
) -> None:
    """Whatever the short way answers the general way would have answered, byte by byte, under ASGI and under WSGI."""
    app, clock = site
    if filled:
        fill(app, entry, clock.now(), held=filled != "replaced", lifetime=0.5 if filled == "stale" else 60)
    if filled == "unread" and entry.filled:
        entry.filled.page.hits = 0
    hold(app, entry, names, clock.now(), age)
    if purged:
        app.cache.worker.purge([PURGED.get(purged, 7)], kind="soft" if purged == "soft" else "hard")
    method, target, hosts = asked
    path, _, query = target.partition("?")
    scope: Scope = {
        "type": "http", "method": method, "scheme": "https", "path": unquote_to_bytes(path).decode(), "raw_path": path.encode(),
        "query_string": query.encode(), "headers": fields(*hosts, *lines), "client": ("192.0.2.1", 1),
    }  # fmt: skip
    if hit := scopes.hit_of(scope, app.cache.engine):
        start, body = hit
        event("answered")
        assert (start["status"], start["headers"], body["body"]) == generally(app, scopes.request_of(scope))
    environ = environ_of(scope)
    if brief := environs.hit_of(environ, app.cache.engine):
        status, head, chunks = brief
        general = generally(app, environs.request_of(environ))
        assert general is not None
        assert (status, head, b"".join(chunks)) == (status_of(general[0]), headers_of(tuple(general[1])), general[2])


@pytest.mark.parametrize(
    ("method", "lines"),
    [
        ("GET", []),
        ("GET", ["Cookie: _ga=1; _fbp=2", "Accept-Encoding: gzip, br"]),
        ("GET", ["Cookie: csrftoken=x"]),
        ("HEAD", []),
        ("GET", ['If-None-Match: "tag"']),
        ("GET", ["Range: bytes=0-9"]),
    ],
    ids=["plain", "analytics", "csrftoken", "HEAD", "condition", "range"],
)
@pytest.mark.parametrize("names", [(), (b"accept-language",)], ids=["one", "variants"])
@pytest.mark.parametrize("filled", [False, True], ids=["whole", "filled"])
def test_what_is_usual_goes_the_short_way(
    site: tuple[CacheMiddleware, Clock], method: str, lines: list[str], names: tuple[bytes, ...], *, filled: bool
) -> None:
    """Browsers' requests for a page that was read before are answered the short way, those for variants once it knows of them."""
    app, clock = site
    if app.cache.config.profile == "rfc":
        lines = [line for line in lines if "csrftoken" not in line]
    entry = Entry(200, tuple(fields("Content-Type: text/html", 'ETag: "tag"')), BODY, Freshness(60), 0.0, 0, 0, (7,))
    if filled:
        fill(app, entry, clock.now())
    hold(app, entry, names, clock.now(), 1.0)
    sent = fields("Host: example.org", "Accept-Language: en", "User-Agent: somebody", *lines)
    scope: Scope = {
        "type": "http", "method": method, "scheme": "https", "path": "/page", "raw_path": b"/page", "query_string": b"", "headers": sent,
    }  # fmt: skip
    hits = entry.hits
    scopes.hit_of(scope, app.cache.engine)
    assert scopes.hit_of(scope, app.cache.engine) is not None
    assert environs.hit_of(environ_of(scope), app.cache.engine) is not None
    assert entry.hits >= hits + 2
    cache: Any = app.cache.stats()
    assert cache["answers"]["memory"] >= 2


def test_heads_are_not_shared(site: tuple[CacheMiddleware, Clock]) -> None:
    """What somebody around the cache does to a head is not seen by the next visitor."""
    app, clock = site
    entry = Entry(200, tuple(fields("Content-Type: text/html")), BODY, Freshness(60), 0.0, 0, 0, ())
    hold(app, entry, (), clock.now(), 1.0)
    scope: Scope = {
        "type": "http", "method": "GET", "scheme": "https", "path": "/page", "raw_path": b"/page", "query_string": b"",
        "headers": fields("Host: example.org"),
    }  # fmt: skip
    first = scopes.hit_of(scope, app.cache.engine)
    assert first is not None
    first[0]["headers"].append((b"set-cookie", b"mine"))
    second = scopes.hit_of(scope, app.cache.engine)
    assert second is not None
    assert b"set-cookie" not in dict(second[0]["headers"])


def test_fields_that_pages_vary_by_are_bounded() -> None:
    """However many fields pages vary by, few are looked at in each request."""
    clock = Clock()
    cache = Cache(Config(), now=clock.now)
    cache.worker.start()
    hits = cache.engine.hits
    for number in range(100):
        name = b"x-%d" % number
        entry = Entry(200, (), BODY, Freshness(60), clock.now(), *cache.worker.clock.token, (), variant=((name, None),))
        cache.parts.memories["rendered"].put((b"https", b"h", b"/%d" % number, b""), entry, (name,))
        hits.find((b"https", b"h", b"/%d" % number, b""), None, None)
    assert sum(name.startswith(b"x-") and name[2:].isdigit() for name in hits.notable) <= 32
    cache.close()


def test_what_hits_need_is_charged(site: tuple[CacheMiddleware, Clock]) -> None:
    """What is kept of a page to answer hits with counts against the limit, in each coding and in the words of WSGI."""
    app, clock = site
    memory = app.cache.parts.memories["rendered"]
    entry = Entry(
        200, tuple(fields("Content-Type: text/html", "X-Long: " + "x" * 1_000)), BODY, Freshness(60), 0.0, 0, 0, ()
    )
    entry.encoded = {b"gzip": b"g"}
    hold(app, entry, (), clock.now(), 1.0)
    memory.clear()
    memory.put((b"https", b"example.org", b"/page", b"", b"decoded"), entry)
    environ = {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/page",
        "QUERY_STRING": "",
        "wsgi.url_scheme": "https",
    }
    environ["HTTP_HOST"] = "example.org"
    sizes = [memory.bytes]
    for accept in ("gzip", "identity", "gzip"):
        assert environs.hit_of(environ | {"HTTP_ACCEPT_ENCODING": accept}, app.cache.engine)
        sizes.append(memory.bytes)
    assert sizes[1] >= sizes[0] + 1_000
    assert sizes[2] >= sizes[1] + 1_000
    assert sizes[3] == sizes[2]
    assert sizes[3] == sum(one.size for _, one in memory.entries())


def test_what_filled_pages_need_is_charged(site: tuple[CacheMiddleware, Clock]) -> None:
    """What a page with holes is sent as counts against the limit too."""
    app, clock = site
    memory = app.cache.parts.memories["rendered"]
    entry = Entry(200, tuple(fields("X-Long: " + "x" * 1_000)), BODY, Freshness(60), 0.0, 0, 0, ())
    fill(app, entry, clock.now())
    hold(app, entry, (), clock.now(), 1.0)
    memory.clear()
    memory.put((b"https", b"example.org", b"/page", b"", b"decoded"), entry)
    before = memory.bytes
    environ = environ_of({
        "method": "GET", "scheme": "https", "path": "/page", "raw_path": b"/page", "query_string": b"",
        "headers": fields("Host: example.org"),
    })  # fmt: skip
    assert environs.hit_of(environ, app.cache.engine)
    assert memory.bytes >= before + 1_000


def test_requests_that_the_cache_is_off_for(site: tuple[CacheMiddleware, Clock]) -> None:
    """Where a gate keeps requests away from the cache, it is asked about each of them."""
    app, clock = site
    engine = app.cache.engine
    hold(app, Entry(200, (), BODY, Freshness(60), 0.0, 0, 0, ()), (), clock.now(), 1.0)
    scope: Scope = {
        "type": "http", "method": "GET", "scheme": "https", "path": "/page", "raw_path": b"/page", "query_string": b"",
        "headers": fields("Host: example.org"),
    }  # fmt: skip
    assert scopes.hit_of(scope, engine)
    assert environs.hit_of(environ_of(scope), engine)
    engine.gate = Gate(engine, 0.0)
    try:
        assert scopes.hit_of(scope, engine) is None
        assert environs.hit_of(environ_of(scope), engine) is None
    finally:
        engine.gate = None
