"""A WSGI application that is kept warm on threads beside its visitors."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

from cms_cache_mw import Config, WSGICacheMiddleware
from tests.support.wait import until
from tests.wsgi.direct import Server

if TYPE_CHECKING:
    from collections.abc import Iterable
    from wsgiref.types import StartResponse, WSGIEnvironment

USED = 7


class Website:
    """An application that counts its renders, and hangs when it is told to."""

    def __init__(self) -> None:
        self.renders = self.running = 0
        self.seen: dict[str, Any] = {}
        self.go_on = threading.Event()
        self.go_on.set()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer."""
        self.renders += 1
        self.running += 1
        self.seen = dict(environ)
        self.go_on.wait(20)
        self.running -= 1
        start_response("200 OK", [("Content-Type", "text/html")])
        return [b"render %d" % self.renders]


def test_purged_page_comes_back() -> None:
    """A used page is rendered again after a purge, for nobody: with no field of a visitor's."""
    website = Website()
    site = WSGICacheMiddleware(website, Config())
    server = Server(site)
    try:
        for _ in range(USED):
            server.get("/a", "Cookie: csrftoken=mine", "X-Mine: 1") if website.renders else server.get("/a")
        site.cache.purge_sync(urls=["/a"])
        until(lambda: website.renders == 2, "it is rendered again")
        until(lambda: site.cache.stats()["flights"] == 0, "the render ends")
        assert server.get("/a").level == "memory"
    finally:
        site.cache.close()
    assert {name for name in website.seen if name.startswith("HTTP_")} == {"HTTP_HOST"}
    assert website.seen["REMOTE_ADDR"] == "127.0.0.1"


def test_application_that_hangs_keeps_nothing_from_ending() -> None:
    """Visitors are answered, and the cache ends, while a render in the background hangs."""
    website = Website()
    site = WSGICacheMiddleware(website, Config())
    server = Server(site)
    try:
        server.get("/other")
        for _ in range(USED):
            server.get("/a")
        website.go_on.clear()
        site.cache.purge_sync(urls=["/a"])
        until(lambda: website.running == 1, "it hangs")
        assert server.get("/other").level == "memory"
        began = time.monotonic()
        site.cache.close()
        assert time.monotonic() - began < 15
        assert website.running == 1
    finally:
        website.go_on.set()
        site.cache.close()
