"""Pages asked for in a process without a server, as visitors ask for them: by the interface of the workers, through their proxies.

Both are part of a page's key. A page that is rendered under another one is a page that no visitor finds.
"""

from __future__ import annotations

import asyncio
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import urlsplit
from wsgiref.util import setup_testing_defaults

from cms_cache_mw.contrib.django.site import cached
from cms_cache_mw.core.status import Reason
from cms_cache_mw.runtime import drive
from cms_cache_mw.shells.environ import spelled_fields
from cms_cache_mw.shells.scope import scope_for
from cms_cache_mw.warmth.front import Front

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cms_cache_mw.cache import Cache
    from cms_cache_mw.core.keys import Asked
    from cms_cache_mw.core.message import Request

DECODED: Final = (b"decoded",)
"""What keys have in them of paths that came by WSGI."""
LOOK: Final = 5.0
"""Seconds that Redis may take to say whether it has a page."""


class Answered(NamedTuple):
    """What came of a request."""

    status: int
    cache_status: str

    @property
    def kept(self) -> bool:
        """Whether the cache says that it has the answer (RFC 9211)."""
        return any(word.strip() in {"hit", "stored"} for word in self.cache_status.split(";"))


class Visit(NamedTuple):
    """A page as visitors ask for it."""

    url: str
    asked: Asked

    @property
    def interface(self) -> str:
        """`asgi` or `wsgi`."""
        return "asgi" if self.asked.request.raw else "wsgi"


def visits(cache: Cache, url: str) -> list[Visit]:
    """How the site's visitors ask for a URL; where nobody is known to have come, under either interface, without a proxy.

    Raises `ValueError` where none can.
    """
    keys, parts = cache.parts.keys, urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.netloc:
        raise ValueError("whole URLs, such as https://www.example.org/news/")
    site = keys.site_of(parts.netloc)
    if site is None:
        raise ValueError(f"no site of this cache; there are {', '.join(keys.sites)}")
    usual = drive(cache.warmth.errands.usual(site))
    front = Front(parts.scheme.encode(), parts.netloc.encode("latin-1", "replace"))
    found = []
    for known in [usual] if usual else [front, Front(front.scheme, front.host, DECODED)]:
        key = known.key(url, site, keys.site_of)
        asked = None if isinstance(key, str) else cache.parts.nobody.asks((key, ()), site)
        if asked is None:
            raise ValueError(key if isinstance(key, str) else "no request without cookies leads there")
        found.append(Visit(url, asked))
    return found


def made(planned: list[Visit], ready: Callable[[], None]) -> Iterator[tuple[Visit, Answered, bool]]:
    """What came of each visit, and whether Redis has the page now. `ready` returns when the cache may be used."""
    for interface, answers in (("wsgi", _by_wsgi), ("asgi", _by_asgi)):
        if mine := [visit for visit in planned if visit.interface == interface]:
            application = cached(_plain(interface))
            cache = application.cache
            ready()
            told = answers(application, [visit.asked.request for visit in mine])
            drive(cache.runtime.finish())
            for visit, answered in zip(mine, told, strict=True):
                until = cache.engine.now() + LOOK
                found = drive(cache.engine.levels.fetched(visit.asked, Reason.URI_MISS, until))
                yield visit, answered, found.entry is not None


def by_wsgi(application: Any, request: Request) -> Answered:  # noqa: ANN401 - a WSGI application
    """What a WSGI application answers."""
    environ: dict[str, Any] = {
        "wsgi.url_scheme": request.scheme,
        "PATH_INFO": request.path.decode("latin-1"),
        "QUERY_STRING": request.query.decode("latin-1"),
        "wsgi.input": BytesIO(),
        "wsgi.multithread": True,
        **spelled_fields(request.fields),
    }
    environ |= {"REMOTE_ADDR": request.client} if request.client else {}
    setup_testing_defaults(environ)
    heads: list[tuple[str, list[tuple[str, str]]]] = []
    body = application(environ, lambda status, fields, *_: heads.append((status, fields)))
    for _ in body:
        pass
    if close := getattr(body, "close", None):
        close()
    ((status, fields),) = heads
    return Answered(int(status[:3]), ", ".join(value for name, value in fields if name.lower() == "cache-status"))


async def by_asgi(application: Any, request: Request) -> Answered:  # noqa: ANN401 - an ASGI application
    """What an ASGI application answers."""
    heads: list[dict[str, Any]] = []
    body = iter([{"type": "http.request", "body": b"", "more_body": False}])

    async def receive() -> dict[str, Any]:
        for message in body:
            return message
        # The client stays till the end.
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            heads.append(message)

    await application(scope_for(request), receive, send)
    (head,) = heads
    said = b", ".join(value for name, value in head["headers"] if name == b"cache-status")
    return Answered(head["status"], said.decode("latin-1"))


def _by_wsgi(application: Any, requests: list[Request]) -> list[Answered]:  # noqa: ANN401 - a WSGI application
    return [by_wsgi(application, request) for request in requests]


def _by_asgi(application: Any, requests: list[Request]) -> list[Answered]:  # noqa: ANN401 - an ASGI application
    async def answers() -> list[Answered]:
        told = [await by_asgi(application, request) for request in requests]
        await application.cache.runtime.finish()
        await application.cache.parts.second.close()
        return told

    return asyncio.run(answers())


def _plain(interface: str) -> Any:  # noqa: ANN401 - an application of that kind
    """Django's application with all middleware."""
    if interface == "wsgi":
        from django.core.handlers.wsgi import WSGIHandler  # noqa: PLC0415 - loads the middleware

        return WSGIHandler()
    from django.core.handlers.asgi import ASGIHandler  # noqa: PLC0415 - the same

    return ASGIHandler()
