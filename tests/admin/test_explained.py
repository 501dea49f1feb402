"""`Cache-Explain: 1` on a page, through real HTTP: who has a token that may read is told more, and nobody else anything."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING, Any, Final
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import http_sf
import pytest

from cms_cache_mw import CacheMiddleware, Config, WSGICacheMiddleware
from cms_cache_mw.admin.tokens import WRONG_A_MINUTE
from cms_cache_mw.explaining.explain import Explainer
from tests.security.origin import pages, wsgi_pages
from tests.security.server import on_a_thread
from tests.security.wire import Reply, exchange

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cms_cache_mw import Cache

READ: Final = "a-token-that-may-read"
PURGE: Final = "a-token-that-may-purge-only"
TOKENS: Final = {"ada": (READ, ("read",)), "bot": (PURGE, ("purge",))}
EXPLAIN: Final = "Cache-Explain: 1"
MAY: Final = (EXPLAIN, f"Authorization: Bearer {READ}")
FRESH: Final = "h=Cache-Control:public,max-age=600,s-maxage=600&h=CDN-Cache-Control:max-age=600&h=Expires:0"


class Quiet(WSGIRequestHandler):
    """A handler that writes no log."""

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Threaded(ThreadingMixIn, WSGIServer):
    """The standard library's server, with a thread for each request."""

    daemon_threads = True


class Asked:
    """A running site and who asks it."""

    def __init__(self, port: int, cache: Cache) -> None:
        self.port, self.cache = port, cache

    def get(self, target: str, *lines: str, method: str = "GET") -> Reply:
        """The reply to one request."""
        head = "\r\n".join([f"{method} {target} HTTP/1.1", "Host: a.test", *lines, "Connection: close"])
        return exchange(self.port, head.encode() + b"\r\n\r\n")

    def told(self, target: str, *lines: str) -> dict[str, Any]:
        """What is told with a page, read as a dictionary."""
        reply = self.get(target, *MAY, *lines)
        found = http_sf.parse(reply.fields["cache-explain"].encode(), tltype="dictionary")
        assert isinstance(found, dict)
        return {name: _plain(value) for name, value in found.items()}


def _plain(value: Any) -> Any:  # noqa: ANN401 - whatever a member may be
    bare, parameters = value
    if isinstance(bare, list):
        bare = [(str(member), {name: str(told) for name, told in more.items()}) for member, more in bare]
    else:
        bare = bare if isinstance(bare, bool | int) else str(bare)
    return (bare, dict(parameters)) if parameters else bare


@contextmanager
def running(kind: str, **options: Any) -> Iterator[Asked]:  # noqa: ANN401 - options of any type
    """The tricky origin behind the cache, in a shell of either kind."""
    config = Config(**{"admin_tokens": TOKENS} | options)
    if kind == "asgi":
        site = CacheMiddleware(pages, config)
        with on_a_thread(site) as port:
            yield Asked(port, site.cache)
        return
    behind = WSGICacheMiddleware(wsgi_pages, config)
    with make_server("127.0.0.1", 0, behind, Threaded, Quiet) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield Asked(server.server_port, behind.cache)
        finally:
            server.shutdown()
            thread.join()
            behind.cache.close()


@pytest.fixture(params=["asgi", "wsgi"])
def kind(request: pytest.FixtureRequest) -> str:
    """Both shells in turn."""
    kind: str = request.param
    return kind


def test_a_page_is_told_with(kind: str) -> None:
    """It is the visitors' page: rendered, stored and served as theirs, without the token, and told by key, level, base and tags."""
    with running(kind) as site:
        rendered = site.get(f"/a?{FRESH}", *MAY)
        assert rendered.status == 200
        assert READ not in rendered.text
        assert "cache-explain" not in rendered.text.lower()
        assert "stored" in rendered.fields["cache-status"]
        told = site.told(f"/a?{FRESH}&utm_source=x")
        assert (told["action"], told["reason"], told["level"], told["site"]) == ("serve", "hit", "memory", "a.test")
        assert [part for part, _ in told["key"]][:3] == ["http", "a.test", "/a"]
        assert told["left-out"] == [("utm_source", {})]
        assert {tag for tag, _ in told["tags"]} == {f"t:{n}" for n in range(1, 6)}
        assert told["base"] == told["position"]
        assert told["lifetime"] == "600.0"
        again = site.get(f"/a?{FRESH}", *MAY)
        assert (again.body, again.hit) == (rendered.body, True)


def test_why_it_is_rendered(kind: str) -> None:
    """A page that was never asked for, one that was purged, by whom and why, and one of somebody's own."""
    with running(kind) as site:
        first = site.told(f"/a?{FRESH}")
        assert (first["action"], first["reason"], "level" in first) == ("fetch", "uri-miss", False)
        site.cache.purge_sync(tags=["t:2"], who="editor", reason="the menu")
        gone = site.told(f"/a?{FRESH}")
        assert (gone["action"], gone["reason"]) == ("fetch", "purged")
        ((tag, purge),) = gone["purged"]
        assert (tag, purge["kind"], purge["by"], purge["why"]) == ("t:2", "hard", "editor", "the menu")
        assert int(purge["number"]) > gone["base"]
        ((tag, purge),) = site.told(f"/a?{FRESH}")["after"]
        assert (tag, purge["by"]) == ("t:2", "editor")
        own = site.told(f"/a?{FRESH}", "Cookie: sessionid=1")
        assert (own["action"], own["reason"], own["cookie"]) == ("bypass", "cookie", "sessionid")


WRONG: Final = {
    "no token": (),
    "wrong": ("Authorization: Bearer wrong",),
    "nearly": (f"Authorization: Bearer {READ[:-1]}",),
    "no scheme": (f"Authorization: {READ}",),
    "another scheme": (f"Authorization: Basic {READ}",),
    "twice": (f"Authorization: Bearer {READ}", "Authorization: Bearer wrong"),
    "another field": (f"X-Authorization: Bearer {READ}",),
    "cookie": (f"Cookie: token={READ}",),
}


def test_nobody_else_is_told(kind: str) -> None:
    """Without a right token `Cache-Explain` changes nothing: the answer is what it would be without it, and the application's."""
    with running(kind) as site:
        for visits in range(4):
            assert "cache-explain" not in site.get(f"/a?{FRESH}").fields, visits
        for how, lines in WRONG.items():
            with_it, without_it = site.get(f"/a?{FRESH}", EXPLAIN, *lines), site.get(f"/a?{FRESH}", *lines)
            assert "cache-explain" not in with_it.fields, how
            assert with_it.status == without_it.status == 200, how
            assert with_it.hit == without_it.hit == (how == "no token"), how
            for name in ("cache-control", "cdn-cache-control"):
                assert with_it.fields[name] == without_it.fields[name], how


def test_what_was_told_is_told_to_nobody_else(kind: str) -> None:
    """No cache may keep an answer that was explained, and what this one stored of it has no word of it."""
    with running(kind) as site:
        for _ in range(3):
            told = site.get(f"/a?{FRESH}", *MAY)
            assert told.fields["cache-control"] == "no-store"
            assert not {"cdn-cache-control", "expires"} & told.fields.keys()
            visitor = site.get(f"/a?{FRESH}")
            assert visitor.hit
            assert "cache-explain" not in visitor.fields
            assert visitor.fields["cache-control"] == "public,max-age=600,s-maxage=600"


def test_a_page_that_says_so_itself(kind: str) -> None:
    """The field of an application that has one of that name is not taken for ours, and passes where nobody asks."""
    with running(kind) as site:
        assert site.get("/a?h=Cache-Explain:mine").fields["cache-explain"] == "mine"
        assert site.told("/a?h=Cache-Explain:mine")["reason"] == "hit"


def test_token_without_the_scope(kind: str) -> None:
    """A token of ours that may not read is refused, and the application does not see it."""
    with running(kind) as site:
        reply = site.get("/a", EXPLAIN, f"Authorization: Bearer {PURGE}")
        assert (reply.status, "cache-explain" in reply.fields) == (403, False)
        assert "needs read" in reply.text
        assert "render" not in reply.text


def test_wrong_tokens_are_limited(kind: str) -> None:
    """After many wrong tokens in a minute more are 429; the right one and visitors never are."""
    with running(kind) as site:
        wrong = (EXPLAIN, "Authorization: Bearer wrong")
        statuses = [site.get("/a", *wrong).status for _ in range(WRONG_A_MINUTE + 1)]
        assert (set(statuses[:-1]), statuses[-1]) == ({200}, 429)
        assert site.told("/a")["action"] == "fetch"
        assert site.get("/a", "Authorization: Bearer wrong").status == 200
        assert site.get("/a", EXPLAIN).status == 200


def test_other_profile(kind: str) -> None:
    """Where requests with credentials are served from the cache (`rfc`), the quickest hit is told as well."""
    with running(kind, profile="rfc") as site:
        for _ in range(4):
            site.get(f"/a?{FRESH}")
        told = site.told(f"/a?{FRESH}")
        assert (told["reason"], told["hits"]) == ("hit", 3)
        assert "cache-explain" not in site.get(f"/a?{FRESH}", EXPLAIN).fields


def test_without_tokens(kind: str) -> None:
    """A cache without tokens knows nothing of it."""
    with running(kind, admin_tokens={}) as site:
        reply = site.get("/a", *MAY)
        assert (reply.status, "cache-explain" in reply.fields) == (200, False)
        assert reply.fields["cache-status"].endswith("detail=authorization")


def test_head(kind: str) -> None:
    """`curl -I` asks as well as `curl`."""
    with running(kind) as site:
        site.get(f"/a?{FRESH}")
        reply = site.get(f"/a?{FRESH}", *MAY, method="HEAD")
        assert (reply.status, reply.body) == (200, b"")
        assert reply.fields["cache-explain"].startswith("action=serve, reason=hit")


def test_without_redis(kind: str) -> None:
    """A worker that is not sure says that, and what Redis would have told is missing in words."""
    with running(kind, redis_url="redis://127.0.0.1:1/0", namespace="alone") as site:
        told = site.told("/a")
        assert (told["action"], told["reason"]) == ("fetch", "unsure")
        assert told["trouble"].startswith("Redis does not tell who purged what")


@pytest.mark.logs("the cache failed")
def test_a_fault(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An explanation that fails costs nobody the page."""

    def fails(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Explainer, "explain", fails)
    with running(kind) as site:
        reply = site.get("/a", *MAY)
        assert (reply.status, reply.fields["cache-explain"]) == (200, "fault")
