"""What a purge names: tags, URLs, path prefixes, a site, or everything, as fingerprints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from cms_cache_mw.core.keys import normal_path, shown_query
from cms_cache_mw.core.tags import (
    MAX_PREFIX_DEPTH,
    TagError,
    all_print,
    prefix_print,
    prefixes,
    read_tag,
    site_print,
    tag_print,
    url_print,
)
from cms_cache_mw.core.value import Value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

MAX_TARGETS: Final = 500
"""Tags, URLs and prefixes that one purge may name."""


class TargetError(ValueError):
    """A purge that cannot be meant; `field` says which part of it, the message what is wrong and what would be right."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        self.message = message


class Target(Value, frozen=True):
    """What is to be purged. URLs and prefixes are whole (`https://host/path`), or paths on `site`, or on any site without one."""

    tags: tuple[str, ...] = ()
    urls: tuple[str, ...] = ()
    prefixes: tuple[str, ...] = ()
    site: str = ""
    everything: bool = False

    @classmethod
    def named(
        cls, tags: Iterable[str], urls: Iterable[str], prefixes: Iterable[str], site: str, *, everything: bool
    ) -> Target:
        """The target of a call; `TargetError` for a text where a list of texts is meant, whose letters would be purged."""
        for field, named in (("tags", tags), ("urls", urls), ("prefixes", prefixes)):
            if isinstance(named, (str, bytes)):
                raise TargetError(field, f"{named!r} is one; give a list, [{named!r}]")
        return cls(tuple(tags), tuple(urls), tuple(prefixes), site, everything)

    @property
    def names(self) -> tuple[str, ...]:
        """What is named, for people."""
        site = (f"site {self.site}",) if self.site and not (self.urls or self.prefixes) else ()
        return (*self.tags, *self.urls, *self.prefixes, *site, *(("everything",) if self.everything else ()))

    def prints(
        self,
        site_of: Callable[[str], str | None],
        sites: frozenset[str] = frozenset(),
        query_of: Callable[[bytes], bytes] = bytes,
    ) -> frozenset[int]:
        """The fingerprints to purge.

        `site_of` gives the site of a host; `sites` are those there are, empty for any; `query_of` gives what a query is
        stored under. Raises `TargetError` before anything is done, if any part of the target cannot be meant.
        """
        self._plausible(sites)
        found = {all_print()} if self.everything else set()
        found.update(self._tag(tag) for tag in self.tags)
        for url in self.urls:
            site, path, query = self._split("urls", url, site_of)
            found.add(url_print(site, path, shown_query(query_of(query.encode())) or None))
        for prefix in self.prefixes:
            site, path, query = self._split("prefixes", prefix, site_of)
            if query or not path.endswith("/"):
                raise TargetError("prefixes", f"{prefix!r} does not end in '/'; '/news/' purges it and all below it")
            if len(prefixes(path)) - 1 != path.count("/") - 1:
                raise TargetError(
                    "prefixes", f"{prefix!r} is deeper than {MAX_PREFIX_DEPTH} levels; purge one above it"
                )
            found.add(prefix_print(site, path))
        if self.site and not (self.urls or self.prefixes):
            found.add(site_print(self.site))
        return frozenset(found)

    def _plausible(self, sites: frozenset[str]) -> None:
        if not (self.tags or self.urls or self.prefixes or self.site or self.everything):
            raise TargetError("tags", 'nothing to purge: give tags, urls, prefixes, a site, or "all": true')
        for field, named in (("tags", self.tags), ("urls", self.urls), ("prefixes", self.prefixes)):
            if len(named) > MAX_TARGETS:
                raise TargetError(field, f"{len(named)} at once; at most {MAX_TARGETS}")
        if self.site and self.tags:
            raise TargetError("site", "tags are the same on every site; purge the tags, or the site, or its urls")
        if self.site and sites and self.site not in sites:
            raise TargetError("site", f"no site {self.site!r}; there are {', '.join(sorted(sites))}")

    @staticmethod
    def _tag(tag: str) -> int:
        try:
            return tag_print(read_tag(tag))
        except TagError as error:
            raise TargetError("tags", str(error)) from None

    def _split(self, field: str, text: str, site_of: Callable[[str], str | None]) -> tuple[str | None, str, str]:
        """Site (`None`: any), normal path and query of a URL or of a path."""
        if any(not char.isprintable() or char.isspace() for char in text):
            raise TargetError(field, f"{text!r} has a space or a control character; percent-encode it")
        if text.startswith("/") and not text.startswith("//"):
            path, _, query = text.partition("#")[0].partition("?")
            return self.site or None, normal_path(path), query
        try:
            parts = urlsplit(text)
        except ValueError:
            parts = urlsplit("")
        host = parts.netloc.rpartition("@")[2]
        if parts.scheme not in {"http", "https"} or not host:
            raise TargetError(
                field, f"{text!r} is neither a path such as '/news/' nor a URL such as 'https://host/news/'"
            )
        site = site_of(host)
        if not site:
            raise TargetError(field, f"{text!r} is on no site of this cache")
        if self.site and site != self.site:
            raise TargetError(field, f"{text!r} is on the site {site!r}, not on {self.site!r}; leave one of them out")
        return site, normal_path(parts.path or "/"), parts.query
