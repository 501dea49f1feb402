"""Content codings as bytes: gzip from the standard library at once, brotli and zstandard where they are installed."""

from __future__ import annotations

import zlib
from functools import cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

LEVEL: Final = 6
_GZIP: Final = 31
"""zlib's window bits for the gzip format, whose header then has no time in it: equal bodies give equal bytes."""


class Gzip:
    """A gzip stream, chunk by chunk, each chunk readable as soon as it is there."""

    def __init__(self) -> None:
        self._compressor = zlib.compressobj(LEVEL, zlib.DEFLATED, _GZIP)

    def feed(self, chunk: bytes, *, last: bool) -> bytes:
        """The bytes to send for a chunk."""
        return self._compressor.compress(chunk) + self._compressor.flush(zlib.Z_FINISH if last else zlib.Z_SYNC_FLUSH)


def gzipped(body: bytes) -> bytes:
    """The body as gzip."""
    return Gzip().feed(body, last=True)


@cache
def better() -> Mapping[bytes, Callable[[bytes], bytes]]:
    """The codings that are worth their time once a page is read again, by name, as far as they are installed."""
    found: dict[bytes, Callable[[bytes], bytes]] = {}
    try:
        import brotli  # type: ignore[import-untyped]  # noqa: PLC0415

        found[b"br"] = lambda body: bytes(brotli.compress(body, quality=5))
    except ImportError:
        pass
    try:
        import zstandard  # noqa: PLC0415

        found[b"zstd"] = lambda body: zstandard.ZstdCompressor(level=9).compress(body)
    except ImportError:
        pass
    return found
