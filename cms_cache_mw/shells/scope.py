"""ASGI's words for requests, in ours, and a hit in its."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

from cms_cache_mw.core.message import Request
from cms_cache_mw.core.status import held
from cms_cache_mw.hits import READING, SCHEMES

if TYPE_CHECKING:
    from starlette.types import Message, Scope

    from cms_cache_mw.core.message import Field
    from cms_cache_mw.engine import Engine


def request_of(scope: Scope) -> Request:
    """The request."""
    raw = scope.get("raw_path")
    client = scope.get("client")
    return Request(
        method=scope["method"],
        scheme=scope.get("scheme", "http"),
        path=scope["path"].encode("utf-8", "surrogateescape") if raw is None else raw.partition(b"?")[0],
        query=scope.get("query_string", b""),
        fields=tuple(scope["headers"]),
        raw=raw is not None,
        client=client[0] if client else "",
    )


def scope_for(request: Request) -> Scope:
    """The scope of a request that no client sent, as a server would make it."""
    scope: Scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": request.scheme,
        "path": unquote_to_bytes(request.path).decode("utf-8", "replace")
        if request.raw
        else request.path.decode("utf-8", "surrogateescape"),
        "query_string": request.query,
        "headers": list(request.fields),
        "client": (request.client or "127.0.0.1", 0),
        "extensions": {},
    }
    if request.raw:
        scope["raw_path"] = request.path
    return scope


def hit_of(scope: Scope, engine: Engine) -> tuple[Message, Message] | None:
    """The messages of a page that memory has for a request; `None` where it takes more to answer it."""
    hits = engine.hits
    try:
        wanted, method, host, cookie, accept = hits.notable, scope["method"], b"", None, None
        others: list[Field] = []
        for field in scope["headers"]:
            if (name := field[0]) in wanted:
                if name == b"cookie" and cookie is None:
                    cookie = field[1]
                elif name == b"accept-encoding" and accept is None:
                    accept = field[1]
                elif name == b"host" and not host:
                    host = field[1]
                else:
                    others.append(field)
        key = (SCHEMES[scope["scheme"]], host, scope["raw_path"], scope["query_string"])
        if method not in READING or engine.gate or (hit := hits.find(key, cookie, accept, others)) is None:
            return None
        entry, shown, age, ttl = hit
        if others or method == "HEAD":
            answer = hits.selected(hit, method, key, accept, others)
            status, fields, body = answer.status, list(answer.fields), b"".join(answer.body)
        else:
            # A list of its own: what is around us may change it.
            status, fields, body = entry.status, [*shown.fields, *held(age, ttl)], shown.body
    except KeyError:
        return None
    except Exception as error:  # noqa: BLE001 - a fault of the cache must not become one of the site
        engine.tally.fault(error)
        return None
    start = {"type": "http.response.start", "status": status, "headers": fields}
    return start, {"type": "http.response.body", "body": body}
