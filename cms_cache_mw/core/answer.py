"""An answer made of an entry for one request: whole, head only, not modified, or in parts, in the coding it can read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cms_cache_mw.core import coding, conditional, ranges
from cms_cache_mw.core.fields import mentions
from cms_cache_mw.core.message import combined, without
from cms_cache_mw.core.representation import represent
from cms_cache_mw.core.value import Value

if TYPE_CHECKING:
    from cms_cache_mw.core.entry import Entry
    from cms_cache_mw.core.message import Fields, Request

SELECTING: Final = frozenset({b"if-modified-since", b"if-none-match", b"if-range", b"range"})
"""Request fields that may make an answer something else than the whole response, beside Accept-Encoding."""
_ASKING: Final = frozenset({b"if-modified-since", b"if-none-match", b"range"})
"""Request fields without which an answer is the whole response."""
_METADATA: Final = frozenset(
    {
        b"content-encoding",
        b"content-language",
        b"content-length",
        b"content-md5",
        b"content-digest",
        b"content-range",
        b"content-type",
        b"last-modified",
        b"repr-digest",
    }
)
"""Fields about a body that a 304 and a 416 do not have (RFC 9110 §15.4.5)."""


class Answer(Value, frozen=True):
    """What goes to the visitor, but for Cache-Status."""

    status: int
    fields: Fields
    body: tuple[bytes, ...]
    """Its pieces in order; none for HEAD and 304."""


def select(entry: Entry, request: Request, now: float, wall: float) -> Answer:
    """The entry as an answer to the request, at `now` on the clock of `Entry.born` and `wall` seconds since 1970.

    Preconditions before ranges, and both only for what would be a success (RFC 9110 §13.2).
    """
    represented = represent(entry, request.value(b"accept-encoding"))
    body = represented.body
    fields = (*represented.fields, (b"age", b"%d" % entry.age(now)))
    if 200 <= entry.status < 300 and mentions(request.fields, _ASKING):  # noqa: PLR2004
        tag = conditional.held(request, fields, coding.tags(entry), wall)
        if tag is not None:
            return Answer(304, _unmodified(fields, tag), ())
        asked = request.lines(b"range")
        wanted = request.method == "GET" and entry.status == 200 and len(asked) == 1  # noqa: PLR2004
        if wanted and conditional.unchanged(request, fields, wall):
            return _partial(fields, body, asked[0])
    return Answer(entry.status, fields, () if request.method == "HEAD" else (body,))


def _unmodified(fields: Fields, tag: bytes) -> Fields:
    """The fields of a 304: those that help the visitor's cache, under the tag it knows; Last-Modified only without one."""
    if not tag:
        return without(fields, _METADATA - {b"last-modified"})
    return ((b"etag", tag), *without(fields, _METADATA | {b"etag"}))


def _partial(fields: Fields, body: bytes, asked: bytes) -> Answer:
    spans = ranges.spans(asked, len(body))
    if spans is None:
        return Answer(200, fields, (body,))
    if not spans:
        unsatisfied = ((b"content-range", b"bytes */%d" % len(body)), (b"content-length", b"0"))
        return Answer(416, without(fields, _METADATA | {b"etag"}) + unsatisfied, ())
    if len(spans) == 1:
        pieces: tuple[bytes, ...] = (body[spans[0][0] : spans[0][1]],)
        described = (b"content-range", ranges.content_range(spans[0], len(body)))
    else:
        media_type, pieces = ranges.multipart(body, spans, combined(fields, b"content-type"))
        described = (b"content-type", media_type)
    kept = without(fields, {b"content-length", described[0]})
    return Answer(206, (*kept, described, (b"content-length", b"%d" % sum(map(len, pieces)))), pieces)
