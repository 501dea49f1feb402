"""The WSGI shell: translates between environ, `start_response`, iterables and the engine, and decides nothing.

The engine's coroutines are driven on the worker's thread (`runtime.drive`). The application runs in a context of its own, which
stays open until the iterable is closed, since templates may render while the body is iterated.
"""

from __future__ import annotations

import contextvars
import io
import logging
from functools import partial
from itertools import chain
from math import inf
from typing import TYPE_CHECKING, Any, Final

from cms_cache_mw.admin.door import opened
from cms_cache_mw.auditing.audit import Sampled
from cms_cache_mw.cache import Cache
from cms_cache_mw.collecting import current
from cms_cache_mw.core.answer import Answer
from cms_cache_mw.core.status import Reason
from cms_cache_mw.core.tags import TagError, read_tags
from cms_cache_mw.engine import Stale
from cms_cache_mw.options import ConfigError
from cms_cache_mw.purge.process import at_end, unfit
from cms_cache_mw.recorder import Recorder
from cms_cache_mw.runtime import drive
from cms_cache_mw.shells.closing import Then
from cms_cache_mw.shells.environ import (
    answered,
    environ_for,
    explaining,
    fields_of,
    files_of,
    headers_of,
    hit_of,
    input_of,
    nobodys,
    request_of,
)
from cms_cache_mw.shells.inside_wsgi import WsgiInside

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Iterator
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

    from cms_cache_mw.collecting import Collector
    from cms_cache_mw.config import Config
    from cms_cache_mw.core.message import Fields, Request
    from cms_cache_mw.engine import Step

log: Final = logging.getLogger("cms_cache_mw")

_END: Final = b"the end of an iterable, which is no chunk of it"


class WSGICacheMiddleware:
    """A WSGI application around another one, which it answers for where its cache can. `cache` is that cache.

    Raises `ConfigError` under gevent's patched threads and under uWSGI without threads, where no thread could hold the lease.
    """

    def __init__(self, app: WSGIApplication, config: Config | None = None) -> None:
        if why := unfit():
            raise ConfigError(why)
        self.app = app
        self.cache = Cache(config)
        self._admin = opened(self.cache)
        self._warned = False
        self._inside = WsgiInside(self._rendered, self.cache.config.background_renders)
        self.cache.application = self._inside
        at_end(self.cache.close)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request, or let the application answer it."""
        render = current()
        if render is None and (hit := hit_of(environ, self.cache.engine)):
            status, headers, body = hit
            start_response(status, headers)
            return body
        request = request_of(environ)
        if self._admin and self._admin.wants(request):
            self._inside.seen(environ)
            sent = input_of(environ, self._admin.max_body_bytes)
            answer = drive(self._admin.answer(request, sent))
            return answered(answer if isinstance(answer, Answer) else answer.begun, start_response)
        if render:
            return self._part(render, environ, start_response)
        if self._admin and (told := drive(self._admin.explained(request))):
            return explaining(self, told, environ, start_response)
        step = self._step(request)
        if isinstance(step, Sampled):
            compared = step.sample(partial(self._refresh, environ=nobodys(environ)))
            return self._beside(self._given(step.step, environ, request, start_response), compared, environ)
        return self._given(step, environ, request, start_response)

    def _given(
        self, step: Step, environ: WSGIEnvironment, request: Request, start_response: StartResponse
    ) -> Iterable[bytes]:
        if isinstance(step, Answer):
            return answered(step, start_response)
        if isinstance(step, Stale):
            body, refresh = answered(step.answer, start_response), step.refresh
            return self._beside(body, self._refresh(refresh, nobodys(environ)), environ) if refresh else body
        self._inside.seen(environ)
        return _Response(self.cache, step, environ, request, start_response).begin(self.app)

    def _rendered(self, recorder: Recorder, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """What the application answers through a recorder to a request that no client sent."""
        return _Response(self.cache, recorder, environ, None, start_response).begin(self.app)

    def _step(self, request: Request) -> Step | Sampled:
        if why := unfit():
            if not self._warned:
                self._warned = True
                log.error("nothing is served from the cache: %s", why)
            return Recorder(self.cache.engine, request, Reason.FAULT)
        self.cache.start()
        return drive(self.cache.engine.step(request))

    def _part(self, render: Collector, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """A request made by a render is part of it: it waits for nobody, who might be waiting for it, and its tags are the page's."""

        def started(
            status: str,
            headers: list[tuple[str, str]],
            exc_info: Any = None,  # noqa: ANN401 - PEP 3333's triple
            /,
        ) -> Callable[[bytes], object]:
            try:
                render.note(read_tags(fields_of(headers), self.cache.engine.rules.tag_headers), inf)
            except TagError as error:
                render.doubtful(str(error))
            return start_response(status, headers, exc_info)

        return self.app(environ, started)

    def _beside(
        self, body: Iterable[bytes], work: Coroutine[object, object, object], environ: WSGIEnvironment
    ) -> Iterable[bytes]:
        """A body, and renders for nobody: beside the next requests, or before them where the application has one thread."""
        if not environ["wsgi.multithread"]:
            return Then(body, lambda: drive(work))
        self.cache.runtime.spawn(work, slow=True)
        return body

    async def _refresh(self, recorder: Recorder, environ: WSGIEnvironment) -> None:
        """Let the application render for nobody but the cache."""
        body = _Response(self.cache, recorder, environ, None, _unheard).begin(self.app)
        try:
            for _ in body:
                pass
        finally:
            if close := getattr(body, "close", None):
                close()


class _Response:
    """One answer of the application on its way: its head is held until the policy has decided, each chunk goes on at once."""

    def __init__(
        self,
        cache: Cache,
        recorder: Recorder,
        environ: WSGIEnvironment,
        asked: Request | None,
        start_response: StartResponse,
    ) -> None:
        self._recorder, self._start_response = recorder, start_response
        self._environ = environ_for(recorder.request, environ, asked, recorder.collector.tags)
        if not recorder.bypassed:
            # A body that was sent along is nowhere in the key.
            self._environ["wsgi.input"] = io.BytesIO()
        self._context = contextvars.copy_context()
        self._context.run(cache.enter, recorder.collector)
        self._status = ""
        self._fields: Fields = ()
        self._begun = self._ended = False
        self._instead: Answer | None = None
        self._left: int | None = None
        """Bytes that are to come, if the application has said how many."""
        self._body: Iterable[bytes] = ()
        self._write: Callable[[bytes], object] | None = None
        self._early: list[bytes] = []
        """What was written where the server cannot be written to."""

    def begin(self, app: WSGIApplication) -> Iterable[bytes]:
        """Call the application; what is to be iterated, and closed, by the server."""
        try:
            self._body = self._context.run(app, self._environ, self._started)
            return self._forward()
        except BaseException as error:
            answer = None if self._begun or not isinstance(error, Exception) else self._recorder.fail()
            self.close()
            if answer is None:
                raise
            return answered(answer, self._start_response)

    def close(self) -> None:
        """Close the application's iterable, and land what did not end."""
        try:
            if close := getattr(self._body, "close", None):
                self._context.run(close)
        finally:
            self._recorder.close()

    def _forward(self) -> Iterable[bytes]:
        """Decide as late as PEP 3333 lets the head change: once the whole body is at hand, else before its first bytes."""
        if isinstance(self._body, list | tuple):
            return self._whole(self._body)
        rest = self._chunks()
        first: list[bytes] = []
        if isinstance(self._body, files_of(self._environ)):
            self._decide()
            if not (self._recorder.listening or self._instead or self._early):
                # A file, which the server may know how to send by itself.
                self._recorder.close()
                return self._body
        else:
            for chunk in rest:
                first.append(chunk)
                if self._begun:
                    break
        if self._instead:
            return Then(answered(self._instead, self._start_response), lambda: self._hear(rest))
        return Then(chain(self._early, first, rest), self.close)

    def _whole(self, body: list[bytes] | tuple[bytes, ...]) -> list[bytes]:
        self._decide()
        chunks = [self._forwarded(chunk, last=place == len(body)) for place, chunk in enumerate(body, 1)]
        if not self._ended:
            chunks.append(self._forwarded(b"", last=True))
        self._recorder.close()
        return answered(self._instead, self._start_response) if self._instead else self._early + chunks

    def _chunks(self) -> Iterator[bytes]:
        """What to forward of a body that is rendered while it is iterated, in the context in which the rendering began."""
        try:
            body = self._context.run(iter, self._body)
            while (chunk := self._context.run(next, body, _END)) is not _END:
                if chunk:
                    self._decide()
                # An empty chunk says that the application is not ready; it is the server's to know.
                yield self._forwarded(chunk) if self._begun else chunk
            self._decide()
            if tail := self._forwarded(b"", last=True):
                yield tail
        finally:
            self._recorder.close()

    def _hear(self, rest: Iterator[bytes]) -> None:
        """The rest of an answer that another one was given for: it may be kept."""
        try:
            for _ in rest:
                pass
        finally:
            self.close()

    def _started(
        self,
        status: str,
        headers: list[tuple[str, str]],
        exc_info: Any = None,  # noqa: ANN401 - PEP 3333's triple
        /,
    ) -> Callable[[bytes], object]:
        """The application's `start_response`. Until something was sent it may be called again, with an error."""
        try:
            if exc_info and self._begun:
                raise exc_info[1].with_traceback(exc_info[2])
            if self._status and not exc_info:
                raise RuntimeError("start_response was called again without exc_info")
        finally:
            exc_info = None  # a frame in its own traceback would be kept alive
        self._status, self._fields = status, fields_of(headers)
        return self._written

    def _decide(self) -> None:
        if self._begun:
            return
        if not self._status:
            raise RuntimeError("the application gave a body before it called start_response")
        begun = self._recorder.begin(int(self._status[:3]), self._fields)
        self._begun = True
        length = dict(self._fields).get(b"content-length", b"").strip()
        self._left = int(length) if length.isdigit() else None
        if isinstance(begun, Answer):
            self._instead = begun
        else:
            self._write = self._start_response(self._status, headers_of(begun))

    def _written(self, chunk: bytes) -> None:
        """PEP 3333's `write`: what it is given goes before the iterable."""
        self._decide()
        forwarded = self._forwarded(chunk)
        if self._write:
            self._write(forwarded)
        elif not self._instead:
            self._early.append(forwarded)

    def _forwarded(self, chunk: bytes, *, last: bool = False) -> bytes:
        if self._ended:
            return b""
        if self._left is not None:
            self._left -= len(chunk)
            last = last or (bool(chunk) and self._left <= 0)
        self._ended = last
        if self._recorder.marks.wanted:
            drive(self._recorder.settle())
        return self._recorder.write(chunk, last=last)


def _unheard(*_: object) -> Callable[[bytes], object]:
    """The `start_response` of a render that no client waits for."""
    return lambda _: None
