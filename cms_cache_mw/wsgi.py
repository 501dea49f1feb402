"""The WSGI shell: translates between environ, `start_response`, iterables and the engine, and decides nothing.

The engine's coroutines are driven on the worker's thread (`runtime.drive`). The application runs in a context of its own, which
stays open until the iterable is closed, since templates may render while the body is iterated.
"""

from __future__ import annotations

import contextvars
import io
import sys
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from cms_cache_mw.admin.api import Admin
from cms_cache_mw.cache import Cache
from cms_cache_mw.config import ConfigError
from cms_cache_mw.core.answer import Answer
from cms_cache_mw.core.message import Request
from cms_cache_mw.engine import Stale
from cms_cache_mw.runtime import drive

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

    from cms_cache_mw.config import Config
    from cms_cache_mw.core.message import Fields
    from cms_cache_mw.recorder import Recorder

_PLAIN: Final = {"CONTENT_TYPE": b"content-type", "CONTENT_LENGTH": b"content-length"}
_URIS: Final = ("RAW_URI", "REQUEST_URI", "UNENCODED_URL")
"""Where servers put the target as it was received, with the parameters that the application is not to see."""


class WSGICacheMiddleware:
    """A WSGI application around another one, which it answers for where its cache can. `cache` is that cache.

    Raises `ConfigError` under gevent's patched threads and under uWSGI without threads, where no thread could hold the lease.
    """

    def __init__(self, app: WSGIApplication, config: Config | None = None) -> None:
        _check_server()
        self.app = app
        self.cache = Cache(config)
        self._admin = Admin(self.cache)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request, or let the application answer it."""
        request = _request(environ)
        if self._admin.wants(request):
            body = _body(environ, self._admin.max_body_bytes)
            return _answered(drive(self._admin.answer(request, body)), start_response)
        self.cache.start()
        step = drive(self.cache.engine.step(request))
        if isinstance(step, Answer):
            return _answered(step, start_response)
        if isinstance(step, Stale):
            if step.refresh:
                self.cache.runtime.spawn(self._refresh(step.refresh, environ))
            return _answered(step.answer, start_response)
        return _Response(self.cache, self.app, step, environ, start_response).begin()

    async def _refresh(self, recorder: Recorder, environ: WSGIEnvironment) -> None:
        """Let the application render for nobody but the cache."""
        nobody = {**environ, "wsgi.input": io.BytesIO(), "CONTENT_LENGTH": ""}
        body = _Response(self.cache, self.app, recorder, nobody, _unheard).begin()
        try:
            for _ in body:
                pass
        finally:
            if isinstance(body, _Stream):
                body.close()


class _Response:
    """One answer of the application on its way: its head is held until the policy has decided, each chunk goes on at once."""

    def __init__(
        self,
        cache: Cache,
        app: WSGIApplication,
        recorder: Recorder,
        environ: WSGIEnvironment,
        start_response: StartResponse,
    ) -> None:
        self._app, self._recorder, self._start_response = app, recorder, start_response
        self._environ = _asked(environ, recorder)
        self._context = contextvars.copy_context()
        self._context.run(cache.enter, recorder.collector)
        self._status = ""
        self._fields: Fields = ()
        self._begun = False
        self._ended = False
        self._instead: Answer | None = None
        self._left: int | None = None
        self._body: Iterable[bytes] = ()
        self._write: Callable[[bytes], object] | None = None

    def begin(self) -> Iterable[bytes]:
        """Call the application; what is to be iterated by the server."""
        try:
            self._body = self._context.run(self._app, self._environ, self._started)
            first = self._first()
        except Exception:
            answer = None if self._begun else self._recorder.fail()
            self.close()
            if answer is None:
                raise
            return _answered(answer, self._start_response)
        if self._instead:
            return self._replaced(self._instead)
        if not first and not self._recorder.listening and isinstance(self._body, _files(self._environ)):
            # A file that the server knows how to send by itself.
            self._recorder.close()
            return self._body
        return _Stream(self, first)

    def chunks(self) -> Iterator[bytes]:
        """What to forward of the rest of the body."""
        for chunk in _within(self._context, self._body):
            yield self._forwarded(chunk)
        if not self._ended:
            self._ended = True
            yield self._recorder.write(b"", last=True)

    def close(self) -> None:
        """Close the application's iterable, and land what did not end."""
        try:
            close = getattr(self._body, "close", None)
            if close:
                self._context.run(close)
        finally:
            self._recorder.close()

    def _started(
        self,
        status: str,
        headers: list[tuple[str, str]],
        exc_info: Any = None,  # noqa: ANN401 - PEP 3333's triple
        /,
    ) -> Callable[[bytes], object]:
        """The application's `start_response`. Until something was sent it may be called again, with an error."""
        if exc_info and self._begun:
            return self._start_response(status, headers, exc_info)
        if self._status and not exc_info:
            raise RuntimeError("start_response was called again without exc_info")
        self._status = status
        self._fields = tuple((name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers)
        return self._written

    def _first(self) -> list[bytes]:
        """Decide as late as PEP 3333 lets the head change: at once where the body is at hand, else before its first bytes."""
        first: list[bytes] = []
        if not self._status or not isinstance(self._body, (list, tuple, *_files(self._environ))):
            self._body = iter(self._body) if not hasattr(self._body, "close") else self._body
            for chunk in _within(self._context, self._body):
                first.append(chunk)
                if chunk:
                    break
        if not self._status:
            raise RuntimeError("the application gave a body before it called start_response")
        if not self._begun:
            self._decide()
        return [self._forwarded(chunk) for chunk in first]

    def _decide(self) -> None:
        begun = self._recorder.begin(int(self._status[:3]), self._fields)
        self._begun = True
        length = dict(self._fields).get(b"content-length", b"").strip()
        self._left = int(length) if length.isdigit() else None
        if isinstance(begun, Answer):
            self._instead = begun
        else:
            self._write = self._start_response(self._status, _headers(begun))

    def _written(self, chunk: bytes) -> None:
        """PEP 3333's `write`: what it is given goes before the iterable."""
        if not self._begun:
            self._decide()
        forwarded = self._forwarded(chunk)
        if self._write:
            self._write(forwarded)

    def _forwarded(self, chunk: bytes) -> bytes:
        if self._ended:
            return chunk
        if self._left is not None:
            self._left -= len(chunk)
            self._ended = bool(chunk) and self._left <= 0
        return self._recorder.write(chunk, last=self._ended)

    def _replaced(self, answer: Answer) -> Iterable[bytes]:
        """Another answer; what the application still says is heard to its end, since it may be kept."""
        try:
            for _ in self.chunks():
                pass
        finally:
            self.close()
        return _answered(answer, self._start_response)


class _Stream:
    """What the server iterates and closes."""

    def __init__(self, response: _Response, first: list[bytes]) -> None:
        self._response, self._first = response, first

    def __iter__(self) -> Iterator[bytes]:
        yield from (chunk for chunk in self._first if chunk)
        yield from (chunk for chunk in self._response.chunks() if chunk)

    def close(self) -> None:
        """End the answer, finished or not."""
        self._response.close()


def _within(context: contextvars.Context, body: Iterable[bytes]) -> Iterator[bytes]:
    """The chunks of a body that is rendered while it is iterated, in the context in which the rendering began."""
    chunks = context.run(iter, body)
    while (chunk := context.run(next, chunks, None)) is not None:
        yield chunk


def _files(environ: WSGIEnvironment) -> tuple[type, ...]:
    wrapper = environ.get("wsgi.file_wrapper")
    return (wrapper,) if isinstance(wrapper, type) else ()


def _request(environ: WSGIEnvironment) -> Request:
    fields = [
        (name[5:].lower().replace("_", "-").encode("latin-1"), value.encode("latin-1"))
        for name, value in environ.items()
        if name.startswith("HTTP_")
    ]
    fields += [(field, environ[name].encode("latin-1")) for name, field in _PLAIN.items() if environ.get(name)]
    return Request(
        method=environ["REQUEST_METHOD"],
        scheme=environ["wsgi.url_scheme"],
        # Servers decode the path and few say what it was: the key is made of what the application sees.
        path=(environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")).encode("latin-1"),
        query=environ.get("QUERY_STRING", "").encode("latin-1"),
        fields=tuple(fields),
        raw=False,
        client=environ.get("REMOTE_ADDR", ""),
    )


def _asked(environ: WSGIEnvironment, recorder: Recorder) -> WSGIEnvironment:
    """The environ as the application is to see it, with the set that it may add tags to."""
    request = recorder.request
    asked = {name: value for name, value in environ.items() if not name.startswith("HTTP_")}
    query = request.query.decode("latin-1")
    if query != environ.get("QUERY_STRING", ""):
        for name in _URIS:
            asked.pop(name, None)
    asked |= {"REQUEST_METHOD": request.method, "QUERY_STRING": query, "cms_cache.tags": recorder.collector.tags}
    for field, value in request.fields:
        if field not in _PLAIN.values():
            asked[f"HTTP_{field.decode('latin-1').upper().replace('-', '_')}"] = value.decode("latin-1")
    return asked


def _body(environ: WSGIEnvironment, most: int) -> bytes | None:
    """A request's body, or `None` where it is longer than `most` bytes."""
    length = environ.get("CONTENT_LENGTH") or "0"
    if not length.isdigit() or int(length) > most:
        return None
    body: bytes = environ["wsgi.input"].read(int(length))
    return body


def _headers(fields: Fields) -> list[tuple[str, str]]:
    return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in fields]


def _answered(answer: Answer, start_response: StartResponse) -> Iterable[bytes]:
    try:
        phrase = HTTPStatus(answer.status).phrase
    except ValueError:
        phrase = "Unknown"
    start_response(f"{answer.status} {phrase}", _headers(answer.fields))
    return answer.body


def _unheard(*_: object) -> Callable[[bytes], object]:
    """The `start_response` of a render that no client waits for."""
    return lambda _: None


def _check_server() -> None:
    """Refuse servers under which no thread of ours would run."""
    monkey = sys.modules.get("gevent.monkey")
    if monkey and monkey.is_module_patched("threading"):
        raise ConfigError(
            "gevent has patched threading: the thread that holds this worker's lease would stop whenever a request is busy, and "
            "purges would wait for it. Use gunicorn's gthread workers, granian, or ASGI."
        )
    uwsgi = sys.modules.get("uwsgi")
    if uwsgi and not {"enable-threads", "threads"} & {getattr(o, "decode", lambda o=o: o)() for o in uwsgi.opt}:
        raise ConfigError(
            "uWSGI runs without threads, so nothing can hold this worker's lease: start it with --enable-threads."
        )
