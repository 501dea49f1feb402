"""A new worker's memory, filled from Redis with what all workers used most: parts of pages, then pages, most used first.

It ends when the list does, or with its budget of time and bytes. Pages that are in no level are left to be rendered.
"""

from __future__ import annotations

import logging
from heapq import merge
from itertools import filterfalse, islice
from typing import TYPE_CHECKING, Final

from cms_cache_mw.fragments.namespaces import NAMES
from cms_cache_mw.fragments.order import Order
from cms_cache_mw.runtime import drive
from cms_cache_mw.warmth import place as places
from cms_cache_mw.warmth.popularity import PARTS
from cms_cache_mw.warmth.renewal import Wish

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from cms_cache_mw.core.entry import Key
    from cms_cache_mw.fragments.caching import Fragments
    from cms_cache_mw.stores.memory import Memory
    from cms_cache_mw.warmth.popularity import Popularity
    from cms_cache_mw.warmth.renewal import Renewal

log: Final = logging.getLogger("cms_cache_mw")

SECONDS: Final = 10.0
"""For loading; what is rendered afterwards has no haste."""
SHARE: Final = 0.75
"""Of the memory limit that may be filled."""
AT_ONCE: Final = 8
"""Pages that Redis is asked for together: visitors may have to wait until all of them are read."""
MOST_PARTS: Final = 1_000
RENDERED: Final = 1_000
"""Pages in no level that are rendered, at most."""
WORTH: Final = 1.0
"""Decayed uses that make a page worth a render."""


class Start:
    """One filling of the memory, for `sites` or for all that are known. `budget` is in bytes; `now` counts seconds."""

    def __init__(
        self,
        popularity: Popularity,
        renewal: Renewal,
        fragments: Fragments,
        memories: Mapping[str, Memory],
        *,
        sites: Iterable[str],
        budget: int,
        now: Callable[[], float],
    ) -> None:
        self.state = "waiting"
        self.parts = self.pages = self.bytes = 0
        self.seconds = 0.0
        self.missing: list[Wish] = []
        self._popularity, self._renewal, self._fragments = popularity, renewal, fragments
        self._memories, self._sites = memories, list(sites)
        self._budget, self._now = int(budget * SHARE), now

    def run(self, stopped: Callable[[], bool]) -> None:
        """Load what is used most, until there is no more, the budget is used up, or `stopped`."""
        began = self._now()
        self.state = "loading"
        for step in (self._load_parts(), self._load_pages()):
            for size in step:
                self.bytes += size
                if stopped() or self.bytes > self._budget or self._now() - began > SECONDS:
                    break
        self.seconds = self._now() - began
        self.state = "loaded"
        if self.parts or self.pages or self.missing:
            log.info(
                "warm: %d parts and %d pages from Redis in %.1f s; %d pages are to be rendered",
                *(self.parts, self.pages, self.seconds, len(self.missing)),
            )

    def _load_parts(self) -> Iterator[int]:
        for name, _ in drive(self._popularity.top(PARTS, MOST_PARTS)):
            order = self._order(name)
            if order is None or self._fragments.held(order):
                continue
            if entry := drive(self._fragments.fetched(order)):
                self.parts += 1
                yield entry.size

    def _load_pages(self) -> Iterator[int]:
        wanted = filterfalse(self._renewal.held, self._wishes(self._sites or drive(self._popularity.sites())))
        while wishes := list(islice(wanted, AT_ONCE)):
            for wish, size in zip(wishes, self._renewal.load(wishes), strict=True):
                if size:
                    self.pages += 1
                elif len(self.missing) < RENDERED and wish.value >= WORTH:
                    self.missing.append(wish)
                yield size

    def _wishes(self, sites: list[str]) -> Iterator[Wish]:
        """The pages of all sites, most used first."""
        yield from merge(*(self._of(site) for site in sites))

    def _of(self, site: str) -> Iterator[Wish]:
        for name, uses in drive(self._popularity.top(site)):
            if place := places.read(name):
                yield Wish(place, site, uses)

    def _order(self, name: bytes) -> Order | None:
        """The fragment of a name that the popularity of parts knows: its namespace, then its place."""
        namespace, _, rest = name.partition(b"\0")
        place = places.read(rest, least=2)
        memory = self._memories.get(namespace.decode("latin-1"))
        if place is None or memory is None or namespace.decode("latin-1") not in NAMES:
            return None
        return Order(_spelling(place), place[0], memory, 0.0)


def part_name(namespace: str, key: Key, name: str) -> bytes | None:
    """A fragment as the popularity of parts knows it."""
    named = places.named((key, ((b"name", name.encode("utf-8", "surrogatepass")),)))
    return named and namespace.encode() + b"\0" + named


def _spelling(place: places.Place) -> str:
    return (place[1][0][1] or b"").decode("utf-8", "surrogatepass") if place[1] else ""
