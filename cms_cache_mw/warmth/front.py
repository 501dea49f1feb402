"""How visitors of a site come: by which scheme and host, and through which proxies, since that is part of the key.

A page warmed under another key would be one that nobody asks for.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Self
from urllib.parse import unquote_to_bytes, urlsplit

from cms_cache_mw.core.entry import Key  # noqa: TC001 - msgspec reads the annotation
from cms_cache_mw.core.keys import hostname
from cms_cache_mw.core.value import Value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_OF_THE_PROXY = (
    b"x-forwarded-",
    b"forwarded",
    b"x-host",
    b"x-original-host",
    b"front-end-https",
    b"x-http-host-override",
)
_OF_ONE_PAGE = frozenset({b"x-forwarded-path", b"x-forwarded-uri"})


class Front(Value, frozen=True):
    """What the keys of a site's pages have in common."""

    scheme: bytes
    host: bytes
    rest: Key = ()
    """What follows the query: whether paths are decoded, and what proxies add."""

    @classmethod
    def of(cls, key: Key) -> Self | None:
        """The front that a page was asked for through; `None` where it was asked for in a special way."""
        scheme, host, _, _, *rest = key
        told = rest[1:] if rest[:1] == [b"decoded"] else rest
        names = told[::2]
        if all(name.startswith(_OF_THE_PROXY) and name not in _OF_ONE_PAGE for name in names):
            return cls(scheme, host, tuple(rest))
        return None

    @classmethod
    def usual(cls, used: Iterable[tuple[Key, float]]) -> Self | None:
        """The front that most uses came through."""
        fronts: Counter[Self] = Counter()
        for key, uses in used:
            if front := cls.of(key):
                fronts[front] += round(uses) + 1
        return fronts.most_common(1)[0][0] if fronts else None

    def key(self, address: str, site: str, site_of: Callable[[str], str | None]) -> Key | str:
        """The key of a page, by its path or by its whole URL on the site; else what is wrong with that."""
        if any(not char.isprintable() or char.isspace() for char in address):
            return "it has a blank or a control character"
        host = self.host
        if not address.startswith("/") or address.startswith("//"):
            try:
                parts = urlsplit(address)
            except ValueError:
                return "it is no URL"
            if parts.scheme not in {"http", "https"} or not parts.netloc or "@" in parts.netloc:
                return "it is neither a path nor a URL"
            if site_of(parts.netloc) != site:
                return "it is on another site"
            if hostname(parts.netloc) != hostname(host.decode("latin-1")):
                host = parts.netloc.encode("latin-1", "replace")
            address = f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}"
        path, _, query = address.partition("#")[0].partition("?")
        shown = path.encode()
        if self.rest[:1] == (b"decoded",):
            shown = unquote_to_bytes(shown)
        return (self.scheme, host, shown, query.encode(), *self.rest)
