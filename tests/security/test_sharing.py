"""What one visitor's request comes to and another one gets: only what was stored, whole, and in answer to the same question."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any, Final

import pytest

from cms_cache_mw.core import storing, vary
from cms_cache_mw.core.keys import KEYED_FIELDS
from cms_cache_mw.engine import Engine
from cms_cache_mw.recorder import Recorder
from cms_cache_mw.shells import environ as environs
from tests.support.asgi import HTML, Page, Pages, Visitor, caching
from tests.wsgi import direct

if TYPE_CHECKING:
    from collections.abc import Callable
    from wsgiref.types import StartResponse, WSGIEnvironment

    from starlette.types import Receive, Scope, Send

VISITORS: Final = 12

PERSONAL: Final[dict[str, tuple[str, ...]]] = {
    "private": ("Cache-Control: private, max-age=600",),
    "no-store": ("Cache-Control: No-Store",),
    "a cookie is set": ("Set-Cookie: session=1", "Cache-Control: public, max-age=600"),
    "varies by everything": ("Vary: *", "Cache-Control: max-age=600"),
    "varies by who asks": ("Vary: X-Visitor", "Cache-Control: max-age=600"),
}


class Mirror(Pages):
    """An origin that shows each visitor who they are, once all of them wait for it."""

    def __init__(self, *lines: str) -> None:
        super().__init__()
        self.open = asyncio.Event()
        self._lines = lines

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with the visitor's own field."""
        if scope["type"] == "http":
            name = dict(scope["headers"]).get(b"x-visitor", b"nobody")
            await self.open.wait()
            await self._answer(Page(b"for %s" % name, (HTML, *self._lines)), scope, receive, send)


async def mistaken(lines: tuple[str, ...]) -> list[bytes]:
    """Who is shown somebody else's page, of visitors who ask for one URL at once."""
    origin = Mirror(*lines)
    async with caching(origin) as site:
        calls = [Visitor(site).call("/me", f"X-Visitor: {number}") for number in range(VISITORS)]
        await asyncio.sleep(0)
        origin.open.set()
        await asyncio.gather(*(call.task for call in calls))
    return [call.reply.body for number, call in enumerate(calls) if call.reply.body != b"for %d" % number]


@pytest.mark.parametrize("kind", PERSONAL)
async def test_flight_shares_nothing_personal(kind: str) -> None:
    """Visitors who wait for one render get their own once it turns out to be for its visitor alone."""
    assert not await mistaken(PERSONAL[kind])


def _shares_what_it_does_not_store(patch: pytest.MonkeyPatch) -> None:
    """A flight lands with whatever was rendered."""
    patch.setattr(storing, "_directive_refusal", lambda *_: None)
    patch.setattr(storing, "_OF_THE_VISITOR", frozenset())
    patch.setattr(vary, "names", lambda *_: ())
    patch.setattr(Engine, "keep", lambda *_, **__: False)


@pytest.mark.parametrize("kind", PERSONAL)
async def test_careless_flight_is_found(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a flight shares what it does not store the mirror shows it."""
    _shares_what_it_does_not_store(monkeypatch)
    assert await mistaken(PERSONAL[kind])


async def cut_short(lines: tuple[str, ...]) -> bytes:
    """What a second visitor gets after a first one who hung up, from an application that then ends tidily where it is."""
    left, noticed = asyncio.Event(), asyncio.Event()

    async def tidy(scope: Scope, receive: Receive, send: Send) -> None:
        start = [(b"content-type", b"text/html"), *(tuple(line.encode().split(b": ")) for line in lines)]
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": start})
        await send({"type": "http.response.body", "body": b"<p>begin", "more_body": True})
        if not left.is_set():
            left.set()
            assert (await receive())["type"] == "http.disconnect"
        else:
            await send({"type": "http.response.body", "body": b" and end</p>", "more_body": True})
        noticed.set()
        # To a client that has gone servers send nothing, and do not complain.
        await send({"type": "http.response.body", "body": b""})

    async with caching(Pages({"/a": Page(render=tidy)})) as site:
        call = Visitor(site).call("/a")
        await left.wait()
        call.hang_up()
        await noticed.wait()
        await asyncio.gather(call.task, return_exceptions=True)
        return (await Visitor(site).get("/a")).body


async def test_aborted_answer_is_not_stored() -> None:
    """An application may stop in the middle, and say that this was all, once it knows that nobody listens."""
    assert await cut_short(()) == b"<p>begin and end</p>"


async def test_answer_that_met_its_length_is_whole() -> None:
    """A client may go once it has what was announced; what fell short of it is not stored."""
    assert await cut_short(("content-length: 20",)) == b"<p>begin and end</p>"


async def test_stored_aborted_answer_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the last chunk is believed half a page is everybody's."""
    monkeypatch.setattr(Recorder, "forsaken", property(lambda _: False, lambda *_: None), raising=False)
    assert await cut_short(()) == b"<p>begin"


MANY: Final[dict[str, tuple[str, ...]]] = {
    "10,000 tags": ("Cache-Tag: " + ",".join(f"page:{number}" for number in range(10_000)),),
    "10,000 tags in as many lines": tuple(f"xkey: page:{number}" for number in range(10_000)),
    "a tag of 1 MiB": ("Surrogate-Key: " + "a" * 2**20,),
    "1 MiB of fields": tuple(f"X-Field-{number}: {'a' * 4_000}" for number in range(262)),
    "a field of 1 MiB": ("X-Field: " + "a" * 2**20,),
    "a Vary of 1,000 fields": ("Vary: " + ",".join(f"X-{number}" for number in range(1_000)),),
}


async def kept(kind: str) -> int:
    """Entries that an answer with too much of something leaves behind; it is served all the same, less its tags."""
    async with caching(Pages({"/a": Page(b"page", (HTML, *MANY[kind]))})) as site:
        reply = await Visitor(site).get("/a")
        assert (reply.status, reply.body) == (200, b"page")
        assert not {b"cache-tag", b"surrogate-key", b"xkey"} & dict(reply.fields).keys()
        return site.cache.parts.memories["rendered"].items


@pytest.mark.parametrize("kind", MANY)
@pytest.mark.logs("is served but not stored")
async def test_too_much_is_served_and_not_stored(kind: str) -> None:
    """Tags beyond all measure, heads that no hit should send, a Vary that each visitor would pay for."""
    assert await kept(kind) == 0


def _any_tag(patch: pytest.MonkeyPatch) -> None:
    for name in ("MAX_TAGS", "MAX_TAG_LENGTH", "MAX_TAGS_BYTES"):
        patch.setattr(f"cms_cache_mw.core.tags.{name}", 10**9)
    patch.setattr("cms_cache_mw.core.tags._READABLE", re.compile(".*"))


UNBOUNDED: Final[dict[str, Callable[[pytest.MonkeyPatch], None]]] = {
    "10,000 tags": _any_tag,
    "10,000 tags in as many lines": _any_tag,
    "a tag of 1 MiB": _any_tag,
    "1 MiB of fields": lambda patch: patch.setattr(storing, "MAX_HEAD_BYTES", 10**9),
    "a field of 1 MiB": lambda patch: patch.setattr(storing, "MAX_HEAD_BYTES", 10**9),
    "a Vary of 1,000 fields": lambda patch: patch.setattr(vary, "MAX_NAMES", 10**9),
}


@pytest.mark.parametrize("kind", UNBOUNDED)
async def test_too_much_that_is_stored_is_found(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without its bound each of them is stored."""
    UNBOUNDED[kind](monkeypatch)
    assert await kept(kind) == 1


# What a server is told in fields and tells the application elsewhere.


def gunicorn_s(server: direct.Server, target: str, script: str) -> WSGIEnvironment:
    """The environ of gunicorn for a client that it trusts and that names a SCRIPT_NAME: it cuts the path by it."""
    environ = server.environ(target) | {"SCRIPT_NAME": script, "HTTP_SCRIPT_NAME": script}
    return environ | {"PATH_INFO": environ["PATH_INFO"].removeprefix(script)}


def shown_below_a_prefix() -> bytes:
    """What a visitor gets at a path that an attacker has asked for as the root of the site."""

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "text/html")])
        return [b"page of " + environ["PATH_INFO"].encode()]

    with direct.caching(app) as site:
        server = direct.Server(site)
        assert server.serve(gunicorn_s(server, "/news/", "/news")).reply.body == b"page of /"
        return server.get("/news/").body


def test_script_name_of_a_client() -> None:
    """Nobody makes one page appear at the address of another by a prefix of their own."""
    assert shown_below_a_prefix() == b"page of /news/"


def test_unkeyed_script_name_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the prefix is not in the key the home page is stored under another address."""
    monkeypatch.setattr("cms_cache_mw.core.keys.KEYED_FIELDS", KEYED_FIELDS - {b"script-name"})
    assert shown_below_a_prefix() == b"page of /"


def seen_by_ann() -> bytes:
    """What a visitor whom the server has signed in gets of a page that is a hit for everybody."""

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "text/html")])
        return [b"for " + environ.get("REMOTE_USER", "nobody").encode()]

    with direct.caching(app) as site:
        server = direct.Server(site)
        for _ in range(4):
            assert server.get("/a").body == b"for nobody"
        return server.serve(server.environ("/a") | {"REMOTE_USER": "ann"}).reply.body


def test_whom_the_server_signed_in() -> None:
    """The short way of a hit looks at REMOTE_USER as the general way does."""
    assert seen_by_ann() == b"for ann"


def test_unseen_user_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the short way looks at fields alone it takes everybody for nobody."""
    sound: Any = environs._rare
    monkeypatch.setattr(environs, "_rare", lambda notable: sound(notable) - {"REMOTE_USER"})
    assert seen_by_ann() == b"for nobody"
