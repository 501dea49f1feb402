"""Byte ranges of a stored body: which are asked for and how they are sent (RFC 9110 §14, §15.3.7)."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Final, TypeAlias

from blake3 import blake3

MAX_RANGES: Final = 8
"""More in one request get the whole body (RFC 9110 §14.2, §17.15)."""

Span: TypeAlias = tuple[int, int]
"""First position and the position after the last."""

_SPEC = re.compile(rb"[ \t]*([0-9]*)-([0-9]*)[ \t]*\Z")
_MAX_DIGITS: Final = 18


def spans(value: bytes, length: int) -> tuple[Span, ...] | None:
    """The parts of a body of `length` bytes that a Range field asks for, none if it has none of them.

    `None` where the field is to be ignored: it cannot be read, asks for too many parts, or for overlapping ones.
    """
    unit, equals, listed = value.partition(b"=")
    if unit.strip(b" \t").lower() != b"bytes" or not equals:
        return None
    specs = [spec for spec in listed.split(b",") if spec.strip(b" \t")]
    if not 0 < len(specs) <= MAX_RANGES:
        return None
    found: list[Span] = []
    for spec in specs:
        match = _SPEC.match(spec)
        if match is None or not (match[1] or match[2]):
            return None
        start, end = _span(match[1], match[2], length)
        if match[1] and match[2] and _position(match[2]) < _position(match[1]):
            return None
        if not (length or match[1]) and _position(match[2]):
            # The last bytes of nothing are all there is of it, which no Content-Range can say.
            return None
        if start < end:
            found.append((start, end))
    ordered = sorted(found)
    overlap = any(after[0] < before[1] for before, after in pairwise(ordered))
    return None if overlap else tuple(found)


def _span(first: bytes, last: bytes, length: int) -> Span:
    if not first:
        return max(0, length - _position(last)), length
    return _position(first), min(length, _position(last) + 1) if last else length


def _position(digits: bytes) -> int:
    digits = digits.lstrip(b"0")
    return int(digits or b"0") if len(digits) <= _MAX_DIGITS else 10**_MAX_DIGITS


def content_range(span: Span, length: int) -> bytes:
    """The Content-Range of a part."""
    return b"bytes %d-%d/%d" % (span[0], span[1] - 1, length)


def multipart(body: bytes, parts: tuple[Span, ...], media_type: bytes | None) -> tuple[bytes, tuple[bytes, ...]]:
    """Several parts as multipart/byteranges: the Content-Type, and the pieces of the body (RFC 9110 §14.6).

    The boundary is made of the body, so that nothing in the body can be it.
    """
    boundary = blake3(body, derive_key_context="cms_cache_mw multipart boundary").hexdigest(16).encode()
    described = b"Content-Type: " + media_type + b"\r\n" if media_type else b""
    pieces: list[bytes] = []
    for number, part in enumerate(parts):
        opening = b"\r\n--" if number else b"--"
        pieces += (
            opening
            + boundary
            + b"\r\n"
            + described
            + b"Content-Range: "
            + content_range(part, len(body))
            + b"\r\n\r\n",
            body[part[0] : part[1]],
        )
    pieces.append(b"\r\n--" + boundary + b"--\r\n")
    return b"multipart/byteranges; boundary=" + boundary, tuple(pieces)
