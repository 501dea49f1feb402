"""The site of the guarantee as WSGI, as the workers of real servers import it; everything comes from the environment.

`/page/TAGS`, `/chunks/N/TAGS` and `/fail/TAGS` are what they are in `tests.support.origin`. `/nest/TAGS` is a page that asks the
site for itself and for another while it is rendered; `/echo` answers with what it was sent; `/threads` with the names of the
process's threads.
"""

from __future__ import annotations

import io
import logging
import os
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cms_cache_mw import Config, WSGICacheMiddleware
from tests.faults.levers import Levers
from tests.support.origin import GATE_SECONDS, Store

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from wsgiref.types import StartResponse, WSGIEnvironment

logging.basicConfig(level=logging.INFO, format="%(relativeCreated)d %(name)s %(levelname)s %(message)s")


class Site:
    """The WSGI application behind the cache."""

    def __init__(self, store: Store) -> None:
        self._store, self._levers = store, Levers(store.folder)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer what the path asks for."""
        path = environ["PATH_INFO"]
        kind, _, rest = path.lstrip("/").partition("/")
        match kind:
            case "page":
                body = self._read(path, rest)
                self._pass_gate(path)
                return self._answer(start_response, rest, body)
            case "chunks":
                count, _, names = rest.partition("/")
                return self._chunks(path, int(count), names, start_response)
            case "fail":
                raise RuntimeError(f"{path} fails, as it was asked to")
            case "nest":
                body = self._read(path, rest)
                if "HTTP_X_PART" not in environ:
                    body += self._part(environ, path) + self._part(environ, f"/page/{rest}")
                return self._answer(start_response, rest, body)
            case "echo":
                return self._answer(start_response, "", environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
            case "threads":
                return self._answer(start_response, "", "\n".join(t.name for t in threading.enumerate()).encode())
        start_response("204 No Content", [("Cache-Control", "no-store")])
        return []

    def _answer(self, start_response: StartResponse, names: str, body: bytes) -> list[bytes]:
        if delay := self._levers.get("delay"):
            time.sleep(float(delay))
        start_response("200 OK", [*_head(names), ("Content-Length", str(len(body)))])
        return [body]

    def _chunks(self, path: str, count: int, names: str, start_response: StartResponse) -> Iterator[bytes]:
        start_response("200 OK", _head(names))
        yield self._read(path, names)
        self._pass_gate(path)
        for number in range(1, count):
            yield b"chunk %d\n" % number
        self._store.note("done", path)

    def _part(self, environ: WSGIEnvironment, path: str) -> bytes:
        """What the site itself answers, on this thread."""
        inner = {**environ, "PATH_INFO": path, "HTTP_X_PART": "1", "wsgi.input": io.BytesIO()}
        body: Any = app(inner, lambda *_: print)
        return b"".join(body)

    def _read(self, path: str, names: str) -> bytes:
        body = "".join(f"{name}={self._store.version(name)}\n" for name in names.split("+"))
        self._store.note("read", path)
        return body.encode()

    def _pass_gate(self, path: str) -> None:
        deadline = time.monotonic() + GATE_SECONDS
        if self._store.is_held(path):
            self._store.note("held", path)
        while self._store.is_held(path) and time.monotonic() < deadline:
            time.sleep(0.005)


def _head(names: str) -> list[tuple[str, str]]:
    head = [("Content-Type", "text/html; charset=utf-8")]
    if not names:
        return [*head, ("Cache-Control", "no-store")]
    return [*head, ("Cache-Control", "max-age=300"), ("Cache-Tag", names.replace("+", ","))]


app = WSGICacheMiddleware(Site(Store(Path(os.environ["ORIGIN_STORE"]))), Config.from_env())
