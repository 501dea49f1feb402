"""Names of things that entries depend on, and the fingerprints that purges are checked by.

A fingerprint is 64 bits of BLAKE3 over the kind and the text, so that the implicit tags (everything, a site, a URL, a path
prefix) live in kinds of their own, which no header can spell. A URL and a prefix are kept twice, with their site and for any
site, because people purge `/about/` without naming a host.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from blake3 import blake3

from cms_cache_mw.core.value import Value

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from cms_cache_mw.core.message import Fields

MAX_TAGS: Final = 512
MAX_TAG_LENGTH: Final = 256
MAX_TAGS_BYTES: Final = 2 * MAX_TAGS * (MAX_TAG_LENGTH + 2)
"""What is longer is not even read: as many tags as there may be, in two headers."""
MAX_PREFIX_DEPTH: Final = 8
"""Path ancestors an entry is tagged with; `/a/b/` has depth 2."""

_PRINTABLE: Final = "".join(map(chr, range(0x21, 0x7F)))
_READABLE = re.compile(r"[!-~]{1,256}\Z")
_BLANKS = re.compile(rb"[ \t]")
_EITHER = re.compile(rb"[, \t]")
HEADERS: Final = {b"cache-tag": re.compile(rb","), b"surrogate-key": _BLANKS, b"xkey": _BLANKS}
"""The headers that name tags, each with what stands between them; in one of a deployment's own, commas and blanks alike."""


class TagError(ValueError):
    """A tag that nothing could ever be purged by; the message says which and why."""


def _print(kind: str, text: str) -> int:
    # A visitor's URL may be long: what is remembered has to stay small.
    return _known(kind, text) if len(text) <= MAX_TAG_LENGTH else _hashed(kind, text)


def _hashed(kind: str, text: str) -> int:
    digest = blake3(f"{kind}\0{text}".encode("utf-8", "surrogateescape")).digest(8)
    return int.from_bytes(digest, "big")


_known = lru_cache(maxsize=1_024)(_hashed)
_KNOWN_BYTES: Final = 450
"""What remembering a fingerprint takes, its text included."""


def remembered_bytes() -> int:
    """Bytes that remembered fingerprints take."""
    return _KNOWN_BYTES * _known.cache_info().currsize


def tag_print(tag: str) -> int:
    """The fingerprint of an explicit tag."""
    return _print("tag", tag)


def all_print() -> int:
    """The fingerprint every entry has."""
    return _print("all", "")


def site_print(site: str) -> int:
    """The fingerprint of everything on a site."""
    return _print("site", site)


def url_print(site: str | None, path: str, query: str | None = None) -> int:
    """The fingerprint of a path with all its queries, or with exactly one; on any site where `site` is `None`."""
    where = "*" if site is None else f"={site}"
    if query is None:
        return _print("url", f"{where}\0{path}")
    return _print("query", f"{where}\0{path}\0{query}")


def prefix_print(site: str | None, prefix: str) -> int:
    """The fingerprint of all paths below `prefix`, which ends in a slash; on any site where `site` is `None`."""
    return _print("prefix", f"{'*' if site is None else f'={site}'}\0{prefix}")


def group_print(origin: str, group: str) -> int:
    """The fingerprint of a cache group, which belongs to one origin (RFC 9875 §2)."""
    return _print("group", f"{origin}\0{group}")


def prefixes(path: str) -> list[str]:
    """The ancestors of a normal path that end in a slash, itself included, outermost first, at most `MAX_PREFIX_DEPTH` deep.

    >>> prefixes("/en/news/today")
    ['/', '/en/', '/en/news/']
    """
    found = ["/"]
    at = path.find("/", 1)
    while at > 0 and len(found) <= MAX_PREFIX_DEPTH:
        found.append(path[: at + 1])
        at = path.find("/", at + 1)
    return found


def implicit_prints(site: str, path: str, query: str) -> tuple[int, ...]:
    """The fingerprints of everything, the site, the URL and the path's prefixes."""
    found = [all_print(), site_print(site)]
    for where in (site, None):
        found.append(url_print(where, path))
        if query:
            found.append(url_print(where, path, query))
        found.extend(prefix_print(where, prefix) for prefix in prefixes(path))
    return tuple(found)


def read_tag(tag: str) -> str:
    """The tag itself, or `TagError` where it could not have been written in a header."""
    if not _READABLE.match(tag):
        shown = tag if len(tag) <= 40 else tag[:37] + "..."  # noqa: PLR2004
        raise TagError(f"tag {shown!r}: a tag is 1 to {MAX_TAG_LENGTH} characters from '!' to '~', such as 'block:7'")
    return tag


def spelled(text: str) -> str:
    """Any text as a tag: what a tag cannot hold is percent-encoded, what is too long ends in a digest."""
    tag = quote(text, safe=_PRINTABLE, errors="surrogatepass")
    if len(tag) <= MAX_TAG_LENGTH:
        return tag or "-"
    return f"{tag[:200]}~{blake3(text.encode('utf-8', 'surrogatepass')).hexdigest(16)}"


def read_tags(fields: Fields, names: Collection[bytes]) -> tuple[str, ...]:
    """The explicit tags of a response head, each once, in order; `TagError` where one is unreadable or there are too many."""
    found: dict[str, None] = {}
    size = sum(len(value) for name, value in fields if name in names)
    if size > MAX_TAGS_BYTES:
        raise TagError(f"{size} bytes of tags: a response may have {MAX_TAGS} tags")
    for name, value in fields:
        if name not in names:
            continue
        for part in HEADERS.get(name, _EITHER).split(value):
            if tag := part.strip(b" \t"):
                found[read_tag(tag.decode("latin-1"))] = None
    if len(found) > MAX_TAGS:
        raise TagError(f"{len(found)} tags: a response may have {MAX_TAGS}")
    return tuple(found)


class Tagging(Value, frozen=True):
    """What an entry depends on: names for people, fingerprints for the purge clock."""

    names: tuple[str, ...]
    prints: tuple[int, ...]


def tagging(names: Iterable[str], implicit: tuple[int, ...], content_language: str = "") -> Tagging:
    """The tags of an entry, with `TAG@LANGUAGE` beside each tag where its language is known.

    The language is that of its `lang:` tag, else Content-Language; there may be several.
    """
    names = tuple(names)
    languages = [name[5:] for name in names if name.startswith("lang:")]
    languages = languages or [part for member in content_language.split(",") if (part := member.strip())]
    prints = [tag_print(name) for name in (*names, *(f"lang:{language}" for language in languages))]
    for language in languages:
        prints.extend(tag_print(f"{name}@{language}") for name in names if not name.startswith("lang:"))
    return Tagging(names, tuple(dict.fromkeys((*implicit, *prints))))
