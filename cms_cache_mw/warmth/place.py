"""A page's place in the cache, as a name that other workers understand, and the request of nobody that asks for it.

A key holds all that an answer may depend on, so it can be turned back into a request. What cannot be turned back exactly, or
would carry somebody's credentials, is left to visitors.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, TypeAlias

import msgspec

from cms_cache_mw.core import vary
from cms_cache_mw.core.keys import Asked
from cms_cache_mw.core.message import Request
from cms_cache_mw.core.value import replace

if TYPE_CHECKING:
    from cms_cache_mw.core.entry import Key, Variant
    from cms_cache_mw.core.keys import Keys
    from cms_cache_mw.core.rules import Rules

Place: TypeAlias = "tuple[Key, Variant]"

LONGEST: Final = 1_024
"""Bytes of a name; pages at longer addresses are not remembered."""
PERSONAL: Final = frozenset({b"cookie", b"authorization", b"proxy-authorization", b"x-api-key"})
"""Fields whose value in a variant is a visitor's own."""
PLAIN: Final = 4
"""Parts of a key that every key has: scheme, host, path, query."""

_WEIGHED: Final = frozenset({b"accept-language", b"accept-encoding"})
_WEIGHT = re.compile(rb";q=([0-9]{1,3})(?=,|\Z)")

_Named: TypeAlias = tuple[tuple[bytes, ...], tuple[tuple[bytes, bytes | None], ...]]


def named(place: Place) -> bytes | None:
    """A place as bytes, or `None` where it is nobody else's business or too long."""
    if any(name in PERSONAL and value is not None for name, value in place[1]):
        return None
    name = msgspec.msgpack.encode(place)
    return name if len(name) <= LONGEST else None


def read(name: bytes, least: int = PLAIN) -> Place | None:
    """The place of a name, or `None` where it is none; its key has `least` parts."""
    try:
        key, variant = msgspec.msgpack.decode(name, type=_Named)
    except (msgspec.MsgspecError, RecursionError):
        return None
    return (key, variant) if len(key) >= least else None


class Nobody:
    """Asks for places as a visitor without cookies would; `proxy` is the address of a trusted proxy, if there is one."""

    def __init__(self, keys: Keys, rules: Rules, proxy: str = "") -> None:
        self._keys, self._rules, self._proxy = keys, rules, proxy

    def asks(self, place: Place, site: str) -> Asked | None:
        """What is asked at a place; `None` where no request of nobody's leads there."""
        key, variant = place
        if any(name in PERSONAL and value is not None for name, value in variant):
            return None
        request = self._request(key, variant)
        for client in dict.fromkeys(("", self._proxy)):
            asked = self._keys.ask(replace(request, client=client))
            if (
                isinstance(asked, Asked)
                and (asked.key, asked.site) == (key, site)
                and vary.variant(asked.request, tuple(name for name, _ in variant), self._rules) == variant
            ):
                return asked
        return None

    @staticmethod
    def _request(key: Key, variant: Variant) -> Request:
        scheme, host, path, query, *rest = key
        raw = rest[:1] != [b"decoded"]
        told = rest if raw else rest[1:]
        pairs = list(zip(told[::2], told[1::2], strict=False))
        cookies = b"; ".join(value for name, value in pairs if name == b"cookie")
        fields = [(b"host", host), *((name, value) for name, value in pairs if name != b"cookie")]
        if cookies:
            fields.append((b"cookie", cookies))
        present = {name for name, _ in fields}
        fields += [(name, _sent(name, value)) for name, value in variant if value is not None and name not in present]
        return Request("GET", scheme.decode("latin-1"), path, query, tuple(fields), raw=raw)


def _sent(name: bytes, value: bytes) -> bytes:
    """A normalised value as a client would send it: weights are kept in thousandths."""
    if name not in _WEIGHED:
        return value
    return _WEIGHT.sub(lambda found: b";q=0.%03d" % int(found[1]), value)
