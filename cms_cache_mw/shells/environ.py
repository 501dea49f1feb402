"""WSGI's words for requests and fields, in ours, and ours in its (PEP 3333)."""

from __future__ import annotations

import io
from functools import lru_cache
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from cms_cache_mw.core.answer import Answer
from cms_cache_mw.core.message import Request
from cms_cache_mw.core.status import held
from cms_cache_mw.hits import OFTEN, READING, SCHEMES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

    from cms_cache_mw.admin.explained import Explained
    from cms_cache_mw.core.message import Field, Fields
    from cms_cache_mw.engine import Engine

_OTHERS: Final = {"CONTENT_TYPE": b"content-type", "CONTENT_LENGTH": b"content-length"}
"""Fields that have no prefix in an environ."""
_TARGETS: Final = ("RAW_URI", "REQUEST_URI", "UNENCODED_URL")
"""Where servers put the target as it was received."""
_MOST_NAMES: Final = 1_000
_LONGEST_NAME: Final = 64
_names: dict[str, bytes] = {"REMOTE_USER": b"remote-user"}
"""Field names by their names in an environ: visitors send the same few."""


def request_of(environ: WSGIEnvironment) -> Request:
    """The request, under the path that the application sees: servers decode it, and few say what it was.

    A target that is no path, and text that is not a server's to give (it may only be latin-1), make a request without a path,
    for which the cache has no key.
    """
    target = environ.get("RAW_URI") or environ.get("REQUEST_URI") or "/"
    try:
        return _request(environ, "strict", is_path=target[0] == "/")
    except UnicodeEncodeError:
        return _request(environ, "replace", is_path=False)


def hit_of(environ: WSGIEnvironment, engine: Engine) -> tuple[str, list[tuple[str, str]], list[bytes]] | None:
    """The status, fields and body of a page that memory has for a request; `None` where it takes more to answer it."""
    hits, method = engine.hits, environ["REQUEST_METHOD"]
    if environ.get("CONTENT_LENGTH") or (environ.get("RAW_URI") or environ.get("REQUEST_URI") or "/")[0] != "/":
        return None
    try:
        path = (environ["SCRIPT_NAME"] + environ["PATH_INFO"]).encode("latin-1")
        query, host = environ["QUERY_STRING"].encode("latin-1"), environ["HTTP_HOST"].encode("latin-1")
        key = (SCHEMES[environ["wsgi.url_scheme"]], host, path, query, b"decoded")
        cookie = environ["HTTP_COOKIE"].encode("latin-1") if "HTTP_COOKIE" in environ else None
        accept = environ["HTTP_ACCEPT_ENCODING"].encode("latin-1") if "HTTP_ACCEPT_ENCODING" in environ else None
        rare = _rare(hits.notable)
        others = [] if rare.isdisjoint(environ) else _named(rare, environ)
        if method not in READING or engine.gate or (hit := hits.find(key, cookie, accept, others)) is None:
            return None
        entry, shown, age, ttl = hit
        if others or method == "HEAD":
            answer = hits.selected(hit, method, key, accept, others)
            return status_of(answer.status), headers_of(answer.fields), list(answer.body)
        texts = shown.texts or hits.spell(key, hit, tuple(headers_of(shown.fields)))
    except (KeyError, UnicodeEncodeError):
        return None
    except Exception as error:  # noqa: BLE001 - a fault of the cache must not become one of the site
        engine.tally.fault(error)
        return None
    # A list of its own: the server, and what is around us, may change it.
    return status_of(entry.status), [*texts, *_held(age, ttl)], [shown.body]


def _named(names: frozenset[str], environ: WSGIEnvironment) -> list[Field]:
    return [
        (_names.get(name) or _name(name), (environ[name] or "").encode("latin-1")) for name in names & environ.keys()
    ]


@lru_cache(maxsize=8)
def _rare(notable: frozenset[bytes]) -> frozenset[str]:
    """Notable fields by their names in an environ, but for those that nearly every request has, and whom the server signed in."""
    named = {f"HTTP_{name.decode('latin-1').upper().replace('-', '_')}" for name in notable - OFTEN}
    return frozenset(named | {"REMOTE_USER"} if b"remote-user" in notable else named)


@lru_cache(maxsize=8192)
def _held(age: float, ttl: float) -> list[tuple[str, str]]:
    return headers_of(held(age, ttl))


@lru_cache(maxsize=1024)
def status_of(status: int) -> str:
    """The status line's end, as `start_response` takes it."""
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return f"{status} Unknown"


def environ_for(request: Request, environ: WSGIEnvironment, asked: Request | None, tags: set[str]) -> WSGIEnvironment:
    """The environ of `asked` changed to that of `request`, with the set that the application may add tags to.

    What is left as it was asked keeps the server's own environ. What the key leaves out is not to be seen by another name.
    """
    environ["cms_cache.tags"] = tags
    if request is asked:
        return environ
    shown = {name: value for name, value in environ.items() if name[:5] != "HTTP_"}
    query = request.query.decode("latin-1")
    shown |= {"REQUEST_METHOD": request.method, "QUERY_STRING": query}
    for name in _TARGETS:
        if name in shown:
            shown[name] = quote(request.path, safe="/:@!$&'()*+,;=~") + (f"?{query}" if query else "")
    return shown | spelled_fields(request.fields)


def spelled_fields(fields: Fields) -> dict[str, str]:
    """Fields as an environ has them, those that are repeated joined; but for what it knows by other names."""
    shown: dict[str, str] = {}
    for field, value in fields:
        if field not in _OTHERS.values():
            name, text = f"HTTP_{field.decode('latin-1').upper().replace('-', '_')}", value.decode("latin-1")
            shown[name] = f"{shown[name]}, {text}" if name in shown else text
    return shown


def answered(answer: Answer, start_response: StartResponse) -> list[bytes]:
    """Start an answer that is there as a whole; its body."""
    start_response(status_of(answer.status), headers_of(answer.fields))
    return list(answer.body)


def explaining(
    app: WSGIApplication, told: Answer | Explained, environ: WSGIEnvironment, start_response: StartResponse
) -> Iterable[bytes]:
    """What a page is told with: the page as a visitor asks for it, with the explanation, or why there is none."""
    if isinstance(told, Answer):
        return answered(told, start_response)

    def started(
        status: str,
        headers: list[tuple[str, str]],
        exc_info: Any = None,  # noqa: ANN401 - PEP 3333's triple
        /,
    ) -> Callable[[bytes], object]:
        return start_response(status, headers_of(told.fields(fields_of(headers))), exc_info)

    ours = _rare(told.ours)
    return app({name: value for name, value in environ.items() if name not in ours}, started)


def nobodys(environ: WSGIEnvironment) -> WSGIEnvironment:
    """What was asked, as asked by nobody who waits."""
    return {**environ, "wsgi.input": io.BytesIO(), "CONTENT_LENGTH": ""}


def files_of(environ: WSGIEnvironment) -> tuple[type, ...]:
    """The kinds of iterables that the server may know how to send by itself."""
    wrapper = environ.get("wsgi.file_wrapper")
    return (wrapper,) if isinstance(wrapper, type) else ()


def input_of(environ: WSGIEnvironment, most: int) -> bytes | None:
    """A request's body, or `None` where it is longer than `most` bytes."""
    length = environ.get("CONTENT_LENGTH") or ""
    if length.isdecimal():
        size = int(length)
    elif "HTTP_TRANSFER_ENCODING" in environ and environ.get("wsgi.input_terminated"):
        size = most + 1
    else:
        return b""
    body: bytes = environ["wsgi.input"].read(min(size, most + 1))
    return body if len(body) <= most else None


def fields_of(headers: list[tuple[str, str]]) -> Fields:
    """The fields that an application gave `start_response`."""
    return tuple((name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers)


def headers_of(fields: Fields) -> list[tuple[str, str]]:
    """What to give the server's `start_response`."""
    return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in fields]


def _request(environ: WSGIEnvironment, errors: str, *, is_path: bool) -> Request:
    path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "") if is_path else ""
    return Request(
        method=environ["REQUEST_METHOD"],
        scheme=environ["wsgi.url_scheme"],
        path=path.encode("latin-1", errors),
        query=environ.get("QUERY_STRING", "").encode("latin-1", errors),
        fields=_fields(environ, errors),
        raw=False,
        client=environ.get("REMOTE_ADDR") or "",
    )


def _fields(environ: WSGIEnvironment, errors: str) -> Fields:
    fields = [
        (_names.get(name) or _name(name), value.encode("latin-1", errors))
        for name, value in environ.items()
        if name[:5] == "HTTP_"
    ]
    fields += [(field, environ[name].encode("latin-1", errors)) for name, field in _OTHERS.items() if environ.get(name)]
    if user := environ.get("REMOTE_USER"):
        # Whom the server has signed in, by a certificate or a password of its own.
        fields.append((b"remote-user", user.encode("latin-1", errors)))
    return tuple(fields)


def _name(name: str) -> bytes:
    field = name[5:].lower().replace("_", "-").encode("latin-1", "replace")
    if len(_names) < _MOST_NAMES and len(name) <= _LONGEST_NAME:
        _names[name] = field
    return field
