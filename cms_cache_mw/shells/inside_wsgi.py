"""Requests to a WSGI application that no client sent: on threads of their own, with environs as its server makes them.

What an environ has of the server is learnt from the first request that is not answered from the cache; nothing of a visitor's
is kept of it. An application that its server calls on one thread only is not called beside it.
"""

from __future__ import annotations

import io
import os
from concurrent.futures import Future
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from cms_cache_mw.aside import Aside

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from wsgiref.types import StartResponse, WSGIEnvironment

    from cms_cache_mw.core.message import Request
    from cms_cache_mw.recorder import Recorder

LEAVE: Final = 0.5
"""Seconds that the end waits for renders that nobody waits for."""
_OF_THE_SERVER: Final = (
    *("SCRIPT_NAME", "SERVER_NAME", "SERVER_PORT", "SERVER_PROTOCOL", "SERVER_SOFTWARE", "wsgi.version", "wsgi.errors"),
    *("wsgi.multithread", "wsgi.multiprocess", "wsgi.run_once", "wsgi.file_wrapper"),
)
_TARGETS: Final = ("RAW_URI", "REQUEST_URI", "UNENCODED_URL")
_ONE_THREAD: Final = "this server calls the application on one thread, beside which nothing is rendered; give it threads (gunicorn --threads 2)"


class WsgiInside:
    """The application as the background reaches it. `render` lets it answer through a recorder, for an environ."""

    def __init__(
        self, render: Callable[[Recorder, WSGIEnvironment, StartResponse], Iterable[bytes]], threads: int
    ) -> None:
        self._render = render
        self._most, self._pid = threads, os.getpid()
        self._threads = Aside("cms-cache-warm", threads)
        self._sample: WSGIEnvironment | None = None
        self._targets: list[str] = []

    def seen(self, environ: WSGIEnvironment) -> None:
        """Learn from a request how this server presents them."""
        if self._sample is None:
            self._targets = [name for name in _TARGETS if name in environ]
            self._sample = {name: environ[name] for name in _OF_THE_SERVER if name in environ}
            if environ.get("HTTP_SCRIPT_NAME") == self._sample.get("SCRIPT_NAME"):
                # It is that request's own: gunicorn takes it from a field.
                self._sample.pop("SCRIPT_NAME", None)

    @property
    def ready(self) -> bool:
        """Whether it is known how to ask, and the application bears it."""
        return self._sample is not None and not self.refusal

    @property
    def refusal(self) -> str:
        """Why the application is not asked in the background, where it never is."""
        return _ONE_THREAD if self._sample is not None and not self._sample.get("wsgi.multithread") else ""

    def render(self, recorder: Recorder) -> Future[None]:
        """Let the application answer through a recorder, which is closed in the end."""
        future: Future[None] = Future()
        self._begin(partial(self._heard, recorder, None), recorder, future)
        return future

    def read(self, recorder: Recorder, most: int) -> Future[tuple[int, bytes]]:
        """Status and body of what the application answers; `ValueError` for more than `most` bytes."""
        future: Future[tuple[int, bytes]] = Future()
        self._begin(partial(self._heard, recorder, most), recorder, future)
        return future

    def end(self) -> None:
        """Give up what is under way: a thread that hangs keeps no process from ending."""
        self._threads.finish(LEAVE)

    def _begin(self, work: Callable[[], Any], recorder: Recorder, future: Future[Any]) -> None:
        def run() -> None:
            try:
                future.set_result(work())
            except Exception as error:  # noqa: BLE001 - it is told to whoever looks
                future.set_exception(error)
            finally:
                recorder.close()

        if self._pid != os.getpid():
            # Threads do not survive a fork.
            self._threads, self._pid = Aside("cms-cache-warm", self._most), os.getpid()
        if not self._threads.do(run):
            recorder.close()
            future.set_exception(RuntimeError("the process ends"))

    def _heard(self, recorder: Recorder, most: int | None) -> tuple[int, bytes]:
        """What the application answers, which is kept where it is wanted."""
        started: list[str] = []

        def start_response(status: str, *_: object) -> Callable[[bytes], object]:
            started[:] = [status]
            return lambda _: None

        kept = bytearray()
        body = self._render(recorder, self._environ(recorder.request), start_response)
        try:
            for chunk in body:
                if most is not None:
                    kept += chunk
                    if len(kept) > most:
                        raise ValueError(f"more than {most} bytes")
        finally:
            if close := getattr(body, "close", None):
                close()
        return int(started[0][:3]) if started else 0, bytes(kept)

    def _environ(self, request: Request) -> WSGIEnvironment:
        sample = self._sample or {}
        told = (request.value(b"script-name") or b"").decode("latin-1")
        script = sample.get("SCRIPT_NAME", told)
        query = request.query.decode("latin-1")
        target = quote(request.path, safe="/:@!$&'()*+,;=~") + (f"?{query}" if query else "")
        environ: WSGIEnvironment = {
            **sample,
            **dict.fromkeys(self._targets, target),
            "REQUEST_METHOD": request.method,
            "SCRIPT_NAME": script,
            "PATH_INFO": request.path.decode("latin-1").removeprefix(script),
            "QUERY_STRING": query,
            "CONTENT_LENGTH": "",
            "REMOTE_ADDR": request.client or "127.0.0.1",
            "wsgi.url_scheme": request.scheme,
            "wsgi.input": io.BytesIO(),
        }
        if request.scheme == "https":
            environ["HTTPS"] = "on"
        return environ
