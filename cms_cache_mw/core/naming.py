"""What an entry's fingerprints stand for: entries keep the names that their response gave, the rest follows from site and URL."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cms_cache_mw.core.invalidation import groups
from cms_cache_mw.core.message import Head, lines
from cms_cache_mw.core.tags import (
    all_print,
    group_print,
    prefix_print,
    prefixes,
    site_print,
    tag_print,
    url_print,
)

if TYPE_CHECKING:
    from cms_cache_mw.core.entry import Entry


def languages(entry: Entry) -> list[str]:
    """The languages of an entry: those of its `lang:` tags, else those of Content-Language."""
    found = [tag[5:] for tag in entry.tags if tag.startswith("lang:")]
    said = b",".join(lines(entry.fields, b"content-language")).decode("latin-1")
    return found or [part for member in said.split(",") if (part := member.strip())]


def names_of(entry: Entry, origin: str = "") -> dict[int, str]:
    """Each fingerprint with what it stands for, tags first; `origin` is what its cache groups belong to (RFC 9875)."""
    found: dict[int, str] = {}
    spoken = languages(entry)
    tags = (*entry.tags, *(f"lang:{language}" for language in spoken))
    for language in ("", *(f"@{language}" for language in spoken), "@"):
        for tag in tags:
            found.setdefault(tag_print(tag + language), tag + language)
    found.setdefault(tag_print("lang:"), "lang:")
    path, _, query = entry.url.partition("?")
    for site, where in ((entry.site, f"{entry.site}:"), (None, "")):
        found[url_print(site, path)] = f"url {where}{path}"
        if query:
            found[url_print(site, path, query)] = f"url {where}{entry.url}"
        found |= {prefix_print(site, prefix): f"prefix {where}{prefix}" for prefix in prefixes(path)}
    found[site_print(entry.site)] = f"site {entry.site}"
    found[all_print()] = "everything"
    for group in groups(Head(entry.status, entry.fields)):
        found[group_print(origin, group)] = f"group {group}"
    own = set(entry.prints)
    return {value: name for value, name in found.items() if value in own}
