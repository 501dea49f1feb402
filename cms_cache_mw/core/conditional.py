"""Whether a visitor already holds a stored response: If-None-Match and If-Modified-Since (RFC 9110 §13.1, RFC 9111 §4.3.2)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from cms_cache_mw.core.dates import parse_date
from cms_cache_mw.core.message import lines

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cms_cache_mw.core.message import Fields, Request

_TAG = re.compile(rb'(?:W/)?"[^"]*"|[^\s,]+')
_ONE_SECOND: Final = 1.0


def held(request: Request, fields: Fields, tags: Iterable[bytes], wall: float) -> bytes | None:
    """The entity tag under which the visitor holds the response; empty where that is known without one, `None` where he does not.

    `fields` are the response's, `tags` its entity tags in all codings. If-None-Match decides alone where it is present.
    """
    if listed := request.lines(b"if-none-match"):
        return _listed(b",".join(listed), tuple(tags))
    since = request.lines(b"if-modified-since")
    if len(since) != 1:
        return None
    asked = parse_date(since[0].strip(b" \t"), wall)
    for name in (b"last-modified", b"date"):
        if found := lines(fields, name):
            made = parse_date(found[0].strip(b" \t"), wall)
            return b"" if made is not None and asked is not None and made <= asked else None
    return None


def _listed(value: bytes, tags: tuple[bytes, ...]) -> bytes | None:
    if value.strip(b" \t,") == b"*":
        return tags[0] if tags else b""
    wanted = {opaque(match[0]) for match in _TAG.finditer(value)}
    return next((tag for tag in tags if opaque(tag) in wanted), None)


def opaque(tag: bytes) -> bytes:
    """What weak comparison looks at (RFC 9110 §8.8.3.2); a tag that lost its quotes is still the same tag."""
    return tag.removeprefix(b"W/").strip(b'"')


def unchanged(request: Request, fields: Fields, wall: float) -> bool:
    """Whether If-Range lets a range be answered from this representation: its validator is strong and the same (RFC 9110 §13.1.5)."""
    asked = request.lines(b"if-range")
    if not asked:
        return True
    wanted = asked[0].strip(b" \t")
    if len(asked) > 1:
        return False
    if wanted.endswith(b'"'):
        return not wanted.startswith(b"W/") and lines(fields, b"etag") == [wanted]
    modified, made = lines(fields, b"last-modified"), lines(fields, b"date")
    if not modified or not made or modified[0] != wanted:
        return False
    since, until = parse_date(modified[0], wall), parse_date(made[0], wall)
    # RFC 9110 §8.8.2.2: a date says nothing about two changes within one second.
    return since is not None and until is not None and until - since >= _ONE_SECOND
