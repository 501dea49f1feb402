"""The dashboard in a real browser, on a real site with two workers; and what it is made of."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import socket
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote
from wsgiref.util import setup_testing_defaults

import pytest

from cms_cache_mw import Config, WSGICacheMiddleware
from cms_cache_mw.admin.live import LASTS, Live
from cms_cache_mw.core.message import Request
from tests.support.asgi import Pages, Visitor, caching, fields
from tests.support.browser import Browser, executable
from tests.support.client import HOST
from tests.support.server import Server
from tests.support.site import TOKEN, Site
from tests.support.wait import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from wsgiref.types import StartResponse, WSGIEnvironment

    from tests.support.clock import Clock

PATIENCE = 30.0
PAGE = "/page/block:7+page:1"
HOSTILE = '/page/page:<img src=x onerror="document.title=1">'
BEARER = f"Authorization: Bearer {TOKEN}"

seen = pytest.mark.skipif(executable() is None, reason="no Chromium: apt install chromium")


@pytest.fixture(scope="module")
def redis() -> Iterator[Server]:
    """A server that may be stopped."""
    with Server("valkey") as server:
        yield server


@pytest.fixture(scope="module")
def site(redis: Server) -> Iterator[Site]:
    """Two workers."""
    with Site(redis) as site:
        yield site


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One tab."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, Browser(Path(folder)) as browser:
        browser.show(width=1200, height=900)
        yield browser


@pytest.fixture
def board(browser: Browser, site: Site) -> Browser:
    """The dashboard of the first worker, signed in."""
    browser.visit(f"{site.workers[0].url}/_cache/")
    browser.run(f"sessionStorage.setItem('cms-cache-token', '{TOKEN}')")
    browser.reload()
    shows(browser, "#state", "serving")
    return browser


def shows(browser: Browser, selector: str, text: str) -> None:
    """Wait until an element says something."""
    until(lambda: text in browser.text(selector), f"{selector} says {text!r}", PATIENCE)


def ask(site: Site, path: str, *, times: int = 1, worker: int = 0) -> None:
    """Visit a page."""
    with site.workers[worker].client() as client:
        for _ in range(times):
            assert client.get(path).status == 200


@seen
def test_signing_in(browser: Browser, site: Site) -> None:
    """A wrong token is refused in words; the right one opens the board with the keyboard alone, and is in no URL and no cookie."""
    # From a page without a script: the dashboard's would put a token back that it is just trying.
    browser.visit(f"{site.workers[0].url}/_cache/health")
    browser.run("sessionStorage.clear()")
    assert 401 in {exchange.status for exchange in browser.visit(f"{site.workers[0].url}/_cache/")}
    until(lambda: browser.run("document.activeElement.id") == "token", "the keyboard is in the form", PATIENCE)
    browser.type("#token", "wrong-token")
    browser.press("Enter")
    shows(browser, "#login-fault", "token")
    browser.type("#token", TOKEN)
    browser.press("Enter")
    shows(browser, "#state", "serving")
    assert browser.run("location.href + document.cookie + document.title") == f"{site.workers[0].url}/_cache/Page cache"
    browser.reload()
    shows(browser, "#state", "serving")
    browser.click("#leave")
    assert browser.run("sessionStorage.length") == 0
    assert browser.text("#board") == "" or not browser.run("document.querySelector('#board').checkVisibility()")


@seen
def test_a_hit_and_a_purge(board: Browser, site: Site) -> None:
    """A hit is seen as it happens; a purge is foreseen, made, and seen done on all workers and in the log."""
    for worker in (0, 1):
        ask(site, PAGE, times=3, worker=worker)
    shows(board, "#decisions", PAGE)
    shows(board, "#pages", PAGE)
    board.run("document.querySelector('#p-what').value = 'block:7'")
    board.click("#p-preview")
    shows(board, "#p-answer", "Rendering")
    assert re.search(r"Entries\s+(about )?1\b", board.text("#p-answer"))
    site.store.edit("block:7")
    board.run("document.querySelector('#p-why').value = '<b>typo</b>'")
    board.click("#p-go")
    shows(board, "#p-answer", "Done on every worker")
    shows(board, "#purges", "<b>typo</b>")
    for worker in (0, 1):
        with site.workers[worker].client() as client:
            assert b"block:7=1" in client.get(PAGE).body


@seen
def test_explaining(board: Browser, site: Site) -> None:
    """Why a page is served as it is, and who depends on a tag."""
    ask(site, PAGE, times=2)
    board.run(f"document.querySelector('#e-url').value = 'http://{HOST}{PAGE}'")
    board.run("document.querySelector('#explain').requestSubmit()")
    shows(board, "#e-answer", "serve: ")
    assert "block:7" in board.text("#e-answer")
    board.run("document.querySelector('#d-tag').value = 'block:7'")
    board.run("document.querySelector('#depends').requestSubmit()")
    shows(board, "#d-answer", PAGE)
    board.run("document.querySelector('#d-tag').value = 'block 7'")
    board.run("document.querySelector('#depends').requestSubmit()")
    shows(board, "#d-answer", "tag")
    assert board.run("document.querySelector('#d-answer .fault') !== null")


@seen
def test_hostile_text_is_text(board: Browser, site: Site) -> None:
    """What visitors and editors choose is shown as it is and never becomes a part of the page."""
    ask(site, quote(HOSTILE, safe="/:"))
    with site.workers[0].client() as client:
        client.get("/page/page:2", {"cookie": "<i>sess</i>=1"})
    shows(board, "#decisions", "onerror")
    shows(board, "#bypasses", "cookie")
    assert board.run("document.querySelectorAll('img, #board i:not(.bar i), #board b:not(.figures b)').length") == 0
    assert board.run("document.title") == "Page cache"


@seen
def test_redis_goes_and_comes_back(board: Browser, redis: Server) -> None:
    """The state says that nothing can be proved, a purge that it was not recorded, and then that all is well again."""
    redis.kill()
    try:
        shows(board, "#state", "rendering: no lease")
        board.run("document.querySelector('#p-what').value = 'block:8'")
        board.click("#p-go")
        shows(board, "#p-answer", "Not recorded")
    finally:
        redis.start()
    shows(board, "#state", "serving")


async def test_page_asks_nobody_else(clock: Clock) -> None:
    """Its policy allows its own style and script by their hashes and nothing from elsewhere; nobody may frame it."""
    async with caching(Pages(), clock, admin_token=TOKEN) as site:
        for path, line, status in (("/_cache", "", 401), ("/_cache/", "", 401), ("/_cache/", BEARER, 200)):
            reply = await Visitor(site).get(path, *filter(None, [line]))
            assert reply.status == status
            policy = dict(reply.fields)[b"content-security-policy"].decode()
            text = reply.body.decode()
            for element in ("script", "style"):
                (content,) = re.findall(rf"<{element}>(.*?)</{element}>", text, re.DOTALL)
                digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
                assert f"{element}-src 'sha256-{digest}'" in policy
            assert "default-src 'none'" in policy
            assert "frame-ancestors 'none'" in policy
            assert dict(reply.fields)[b"cache-control"] == b"no-store"
            assert not re.search(
                r"""(?:src|href)\s*=|@import|url\(""", re.sub(r"<script>.*?</script>", "", text, flags=re.DOTALL)
            )
            assert "innerHTML" not in text.rpartition('"use strict";')[2]


async def test_listeners_share_a_line(clock: Clock) -> None:
    """However many listen, a line is made once a second."""
    async with caching(Pages(), clock, admin_token=TOKEN) as site:
        lines = []
        for seconds in (0.0, 0.0, 1.0):
            clock.advance(seconds)
            assert site._admin
            live = await site._admin.answer(*_asked_for_events())
            assert isinstance(live, Live)
            lines.append(json.loads(b"".join(live.begun.body)))
        assert lines[0] == lines[1]
        assert lines[2]["at"] > lines[0]["at"]


def test_events_go_on(site: Site) -> None:
    """Lines come while somebody listens; whoever hangs up is not waited for."""
    asked = f"GET /_cache/events HTTP/1.1\r\nhost: {HOST}\r\n{BEARER}\r\n\r\n".encode()
    with socket.create_connection(("127.0.0.1", site.workers[0].port), timeout=PATIENCE) as listener:
        listener.sendall(asked)
        received = b""
        while received.count(b'{"at":') < 2:
            received += listener.recv(65_536)
    with site.workers[0].client() as client:
        assert client.get("/_cache/health").status == 200


async def test_events_end(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """After some lines the answer ends, so that a server which is told to end has nothing to wait for."""
    monkeypatch.setattr("cms_cache_mw.shells.messages.EVERY", 0.0)
    async with caching(Pages(), clock, admin_token=TOKEN) as site:
        reply = await Visitor(site).get("/_cache/events", BEARER)
        assert reply.ended
        assert reply.body.count(b"\n") == LASTS + 1


def test_one_line_under_wsgi() -> None:
    """Where it would hold a thread, the answer is one line, and the page asks again."""

    def nothing(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        start_response("404 Not Found", [])
        return []

    statuses: list[str] = []

    def started(status: str, *_: object) -> Callable[[bytes], object]:
        statuses.append(status)
        return statuses.append  # type: ignore[return-value]

    app = WSGICacheMiddleware(nothing, Config(admin_token=TOKEN))
    environ: dict[str, Any] = {
        "PATH_INFO": "/_cache/events",
        "HTTP_AUTHORIZATION": f"Bearer {TOKEN}",
        "HTTP_HOST": HOST,
    }
    setup_testing_defaults(environ)
    body = b"".join(app(environ, started))
    app.cache.close()
    assert statuses == ["200 OK"]
    assert body.count(b"\n") == 1
    assert json.loads(body)["stats"]["clock"]["scope"] == "process"


def _asked_for_events() -> tuple[Request, bytes]:
    return Request("GET", "http", b"/_cache/events", b"", tuple(fields(f"Host: {HOST}", BEARER))), b""
