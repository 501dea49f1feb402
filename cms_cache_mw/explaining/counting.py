"""How much a purge takes with it in this worker's memory, counted in so far as that costs next to nothing."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from cms_cache_mw.stores.memory import Memory

NOTHING: Final = 0.001
"""Seconds of counting that nobody notices."""
SHARE: Final = 0.05
"""The part of the time that may go into counting that takes longer."""


class Counting:
    """Counts what has one of some fingerprints. It looks at everything that is held, so in a storm of purges most go uncounted."""

    def __init__(self, memories: Collection[Memory], now: Callable[[], float]) -> None:
        self._memories, self._now = memories, now
        self._not_before = float("-inf")

    def counted(self, prints: frozenset[int]) -> tuple[int | None, float]:
        """How many entries, and what their renders took in milliseconds; `None` where it was not counted."""
        if (now := self._now()) < self._not_before:
            return None, 0.0
        began = perf_counter()
        found = [entry for memory in self._memories for _, entry in memory.entries() if touched(entry.prints, prints)]
        if (spent := perf_counter() - began) > NOTHING:
            self._not_before = now + spent / SHARE
        return len(found), sum(entry.render_ms for entry in found)


def touched(own: Iterable[int], purged: frozenset[int]) -> bool:
    """Whether something with these fingerprints goes when those are purged."""
    return not purged.isdisjoint(own)
