"""What an answer to an unsafe request makes outdated: URLs (RFC 9111 §4.4) and cache groups (RFC 9875)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import urljoin, urlsplit

from cms_cache_mw.core.structured import strings

if TYPE_CHECKING:
    from cms_cache_mw.core.message import Head, Request

SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PRI", "PROPFIND", "QUERY", "REPORT", "SEARCH"})
"""Methods that IANA's registry calls safe; any other may have changed something (RFC 9110 §9.2.1, §18.2)."""
_PORTS: Final = {"http": 80, "https": 443}


def unsafe(request: Request, head: Head) -> bool:
    """Whether the answer says that an unsafe request was carried out, rather than refused (RFC 9111 §4.4)."""
    return request.method not in SAFE and 200 <= head.status < 400  # noqa: PLR2004


def invalidated(request: Request, head: Head) -> tuple[bytes, ...]:
    """Path and query of each URL that the answer outdates: the target, and Location and Content-Location on the same origin."""
    if not unsafe(request, head):
        return ()
    target = request.path + (b"?" + request.query if request.query else b"")
    found = [target]
    host = request.lines(b"host")
    if len(host) == 1:
        base = f"{request.scheme}://{host[0].decode('latin-1')}{target.decode('latin-1')}"
        for name in (b"location", b"content-location"):
            found += (same for line in head.lines(name) if (same := _same_origin(base, line.decode("latin-1"))))
    return tuple(dict.fromkeys(found))


def _same_origin(base: str, reference: str) -> bytes | None:
    """The path and query a reference leads to, or `None` where it is unreadable or leads to another origin."""
    try:
        url = urlsplit(urljoin(base, reference.strip(" \t")))
        if _origin(url.scheme, url.hostname, url.port) != _origin_of(base):
            return None
    except ValueError:
        return None
    return ((url.path or "/") + (f"?{url.query}" if url.query else "")).encode("latin-1")


def _origin_of(base: str) -> tuple[str, str | None, int | None]:
    url = urlsplit(base)
    return _origin(url.scheme, url.hostname, url.port)


def _origin(scheme: str, host: str | None, port: int | None) -> tuple[str, str | None, int | None]:
    return scheme, host, port or _PORTS.get(scheme)


def origin(request: Request) -> str:
    """Scheme, host and port of a request, in one spelling for each origin."""
    host = (request.value(b"host") or b"").decode("latin-1").lower()
    port = f":{_PORTS.get(request.scheme)}"
    return f"{request.scheme}://{host.removesuffix(port)}"


def groups(head: Head) -> tuple[str, ...]:
    """The groups that a response belongs to on its origin (RFC 9875 §2)."""
    return strings(b",".join(head.lines(b"cache-groups")))


def invalidated_groups(request: Request, head: Head) -> tuple[str, ...]:
    """The groups of the request's origin that the answer outdates (RFC 9875 §3)."""
    return strings(b",".join(head.lines(b"cache-group-invalidation"))) if unsafe(request, head) else ()
