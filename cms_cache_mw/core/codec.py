"""An entry as bytes for Redis: versioned, bound to its key, checksummed, and authenticated where a secret is set.

A fixed head tells everything that validity needs; the rest is MessagePack; the body follows as it is, so that reading copies
nothing but the body itself. Whatever cannot be read, for any reason, is `None`: a miss.
"""

from __future__ import annotations

import struct
from math import isfinite
from typing import Annotated, Final

import msgspec
from blake3 import blake3

from cms_cache_mw.core.entry import Entry, Freshness
from cms_cache_mw.core.holes import plausible
from cms_cache_mw.core.value import astuple

MAGIC: Final = 0xC5
VARIES: Final = 0xC6
"""In place of an entry: the request fields that the key's entries vary by."""
FORMAT: Final = 1
# magic, format, epoch, base, created (µs since 1970), length of the meta block, key digest; the check sum comes first.
_HEAD: Final = struct.Struct(">BBQQqI16s")
_SUM: Final = 8


class _Meta(msgspec.Struct, array_like=True, frozen=True):
    status: Annotated[int, msgspec.Meta(ge=200, le=599)]
    fields: tuple[tuple[bytes, bytes], ...]
    freshness: tuple[float, float, float, float, bool, bool]
    prints: bytes
    tags: tuple[str, ...]
    site: str
    url: str
    variant: tuple[tuple[bytes, bytes | None], ...]
    render_ms: float
    encoded: dict[bytes, bytes]
    holes: tuple[tuple[int, str], ...] = ()

    @property
    def plausible(self) -> bool:
        """Whether its numbers can be reckoned with and its fingerprints are whole: what purges go by must not be cut."""
        return all(map(isfinite, (*self.freshness, self.render_ms))) and not len(self.prints) % 8


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(_Meta)
_NAMES = msgspec.msgpack.Decoder(tuple[bytes, ...])


def encode(entry: Entry, digest: bytes, *, now: float, wall: float, secret: bytes | None = None) -> bytes:
    """The entry's bytes. `now` is on the clock of `entry.born`, `wall` in seconds since 1970; `secret` has 32 bytes."""
    meta = _ENCODER.encode(
        _Meta(
            entry.status,
            entry.fields,
            astuple(entry.freshness)[:6],  # who reads it has no lifetime to choose
            b"".join(value.to_bytes(8, "big") for value in entry.prints),
            entry.tags,
            entry.site,
            entry.url,
            entry.variant,
            entry.render_ms,
            entry.encoded,
            entry.holes,
        )
    )
    created = round((wall - entry.age(now)) * 1_000_000)
    head = _HEAD.pack(MAGIC, FORMAT, entry.epoch, entry.base, created, len(meta), digest)
    return b"".join((_sum(secret, head, meta, entry.body), head, meta, entry.body))


def encode_names(names: tuple[bytes, ...], digest: bytes, secret: bytes | None = None) -> bytes:
    """A signpost in place of an entry: look under the variant that these request fields make."""
    meta = _ENCODER.encode(names)
    head = _HEAD.pack(VARIES, FORMAT, 0, 0, 0, len(meta), digest)
    return b"".join((_sum(secret, head, meta), head, meta))


def decode(
    data: bytes, digest: bytes, *, now: float, wall: float, secret: bytes | None = None
) -> Entry | tuple[bytes, ...] | None:
    """The entry or the names that were written under this digest and secret, or `None`."""
    if len(data) < _SUM + _HEAD.size:
        return None
    view = memoryview(data)
    magic, version, epoch, base, created, length, bound = _HEAD.unpack_from(data, _SUM)
    start = _SUM + _HEAD.size
    if (version, bound) != (FORMAT, digest) or data[:_SUM] != _sum(secret, view[_SUM:]):
        return None
    try:
        if magic == VARIES:
            return _NAMES.decode(view[start:])
        meta = _DECODER.decode(view[start : start + length])
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return None
    body = bytes(view[start + length :])
    if magic != MAGIC or not meta.plausible or not plausible(meta.holes, len(body)):
        return None
    return Entry(
        status=meta.status,
        fields=meta.fields,
        body=body,
        freshness=Freshness(*meta.freshness),
        # Another host's clock may be ahead: an age is never negative.
        born=now - max(0.0, wall - created / 1_000_000),
        epoch=epoch,
        base=base,
        prints=struct.unpack(f">{len(meta.prints) // 8}Q", meta.prints),
        tags=meta.tags,
        site=meta.site,
        url=meta.url,
        variant=meta.variant,
        render_ms=meta.render_ms,
        encoded=meta.encoded,
        holes=meta.holes,
    )


def _sum(secret: bytes | None, *parts: bytes | memoryview) -> bytes:
    hasher = blake3(key=secret) if secret else blake3()
    for part in parts:
        hasher.update(part)
    return hasher.digest(_SUM)
