"""What fragments give, as bytes and back: text, HTML that need not be escaped, bytes, and data as MessagePack."""

from __future__ import annotations

from typing import Final

import msgspec

from cms_cache_mw.fragments.safe import is_safe, markup

TEXT: Final = frozenset({b"text", b"html"})
"""The kinds of values that are text."""


def encoded(name: str, value: object) -> tuple[bytes, bytes]:
    """What kind of value it is, and its bytes; `TypeError` for one that cannot be stored."""
    if isinstance(value, str):
        return b"html" if is_safe(value) else b"text", value.encode("utf-8", "surrogatepass")
    if isinstance(value, bytes):
        return b"bytes", value
    try:
        return b"msgpack", msgspec.msgpack.encode(value)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise TypeError(
            f"fragment {name!r}: {type(value).__name__} cannot be stored ({error}); give text or data"
        ) from error


def as_text(kind: bytes, body: bytes) -> str:
    """The text of a kind, or the HTML."""
    text = body.decode("utf-8", "surrogatepass")
    return markup()(text) if kind == b"html" else text
