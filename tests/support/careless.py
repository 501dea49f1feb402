"""A site that says of itself what its visitors spell, right or wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cms_cache_mw.config import Config
from cms_cache_mw.wsgi import WSGICacheMiddleware
from tests.support.site import TOKEN

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment


class Careless:
    """A site whose pages say what their paths spell: `/set-cookie=a=1/cache-tag=x`."""

    def __init__(self, **options: Any) -> None:  # noqa: ANN401 - options of any type
        self.app = WSGICacheMiddleware(self._answer, Config(admin_token=TOKEN, namespace="careless", **options))

    def _answer(self, environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        pairs = [part.partition("=") for part in environ["PATH_INFO"].strip("/").split("/") if "=" in part]
        fields = [(name, value) for name, _, value in pairs]
        start_response("200 OK", [("Content-Type", "text/html"), *fields])
        return [b'<a href="/cache-control=no-store">another</a>']
