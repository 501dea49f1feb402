"""What a sitemap names (sitemaps.org 0.9): pages, or further sitemaps. It is read as input from a stranger.

Gzip is undone and the text is parsed within limits; entities are refused, and of what is malformed that is used which came
before the fault.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from typing import Final

MAX_BYTES: Final = 52_428_800
"""Of one sitemap once it is unpacked; what sitemaps.org allows."""
MAX_FILES: Final = 100
MAX_DEPTH: Final = 3
MAX_PAGES: Final = 50_000
MAX_URL: Final = 2_048
_GZIP: Final = b"\x1f\x8b"


@dataclass(slots=True)
class Sitemap:
    """The addresses in one sitemap, and what is wrong with it, if anything is."""

    pages: list[str] = field(default_factory=list)
    maps: list[str] = field(default_factory=list)
    trouble: str = ""


class _HostileError(Exception):
    """A document that does more than name addresses."""


def read(body: bytes) -> Sitemap:
    """The sitemap in a response body: XML, or text with an address on each line, packed or not."""
    found = Sitemap()
    try:
        text = unpacked(body)
    except ValueError as error:
        found.trouble = str(error)
        return found
    if text.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] != b"<":
        lines = [line.strip() for line in text.decode("utf-8", "replace").splitlines()]
        found.pages = [line for line in lines if line.startswith(("http://", "https://", "/"))][:MAX_PAGES]
        found.trouble = "" if found.pages else "neither XML nor a list of addresses"
        return found
    _parse(text, found)
    return found


def unpacked(body: bytes) -> bytes:
    """The body without gzip; `ValueError` where it is cut or larger than `MAX_BYTES`."""
    if body[:2] == _GZIP:
        inflate = zlib.decompressobj(wbits=31)
        try:
            body = inflate.decompress(body, MAX_BYTES + 1)
        except zlib.error as error:
            raise ValueError(f"not gzip after all ({error})") from None
        if len(body) <= MAX_BYTES and not inflate.eof:
            raise ValueError("the gzip data end early")
    if len(body) > MAX_BYTES:
        raise ValueError(f"larger than {MAX_BYTES} bytes")
    return body


def _parse(text: bytes, found: Sitemap) -> None:
    from xml.parsers import expat  # noqa: PLC0415 - few sites are warmed by their sitemap

    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    path: list[str] = []
    words: list[str] = []

    def start(name: str, _: dict[str, str]) -> None:
        path.append(name.rpartition(" ")[2])
        words.clear()

    def text_of(piece: str) -> None:
        if path[-1:] == ["loc"] and sum(map(len, words)) <= MAX_URL:
            words.append(piece)

    def end(_: str) -> None:
        # Only <url><loc> and <sitemap><loc>: images and videos have locations of their own.
        if path[-2:] in (["url", "loc"], ["sitemap", "loc"]):
            _note(found, path[-2], "".join(words).strip())
        path.pop()

    def refuse(*_: object) -> None:
        raise _HostileError

    parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = start, end, text_of
    parser.EntityDeclHandler = refuse
    try:
        parser.Parse(text, True)
    except _HostileError:
        found.trouble = "it declares entities"
    except expat.ExpatError as error:
        found.trouble = f"not well-formed XML: {error}"
    if not (found.trouble or found.pages or found.maps):
        found.trouble = "it names nothing"


def _note(found: Sitemap, kind: str, address: str) -> None:
    if not address or len(address) > MAX_URL:
        return
    if kind == "sitemap":
        if len(found.maps) < MAX_FILES:
            found.maps.append(address)
    elif len(found.pages) < MAX_PAGES:
        found.pages.append(address)
    else:
        found.trouble = f"more than {MAX_PAGES} pages"
