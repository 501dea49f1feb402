"""A tricky origin, as ASGI and as WSGI: it shows in each page all that it was sent, and answers with the fields that the query asks for.

`?h=Name:value` adds a field, `?status=404` sets the status. Every answer has tags, in all three headers.
"""

from __future__ import annotations

import os
from itertools import count
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl

from cms_cache_mw import CacheMiddleware, Config, WSGICacheMiddleware

if TYPE_CHECKING:
    from collections.abc import Iterable
    from wsgiref.types import StartResponse, WSGIEnvironment

    from starlette.types import Receive, Scope, Send

TAGS: Final = {"cache-tag": "t:1,t:2", "surrogate-key": "t:3 t:4", "xkey": "t:5"}

_renders = count(1)


def answered(query: str, shown: list[str]) -> tuple[int, list[tuple[str, str]], bytes]:
    """Status, fields and body for a query; `shown` is what the application was sent."""
    asked = parse_qsl(query, keep_blank_values=True, encoding="latin-1")
    fields = [
        (name.strip(), value.strip()) for key, line in asked if key == "h" for name, _, value in [line.partition(":")]
    ]
    status = next((int(value) for key, value in asked if key == "status"), 200)
    if not any(name.lower() == "content-type" for name, _ in fields):
        fields.append(("Content-Type", "text/html; charset=utf-8"))
    body = "\n".join([f"render {next(_renders)}", *shown]).encode("latin-1", "replace")
    return status, [*fields, *TAGS.items()], b"" if status == 304 else body


async def pages(scope: Scope, receive: Receive, send: Send) -> None:
    """The origin as ASGI."""
    if scope["type"] != "http":
        return
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    shown = [scope["method"], scope["path"], (scope.get("raw_path") or b"").decode("latin-1"), body.decode("latin-1")]
    shown += [f"{name.decode('latin-1')}: {value.decode('latin-1')}" for name, value in scope["headers"]]
    query = scope["query_string"].decode("latin-1")
    status, fields, answer = answered(query, [*shown, query])
    headers = [(name.lower().encode(), value.encode("latin-1")) for name, value in fields]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": answer})


def wsgi_pages(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """The origin as WSGI."""
    length = environ.get("CONTENT_LENGTH") or "0"
    chunked = "HTTP_TRANSFER_ENCODING" in environ
    body = environ["wsgi.input"].read(*(() if chunked else (int(length),)))
    names = ("REQUEST_METHOD", "PATH_INFO", "SCRIPT_NAME", "RAW_URI", "REQUEST_URI", "QUERY_STRING")
    shown = [str(environ.get(name, "")) for name in names] + [body.decode("latin-1")]
    shown += [f"{name}: {value}" for name, value in environ.items() if name.startswith("HTTP_")]
    status, fields, answer = answered(environ.get("QUERY_STRING", ""), shown)
    start_response(f"{status} Whatever", fields)
    return [answer]


def _config() -> Config:
    return Config.from_env({name: value for name, value in os.environ.items() if name.startswith("CMS_CACHE_")})


def app() -> CacheMiddleware:
    """The origin behind the cache, for ASGI servers that call a factory."""
    return CacheMiddleware(pages, _config())


def wsgi_app() -> WSGICacheMiddleware:
    """The same for WSGI servers."""
    return WSGICacheMiddleware(wsgi_pages, _config())
