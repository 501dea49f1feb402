"""The admin endpoints alone, for a port of their own beside the site, in its process: `AdminApp` and `WSGIAdminApp`.

An `AdminApp` belongs on the event loop that the site runs on; a `WSGIAdminApp` may have a thread of its own.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from cms_cache_mw.admin.api import Admin, missing
from cms_cache_mw.admin.live import Live
from cms_cache_mw.options import ConfigError
from cms_cache_mw.runtime import drive
from cms_cache_mw.shells.environ import headers_of, input_of
from cms_cache_mw.shells.environ import request_of as request_in_environ
from cms_cache_mw.shells.messages import body_of, send_answer, send_live
from cms_cache_mw.shells.scope import request_of as request_in_scope

if TYPE_CHECKING:
    from collections.abc import Iterable
    from wsgiref.types import StartResponse, WSGIEnvironment

    from starlette.types import Receive, Scope, Send

    from cms_cache_mw.cache import Cache
    from cms_cache_mw.core.answer import Answer


class AdminApp:
    """An ASGI application of the admin endpoints of a cache, `PURGE` included. Raises `ConfigError` where there is no token."""

    def __init__(self, cache: Cache) -> None:
        self._admin = _admin(cache)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request; there is nothing to start or to end."""
        if scope["type"] == "lifespan":
            for event in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{event}.complete"})
            return
        request = request_in_scope(scope)
        answer: Answer | Live = missing()
        if self._admin.wants(request):
            answer = await self._admin.answer(request, await body_of(receive, self._admin.max_body_bytes))
        await (send_live(answer, receive, send) if isinstance(answer, Live) else send_answer(answer, send))


class WSGIAdminApp:
    """A WSGI application of the admin endpoints of a cache, `PURGE` included. Raises `ConfigError` where there is no token."""

    def __init__(self, cache: Cache) -> None:
        self._admin = _admin(cache)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request."""
        request = request_in_environ(environ)
        answer = missing()
        if self._admin.wants(request):
            given = drive(self._admin.answer(request, input_of(environ, self._admin.max_body_bytes)))
            answer = given.begun if isinstance(given, Live) else given
        start_response(f"{answer.status} {HTTPStatus(answer.status).phrase}", headers_of(answer.fields))
        return list(answer.body)


def _admin(cache: Cache) -> Admin:
    if not cache.config.tokens:
        raise ConfigError("admin_tokens={}: without a token nobody may ask; give one, such as admin_token='…'")
    return Admin(cache)
