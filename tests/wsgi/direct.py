"""A WSGI application asked directly, by what PEP 3333 has a server do for one request."""

from __future__ import annotations

import io
import sys
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any
from unittest.mock import patch
from urllib.parse import unquote_to_bytes
from wsgiref.util import FileWrapper
from wsgiref.validate import validator

from cms_cache_mw import Cache, Config, WSGICacheMiddleware
from tests.support.asgi import WALL, Reply

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from wsgiref.types import WSGIApplication, WSGIEnvironment

    from tests.support.clock import Clock


@dataclass(slots=True)
class Exchange:
    """What a server sent for a request, and what it noticed."""

    reply: Reply = field(default_factory=Reply)
    line: str = ""
    """The status with its phrase."""
    error: BaseException | None = None
    """What reached the server."""
    returned: object = None
    """What the application returned to the server."""


class Server:
    """A server for one request at a time; `writes` is whether its `start_response` gives a `write` (granian's does not)."""

    def __init__(self, app: WSGIApplication, *, multithread: bool = True, writes: bool = True) -> None:
        self.app = app
        self._multithread, self._writes = multithread, writes

    def environ(self, target: str, *lines: str, method: str = "GET", body: bytes = b"") -> WSGIEnvironment:
        """The environ of a request; the host is example.org."""
        path, _, query = target.partition("?")
        environ: WSGIEnvironment = {
            "REQUEST_METHOD": method,
            "SCRIPT_NAME": "",
            "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
            "QUERY_STRING": query,
            "RAW_URI": target,
            "REMOTE_ADDR": "192.0.2.1",
            "SERVER_NAME": "127.0.0.1",
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "https",
            "wsgi.input": io.BytesIO(body),
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": self._multithread,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
            "wsgi.file_wrapper": FileWrapper,
        }
        for line in ("Host: example.org", *lines):
            name, _, value = line.partition(":")
            key = "HTTP_" + name.strip().upper().replace("-", "_")
            environ[key] = f"{environ[key]},{value.strip()}" if key in environ else value.strip()
        if body:
            environ["CONTENT_LENGTH"] = str(len(body))
        for name in ("CONTENT_LENGTH", "CONTENT_TYPE"):
            if f"HTTP_{name}" in environ:
                environ[name] = environ.pop(f"HTTP_{name}")
        return environ

    def serve(self, environ: WSGIEnvironment, *, most_chunks: int | None = None) -> Exchange:
        """Do for a request what a server does; after `most_chunks` the client is gone."""
        exchange = Exchange()
        reply = exchange.reply

        def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None, /) -> Any:  # noqa: ANN401
            if exc_info and reply.chunks:
                raise exc_info[1]
            assert exc_info or not exchange.line, "a second start"
            exchange.line = status
            reply.fields = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers]
            return send if self._writes else None

        def send(chunk: bytes) -> None:
            assert type(chunk) is bytes
            assert exchange.line, "a body without a start"
            reply.status = int(exchange.line[:3])
            reply.chunks.append(chunk)

        body: Any = None
        try:
            body = exchange.returned = self.app(environ, start_response)
            for sent, chunk in enumerate(body, 1):
                send(chunk)
                if sent == most_chunks:
                    break
            else:
                send(b"")
                reply.ended = True
        except BaseException as error:  # noqa: BLE001 - it is judged by the test
            exchange.error = error
        finally:
            if hasattr(body, "close"):
                try:
                    body.close()
                except BaseException as error:  # noqa: BLE001 - the same
                    exchange.error = error
        return exchange

    def ask(self, target: str, *lines: str, method: str = "GET", body: bytes = b"") -> Reply:
        """The whole reply; raises what the application raises."""
        exchange = self.serve(self.environ(target, *lines, method=method, body=body))
        if exchange.error:
            raise exchange.error
        return exchange.reply

    def get(self, target: str, *lines: str) -> Reply:
        """The whole reply to a GET."""
        return self.ask(target, *lines)


def validated(app: WSGIApplication) -> WSGIApplication:
    """The application, with the standard library's word on both sides of it."""
    checked: Callable[..., Any] = validator(app)
    return checked


@contextmanager
def caching(app: WSGIApplication, clock: Clock | None = None, **options: Any) -> Iterator[WSGICacheMiddleware]:  # noqa: ANN401 - options of any type
    """The application behind the cache, with time that passes when the test says so if there is a `clock`.

    At the end no render is under way and no copy is being collected.
    """
    if clock:
        timed = partial(Cache, now=clock.now, wall=lambda: WALL + clock.now())
        with patch("cms_cache_mw.wsgi.Cache", timed):
            site = WSGICacheMiddleware(app, Config(**options))
    else:
        site = WSGICacheMiddleware(app, Config(**options))
    try:
        yield site
    finally:
        site.cache.close()
    stats: Any = site.cache.stats()
    assert stats["flights"] == 0
    assert stats["memory"]["collecting_bytes"] == 0
