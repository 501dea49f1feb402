"""Content codings that the cache makes itself: which one an answer gets, and the entity tag of each (RFC 9110 §8.4, §12.5.3).

The entry holds the identity body; each coding of it is a representation of its own with an entity tag of its own.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from blake3 import blake3

from cms_cache_mw.core.fields import delta, directives, elements
from cms_cache_mw.core.message import lines, without
from cms_cache_mw.core.vary import weight

if TYPE_CHECKING:
    from cms_cache_mw.core.entry import Entry
    from cms_cache_mw.core.message import Fields, Head
    from cms_cache_mw.core.rules import Rules

IDENTITY: Final = b"identity"
SUFFIXES: Final = {b"br": b"-br", b"zstd": b"-zst", b"gzip": b"-gz"}
"""The codings the cache makes, best first, with what each appends to the entity tag."""
OWN_TAG: Final = b'"cms-'
"""What the entity tags begin with that the cache makes itself; the application does not know them."""
MIN_BYTES: Final = 256
"""Bodies below this stay as they are: a coding would save nothing."""

_ALIASES: Final = {b"x-gzip": b"gzip"}
_TEXT = re.compile(
    rb"[ \t]*(?:text/(?!event-stream)|[^;]*[+/](?:json|xml|javascript|wasm|manifest\+json)[ \t]*(?:;|\Z)|image/(?:bmp|x-icon))",
    re.IGNORECASE,
)
_MEMO_BYTES: Final = 256
_NO_CONTENT: Final = 204


def acceptable(accept: bytes) -> tuple[bytes, ...]:
    """The codings that an Accept-Encoding prefers to none at all, best first.

    `*` means gzip: whoever does not say what it can read gets what everything reads.
    """
    return _memo(accept) if len(accept) <= _MEMO_BYTES else _rank(accept)


def _rank(accept: bytes) -> tuple[bytes, ...]:
    weights: dict[bytes, int] = {}
    for member in elements(accept.lower()):
        name, q = weight(member)
        weights[_ALIASES.get(name, name)] = q
    if b"*" in weights:
        weights.setdefault(b"gzip", weights[b"*"])
    least = max(weights.get(IDENTITY, 0), 1)
    wanted = [name for name in SUFFIXES if weights.get(name, 0) >= least]
    return tuple(sorted(wanted, key=lambda name: -weights[name]))


_memo = lru_cache(maxsize=1024)(_rank)


def chosen(entry: Entry, accept: bytes | None) -> bytes:
    """The coding in which the entry is sent to whoever accepts these, of those that the entry has."""
    if entry.encoded and accept:
        for name in acceptable(accept):
            if name in entry.encoded:
                return name
    return IDENTITY


def encodes(head: Head, rules: Rules) -> bool:
    """Whether the cache may encode the response's body: nobody has, nobody forbade it, and it is text (RFC 9110 §7.7)."""
    names = {name for name, _ in head.fields}
    if not rules.store_identity or head.status != 200 or b"content-encoding" in names:  # noqa: PLR2004
        return False
    if b"no-transform" in directives(head.lines(b"cache-control")):
        return False
    length = delta((head.value(b"content-length") or b"").strip(b" \t"))
    if length is not None and length < MIN_BYTES:
        return False
    return bool(_TEXT.match(head.value(b"content-type") or b""))


def tag_for(tag: bytes, coding: bytes) -> bytes:
    """The entity tag of a coding, made of the identity's; a weak one is the same for all (RFC 9110 §8.8.1).

    >>> tag_for(b'"abc"', b"gzip")
    b'"abc-gz"'
    """
    if coding not in SUFFIXES or tag.startswith(b"W/") or not tag.endswith(b'"'):
        return tag
    return tag[:-1] + SUFFIXES[coding] + b'"'


def own_tag(body: bytes) -> bytes:
    """A strong entity tag made of the bytes themselves."""
    return OWN_TAG + blake3(body).hexdigest(16).encode() + b'"'


def finished(fields: Fields, body: bytes, *, encodable: bool, status: int = 200) -> Fields:
    """The fields of a complete response as an entry has them: its length, its entity tag, and Vary where it gets encoded."""
    done = without(fields, {b"content-length"})
    if status == _NO_CONTENT:
        return done
    if not lines(fields, b"etag"):
        done += ((b"etag", own_tag(body)),)
    return (*(varied(done) if encodable else done), (b"content-length", b"%d" % len(body)))


def varied(fields: Fields) -> Fields:
    """The fields with Accept-Encoding in Vary."""
    return fields if _varies(fields) else (*fields, (b"vary", b"Accept-Encoding"))


def _varies(fields: Fields) -> bool:
    return any(member.lower() == b"accept-encoding" for line in lines(fields, b"vary") for member in elements(line))


def represented(fields: Fields, coding: bytes, length: int) -> Fields:
    """The fields of an entry, or of a response that is encoded while it is forwarded, for one coding of its body.

    A negative `length` says that it is not known.
    """
    if coding == IDENTITY:
        return fields
    done: list[tuple[bytes, bytes]] = []
    for name, value in fields:
        if name == b"etag":
            done.append((name, tag_for(value, coding)))
        elif name != b"content-length":
            done.append((name, value))
    done.append((b"content-encoding", coding))
    if length >= 0:
        done.append((b"content-length", b"%d" % length))
    return tuple(done)


def tags(entry: Entry) -> tuple[bytes, ...]:
    """The entity tags under which visitors may hold the entry: that of its identity, and one per coding if it gets encoded."""
    found = lines(entry.fields, b"etag")
    if not found:
        return ()
    return (found[0], *(tag_for(found[0], coding) for coding in SUFFIXES)) if entry.encoded else (found[0],)
