"""Which used pages expire soon: they are rendered anew shortly before, each at a moment of its own."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, Final

from cms_cache_mw.stores.chance import share
from cms_cache_mw.warmth.renewal import Wish

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from cms_cache_mw.core.entry import Entry, Key
    from cms_cache_mw.warmth.place import Place

USED: Final = 2
"""Uses within its lifetime that make a page worth a render; the others are left to expire."""
SHARE: Final = 0.1
"""Of its lifetime: how long before its end a page is rendered anew, give or take half."""
LEAST: Final = 1.0
MOST: Final = 60.0
"""Seconds."""
RENDERS: Final = 3.0
"""Times the render of a page takes: it begins that much earlier at least."""


class Ahead:
    """The pages that are due before the next scan, soonest first."""

    def __init__(self, jitter: Callable[[], float] = share) -> None:
        self._jitter = jitter
        self._due: list[tuple[float, Wish]] = []

    def __len__(self) -> int:
        return len(self._due)

    def scan(self, entries: Iterable[tuple[Key, Entry]], now: float, until: float) -> None:
        """Note what is due before `until`, when the next scan comes."""
        known: set[Place] = {wish.place for _, wish in self._due}
        soon = until + 1.5 * MOST
        for key, entry in entries:
            # Most are not due for long, and are to cost as little as can be.
            if entry.hits < USED or not now < (end := entry.born + entry.freshness.lifetime) <= soon:
                continue
            if (key, entry.variant) in known:
                continue
            lead = self._lead(entry)
            due = end - lead * (0.5 + self._jitter())
            if due <= until:
                heapq.heappush(self._due, (due, self._wish(key, entry, lead)))

    def take(self, now: float) -> Wish | None:
        """The next page that is due."""
        return heapq.heappop(self._due)[1] if self._due and self._due[0][0] <= now else None

    @staticmethod
    def _lead(entry: Entry) -> float:
        lead = max(LEAST, SHARE * entry.freshness.lifetime, RENDERS * entry.render_ms / 1000)
        return min(MOST, lead, entry.freshness.lifetime / 2)

    @staticmethod
    def _wish(key: Key, entry: Entry, lead: float) -> Wish:
        usual = entry.render_ms / 1000
        # What another worker rendered meanwhile lasts longer than the jitter could have made it wait.
        return Wish((key, entry.variant), entry.site, entry.hits * usual, usual, least=lead * 1.5, validate=True)
